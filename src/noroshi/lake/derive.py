"""Links made from rows: which observables a batch holds, summed over the run.

Only distinct values are canonicalised; rows are then summed by number in one table per run
(`wire.group`). Addresses stand in that table as they are; all other observables by an id given here.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from noroshi.model.observable import CANONICAL, implied, key64, resolve_one
from noroshi.model.schema import Link, Table
from noroshi.model.tables import TABLES
from noroshi.wire import group, text
from noroshi.wire.interned import ADDRESS, Texts

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
U8 = npt.NDArray[np.uint8]

LIMIT = 1 << 20
"""Entries summed at most before they are handed on: 72 bytes each. A run with more has several rows for one."""
_OBSERVABLES = 1 << 18
"""Observables other than addresses kept by text at most, before everything is handed on."""
_BYTES = 20 << 20
"""Bytes of their texts, and of the texts they were read from: a URL may have 8,000."""
_PIECE = 1 << 16
"""Rows handed on at a time."""
_NAMES = list(CANONICAL)
_CODES = {name: code for code, name in enumerate(_NAMES)}
_IP, _DOMAIN, _URL = (_CODES[name] for name in ("ip", "domain", "url"))
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"\A{_OCTET}(?:\.{_OCTET}){{3}}\z"
_IMPLYING = np.array([_CODES[name] for name in ("email", "cpe", "purl")])
"""Kinds other than URLs that imply something: one thing each (`model.observable.implied`)."""
_SEED = secrets.randbits(64)
"""Drawn anew by each process: senders cannot choose values that collide."""
_NONE = np.zeros(0, np.int32)
Secret = Callable[[str, str], str]
"""(user, password) -> the text that stands for the pair in links."""


class Deriver:
    """The links of one run, being summed. Not thread-safe."""

    def __init__(self, secret: Secret, *, limit: int = LIMIT) -> None:
        self._secret = secret
        self._addresses = group.Sums(_SEED, limit)
        self._others = group.Sums(_SEED, limit)
        self._groups: dict[tuple[str, str, str | None], int] = {}
        self._texts = Texts()
        self._implied: I32 = np.zeros(0, np.int32)
        """By number of a text: the number of what it implies, -1 for nothing."""
        self._followed = 0
        self._resolved: dict[tuple[str, ...], int] = {}
        self._weight = 0
        """Characters in `_resolved`."""

    def add(self, table: Table, rows: pa.Table) -> Iterator[pa.Table]:
        """Takes a batch; rows of `links` (without run_id, in order) when there are too many to keep.

        rows: columns as the table says, `tlp` filled where it has one; texts and addresses may be coded. The batch
        is taken when the iterator has ended.
        """
        if not rows.num_rows or not table.links or table.time is None:
            return
        batch = _Batch(table, rows)
        for link in table.links:
            if link.column in rows.column_names:
                yield from self._column(batch, link)
        if (
            max(self._texts.used, len(self._groups), len(self._resolved)) > _OBSERVABLES
            or self._texts.size + self._weight > _BYTES
        ):
            yield from self.rest()

    def _column(self, batch: _Batch, link: Link) -> Iterator[pa.Table]:
        column, parent = batch.items(link.column)
        groups = batch.groups(link, self._group)
        if batch.table.column(link.column).type == "address":
            entry, hi, lo = _addresses(column)
            yield from self._sum(self._addresses, batch, groups, entry, parent, hi, lo)
            return
        if link.canonical:
            ids = self._taken(batch, link, column, parent)
        elif link.kind == "credential":
            ids = self._credentials(batch, link)
        else:
            ids = self._read(batch, link, column, parent)
        self._follow()
        # A value and what it implies (a URL and its host) are entries of their own.
        implied = np.where(ids >= 0, self._implied[ids], -1) if len(self._implied) else ids
        for found in (ids, implied):
            if (found >= 0).any():
                lo = found.astype(np.uint64)
                entry = np.where(found >= 0, np.arange(len(found), dtype=np.int32), np.int32(-1))
                yield from self._sum(self._others, batch, groups, entry, parent, np.zeros_like(lo), lo)

    def _sum(
        self, sums: group.Sums, batch: _Batch, groups: I32, entry: I32, parent: I32, hi: Any, lo: Any
    ) -> Iterator[pa.Table]:
        at, n = 0, len(entry)
        while at < n:
            at = sums.add(entry, parent, hi, lo, groups, batch.first, batch.last, batch.count, at)
            if at < n:
                yield from self._made(sums)

    def _taken(self, batch: _Batch, link: Link, column: Any, parent: I32) -> I32:
        """Numbers of values that are canonical already; -1 for none."""
        n = len(column)
        kinds = np.full(n, _CODES.get(link.kind, -1), np.int32)
        if link.kind_from:
            of_row, names = _coded(batch.column(link.kind_from))
            # The last place stands for null.
            codes = np.array([*(_CODES.get(name, -1) for name in names), -1], np.int32)[of_row]
            kinds = codes[parent] if parent.size or len(codes) != n else codes
        if pa.types.is_dictionary(column.type):
            column = column.cast(pa.string())
        if column.null_count:
            kinds = np.where(column.is_valid().to_numpy(zero_copy_only=False), kinds, np.int32(-1))
        # The key of an address is made of its number, so it must be one.
        odd = np.flatnonzero(kinds == _IP)
        if odd.size:
            told = pc.match_substring_regex(column.take(pa.array(odd)), _IPV4)
            odd = odd[~told.to_numpy(zero_copy_only=False)]
            kinds = kinds.copy()
            kinds[odd] = -1
        ids = self._texts.add(*_bytes(column), kinds)
        if odd.size:
            ids[odd] = self._numbers([("ip", value) for value in column.take(pa.array(odd)).to_pylist()])
        return ids

    def _read(self, batch: _Batch, link: Link, column: pa.Array[Any], parent: I32) -> I32:
        """Numbers of the values of a column, made canonical; -1 for what is none."""
        codes, values = _coded(column)
        if not link.kind_from:
            return _chosen(self._numbers([(link.kind, v) for v in values]), codes)
        of_row, kinds = _coded(batch.column(link.kind_from))
        # A batch of lists that are all empty has no items and no parents either.
        kind = of_row[parent] if batch.table.column(link.column).type == "strings" else of_row
        pair = np.where((codes >= 0) & (kind >= 0), codes.astype(np.int64) * (len(kinds) or 1) + kind, -1)
        entry, distinct = _interned(pair)
        places = [divmod(p, len(kinds) or 1) for p in distinct]
        return _chosen(self._numbers([(kinds[k], values[v]) for v, k in places]), entry)

    def _credentials(self, batch: _Batch, link: Link) -> I32:
        """A pair whose second half is null is none; one without a user has an empty user."""
        first, users = _coded(batch.column(link.column))
        second, words = _coded(batch.column(link.second))
        users, wide = [*users, ""], len(words) or 1
        first = np.where(first < 0, len(users) - 1, first)
        entry, distinct = _interned(np.where(second >= 0, first.astype(np.int64) * wide + second, -1))
        pairs = [divmod(p, wide) for p in distinct]
        return _chosen(self._numbers([("credential", users[u], words[w]) for u, w in pairs]), entry)

    def _numbers(self, asked: list[tuple[str, ...]]) -> I32:
        """Numbers of (kind, value as written) or (credential, user, password); -1 for what is no observable."""
        known = self._resolved
        new = [one for one in dict.fromkeys(asked) if one not in known]
        if new:
            found = [self._look(one) for one in new]
            kinds = np.array([_CODES[f[0]] if f else -1 for f in found], np.int32)
            values = pa.array([f[1] if f else "" for f in found], pa.string())
            known.update(zip(new, self._texts.add(*_bytes(values), kinds).tolist(), strict=True))
            self._weight += sum(map(len, (text for one in new for text in one)))
        return np.array([known[one] for one in asked], np.int32)

    def _look(self, asked: tuple[str, ...]) -> tuple[str, str] | None:
        if len(asked) == 3:
            return asked[0], self._secret(asked[1], asked[2])
        return resolve_one(asked[0], asked[1])

    def _follow(self) -> None:
        """Numbers what the new texts imply."""
        texts, first = self._texts, self._followed
        while first < texts.used:
            used = texts.used
            urls, what, offsets, data = texts.hosts(first, _URL)
            kinds = np.where(what == ADDRESS, _IP, _DOMAIN).astype(np.int32)
            hosts = texts.add(offsets, data, kinds)
            places = np.flatnonzero(np.isin(texts.kinds[first:used], _IMPLYING)) + first
            more: list[tuple[int, str, str]] = []
            for number in places.tolist():
                more += [(number, *o) for o in implied(_NAMES[texts.kinds[number]], texts.text(number))[:1]]
            bare = pa.array([value for _, _, value in more], pa.string())
            others = texts.add(*_bytes(bare), np.array([_CODES[kind] for _, kind, _ in more], np.int32))
            if texts.used > len(self._implied):
                grown = np.full(2 * texts.used, -1, np.int32)
                grown[: len(self._implied)] = self._implied
                self._implied = grown
            self._implied[urls] = hosts
            self._implied[[number for number, _, _ in more]] = others
            first = used
        self._followed = first

    def _group(self, table: str, role: str, tlp: str | None) -> int:
        return self._groups.setdefault((table, role, tlp), len(self._groups))

    def rest(self) -> Iterator[pa.Table]:
        """What is left, as rows of `links` in order of (key, day)."""
        for sums in (self._addresses, self._others):
            if sums.used:
                yield from self._made(sums)
        self._groups, self._resolved, self._weight = {}, {}, 0
        self._texts.clear()
        self._implied, self._followed = self._implied[:0], 0

    def _made(self, sums: group.Sums) -> Iterator[pa.Table]:
        """The rows in pieces, one after the other in order; the sums are empty afterwards."""
        entries = sums.entries()
        lo = entries[:, group.LO].copy()
        if sums is self._addresses:
            hi = entries[:, group.HI].copy().view(np.uint64)
            key = text.address_keys(hi, lo.view(np.uint64))
            order = _order(hi, lo.view(np.uint64), key, entries[:, group.DAY])
        else:
            key = self._keys()[lo]
            order = np.lexsort((entries[:, group.DAY], key))
        for at in range(0, len(order), _PIECE):
            some = order[at : at + _PIECE]
            if sums is self._addresses:
                kind: Any = pa.repeat(pa.scalar("ip"), len(some))
                value: Any = _strings(*text.texts(hi[some], lo[some].view(np.uint64)))
            else:
                codes: Any = pa.array(self._texts.kinds[lo[some]])
                kind = pa.array(_NAMES, pa.string()).take(codes)
                value = _strings(*self._texts.taken(lo[some]))
            yield self._rows(entries[some], key[some], kind, value)
        sums.clear()

    def _keys(self) -> I64:
        """The key of every observable, by its number."""
        out, left = self._texts.keys(_NAMES, _IP)
        for number in left.tolist():
            out[number] = key64("ip", self._texts.text(number))
        return out

    def _rows(self, entries: I64, key: I64, kind: Any, value: Any) -> pa.Table:
        tables, roles, markings = zip(*self._groups, strict=True)
        ids: Any = pa.array(entries[:, group.GROUP])
        times = pa.timestamp("us", tz="UTC")
        columns = {
            "key": pa.array(key),
            "kind": kind,
            "value": value,
            "role": pa.array(roles, pa.string()).take(ids),
            "table": pa.array(tables, pa.string()).take(ids),
            "day": pa.array(entries[:, group.DAY].astype(np.int32)).cast(pa.date32()),
            "first_seen": pa.array(entries[:, group.FIRST]).cast(times),
            "last_seen": pa.array(entries[:, group.LAST]).cast(times),
            "count": pa.array(entries[:, group.COUNT]),
            "tlp": pa.array(markings, pa.string()).take(ids),
        }
        schema = links_schema()
        return pa.table([columns[n] for n in schema.names], schema=schema)


def _order(hi: U64, lo: U64, key: I64, day: I64) -> I64:
    """The order of addresses by key and day; IPv6 addresses may share a key."""
    four = not hi.any() and bool((lo >> np.uint64(32) == np.uint64(0xFFFF)).all())
    if four and day.min() >= 0 and day.max() < 1 << 28:
        # Keys of IPv4 leave the low 28 bits free: one sort instead of three.
        return np.argsort(key | day, kind="stable")
    return np.lexsort((lo, day, key))


@lru_cache(maxsize=1)
def links_schema() -> pa.Schema:
    """`links` as sensors yield it: without run_id."""
    schema = TABLES["links"].arrow()
    return schema.remove(schema.get_field_index("run_id"))


class _Batch:
    """The rows of one batch: their times and weights, and their columns as they are asked for."""

    def __init__(self, table: Table, rows: pa.Table) -> None:
        assert table.time is not None
        self.table, self._rows = table, rows
        self.first = self._numbers(table.time)
        # A table whose time is when something began also says when it ended.
        ends = table.time == "first_seen" and "last_seen" in rows.column_names
        self.last = self._numbers("last_seen", self.first) if ends else self.first
        counted = "packet_count" in rows.column_names
        self.count = self._numbers("packet_count") if counted else np.ones(rows.num_rows, np.int64)

    def _numbers(self, name: str, otherwise: I64 | None = None) -> I64:
        column = self.column(name)
        if column.type != pa.int64():
            column = column.cast(pa.int64())
        if column.null_count:
            column = column.fill_null(0) if otherwise is None else pc.coalesce(column, pa.array(otherwise))
        return np.asarray(column.to_numpy(zero_copy_only=False), np.int64)

    def column(self, name: str) -> Any:
        """One column as one array; nulls where the batch has none."""
        if name not in self._rows.column_names:
            return pa.nulls(self._rows.num_rows, pa.string())
        chunks: Any = self._rows[name]
        return chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()

    def items(self, name: str) -> tuple[Any, I32]:
        """(values, row of each); the second is empty when a row has one value each."""
        column = self.column(name)
        if not pa.types.is_list(column.type):
            return column, _NONE
        parent = pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
        return column.flatten(), parent.astype(np.int32)

    def groups(self, link: Link, number: Callable[[str, str, str | None], int]) -> I32:
        """For each row, the number of (table, role, marking)."""
        n, name = self._rows.num_rows, self.table.name
        roles, told = (
            _coded(self.column(link.role_from)) if link.role_from else (np.zeros(n, np.int32), [link.role])
        )
        if self.table.marked:
            marks, markings = _coded(self.column("tlp"))
        else:
            marks, markings = np.full(n, -1, np.int32), []
        wide = len(markings) + 1
        # No role said is the plainest one; no marking is null.
        roles = np.where(roles < 0, len(told), roles).astype(np.int64)
        told = [*told, link.role or "mentions"]
        entry, distinct = _interned(roles * wide + (marks + 1))
        pairs = [divmod(p, wide) for p in distinct]
        ids = [number(name, told[r], markings[m - 1] if m else None) for r, m in pairs]
        return np.array(ids, np.int32)[entry]


def _coded(column: Any) -> tuple[I32, list[str]]:
    """(place of each value in the list, negative for null; the different values)."""
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    codes: Any = coded.indices
    if codes.null_count:
        codes = codes.fill_null(-1)
    out = codes.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    values = coded.dictionary.to_pylist()
    if None in values:  # a null may also stand in the dictionary
        gone = np.array([v is None for v in values])
        out = np.where((out >= 0) & gone[out], -1, out).astype(np.int32)
        values = [v or "" for v in values]
    return out, values


def _chosen(numbers: I32, entry: I32) -> I32:
    """numbers[entry], -1 where the entry is negative."""
    return np.append(numbers, np.int32(-1))[np.maximum(entry, -1)]


def _bytes(column: Any) -> tuple[I32, U8]:
    """Offsets (n + 1) and bytes of an Arrow array of strings."""
    _, offsets, data = column.buffers()
    n = len(column)
    if not n:
        return np.zeros(1, np.int32), np.zeros(1, np.uint8)
    places = np.frombuffer(offsets, np.int32)[column.offset : column.offset + n + 1]
    return places, np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)


def _interned(values: I64) -> tuple[I32, list[int]]:
    """(number of each different value in order of appearance, -1 for negative ones; the different values)."""
    n = len(values)
    if not n:
        return np.zeros(0, np.int32), []
    ids, unique = np.empty(n, np.int32), np.empty(n, np.uint64)
    slots = np.zeros(1 << (2 * n).bit_length(), np.int32)
    count = int(text.intern(values.view(np.uint64), n, ids, unique, slots, np.uint64(_SEED)))
    distinct: list[int] = unique[:count].view(np.int64).tolist()
    if -1 not in distinct:
        return ids, distinct
    none = distinct.index(-1)
    ids = np.where(ids == none, -1, ids - (ids > none)).astype(np.int32)
    return ids, distinct[:none] + distinct[none + 1 :]


def _addresses(column: Any) -> tuple[I32, Any, Any]:
    """(entry of each item, negative for none; halves of each entry) of stored addresses, coded or not."""
    coded = pa.types.is_dictionary(column.type)
    stored = column.dictionary if coded else column
    n = len(stored)
    hi, lo, good = np.empty(n, np.uint64), np.empty(n, np.uint64), np.empty(n, np.bool_)
    _, offsets, data = stored.buffers()
    if n:
        places = np.frombuffer(offsets, np.int32)[stored.offset : stored.offset + n + 1]
        blob = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
        group.halves(places, blob, n, hi, lo, good)
    if stored.null_count:
        good &= stored.is_valid().to_numpy(zero_copy_only=False)
    valid = np.where(good, np.arange(n, dtype=np.int32), -1).astype(np.int32)
    if not coded:
        return valid, hi, lo
    codes: Any = column.indices
    if codes.null_count:
        codes = codes.fill_null(-1)
    places = codes.to_numpy(zero_copy_only=False)
    if not n:
        return np.full(len(column), -1, np.int32), hi, lo
    return np.where(places >= 0, valid[places], -1).astype(np.int32), hi, lo


def _strings(offsets: Any, data: Any) -> Any:
    whole: Any = np.ascontiguousarray(data)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(whole)]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)
