"""Partial link rows of a run, summed up in bounded memory before they are written."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from noroshi.lake.shape import plain
from noroshi.model.tables import TABLES

PENDING_ROWS = 1_500_000
"""Rows gathered before they are summed up: about 150 MB at 100 bytes each."""

_KEYS = ["key", "kind", "value", "role", "table", "day", "tlp"]
_SUMS: Any = [("first_seen", "min"), ("last_seen", "max"), ("count", "sum")]


class LinkBuffer:
    """Gathers links batches; `add` and `rest` return finished rows, sorted by (key, day)."""

    def __init__(self, limit: int = PENDING_ROWS) -> None:
        self._limit = limit
        self._parts: list[pa.Table] = []
        self._rows = 0
        schema = TABLES["links"].arrow()
        self._schema = schema.remove(schema.get_field_index("run_id"))

    def add(self, rows: pa.Table) -> pa.Table | None:
        """Takes a batch; rows to be written when there are too many distinct ones to keep."""
        if "tlp" not in rows.column_names:
            rows = rows.append_column("tlp", pa.nulls(rows.num_rows, pa.string()))
        part = rows.select(self._schema.names)
        self._parts.append(part if part.schema.equals(self._schema) else part.cast(self._schema))
        self._rows += part.num_rows
        if self._rows < self._limit:
            return None
        whole = self._summed()
        # Summing would soon be repeated for little: these rows stand as they are, and add up in queries.
        if whole.num_rows > self._limit // 2:
            self._parts, self._rows = [], 0
            return whole.sort_by([("key", "ascending"), ("day", "ascending")])
        self._parts, self._rows = [whole], whole.num_rows
        return None

    def rest(self) -> pa.Table | None:
        """What is left."""
        if not self._rows:
            return None
        whole = self._summed().sort_by([("key", "ascending"), ("day", "ascending")])
        self._parts, self._rows = [], 0
        return whole

    def _summed(self) -> pa.Table:
        whole = pa.concat_tables(plain(p) for p in self._parts)
        sums = whole.group_by(_KEYS, use_threads=False).aggregate(_SUMS)
        sums = sums.rename_columns(
            [*_KEYS, *(name for name, _ in _SUMS)]
            if sums.column_names[0] == "key"
            else [*(name for name, _ in _SUMS), *_KEYS]
        )
        return sums.select(self._schema.names).cast(self._schema)
