"""Sessions of people who signed in: kept here by the digest of their id, so that whoever reads this has none."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, DateTime, String, Table, delete, insert, select, update

from noroshi.lake.state.database import META, Database, now, utc

IDLE = timedelta(hours=8)
"""A working day: who has done nothing for so long signs in again."""
LONGEST = timedelta(days=7)
"""Whatever they did: a stolen cookie ends within the week."""
PER_USER = 20
"""Sessions of one user; the oldest end."""
_SEEN_EVERY = timedelta(minutes=1)
"""Being seen is written at most so often: a page must not make a write of every read."""

_SESSIONS = Table(
    "sessions", META,
    Column("digest", String(64), primary_key=True), Column("user", String(64), nullable=False, index=True),
    Column("made", DateTime, nullable=False), Column("seen", DateTime, nullable=False),
    Column("address", String(64), nullable=False, default=""),
)  # fmt: skip


@dataclass(frozen=True)
class Session:
    """Somebody who is signed in somewhere."""

    digest: str
    user: str
    made: datetime
    seen: datetime
    address: str = ""
    """Where from, when it began."""


class Sessions:
    """The sessions of a lake."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def begin(self, user: str, address: str = "") -> str:
        """A new session's id; it is told here once and kept nowhere."""
        secret = secrets.token_urlsafe(32)
        at = now()
        mine = _SESSIONS.c.user == user
        with self._db.begin() as con:
            con.execute(
                insert(_SESSIONS).values(
                    digest=_digest(secret), user=user, made=at, seen=at, address=address[:64]
                )
            )
            con.execute(
                delete(_SESSIONS).where((_SESSIONS.c.seen < at - IDLE) | (_SESSIONS.c.made < at - LONGEST))
            )
            kept = con.execute(
                select(_SESSIONS.c.digest).where(mine).order_by(_SESSIONS.c.made.desc()).limit(PER_USER)
            ).scalars().all()  # fmt: skip
            con.execute(delete(_SESSIONS).where(mine & _SESSIONS.c.digest.not_in(kept)))
        return secret

    def find(self, secret: str) -> Session | None:
        """The session with that id, when it holds now; it is seen by this."""
        if not 20 <= len(secret) <= 100:
            return None
        at, same = now(), _SESSIONS.c.digest == _digest(secret)
        with self._db.begin() as con:
            row = con.execute(select(_SESSIONS).where(same)).mappings().first()
            if row is None:
                return None
            if at - row["seen"] > IDLE or at - row["made"] > LONGEST:
                con.execute(delete(_SESSIONS).where(same))
                return None
            if at - row["seen"] > _SEEN_EVERY:
                con.execute(update(_SESSIONS).where(same).values(seen=at))
        return _session(row)

    def end(self, secret: str) -> None:
        """Ends one."""
        with self._db.begin() as con:
            con.execute(delete(_SESSIONS).where(_SESSIONS.c.digest == _digest(secret)))

    def end_digest(self, digest: str) -> None:
        """Ends the one of that digest, for who has a list of them."""
        with self._db.begin() as con:
            con.execute(delete(_SESSIONS).where(_SESSIONS.c.digest == digest))

    def end_all(self, user: str, *, but: str = "") -> int:
        """Ends all of a user's but the one of that digest; how many."""
        gone = (_SESSIONS.c.user == user) & (_SESSIONS.c.digest != but)
        with self._db.begin() as con:
            return con.execute(delete(_SESSIONS).where(gone)).rowcount

    def of(self, user: str) -> list[Session]:
        """A user's that hold, newest first."""
        at = now()
        holds = (_SESSIONS.c.seen >= at - IDLE) & (_SESSIONS.c.made >= at - LONGEST)
        with self._db.begin() as con:
            mine = (
                select(_SESSIONS).where((_SESSIONS.c.user == user) & holds).order_by(_SESSIONS.c.made.desc())
            )
            return [_session(r) for r in con.execute(mine).mappings()]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _session(row: Any) -> Session:
    return Session(row["digest"], row["user"], utc(row["made"]), utc(row["seen"]), row["address"])
