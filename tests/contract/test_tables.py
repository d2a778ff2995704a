"""The tables agree with each other, with Delta, and with how addresses are printed."""

from __future__ import annotations

from itertools import chain

import pyarrow as pa
import pytest

from noroshi.model.schema import TYPES, Column, Table
from noroshi.model.tables import TABLES

COLUMNS = [(t, c) for t in TABLES.values() for c in t.columns]


def test_one_name_has_one_type_and_unit() -> None:
    seen: dict[str, tuple[str, str, str]] = {}
    for table, column in COLUMNS:
        name, type_, unit = seen.setdefault(column.name, (table.name, column.type, column.unit))
        if column.name == "count":  # what is counted is what the table holds, and its sentence says so
            unit = column.unit
        assert (type_, unit) == (column.type, column.unit), f"{column.name}: {name} and {table.name} disagree"


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda v: v.name)
def test_every_column_has_a_type_and_a_sentence(table: Table, column: Column) -> None:
    assert column.type in TYPES
    assert column.doc.endswith(".")
    assert column.name == column.name.lower()
    assert column.name != "day" or table.name == "links", "day is the partition"


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: t.name)
def test_table(table: Table) -> None:
    names = [c.name for c in table.columns]
    assert TABLES[table.name] is table
    assert len(set(names)) == len(names)
    assert set(table.sort) <= set(names)
    assert table.doc.endswith(".")
    if table.time:
        assert table.column(table.time).type == "ts"


def test_every_binary_column_is_an_address() -> None:
    for table in TABLES.values():
        for column, field in zip(table.columns, table.arrow(), strict=True):
            assert (field.type == pa.binary()) == (column.type == "address")


def test_only_types_that_delta_has() -> None:
    schemas = chain.from_iterable(t.arrow(partition=True) for t in TABLES.values())
    for field in schemas:
        assert not pa.types.is_unsigned_integer(field.type)
        if pa.types.is_timestamp(field.type):
            assert (field.type.unit, field.type.tz) == ("us", "UTC")


def test_every_fact_names_its_run() -> None:
    for name in ("flows", "links", "rejects"):
        assert TABLES[name].column("run_id").type == "string"
