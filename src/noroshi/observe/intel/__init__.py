"""Intelligence: what others know."""
