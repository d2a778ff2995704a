# ruff: noqa: S608 - SQL made of names from model.tables and of quoted literals
"""What was visible at one moment: files, runs, and questions over them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from noroshi.lake import horizon
from noroshi.lake.delta import DataFile, Store
from noroshi.lake.horizon import Horizon
from noroshi.lake.points import Order, Visible, ordered, rows_between, rows_with
from noroshi.lake.runs import RunInfo, hidden
from noroshi.lake.sql import Locked, literal, scan
from noroshi.lake.upgrade import is_old, upgrade
from noroshi.model.observable import canonical, key64
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp

if TYPE_CHECKING:
    from noroshi.lake.answers import Answers
    from noroshi.lake.handle import Lake

_FINDINGS_KEY = "id, tlp"


def take(lake: Lake) -> Snapshot:
    """The runs-tables-runs rule: runs closed before the tables were loaded, and nothing of any other."""
    behind = horizon.load(lake.path)
    first = lake.log.load()
    # What each table was is settled here, by its newest commit; it is read when something asks for it.
    files = Pinned({n: (store, store.version()) for n, store in lake.stores.items() if n != "runs"})
    if any(is_old(f) for f in files["links"]):
        upgrade(lake)
        return take(lake)
    if horizon.load(lake.path).generation != behind.generation:
        return take(
            lake
        )  # retention began or ended in between: some tables may be from before it, some from after
    second = lake.log.load()
    visible, unseen = hidden(first, second)
    # Of what is not visible, forgotten runs are told about as such; others not at all.
    states = {i: first[i] if i in visible else r for i, r in second.items()}
    shown = {i: r for i, r in states.items() if i in visible or r.state == "forgotten"}
    return Snapshot(lake, files, shown, visible, unseen, behind=behind)


class Pinned(Mapping[str, list[DataFile]]):
    """The live files of tables as of one commit of each, read at first use. Safe to share between threads."""

    def __init__(self, at: Mapping[str, tuple[Store, int]]) -> None:
        self._at = at
        self._read: dict[str, list[DataFile]] = {}

    def __getitem__(self, table: str) -> list[DataFile]:
        found = self._read.get(table)
        if found is None:
            store, version = self._at[table]
            found = self._read[table] = store.files_at(version)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)


@dataclass(frozen=True)
class _Limits:
    """What a restricted question may see of findings."""

    tlp: Tlp | None = None
    runs: frozenset[str] | None = None

    def and_also(self, other: _Limits) -> _Limits:
        """Both limits at once."""
        tlps = [t for t in (self.tlp, other.tlp) if t is not None]
        sets = [r for r in (self.runs, other.runs) if r is not None]
        return _Limits(
            min(tlps, key=lambda t: t.rank, default=None), frozenset.intersection(*sets) if sets else None
        )

    def allows(self, tlp: Tlp) -> bool:
        """True when what is so marked may be seen."""
        return self.tlp is None or tlp.rank <= self.tlp.rank

    @property
    def marks(self) -> frozenset[str]:
        """The markings that may be seen."""
        return frozenset(t.value for t in Tlp if self.allows(t))

    def findings(self) -> str:
        """SQL condition on rows of findings."""
        parts = ["true"]
        if self.tlp is not None:
            parts.append(f"tlp IN ({_listed(self.marks)})")
        if self.runs is not None:
            listed = ", ".join(literal(r) for r in sorted(self.runs))
            parts.append(f"list_has_all([{listed}]::VARCHAR[], runs)")
        return " AND ".join(parts)


def _listed(texts: Iterable[str]) -> str:
    """As SQL, between the brackets of IN; never empty."""
    return ", ".join(literal(t) for t in sorted(texts)) or "''"


class Snapshot:
    """One moment of the lake. `sql` is the Query of `model.analyser`."""

    def __init__(
        self, lake: Lake, files: Mapping[str, list[DataFile]], runs: dict[str, RunInfo],
        visible: frozenset[str], unseen: frozenset[str], limits: _Limits | None = None,
        memory: int | None = None, behind: Horizon | None = None,
    ) -> None:  # fmt: skip
        self._lake, self._files, self._runs = lake, files, runs
        self._horizon = behind or Horizon()
        self._visible, self._hidden = visible, unseen
        self._limits, self._memory = limits or _Limits(), memory
        self._con: Locked | None = None
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()
        self.patience: float | None = None
        """Seconds a question may take that does not say so itself: a server sets it."""
        self.answers: Answers | None = None
        """Where answers are kept: a server sets it."""

    def sql(
        self, text: str, params: dict[str, Any] | None = None, *, seconds: float | None = None, fresh: bool = False,
    ) -> pa.Table:  # fmt: skip
        """The answer to one SELECT in DuckDB's dialect; `$name` parameters; addresses stay binary.

        Tables are those of `model.tables`, partitioned ones with `day`; `findings` are the newest revisions
        that hold, `findings_history` all, `runs` the newest state of each. Macros: ip, ip_text, in_net.
        Raises UsageError for anything but one right SELECT, LakeError when the store fails, or when it takes
        longer than `seconds`. fresh: never from `answers`; for texts of others, which may ask for the time.
        """
        with self._lock:
            if self._con is None:
                self._con = self._connect()
        patience = self.patience if seconds is None else seconds
        return (self._con.sql if fresh else self._con.kept)(text, params, patience)

    def restricted(
        self, tlp: Tlp | None = None, runs: Iterable[str] | None = None, memory: int | None = None
    ) -> Snapshot:
        """The same moment with only rows not marked stricter than `tlp`, and of runs among `runs`.

        In tables with `tlp` the row's own marking decides, and the run's only where it has none; elsewhere the
        run's. Of runs only what the visible rows tell is told, and nothing of runs without one (`_told`).
        Findings are left out when they are marked stricter, or were judged from other runs too. memory: bytes
        a query may hold before it puts the rest on disk; without it, and at most, a share of the machine's.
        """
        asked = None if runs is None else frozenset(runs)
        seen = self._visible if asked is None else self._visible & asked
        limits = self._limits.and_also(_Limits(tlp, asked))
        unseen = self._hidden | (self._visible - seen)
        shown = {i: r for i, r in self._runs.items() if i in seen}
        made = Snapshot(
            self._lake, self._files, shown, seen, unseen, limits, memory or self._memory, self._horizon
        )
        made.answers = self.answers
        return made

    def _connect(self) -> Locked:
        views, allowed = {}, []
        for name, table in TABLES.items():
            if name == "runs":
                continue
            files = self._paths(name)
            allowed += files
            where = self._where(name)
            views[name] = f"FROM ({scan(table, files)}){where}" if where else scan(table, files)
        views |= self._finding_views(views.pop("findings"))
        rows = [t.row() for t in self._told_of.values() if t]
        return Locked(
            self._lake.temporary, views, allowed,
            {"runs": pa.Table.from_pylist(rows, schema=TABLES["runs"].arrow())},
            self._memory, self.answers, {"findings": ("findings_history",)},
        )  # fmt: skip

    def _finding_views(self, every: str) -> dict[str, str]:
        newest = (
            f"SELECT * FROM findings_history QUALIFY row_number() OVER"
            f" (PARTITION BY {_FINDINGS_KEY} ORDER BY modified DESC) = 1"
        )
        told = self.told_runs
        columns = "*"
        if told is not None:
            # That a finding was lowered, and from where, is for those who may see it there.
            columns = (
                f"* REPLACE (list_filter(runs, lambda r: r IN ({_listed(told)})) AS runs,"
                " NULL::VARCHAR AS lowered_from)"
            )
        return {
            "findings_history": f"SELECT {columns} FROM ({every}) WHERE {self._limits.findings()}",
            "findings": f"FROM ({newest}) WHERE NOT withdrawn",
        }

    @cached_property
    def told_runs(self) -> frozenset[str] | None:
        """Under a limit by marking, the runs of which something is told; None without: findings name no others."""
        if self._limits.tlp is None:
            return None
        return frozenset(i for i in self._visible if self._told_of[i] is not None)

    @cached_property
    def _told_of(self) -> dict[str, RunInfo | None]:
        """What may be told of each run, worked out once: with hundreds of runs it costs as much as a question."""
        return {i: self._told(r) for i, r in self._runs.items()}

    def _told(self, run: RunInfo) -> RunInfo | None:
        """What may be told of a run: all, or under a limit only what its visible rows tell; None for nothing.

        Digest, length, times and what went wrong depend on rows that may not be seen; so they are left out
        whether or not there are such rows.
        """
        if self._limits.tlp in (None, Tlp.RED):
            return run
        named = run.counts.get("tables", {}).keys() | run.counts.get("tlp", {}).keys()
        tables = {n: self._limits_rows(run, n) for n in TABLES if n in named}
        tables = {n: count for n, count in tables.items() if count}
        if not tables:
            return None
        own = self._limits.allows(run.tlp)
        return replace(
            run, path=run.path if own else "", source=run.source if own else "", owner="", sha256=None,
            size=None, first_seen=None, last_seen=None, problem=None, seconds=None, counts={"tables": tables},
        )  # fmt: skip

    def _limits_rows(self, run: RunInfo, table: str) -> int:
        """Rows of a visible run that may be seen."""
        return run.rows(table) if self._limits.tlp is None else run.rows_up_to(table, self._limits.tlp)

    def _where(self, table: str) -> str:
        """The filter of rows; empty when no file can hold a row of a hidden run, because it costs."""
        live = self._live(table)
        if table == "findings" or not live:
            return ""
        sees, parts = self.sees(table), []
        by_run = replace(sees, marks=None)
        if any(by_run.mixed(f) for f in live):
            ids = sees.hidden if len(sees.hidden) <= len(sees.seen) else sees.seen
            parts.append(f"run_id {'NOT ' if ids is sees.hidden else ''}IN ({_listed(ids)})")
        if sees.marks is not None:
            unmarked = f"(tlp IS NULL AND run_id IN ({_listed(sees.lenient)}))"
            parts.append(f"(tlp IN ({_listed(sees.marks)}) OR {unmarked})")
        if stays := self._horizon.stays(TABLES[table]):
            parts.append(stays)
        return f" WHERE {' AND '.join(parts)}" if parts else ""

    def sees(self, table: str) -> Visible:
        """Which rows of a table may be seen."""
        sees, spec = self._sees_runs(table), TABLES[table]
        if self._horizon.tables and not spec.partitioned and self._horizon.conditions(spec):
            return replace(sees, going=(self._horizon, spec))
        return sees

    def _sees_runs(self, table: str) -> Visible:
        if self._limits.tlp is None:
            return Visible(self._visible, self._hidden)
        marked, unmarked = self._sees_marked
        return marked if TABLES[table].marked else unmarked

    @cached_property
    def _sees_marked(self) -> tuple[Visible, Visible]:
        """Which rows may be seen of tables whose rows carry markings, and of others."""
        # A run's default marking says nothing of rows that carry their own.
        lenient = frozenset(i for i in self._visible if self._limits.allows(self._runs[i].tlp))
        return (
            Visible(self._visible, self._hidden, self._limits.marks, lenient),
            Visible(lenient, self._hidden | (self._visible - lenient)),
        )

    def _live(self, table: str) -> list[DataFile]:
        """Files that hold, or may hold, visible rows."""
        if table in ("findings", "runs"):
            return self._files.get(table, [])
        seen, first = self.sees(table), self._horizon.tables.get(table)
        if first is not None and TABLES[table].partitioned:
            return [f for f in self._files.get(table, []) if seen.any(f) and f.day and f.day >= first]
        return [f for f in self._files.get(table, []) if seen.any(f)]

    def _paths(self, table: str) -> list[Path]:
        root = self._lake.stores[table].root
        return [root / f.path for f in self._live(table)]

    def rows(
        self, table: str, column: str, value: Any, columns: Collection[str] | None = None,
        limit: int | None = None, newest_first: bool = False,
    ) -> pa.Table:  # fmt: skip
        """Visible rows of `table` whose `column` equals `value`, reading only row groups that may hold it.

        value: in the column's stored type (an address in its binary form). `day` is among the columns of a
        partitioned table. newest_first: newest day first, as whole days; `limit` stops early. For a recipient the
        order of the rest is that of the rows alone.
        """
        files = self._live(table)
        if self._limits.tlp is not None:
            return self._rows_alone(table, column, value, columns, limit, newest_first)
        files.sort(key=lambda f: (f.day or date.min, f.path), reverse=newest_first)
        return rows_with(self._lake, TABLES[table], files, self.sees(table), column, value, columns, limit)

    def _rows_alone(
        self,
        table: str,
        column: str,
        value: Any,
        columns: Collection[str] | None,
        limit: int | None,
        newest_first: bool,
    ) -> pa.Table:
        """All such rows, ordered by nothing that may not be seen, then cut."""
        days: Order = (
            [("day", "descending" if newest_first else "ascending")] if TABLES[table].partitioned else []
        )
        needed = None if columns is None else {*columns, "run_id", "offset", *(n for n, _ in days)}
        needed = needed and needed & set(TABLES[table].arrow(partition=True).names)
        found = rows_with(
            self._lake, TABLES[table], self._live(table), self.sees(table), column, value, needed, None
        )
        found = ordered(found, days).slice(0, limit)
        return found if columns is None else found.select([n for n in found.column_names if n in columns])

    def links(self, kind: str, value: str) -> pa.Table:
        """Visible rows of `links` for an observable, newest day first; a row per run, role, table and day."""
        value = canonical(kind, value)
        key = key64(kind, value)
        files = [f for f in self._live("links") if f.key is None or f.key[0] <= key <= f.key[1]]
        found = rows_with(self._lake, TABLES["links"], files, self.sees("links"), "key", key, None, None)
        same = (pc.field("kind") == kind) & (pc.field("value") == value)
        by: Order = [("day", "descending"), ("table", "ascending"), ("role", "ascending")]
        return ordered(found.filter(same), by)

    def links_between(self, low: int, high: int, columns: Collection[str] | None = None) -> pa.Table:
        """Visible rows of `links` with a key in `low`..`high`: a network's (`observable.prefix_keys`); in no order.

        What is no address may have such a key only outside the keys of addresses, so nothing needs to be compared.
        """
        files = [f for f in self._live("links") if f.key is None or (f.key[0] <= high and low <= f.key[1])]
        return rows_between(self._lake, TABLES["links"], files, self.sees("links"), "key", low, high, columns)

    def runs(self) -> list[RunInfo]:
        """Visible runs, in the order they were closed."""
        told = [t for i in self._visible if (t := self._told_of[i])]
        return sorted(told, key=lambda r: (r.at, r.run_id))

    def days(self, table: str) -> list[date]:
        """UTC days a partitioned table has visible rows on, ascending."""
        live, sees = self._live(table), self.sees(table)
        candidates = {f.day for f in live if f.day is not None}
        certain = {f.day for f in live if not sees.mixed(f)}
        mixed = {d for d in candidates if d not in certain}
        if not mixed:
            return sorted(candidates)
        if self._limits.tlp is not None:
            # Exactly, because a day on which only hidden rows lie must not show.
            listed = ", ".join(f"DATE '{d}'" for d in sorted(mixed))
            found = self.sql(f"SELECT DISTINCT day FROM {table} WHERE day IN ({listed})")["day"]
            return sorted((candidates - mixed) | {d for d in found.to_pylist() if d})
        held = self.day_runs(table)
        return sorted(candidates & {d for d, ids in held.items() if ids})

    def day_runs(self, table: str) -> dict[date, frozenset[str]]:
        """Visible runs that may have rows of `table` on a day: what a judgement of that day rests on."""
        out: dict[date, set[str]] = {}
        present = {f.day for f in self._files.get(table, [])}
        if self._limits.tlp is not None:
            present &= set(self.days(table))
        for run_id in self._visible:
            run = self._runs[run_id]
            if self._limits_rows(run, table):
                for day in run.days_among(present):
                    out.setdefault(day, set()).add(run_id)
        return {d: frozenset(out[d]) for d in sorted(out)}

    def files(self, table: str) -> list[str]:
        """Paths of the data files with visible rows."""
        return [str(p) for p in self._paths(table)]

    def count(self, table: str) -> int:
        """Visible rows of a table; for findings, those that hold."""
        if table in ("findings", "runs") or self._horizon.conditions(TABLES[table]):
            return int(self.sql(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py())
        if table not in self._counts:
            self._counts[table] = sum(self._limits_rows(self._runs[i], table) for i in self._visible)
        return self._counts[table]
