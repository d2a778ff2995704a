"""The states of runs: what makes rows of several tables appear and vanish together."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from noroshi.lake.delta import CLOSE, Mutex, Store
from noroshi.lake.errors import telling
from noroshi.lake.files import write_rows
from noroshi.lake.owner import is_gone, me
from noroshi.lake.shape import after
from noroshi.model.tables import TABLES
from noroshi.model.tlp import DEFAULT, Tlp

PENDING = "its rows are still to be deleted"
"""`problem` of a run marked dropped or forgotten until its rows are gone from the tables."""

START, CONTINUES, REPLACES = "start", "continues", "replaces"
"""Names under which the counts of a run that read on in a growing log keep where it began, the run that read
what stands before, and runs whose place it takes."""
OPTIONS = "options"
"""Name under which the counts of a run keep the digest of the files that told its sensor what columns mean."""


@dataclass(frozen=True)
class RunInfo:
    """The newest state of a run: one row of `runs`."""

    run_id: str
    state: str
    """open, closed, dropped or forgotten."""
    path: str
    source: str
    format: str
    parser_version: int
    tlp: Tlp = DEFAULT
    at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    owner: str = ""
    sha256: str | None = None
    size: int | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    counts: dict[str, Any] = field(default_factory=dict)
    """`tables`: rows by table; `tlp`: rows by table and marking, "" where the run's counts; `rejects`; and what
    the sensor counted."""
    problem: str | None = None
    seconds: float | None = None

    @property
    def identity(self) -> tuple[str, str, str] | None:
        """What makes two runs the same bytes read the same way; None while the digest is unknown."""
        return (self.sha256, self.format, self.source) if self.sha256 else None

    def stands_for(self, other: RunInfo) -> bool:
        """True when reading the bytes of both as `other` would give nothing that this run has not.

        It was read by a newer program, or by the same with the same mapping and schema.
        """
        same = self.counts.get(OPTIONS) == other.counts.get(OPTIONS)
        return self.parser_version > other.parser_version or (
            same and self.parser_version == other.parser_version
        )

    @property
    def days(self) -> list[date]:
        """UTC days its rows may be of, first to last."""
        if self.first_seen is None or self.last_seen is None:
            return []
        first, last = self.first_seen.date(), self.last_seen.date()
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]

    def rows(self, table: str) -> int:
        """Rows it stored in a table."""
        return int(self.counts.get("tables", {}).get(table, 0))

    def rows_up_to(self, table: str, tlp: Tlp) -> int:
        """Rows of a table that are marked no stricter, by their own marking or else the run's."""
        own = self.rows(table) if self.tlp.rank <= tlp.rank else 0
        told = self.counts.get("tlp", {}).get(table)
        if told is None:
            return own
        marked = {Tlp(m).rank: int(n) for m, n in told.items() if m}
        rest = int(told.get("", 0)) if self.tlp.rank <= tlp.rank else 0
        return rest + sum(n for rank, n in marked.items() if rank <= tlp.rank)

    def days_among(self, days: Iterable[date | None]) -> list[date]:
        """Those of `days` its rows may be of."""
        if self.first_seen is None or self.last_seen is None:
            return []
        first, last = self.first_seen.date(), self.last_seen.date()
        return [d for d in days if d is not None and first <= d <= last]

    def row(self) -> dict[str, Any]:
        """As a row of `runs`."""
        out = {c.name: getattr(self, c.name) for c in TABLES["runs"].columns}
        return out | {"tlp": self.tlp.value, "counts": json.dumps(self.counts, sort_keys=True)}


def from_row(row: dict[str, Any]) -> RunInfo:
    """From a row of `runs`."""
    return RunInfo(**row | {"tlp": Tlp(row["tlp"]), "counts": json.loads(row["counts"] or "{}")})


class RunLog:
    """The table `runs`, read incrementally: its files never change."""

    def __init__(self, lake: Path) -> None:
        self.lake = lake
        self.store = Store(lake, TABLES["runs"])
        self._seen: set[str] = set()
        self._newest: dict[str, RunInfo] = {}
        self._lock = threading.RLock()

    def load(self) -> dict[str, RunInfo]:
        """The newest state of every run, now."""
        with self._lock:
            for file in self.store.files():
                if file.path not in self._seen:
                    self._read(file.path)
            return dict(self._newest)

    def _read(self, path: str) -> None:
        with telling(self.store.root / path):
            rows = pq.read_table(self.store.root / path, partitioning=None).to_pylist()
        for row in rows:
            info = from_row(row)
            old = self._newest.get(info.run_id)
            if old is None or info.at >= old.at:
                self._newest[info.run_id] = info
        self._seen.add(path)

    def mutex(self) -> Mutex:
        """To be taken before load() by who closes runs because of what load() says."""
        return self.store.mutex(CLOSE)

    def append(self, infos: Sequence[RunInfo], *, mutex: Mutex | None = None) -> None:
        """Stores new states in one commit; with `mutex`, Conflict when another one closed in between."""
        if not infos:
            return
        with self._lock:
            owner, stamped = me(), []
            for info in infos:
                old = self._newest.get(info.run_id)
                stamped.append(replace(info, at=after(old.at if old else None), owner=owner))
            rows = pa.Table.from_pylist([i.row() for i in stamped], schema=TABLES["runs"].arrow())
            with telling(self.store.root):
                written = write_rows(self.lake, TABLES["runs"], rows, f"f-{uuid.uuid4().hex}")
            try:
                self.store.commit([written], mutex=mutex)
            except BaseException:
                self.store.discard([written])
                raise


def orphans(newest: dict[str, RunInfo]) -> list[RunInfo]:
    """Open runs, and runs half taken out, whose owner is gone."""
    return [r for r in newest.values() if (r.state == "open" or r.problem == PENDING) and is_gone(r.owner)]


def twins(newest: dict[str, RunInfo], info: RunInfo) -> tuple[list[RunInfo], list[RunInfo]]:
    """Closed runs of the same bytes: those that make `info` known, and those it replaces."""
    if info.identity is None:
        return [], []
    same = [
        r for r in newest.values()
        if r.state == "closed" and r.identity == info.identity and r.run_id != info.run_id
    ]  # fmt: skip
    # A part of a log does not stand for all of it, whose beginning may have been forgotten.
    whole = [r for r in same if int(r.counts.get(START, 0)) <= int(info.counts.get(START, 0))]
    known = [r for r in whole if r.stands_for(info)]
    return known, [] if known else [r for r in same if r.parser_version <= info.parser_version]


def chain(run: RunInfo, newest: Mapping[str, RunInfo]) -> list[RunInfo]:
    """The runs that read what stands before `run` in the same growing log, the latest first."""
    out: list[RunInfo] = []
    seen = {run.run_id}
    before = str(run.counts.get(CONTINUES, ""))
    while before and before in newest and before not in seen:
        out.append(newest[before])
        seen.add(before)
        before = str(newest[before].counts.get(CONTINUES, ""))
    return out


def replaced(newest: Mapping[str, RunInfo], info: RunInfo, older: Sequence[RunInfo]) -> list[RunInfo]:
    """Closed runs that vanish when `info` is closed: those it names, `older`, and the parts before these."""
    named = [newest[i] for i in info.counts.get(REPLACES, ()) if i in newest]
    before = [] if info.counts.get(START) else [p for o in older for p in chain(o, newest)]
    every = {r.run_id: r for r in (*older, *named, *before)}
    return [r for r in every.values() if r.state == "closed" and r.run_id != info.run_id]


def hidden(first: dict[str, RunInfo], second: dict[str, RunInfo]) -> tuple[frozenset[str], frozenset[str]]:
    """(visible, hidden) run ids by the runs-tables-runs rule.

    Visible is what was closed before the tables were loaded and still is; everything else that had been
    announced by the time they were loaded is hidden.
    """
    visible = frozenset(i for i, r in first.items() if r.state == "closed" and second[i].state == "closed")
    return visible, frozenset(second.keys() - visible)


def ids(infos: Iterable[RunInfo]) -> set[str]:
    """Their run ids."""
    return {i.run_id for i in infos}
