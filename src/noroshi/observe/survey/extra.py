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
        return value if len(value) <= VALUE else value[:VALUE] + _CUT
    if isinstance(value, dict | list):
        encoded = _encoded(value)
        return value if len(encoded) <= VALUE else encoded[:VALUE] + _CUT
    return value


def _encoded(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, RecursionError, ValueError, OverflowError, TypeError):
        # Half of a surrogate pair, or an integer no JSON library reads: as text that can be stored.
        return msgspec.json.encode(str(value)[:VALUE].encode("utf-8", "replace").decode()).decode()
