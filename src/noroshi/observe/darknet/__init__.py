"""Sensors for captures of unused address space, and the fingerprints of scanning tools."""
