"""What people have released: values no blocklist may hold, with who said so and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, DateTime, String, Table, Text, delete, insert, select

from noroshi.lake.state.database import META, Database, now, utc, was_there
from noroshi.model.errors import LakeError, UsageError

_RELEASES = Table(
    "releases", META,
    Column("kind", String(16), primary_key=True), Column("value", String(512), primary_key=True),
    Column("reason", Text, nullable=False), Column("actor", String(80), nullable=False),
    Column("at", DateTime, nullable=False),
)  # fmt: skip


@dataclass(frozen=True)
class Release:
    """A value that is not blocked."""

    kind: str
    """ip, prefix or domain."""
    value: str
    reason: str
    actor: str
    at: datetime


class Releases:
    """The releases of a lake."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[Release]:
        """All, by kind and value."""
        with self._db.begin() as con:
            rows = (
                con.execute(select(_RELEASES).order_by(_RELEASES.c.kind, _RELEASES.c.value)).mappings().all()
            )
        return [Release(r["kind"], r["value"], r["reason"], r["actor"], utc(r["at"])) for r in rows]

    def add(self, kind: str, value: str, reason: str, actor: str) -> bool:
        """Releases a value; false when it was released already."""
        try:
            with self._db.begin() as con:
                con.execute(
                    insert(_RELEASES).values(
                        kind=kind, value=value, reason=reason[:1000], actor=actor[:80], at=now()
                    )
                )
        except LakeError as e:
            if was_there(e):
                return False
            raise
        return True

    def remove(self, kind: str, value: str) -> None:
        """Takes a release back; UsageError when there is none."""
        with self._db.begin() as con:
            same = (_RELEASES.c.kind == kind) & (_RELEASES.c.value == value)
            if not con.execute(delete(_RELEASES).where(same)).rowcount:
                raise UsageError(f"{value} is not released", todo="`noroshi blocklist list` shows what is.")
