"""Joins between kinds of evidence."""
