"""What keeps others out: who somebody is, what a browser may do, how much anybody may ask."""
