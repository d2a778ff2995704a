"""Noroshi: observe attacks on networks, keep them, analyse them across kinds, share what is learned."""

__version__ = "0.1.0"
