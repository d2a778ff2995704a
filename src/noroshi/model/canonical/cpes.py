"""CPE names: the formatted string of CPE 2.3. Source: NISTIR 7695, sections 6.1 (URI) and 6.2 (formatted string)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from noroshi.model.canonical.names import wrong

_TODO: Final = "Write it as cpe:2.3:a:vendor:product:version:*:*:*:*:*:*:*."
LONGEST: Final = 1_000
# Canonical as it stands: all eleven parts, no escape, nothing that would need one.
_PLAIN: Final = re.compile(r"cpe:2\.3:[aoh*-](?::(?:[a-z0-9._-]+|\*)){10}")
_URI: Final = re.compile(r"cpe:/([aoh]?)((?::[^:\s]*){1,6})")
_SPLIT: Final = re.compile(r"((?:\\.|[^:\\])*)(?::|$)")
_PIECE: Final = re.compile(r"\\(.)|([^a-z0-9._\-*?\\])")
_ENCODED: Final = re.compile(r"%([0-9a-f]{2})|([^a-z0-9._\-])")


def cpe(value: str) -> str:
    """The formatted string in lower case. Parts that are missing at the end are any (`*`); what stands unquoted and
    should not (`c++`) is quoted, what needs no quoting is not; CPE 2.2 URIs are turned into it.
    """
    if _PLAIN.fullmatch(value) and len(value) <= LONGEST:
        return value
    return _cpe(value)


@lru_cache(maxsize=20_000)
def _cpe(value: str) -> str:
    text = value.strip().lower()
    parts: list[str] | None = None
    if len(text) <= LONGEST and text.isprintable():
        parts = _of_uri(text) if text.startswith("cpe:/") else _of_string(text)
    if parts is None:
        raise wrong(value, "a CPE name", _TODO)
    out = "cpe:2.3:" + ":".join(parts + ["*"] * (11 - len(parts)))
    if len(out) > LONGEST:
        raise wrong(value, "a CPE name", _TODO)
    return out


def _of_string(text: str) -> list[str] | None:
    if not text.startswith("cpe:2.3:") or any(c.isspace() for c in text):
        return None
    raw, at = [], 8
    while at <= len(text):
        found = _SPLIT.match(text, at)
        if found is None:  # a backslash at the end quotes nothing
            return None
        raw.append(found[1])
        if found.end() == len(text) and not found[0].endswith(":"):
            break
        if found.end() == len(text) and _quoted_end(found[0]):
            break
        at = found.end()
    if not 3 <= len(raw) <= 11 or raw[0] not in ("a", "o", "h", "*", "-"):
        return None
    return [raw[0], *(_part(p) for p in raw[1:])]


def _quoted_end(piece: str) -> bool:
    """True when the colon at the end of the last piece is quoted, and so part of it."""
    return piece.endswith("\\:") and (len(piece) - len(piece.rstrip("\\:"))) % 2 == 0


def _part(raw: str) -> str:
    """One part: quoted where the specification quotes, and nowhere else. An empty one is any."""
    if raw in ("", "*", "-", r"\-"):
        return raw or "*"
    return _PIECE.sub(_requoted, raw)


def _requoted(found: re.Match[str]) -> str:
    char = found[1] or found[2]
    return char if char.isascii() and (char.isalnum() or char in "._-") else f"\\{char}"


def _of_uri(text: str) -> list[str] | None:
    found = _URI.fullmatch(text)
    if not found:
        return None
    parts = [found[1] or "*", *found[2][1:].split(":")]
    packed: list[str] = []
    if len(parts) > 5 and parts[5].startswith("~"):  # edition ~ sw_edition ~ target_sw ~ target_hw ~ other
        pieces = parts[5].split("~")
        if len(pieces) != 6:
            return None
        parts[5], packed = pieces[1], pieces[2:]
    parts += [""] * (7 - len(parts)) + packed
    return [parts[0], *(p if p == "-" else _ENCODED.sub(_decoded, p) or "*" for p in parts[1:])]


def _decoded(found: re.Match[str]) -> str:
    if found[1] == "01":
        return "?"
    if found[1] == "02":
        return "*"
    char = chr(int(found[1], 16)).lower() if found[1] else found[2]
    if char.isascii() and (char.isalnum() or char in "._-"):
        return char
    return f"\\{char}" if char.isprintable() and not char.isspace() else "_"


def bare(value: str) -> str:
    """A canonical CPE name without its version and all behind it."""
    at = 8
    for _ in range(3):  # part, vendor, product
        found = _SPLIT.match(value, at)
        if found is None:
            return value
        at = found.end()
    return value[:at] + "*:*:*:*:*:*:*:*"
