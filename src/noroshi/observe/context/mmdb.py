"""IP-to-AS and country tables as MaxMind DB: GeoLite2 and GeoIP2, IPinfo, DB-IP, and what else names its fields so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.context import ranges
from noroshi.observe.rows import EARLIEST_US, in_time
from noroshi.observe.supply.documents import text, upto
from noroshi.wire import mmdb

LARGE: Final = 1 << 30
"""Bytes of a database: the search tree has to be held; the largest public ones have some 500 MB."""
ROWS: Final = 200_000
"""Networks handed on at a time."""
_V4_BITS: Final = 96
_NAMES: Final = (
    "as_name",
    "autonomous_system_organization",
    "asn_organization",
    "as_org",
    "org",
    "organization",
)
_NUMBERS: Final = ("autonomous_system_number", "asn", "as_number")
_COUNTRIES: Final = ("country_code", "country_iso_code", "country_code2", "country")


class MmdbSensor:
    """A database of networks."""

    name = "mmdb"
    version = 1
    doc = "IP-to-AS and country tables as MaxMind DB (GeoLite2, IPinfo, DB-IP, ...)."
    tables = ("networks",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """A search tree: what names the format stands at the end of the file."""
        return mmdb.looks_like(head)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `networks`; `offset` is the place of the record, `ts` the date it was built.

        Reasons: document-size (more than 1 GiB), mmdb, time, record.
        """
        data = upto(reading.stream, LARGE + 1)
        if len(data) > LARGE:
            reading.problem = f"a database of more than {LARGE >> 20} MiB"
            yield Reject(0, "document-size", reading.problem, data[:64])
            return
        try:
            tree = mmdb.read(data)
            section = mmdb.section(data, tree)
        except mmdb.BrokenError as e:
            reading.problem = str(e)
            yield Reject(0, "mmdb", str(e), data[:64])
            return
        built = tree.metadata.get("build_epoch")
        given = built if isinstance(built, int) and built > 0 else None
        ts = max(reading.source_date_us, EARLIEST_US) if given is None else min(given, 1 << 40) * 1_000_000
        if not in_time(ts, reading) and given is not None:
            reading.problem = f"built {given} s after 1970, which cannot be of this source's date"
            yield Reject(0, "time", reading.problem)
            return
        yield from _rows(tree, section, ts, len(data))
        reading.advance(len(data))


def _rows(tree: mmdb.Tree, section: bytes, ts: int, size: int) -> Iterator[Batch | Reject]:
    import pyarrow as pa

    begin = tree.metadata["node_count"] * tree.metadata["record_size"] // 4 + 16
    distinct, which = np.unique(tree.record, return_inverse=True)
    records = mmdb.Records(section)
    known: list[tuple[str | None, str | None, str | None]] = []
    for at in distinct.tolist():
        try:
            known.append(fields(records.at(at)))
        except mmdb.BrokenError as e:
            known.append((None, None, None))
            yield Reject(
                min(begin + max(at, 0), size), "record", str(e), section[max(at, 0) : max(at, 0) + 64]
            )
    columns = [pa.array(c, pa.string()) for c in zip(*known, strict=True)] if known else []
    named = np.array([any(k) for k in known], np.bool_)
    v4 = _is_v4(tree)
    for part, version in ((np.flatnonzero(v4), 4), (np.flatnonzero(~v4), 6)):
        part = part[named[which[part]]] if len(part) else part
        for start in range(0, len(part), ROWS):
            some = part[start : start + ROWS]
            made = _columns4(tree, some) if version == 4 else _columns6(tree, some)
            record: Any = pa.array(which[some])
            for name, column in zip(("asn", "as_name", "country"), columns, strict=True):
                made[name] = column.take(record)
            yield ranges.batch(ts, tree.record[some] + begin, made)


def _is_v4(tree: mmdb.Tree) -> Any:
    if tree.metadata["ip_version"] != 6:
        return np.ones(len(tree.length), np.bool_)
    return (tree.high == 0) & (tree.low < np.uint64(1 << 32)) & (tree.length >= _V4_BITS)


def _columns4(tree: mmdb.Tree, some: Any) -> dict[str, Any]:
    six = tree.metadata["ip_version"] == 6
    first = tree.low[some] if six else tree.high[some] >> np.uint64(32)
    length = tree.length[some] - (_V4_BITS if six else 0)
    return {
        "low": ranges.packed4(first), "high": ranges.packed4(ranges.last4(first, length)),
        "prefix": ranges.texts4(first, length),
    }  # fmt: skip


def _columns6(tree: mmdb.Tree, some: Any) -> dict[str, Any]:
    import ipaddress

    import pyarrow as pa

    high, low, length = tree.high[some], tree.low[some], tree.length[some]
    full = np.uint64(0xFFFFFFFFFFFFFFFF)
    # A shift by 64 or more is undefined in NumPy: the halves are masked apart.
    upper = np.where(length >= 64, np.uint64(0), full >> np.minimum(length, 63).astype(np.uint64))
    inner = np.where(length <= 64, np.int64(0), length - 64)
    lower = np.where(length >= 128, np.uint64(0), full >> np.minimum(inner, 63).astype(np.uint64))
    texts = [
        f"{ipaddress.IPv6Address(h << 64 | lo)}/{n}"
        for h, lo, n in zip(high.tolist(), low.tolist(), length.tolist(), strict=True)
    ]
    return {
        "low": ranges.packed6(high, low), "high": ranges.packed6(high | upper, low | lower),
        "prefix": pa.array(texts, pa.string()),
    }  # fmt: skip


def fields(record: Any) -> tuple[str | None, str | None, str | None]:
    """(AS64500, name of the AS, country code) of a record, None for what it does not say.

    Known are the names of MaxMind's own tables, IPinfo's and DB-IP's, flat or within `traits` and `as`.
    """
    if not isinstance(record, dict):
        return None, None, None
    traits = record.get("traits")
    inner = record.get("as")
    flat = {
        **(traits if isinstance(traits, dict) else {}), **(inner if isinstance(inner, dict) else {}), **record,
    }  # fmt: skip
    number = next((n for k in _NUMBERS if (n := _asn(flat.get(k)))), None)
    name = next((t for k in _NAMES if (t := text(flat.get(k), 200))), None)
    return number, name if number else None, _country(record)


def _asn(value: Any) -> str | None:
    digits = (text(value, 20) or "").upper().removeprefix("AS")
    if not digits.isascii() or not digits.isdigit() or not 0 < int(digits) < 1 << 32:
        return None
    return f"AS{int(digits)}"


def _country(record: dict[str, Any]) -> str | None:
    for key in _COUNTRIES:
        value = record.get(key)
        if isinstance(value, dict):
            value = value.get("iso_code")
        code = text(value, 20)
        if code and len(code) == 2 and code.isascii() and code.isalpha():
            return code.upper()
    other = record.get("registered_country")
    code = text(other.get("iso_code"), 20) if isinstance(other, dict) else None
    return code.upper() if code and len(code) == 2 else None
