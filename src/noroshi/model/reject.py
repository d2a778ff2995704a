"""A piece of a source that could not be read: where it stands, why, and a bounded sample of it."""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_LIMIT = 64
"""Bytes of a rejected piece that are kept: enough to see what it is, too few to be harmful in bulk."""


@dataclass(frozen=True)
class Reject:
    """One unreadable piece."""

    position: int
    """Byte offset in the source, after decompression."""
    reason: str
    """A short code from the sensor's list, e.g. `record-length`."""
    detail: str = ""
    """What was found, in words: `record claims 70,000 bytes, snap length is 65,535`."""
    sample: bytes = b""
    """The first bytes of the piece, at most SAMPLE_LIMIT."""
    count: int = 1
    """How many pieces of the same reason this one stands for."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sample", bytes(self.sample[:SAMPLE_LIMIT]))
