"""Analysers of what own networks show to the Internet."""
