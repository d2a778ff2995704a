"""What of a record has no column, as JSON of bounded length."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from noroshi.observe.rows import TEXT

VALUE: Final = 8_000
"""Characters of one value that are kept."""
_CUT: Final = "... (cut)"


def as_json(values: dict[str, Any]) -> str | None:
    """The values as a JSON object of at most 64 KiB; None for none.

    A text that is too long is cut and says so; when all together is too long the longest go, and `_cut`
    names them: the whole stands in the source.
    """
    if not values:
        return None
    kept = {str(k)[:200]: _shorter(v) for k, v in values.items()}
    sizes = {k: len(k) + 8 + len(_encoded(v)) for k, v in kept.items()}
    total, gone = sum(sizes.values()), []
    for name in sorted(sizes, key=lambda k: -sizes[k]):
        if total <= TEXT - 1_000:
            break
        total -= sizes[name]
        gone.append(name)
        del kept[name]
    if gone:
        kept["_cut"] = gone[:5]
    return _encoded(kept)


def _shorter(value: Any) -> Any:
    if isinstance(value, str):
        value = value if len(value) <= VALUE else value[:VALUE] + _CUT
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    encoded = _encoded(value)
    return msgspec.Raw(encoded.encode()) if len(encoded) <= VALUE else encoded[:VALUE] + _CUT


def _encoded(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, RecursionError, ValueError, OverflowError, TypeError):
        # Half of a surrogate pair within, or an integer of more than 64 bits: as text that can be stored.
        return msgspec.json.encode(_plain(value)).decode()


def _plain(value: Any) -> str:
    try:
        text = str(value)
    except (ValueError, RecursionError):  # an integer of more than 4,300 digits, or too deep
        return "(not kept)"
    return text[:VALUE].encode("utf-8", "replace").decode()
