"""Analysers of what reaches a network telescope."""
