"""Ways out: marking first, then one file per standard."""
