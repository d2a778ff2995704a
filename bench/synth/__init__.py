"""A synthetic darknet capture of any length: same seed, same bytes, known truth."""
