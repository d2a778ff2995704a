"""Values that stand beside one: in the same rows, the same visit to a decoy, the same document; by weight.

The weight says how much it means that two values stand together: how rare the other one is among sources, how much
more often they stand together than chance would have it, and in how many of the rows looked at. What everybody
names, or a warninglist holds, sinks; it is never left out for that, and the answer says why it sank.
"""

from __future__ import annotations

import ipaddress
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from noroshi.ask.rows import Found, Value, links_of, observables
from noroshi.model import address
from noroshi.model.observable import key64
from noroshi.model.tables import TABLES

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.lake.heads import Common, Links
    from noroshi.lake.snapshot import Snapshot

SESSIONS, DOCUMENTS = 3, 2
"""Visits and documents followed: each costs a look into up to five tables, or through one."""
DOCUMENT_ROWS, DOCUMENT_GROUPS = 500, 6
"""Statements of a document, and row groups looked into: no table is sorted by documents, so of more than a
hundred thousand statements a part is looked through."""
SLOW = 48
"""Values weighed where there are no heads: each costs a read of half a millisecond."""
LISTED = 0.1
"""What is left of the weight of a value on a warninglist: below anything of half its rarity."""
COMMON = 0.5
"""Share of all sources from which a value is called common."""

Observable = tuple[str, str]


@dataclass(frozen=True)
class Related:
    """A value that stands beside the one asked for."""

    kind: str
    value: str
    weight: float
    count: int
    """Rows looked at in which it stands beside it."""
    sources: int
    """Sources that name it anywhere."""
    where: tuple[str, ...]
    """Tables the two stand together in, `session` and `document` when only through one."""
    tables: tuple[str, ...]
    """All tables the other stands in."""
    notes: tuple[str, ...] = ()
    """Why it sank: `warninglist`, `common`, `special-range`."""


@dataclass(frozen=True)
class Answer:
    """The values with the most weight, and how many there were."""

    values: tuple[Related, ...]
    candidates: int
    rows: int
    """Rows, visits and documents looked at."""


def related(
    shot: Snapshot, links: Links, what: Value, found: Sequence[Found], most: int,
    unseen: Sequence[tuple[bytes, bytes]] = (),
) -> Answer:  # fmt: skip
    """The `most` values with the most weight. found: the newest and the oldest rows.

    unseen: ranges of addresses that are not told.
    """
    beside: Counter[Observable] = Counter()
    where: dict[Observable, dict[str, None]] = {}
    rows = 0
    for one in found:
        rows += one.rows.num_rows
        _add(beside, where, one.table, one.table, one.rows)
    for name, table, part in (*_sessions(shot, what, found), *_documents(shot, found)):
        _add(beside, where, name, table, part)
    beside.pop((what.kind, what.value), None)
    _leave(beside, [*unseen, *([address.prefix_range(what.value)] if what.kind == "prefix" else [])])
    return _weighed(links, beside, where, max(rows, 1), most)


def _add(
    beside: Counter[Observable],
    where: dict[Observable, dict[str, None]],
    name: str,
    table: str,
    rows: pa.Table,
) -> None:
    """Counts in how many rows each observable stands."""
    for link in links_of(table):
        if link.column not in rows.column_names or link.kind == "credential":
            continue
        for observable, n in _column(table, link, rows).items():
            beside[observable] += n
            where.setdefault(observable, {})[name] = None


def _column(table: str, link: Any, rows: pa.Table) -> Counter[Observable]:
    out: Counter[Observable] = Counter()
    column: Any = rows[link.column].combine_chunks()
    if TABLES[table].column(link.column).type == "strings" or link.kind_from:
        kinds = rows[link.kind_from].to_pylist() if link.kind_from else []
        for i, value in enumerate(column.to_pylist()):
            out.update(set(filter(None, observables(table, link, [value], kinds[i : i + 1]))))
        return out
    for pair in column.value_counts().to_pylist():
        for observable in observables(table, link, [pair["values"]]):
            if observable:
                out[observable] += pair["counts"]
    return out


def _sessions(shot: Snapshot, what: Value, found: Sequence[Found]) -> Iterable[tuple[str, str, pa.Table]]:
    """Other rows of the visits the value stands in. Of an address, its rows are all looked at anyway."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from noroshi.lake.look import has, look

    if what.kind in ("ip", "prefix"):
        return
    visits: dict[tuple[bytes, str], str] = {}
    for one in found:
        if "session_id" in one.rows.column_names and "src_ip" in one.rows.column_names:
            for row in one.rows.select(["src_ip", "session_id"]).slice(0, 50).to_pylist():
                visits.setdefault((row["src_ip"], row["session_id"]), one.table)
    mine = {one.table for one in found}
    for (source, session), _ in list(visits.items())[:SESSIONS]:
        for table in ("sessions", "logins", "commands", "transfers", "relays"):
            if table in mine and len(mine) == 1 and table not in ("commands", "transfers"):
                continue
            if not has(shot, table):
                continue
            names = [lk.column for lk in links_of(table)]
            columns = {*names, "session_id", TABLES[table].time or "ts"}
            rows, _ = look(shot, table, "src_ip", source, source, columns, 200)
            rows = rows.filter(pc.equal(rows["session_id"], pa.scalar(session)))
            if rows.num_rows:
                yield "session", table, rows


def _documents(shot: Snapshot, found: Sequence[Found]) -> Iterable[tuple[str, str, pa.Table]]:
    """Other statements of the documents the value stands in."""
    from noroshi.lake.look import has, look

    documents: dict[str | None, None] = {}
    for one in found:
        if "document" in one.rows.column_names:
            documents |= dict.fromkeys(one.rows["document"].slice(0, 50).to_pylist())
    for document in list(documents)[:DOCUMENTS]:
        for table in ("indicators", "files", "objects"):
            if not has(shot, table) or document is None:
                continue
            names = {n for lk in links_of(table) for n in (lk.column, lk.kind_from) if n}
            columns = {*names, "document", TABLES[table].time or "ts"}
            rows, _ = look(
                shot, table, "document", document, document, columns, DOCUMENT_ROWS, groups=DOCUMENT_GROUPS
            )
            if rows.num_rows:
                yield "document", table, rows


def _leave(beside: Counter[Observable], ranges: Sequence[tuple[bytes, bytes]]) -> None:
    """Takes out addresses that are not told, and those of the network asked for, which are told apart."""
    if ranges:
        for kind, value in list(beside):
            if kind == "ip" and any(low <= address.pack(value) <= high for low, high in ranges):
                del beside[kind, value]


def _weighed(
    links: Links, beside: Counter[Observable], where: dict[Observable, dict[str, None]], rows: int, most: int
) -> Answer:
    chosen = beside.most_common(None if links.quick else SLOW)
    keys = {observable: key64(*observable) for observable, _ in chosen}
    known = links.common(list(keys.values())) if keys else {}
    weighed = []
    for observable, count in chosen:
        common = known.get(keys[observable])
        sources = max(1, min(common.sources if common else 1, links.sources))
        listed = common is not None and common.stands_in("warnings")
        value = weight(min(count, rows), rows, sources, links.sources) * (LISTED if listed else 1.0)
        weighed.append((-value, -count, observable, sources))
    weighed.sort()
    told = [
        _told(o, -w, -n, s, links.sources, known.get(keys[o]), tuple(where[o]))
        for w, n, o, s in weighed[:most]
    ]
    return Answer(tuple(told), len(beside), rows)


def _told(
    observable: Observable, value: float, count: int, sources: int, all_sources: int, common: Common | None,
    where: tuple[str, ...],
) -> Related:  # fmt: skip
    """One of those with the most weight, with where it stands and why it sank."""
    from noroshi.lake.heads import TABLE_BITS

    notes = ["warninglist"] if common is not None and common.stands_in("warnings") else []
    if all_sources >= 4 and sources > COMMON * all_sources:
        notes.append("common")
    if observable[0] == "ip" and not ipaddress.ip_address(observable[1]).is_global:
        notes.append("special-range")
    tables = tuple(t for t, bit in TABLE_BITS.items() if common and common.tables & bit)
    return Related(*observable, value, count, sources, where, tables, tuple(notes))


def weight(together: int, rows: int, sources: int, all_sources: int) -> float:
    """How much it means that a value stands in `together` of `rows` rows, while `sources` of `all_sources` name it.

    -log of the share of sources that name it, times log2(1 + lift), times the root of its share of the rows; lift
    is the share of rows over the share of sources. 0 for what every source names.
    """
    share = together / rows
    rarity = sources / (all_sources + 1)
    return round(-math.log(rarity) * math.log2(1 + share / rarity) * math.sqrt(share), 4)
