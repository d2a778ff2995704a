"""Sensors: one file per source format."""
