# ruff: noqa: S608 - SQL made of names from model.tables and of literals
"""What the lake makes of its facts by itself: links, sums and heads. Which are missing, wrong or left over.

Lakes of older programs have no sums; a table may have got links after its rows were stored; a process may have died
while it made them again. Nothing here is evidence: `rebuild` makes all of it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from noroshi.lake import heads
from noroshi.lake.delta import DataFile
from noroshi.lake.encoding import is_sorted
from noroshi.lake.rollup import PORTED, SOURCE_ROLES
from noroshi.lake.runs import PENDING, RunInfo
from noroshi.lake.sql import connect, scan, telling_sql
from noroshi.model.tables import TABLES

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake
    from noroshi.lake.snapshot import Snapshot

TABLES_MADE: Final = ("links", "hourly", "daily")
_ROLES: Final = ", ".join(f"'{r}'" for r in SOURCE_ROLES)
_WRAP: Final = 1 << 64
"""Sums of hostile counts wrap around as int64 does."""
Sums = dict[tuple[str, str], int]
"""(run, table) -> observations."""


@dataclass(frozen=True)
class Stale:
    """What is to be made again; all empty when nothing is."""

    links: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Run -> tables whose links are missing or not all there."""
    hourly: frozenset[str] = frozenset()
    daily: frozenset[str] = frozenset()
    """Runs whose sums are missing, or do not add up."""
    strays: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Table -> runs that are stored no more and still have rows there."""
    told: frozenset[str] = frozenset()
    """Runs that tell another number of sums than there are."""
    heads: tuple[DataFile, ...] = ()
    """Sorted files of links without readable heads."""

    def __bool__(self) -> bool:
        return bool(self.links or self.hourly or self.daily or self.strays or self.told or self.heads)

    def words(self) -> list[tuple[str, str]]:
        """(table, what is wrong) for people, nothing when nothing is."""
        strays = [(table, f"{len(runs)} runs that are stored no more still have rows here")
                  for table, runs in sorted(self.strays.items())]  # fmt: skip
        every = [
            ("links", len(self.links), "runs lack links of their rows"),
            ("hourly", len(self.hourly), "runs lack their sums by hour, or these do not add up"),
            ("daily", len(self.daily), "runs lack their sums by day, or these do not add up"),
            ("runs", len(self.told), "runs tell another number of sums than there are"),
            ("links", len(self.heads), "sorted files have no heads"),
        ]
        return [*strays, *((table, f"{n} {text}") for table, n, text in every if n)]


def find(lake: Lake) -> Stale:
    """Looks at everything that is derived: reads links and the few columns of facts the sums come from."""
    shot = lake.snapshot()
    runs = {r.run_id: r for r in shot.runs()}
    by_links, linked = _linked(shot)
    total: Counter[str] = Counter()
    for (run_id, _), n in by_links.items():
        total[run_id] += n
    links = {i: frozenset(t) for i, r in runs.items() if (t := _unlinked(shot, r, by_links, total[i]))}
    hourly = _differing(runs, _facts(shot), _sums(shot, "hourly"), ("hourly",))
    # What links say again, sums by day must too.
    daily = _differing(runs, linked, _sums(shot, "daily"), ("daily", "links")) | frozenset(links)
    return Stale(links, hourly, daily, strays(lake), _mistold(shot, runs), tuple(_headless(lake)))


def _linked(shot: Snapshot) -> tuple[dict[tuple[str, str], int], Sums]:
    """(rows of links, observations of sources under the run's marking), each by run and table."""
    rows: dict[tuple[str, str], int] = {}
    sources: Sums = {}
    for r in shot.sql(
        f"""SELECT run_id, "table", count(*) AS n,
        sum(count) FILTER (kind = 'ip' AND role IN ({_ROLES}) AND tlp IS NULL)::VARCHAR AS s
        FROM links GROUP BY ALL"""
    ).to_pylist():
        rows[r["run_id"], r["table"]] = r["n"]
        if r["s"] is not None:
            sources[r["run_id"], r["table"]] = int(r["s"]) % _WRAP
    return rows, sources


def _facts(shot: Snapshot) -> Sums:
    out: Sums = {}
    for table in PORTED:
        weight = "sum(coalesce(packet_count, 0))" if table == "flows" else "count(*)"
        for r in shot.sql(f"SELECT run_id, ({weight})::VARCHAR AS s FROM {table} GROUP BY ALL").to_pylist():
            out[r["run_id"], table] = int(r["s"]) % _WRAP
    return out


def _sums(shot: Snapshot, name: str) -> Sums:
    found = shot.sql(f'SELECT run_id, "table", sum(count)::VARCHAR AS s FROM {name} GROUP BY ALL')
    return {(r["run_id"], r["table"]): int(r["s"]) % _WRAP for r in found.to_pylist()}


def _differing(runs: Mapping[str, RunInfo], want: Sums, have: Sums, cut: Sequence[str]) -> frozenset[str]:
    """Runs whose sums are not those wanted; where retention took some of `cut` out, nobody can tell."""
    wrong = {
        run for run, table in want.keys() | have.keys() if want.get((run, table)) != have.get((run, table))
    }
    return frozenset(i for i in wrong & runs.keys() if not _cut(runs[i], cut))


def _cut(run: RunInfo, tables: Sequence[str]) -> bool:
    # Without a day of its own a table was only cut along with the facts.
    return any("before" in run.counts.get("retention", {}).get(t, {}) for t in tables)


def _unlinked(shot: Snapshot, run: RunInfo, rows: Mapping[tuple[str, str], int], total: int) -> set[str]:
    """Tables of a run whose links are to be made again. `total`: rows of links it has."""
    here = {t for t in TABLES if run.rows(t) and TABLES[t].links and TABLES[t].time is not None}
    if not here or _cut(run, ("links",)):
        return set()
    if total != run.rows("links"):
        return here
    # Rows may name nothing that can be linked; then there is nothing to be made.
    return {t for t in here if (run.run_id, t) not in rows and _names_something(shot, run, t)}


def _names_something(shot: Snapshot, run: RunInfo, table: str) -> bool:
    from noroshi.lake.rebuild import derived_of

    return any(True for _ in derived_of(shot, table, [run.run_id]))


def strays(lake: Lake) -> dict[str, frozenset[str]]:
    """Rows of runs that were taken out, put back by a rebuilding that was overtaken."""
    gone = {
        i for i, r in lake.log.load().items() if r.state in ("dropped", "forgotten") and r.problem != PENDING
    }
    out = {}
    for name in TABLES_MADE:
        store = lake.stores[name]
        files = [f for f in store.files() if any(f.may_hold(i) for i in gone)]
        if found := gone & _run_ids(lake, name, files):
            out[name] = frozenset(found)
    return out


def _run_ids(lake: Lake, name: str, files: Sequence[DataFile]) -> set[str]:
    ids = {f.runs[0] for f in files if f.runs and f.runs[0] == f.runs[1]}
    rest = [lake.stores[name].root / f.path for f in files if not f.runs or f.runs[0] != f.runs[1]]
    if rest:
        con = connect(lake.temporary)
        try:
            with telling_sql():
                ids |= {
                    str(r[0])
                    for r in con.execute(
                        f"SELECT DISTINCT run_id FROM ({scan(TABLES[name], rest)})"
                    ).fetchall()
                }
        finally:
            con.close()
    return ids


def _mistold(shot: Snapshot, runs: Mapping[str, RunInfo]) -> frozenset[str]:
    wrong: set[str] = set()
    for name in ("hourly", "daily"):
        counted = shot.sql(f"SELECT run_id, count(*) AS n FROM {name} GROUP BY ALL").to_pylist()
        held = {r["run_id"]: r["n"] for r in counted}
        wrong |= {i for i, r in runs.items() if r.rows(name) != held.get(i, 0)}
    return frozenset(wrong)


def _headless(lake: Lake) -> list[DataFile]:
    large = [f for f in lake.stores["links"].files() if is_sorted(f.path) and f.rows >= heads.LEAST_ROWS]
    return [f for f in large if heads._load(heads._path(lake, f), f) is None]
