"""Real captures as rows of `flows`, read with the sensor that ships; dpkt reads them in other tests."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from noroshi import registry
from noroshi.model.sensor import Batch, Reading
from noroshi.model.tables import TABLES
from tests.support.darkdata import capture

_2100_US = 4_102_444_800_000_000


def data(path: str) -> Path:
    """A file that may not be committed; skips, visibly, where it is not at hand."""
    root = os.environ.get("NOROSHI_DATA")
    if not root or not (Path(root) / path).exists():
        pytest.skip(f"NOROSHI_DATA/{path} is not here")
    return Path(root) / path


def read(name: str) -> pa.Table:
    """The rows of a capture, in the schema of `flows`; skips when the capture is not at hand."""
    path = capture(name)
    with path.open("rb") as stream:
        head = stream.read(4096)
    sensor = next(s for s in map(registry.sensor, registry.SENSORS) if s.sniff(head))
    schema = TABLES["flows"].arrow()
    with path.open("rb") as stream:
        reading = Reading(stream, name, _2100_US, workers=1)
        tables = [b.rows for b in sensor.read(reading) if isinstance(b, Batch) and b.table == "flows"]
    return pa.concat_tables([_plain(t, schema) for t in tables]) if tables else schema.empty_table()


def days(rows: pa.Table) -> list[date]:
    """The UTC days of the rows."""
    seen = rows.column("first_seen").cast(pa.int64()).to_numpy() // 86_400_000_000
    return [datetime.fromtimestamp(int(d) * 86_400, UTC).date() for d in sorted(set(seen.tolist()))]


def _plain(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table in the lake's schema: dictionaries decoded, the run added."""
    columns = []
    for field in schema:
        if field.name == "run_id":
            columns.append(pa.array(["run"] * table.num_rows, field.type))
        else:
            columns.append(table.column(field.name).cast(field.type))
    return pa.table(columns, schema=schema)
