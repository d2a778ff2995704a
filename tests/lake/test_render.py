"""Rows as JSON types."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa

from noroshi.lake.handle import Lake
from noroshi.lake.render import to_text
from noroshi.model import address
from noroshi.model.tables import TABLES
from tests.lake.support import flows, some, store


def test_every_kind_of_value() -> None:
    table = pa.table(
        {
            "a": [address.pack("255.255.255.255"), address.pack("2001:db8::1"), b"\xab", None],
            "t": pa.array([datetime(2024, 4, 1, 1, 2, 3, 4, UTC)] * 4, pa.timestamp("us", "UTC")),
            "d": [date(2024, 4, 1)] * 4,
            "l": [[address.pack("1.2.3.4")], [], None, [b"\x00"]],
            "s": [{"x": address.pack("::1"), "y": [{"z": date(1970, 1, 1)}]}] * 4,
            "n": pa.array([Decimal("3"), Decimal("4"), None, Decimal("5")], pa.decimal128(38, 0)),
            "f": [1.5, float("nan"), float("inf"), None],
            "i": pa.array([timedelta(seconds=90)] * 4),
        }
    )
    rows = to_text(table)
    assert [r["a"] for r in rows] == ["255.255.255.255", "2001:db8::1", "ab", None]
    assert rows[0]["t"] == "2024-04-01T01:02:03.000004Z"
    assert rows[0]["d"] == "2024-04-01"
    assert rows[0]["l"] == ["1.2.3.4"]
    assert rows[3]["l"] == ["00"]
    assert rows[0]["s"] == {"x": "::1", "y": [{"z": "1970-01-01"}]}
    assert rows[0]["n"] == 3
    assert rows[0]["i"] == 90.0
    assert [r["f"] for r in rows] == [1.5, "nan", "inf", None]
    json.dumps(rows, allow_nan=False)


def test_columns_of_one_name_and_no_rows() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], names=["n", "n", "n"])
    assert to_text(table) == [{"n": 1, "n_1": 2, "n_2": 3}]
    assert to_text(pa.table({"a": pa.array([], pa.int64())})) == []


def test_binary_columns_are_addresses() -> None:
    """What lets results be printed without knowing the schema."""
    for table in TABLES.values():
        for column in table.columns:
            assert (column.type == "address") == (table.arrow().field(column.name).type == pa.binary())


def test_whole_rows(lake: Lake) -> None:
    store(lake, "a", flows(some(3)))
    rows = to_text(lake.snapshot().sql("SELECT *, [src_ip] AS list, {'a': dst_ip} AS s FROM flows"))
    assert rows[0]["list"][0].startswith("192.0.2.")
    assert rows[0]["s"] == {"a": "198.51.100.1"}
    json.dumps(rows)
