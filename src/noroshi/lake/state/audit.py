"""The audit log: who did what, when; only ever added to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Column, DateTime, Integer, String, Table, Text, insert, select

from noroshi.lake.state.database import META, Database, now, utc

_AUDIT = Table(
    "audit", META,
    Column("id", Integer, primary_key=True), Column("at", DateTime, nullable=False, index=True),
    Column("actor", String(80), nullable=False), Column("action", String(32), nullable=False),
    Column("recipient", String(64), nullable=False, default=""), Column("count", Integer),
    Column("detail", Text, nullable=False, default="{}"),
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One thing done."""

    id: int
    at: datetime
    actor: str
    """`cli:USER`, `user:NAME`, `recipient:NAME`, `job:NAME`."""
    action: str
    """export, downgrade, reveal, sign-in, notify, ..."""
    recipient: str = ""
    count: int | None = None
    """Objects, rows or addresses it touched."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """More: format, profile, path, withheld by reason, why. Never a secret, a key or a masked value's original."""


class Audit:
    """The log of a lake."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def tell(
        self, actor: str, action: str, *, recipient: str = "", count: int | None = None, **detail: Any
    ) -> None:
        """Keeps that something was done; raises LakeError when it cannot, and then it must not be done."""
        body = json.dumps(detail, ensure_ascii=False, default=str, sort_keys=True)[:16_000]
        with self._db.begin() as con:
            con.execute(
                insert(_AUDIT).values(
                    at=now(),
                    actor=actor[:80],
                    action=action[:32],
                    recipient=recipient[:64],
                    count=count,
                    detail=body,
                )
            )

    def newest(
        self, limit: int = 100, *, before: int | None = None, action: str = "", recipient: str = ""
    ) -> list[Entry]:
        """The newest entries first; before: only with a smaller id, to page on."""
        asked = select(_AUDIT).order_by(_AUDIT.c.id.desc()).limit(limit)
        if before is not None:
            asked = asked.where(_AUDIT.c.id < before)
        if action:
            asked = asked.where(_AUDIT.c.action == action)
        if recipient:
            asked = asked.where(_AUDIT.c.recipient == recipient)
        with self._db.begin() as con:
            return [_entry(r) for r in con.execute(asked).mappings()]


def _entry(row: Any) -> Entry:
    try:
        detail = json.loads(row["detail"])
    except ValueError:  # cut at its bound
        detail = {"cut": row["detail"]}
    return Entry(
        row["id"], utc(row["at"]), row["actor"], row["action"], row["recipient"], row["count"], detail
    )
