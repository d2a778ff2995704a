"""Findings on their way to people: into a file, by mail, to a webhook. One file per way."""
