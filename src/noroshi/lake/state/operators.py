"""Who answers for which network: prefixes and AS numbers with whom to write to, from tables and RDAP documents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Column, Date, DateTime, Index, Integer, String, Table, Text, delete, insert, select

from noroshi.lake.state.database import META, Database, now

_OPERATORS = Table(
    "operators", META,
    Column("id", Integer, primary_key=True), Column("origin", String(16), nullable=False),
    Column("source", String(200), nullable=False), Column("network", String(64), nullable=False),
    Column("name", String(200), nullable=False), Column("mails", Text, nullable=False, default="[]"),
    Column("lang", String(2), nullable=False, default="en"), Column("format", String(8), nullable=False, default="csv"),
    Column("recipient", String(64), nullable=False, default=""), Column("since", Date), Column("until", Date),
    Column("added", DateTime, nullable=False),
    Index("operators_source", "origin", "source"),
)  # fmt: skip


@dataclass(frozen=True)
class OperatorRow:
    """One network and who answers for it."""

    network: str
    """Prefix in canonical text, or AS64500."""
    name: str
    mails: tuple[str, ...] = ()
    lang: str = "en"
    """en or ja: language of the notices."""
    format: str = "csv"
    """csv: text with a CSV beside it; xarf: XARF JSON documents too."""
    origin: str = "table"
    """table: a person wrote it; rdap: a registry says so. What a person wrote goes before."""
    source: str = field(default="", compare=False)
    """The file it was read from, or the server that said so."""
    recipient: str = ""
    """Name of a recipient whose ceiling, profile and kinds hold; empty for those of `[notify]`."""
    since: date | None = None
    until: date | None = None
    """First and last day it holds; None for always."""


class Operators:
    """The table of operators of a lake."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[OperatorRow]:
        """Every row, by name and network, those that no longer hold too."""
        order = (_OPERATORS.c.name, _OPERATORS.c.network, _OPERATORS.c.id)
        with self._db.begin() as con:
            return [_row(r) for r in con.execute(select(_OPERATORS).order_by(*order)).mappings()]

    def load(self, origin: str, source: str, rows: Sequence[OperatorRow]) -> tuple[int, int]:
        """Puts rows in the place of all of that origin and source, in one change; (rows now, rows before)."""
        same = (_OPERATORS.c.origin == origin) & (_OPERATORS.c.source == source)
        at = now()
        values = [
            {
                "origin": origin, "source": source, "network": r.network, "name": r.name,
                "mails": json.dumps(r.mails), "lang": r.lang, "format": r.format, "recipient": r.recipient,
                "since": r.since, "until": r.until, "added": at,
            }
            for r in rows
        ]  # fmt: skip
        with self._db.begin() as con:
            before = con.execute(delete(_OPERATORS).where(same)).rowcount
            if values:
                con.execute(insert(_OPERATORS), values)
        return len(values), before


def _row(r: Any) -> OperatorRow:
    return OperatorRow(
        r["network"], r["name"], tuple(json.loads(r["mails"])), r["lang"], r["format"], r["origin"], r["source"],
        r["recipient"], r["since"], r["until"],
    )  # fmt: skip
