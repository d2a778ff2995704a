"""Reads sources with a sensor and gives rows as dictionaries without nulls, checked against their tables."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from noroshi.model import address
from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading, Sensor
from noroshi.model.tables import TABLES

DATA = Path(__file__).parent / "data"
NOW_US = 1_800_000_000_000_000
"""2027-01-15: later than every sample."""
Found = dict[str, list[dict[str, Any]]]


def reading(data: bytes, date_us: int = NOW_US) -> Reading:
    """A reading of these bytes."""
    return Reading(io.BytesIO(data), "-", date_us, head=data[:4096])


def rows(sensor: Sensor, data: bytes, date_us: int = NOW_US) -> tuple[Found, list[Reject]]:
    """Rows by table, addresses as text; and the rejects. Every batch fits its table's schema."""
    found: Found = {}
    rejects = []
    for item in sensor.read(reading(data, date_us)):
        if isinstance(item, Reject):
            assert 0 <= item.position <= len(data)
            rejects.append(item)
            continue
        assert item.table in sensor.tables
        schema = TABLES[item.table].arrow()
        for field in item.rows.schema:
            assert field.type == schema.field(field.name).type, field.name
            assert schema.field(field.name).nullable or not item.rows[field.name].null_count, field.name
        given = set(item.rows.schema.names)
        assert all(f.nullable or f.name in given or f.name == "run_id" for f in schema)
        for row in item.rows.to_pylist():
            assert 0 <= row["offset"] <= len(data)
            shown = {
                k: address.text(v) if isinstance(v, bytes) else v for k, v in row.items() if v is not None
            }
            found.setdefault(item.table, []).append(shown)
    return found, rejects


def real(*parts: str) -> Path:
    """A file of the real data that may not be committed; skips the test without it."""
    folder = os.environ.get("NOROSHI_DATA")
    path = Path(folder or "/nonexistent", *parts)
    if not path.is_file():
        pytest.skip(f"{'/'.join(parts)} may not be committed; set NOROSHI_DATA")
    return path


def archived(*parts: str) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of the files of an archive of the real data; skips the test without it."""
    with (
        real(*parts).open("rb") as raw,
        zstandard.ZstdDecompressor().stream_reader(raw) as plain,
        tarfile.open(fileobj=plain, mode="r|") as archive,
    ):
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name, file.read()
