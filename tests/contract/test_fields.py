"""Every column of every table has a class of field, so that no new one leaves unmasked."""

from __future__ import annotations

import pytest

from noroshi.model.schema import Column, Table
from noroshi.model.tables import TABLES
from noroshi.share.anonymise import classes
from noroshi.share.profile import ALLOWED

COLUMNS = [(t, c) for t in TABLES.values() for c in t.columns]


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda v: v.name)
def test_every_column_has_a_class(table: Table, column: Column) -> None:
    field = classes.column_class(table.name, column.name)
    assert field in classes.FIELDS or field in classes.INNER, (
        f"{table.name}.{column.name} has no class: say in share/anonymise/classes.py what it may tell of whom"
    )


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda v: v.name)
def test_the_class_fits_the_column(table: Table, column: Column) -> None:
    field = classes.column_class(table.name, column.name)
    linked = next((link for link in table.links if link.column == column.name), None)
    if column.type == "address":
        assert field in ("address", "own-address")
    if linked and linked.kind in ("ip", "host"):
        assert field in ("address", "host", "own-address")
    if linked and linked.kind == "typed":
        assert field in ("typed", "host-key")
    if linked and linked.kind_from:
        assert field in ("value", "public")
    if linked and linked.kind == "credential":
        assert field == "user-name"
    if column.type in ("ts", "date"):
        assert field in ("time", "public")


def test_no_class_is_left_from_columns_that_went() -> None:
    names = {c.name for _, c in COLUMNS}
    assert set(classes._BY_NAME) <= names
    assert all(TABLES[t].column(c) for t, c in {**classes._IN_TABLE, **classes.ASIDE})
    assert all(TABLES[t].column(c) for t, c in classes.VICTIM_COLUMNS)


def test_every_class_has_actions_and_every_key_of_evidence_a_class() -> None:
    assert set(ALLOWED) == set(classes.FIELDS)
    assert set(classes.EVIDENCE.values()) <= set(classes.FIELDS)
