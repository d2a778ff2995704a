"""Recipients people have added: who they are, what they may see, want and answer for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, DateTime, String, Table, Text, delete, insert, select, update

from noroshi.lake.state.database import META, Database, now, utc, was_there
from noroshi.model.errors import LakeError, UsageError

_RECIPIENTS = Table(
    "recipients", META,
    Column("name", String(64), primary_key=True), Column("kind", String(16), nullable=False),
    Column("ceiling", String(16), nullable=False), Column("title", Text, nullable=False, default=""),
    Column("kinds", Text, nullable=False, default="[]"), Column("ranges", Text, nullable=False, default="[]"),
    Column("profile", String(64), nullable=False), Column("mail", Text, nullable=False, default=""),
    Column("lang", String(2), nullable=False, default="en"), Column("tlp1", Boolean, nullable=False, default=False),
    Column("writes", Boolean, nullable=False, default=False), Column("added", DateTime, nullable=False),
)  # fmt: skip


@dataclass(frozen=True)
class RecipientRow:
    """A recipient as kept; `share.marking` says what the fields allow."""

    name: str
    kind: str
    """person, organisation, sector, community or public."""
    ceiling: str
    """The strictest marking that may reach them."""
    profile: str
    """Name of the anonymising profile."""
    title: str = ""
    kinds: tuple[str, ...] = ()
    """Kinds of finding they want; empty for all."""
    ranges: tuple[str, ...] = ()
    """Prefixes they answer for."""
    mail: str = ""
    lang: str = "en"
    tlp1: bool = False
    """They read TLP 1 only."""
    writes: bool = False
    """They may send objects in."""
    added: datetime | None = None


class Recipients:
    """The recipients of a lake."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[RecipientRow]:
        """All of them, by name."""
        with self._db.begin() as con:
            rows = con.execute(select(_RECIPIENTS).order_by(_RECIPIENTS.c.name)).mappings().all()
        return [_row(r) for r in rows]

    def get(self, name: str) -> RecipientRow | None:
        """The one of that name."""
        with self._db.begin() as con:
            row = con.execute(select(_RECIPIENTS).where(_RECIPIENTS.c.name == name)).mappings().first()
        return _row(row) if row else None

    def add(self, row: RecipientRow) -> None:
        """Keeps a new one; UsageError when the name is taken."""
        try:
            with self._db.begin() as con:
                con.execute(insert(_RECIPIENTS).values(**_values(row), added=now()))
        except LakeError as e:
            if was_there(e):
                todo = "Change it with `noroshi recipient set`, or choose another name."
                raise UsageError(f"there is a recipient {row.name} already", todo=todo) from e
            raise

    def change(self, row: RecipientRow) -> None:
        """Keeps it as it is now; UsageError when there is none of that name."""
        with self._db.begin() as con:
            same = _RECIPIENTS.c.name == row.name
            if not con.execute(update(_RECIPIENTS).where(same).values(**_values(row))).rowcount:
                raise UsageError(
                    f"there is no recipient {row.name}", todo="`noroshi recipient list` shows them."
                )

    def remove(self, name: str) -> None:
        """Takes it away; UsageError when there is none."""
        with self._db.begin() as con:
            if not con.execute(delete(_RECIPIENTS).where(_RECIPIENTS.c.name == name)).rowcount:
                raise UsageError(f"there is no recipient {name}", todo="`noroshi recipient list` shows them.")


def _values(row: RecipientRow) -> dict[str, Any]:
    return {
        "name": row.name, "kind": row.kind, "ceiling": row.ceiling, "title": row.title,
        "kinds": json.dumps(row.kinds), "ranges": json.dumps(row.ranges), "profile": row.profile,
        "mail": row.mail, "lang": row.lang, "tlp1": row.tlp1, "writes": row.writes,
    }  # fmt: skip


def _row(row: Any) -> RecipientRow:
    return RecipientRow(
        row["name"], row["kind"], row["ceiling"], row["profile"], row["title"], tuple(json.loads(row["kinds"])),
        tuple(json.loads(row["ranges"])), row["mail"], row["lang"], row["tlp1"], row["writes"], utc(row["added"]),
    )  # fmt: skip
