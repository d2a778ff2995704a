"""Findings on their way to the targets of `[[deliver]]`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Column,
    DateTime,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    update,
)

from noroshi.lake.state.database import META, Database, naive, now, utc, was_there
from noroshi.model.errors import LakeError

_DELIVERIES = Table(
    "deliveries", META,
    Column("id", Integer, primary_key=True), Column("target", String(64), nullable=False),
    Column("finding_id", String(36), nullable=False), Column("modified", DateTime, nullable=False),
    Column("tlp", String(16), nullable=False), Column("tries", Integer, nullable=False, default=0),
    Column("problem", Text), Column("delivered", DateTime),
    UniqueConstraint("target", "finding_id", "tlp", "modified"),
)  # fmt: skip


@dataclass(frozen=True)
class Delivery:
    """A finding on its way to a target."""

    id: int
    target: str
    finding_id: str
    tlp: str
    modified: datetime
    tries: int
    problem: str = ""


class Deliveries:
    """What waits, what arrived, what failed."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def enqueue(self, target: str, finding_id: str, tlp: str, modified: datetime) -> bool:
        """Puts a revision of a finding on its way to a target; False when it is or was already."""
        try:
            with self._db.begin() as con:
                con.execute(
                    insert(_DELIVERIES).values(
                        target=target, finding_id=finding_id, tlp=tlp, modified=naive(modified), tries=0
                    )
                )
        except LakeError as e:
            if was_there(e):
                return False
            raise
        return True

    def waiting(self, target: str, tries: int) -> list[Delivery]:
        """What has not arrived at a target yet and was tried less than `tries` times, oldest first."""
        mine = (_DELIVERIES.c.target == target) & _DELIVERIES.c.delivered.is_(None)
        asked = select(_DELIVERIES).where(mine & (_DELIVERIES.c.tries < tries)).order_by(_DELIVERIES.c.id)
        with self._db.begin() as con:
            return [
                Delivery(
                    r["id"], r["target"], r["finding_id"], r["tlp"], utc(r["modified"]), r["tries"],
                    r["problem"] or "",
                )
                for r in con.execute(asked).mappings()
            ]  # fmt: skip

    def delivered(self, ids: Iterable[int]) -> None:
        """Keeps that these arrived."""
        with self._db.begin() as con:
            for i in ids:
                con.execute(
                    update(_DELIVERIES).where(_DELIVERIES.c.id == i).values(delivered=now(), problem=None)
                )

    def failed(self, ids: Iterable[int], problem: str) -> None:
        """Keeps that these did not arrive, and why."""
        with self._db.begin() as con:
            for i in ids:
                con.execute(
                    update(_DELIVERIES)
                    .where(_DELIVERIES.c.id == i)
                    .values(tries=_DELIVERIES.c.tries + 1, problem=problem[:1000])
                )
