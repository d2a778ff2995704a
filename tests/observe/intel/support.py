"""Reading a document with a sensor, as the tests of this room do it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from noroshi import registry
from noroshi.lake.shape import shaped
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.model.tables import TABLES

DATA = Path(__file__).parent / "data" / "stix_misp"
NOW = 1_763_000_000_000_000
"""2025-11-13."""


class Taken:
    """What a sensor gave, by table."""

    def __init__(self, name: str, document: Any, **more: Any) -> None:
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.reading = Reading(io.BytesIO(data), more.pop("path", "x.json"), more.pop("now", NOW))
        self.rejects: list[Reject] = []
        self.tables: dict[str, list[dict[str, Any]]] = {}
        sensor = registry.sensor(name)
        for item in sensor.read(self.reading):
            if isinstance(item, Batch):
                assert item.table in sensor.tables
                rows = item.rows
                table = TABLES[item.table]
                if table.marked:  # the run's marking stands for none
                    i = rows.schema.get_field_index("tlp")
                    filled = pa.array([t or "amber+strict" for t in rows["tlp"].to_pylist()])
                    shaped(table, rows.set_column(i, "tlp", filled), "run")
                offsets: list[Any] = rows["offset"].to_pylist()
                assert all(0 <= o < max(len(data), 1) for o in offsets)
                self.tables.setdefault(item.table, []).extend(rows.to_pylist())
            else:
                self.rejects.append(item)

    def __getattr__(self, table: str) -> list[dict[str, Any]]:
        if table not in TABLES:
            raise AttributeError(table)
        return self.tables.get(table, [])

    def columns(self, table: str, *names: str) -> list[tuple[Any, ...]]:
        """Some columns of the rows of a table."""
        return [tuple(row[n] for n in names) for row in self.tables.get(table, [])]

    @property
    def reasons(self) -> list[str]:
        """Why pieces were rejected."""
        return [r.reason for r in self.rejects]


def sniffers(head: bytes) -> list[str]:
    """The sensors of this room that know such a head."""
    return [n for n in ("stix", "misp", "misp-galaxy", "misp-other") if registry.sensor(n).sniff(head[:4096])]
