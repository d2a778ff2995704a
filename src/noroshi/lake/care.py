# ruff: noqa: S608 - SQL made of names from model.tables and of quoted literals
"""Care for the store: forget, vacuum, verify, status."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from noroshi.lake import raw
from noroshi.lake.delta import DataFile, Store
from noroshi.lake.errors import Conflict, locked
from noroshi.lake.runs import PENDING, RunInfo
from noroshi.model.errors import LakeError, NoroshiError, UsageError
from noroshi.model.tlp import Tlp

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake

_STALE_S = 86_400
"""Age of a file no commit names before it is called an orphan: longer than any write takes."""


@dataclass(frozen=True)
class Problem:
    """Something wrong with the store: what, where, what to do."""

    what: str
    where: str
    todo: str


@dataclass(frozen=True)
class TableStatus:
    """What a table takes up."""

    table: str
    rows: int
    files: int
    bytes: int
    fresh_files: int
    """Files not yet sorted by compaction."""
    days: int
    """UTC days it has rows on; 0 when it is not partitioned."""


def forget(lake: Lake, run_id: str, now: bool) -> RunInfo:
    """See Lake.forget."""
    with locked(lake.path / ".care.lock"):  # retention tells runs how many rows they have left
        return _forget(lake, run_id, now)


def _forget(lake: Lake, run_id: str, now: bool) -> RunInfo:
    newest = lake.log.load()
    found = [r for r in newest.values() if r.run_id.startswith(run_id)] if run_id else []
    if len(found) != 1:
        what = "no run has the id" if not found else f"{len(found)} runs have an id that begins with"
        raise UsageError(
            f"{what} {run_id!r}", todo='`noroshi sql "SELECT run_id, path, at FROM runs"` lists them.'
        )
    run = found[0]
    if run.state == "open":
        raise LakeError(
            f"run {run.run_id} is still being written", where=run.path, todo="Wait until it has ended."
        )
    if run.state == "closed" or run.problem == PENDING:
        state = "forgotten" if run.state == "closed" else run.state
        marked = replace(run, state=state, problem=PENDING)
        lake.log.append([marked])
        taken = lake.purge([marked])
        if now:
            _delete(lake, taken)
    return lake.log.load()[run.run_id]


def _delete(lake: Lake, taken: dict[str, list[DataFile]]) -> None:
    """Deletes the bytes of files just taken out; queries that began before may then fail once."""
    for table, files in taken.items():
        for file in files:
            (lake.stores[table].root / file.path).unlink(missing_ok=True)


def vacuum(lake: Lake, hours: int) -> int:
    """See Lake.vacuum."""
    if hours < 1:
        raise UsageError(
            "files are kept for an hour at least", todo="A running writer may not have named them yet."
        )
    lake.sweep()
    count = sum(len(store.vacuum(hours)) for store in lake.stores.values())
    closed = {r.run_id for r in lake.log.load().values() if r.state == "closed"}
    count += raw.sweep(lake.path, closed)
    with contextlib.suppress(FileNotFoundError):
        for left in lake.temporary.iterdir():
            if time.time() - left.stat().st_mtime > _STALE_S:
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
    return count


def status(lake: Lake) -> list[TableStatus]:
    """See Lake.status."""
    from noroshi.lake.encoding import is_sorted

    shot, out = lake.snapshot(), []
    for name, store in lake.stores.items():
        files = store.files()
        days = {f.day for f in files if f.day is not None}
        rows = shot.count(name)
        fresh = sum(not is_sorted(f.path) for f in files)
        out.append(TableStatus(name, rows, len(files), sum(f.size for f in files), fresh, len(days)))
    return out


def verify(lake: Lake) -> list[Problem]:
    """See Lake.verify."""
    from noroshi.lake.retain import resume

    resume(lake)
    problems = [
        Problem(f"a writer left run {r.run_id} ({r.path}) unfinished; it has been taken out", str(lake.path),
                "Ingest the source again.")
        for r in lake.sweep()
    ]  # fmt: skip
    broken = False
    for store in lake.stores.values():
        found = [p for f in store.files() for p in _file_problems(store, f)]
        broken = broken or bool(found)
        problems += [*found, *_orphans(store)]
    problems += _run_problems(lake)
    if not broken:  # sums over unreadable files would only repeat the message
        problems += _derived_problems(lake)
    return problems


def _file_problems(store: Store, file: DataFile) -> list[Problem]:
    path = store.root / file.path
    todo = "Restore it from a backup, or forget the run and ingest its source again."
    if not path.is_file():
        return [Problem("a data file is missing", str(path), todo)]
    if path.stat().st_size != file.size:
        return [
            Problem(f"a data file has {path.stat().st_size} bytes instead of {file.size}", str(path), todo)
        ]
    try:
        rows = pq.read_metadata(path).num_rows
    except (OSError, ValueError) as e:
        return [Problem(f"a data file cannot be read: {e}", str(path), todo)]
    if rows != file.rows:
        return [Problem(f"a data file has {rows} rows, the log says {file.rows}", str(path), todo)]
    return []


def _orphans(store: Store) -> list[Problem]:
    """Data files of dead writers that no commit names any more, and that readers no longer need."""
    live = {f.path for f in store.files()}
    old = [
        p for p in store.root.glob("**/*.parquet")
        if "_delta_log" not in p.parts and p.relative_to(store.root).as_posix() not in live
        and time.time() - p.stat().st_mtime > 8 * _STALE_S
    ]  # fmt: skip
    if not old:
        return []
    return [
        Problem(f"{len(old)} data files are no longer used", str(store.root), "Run `noroshi lake vacuum`.")
    ]


def _run_problems(lake: Lake) -> list[Problem]:
    out = []
    for run in lake.log.load().values():
        if run.state == "closed" and not run.sha256:
            out.append(Problem(f"run {run.run_id} has no digest: its source would be stored twice",
                               run.path, f"noroshi forget {run.run_id}, then ingest it again."))  # fmt: skip
    return out


def _derived_problems(lake: Lake) -> list[Problem]:
    """Rows that do not add up: first of the facts, then of what is made of them."""
    from noroshi.lake.derived import find

    try:
        stale = find(lake)
    except NoroshiError as e:
        return [Problem(e.what, str(lake.path), e.todo)]
    found = _count_problems(lake, frozenset(stale.links))
    todo = "Run `noroshi lake verify --rebuild`: it makes them again."
    return found + [Problem(text, str(lake.path / table), todo) for table, text in stale.words()]


def _count_problems(lake: Lake, rebuilt: frozenset[str]) -> list[Problem]:
    """Rows by run in the tables against what the runs say; links of `rebuilt` runs are told about elsewhere."""
    shot, out = lake.snapshot(), []
    runs = {r.run_id: r for r in shot.runs()}
    for name in lake.stores:
        if name in ("runs", "findings", "hourly", "daily"):
            continue
        held: Counter[str] = Counter()
        try:
            counted = shot.sql(f"SELECT run_id, count(*) AS n FROM {name} GROUP BY run_id").to_pylist()
        except NoroshiError as e:
            out.append(Problem(e.what, str(lake.stores[name].root), e.todo))
            continue
        held.update({row["run_id"]: row["n"] for row in counted})
        for run_id in sorted(held.keys() | runs.keys()):
            want = runs[run_id].rows(name) if run_id in runs else 0
            if held[run_id] != want and not (name == "links" and run_id in rebuilt):
                out.append(Problem(f"{name} holds {held[run_id]} rows of run {run_id}, which stored {want}",
                                   str(lake.stores[name].root),
                                   f"noroshi forget {run_id}, then ingest its source again."))  # fmt: skip
    return out


def lower_run(lake: Lake, run_id: str, tlp: Tlp) -> RunInfo:
    """See Lake.lower_run."""
    with locked(lake.path / ".care.lock"):  # retention and forgetting write states of runs as well
        while True:
            mutex = lake.log.mutex()
            run = lake.log.load().get(run_id)
            if run is None or run.state != "closed":
                raise UsageError(
                    f"there is no run {run_id}",
                    todo='`noroshi sql "SELECT run_id, path, tlp FROM runs"` lists them.',
                )
            if tlp.rank >= run.tlp.rank:
                raise UsageError(
                    f"the run is marked {run.tlp.label}, which is no stricter than {tlp.label}",
                    todo="What is to be stricter is forgotten and ingested again with --tlp.",
                )
            with contextlib.suppress(Conflict):
                lake.log.append([replace(run, tlp=tlp)], mutex=mutex)
                return lake.log.load()[run_id]
