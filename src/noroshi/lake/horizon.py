"""The horizon: rows that retention is taking out, which nobody sees from the moment it is written.

It stands in a small file while rows are being deleted, so that an interruption leaves them hidden and not half there;
whoever writes next goes on with it (`lake.retain`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from noroshi.lake.errors import telling
from noroshi.model.errors import LakeError
from noroshi.model.schema import Table

_NAME = "horizon.json"
_SUMS = ("links", "hourly", "daily")
"""Tables whose rows speak of other tables' rows, by name in `table`."""


@dataclass(frozen=True)
class Horizon:
    """For each table the first UTC day whose rows stay; of tables not named, all stay."""

    tables: Mapping[str, date] = field(default_factory=dict)
    generation: int = 0
    """Counts the horizons of a lake: two looks that find the same one had no other between them."""

    def conditions(self, table: Table) -> list[tuple[str | None, str, date]]:
        """(name in `table` or None for any, column of time or `day`, first day that stays) for rows that go."""
        out: list[tuple[str | None, str, date]] = []
        if not self.tables:
            return out
        when = "day" if table.partitioned or table.name == "links" else table.time
        if when is None:
            return out
        if table.name in self.tables:
            out.append((None, when, self.tables[table.name]))
        if table.name in _SUMS:
            out += [(name, when, day) for name, day in sorted(self.tables.items()) if name not in _SUMS]
        return out

    def gone(self, table: Table, rows: pa.Table) -> Any:
        """Which rows go: one boolean per row. Rows of partitioned tables need `day` here."""
        out: Any = pa.array([False]) if not rows.num_rows else pa.repeat(pa.scalar(False), rows.num_rows)
        out = out.slice(0, rows.num_rows)
        for name, column, day in self.conditions(table):
            held: Any = rows[column]
            days = held if column == "day" else held.cast(pa.timestamp("us")).cast(pa.date32())
            before: Any = pc.less(days, pa.scalar(day, pa.date32()))
            if name is not None:
                before = pc.and_(before, pc.equal(rows["table"], pa.scalar(name, pa.string())))
            out = pc.or_(out, before)
        return out

    def columns(self, table: Table) -> tuple[str, ...]:
        """What `gone` looks at."""
        found = self.conditions(table)
        named = ("table",) if any(name is not None for name, _, _ in found) else ()
        return (*dict.fromkeys(column for _, column, _ in found), *named)

    def stays(self, table: Table) -> str:
        """The SQL condition on rows that stay; empty when all do."""
        parts = []
        for name, column, day in self.conditions(table):
            first = f"DATE '{day}'" if column == "day" else f"TIMESTAMPTZ '{day} 00:00:00+00'"
            before = f"{column} < {first}"
            parts.append(f"""NOT ("table" = '{name}' AND {before})""" if name else f"NOT {before}")
        return " AND ".join(parts)


def load(lake: Path) -> Horizon:
    """The horizon now; the empty one when nothing is being taken out. Raises LakeError when it is unreadable."""
    path = lake / _NAME
    try:
        with telling(path):
            raw = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        tables = {str(t): date.fromisoformat(d) for t, d in raw.get("tables", {}).items()}
        return Horizon(tables, int(raw.get("generation", 0)))
    except (ValueError, TypeError, AttributeError):
        raise LakeError("the file that tells what retention takes out cannot be read", where=str(path),
                        todo="Delete it, then run `noroshi lake retain` again.") from None  # fmt: skip


def store(lake: Path, tables: Mapping[str, date]) -> Horizon:
    """Writes the next horizon; it holds for every snapshot taken from now on."""
    from noroshi.lake.handle import write_atomically

    new = Horizon(dict(tables), load(lake).generation + 1)
    raw = {"generation": new.generation, "tables": {t: d.isoformat() for t, d in sorted(new.tables.items())}}
    with telling(lake):
        write_atomically(lake / _NAME, json.dumps(raw))
    return new
