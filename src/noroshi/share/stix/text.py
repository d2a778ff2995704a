"""Texts, times and evidence as STIX takes them, whatever an attacker put there."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

import msgspec

TEXT_LIMIT = 5000
"""Characters of a text; evidence and commands are cut there."""
DEPTH = 16
"""Levels of evidence that go out; our analysers use three."""
KEY_LIMIT = 250
"""Longest key of a dictionary (STIX 2.1, section 2.3)."""

_BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_KEY = re.compile(rb'(?<!\\)"[A-Za-z0-9_-]{1,250}":')
# What `plain` would change, as msgspec writes it: null and NaN, escaped controls, DEL and C1 controls.
_CHANGED = re.compile(rb"null|\\u00|\x7f|\xc2[\x80-\x9f]|\\[bfr]")
_ZONE = UTC
_TIME = msgspec.json.Encoder().encode


def stamp(ts: datetime) -> str:
    """A STIX timestamp, to the millisecond as `created` and `modified` demand."""
    if ts.tzinfo is not _ZONE:
        ts = ts.astimezone(UTC)
    # A fifth of isoformat's time: "2024-04-01T12:00:00.123456Z", without the fraction where there is none.
    text = _TIME(ts).decode()
    return f"{text[1:24]}Z" if text[20] == "." else f"{text[1:20]}.000Z"


def clean(text: str, limit: int = TEXT_LIMIT) -> str:
    """Text that may come from an attacker: bounded, without control characters or lone surrogates."""
    text = text[:limit]
    return _BAD.sub("\ufffd", text) if _BAD.search(text) else text


def plain(value: Any, depth: int = DEPTH) -> Any:
    """Evidence in what the standard calls a dictionary: keys of [A-Za-z0-9_-], no null, no NaN."""
    if isinstance(value, dict):
        if not depth:
            return None
        kept = (
            (re.sub(r"[^A-Za-z0-9_-]", "_", str(k))[:KEY_LIMIT] or "_", plain(v, depth - 1))
            for k, v in value.items()
        )
        return {k: v for k, v in kept if v is not None}
    if isinstance(value, list | tuple):
        return [v for v in (plain(v, depth - 1) for v in value) if v is not None] if depth else None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return clean(value) if isinstance(value, str) else value


def dictionary(value: dict[str, Any]) -> msgspec.Raw:
    """The JSON of `plain(value)`; most evidence needs no change, which its bytes tell sooner than a walk."""
    try:
        raw = msgspec.json.encode(value)
        if len(raw) <= TEXT_LIMIT and not _CHANGED.search(raw) and raw.count(b'":') == len(_KEY.findall(raw)):
            return msgspec.Raw(raw)
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError):
        pass  # lone surrogates, keys that are no text, what nests too deep: the walk mends them
    return msgspec.Raw(msgspec.json.encode(plain(value)))
