"""Records with telling names (ioc, sha256_hash, first_seen_utc, ...) as rows: one table of names for CSV and JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from noroshi.model.observable import resolve_one
from noroshi.model.sensor import Reading
from noroshi.observe.intel.entries import Entry, entry
from noroshi.observe.rows import Rows, clipped, in_time, micros
from noroshi.wire.indicators import refang

# Names of columns without case and signs. Sources: abuse.ch (URLhaus, ThreatFox, MalwareBazaar, Feodo Tracker, SSLBL),
# OTX, MISP's CSV export, and what people write by hand.
_VALUE: Final = (
    "ioc iocvalue indicator indicatorvalue indicators observable observablevalue value artifact ioccontent"
)
_KIND: Final = "ioctype indicatortype observabletype type kind datatype typeofioc"
_FIXED: Final = {
    "ip": "ip ipaddress dstip srcip sourceip ipv4 ipv6 c2ip attackerip maliciousip hostip ipaddr destinationip",
    "host": "host hostname c2 c2host server",
    "domain": "domain domainname fqdn maliciousdomain sourcefqdn",
    "url": "url uri sourceurl maliciousurl downloadurl phishingurl link",
    "email": "email emailaddress sender emailsender mail",
    "md5": "md5 md5hash hashmd5 filehashmd5",
    "sha1": "sha1 sha1hash hashsha1 filehashsha1",
    "sha256": "sha256 sha256hash hashsha256 filehashsha256",
    "sha512": "sha512 sha512hash",
    "hash": "hash filehash malwarehash samplehash",
    "imphash": "imphash", "ssdeep": "ssdeep", "tlsh": "tlsh",
    "ja3": "ja3 ja3md5 ja3fingerprint", "cve": "cve cveid", "wallet": "wallet bitcoinaddress btcaddress",
}  # fmt: skip
_CONTEXT: Final = {
    "first_seen": "firstseen firstseenutc dateadded added firstsubmission datefirstseen listingdate created createdat "
    "date timestamp reported reportdate",
    "last_seen": "lastseen lastseenutc lastonline datelastseen updated modified lastupdated",
    "threat": "threat threattype role c2status iocrole category classification listingreason reason usage",
    "family": "malware malwareprintable malwarefamily family signature families malwarename threatname botname botnet",
    "labels": "tags labels tag label keywords malwarealias",
    "confidence": "confidence confidencelevel score",
    "comment": "comment comments description notes note title context remarks details event",
    "reference": "reference references urlhauslink source sourceref iocreference",
    "origin": "reporter author provider feed origin reportedby",
    "object_id": "id iocid uuid indicatorid entryid",
    "name": "filename filenames name",
    "size": "filesize size filelength",
    "file_type": "filetype filetypeguess mimetype",
    "tlp": "tlp",
    "status": "status urlstatus",
    "port": "port dstport c2port",
}  # fmt: skip
_ONLY: Final = (
    "firstseen firstseenutc lastseen lastseenutc lastonline dateadded listingdate listingreason threat threattype "
    "malware malwareprintable malwarefamily malwarealias signature iocid ioctype indicatortype c2status tags tlp "
    "confidencelevel urlhauslink urlstatus tag family familyname threatname firstsubmission role iocrole vtpercent"
)
_TELLING: Final = frozenset(_ONLY.split())
"""Names that only lists of indicators have: they must stand beside a value for a file to be one."""
_ROLES: Final = (
    ("c2", ("botnet_cc", "c2", "c&c", "cnc", "cc", "command", "controller", "online", "offline")),
    ("download", ("malware_download", "payload_delivery", "download", "distribution", "dropper", "payload")),
    ("phishing", ("phish",)), ("scanner", ("scan", "bruteforce", "brute")), ("victim", ("victim", "infected")),
)  # fmt: skip
_KINDS: Final = {
    "ipport": "ip", "ip": "ip", "ipv4": "ip", "ipv6": "ip", "ipaddress": "ip", "ipsrc": "ip", "ipdst": "ip",
    "cidr": "prefix",
    "ipv4port": "ip", "domain": "domain", "hostname": "domain", "fqdn": "domain", "url": "url", "uri": "url",
    "link": "url",
    "email": "email", "emailsrc": "email", "md5": "md5", "md5hash": "md5", "sha1": "sha1", "sha1hash": "sha1",
    "sha256": "sha256", "sha256hash": "sha256", "sha512": "sha512", "filehashmd5": "md5", "filehashsha1": "sha1",
    "filehashsha256": "sha256", "cve": "cve", "ja3": "ja3", "imphash": "imphash", "ssdeep": "ssdeep", "tlsh": "tlsh",
    "asn": "asn", "hash": "hash", "btc": "wallet", "bitcoin": "wallet", "ja4": "ja4", "hassh": "hassh",
}  # fmt: skip
_HASHES: Final = ("md5", "sha1", "sha256", "sha512", "ssdeep", "tlsh", "imphash")
_LIST: Final = re.compile(r"[,;|]")
_EMPTY: Final = frozenset(("", "-", "n/a", "na", "none", "null", "unknown", "?"))
NAME: Final = 500
MANY: Final = 100


@dataclass(frozen=True)
class Names:
    """Which names of a record hold what."""

    value: str = ""
    kind: str = ""
    fixed: tuple[tuple[str, str], ...] = ()
    """(name, kind) of columns that hold one kind of value."""
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    telling: bool = False
    is_files: bool = False
    """Records of files: hashes with a name, a type or a size of the file beside them."""


@lru_cache(maxsize=4_096)
def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_BY_VALUE: Final = {word: rank for rank, word in enumerate(_VALUE.split())}
_BY_KIND: Final = frozenset(_KIND.split())
_BY_FIXED: Final = {word: kind for kind, words in _FIXED.items() for word in words.split()}
_BY_CONTEXT: Final = {word: what for what, words in _CONTEXT.items() for word in words.split()}


@lru_cache(maxsize=256)
def named(names: tuple[str, ...]) -> Names | None:
    """What the columns of a file hold; None when no name is that of an indicator."""
    plain = {name: _plain(name) for name in names[:1_000]}
    values = sorted((_BY_VALUE[p], n) for n, p in plain.items() if p in _BY_VALUE)
    kinds = [n for n, p in plain.items() if p in _BY_KIND]
    fixed = tuple((n, _BY_FIXED[p]) for n, p in plain.items() if p in _BY_FIXED)
    if values and values[0][1] not in ("value", "Value"):
        fixed = ()
    value = values[0][1] if values and (kinds or _plain(values[0][1]) != "value") else ""
    context: dict[str, tuple[str, ...]] = {}
    for name, p in plain.items():
        if p in _BY_CONTEXT and name != value:
            context[_BY_CONTEXT[p]] = (*context.get(_BY_CONTEXT[p], ()), name)
    if not value and not fixed:
        return None
    strong = bool(value) and (_plain(value) != "value" or bool(kinds))
    telling = bool(_TELLING & set(plain.values())) or strong
    hashes = any(kind in _HASHES for _, kind in fixed)
    files = (
        hashes
        and any(k in context for k in ("name", "size", "file_type"))
        and not any(kind in ("url", "ip", "domain", "host") for _, kind in fixed)
    )
    return Names(value, kinds[0] if kinds and value else "", fixed, context, telling, files)


def is_list(names: Iterable[str]) -> bool:
    """True when a file with these columns is a list of indicators or files, and nothing else by chance."""
    found = named(tuple(names))
    return found is not None and found.telling


class Recorder:
    """Turns records into rows of `indicators` and `files`."""

    def __init__(self, reading: Reading, names: Names, rows: Rows, origin: str | None = None) -> None:
        self._reading, self._names, self._rows, self._origin = reading, names, rows, origin
        self._document = reading.name[:NAME]
        self._families: set[str] = set()

    def add(self, offset: int, record: Mapping[str, Any]) -> bool:
        """Adds the rows of a record; False when it names no indicator."""
        context = {what: _first(record, names) for what, names in self._names.context.items()}
        seen = [self._time(context.get(k)) for k in ("first_seen", "last_seen")]
        ts = max((t for t in seen if t is not None), default=self._reading.source_date_us)
        found = list(self._values(record))
        if not found:
            return False
        if self._names.is_files:
            self._file(offset, ts, found, context)
            return True
        families = self._labels(context.get("family"))
        shared = {
            "ts": ts, "first_seen": seen[0], "last_seen": seen[1], "document": self._document,
            "origin": _text(context.get("origin")) or self._origin, "object_id": _text(context.get("object_id")),
            "labels": [*families, *self._labels(context.get("labels"))][:MANY] or None,
            "confidence": _confidence(context.get("confidence")), "comment": self._comment(context),
            "tlp": _text(context.get("tlp")),
        }  # fmt: skip
        role = role_of(context.get("threat"))
        for i, (one, raw, type_) in enumerate(found):
            self._rows.add(
                "indicators", kind=one.kind, value=one.value, raw=None if raw == one.value else raw, role=role,
                type=type_, offset=offset + i, **shared,
            )  # fmt: skip
        self._family(families, offset + len(found), shared)
        return True

    def _family(self, families: list[str], offset: int, shared: dict[str, Any]) -> None:
        """A statement of its own for each malware a document names, the first time it does."""
        for i, name in enumerate(families):
            known = resolve_one("malware", name)
            if known and known[1] not in self._families and len(self._families) < 100_000:
                self._families.add(known[1])
                kept = {k: shared[k] for k in ("ts", "document", "origin", "tlp")}
                self._rows.add(
                    "indicators", kind="malware", value=known[1], role="family", offset=offset + i, **kept
                )

    def _file(
        self, offset: int, ts: int, found: list[tuple[Entry, str, str | None]], context: Mapping[str, str]
    ) -> None:
        hashes = {one.kind: one.value for one, _, _ in found if one.kind in _HASHES}
        size = context.get("size", "")
        self._rows.add(
            "files", ts=ts, **hashes, names=self._labels(context.get("name")) or None,
            size=int(size) if size.isascii() and size.isdigit() and len(size) < 19 else None,
            type=_text(context.get("file_type")), families=self._labels(context.get("family")) or None,
            document=self._document, origin=_text(context.get("origin")) or self._origin, tlp=_text(context.get("tlp")),
            offset=offset,
        )  # fmt: skip

    def _values(self, record: Mapping[str, Any]) -> Iterable[tuple[Entry, str, str | None]]:
        names = self._names
        if names.value:
            text = _cell(record.get(names.value))
            told = _cell(record.get(names.kind)) if names.kind else ""
            one = value_of(told, text)
            if one:
                yield one, text[:8192], told[:NAME] or None
        for name, kind in names.fixed:
            text = _cell(record.get(name))
            one = value_of(kind, text) if text.lower() not in _EMPTY else None
            if one:
                yield one, text[:8192], name[:NAME]

    def _time(self, text: str | None) -> int | None:
        us = _micros(text) if text else None
        return us if in_time(us, self._reading) else None

    def _labels(self, text: str | None) -> list[str]:
        parts = _LIST.split(text.strip("[](){}"))[:MANY] if text else []
        plain = (p.strip(" \"'")[:NAME] for p in parts)
        return list(dict.fromkeys(p for p in plain if p.lower() not in _EMPTY))

    def _comment(self, context: Mapping[str, str]) -> str | None:
        parts = [context.get(k, "") for k in ("comment", "threat", "status", "reference")]
        return clipped("; ".join(p for p in parts if p.lower() not in _EMPTY), 4_000) or None


def value_of(kind: str, text: str) -> Entry | None:
    """The indicator a cell holds, by the kind its record says or, without a word we know, by its shape."""
    text = text.strip().strip("\"'")
    if not text or len(text) > 8192:
        return None
    wanted = _KINDS.get(_plain(kind), kind)
    return _value(wanted, text) or _value(wanted, refang(text))


def _value(wanted: str, text: str) -> Entry | None:
    found = entry(text)
    if found and (found.kind == wanted or wanted in ("", "hash", "host") or wanted not in _KINDS.values()):
        return found
    known = resolve_one(wanted, text)
    return Entry(*known) if known else found


@lru_cache(maxsize=1_024)
def role_of(text: str | None) -> str:
    """The role a word about a threat says; `mentions` when it says none."""
    plain = (text or "").lower()
    words = set(re.split(r"[^a-z0-9&_]+", plain))
    for role, marks in _ROLES:
        if any(mark in words or (len(mark) > 4 and mark in plain) for mark in marks):
            return role
    return "mentions"


_micros = lru_cache(maxsize=4_096)(micros)


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        text = _cell(record.get(name))
        if text.lower() not in _EMPTY:
            return text
    return ""


def _cell(value: Any) -> str:
    """A cell as text: lists of texts joined, numbers as written, all else empty."""
    if isinstance(value, str):
        return value.strip().strip('"')[:65_536]
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        return str(value)[:64]
    if isinstance(value, list):
        return ",".join(v for v in value[:MANY] if isinstance(v, str))[:65_536]
    return ""


def _text(text: str | None) -> str | None:
    return text[:NAME] if text and text.lower() not in _EMPTY else None


def _confidence(text: str | None) -> int | None:
    words = {
        "low": 15,
        "medium": 50,
        "moderate": 50,
        "high": 85,
    }  # STIX 2.1, appendix A: None / Low / Med / High
    if not text:
        return None
    if text.lower() in words:
        return words[text.lower()]
    plain = text.rstrip("%")
    return (
        int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 4 and int(plain) <= 100 else None
    )
