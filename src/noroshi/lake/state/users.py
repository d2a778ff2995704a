"""People who sign in: their role, whose view they have, and the hash of their password."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from noroshi.lake.state.database import META, Database, maybe, now, utc, was_there
from noroshi.model.errors import LakeError, UsageError

ROLES = ("viewer", "analyst", "sharer", "admin")
"""Each may do what those before it may."""

_USERS = Table(
    "users", META,
    Column("name", String(64), primary_key=True), Column("role", String(16), nullable=False),
    Column("recipient", String(64), nullable=False, default="own"),
    Column("password", Text, nullable=False, default=""),
    Column("disabled", Boolean, nullable=False, default=False), Column("added", DateTime, nullable=False),
    Column("signed_in", DateTime),
)  # fmt: skip


@dataclass(frozen=True)
class User:
    """A person, or a program with a name."""

    name: str
    role: str
    """One of ROLES."""
    recipient: str = "own"
    """The recipient whose view they have."""
    password: str = ""
    """An argon2 hash; empty for those who have keys only."""
    disabled: bool = False
    added: datetime | None = None
    signed_in: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """As people may read it: never the hash."""
        from noroshi.model.finding import iso

        return {
            "name": self.name, "role": self.role, "recipient": self.recipient, "disabled": self.disabled,
            "password": bool(self.password), "added": iso(self.added) if self.added else None,
            "signed_in": iso(self.signed_in) if self.signed_in else None,
        }  # fmt: skip


class Users:
    """The users of a lake."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[User]:
        """All of them, by name."""
        with self._db.begin() as con:
            return [_user(r) for r in con.execute(select(_USERS).order_by(_USERS.c.name)).mappings()]

    def get(self, name: str) -> User | None:
        """The one of that name."""
        with self._db.begin() as con:
            row = con.execute(select(_USERS).where(_USERS.c.name == name)).mappings().first()
        return _user(row) if row else None

    def add(self, user: User, *, only_first: bool = False) -> None:
        """Keeps a new one; UsageError when the name is taken, or with `only_first` when there is anybody."""
        values = {
            "name": user.name, "role": user.role, "recipient": user.recipient, "password": user.password,
            "disabled": user.disabled, "added": now(),
        }  # fmt: skip
        try:
            with self._db.begin() as con:
                con.execute(insert(_USERS).values(**values))
                # Looked at after the write, which holds the lock: of two that set up at once, one is refused.
                if only_first and con.execute(select(func.count()).select_from(_USERS)).scalar_one() != 1:
                    raise UsageError("there are users already", todo="Sign in as one of them.")
        except LakeError as e:
            if was_there(e):
                todo = "Change it with `noroshi user set`, or choose another name."
                raise UsageError(f"there is a user {user.name} already", todo=todo) from e
            raise

    def change(
        self, name: str, *, role: str | None = None, recipient: str | None = None, password: str | None = None,
        disabled: bool | None = None,
    ) -> User:  # fmt: skip
        """Keeps what is given; the last admin who may sign in stays one. UsageError when there is none of that name."""
        given = {"role": role, "recipient": recipient, "password": password, "disabled": disabled}
        values = {k: v for k, v in given.items() if v is not None}
        with self._db.begin() as con:
            admins = _admins(con)
            if values:
                con.execute(update(_USERS).where(_USERS.c.name == name).values(**values))
            row = con.execute(select(_USERS).where(_USERS.c.name == name)).mappings().first()
            if row is None:
                raise _nobody(name)
            _still_one(admins, con)
        return _user(row)

    def signed_in(self, name: str) -> None:
        """Keeps that they signed in now."""
        with self._db.begin() as con:
            con.execute(update(_USERS).where(_USERS.c.name == name).values(signed_in=now()))

    def remove(self, name: str) -> None:
        """Takes them away; UsageError when there is none, or when it is the last admin beside others."""
        with self._db.begin() as con:
            admins = _admins(con)
            if not con.execute(delete(_USERS).where(_USERS.c.name == name)).rowcount:
                raise _nobody(name)
            if con.execute(select(func.count()).select_from(_USERS)).scalar_one():
                _still_one(admins, con)


def _admins(con: Connection) -> int:
    """How many admins may sign in."""
    admins = (_USERS.c.role == "admin") & (_USERS.c.disabled.is_(False))
    return int(con.execute(select(func.count()).select_from(_USERS).where(admins)).scalar_one())


def _still_one(before: int, con: Connection) -> None:
    if before and not _admins(con):
        raise UsageError("there would be no admin left", todo="Make somebody else an admin first.")


def _nobody(name: str) -> UsageError:
    return UsageError(f"there is no user {name[:64]}", todo="`noroshi user list` shows them.")


def _user(row: Any) -> User:
    return replace(
        User(row["name"], row["role"], row["recipient"], row["password"], row["disabled"]),
        added=utc(row["added"]), signed_in=maybe(row["signed_in"]),
    )  # fmt: skip
