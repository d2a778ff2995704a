"""Small mutable state beside the tables: watches, deliveries, jobs. SQLite in the lake's folder, or another database.

Every change is one transaction; several processes may work at once. Losing the file loses what people typed in, never
evidence, so it belongs into a backup (docs/operate.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    delete,
    event,
    insert,
    inspect,
    select,
    update,
)  # fmt: skip
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from noroshi.model.errors import LakeError, UsageError
from noroshi.model.watch import Watch

VERSION = 1
_META = MetaData()
_VERSION = Table("version", _META, Column("version", Integer, nullable=False))
_WATCHES = Table(
    "watches", _META,
    Column("id", Integer, primary_key=True), Column("kind", String(32), nullable=False),
    Column("value", Text, nullable=False), Column("note", Text, nullable=False, default=""),
    Column("added", DateTime, nullable=False), Column("checked", DateTime),
    UniqueConstraint("kind", "value"),
)  # fmt: skip
_DELIVERIES = Table(
    "deliveries", _META,
    Column("id", Integer, primary_key=True), Column("target", String(64), nullable=False),
    Column("finding_id", String(36), nullable=False), Column("modified", DateTime, nullable=False),
    Column("tlp", String(16), nullable=False), Column("tries", Integer, nullable=False, default=0),
    Column("problem", Text), Column("delivered", DateTime),
    UniqueConstraint("target", "finding_id", "tlp", "modified"),
)  # fmt: skip
_JOBS = Table(
    "jobs", _META,
    Column("name", String(64), primary_key=True), Column("started", DateTime), Column("ended", DateTime),
    Column("problem", Text), Column("summary", Text),
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


@dataclass(frozen=True)
class JobState:
    """When a job last ran and how that ended."""

    name: str
    started: datetime | None = None
    ended: datetime | None = None
    problem: str = ""
    summary: str = ""


class State:
    """The state of a lake, opened; raises LakeError when it cannot be read or is of a newer version."""

    def __init__(self, lake: Path, url: str = "") -> None:
        self.where = url or str(lake / "state.db")
        with self._telling():
            self._engine = _engine(url or f"sqlite:///{lake / 'state.db'}")
            self._prepare()

    def _prepare(self) -> None:
        with self._engine.begin() as con:
            if inspect(con).has_table("version"):
                found = con.execute(select(_VERSION.c.version)).scalar_one_or_none() or VERSION
                if found > VERSION:
                    raise LakeError(
                        f"its version is {found}, this program knows {VERSION}", where=self.where,
                        todo="Use a newer version of Noroshi.",
                    )  # fmt: skip
            _META.create_all(con)
            if con.execute(select(_VERSION.c.version)).first() is None:
                con.execute(insert(_VERSION).values(version=VERSION))

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as e:
            raise LakeError(
                f"the state cannot be read or written: {getattr(e, 'orig', None) or type(e).__name__}",
                where=self.where, todo="Check the disk and the rights of this user; restore it from a backup.",
            ) from e  # fmt: skip

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        with self._telling(), self._engine.begin() as con:
            yield con

    # watches

    def watches(self) -> list[Watch]:
        """All watches, in the order they were added."""
        with self._begin() as con:
            return [_watch(row) for row in con.execute(select(_WATCHES).order_by(_WATCHES.c.id)).mappings()]

    def add_watch(self, kind: str, value: str, note: str = "") -> tuple[Watch, bool]:
        """(the watch, True when it is new)."""
        same = (_WATCHES.c.kind == kind) & (_WATCHES.c.value == value)
        fresh = True
        try:
            with self._begin() as con:
                con.execute(insert(_WATCHES).values(kind=kind, value=value, note=note, added=_now()))
        except LakeError as e:
            if not isinstance(e.__cause__, IntegrityError):
                raise
            fresh = False
        with self._begin() as con:
            if note and not fresh:
                con.execute(update(_WATCHES).where(same).values(note=note))
            return _watch(con.execute(select(_WATCHES).where(same)).mappings().one()), fresh

    def remove_watch(self, watch_id: int) -> Watch:
        """Takes a watch away; UsageError when there is none of that number."""
        with self._begin() as con:
            row = con.execute(select(_WATCHES).where(_WATCHES.c.id == watch_id)).mappings().first()
            if row is None:
                raise UsageError(f"there is no watch {watch_id}", todo="`noroshi watch list` shows them.")
            con.execute(delete(_WATCHES).where(_WATCHES.c.id == watch_id))
            return _watch(row)

    def mark_checked(self, watch_ids: Iterable[int], upto: datetime) -> None:
        """Keeps up to which run these were looked for."""
        with self._begin() as con:
            for i in watch_ids:
                con.execute(update(_WATCHES).where(_WATCHES.c.id == i).values(checked=_naive(upto)))

    # deliveries

    def enqueue(self, target: str, finding_id: str, tlp: str, modified: datetime) -> bool:
        """Puts a revision of a finding on its way to a target; False when it is or was already."""
        try:
            with self._begin() as con:
                con.execute(
                    insert(_DELIVERIES).values(
                        target=target, finding_id=finding_id, tlp=tlp, modified=_naive(modified), tries=0
                    )
                )
        except LakeError as e:
            if isinstance(e.__cause__, IntegrityError):
                return False
            raise
        return True

    def waiting(self, target: str, tries: int) -> list[Delivery]:
        """What has not arrived at a target yet and was tried less than `tries` times, oldest first."""
        mine = (_DELIVERIES.c.target == target) & _DELIVERIES.c.delivered.is_(None)
        asked = select(_DELIVERIES).where(mine & (_DELIVERIES.c.tries < tries)).order_by(_DELIVERIES.c.id)
        with self._begin() as con:
            return [
                Delivery(
                    r["id"], r["target"], r["finding_id"], r["tlp"], _utc(r["modified"]), r["tries"],
                    r["problem"] or "",
                )
                for r in con.execute(asked).mappings()
            ]  # fmt: skip

    def delivered(self, ids: Iterable[int]) -> None:
        """Keeps that these arrived."""
        with self._begin() as con:
            for i in ids:
                con.execute(
                    update(_DELIVERIES).where(_DELIVERIES.c.id == i).values(delivered=_now(), problem=None)
                )

    def failed(self, ids: Iterable[int], problem: str) -> None:
        """Keeps that these did not arrive, and why."""
        with self._begin() as con:
            for i in ids:
                con.execute(
                    update(_DELIVERIES)
                    .where(_DELIVERIES.c.id == i)
                    .values(tries=_DELIVERIES.c.tries + 1, problem=problem[:1000])
                )

    # jobs

    def jobs(self) -> dict[str, JobState]:
        """What is known of every job that ever ran, by name."""
        with self._begin() as con:
            rows = con.execute(select(_JOBS)).mappings().all()
        return {
            r["name"]: JobState(
                r["name"], _maybe(r["started"]), _maybe(r["ended"]), r["problem"] or "", r["summary"] or ""
            )
            for r in rows
        }

    def job_started(self, name: str) -> None:
        """Keeps that a job begins."""
        with self._begin() as con:
            con.execute(delete(_JOBS).where(_JOBS.c.name == name))
            con.execute(insert(_JOBS).values(name=name, started=_now()))

    def job_ended(self, name: str, problem: str = "", summary: str = "") -> None:
        """Keeps how it ended."""
        values = {"ended": _now(), "problem": problem[:4000] or None, "summary": summary[:4000]}
        with self._begin() as con:
            con.execute(update(_JOBS).where(_JOBS.c.name == name).values(**values))


def _engine(url: str) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _settings(connection: Any, record: Any) -> None:
            # Readers beside a writer; a writer that meets another waits instead of failing.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA busy_timeout=10000")
            connection.execute("PRAGMA synchronous=FULL")

    return engine


def _now() -> datetime:
    return _naive(datetime.now(UTC))


def _naive(ts: datetime) -> datetime:
    """As databases keep it: UTC without a zone."""
    return ts.astimezone(UTC).replace(tzinfo=None)


def _utc(ts: datetime) -> datetime:
    return ts.replace(tzinfo=UTC)


def _maybe(ts: datetime | None) -> datetime | None:
    return None if ts is None else _utc(ts)


def _watch(row: Any) -> Watch:
    return Watch(
        row["id"], row["kind"], row["value"], row["note"], _utc(row["added"]), _maybe(row["checked"])
    )
