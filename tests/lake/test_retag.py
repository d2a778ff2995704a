"""Rows changed in place: only those asked for, in order, counted."""

from __future__ import annotations

import pyarrow as pa
import pytest

from noroshi.lake.handle import Lake
from noroshi.model.errors import LakeError, UsageError
from tests.lake.support import count, flows, some, store


def retag(rows: pa.Table) -> pa.Table:
    """Rules 2: everything is Mirai."""
    n = rows.num_rows
    for name, value in (("tool", pa.array(["mirai"] * n)), ("rules_version", pa.array([2] * n, pa.int32()))):
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.schema.field(at), value)
    return rows


@pytest.mark.parametrize("compacted", [False, True])
def test_only_rows_asked_for(lake: Lake, compacted: bool) -> None:
    store(lake, "a", flows(some(40, days=2) + some(40, days=2, src="203.0.113.", dport=23)))
    if compacted:
        lake.compact()
    order = "SELECT * EXCLUDE (tool, rules_version) FROM flows WHERE day = '2024-04-01'"
    before = lake.snapshot().sql(order).to_pylist()
    assert lake.rewrite("flows", "dst_port = 23", retag) == 40
    shot = lake.snapshot()
    assert count(shot, "flows WHERE tool = 'mirai' AND dst_port = 23") == 40
    assert count(shot, "flows WHERE tool = 'mirai'") == 40
    assert shot.sql(order).to_pylist() == before  # the order of rows too
    assert lake.rewrite("flows", "dst_port = 23", retag) == 0
    assert lake.verify() == []


def test_files_without_such_rows_stay(lake: Lake) -> None:
    store(lake, "a", flows(some(10)))
    store(lake, "b", flows(some(10, rules_version=2)))
    before = set(lake.snapshot().files("flows"))
    assert lake.rewrite("flows", "rules_version < 2", retag) == 10
    assert len(before & set(lake.snapshot().files("flows"))) == 1


def test_number_of_rows_is_kept(lake: Lake) -> None:
    store(lake, "a", flows(some(10)))
    with pytest.raises(LakeError, match="number"):
        lake.rewrite("flows", "true", lambda rows: rows.slice(1))
    assert count(lake.snapshot()) == 10


def test_wrong_condition(lake: Lake) -> None:
    store(lake, "a", flows(some(10)))
    with pytest.raises(UsageError, match="colour"):
        lake.rewrite("flows", "colour = 1", retag)
