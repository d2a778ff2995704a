"""Rows of intelligence gathered as tuples and handed on as Arrow columns: the fast way for millions of statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
import pyarrow as pa

from noroshi.model.observable import CANONICAL, LOOSE, resolve, resolve_one
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.model.tables import TABLES
from noroshi.observe.rows import DAY_US, EARLIEST_US
from noroshi.wire.indicators_refang import refang

BATCH: Final = 16_384
"""Rows of a table handed on at a time."""
NAME: Final = 512
"""Characters of an id, a name or a label."""
MANY: Final = 500
"""Names, labels and references of one thing."""
JSON: Final = 1 << 20
"""Bytes of an object that are kept as JSON."""
FIELD: Final = 64 << 10
"""Bytes of one member of an object that is too large to be kept whole."""

COLUMNS: Final = {
    "indicators": (
        "ts", "kind", "value", "role", "type", "first_seen", "last_seen", "valid_until", "document",
        "document_name", "origin", "object_id", "labels", "to_ids", "confidence", "comment", "tlp", "offset",
        "category",
    ),
    "objects": (
        "ts", "object_id", "type", "names", "name_kind", "refs", "created", "document", "origin", "description",
        "revoked", "confidence", "json", "tlp", "offset",
    ),
    "relations": (
        "ts", "object_id", "source_ref", "relation", "target_ref", "count", "document", "origin", "confidence",
        "json", "tlp", "offset",
    ),
    "files": (
        "ts", "md5", "sha1", "sha256", "sha512", "ssdeep", "tlsh", "imphash", "names", "size", "type", "families",
        "document", "origin", "tlp", "offset",
    ),
}  # fmt: skip
"""The order of the values of each table's tuples; `raw` of indicators is made here."""
HASHES: Final = ("md5", "sha1", "sha256", "sha512", "ssdeep", "tlsh", "imphash")
_OTHERWISE: Final = {"ip": ("prefix", "domain"), "domain": ("ip",), "host": ("prefix",), "url": ("url",)}
"""What a value may be that is not of the kind its source says: a network as ip-dst, an address as hostname."""


class Statements:
    """Gathers tuples of `COLUMNS` by table; `ready` and `rest` hand them on as batches."""

    def __init__(self) -> None:
        self.held: dict[str, list[tuple[Any, ...]]] = {name: [] for name in COLUMNS}

    def ready(self) -> Iterator[tuple[str, pa.Table]]:
        """Tables that hold enough."""
        for name, rows in self.held.items():
            if len(rows) >= BATCH:
                self.held[name] = []
                yield name, table(name, rows)

    def rest(self) -> Iterator[tuple[str, pa.Table]]:
        """All that is left."""
        for name, rows in self.held.items():
            if rows:
                self.held[name] = []
                yield name, table(name, rows)


def table(name: str, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """Rows as Arrow; values of indicators and hashes of files made canonical."""
    columns: dict[str, Sequence[Any]] = dict(zip(COLUMNS[name], zip(*rows, strict=True), strict=True))
    if name == "indicators":
        columns["kind"], columns["value"], columns["raw"] = settled(
            columns["kind"], columns["value"], columns["type"]
        )
    schema = TABLES[name].arrow()
    fields = [f for f in schema if f.name in columns]
    return pa.table([pa.array(columns[f.name], f.type) for f in fields], schema=pa.schema(fields))


def settled(
    kinds: Sequence[str], values: Sequence[str], types: Sequence[str | None]
) -> tuple[list[str], list[str], list[str | None]]:
    """Kind, canonical value and the value as written (None when equal) of each statement.

    A value that is no observable of its kind keeps its source's own type as kind, or `text` when that names an
    observable too: it is stored and never linked.
    """
    kinds, values = list(kinds), list(values)
    raws: list[str | None] = [None] * len(values)
    by_kind: dict[str, list[int]] = {}
    for i, kind in enumerate(kinds):
        by_kind.setdefault(kind, []).append(i)
    for kind, places in by_kind.items():
        if kind not in CANONICAL and kind not in LOOSE:
            continue
        for i, found in zip(places, resolve(kind, [values[i] for i in places]), strict=True):
            if found is None or values[i].startswith("hxx"):
                found = _otherwise(kind, values[i])
            if found is None:
                word = types[i] or "text"
                kinds[i] = "text" if word in CANONICAL or word in LOOSE else word
                continue
            kinds[i] = found[0]
            if found[1] != values[i]:
                raws[i], values[i] = values[i], found[1]
    return kinds, values, raws


def _otherwise(kind: str, value: str) -> tuple[str, str] | None:
    plain = refang(value.strip()) if len(value) <= NAME * 16 else value
    for other in (kind, *_OTHERWISE.get(kind, ())):
        found = resolve_one(other, plain)
        if found is not None:
            return found
    return None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FUTURE_US = 7_258_118_400_000_000
"""The year 2200: until when a statement may hold."""


@lru_cache(maxsize=4096)
def _micros(value: str) -> int | None:
    try:
        moment = datetime.fromisoformat(value)
        delta = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError, TypeError):
        return None
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


class Clock:
    """Times of a source: those outside 1990 to a day after its date are counted as none."""

    def __init__(self, reading: Reading) -> None:
        self.now = reading.source_date_us
        self.latest = self.now + DAY_US

    def text(self, value: str | None, *, future: bool = False) -> int | None:
        """µs of an ISO 8601 text (no zone: UTC); None when it is none or out of bounds.

        future: for what says until when; then the bound is the year 2200."""
        us = _micros(value) if value else None
        if us is None:
            return None
        return us if EARLIEST_US <= us <= (_FUTURE_US if future else self.latest) else None

    def seconds(self, value: object) -> int | None:
        """µs of seconds since 1970, as number or digits."""
        if isinstance(value, str) and len(value) == 10 and value.isascii() and value.isdigit():
            us = int(value) * 1_000_000
            return us if us <= self.latest else None  # ten digits begin in 2001
        try:
            us = round(float(value) * 1e6)  # type: ignore[arg-type]
        except (ValueError, TypeError, OverflowError):
            return None
        return us if EARLIEST_US <= us <= self.latest else None


def kept_json(raw: bytes, offset: int, rejects: list[Reject], dropped: frozenset[str] = frozenset()) -> str:
    """The object as JSON text without line breaks, at most JSON bytes.

    Members named in `dropped` are left out on every level. Members over FIELD bytes are left out of an object that
    is too large, and a reject says so; raises msgspec.DecodeError or UnicodeDecodeError for what is no JSON.
    """
    if dropped and any(b'"%b"' % name.encode() in raw for name in dropped):
        raw = msgspec.json.encode(_without(msgspec.json.decode(raw), dropped))
    elif b"\n" in raw or b"  " in raw:
        raw = msgspec.json.format(raw, indent=-1)
    if len(raw) <= JSON:
        return raw.decode()
    whole = msgspec.json.decode(raw)
    left = []
    for key in list(whole):
        if len(msgspec.json.encode(whole[key])) > FIELD:
            del whole[key]
            left.append(key[:NAME])
    whole["noroshi_left_out"] = left
    small = msgspec.json.encode(whole)
    if len(small) > JSON:
        small = msgspec.json.encode({"noroshi_left_out": ["everything"]})
    rejects.append(
        Reject(offset, "object-size", f"an object of {len(raw):,} bytes is kept without its largest parts")
    )
    return small.decode()


def _without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {k: _without(v, names) for k, v in value.items() if k not in names}
    if isinstance(value, list):
        return [_without(v, names) for v in value]
    return value


def names(values: Sequence[Any] | None, first: str | None = None) -> list[str] | None:
    """Different texts, clipped, at most MANY, `first` in front; None for none."""
    if not values:
        return [first[:NAME]] if first and not first.isspace() else None
    found = dict.fromkeys(
        v[:NAME] for v in (first, *values[:MANY]) if isinstance(v, str) and v and not v.isspace()
    )
    return list(found) or None


def batch(name: str, rows: pa.Table) -> Batch:
    """A batch of that table."""
    return Batch(name, rows)
