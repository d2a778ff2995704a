# ruff: noqa: S608 - SQL made of names from model.tables and of quoted literals
"""History re-tagged: rows that meet a condition replaced by what a pure function makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noroshi.lake import macros
from noroshi.lake.delta import DataFile
from noroshi.lake.sql import connect, literal, scan, telling_sql
from noroshi.lake.swap import exchange
from noroshi.model.errors import LakeError
from noroshi.model.schema import Table
from noroshi.model.tables import TABLES

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake


def rewrite(lake: Lake, table: str, where: str, change: Callable[[pa.Table], pa.Table]) -> int:
    """See Lake.rewrite."""
    store, count = lake.stores[table], 0
    con = connect(lake.temporary)
    macros.install(con)
    try:
        for name in _concerned(con, lake, TABLES[table], where):
            touched = 0

            def pick(files: Sequence[DataFile], name: str = name) -> list[DataFile]:
                nonlocal touched
                touched = 0
                return [f for f in files if f.path == name]

            def step(rows: pa.Table) -> pa.Table:
                nonlocal touched
                out, differing = _changed(con, TABLES[table], rows, where, change)
                touched += differing
                return out

            exchange(lake.path, store, pick, step)
            count += touched
    finally:
        con.close()
    return count


def _concerned(con: duckdb.DuckDBPyConnection, lake: Lake, table: Table, where: str) -> list[str]:
    """Paths of files with at least one row that meets the condition."""
    store, out = lake.stores[table.name], []
    for file in store.files():
        rows = scan(table, [store.root / file.path])
        with telling_sql():
            if con.execute(f"SELECT 1 FROM ({rows}) WHERE {where} LIMIT 1").fetchall():
                out.append(file.path)
    return out


def _changed(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    rows: pa.Table,
    where: str,
    change: Callable[[pa.Table], pa.Table],
) -> tuple[pa.Table, int]:
    """`rows` with those that meet the condition changed, in the same order; how many differ."""
    con.register("_rows", rows)
    with telling_sql():
        told = con.sql(f"SELECT coalesce({where}, false) AS hit FROM _rows").to_arrow_table()
    con.unregister("_rows")
    hits: Any = told["hit"].combine_chunks()
    before = rows.filter(hits)
    if not before.num_rows:
        return rows, 0
    after = change(before)
    if after.num_rows != before.num_rows:
        raise LakeError("a change of stored rows must keep their number", where=literal(table.name))
    after = after.select(rows.column_names).cast(rows.schema)
    count = int(np.count_nonzero(_differ(before, after)))
    if before.num_rows == rows.num_rows:
        return after, count
    places = pa.concat_arrays([pc.indices_nonzero(hits), pc.indices_nonzero(pc.invert(hits))])
    whole = pa.concat_tables([after, rows.filter(pc.invert(hits))])
    return whole.take(pc.sort_indices(places)), count


def _differ(before: pa.Table, after: pa.Table) -> Any:
    """One boolean per row: true when any column is not the same."""
    out: Any = pa.array([False] * before.num_rows)
    for name in before.column_names:
        a, b = before[name], after[name]
        unequal: Any = pc.not_equal(a, b)
        unlike: Any = pc.fill_null(unequal, False)
        out = pc.or_(out, pc.or_(unlike, pc.xor(pc.is_null(a), pc.is_null(b))))
    return out
