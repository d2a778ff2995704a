"""Whose an address is: AS and country by the longest match of the newest table, one at a time or by the million.

    places = lookup(query, ["192.0.2.1", stored_address])   # [Place | None], in the order asked
    table = columns(query, table_of_rows["src_ip"])         # asn, as_name, country beside each address
    ranges = networks_of(query, "AS64500")                  # the networks an AS announces

`query` has the face of `lake.Snapshot` (`sql` and `files`). A few addresses of a fresh snapshot are answered by
SQL (some 20 ms for a table of a million networks), more of them load the index (about a second for a million
networks, kept for the snapshot and every later one with the same tables); then one address costs microseconds.

Which table holds: AS and country are looked up apart, for IPv4 and IPv6 apart, each in the newest table (run) that
says anything about it. There is no falling back on older tables: an address the newest does not name is nobody's.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from noroshi.model import address
from noroshi.model.canonical.names import asn as canonical_asn

if TYPE_CHECKING:
    import pyarrow as pa

FEW: Final = 8
"""Addresses answered by SQL while no index is loaded: a pivot asks for one, and must not wait a second."""
KEPT: Final = 2
"""Indexes kept over snapshots: the newest, and the one it replaces while a reader still holds it."""


class Networks(Protocol):
    """What is asked of a snapshot."""

    def sql(self, text: str, params: dict[str, Any] | None = None) -> pa.Table:
        """The answer to one SELECT."""
        ...

    def files(self, table: str) -> list[str]:
        """Paths of the data files of a table."""
        ...


@dataclass(frozen=True)
class Place:
    """Whose an address is."""

    network: str
    """The network that matched, as a prefix or as `first - last`; of the AS table when it has one."""
    asn: str | None
    """AS64500."""
    as_name: str | None
    country: str | None
    """Two letters, as the table writes them."""
    asn_ts: datetime | None
    """Date of the table the AS is from."""
    country_ts: datetime | None
    """Date of the table the country is from."""


def lookup(query: Networks, addresses: Iterable[str | bytes], *, load: bool = False) -> list[Place | None]:
    """Whose each address is, in the order asked; None where no table names it.

    addresses: text or stored form. load: more will be asked, so that the index pays. Raises UsageError when a text
    is no address, ValueError when bytes are none.
    """
    packed = [a if isinstance(a, bytes) else address.pack(a) for a in addresses]
    for one in packed:
        if not address.is_packed(one):
            raise ValueError(f"not a stored address: {one.hex()}")
    chosen = _chosen(query)
    if not chosen.tables:
        return [None] * len(packed)
    if not load and len(packed) <= FEW and chosen.key not in _INDEXES:
        return [_by_sql(query, chosen, one) for one in packed]
    index = _index(query, chosen)
    return [index.place(one) for one in packed]


def columns(query: Networks, addresses: Any) -> pa.Table:
    """Columns asn, as_name, country (strings, null where unknown), a row per address of the binary column given."""
    import pyarrow as pa

    chosen = _chosen(query)
    if not chosen.tables:
        empty = pa.nulls(len(addresses), pa.string())
        return pa.table({"asn": empty, "as_name": empty, "country": empty})
    return _index(query, chosen).columns(addresses)


def networks_of(query: Networks, asn: str, limit: int = 1000) -> list[str]:
    """The networks of an AS in the tables that hold, in the order of addresses; raises UsageError for no AS."""
    chosen = _chosen(query)
    runs = sorted({t.run_id for (what, _), t in chosen.tables.items() if what == "asn"})
    if not runs:
        return []
    found = query.sql(
        "SELECT low, high FROM networks WHERE asn = $asn AND list_contains($runs, run_id)"
        " ORDER BY low, high LIMIT $n",
        {"asn": canonical_asn(asn), "runs": runs, "n": limit},
    )
    return [_network(r["low"], r["high"]) for r in found.to_pylist()]


@dataclass(frozen=True)
class _Table:
    """A table (run) that holds for AS or country of one IP version."""

    run_id: str
    ts: datetime


@dataclass(frozen=True)
class _Chosen:
    """Which table holds, by ("asn" | "country", 4 | 6), and the key an index of them is kept under."""

    tables: dict[tuple[str, int], _Table]
    key: tuple[Any, ...]


_CHOSEN: WeakKeyDictionary[Any, _Chosen] = WeakKeyDictionary()
_INDEXES: OrderedDict[tuple[Any, ...], _Index] = OrderedDict()
_LOCK = threading.Lock()


def _chosen(query: Networks) -> _Chosen:
    with _LOCK:
        known = _CHOSEN.get(query)
    if known is not None:
        return known
    tables: dict[tuple[str, int], _Table] = {}
    files = query.files("networks")
    if files:
        rows = query.sql(
            "SELECT run_id, octet_length(low) = 5 AS v4, max(ts) AS ts, count(asn) AS asn,"
            " count(country) AS country FROM networks GROUP BY ALL"
            " ORDER BY max(ts), count(asn) + count(country), run_id"
        ).to_pylist()
        for row in rows:  # ascending: the newest is written last
            for what in ("asn", "country"):
                if row[what]:
                    tables[what, 4 if row["v4"] else 6] = _Table(row["run_id"], row["ts"])
    key = (tuple(sorted(files)), tuple(sorted((k, t.run_id) for k, t in tables.items())))
    chosen = _Chosen(tables, key)
    with _LOCK:
        _CHOSEN[query] = chosen
    return chosen


def _index(query: Networks, chosen: _Chosen) -> _Index:
    with _LOCK:
        if chosen.key in _INDEXES:
            _INDEXES.move_to_end(chosen.key)
            return _INDEXES[chosen.key]
    parts: dict[tuple[str, int], _Part] = {}
    loaded: dict[_Table, dict[int, _Part]] = {}
    for slot, table in chosen.tables.items():
        if table not in loaded:
            loaded[table] = _load(query, table)
        parts[slot] = loaded[table][slot[1]]
    index = _Index(parts)
    with _LOCK:
        _INDEXES[chosen.key] = index
        while len(_INDEXES) > KEPT:
            _INDEXES.popitem(last=False)
    return index


def _by_sql(query: Networks, chosen: _Chosen, packed: bytes) -> Place | None:
    version = packed[0]
    found: dict[str, tuple[dict[str, Any], _Table]] = {}
    matches: dict[str, list[dict[str, Any]]] = {}
    for what in ("asn", "country"):
        table = chosen.tables.get((what, version))
        if table is None:
            continue
        if table.run_id not in matches:  # one table often says both
            matches[table.run_id] = query.sql(
                "SELECT low, high, asn, as_name, country FROM networks"
                " WHERE low <= $ip AND high >= $ip AND octet_length(low) = octet_length($ip) AND run_id = $run"
                " ORDER BY low DESC, high, asn DESC NULLS LAST, as_name DESC NULLS LAST, country DESC NULLS LAST"
                " LIMIT 1",
                {"ip": packed, "run": table.run_id},
            ).to_pylist()
        if rows := matches[table.run_id]:
            found[what] = (rows[0], table)
    asn, asn_table = found.get("asn", ({}, None))
    land, land_table = found.get("country", ({}, None))
    if not asn and not land:
        return None
    match = asn or land
    return Place(
        _network(match["low"], match["high"]),
        asn.get("asn"), asn.get("as_name"), land.get("country"),
        asn_table.ts if asn_table else None, land_table.ts if land_table else None,
    )  # fmt: skip


def _network(low: bytes, high: bytes) -> str:
    first, last = int.from_bytes(low[1:]), int.from_bytes(high[1:])
    size = last - first + 1
    if size & (size - 1) == 0 and first & (size - 1) == 0:
        return f"{ipaddress.ip_address(low[1:])}/{8 * len(low[1:]) - size.bit_length() + 1}"
    return f"{ipaddress.ip_address(low[1:])} - {ipaddress.ip_address(high[1:])}"


@dataclass(frozen=True)
class _Part:
    """One table's networks of one IP version as intervals that do not overlap: the k-th goes from `starts[k]`
    to the next start and belongs to row `owners[k]` (-1: to none) of `rows`."""

    rows: pa.Table
    ts: datetime
    starts: npt.NDArray[Any]
    """uint64 for IPv4, S17 (`_wide`) for IPv6; ascending."""
    owners: npt.NDArray[np.int64]

    def find(self, keys: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The row of each address, -1 where there is none."""
        at = np.searchsorted(self.starts, keys, side="right") - 1
        return np.where(at < 0, np.int64(-1), self.owners[at])

    @cached_property
    def lists(self) -> dict[str, Any]:
        """The columns, for single values."""
        return {name: self.rows[name].combine_chunks() for name in self.rows.column_names}

    def row(self, number: int) -> dict[str, Any]:
        """One row as Python values."""
        return {name: column[number].as_py() for name, column in self.lists.items()}


class _Index:
    def __init__(self, parts: dict[tuple[str, int], _Part]) -> None:
        self._parts = parts

    def place(self, packed: bytes) -> Place | None:
        version = packed[0]
        found: dict[str, tuple[dict[str, Any], datetime]] = {}
        for what in ("asn", "country"):
            part = self._parts.get((what, version))
            if part is not None:
                row = int(part.find(_keys([packed], version))[0])
                if row >= 0:
                    found[what] = (part.row(row), part.ts)
        asn, asn_ts = found.get("asn", ({}, None))
        land, land_ts = found.get("country", ({}, None))
        if not asn and not land:
            return None
        match = asn or land
        return Place(
            _network(match["low"], match["high"]),
            asn.get("asn"), asn.get("as_name"), land.get("country"), asn_ts, land_ts,
        )  # fmt: skip

    def columns(self, addresses: Any) -> pa.Table:
        """See `columns` of the module."""
        import pyarrow as pa
        import pyarrow.compute as pc

        whole: Any = addresses.combine_chunks() if isinstance(addresses, pa.ChunkedArray) else addresses
        if pa.types.is_dictionary(whole.type):
            inner = self.columns(whole.dictionary)
            return pa.table({n: inner[n].take(whole.indices) for n in inner.column_names})
        measured: Any = pc.binary_length(whole)
        lengths = measured.fill_null(0).to_numpy(zero_copy_only=False)
        taken: dict[str, npt.NDArray[np.int64]] = {}
        sources: dict[str, list[Any]] = {}
        wanted = {"asn": "asn", "as_name": "asn", "country": "country"}
        for name, what in wanted.items():
            rows = np.full(len(whole), -1, np.int64)
            shift, sources[name] = 0, []
            for version, length in ((4, 5), (6, 17)):
                part = self._parts.get((what, version))
                where = np.flatnonzero(lengths == length)
                if part is None or not where.size:
                    continue
                raw = np.ascontiguousarray(_raw(whole.take(pa.array(where, pa.int64())), length))
                found = part.find(raw.view(">u4").ravel().astype(np.uint64) if version == 4 else _wide(raw))
                rows[where] = np.where(found < 0, -1, found + shift)
                sources[name].append(part.lists[name])
                shift += len(part.rows)
            taken[name] = rows
        out: dict[str, Any] = {}
        for name, rows in taken.items():
            if not sources[name]:
                out[name] = pa.chunked_array([pa.nulls(len(whole), pa.string())])
                continue
            index: Any = pa.array(rows, mask=rows < 0)
            out[name] = pa.chunked_array(sources[name], pa.string()).take(index)
        return pa.table(out)


def _keys(packed: Sequence[bytes], version: int) -> npt.NDArray[Any]:
    data = b"".join(p[1:] for p in packed)
    if version == 4:
        return np.frombuffer(data, ">u4").astype(np.uint64)
    return _wide(np.frombuffer(data, np.uint8).reshape(-1, 16))


def _load(query: Networks, table: _Table) -> dict[int, _Part]:
    out = {}
    for version, length in ((4, 5), (6, 17)):
        some: Any = query.sql(
            "SELECT low, high, asn, as_name, country FROM networks"
            " WHERE run_id = $run AND octet_length(low) = $length"
            # Of a network that stands twice the last holds, as in `_by_sql`: whatever files the rows lie in.
            " ORDER BY low, high, asn NULLS FIRST, as_name NULLS FIRST, country NULLS FIRST",
            {"run": table.run_id, "length": length},
        ).combine_chunks()
        lows, highs = _raw(some["low"], length), _raw(some["high"], length)
        out[version] = _part4(some, table, lows, highs) if version == 4 else _part6(some, table, lows, highs)
    return out


def _raw(column: Any, length: int) -> npt.NDArray[np.uint8]:
    """n x (length - 1) bytes of stored addresses of one version, without the version byte."""
    import pyarrow as pa

    fixed: Any = column.cast(pa.binary(length))
    fixed = fixed.combine_chunks() if isinstance(fixed, pa.ChunkedArray) else fixed
    if not len(fixed):
        return np.empty((0, length - 1), np.uint8)
    flat = np.frombuffer(fixed.buffers()[1], np.uint8)[fixed.offset * length :][: len(fixed) * length]
    return flat.reshape(-1, length)[:, 1:]


def _part4(rows: Any, table: _Table, lows: npt.NDArray[np.uint8], highs: npt.NDArray[np.uint8]) -> _Part:
    low = np.ascontiguousarray(lows).view(">u4").ravel().astype(np.uint64)
    high = np.ascontiguousarray(highs).view(">u4").ravel().astype(np.uint64)
    size = (high - low).astype(np.float64)
    starts, owners = _flat(low, high + 1, size)
    return _Part(rows, table.ts, starts, owners)


def _part6(rows: Any, table: _Table, lows: npt.NDArray[np.uint8], highs: npt.NDArray[np.uint8]) -> _Part:
    words_low = np.ascontiguousarray(lows).view(">u8").astype(np.uint64)
    words = np.ascontiguousarray(highs).view(">u8").astype(np.uint64)
    last = words[:, 1] == np.uint64(0xFFFFFFFFFFFFFFFF)
    top = last & (words[:, 0] == np.uint64(0xFFFFFFFFFFFFFFFF))
    size = (words[:, 0] - words_low[:, 0]).astype(np.float64) * 2.0**64 + words[:, 1] - words_low[:, 1]
    after = np.empty(words.shape, ">u8")
    after[:, 1] = np.where(last, np.uint64(0), words[:, 1] + np.uint64(1))
    after[:, 0] = words[:, 0] + last.astype(np.uint64)
    ends = after.view(np.uint8).reshape(-1, 16)
    starts, owners = _flat(_wide(lows), _wide(ends, top), size)
    return _Part(rows, table.ts, starts, owners)


def _wide(raw: npt.NDArray[np.uint8], carry: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[Any]:
    """IPv6 addresses as keys in their order (S17); the first byte is the carry of the address after the last."""
    out = np.zeros((len(raw), 17), np.uint8)
    out[:, 1:] = raw
    if carry is not None:
        out[:, 0] = carry
    return out.view("S17").ravel()


def _flat(
    low: npt.NDArray[Any], after: npt.NDArray[Any], size: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Nested ranges [low, after) as intervals that do not overlap, each owned by the narrowest range over it.

    Ranges are painted from wide to narrow, those of about one size (a factor of two) at once.
    """
    # Not np.unique: its hash table takes seconds where sorting what is nearly sorted takes a tenth of one.
    starts = np.sort(np.concatenate([low, after]), kind="stable")
    if len(starts):
        starts = starts[np.concatenate([[True], starts[1:] != starts[:-1]])]
    owners = np.full(len(starts), -1, np.int64)
    first, end = np.searchsorted(starts, low), np.searchsorted(starts, after)
    order = np.argsort(-size, kind="stable")
    classes = np.floor(np.log2(size[order] + 1.0))
    for part in np.split(order, np.flatnonzero(np.diff(classes)) + 1) if len(order) else []:
        counts = end[part] - first[part]
        where = np.repeat(first[part] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        # Assignment by index keeps the last of equal places: the narrowest of the class.
        owners[where + np.arange(int(counts.sum()))] = np.repeat(part, counts)
    return starts, owners
