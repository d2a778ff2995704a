"""Bounded looks into a table: the newest (or oldest) rows that hold a value, without reading all of them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from noroshi.lake.points import GROUPS, Visible, asked, newest
from noroshi.model.tables import TABLES

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.lake.delta import DataFile
    from noroshi.lake.snapshot import Snapshot


def look(
    shot: Snapshot, table: str, column: str, low: Any, high: Any, columns: Collection[str], limit: int,
    *, days: Collection[date] | None = None, oldest: bool = False, groups: int = GROUPS,
) -> tuple[pa.Table, bool]:  # fmt: skip
    """The newest visible `limit` rows whose `column` lies in `low`..`high`, newest first; whether that is certain.

    days: only these UTC days of a partitioned table, as links know them. groups: row groups looked into at most.
    `points.newest` says what is certain.
    """
    shelf = _shelf(shot, table)
    if days is None or not TABLES[table].partitioned:
        files: Sequence[DataFile] = shelf.files
    else:
        files = [f for d in days for f in shelf.by_day.get(d, ())]
    names = {*columns, *filter(None, [TABLES[table].time])}
    question = asked(shot._lake, TABLES[table], shelf.sees, column, low, high, names)
    return newest(question, files, limit, oldest=oldest, groups=groups)


def has(shot: Snapshot, table: str) -> bool:
    """False when no visible row of a table can be there; for a recipient, when there is none."""
    if shot.told_runs is not None:
        return shot.count(table) > 0
    return bool(_shelf(shot, table).files)


def warm(shot: Snapshot) -> int:
    """Opens every file that may hold visible rows, so that no later question waits for a footer; how many.

    For a process that answers many; beyond what `footers` keeps open, nothing is gained.
    """
    opened = 0
    for name, table in TABLES.items():
        columns = [link.column for link in table.links if table.column(link.column).type != "strings"]
        columns += ["key"] if name == "links" else ["src_ip"] if name == "flows" else []
        for file in _shelf(shot, name).files if columns else ():
            footer = shot._lake.footers.get(shot._lake.stores[name].root / file.path)
            for column in columns:
                footer.learn(column)
            opened += 1
    return opened


class _Shelf:
    """The files of a table that may hold visible rows; a snapshot never changes."""

    def __init__(self, shot: Snapshot, table: str) -> None:
        self.files: list[DataFile] = shot._live(table)
        self.sees: Visible = shot.sees(table)
        self.by_day: dict[date | None, list[DataFile]] = {}
        for file in self.files:
            self.by_day.setdefault(file.day, []).append(file)


_SHELVES: WeakKeyDictionary[Snapshot, dict[str, _Shelf]] = WeakKeyDictionary()
_LOCK = threading.Lock()


def _shelf(shot: Snapshot, table: str) -> _Shelf:
    with _LOCK:
        shelves = _SHELVES.setdefault(shot, {})
        found = shelves.get(table)
    if found is None:
        found = shelves[table] = _Shelf(shot, table)
    return found
