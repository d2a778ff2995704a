"""API keys of users and recipients: 256 random bits each, kept only as their digest."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, DateTime, Integer, String, Table, Text, insert, select, update

from noroshi.lake.state.database import META, Database, maybe, naive, now, utc
from noroshi.model.errors import UsageError

PREFIX = "nrs_"
"""What every key begins with, so that scanners for leaked secrets can know it."""

_TOKENS = Table(
    "tokens", META,
    Column("id", Integer, primary_key=True), Column("owner_kind", String(16), nullable=False),
    Column("owner", String(64), nullable=False), Column("digest", String(64), nullable=False, unique=True),
    Column("shown", String(16), nullable=False), Column("note", Text, nullable=False, default=""),
    Column("made", DateTime, nullable=False), Column("expires", DateTime), Column("used", DateTime),
    Column("revoked", DateTime),
)  # fmt: skip
_USED_EVERY = timedelta(minutes=1)
"""A use is written at most so often: a busy client must not make a write of every read."""


@dataclass(frozen=True)
class Token:
    """A key, without its secret."""

    id: int
    owner_kind: str
    """user or recipient."""
    owner: str
    shown: str
    """Its first characters, to tell keys apart."""
    note: str
    made: datetime
    expires: datetime | None = None
    used: datetime | None = None
    revoked: datetime | None = None


class Tokens:
    """The API keys of a lake."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def issue(
        self, owner_kind: str, owner: str, note: str = "", expires: datetime | None = None
    ) -> tuple[Token, str]:
        """(the key, its secret); the secret is told here once and kept nowhere."""
        secret = PREFIX + secrets.token_urlsafe(32)
        values = {
            "owner_kind": owner_kind, "owner": owner, "digest": _digest(secret), "shown": secret[:12], "note": note,
            "made": now(), "expires": naive(expires) if expires else None,
        }  # fmt: skip
        with self._db.begin() as con:
            (key,) = con.execute(insert(_TOKENS).values(**values)).inserted_primary_key or (0,)
            row = con.execute(select(_TOKENS).where(_TOKENS.c.id == key)).mappings().one()
        return _token(row), secret

    def verify(self, secret: str) -> Token | None:
        """The key with that secret, when it holds now."""
        if not secret.startswith(PREFIX) or len(secret) > 200:
            return None
        at = now()
        with self._db.begin() as con:
            # By digest: what a comparison's time could tell is of no use to whoever does not know 256 bits.
            row = con.execute(select(_TOKENS).where(_TOKENS.c.digest == _digest(secret))).mappings().first()
            if (
                row is None
                or row["revoked"] is not None
                or (row["expires"] is not None and row["expires"] <= at)
            ):
                return None
            if row["used"] is None or at - row["used"] > _USED_EVERY:
                con.execute(update(_TOKENS).where(_TOKENS.c.id == row["id"]).values(used=at))
        return _token(row)

    def revoke(self, token_id: int) -> Token:
        """Ends a key; UsageError when there is none of that number."""
        with self._db.begin() as con:
            row = con.execute(select(_TOKENS).where(_TOKENS.c.id == token_id)).mappings().first()
            if row is None:
                raise UsageError(f"there is no key {token_id}", todo="`noroshi recipient keys` shows them.")
            if row["revoked"] is None:
                con.execute(update(_TOKENS).where(_TOKENS.c.id == token_id).values(revoked=now()))
            return _token(con.execute(select(_TOKENS).where(_TOKENS.c.id == token_id)).mappings().one())

    def of(self, owner_kind: str, owner: str) -> list[Token]:
        """The keys of one owner, oldest first, ended ones too."""
        mine = (_TOKENS.c.owner_kind == owner_kind) & (_TOKENS.c.owner == owner)
        with self._db.begin() as con:
            return [
                _token(r) for r in con.execute(select(_TOKENS).where(mine).order_by(_TOKENS.c.id)).mappings()
            ]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _token(row: Any) -> Token:
    return Token(
        row["id"], row["owner_kind"], row["owner"], row["shown"], row["note"], utc(row["made"]),
        maybe(row["expires"]), maybe(row["used"]), maybe(row["revoked"]),
    )  # fmt: skip
