"""Who asked not to be written to, why, and what shows that they may ask; ended ones are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, DateTime, Integer, String, Table, Text, insert, select, update

from noroshi.lake.state.database import META, Database, maybe, now, utc
from noroshi.model.errors import UsageError

_OPTOUTS = Table(
    "optouts", META,
    Column("id", Integer, primary_key=True), Column("kind", String(16), nullable=False),
    Column("value", String(254), nullable=False), Column("reason", Text, nullable=False),
    Column("proof", Text, nullable=False, default=""), Column("actor", String(80), nullable=False),
    Column("at", DateTime, nullable=False), Column("ended", DateTime), Column("ended_by", String(80)),
    Column("ended_why", Text),
)  # fmt: skip


@dataclass(frozen=True)
class OptOut:
    """One wish not to be written to."""

    id: int
    kind: str
    """prefix, asn or mail."""
    value: str
    reason: str
    proof: str
    """What shows that it came from who may ask: the words of their mail, as kept."""
    actor: str
    at: datetime
    ended: datetime | None = None
    ended_why: str = ""


class OptOuts:
    """The opt-outs of a lake."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, kind: str, value: str, reason: str, proof: str, actor: str) -> tuple[OptOut, bool]:
        """(the opt-out in force, True when it is new)."""
        same = (_OPTOUTS.c.kind == kind) & (_OPTOUTS.c.value == value) & _OPTOUTS.c.ended.is_(None)
        with self._db.begin() as con:
            row = con.execute(select(_OPTOUTS).where(same)).mappings().first()
            if row is not None:
                return _row(row), False
            con.execute(
                insert(_OPTOUTS).values(
                    kind=kind, value=value, reason=reason, proof=proof, actor=actor[:80], at=now()
                )
            )
            return _row(con.execute(select(_OPTOUTS).where(same)).mappings().one()), True

    def end(self, optout_id: int, actor: str, why: str) -> OptOut:
        """Ends one; it stays written down. UsageError when none of that number is in force."""
        mine = (_OPTOUTS.c.id == optout_id) & _OPTOUTS.c.ended.is_(None)
        with self._db.begin() as con:
            values = {"ended": now(), "ended_by": actor[:80], "ended_why": why}
            if not con.execute(update(_OPTOUTS).where(mine).values(**values)).rowcount:
                raise UsageError(
                    f"no opt-out {optout_id} is in force",
                    todo="`noroshi notify opt-out list` shows them.",
                )
            row = con.execute(select(_OPTOUTS).where(_OPTOUTS.c.id == optout_id)).mappings().one()
        return _row(row)

    def all(self, *, ended: bool = False) -> list[OptOut]:
        """Those in force, in the order they were asked for; with `ended` all."""
        asked = select(_OPTOUTS).order_by(_OPTOUTS.c.id)
        if not ended:
            asked = asked.where(_OPTOUTS.c.ended.is_(None))
        with self._db.begin() as con:
            return [_row(r) for r in con.execute(asked).mappings()]


def _row(r: Any) -> OptOut:
    return OptOut(
        r["id"], r["kind"], r["value"], r["reason"], r["proof"], r["actor"], utc(r["at"]), maybe(r["ended"]),
        r["ended_why"] or "",
    )  # fmt: skip
