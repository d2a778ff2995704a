"""Bounded looks into a table: the newest (or oldest) rows that hold a value, without reading all of them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING, Any

from noroshi.lake.points import asked, newest
from noroshi.model.tables import TABLES

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.lake.snapshot import Snapshot


def look(
    shot: Snapshot, table: str, column: str, low: Any, high: Any, columns: Collection[str], limit: int,
    *, days: Collection[date] | None = None, oldest: bool = False,
) -> tuple[pa.Table, bool]:  # fmt: skip
    """The newest visible `limit` rows whose `column` lies in `low`..`high`, newest first; whether that is certain.

    days: only these UTC days of a partitioned table, as links know them. `points.newest` says what is certain.
    """
    files = [f for f in shot._live(table) if days is None or f.day is None or f.day in days]
    names = {*columns, *filter(None, [TABLES[table].time])}
    question = asked(shot._lake, TABLES[table], shot.sees(table), column, low, high, names)
    return newest(question, files, limit, oldest=oldest)


def has(shot: Snapshot, table: str) -> bool:
    """False when no visible row of a table can be there."""
    return bool(shot._live(table))
