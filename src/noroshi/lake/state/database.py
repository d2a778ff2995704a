"""The database of what people and programs keep beside the tables: opened, checked, and told about when it fails.

Each noun (watches, recipients, users, ...) is a file of its own beside this one: its tables hang on `META`, its class
takes a `Database`. Every change is one transaction; several processes may work at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Engine, Integer, MetaData, Table, create_engine, event, insert, inspect, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from noroshi.model.errors import LakeError

VERSION = 1
META = MetaData()
_VERSION = Table("version", META, Column("version", Integer, nullable=False))


class Database:
    """SQLite in the lake's folder, or another database by URL.

    Raises LakeError when it cannot be read or is of a newer version.
    """

    def __init__(self, lake: Path, url: str = "") -> None:
        self.where = url or str(lake / "state.db")
        with self._telling():
            self.engine = _engine(url or f"sqlite:///{lake / 'state.db'}")
            self._prepare()

    def _prepare(self) -> None:
        with self.engine.begin() as con:
            if inspect(con).has_table("version"):
                found = con.execute(select(_VERSION.c.version)).scalar_one_or_none() or VERSION
                if found > VERSION:
                    raise LakeError(
                        f"its version is {found}, this program knows {VERSION}", where=self.where,
                        todo="Use a newer version of Noroshi.",
                    )  # fmt: skip
            META.create_all(con)
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
    def begin(self) -> Iterator[Connection]:
        """One transaction; kept when the block ends, else as if nothing had happened."""
        with self._telling(), self.engine.begin() as con:
            yield con


def was_there(error: LakeError) -> bool:
    """True when a row could not be added because its like is there already."""
    return isinstance(error.__cause__, IntegrityError)


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


def now() -> datetime:
    """The time, as databases keep it."""
    return naive(datetime.now(UTC))


def naive(ts: datetime) -> datetime:
    """As databases keep it: UTC without a zone."""
    return ts.astimezone(UTC).replace(tzinfo=None)


def utc(ts: datetime) -> datetime:
    """What a database kept, as a time in UTC."""
    return ts.replace(tzinfo=UTC)


def maybe(ts: datetime | None) -> datetime | None:
    """The same for what may be missing."""
    return None if ts is None else utc(ts)
