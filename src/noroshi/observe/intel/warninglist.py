"""MISP warninglists: values that are well known, shared or harmless.

What a list means decides what it does. `false-positive`: whoever names an entry is wrong, so no join holds. `known`:
the entry is a known thing (an address of a VPN, of a hosting provider), which good and bad use; what is said of it
weighs less. MISP's lists say which in `category` (`false_positive`, `known`); the public collection has no such key,
and there a list of networks whose own title or description speaks of places anybody can rent or go out by is `known`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from noroshi.model.observable import resolve_one
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.rows import Rows
from noroshi.wire.jsonhead import outline
from noroshi.wire.jsonsplit import Closed, Elements, split

LARGEST: Final = 64 << 20
"""Bytes of entries held until the list's type is known, which stands behind them: three times the largest list."""
LONGEST: Final = 4_096
"""Characters of an entry."""
_TYPES: Final = ("cidr", "hostname", "string", "substring", "regex")
_ALLOWED: Final = frozenset(
    ("category", "description", "list", "matching_attributes", "name", "type", "version")
)
_STRINGS: Final = ("ip", "prefix", "url", "email", "sha512", "sha256", "sha1", "md5", "ssdeep", "domain")


_WORDS: Final = {"hostname": "domain", "uri": "url"}


KNOWN: Final = "known"
FALSE_POSITIVE: Final = "false-positive"
_RENTED: Final = frozenset(
    ("vpn", "vpns", "tor", "cloud", "clouds", "hosting", "hosters", "provider", "providers", "datacenter",
     "datacenters")
)  # fmt: skip
"""Words of titles and descriptions: places where anybody's machine may stand, or be seen to stand."""
_OWN_MACHINES: Final = frozenset(("scanner", "scanners", "scanning", "sensors", "crawler", "bot"))
"""Words that say whose machines they are, wherever they stand: what a list of scanners has is no rented place."""


class _About(msgspec.Struct):
    """What stands beside the entries."""

    name: str = ""
    type: str = ""
    category: str = ""
    description: str = ""
    kinds: tuple[str, ...] = ()
    """Kinds its `matching_attributes` speak of; all when they name none."""


def category(given: str, type_: str, words: str) -> str:
    """What a list does: by its own `category`, else by its type and the words of its title and description."""
    if given:
        return KNOWN if given.lower().startswith(KNOWN) else given.lower()[:60]
    told = set(re.findall(r"[a-z]+", re.sub(r"https?://\S+", " ", words.lower())))
    return KNOWN if type_ == "cidr" and told & _RENTED and not told & _OWN_MACHINES else FALSE_POSITIVE


def settled(type_: str, text: str, kinds: tuple[str, ...] = ()) -> tuple[str, str, str] | None:
    """(kind, value, match) of an entry of a list of that type; None when it is no entry of one.

    cidr: addresses match exactly, networks by what they hold. hostname: the name and all below it. string: exactly;
    with a dot in front, below. substring: a part of the value. regex: kept as it stands and never run.
    """
    text = text.strip()
    if not text or len(text) > LONGEST:
        return None
    if type_ == "regex":
        return "regex", text, "regex"
    if type_ == "cidr":
        if found := resolve_one("ip", text):
            return (*found, "exact")
        found = resolve_one("prefix", text)
        return (*found, "prefix") if found else None
    if type_ == "hostname" or (type_ == "string" and text.startswith(".")):
        if found := resolve_one("host", text.lstrip(".")):
            return (*found, "below" if found[0] == "domain" else "exact")
        return "text", text.lower(), "exact"
    match = "part" if type_ == "substring" else "exact"
    for kind in kinds or _STRINGS:
        if found := resolve_one(kind, text):
            return (*found, match)
    return "text", text, match


class WarninglistSensor:
    """Warninglists, one file each."""

    name = "misp-warninglist"
    version = 2
    doc = "MISP warninglists (types cidr, hostname, string, substring; regex is kept and never run)."
    tables = ("warnings",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """True for a JSON object with a list of texts and nothing beside it but what a warninglist has."""
        found = outline(head)
        top = {place.partition(".")[0].partition("[")[0] for place in found} - {""}
        if not {"list", "description"} <= top or not top <= _ALLOWED:
            return False
        return bool(found.get("list[]")) or {"type", "name", "version"} <= top

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """A row of `warnings` for each entry; the list's type decides how it matches."""
        held: list[tuple[int, bytes]] = []
        size = 0
        rows = Rows()
        for item in split(reading.stream, ["list[]"], element=64 << 10, start=reading.start):
            if isinstance(item, Reject):
                yield item
            elif isinstance(item, Elements):
                for offset, raw in zip(item.offsets, item.data, strict=True):
                    size += len(raw)
                    if size > LARGEST:
                        yield Reject(offset, "list-size", f"entries beyond the first {LARGEST:,} bytes", raw)
                        continue
                    held.append((offset, raw))
                reading.advance(sum(map(len, item.data)))
            elif isinstance(item, Closed) and not item.scope.place:
                yield from self._entries(reading, item, held, rows)
                held, size = [], 0
        yield from rows.rest()

    def _entries(
        self, reading: Reading, closed: Closed, held: list[tuple[int, bytes]], rows: Rows
    ) -> Iterator[Batch | Reject]:
        about = _about(closed.scope.members)
        if about.type not in _TYPES:
            what = f"its type is {about.type[:40]!r}" if about.type else "it has no type"
            yield Reject(closed.scope.offset, "list-type", f"{what}: entries could match in any way")
            return
        kept = category(about.category, about.type, f"{about.name} {about.description}")
        for offset, raw in held:
            try:
                text = msgspec.json.decode(raw, type=str)
            except (msgspec.DecodeError, UnicodeDecodeError):
                yield Reject(offset, "entry", "an entry that is no text", raw)
                continue
            found = settled(about.type, text, about.kinds)
            if found is None:
                yield Reject(offset, "entry", f"no entry of a list of type {about.type}", raw)
                continue
            kind, value, match = found
            rows.add(
                "warnings", ts=reading.source_date_us, list=about.name[:300] or reading.name[:300], kind=kind,
                value=value, match=match, category=kept, offset=offset,
            )  # fmt: skip
            yield from rows.ready()


def _about(members: dict[str, bytes]) -> _About:
    texts: dict[str, Any] = {}
    for key in ("name", "type", "category", "description"):
        try:
            texts[key] = msgspec.json.decode(members.get(key, b'""'), type=str).strip()
        except (msgspec.DecodeError, UnicodeDecodeError):
            texts[key] = ""
    texts["category"] = texts["category"].replace("_", "-")
    try:
        attributes = msgspec.json.decode(members.get("matching_attributes", b"[]"), type=list[str])[:100]
    except (msgspec.DecodeError, UnicodeDecodeError):
        attributes = []
    words = {word for attribute in attributes for word in re.split(r"[|-]", attribute.lower())}
    named = {_WORDS.get(word, word) for word in words}
    kinds = tuple(k for k in _STRINGS if k in named or (k == "prefix" and "ip" in named))
    return _About(**texts, kinds=kinds)
