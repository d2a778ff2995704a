"""Claims of speed, each with its peers, and the generator of the capture they are measured on."""
