"""Logs of decoys (honeypots)."""
