"""Reading of lists in tests: bytes in, rows by table and rejects out."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from noroshi.lake.shape import shaped
from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading, Sensor
from noroshi.model.tables import TABLES

LISTS = Path(__file__).parent / "data" / "lists"
DATE_US = 1_714_700_000_000_000
"""2024-05-03."""


def read(
    sensor: Sensor, data: bytes, *, name: str = "list.txt", options: dict[str, Path] | None = None
) -> tuple[dict[str, list[dict[str, Any]]], list[Reject]]:
    """Rows by table, in order, each batch as the lake wants it; and the rejects."""
    reading = Reading(io.BytesIO(data), name, DATE_US, head=data[:4096], options=options or {})
    tables: dict[str, list[dict[str, Any]]] = {}
    rejects: list[Reject] = []
    for item in sensor.read(reading):
        if isinstance(item, Reject):
            rejects.append(item)
            continue
        table = TABLES[item.table]
        rows = item.rows
        if table.marked and "tlp" in rows.column_names:
            at = rows.schema.get_field_index("tlp")
            rows = rows.remove_column(at)  # the lake fills it
        if table.marked:
            import pyarrow as pa

            rows = rows.append_column("tlp", pa.array(["GREEN"] * rows.num_rows))
        tables.setdefault(item.table, []).extend(shaped(table, rows, "r").to_pylist())
    return tables, rejects
