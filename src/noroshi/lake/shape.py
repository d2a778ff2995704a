"""From a sensor's batch to the rows of a data file: schema checked, run_id added, cut by day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noroshi.model.errors import LakeError, UsageError
from noroshi.model.schema import Table
from noroshi.model.tlp import Tlp, parse


def shaped(table: Table, rows: pa.Table, run_id: str) -> pa.Table:
    """`rows` with exactly the columns of `table` in order, `run_id` a dictionary of one.

    String and address columns stay dictionary-encoded when they are. Missing nullable columns become null.
    Raises LakeError when a column is unknown, missing, of another type, or null where it may not be.
    """
    target = table.arrow()
    extra = set(rows.column_names) - set(target.names)
    if extra:
        raise LakeError(
            f"table {table.name} has no column {', '.join(sorted(extra))}", todo="Mend the sensor."
        )
    columns, fields = [], []
    for want in target:
        column = _column(table, rows, want, run_id)
        columns.append(column)
        fields.append(pa.field(want.name, column.type, want.nullable))
    return pa.table(columns, schema=pa.schema(fields))


def _column(table: Table, rows: pa.Table, want: pa.Field[Any], run_id: str) -> Any:
    if want.name == "run_id" and "run_id" not in rows.column_names:
        return pa.chunked_array([_constant(run_id, rows.num_rows)])
    if want.name not in rows.column_names:
        if not want.nullable:
            raise LakeError(f"a batch of {table.name} lacks the column {want.name}", todo="Mend the sensor.")
        return pa.chunked_array([pa.nulls(rows.num_rows, want.type)])
    column = rows[want.name]
    if column.null_count and not want.nullable:
        raise LakeError(f"{table.name}.{want.name} may not be null", todo="Mend the sensor.")
    have = column.type
    if have == want.type:
        return column
    try:
        if not pa.types.is_dictionary(have):
            return column.cast(want.type)
        if have.value_type != want.type or have.index_type != pa.int32():
            return column.cast(pa.dictionary(pa.int32(), want.type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as e:
        raise LakeError(f"{table.name}.{want.name}: {e}", todo="Mend the sensor.") from e
    return column


def _constant(text: str, length: int) -> pa.Array[Any]:
    return pa.DictionaryArray.from_arrays(np.zeros(length, np.int32), pa.array([text], pa.string()))


def marked(rows: pa.Table, default: Tlp) -> pa.Table:
    """`rows` with `tlp` in every row: its own, else `default`; what is no marking counts as the strictest."""
    at = rows.schema.get_field_index("tlp")
    if at < 0:
        return rows.append_column(
            pa.field("tlp", pa.string(), False), _repeated(default.value, rows.num_rows)
        )
    coded: Any = rows["tlp"].combine_chunks()
    coded = coded if pa.types.is_dictionary(coded.type) else coded.cast(pa.string()).dictionary_encode()
    told = [_marking(text) for text in coded.dictionary.to_pylist()] + [default.value]
    codes = coded.indices.fill_null(len(told) - 1)
    column = pa.array([t or default.value for t in told], pa.string()).take(codes)
    return rows.set_column(at, pa.field("tlp", pa.string(), False), column)


def _repeated(text: str, length: int) -> Any:
    return pa.repeat(pa.scalar(text, pa.string()), length)


def _marking(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return parse(text).value
    except UsageError:
        return Tlp.RED.value


def completed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """`rows` of a data file with exactly these columns: null where the file is too old to have them."""
    for field in schema:
        if rows.schema.get_field_index(field.name) < 0:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows.select(schema.names).cast(schema)


def plain(rows: pa.Table) -> pa.Table:
    """The same rows without dictionary encoding."""
    for i, column in enumerate(rows.schema):
        if pa.types.is_dictionary(column.type):
            field = pa.field(column.name, column.type.value_type, column.nullable)
            rows = rows.set_column(i, field, rows[column.name].cast(column.type.value_type))
    return rows


def span(table: Table, rows: pa.Table) -> tuple[datetime, datetime] | None:
    """Earliest and latest time of the rows; None for none, or for a table without time."""
    if table.time is None or not rows.num_rows:
        return None
    ends = pc.min_max(rows[table.time])
    high = ends["max"].as_py()
    if table.time == "first_seen" and "last_seen" in rows.column_names:
        high = max(high, pc.max(rows["last_seen"]).as_py())
    return ends["min"].as_py(), high


def by_day(table: Table, rows: pa.Table) -> Iterator[tuple[date | None, pa.Table]]:
    """The rows cut by the UTC day of the table's time, in order of days; as they are when all are of one.

    Rows of one day keep their order. Costs a sort, however many days there are.
    """
    if not rows.num_rows:
        return
    if not table.partitioned:
        yield None, rows
        return
    days = day_numbers(table, rows)
    if days.min() == days.max():
        yield _date(days[0]), rows
        return
    if (days[1:] < days[:-1]).any():
        order: Any = np.argsort(days, kind="stable")
        rows, days = rows.take(order), days[order]
    cuts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
    for start, end in pairwise(cuts):
        yield _date(days[start]), rows.slice(start, end - start)


def day_numbers(table: Table, rows: pa.Table) -> Any:
    """The UTC day of each row, as days since 1970."""
    assert table.time is not None
    micros = rows[table.time].cast(pa.int64()).to_numpy()
    return np.floor_divide(micros, 86_400_000_000)


def _date(number: Any) -> date:
    return date(1970, 1, 1) + timedelta(days=int(number))


def now() -> datetime:
    """The time, UTC, in microseconds."""
    return datetime.now(UTC)


def after(moment: datetime | None) -> datetime:
    """Now, and in any case later than `moment`: revisions of one thing never share a time."""
    present = now()
    return present if moment is None or present > moment else moment + timedelta(microseconds=1)
