"""Reading a log in a test: rows by table with addresses as text, and the rejects."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from noroshi.lake.shape import shaped
from noroshi.model import address
from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading, Sensor
from noroshi.model.tables import TABLES

DATA = Path(__file__).parent / "data"
DATE_US = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()) * 1_000_000


class Slow(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__()
        self._data, self._step = io.BytesIO(data), step

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._data.read(min(len(buffer), self._step))
        buffer[: len(piece)] = piece
        return len(piece)


def reading(data: bytes, *, step: int = 0, start: int = 0, **options: Path) -> Reading:
    """A reading of these bytes, dated 2026-11-20."""
    stream = Slow(data[start:], step) if step else io.BytesIO(data[start:])
    return Reading(
        cast(BinaryIO, stream), "test", DATE_US, start=start, head=data[:4096], options=dict(options)
    )


def read(
    sensor: Sensor, data: bytes, *, step: int = 0, start: int = 0, into: Reading | None = None
) -> tuple[dict[str, list[dict[str, Any]]], list[Reject]]:
    """Rows by table and rejects. Each batch must have its table's schema and no time beyond the source's date."""
    rows: dict[str, list[dict[str, Any]]] = {}
    rejects: list[Reject] = []
    for item in sensor.read(into or reading(data, step=step, start=start)):
        if isinstance(item, Reject):
            rejects.append(item)
            continue
        assert item.table in sensor.tables
        assert item.rows.num_rows
        whole = shaped(TABLES[item.table], with_tlp(item.table, item.rows), "run")
        rows.setdefault(item.table, []).extend(plain(whole))
    return rows, rejects


def with_tlp(table: str, rows: pa.Table) -> pa.Table:
    """With the marking the lake would add."""
    if not TABLES[table].marked or "tlp" in rows.column_names:
        return rows
    return rows.append_column("tlp", pa.array(["clear"] * rows.num_rows))


def plain(rows: pa.Table) -> list[dict[str, Any]]:
    """Rows as dicts, addresses as text, without what the lake adds."""
    return [
        {
            k: address.text(v) if isinstance(v, bytes) else v
            for k, v in row.items()
            if k not in ("run_id", "tlp")
        }
        for row in rows.to_pylist()
    ]


def all_rows(rows: dict[str, list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """The rows of all tables."""
    for some in rows.values():
        yield from some
