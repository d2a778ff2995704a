"""Values as lists hold them: one text that is an indicator, its kind found out by its shape."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from noroshi.model.observable import resolve_one
from noroshi.wire.indicators import refang
from noroshi.wire.indicators_hosts import tlds

LONGEST: Final = 8_192
"""Characters of an entry at most: those of a URL."""
NULLS: Final = frozenset(("0.0.0.0", "127.0.0.1", "::", "::1", "255.255.255.255", "fe80::1%lo0"))  # noqa: S104
"""Where hosts files send names to; no entry of a list themselves when a name follows."""
_PORT: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:/\s]+):([0-9]{1,5})")
_QUAD: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_HEX: Final = re.compile(r"[0-9A-Fa-f]+")
_BY_LENGTH: Final = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_REST: Final = (
    "cve",
    "asn",
    "technique",
    "purl",
    "cpe",
    "ssh-key",
    "ja4",
    "ja4s",
    "ssdeep",
    "tlsh",
    "wallet",
)
_DEFANGED: Final = re.compile(r"(?i)^h\S{2}ps?\b|[\[({\\]")


class Entry(NamedTuple):
    """What an entry of a list is; `below`: the name and all under it are meant (`*.example.com`)."""

    kind: str
    value: str
    below: bool = False


@lru_cache(maxsize=4_096)
def entry(text: str) -> Entry | None:
    """The indicator that `text` is as a whole, None when it is none; defanged forms and ports are understood.

    A name counts under a top-level domain that exists, so that words with dots are none.
    """
    if not text or len(text) > LONGEST:
        return None
    if _QUAD.fullmatch(text):
        return _known("ip", text)
    if "://" in text and (found := _known("url", text)):
        return found
    if _HEX.fullmatch(text):
        return _known(_BY_LENGTH.get(len(text), "ip"), text)
    if _DEFANGED.search(text):
        text = refang(text)
        if "://" in text:
            return _known("url", text)
    return _addressed(text) or _named(text)


def _known(kind: str, text: str) -> Entry | None:
    found = resolve_one(kind, text)
    return Entry(*found) if found else None


def _addressed(text: str) -> Entry | None:
    ported = _PORT.fullmatch(text)
    if ported and int(ported[2]) < 65_536:
        text = ported[1].strip("[]")
    elif text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    if "/" in text and text.partition("/")[2].replace(".", "").isdigit():
        return _known("prefix", text)
    if ":" in text or text[-1:].isdigit():
        return _known("ip", text) or _any(text)
    return _name(text) if ported else None


def _named(text: str) -> Entry | None:
    if text.startswith("||"):  # Adblock Plus: the name and all below it
        return _name(text[2:].partition("^")[0], below=True)
    if text.startswith(("*.", ".")):
        return _name(text.lstrip("*."), below=True)
    if "@" in text and not text.startswith("@"):
        return _known("email", text)
    return _name(text) or _any(text)


def _name(text: str, *, below: bool = False) -> Entry | None:
    found = resolve_one("domain", text)
    if found is None or found[1].rpartition(".")[2] not in tlds():
        return None
    return Entry(*found, below)


def _any(text: str) -> Entry | None:
    if text.isdigit():
        return None
    for kind in _REST:
        if kind == "asn" and text[:2].upper() != "AS":
            continue
        if found := resolve_one(kind, text):
            return Entry(*found)
    return None
