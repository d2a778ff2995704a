"""What runs hold of watched values: one hit per watch and UTC day."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from noroshi.ask import keyword
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.observable import prefix_keys
from noroshi.model.tlp import Tlp
from noroshi.model.watch import KEYWORD, Watch

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.lake.snapshot import Snapshot

RULE = Rule("watch", 1)
SHOWN = 50
"""Places a hit names; what follows is counted."""
CONFIDENCE = 90
"""The value stands there; what remains is that two things may share a name."""


@dataclass(frozen=True)
class _Place:
    """Rows in which a watched value stands."""

    kind: str
    value: str
    table: str
    role: str
    day: date
    first_seen: Any
    last_seen: Any
    count: int
    tlp: Tlp
    run_id: str
    sample: str = ""


def hits(snapshot: Snapshot, watch: Watch, fresh: Collection[str]) -> list[Finding]:
    """Findings about `watch` for each day on which one of the runs `fresh` has something, judged from all runs."""
    marks = {r.run_id: r.tlp for r in snapshot.runs()}
    if watch.kind == KEYWORD:
        places = _words(snapshot.restricted(runs=fresh), watch.value, marks)
    else:
        places = _linked(snapshot, watch, marks)
        days = {p.day for p in places if p.run_id in fresh}
        places = [p for p in places if p.day in days]
    by_day: dict[date, list[_Place]] = {}
    for place in places:
        by_day.setdefault(place.day, []).append(place)
    return [_finding(watch, by_day[day]) for day in sorted(by_day)]


def _words(snapshot: Snapshot, word: str, marks: dict[str, Tlp]) -> list[_Place]:
    return [
        _Place(
            KEYWORD, word, f.table, f.column, f.first_seen.date(), f.first_seen, f.last_seen, f.count,
            Tlp(f.tlp) if f.tlp else marks[f.run_id], f.run_id, f.sample,
        )
        for f in keyword.find(snapshot, word)
    ]  # fmt: skip


def _linked(snapshot: Snapshot, watch: Watch, marks: dict[str, Tlp]) -> list[_Place]:
    tables = [snapshot.links(watch.kind, watch.value)]
    if watch.kind == "prefix":
        tables.append(snapshot.links_between(*prefix_keys(watch.value)))
    elif watch.kind == "domain":
        # Names below it: a phishing site on a host name nobody thought of.
        below = "SELECT * FROM links WHERE kind = 'domain' AND suffix(value, $below)"
        tables.append(snapshot.sql(below, {"below": f".{watch.value}"}))
    return [
        _Place(
            r["kind"], r["value"], r["table"], r["role"], r["day"], r["first_seen"], r["last_seen"], r["count"],
            Tlp(r["tlp"]) if r["tlp"] else marks[r["run_id"]], r["run_id"],
        )
        for r in _rows(tables)
        if watch.kind != "prefix" or r["kind"] == "prefix" or _inside(r["value"], watch.value)
    ]  # fmt: skip


def _rows(tables: Iterable[pa.Table]) -> Iterable[dict[str, Any]]:
    for table in tables:
        yield from table.to_pylist()


def _inside(value: str, prefix: str) -> bool:
    """True for an address of the network: keys of IPv6 hold its first 60 bits only."""
    from noroshi.model import address

    low, high = address.prefix_range(prefix)
    return low <= address.pack(value) <= high


def _finding(watch: Watch, places: list[_Place]) -> Finding:
    summed: dict[tuple[str, str, str, str], list[_Place]] = {}
    for p in places:
        summed.setdefault((p.kind, p.value, p.table, p.role), []).append(p)
    where: list[dict[str, Any]] = [
        {
            "kind": kind, "value": value, "table": table, "role": role, "count": sum(p.count for p in same),
            **({"sample": same[0].sample} if same[0].sample else {}),
        }
        for (kind, value, table, role), same in summed.items()
    ]  # fmt: skip
    where.sort(key=lambda w: (-w["count"], w["table"], w["value"]))
    tables = ", ".join(sorted({p.table for p in places}))
    count = sum(p.count for p in places)
    return Finding(
        kind="watch-hit",
        subject=Subject(watch.kind, watch.value),
        rule=RULE,
        first_seen=min(p.first_seen for p in places),
        last_seen=max(p.last_seen for p in places),
        confidence=CONFIDENCE,
        summary={
            "en": f"The watched {watch.kind} {watch.value} was seen: "
            f"{count:,} observation{'' if count == 1 else 's'} in {tables}.",
            "ja": f"監視対象 {watch.value} ({watch.kind}) が {tables} に {count:,} 件現れた。",
        },
        evidence={
            "note": watch.note, "count": count, "places": where[:SHOWN],
            "places_more": max(0, len(where) - SHOWN),
        },
        tlp=max((p.tlp for p in places), key=lambda t: t.rank),
        runs=tuple(sorted({p.run_id for p in places})),
    )  # fmt: skip
