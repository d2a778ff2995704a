# ruff: noqa: S608 - SQL made of names from model.tables
"""Rows whose texts hold a word: names, titles, comments, banners, commands, signatures."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from noroshi.model.errors import LakeError
from noroshi.model.tables import TABLES

if TYPE_CHECKING:
    from noroshi.lake.snapshot import Snapshot

TEXTS: dict[str, tuple[str, ...]] = {
    "alerts": ("signature", "message", "category"),
    "commands": ("text",),
    "components": ("name", "supplier", "product"),
    "dns": ("query",),
    "events": ("description", "malware", "domain", "url"),
    "files": ("names", "families"),
    "http": ("host", "url", "user_agent"),
    "incidents": ("title", "description"),
    "indicators": ("value", "document_name", "comment", "labels"),
    "network_files": ("filename",),
    "objects": ("names", "description"),
    "services": ("banner", "product", "hostnames", "os", "device"),
    "tls": ("server_name", "subject", "issuer"),
    "certificates": ("subject", "issuer", "san"),
    "transfers": ("url", "filename"),
    "vulnerabilities": ("title", "description"),
    "affected": ("vendor", "product"),
}
"""Columns with words, by table."""


@dataclass(frozen=True)
class Found:
    """Rows of one table and run in which a word stands."""

    table: str
    column: str
    count: int
    first_seen: datetime
    last_seen: datetime
    sample: str
    run_id: str
    tlp: str
    """The strictest marking of the rows that carry their own; empty when they do not."""


def find(snapshot: Snapshot, word: str) -> list[Found]:
    """Where `word` stands, in any case, as part of a text; by table, column and run."""
    out = []
    for table, columns in TEXTS.items():
        if snapshot.files(table):
            for column in columns:
                out += _column(snapshot, table, column, word)
    return out


def within(snapshot: Snapshot, word: str, seconds: float) -> tuple[list[Found], bool]:
    """The same as far as `seconds` reach, and whether everything was looked through."""
    out: list[Found] = []
    end = time.monotonic() + seconds
    for table, columns in TEXTS.items():
        for column in columns if snapshot.files(table) else ():
            left = end - time.monotonic()
            if left <= 0:
                return out, False
            try:
                out += _column(snapshot, table, column, word, left)
            except LakeError:
                if time.monotonic() < end:
                    raise
                return out, False
    return out, True


def _column(
    snapshot: Snapshot, table: str, column: str, word: str, seconds: float | None = None
) -> list[Found]:
    schema = TABLES[table]
    text = f"array_to_string({column}, chr(10))" if schema.column(column).type == "strings" else column
    tlp = (
        "max_by(tlp, list_position(['clear', 'green', 'amber', 'amber+strict', 'red'], tlp))"
        if schema.marked
        else "''"
    )
    at = schema.time or "ts"
    rows = snapshot.sql(
        f"SELECT run_id, count(*) AS count, min({at}) AS first_seen, max({at}) AS last_seen,"
        f" left(any_value({text}), 200) AS sample, {tlp} AS tlp FROM {table}"
        f" WHERE contains(lower({text}), $word) GROUP BY run_id",
        {"word": word.lower()},
        seconds=seconds,
    )
    found: list[dict[str, Any]] = rows.to_pylist()
    return [Found(table=table, column=column, **row) for row in found]
