"""Reads sources with a sensor and gives rows as dictionaries, addresses and times as people write them."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from noroshi.model import address
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading, Sensor
from noroshi.model.tables import TABLES

DATA = Path(__file__).parent / "data"
NOW_US = 1_800_000_000_000_000
"""2027-01-15: later than every sample."""


def reading(data: bytes, start: int = 0, date_us: int = NOW_US) -> Reading:
    """A reading of these bytes."""
    return Reading(io.BytesIO(data), "-", date_us, start=start, head=data[:4096])


def rows(
    sensor: Sensor, data: bytes, start: int = 0, date_us: int = NOW_US
) -> tuple[dict[str, list[dict[str, Any]]], list[Reject]]:
    """Rows by table, addresses as text; and the rejects. Every batch fits its table's schema."""
    found: dict[str, list[dict[str, Any]]] = {}
    rejects = []
    for item in sensor.read(reading(data, start, date_us)):
        if isinstance(item, Reject):
            rejects.append(item)
            continue
        assert isinstance(item, Batch)
        assert item.table in sensor.tables
        check(item)
        for row in item.rows.to_pylist():
            shown = {k: address.text(v) if isinstance(v, bytes) else v for k, v in row.items()}
            found.setdefault(item.table, []).append(shown)
    return found, rejects


def check(batch: Batch) -> None:
    """The batch has the columns of its table, with their types, and nulls only where they may be."""
    schema = TABLES[batch.table].arrow()
    for field in batch.rows.schema:
        wanted = schema.field(field.name)
        assert field.type == wanted.type, field.name
        assert wanted.nullable or batch.rows[field.name].null_count == 0, field.name
    given = set(batch.rows.schema.names)
    for field in schema:
        assert field.nullable or field.name in given or field.name == "run_id", field.name


def decoy_data(*parts: str) -> Path:
    """A file of the real data that may not be committed; skips the test without it."""
    folder = os.environ.get("NOROSHI_DATA")
    path = Path(folder, "decoy", *parts) if folder else None
    if path is None or not path.exists():
        pytest.skip(f"{'/'.join(parts)} may not be committed; set NOROSHI_DATA to a folder with decoy/ in it")
    return path
