"""The rows behind a value: newest and oldest, of each table and role it stands in, without reading all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
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

AT_ONCE = 200
"""Rows of one moment looked at, where a value stands in other words than its canonical ones."""

# Columns of rows that tell a person nothing more: traits of packets, and whole objects. `why` shows all.
_LEFT_OUT = {
    "flows": {
        "seq", "ack", "ip_id", "tcp_window", "tcp_options", "mss", "df", "seq_is_dst", "masscan_xor", "ip_len",
        "rules_version", "inner_src_ip", "inner_src_port", "inner_dst_port", "inner_protocol",
    },
    "objects": {"json"}, "relations": {"json"},
}  # fmt: skip
# `flows` counts its links while it decodes, so its schema names none.
_FLOWS = (Link("src_ip", "ip", "src"), Link("inner_dst_ip", "ip", "victim"))
_DATED = ("day", "run_id")


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


def columns_of(table: str) -> list[str]:
    """Columns shown of a table."""
    shape = TABLES[table]
    left = _LEFT_OUT.get(table, set())
    return [c.name for c in shape.columns if c.name not in left]


def find(
    shot: Snapshot, what: Value, stand: Stand, limit: int, *, oldest: bool = False, since: date | None = None
) -> Found:
    """The newest `limit` rows of a table in which a value has a role, newest first; or the oldest."""
    from noroshi.lake.look import look

    days = frozenset(d for d in stand.days if since is None or d >= since)
    columns = columns_of(stand.table)
    best: tuple[pa.Table, bool] | None = None
    for column, low, high in _places(what, stand):
        rows, sure = look(shot, stand.table, column, low, high, columns, limit, days=days, oldest=oldest)
        if what.pair and rows.num_rows:
            rows = _with_password(rows, what.pair[1])
        if best is None or rows.num_rows > best[0].num_rows:
            best = rows, sure
    if best is None or not best[0].num_rows:
        best = _by_time(shot, what, stand, limit, oldest), False
    return Found(stand.table, stand.role, *best)


def _with_password(rows: pa.Table, password: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    if "password" not in rows.column_names:
        return rows
    return rows.filter(pc.equal(rows["password"], pa.scalar(password)))


def _places(what: Value, stand: Stand) -> list[tuple[str, Any, Any]]:
    """(column, low, high) where the value stands as it is, in stored form."""
    out: list[tuple[str, Any, Any]] = []
    for link in links_of(stand.table):
        if (link.role and link.role != stand.role) or (link.role_from and link.role):
            continue
        column = TABLES[stand.table].column(link.column)
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
            out.append((link.column, what.value, what.value))
    return out


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
    if parts:
        return pa.concat_tables(parts).slice(0, limit)
    empty = table.arrow(partition=True).empty_table()
    return empty.select([n for n in empty.column_names if n in columns])


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

    def shown(self, found: Found) -> list[dict[str, Any]]:
        """The rows in JSON types, with `row` (what `why` takes) and `source`; nulls left out."""
        from noroshi.lake.render import to_text

        out = []
        for row in to_text(self._told(found)):
            run = self.runs.get(row.get("run_id", ""))
            kept = {k: v for k, v in row.items() if v is not None and k not in self.hide}
            if run:
                kept["source"] = run.source
                if run.sha256 and "offset" in row:
                    kept["row"] = f"{found.table}:{run.sha256[:12]}:{row['offset']}"
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
