"""When each `[[job]]` last ran, and how that ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, DateTime, String, Table, Text, delete, insert, select, update

from noroshi.lake.state.database import META, Database, maybe, now

_JOBS = Table(
    "jobs", META,
    Column("name", String(64), primary_key=True), Column("started", DateTime), Column("ended", DateTime),
    Column("problem", Text), Column("summary", Text),
)  # fmt: skip


@dataclass(frozen=True)
class JobState:
    """When a job last ran and how that ended."""

    name: str
    started: datetime | None = None
    ended: datetime | None = None
    problem: str = ""
    summary: str = ""


class Jobs:
    """What is known of the jobs that ever ran."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> dict[str, JobState]:
        """What is known of every job that ever ran, by name."""
        with self._db.begin() as con:
            rows = con.execute(select(_JOBS)).mappings().all()
        return {
            r["name"]: JobState(
                r["name"], maybe(r["started"]), maybe(r["ended"]), r["problem"] or "", r["summary"] or ""
            )
            for r in rows
        }

    def started(self, name: str) -> None:
        """Keeps that a job begins."""
        with self._db.begin() as con:
            con.execute(delete(_JOBS).where(_JOBS.c.name == name))
            con.execute(insert(_JOBS).values(name=name, started=now()))

    def ended(self, name: str, problem: str = "", summary: str = "") -> None:
        """Keeps how it ended."""
        values = {"ended": now(), "problem": problem[:4000] or None, "summary": summary[:4000]}
        with self._db.begin() as con:
            con.execute(update(_JOBS).where(_JOBS.c.name == name).values(**values))
