# ruff: noqa: S608 - SQL made of names from model.tables and of quoted literals
"""What was visible at one moment: files, runs, and questions over them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from noroshi.lake.delta import DataFile
from noroshi.lake.points import Visible, rows_with
from noroshi.lake.runs import RunInfo, hidden
from noroshi.lake.sql import Locked, literal, scan
from noroshi.model.observable import canonical, key64
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake

_FINDINGS_KEY = "id, tlp"


def take(lake: Lake) -> Snapshot:
    """The runs-tables-runs rule: runs closed before the tables were loaded, and nothing of any other."""
    first = lake.log.load()
    files = {name: store.files() for name, store in lake.stores.items() if name != "runs"}
    second = lake.log.load()
    visible, unseen = hidden(first, second)
    # Of what is not visible, forgotten runs are told about as such; others not at all.
    states = {i: first[i] if i in visible else r for i, r in second.items()}
    shown = {i: r for i, r in states.items() if i in visible or r.state == "forgotten"}
    return Snapshot(lake, files, shown, visible, unseen)


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

    def findings(self) -> str:
        """SQL condition on rows of findings."""
        parts = ["true"]
        if self.tlp is not None:
            allowed = ", ".join(literal(t.value) for t in Tlp if t.rank <= self.tlp.rank)
            parts.append(f"tlp IN ({allowed})")
        if self.runs is not None:
            listed = ", ".join(literal(r) for r in sorted(self.runs))
            parts.append(f"list_has_all([{listed}]::VARCHAR[], runs)")
        return " AND ".join(parts)


class Snapshot:
    """One moment of the lake. `sql` is the Query of `model.analyser`."""

    def __init__(
        self, lake: Lake, files: dict[str, list[DataFile]], runs: dict[str, RunInfo],
        visible: frozenset[str], unseen: frozenset[str], limits: _Limits | None = None,
        memory: int | None = None,
    ) -> None:  # fmt: skip
        self._lake, self._files, self._runs = lake, files, runs
        self._visible, self._hidden = visible, unseen
        self._limits, self._memory = limits or _Limits(), memory
        self._con: Locked | None = None
        self._lock = threading.Lock()

    def sql(self, text: str, params: dict[str, Any] | None = None) -> pa.Table:
        """The answer to one SELECT in DuckDB's dialect; `$name` parameters; addresses stay binary.

        Tables are those of `model.tables`, partitioned ones with `day`; `findings` are the newest revisions
        that hold, `findings_history` all, `runs` the newest state of each. Macros: ip, ip_text, in_net.
        Raises UsageError for anything but one right SELECT, LakeError when the store fails.
        """
        with self._lock:
            if self._con is None:
                self._con = self._connect()
        return self._con.sql(text, params)

    def restricted(
        self, tlp: Tlp | None = None, runs: Iterable[str] | None = None, memory: int | None = None
    ) -> Snapshot:
        """The same moment with only rows of runs not marked stricter than `tlp`, and among `runs`.

        Findings are left out when they are marked stricter, or were judged from other runs too. memory: bytes
        a query may hold before it puts the rest on disk; without it, and at most, a share of the machine's.
        """
        asked = None if runs is None else frozenset(runs)
        seen = frozenset(
            i for i in self._visible
            if (tlp is None or self._runs[i].tlp.rank <= tlp.rank) and (asked is None or i in asked)
        )  # fmt: skip
        limits = self._limits.and_also(_Limits(tlp, asked))
        unseen = self._hidden | (self._visible - seen)
        shown = {i: r for i, r in self._runs.items() if i in seen}
        return Snapshot(self._lake, self._files, shown, seen, unseen, limits, memory or self._memory)

    def _connect(self) -> Locked:
        views, allowed = {}, []
        for name, table in TABLES.items():
            if name == "runs":
                continue
            files = self._paths(name)
            allowed += files
            views[name] = scan(table, files) + self._where(name)
        views |= self._finding_views(views.pop("findings"))
        rows = [r.row() for r in self._runs.values()]
        return Locked(
            self._lake.temporary, views, allowed,
            {"runs": pa.Table.from_pylist(rows, schema=TABLES["runs"].arrow())},
            self._memory,
        )  # fmt: skip

    def _finding_views(self, every: str) -> dict[str, str]:
        newest = (
            f"SELECT * FROM findings_history QUALIFY row_number() OVER"
            f" (PARTITION BY {_FINDINGS_KEY} ORDER BY modified DESC) = 1"
        )
        return {
            "findings_history": f"FROM ({every}) WHERE {self._limits.findings()}",
            "findings": f"FROM ({newest}) WHERE NOT withdrawn",
        }

    def _where(self, table: str) -> str:
        """The run filter; empty when no file can hold a row of a hidden run, because it costs."""
        if table == "findings" or not any(self._mixed(f) for f in self._live(table)):
            return ""
        ids = self._hidden if len(self._hidden) <= len(self._visible) else self._visible
        listed = ", ".join(literal(i) for i in sorted(ids)) or "''"
        return f" WHERE run_id {'NOT ' if ids is self._hidden else ''}IN ({listed})"

    def _mixed(self, file: DataFile) -> bool:
        """True when the file may hold rows of hidden runs."""
        return self._visibility.mixed(file)

    @property
    def _visibility(self) -> Visible:
        return Visible(self._visible, self._hidden)

    def _live(self, table: str) -> list[DataFile]:
        """Files that hold, or may hold, visible rows."""
        if table in ("findings", "runs"):
            return self._files.get(table, [])
        seen = self._visibility
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
        partitioned table. newest_first: newest day first, as whole days; `limit` stops early.
        """
        files = self._live(table)
        files.sort(key=lambda f: (f.day or date.min, f.path), reverse=newest_first)
        return rows_with(self._lake, TABLES[table], files, self._visibility, column, value, columns, limit)

    def links(self, kind: str, value: str) -> pa.Table:
        """Visible rows of `links` for an observable, newest day first; a row per run, role, table and day."""
        value = canonical(kind, value)
        key = key64(kind, value)
        files = [f for f in self._live("links") if f.key is None or f.key[0] <= key <= f.key[1]]
        found = rows_with(self._lake, TABLES["links"], files, self._visibility, "key", key, None, None)
        same = (pc.field("kind") == kind) & (pc.field("value") == value)
        return found.filter(same).sort_by(
            [("day", "descending"), ("table", "ascending"), ("role", "ascending")]
        )

    def runs(self) -> list[RunInfo]:
        """Visible runs, in the order they were closed."""
        return sorted((self._runs[i] for i in self._visible), key=lambda r: (r.at, r.run_id))

    def days(self, table: str) -> list[date]:
        """UTC days a partitioned table has visible rows on, ascending."""
        candidates = {f.day for f in self._live(table) if f.day is not None}
        if any(self._mixed(f) for f in self._live(table)):
            held = self.day_runs(table)
            candidates &= {d for d, ids in held.items() if ids}
        return sorted(candidates)

    def day_runs(self, table: str) -> dict[date, frozenset[str]]:
        """Visible runs that may have rows of `table` on a day: what a judgement of that day rests on."""
        out: dict[date, set[str]] = {}
        for run_id in self._visible:
            run = self._runs[run_id]
            if run.rows(table):
                for day in run.days:
                    out.setdefault(day, set()).add(run_id)
        present = {f.day for f in self._files.get(table, [])}
        return {d: frozenset(out[d]) for d in sorted(out) if d in present}

    def files(self, table: str) -> list[str]:
        """Paths of the data files with visible rows."""
        return [str(p) for p in self._paths(table)]

    def count(self, table: str) -> int:
        """Visible rows of a table; for findings, those that hold."""
        if table in ("findings", "runs"):
            return int(self.sql(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py())
        return sum(self._runs[i].rows(table) for i in self._visible)
