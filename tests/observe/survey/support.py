"""Reading a survey in a test: its rows, checked against their tables, and its rejects."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from noroshi.model import address
from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading, Sensor
from noroshi.model.tables import TABLES

HERE = Path(__file__).parent / "data"
NOW = 1_790_000_000_000_000
"""September 2026, the date of every source here."""
FILLED = ("run_id", "tlp")
"""Columns the lake fills."""


@dataclass
class Got:
    """What a sensor gave."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    """Rows with their table's name as `table` and without nulls."""
    rejects: list[Reject] = field(default_factory=list)
    reading: Reading | None = None

    def of(self, table: str) -> list[dict[str, Any]]:
        """The rows of one table."""
        return [r for r in self.rows if r["table"] == table]


def read(sensor: Sensor, data: bytes, name: str = "x", schema: Path | None = None) -> Got:
    """Rows and rejects of `data`; addresses as text. Fails when a row does not fit its table."""
    options = {"schema": schema} if schema else {}
    reading = Reading(io.BytesIO(data), name, NOW, options=options, head=data[:4096])
    got = Got(reading=reading)
    for item in sensor.read(reading):
        if isinstance(item, Reject):
            assert 0 <= item.position <= len(data)
            got.rejects.append(item)
            continue
        assert item.table in sensor.tables
        table = TABLES[item.table]
        for row in item.rows.to_pylist():
            for column in table.columns:
                if not column.nullable and column.name not in FILLED:
                    assert row.get(column.name) is not None, f"{item.table}.{column.name} is null"
            assert 0 <= row["offset"] <= len(data)
            plain = {
                k: address.text(v) if isinstance(v, bytes) else v for k, v in row.items() if v is not None
            }
            got.rows.append({"table": item.table, **plain})
    return got


def sample(name: str) -> bytes:
    """A committed sample."""
    return (HERE / name).read_bytes()


def outside(*parts: str) -> Path:
    """A file that may not be committed; skips the test when it is not on this machine."""
    folder = os.environ.get("NOROSHI_DATA")
    path = Path(folder or "/nonexistent", *parts)
    if not path.is_file():
        pytest.skip(f"may not be committed; set NOROSHI_DATA to a folder with {'/'.join(parts)}")
    return path
