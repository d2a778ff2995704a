"""Cases: the words that command line, pages and state share."""

from __future__ import annotations

STATES = ("open", "working", "waiting", "closed")
"""How far a case is."""
