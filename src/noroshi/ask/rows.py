"""The rows behind a value: newest and oldest, of each table and role it stands in, without reading all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import cache, lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from noroshi.model import address
from noroshi.model.observable import LOOSE, implied, prefix_keys, resolve, typed
from noroshi.model.schema import Link
from noroshi.model.tables import TABLES

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.ask.head import Stand
    from noroshi.lake.runs import RunInfo
    from noroshi.lake.snapshot import Snapshot

_LAST = "\U0010ffff"
READERS = 2
"""More gain nothing on two cores, and little beyond, since half of a look is Python."""
LEAST = 3
"""Newest rows of each table and role, however old they are."""
AT_ONCE = 200
"""Rows of one moment looked at, where a value stands in other words than its canonical ones."""

# Columns of rows that tell a person nothing more: traits of packets, and whole objects. `why` shows all.
_LEFT_OUT = {
    "flows": {
        "src_port", "ttl", "tcp_flags", "byte_count", "ip_len", "seq", "ack", "ip_id", "tcp_window", "tcp_options",
        "mss", "df", "seq_is_dst", "masscan_xor", "rules_version", "inner_src_ip", "inner_src_port",
        "inner_dst_port", "inner_protocol",
    },
    "objects": {"json"}, "relations": {"json"},
}  # fmt: skip
# `flows` counts its links while it decodes, so its schema names none.
_FLOWS = (Link("src_ip", "ip", "src"), Link("inner_dst_ip", "ip", "victim"))


@dataclass(frozen=True)
class Found:
    """Rows of one table in which a value has one role."""

    table: str
    role: str
    rows: pa.Table
    sure: bool
    """They are the newest (oldest) there are; else a sample of the newest days."""


@dataclass(frozen=True)
class Value:
    """What is looked for: an observable, or the plain halves of a credential beside its keyed hash."""

    kind: str
    value: str
    pair: tuple[str, str] | None = None

    @property
    def keys(self) -> tuple[int, int] | None:
        """Of a network, the range of keys its addresses have."""
        return prefix_keys(self.value) if self.kind == "prefix" else None


def links_of(table: str) -> tuple[Link, ...]:
    """Which columns of a table hold observables."""
    return _FLOWS if table == "flows" else TABLES[table].links


@cache
def columns_of(table: str) -> tuple[str, ...]:
    """Columns shown of a table."""
    shape = TABLES[table]
    left = _LEFT_OUT.get(table, set())
    return tuple(c.name for c in shape.columns if c.name not in left)


def newest(
    shot: Snapshot, what: Value, stands: Sequence[Stand], limit: int, *, oldest: bool = False,
    least: int = LEAST,
) -> list[Found]:  # fmt: skip
    """The newest rows of all roles together, about `limit` of them and at least `least` of each, newest first; or the
    oldest. Links tell the days, which are walked from the newest until there are enough."""
    import pyarrow as pa

    parts: dict[int, list[Found]] = {i: [] for i in range(len(stands))}
    daily = {i for i, s in enumerate(stands) if TABLES[s.table].partitioned}

    places = sorted(((d, i, n) for i in daily for d, n in stands[i].daily), reverse=not oldest)
    days = [list(same) for _, same in groupby(places, lambda place: place[0])]  # whole days: their rows mix
    rows = at = 0
    reached: date | None = None
    while rows < limit and at < len(days):
        # Days that are needed in any case, since links count at least what there are rows, are read at once.
        batch: list[tuple[date, int, int]] = []
        while at < len(days) and rows + sum(n for *_, n in batch) < limit:
            batch += days[at]
            reached = days[at][0][0]
            at += 1
        found = _together(shot, what, [(stands[i], day) for day, i, _ in batch], limit - rows, oldest)
        for (_, i, _), one in zip(batch, found, strict=True):
            parts[i].append(one)
            rows += one.rows.num_rows
    out = []
    for i, stand in enumerate(stands):
        held = parts[i]
        if not held or not any(f.rows.num_rows for f in held):
            if not least and rows >= limit and (i in daily or not _reaches(stand, reached, oldest=oldest)):
                out.append(Found(stand.table, stand.role, _none(stand.table), True))
                continue
            few = (least or limit) if i in daily else limit
            held = [find(shot, what, stand, few, oldest=oldest, by_time=True)]
        whole = pa.concat_tables([f.rows for f in held])
        out.append(Found(stand.table, stand.role, whole, all(f.sure for f in held)))
    return out


def _together(
    shot: Snapshot, what: Value, places: Sequence[tuple[Stand, date]], limit: int, oldest: bool
) -> list[Found]:
    """`find` of each (stand, day), by READERS threads when there are several: decoding leaves the interpreter alone."""

    def one(place: tuple[Stand, date]) -> Found:
        return find(shot, what, place[0], limit, oldest=oldest, days=(place[1],))

    if len(places) < 2:
        return [one(p) for p in places]
    return list(_readers().map(one, places))


@cache
def _readers() -> ThreadPoolExecutor:
    """Threads that wait for work as long as the process lives; made at the first question that needs them."""
    return ThreadPoolExecutor(READERS, thread_name_prefix="pivot")


def _reaches(stand: Stand, day: date | None, *, oldest: bool) -> bool:
    """True when a table without days may have rows among those of `day` and beyond."""
    days = [d for d, _ in stand.daily]
    if day is None or not days:
        return True
    return min(days) <= day if oldest else max(days) >= day


def find(
    shot: Snapshot, what: Value, stand: Stand, limit: int, *, oldest: bool = False,
    days: Collection[date] | None = None, by_time: bool = False,
) -> Found:  # fmt: skip
    """The newest `limit` rows of a table in which a value has a role, newest first; or the oldest.

    days: of these UTC days, else of all it stands on. by_time: where it does not stand as it is, look by when.
    """
    import pyarrow as pa

    from noroshi.lake.look import look

    columns = columns_of(stand.table)
    best: tuple[pa.Table, bool] | None = None
    for column, low, high in _places(what, stand.table, stand.role):
        where = stand.days if days is None else days
        rows, sure = look(shot, stand.table, column, low, high, columns, limit, days=where, oldest=oldest)
        if low != high and what.kind in ("purl", "cpe") and rows.num_rows:
            rows = rows.filter(pa.array([covers(what.kind, what.value, t) for t in rows[column].to_pylist()]))
        if what.pair and rows.num_rows:
            rows = _with_password(rows, what.pair[1])
        if best is None or rows.num_rows > best[0].num_rows:
            best = rows, sure
    if by_time and (best is None or not best[0].num_rows):
        best = _by_time(shot, what, stand, limit, oldest), False
    return Found(stand.table, stand.role, *(best or (_none(stand.table), True)))


def _none(table: str) -> pa.Table:
    empty = TABLES[table].arrow(partition=True).empty_table()
    return empty.select([n for n in empty.column_names if n in columns_of(table)])


def _with_password(rows: pa.Table, password: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    if "password" not in rows.column_names:
        return rows
    return rows.filter(pc.equal(rows["password"], pa.scalar(password)))


@lru_cache(maxsize=256)
def _places(what: Value, table: str, role: str) -> list[tuple[str, Any, Any]]:
    """(column, low, high) where the value stands as it is, in stored form."""
    out: list[tuple[str, Any, Any]] = []
    for link in links_of(table):
        if (link.role and link.role != role) or (link.role_from and link.role):
            continue
        column = TABLES[table].column(link.column)
        if column.type == "address":
            if what.kind == "ip":
                out.append((link.column, address.pack(what.value), address.pack(what.value)))
            elif what.kind == "prefix":
                out.append((link.column, *address.prefix_range(what.value)))
        elif link.kind == "typed":
            text = typed(what.kind, what.value)
            out.append((link.column, text, text))
        elif link.kind == "credential":
            if what.pair:
                out.append((link.column, what.pair[0], what.pair[0]))
        elif link.kind_from or what.kind in LOOSE.get(link.kind, (link.kind,)):
            out.append((link.column, *spelt(what.kind, what.value)))
    return out


def spelt(kind: str, value: str) -> tuple[str, str]:
    """The range of texts that mean the value or imply it: a product without its version stands in all versions.

    Of packages the range holds others too (`name-more`): `covers` tells.
    """
    if kind == "cpe" and value.endswith(":*" * 8):
        bare = value.removesuffix(":*" * 8)
        return f"{bare}:", f"{bare}:{_LAST}"
    if kind == "purl" and not implied(kind, value):
        return value, f"{value}@{_LAST}"
    return value, value


def covers(kind: str, value: str, text: Any) -> bool:
    """True when a text of the range `spelt` gives means the value or implies it."""
    texts = text if isinstance(text, list) else [text]
    return any(t == value or (kind, value) in implied(kind, t) for t in texts if isinstance(t, str))


def _by_time(shot: Snapshot, what: Value, stand: Stand, limit: int, oldest: bool) -> pa.Table:
    """Rows found by when: links know the first and last moment, also of what the row writes in another form (a
    URL's host, an address in a text). A row counts when its own columns resolve to the value."""
    import pyarrow as pa

    from noroshi.lake.look import look

    table, columns = TABLES[stand.table], columns_of(stand.table)
    parts = []
    moments = dict.fromkeys(
        (stand.first_seen, stand.last_seen) if oldest else (stand.last_seen, stand.first_seen)
    )
    for moment in moments if table.time and what.kind != "prefix" else ():
        assert table.time
        rows, _ = look(shot, table.name, table.time, moment, moment, columns, AT_ONCE, days=[moment.date()])
        # Of a keyed hash only the moment is known: the rows of that moment, in that role, are shown.
        holds = [what.kind == "credential" or holds_value(table.name, row, what) for row in rows.to_pylist()]
        if any(holds):
            parts.append(rows.filter(pa.array(holds, pa.bool_())))
    return pa.concat_tables(parts).slice(0, limit) if parts else _none(stand.table)


def holds_value(table: str, row: Mapping[str, Any], what: Value) -> bool:
    """True when a column of the row resolves to the value, or to something that contains it."""
    for link in links_of(table):
        for found in observables(table, link, [row.get(link.column)], [row.get(link.kind_from)]):
            if found and (found == (what.kind, what.value) or (what.kind, what.value) in implied(*found)):
                return True
    return False


def observables(
    table: str, link: Link, values: Sequence[Any], kinds: Sequence[Any] = ()
) -> list[tuple[str, str] | None]:
    """What the values of a link's column are: addresses in stored form, texts, or lists of texts."""
    if link.kind == "credential":
        return []
    out: list[tuple[str, str] | None] = []
    plain = TABLES[table].column(link.column).type == "address"
    for i, value in enumerate(values):
        if value is None:
            continue
        if plain:
            out.append(("ip", address.text(value)))
            continue
        kind = (kinds[i] if i < len(kinds) else None) if link.kind_from else link.kind
        texts = value if isinstance(value, list) else [value]
        out += resolve(kind, texts) if kind else []
    return out


@dataclass(frozen=True)
class Names:
    """How rows are named and their sources told."""

    runs: Mapping[str, RunInfo]
    hide: frozenset[str] = field(default_factory=frozenset)
    """Columns left out for the recipient."""
    unseen: tuple[tuple[bytes, bytes], ...] = ()
    """Ranges of addresses the recipient is not told: such values are left out of rows."""

    def shown(self, found: Found, most: int | None = None) -> list[dict[str, Any]]:
        """The rows (the first `most`) in JSON types, with `row` (what `why` takes) and `source`; nulls left out."""
        from noroshi.lake.render import row_id, to_text

        out = []
        for row in to_text(self._told(found).slice(0, most)):
            run = self.runs.get(row.get("run_id", ""))
            kept = {k: v for k, v in row.items() if v is not None and k not in self.hide}
            if run:
                kept["source"] = run.source
                if run.sha256 and "offset" in row:
                    kept["row"] = row_id(found.table, run.sha256, row["offset"])
            out.append(kept)
        return out

    def _told(self, found: Found) -> pa.Table:
        """The rows with addresses that are not told set to null."""
        import pyarrow as pa

        rows = found.rows
        if not self.unseen:
            return rows
        for i, name in enumerate(rows.column_names):
            if pa.types.is_binary(rows.schema.types[i]):
                kept = [
                    v if v is None or not _inside(v, self.unseen) else None for v in rows[name].to_pylist()
                ]
                rows = rows.set_column(i, name, pa.array(kept, pa.binary()))
        return rows


def _inside(value: bytes, ranges: Sequence[tuple[bytes, bytes]]) -> bool:
    return any(low <= value <= high for low, high in ranges)
