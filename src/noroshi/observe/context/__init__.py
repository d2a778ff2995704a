"""Context: whose networks are, and what is our own."""
