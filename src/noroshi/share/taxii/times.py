"""Timestamps of the standard, as microseconds since 1970 and as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_FORM: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?[Zz]", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
WHOLE: Final = 6
"""Fractional digits of the times this server gives itself."""


def parse(text: str) -> tuple[int, int] | None:
    """(microseconds since 1970, fractional digits written, at most 6); None for what is no UTC timestamp.

    What is finer than a microsecond is cut: a time is later than the text just when it is later than this.
    RFC 3339 with Z, as TAXII 2.1 section 2.1 asks; a leap second is the second before it.
    """
    found = _FORM.fullmatch(text) if len(text) <= 40 else None
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.group(1, 2, 3, 4, 5, 6))
    fraction = (found[7] or "")[:WHOLE]
    try:
        at = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None
    if second > 60:
        return None
    return (at - _EPOCH) // _SECOND * 1_000_000 + int(fraction.ljust(WHOLE, "0")), len(fraction)


def text(us: int, digits: int = WHOLE) -> str:
    """The timestamp with so many fractional digits."""
    at = _EPOCH + timedelta(microseconds=us)
    fraction = f".{at.microsecond:06d}"[: digits + 1] if digits else ""
    return (
        f"{at.year:04d}-{at.month:02d}-{at.day:02d}T{at.hour:02d}:{at.minute:02d}:{at.second:02d}{fraction}Z"
    )


def micros(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)
