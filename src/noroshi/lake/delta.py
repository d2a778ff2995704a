"""One Delta table: its live files and its commits. Nothing else in the lake reads or writes a log."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from noroshi.lake.disk import synced
from noroshi.lake.errors import Conflict, locked, telling
from noroshi.model.errors import LakeError
from noroshi.model.schema import Table

SWAP = "noroshi.swap"
"""Application id of the mutex that every exchange of files carries: of two that meet, one is refused."""

CLOSE = "noroshi.close"
"""The same for closing runs, and for new revisions of findings."""

_COMMIT = re.compile(r"(\d{20})\.(?:json|checkpoint\.(?:.*\.)?parquet)$")
"""A commit, or the checkpoint behind which the engine cleaned it up."""

ATTEMPTS = 5
"""Times a commit that conflicts with nothing of ours is tried."""

_BUSY = {"flows": "20"}
"""Commits between checkpoints: the log since the last one is replayed on opening; each lists all files."""


@dataclass(frozen=True)
class Mutex:
    """How often a kind of commit had happened at some moment: two that start from the same value conflict."""

    name: str
    value: int
    """-1 while the table does not exist."""


@dataclass(frozen=True)
class DataFile:
    """A live data file as the log knows it; immutable, so whatever is learned of it may be kept by name."""

    path: str
    """Relative to the table's folder."""
    size: int
    rows: int
    day: date | None = None
    runs: tuple[str, str] | None = None
    """Smallest and largest run_id in it; equal when all rows are of one run."""
    key: tuple[int, int] | None = None
    """Smallest and largest `key` (links)."""

    def may_hold(self, run_id: str) -> bool:
        """False when no row can be of that run."""
        return self.runs is None or self.runs[0] <= run_id <= self.runs[1]


@dataclass(frozen=True)
class Written:
    """A data file on disk that no commit names yet."""

    path: str
    size: int
    rows: int
    day: date | None = None
    stats: dict[str, tuple[Any, Any, int]] = field(default_factory=dict)
    """Column -> smallest, largest, number of nulls."""


class Store:
    """The Delta table of one table of the lake. Safe to use from several threads."""

    def __init__(self, lake: Path, table: Table) -> None:
        self.table = table
        self.root = lake / table.name
        self._delta: Any = None
        self._version = -1
        self._files: dict[str, DataFile] = {}
        self._evolved = False
        self._lock = threading.RLock()

    def files(self) -> list[DataFile]:
        """The live files now; empty when nothing was ever written."""
        with self._lock, telling(self.root):
            if self._open():
                self._delta.update_incremental()
                self._read()
            return list(self._files.values())

    def version(self) -> int:
        """The newest commit, from the names in the log alone; -1 when nothing was ever written.

        A commit's file appears whole or not at all, so that what is named here is there to be read later: the log
        is kept for 30 days (the engine's default), and so is what it takes to read it as of this commit.
        """
        with telling(self.root):
            try:
                with os.scandir(self.root / "_delta_log") as entries:
                    return max((int(m[1]) for e in entries if (m := _COMMIT.match(e.name))), default=-1)
            except FileNotFoundError:
                return -1

    def files_at(self, version: int) -> list[DataFile]:
        """The live files as of a commit that `version` named."""
        if version < 0:
            return []
        with self._lock, telling(self.root):
            if self._open() and self._delta.version() < version:
                self._delta.update_incremental()
            if self._delta.version() == version:
                self._read()
                return list(self._files.values())
            # Others committed since: the table as it is stays loaded for those who come next.
            from deltalake import DeltaTable

            return list(_listed(DeltaTable(self.root, version=version), self._files).values())

    def _open(self) -> bool:
        """Loads the table once; False when it does not exist yet."""
        if self._delta is None and any(self.root.glob("_delta_log/*.json")):
            from deltalake import DeltaTable

            self._delta = DeltaTable(self.root)
        return self._delta is not None

    def mutex(self, name: str) -> Mutex:
        """A mutex as it stands; take it before looking at the files a commit with it will be about."""
        with self._lock, telling(self.root):
            if self._open():
                self._delta.update_incremental()
            return Mutex(name, self._mutex_value(name))

    def _mutex_value(self, name: str) -> int:
        return int(self._delta.transaction_version(name) or 0) if self._open() else -1

    def _create(self) -> bool:
        """Makes the table; False when another process was first."""
        from deltalake import DeltaTable

        self.root.mkdir(parents=True, exist_ok=True)
        settings = {
            "delta.checkpointInterval": _BUSY.get(self.table.name, "10"),
            "delta.deletedFileRetentionDuration": "interval 1 days",
        }
        # Two creations that meet would leave two commits of metadata, which refuses writers in between.
        with locked(self.root / ".create.lock"):
            if self._open():
                return False
            # create() loads the table anew: others may have committed by then, so a mutex is looked at again.
            self._delta = DeltaTable.create(
                self.root,
                self.table.arrow(partition=True),
                mode="error",
                partition_by=self._partition(),
                description=self.table.doc,
                configuration=settings,
            )
            return True

    def _evolve(self) -> None:
        """Gives the table the columns a newer program brought; of two that do it at once, one does."""
        if self._evolved:
            return
        if self._missing():
            with locked(self.root / ".create.lock"):
                self._delta.update_incremental()
                if missing := self._missing():
                    self._delta.alter.add_columns(missing)
                    self._delta.update_incremental()
        self._evolved = True

    def _missing(self) -> list[Any]:
        """Columns the log does not know yet; there is no way to take one out."""
        from deltalake import Schema

        have = {f.name for f in self._delta.schema().fields}
        return [f for f in Schema.from_arrow(self.table.arrow(partition=True)).fields if f.name not in have]

    def _partition(self) -> list[str]:
        return ["day"] if self.table.partitioned else []

    def _read(self) -> None:
        if self._delta.version() == self._version:
            return
        self._files, self._version = _listed(self._delta, self._files), self._delta.version()

    def commit(
        self,
        add: Sequence[Written],
        remove: Iterable[DataFile] = (),
        *,
        mutex: Mutex | None = None,
        data_change: bool = True,
    ) -> None:
        """Makes `add` live and takes `remove` out, together or not at all.

        With `mutex`, raises Conflict when another commit with it came after the call that made it.
        Raises LakeError when the log cannot be written.
        """
        from deltalake.transaction import AddAction, RemoveAction, Transaction

        now = int(time.time() * 1000)
        with self._lock, telling(self.root):
            made = not self._open() and self._create()
            self._evolve()
            if mutex and max(mutex.value, 0 if made else -1) != self._mutex_value(mutex.name):
                raise Conflict(
                    "another process was first", where=str(self.root), todo="Run the command again."
                )
            actions: list[Any] = [
                AddAction(w.path, w.size, _values(w.day), now, data_change, _stats(w)) for w in add
            ]
            actions += [
                RemoveAction(f.path, data_change, now, size=f.size, partition_values=_values(f.day))
                for f in remove
            ]
            marks = None
            if mutex:
                marks = [Transaction(mutex.name, max(mutex.value, 0) + 1, now)]
            before = self._delta.version()
            self._commit(actions, marks, ATTEMPTS if mutex is None else 1)
            self._delta.update_incremental()
            self._sync_log(before)

    def _commit(self, actions: list[Any], marks: list[Any] | None, attempts: int) -> None:
        """One commit; without a mutex it is tried again when another changed the table's columns meanwhile."""
        from deltalake import CommitProperties
        from deltalake.exceptions import CommitFailedError

        schema = self.table.arrow(partition=True)
        for left in reversed(range(attempts)):
            try:
                self._delta.create_write_transaction(
                    actions, "append", schema, self._partition(),
                    commit_properties=CommitProperties(app_transactions=marks),
                )  # fmt: skip
                return
            except CommitFailedError as e:
                self._delta.update_incremental()
                if not left:
                    raise Conflict(str(e), where=str(self.root), todo="Run the command again.") from e

    def _sync_log(self, before: int) -> None:
        """Waits until the commits after version `before` are on the disk: the engine does not."""
        log = self.root / "_delta_log"
        for version in range(before + 1, self._delta.version() + 1):
            with contextlib.suppress(FileNotFoundError):  # cleaned up behind a checkpoint
                synced(log / f"{version:020}.json")
        synced(log)

    def discard(self, written: Sequence[Written]) -> None:
        """Deletes files that no commit names, after a commit failed or was not tried.

        One that failed late, while it waited for the disk, may have been made all the same.
        """
        if not written:
            return
        try:
            live = {f.path for f in self.files()}
        except LakeError:
            return  # nobody can tell now; `vacuum` takes what is not used
        for file in written:
            if file.path not in live:
                with contextlib.suppress(OSError):
                    (self.root / file.path).unlink()

    def vacuum(self, hours: int) -> list[str]:
        """Deletes files no commit has named for `hours`; what was deleted, relative to the table."""
        with self._lock, telling(self.root):
            if not self._open():
                return []
            self._delta.update_incremental()
            return list(
                self._delta.vacuum(
                    retention_hours=hours, dry_run=False, enforce_retention_duration=False, full=True
                )
            )


def _listed(delta: Any, old: dict[str, DataFile]) -> dict[str, DataFile]:
    """The live files of a loaded table by path; those known already are the same objects."""
    actions = pa.table(delta.get_add_actions(flatten=True))
    names = set(actions.column_names)

    def column(name: str) -> list[Any]:
        return actions[name].to_pylist() if name in names else [None] * len(actions)

    shown = ("size_bytes", "num_records", "partition.day", "min.run_id", "max.run_id", "min.key", "max.key")
    out = {}
    for path, *rest in zip(column("path"), *map(column, shown), strict=True):
        size, rows, day, run_low, run_high, low, high = rest
        out[path] = old.get(path) or DataFile(
            path, size, rows, _day(day), _pair(run_low, run_high), _pair(low, high)
        )
    return out


def _values(day: date | None) -> dict[str, str | None]:
    return {} if day is None else {"day": day.isoformat()}


def _day(value: Any) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value


def _pair(low: Any, high: Any) -> tuple[Any, Any] | None:
    return None if low is None or high is None else (low, high)


def _stats(written: Written) -> str:
    """The statistics of an add action, as the protocol wants them."""
    shown = {
        name: (_json(low), _json(high)) for name, (low, high, _) in written.stats.items() if low is not None
    }
    return json.dumps(
        {
            "numRecords": written.rows,
            "minValues": {name: low for name, (low, _) in shown.items()},
            "maxValues": {name: high for name, (_, high) in shown.items()},
            "nullCount": {name: nulls for name, (_, _, nulls) in written.stats.items()},
        }
    )


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value.isoformat() if isinstance(value, date) else value
