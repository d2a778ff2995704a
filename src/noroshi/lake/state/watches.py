"""Watch lists: values people want to be told about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)

from noroshi.lake.state.database import META, Database, maybe, naive, now, utc, was_there
from noroshi.model.errors import LakeError, UsageError
from noroshi.model.watch import Watch

_WATCHES = Table(
    "watches", META,
    Column("id", Integer, primary_key=True), Column("kind", String(32), nullable=False),
    Column("value", Text, nullable=False), Column("note", Text, nullable=False, default=""),
    Column("added", DateTime, nullable=False), Column("checked", DateTime),
    UniqueConstraint("kind", "value"),
)  # fmt: skip


class Watches:
    """The watches of a lake."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[Watch]:
        """All watches, in the order they were added."""
        with self._db.begin() as con:
            return [_watch(row) for row in con.execute(select(_WATCHES).order_by(_WATCHES.c.id)).mappings()]

    def add(self, kind: str, value: str, note: str = "") -> tuple[Watch, bool]:
        """(the watch, True when it is new)."""
        same = (_WATCHES.c.kind == kind) & (_WATCHES.c.value == value)
        fresh = True
        try:
            with self._db.begin() as con:
                con.execute(insert(_WATCHES).values(kind=kind, value=value, note=note, added=now()))
        except LakeError as e:
            if not was_there(e):
                raise
            fresh = False
        with self._db.begin() as con:
            if note and not fresh:
                con.execute(update(_WATCHES).where(same).values(note=note))
            return _watch(con.execute(select(_WATCHES).where(same)).mappings().one()), fresh

    def remove(self, watch_id: int) -> Watch:
        """Takes a watch away; UsageError when there is none of that number."""
        with self._db.begin() as con:
            row = con.execute(select(_WATCHES).where(_WATCHES.c.id == watch_id)).mappings().first()
            if row is None:
                raise UsageError(f"there is no watch {watch_id}", todo="`noroshi watch list` shows them.")
            con.execute(delete(_WATCHES).where(_WATCHES.c.id == watch_id))
            return _watch(row)

    def checked(self, watch_ids: Iterable[int], upto: datetime) -> None:
        """Keeps up to which run these were looked for."""
        with self._db.begin() as con:
            for i in watch_ids:
                con.execute(update(_WATCHES).where(_WATCHES.c.id == i).values(checked=naive(upto)))


def _watch(row: Any) -> Watch:
    return Watch(row["id"], row["kind"], row["value"], row["note"], utc(row["added"]), maybe(row["checked"]))
