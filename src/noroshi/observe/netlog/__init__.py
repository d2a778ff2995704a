"""Logs of network sensors."""
