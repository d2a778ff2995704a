"""SQL for people: one SELECT over the lake, its answer in JSON types with addresses as text."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from noroshi.model import address
from noroshi.model.finding import iso

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.lake import Lake


def select(lake: Lake, text: str) -> pa.Table:
    """The answer to one SELECT over all tables. Raises UsageError when it is no such thing."""
    return lake.snapshot().sql(text)


def columns(table: pa.Table) -> list[str]:
    """Names of the columns, made distinct (`n`, `n_1`) as a JSON object needs them."""
    names: list[str] = []
    for name in table.column_names:
        n, free = 1, name
        while free in names:
            free, n = f"{name}_{n}", n + 1
        names.append(free)
    return names


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """The rows as JSON types: addresses as text, times as ISO 8601 with Z, other bytes as hex."""
    names = columns(table)
    values = [_column(table.column(i)) for i in range(table.num_columns)]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _column(column: Any) -> list[Any]:
    import pyarrow as pa

    values = column.to_pylist()
    plain = (
        pa.types.is_string(column.type)
        or pa.types.is_integer(column.type)
        or pa.types.is_boolean(column.type)
    )
    if plain:
        return list(values)
    seen: dict[Any, Any] = {}
    return [_memo(seen, v) if isinstance(v, bytes) else jsonable(v) for v in values]


def _memo(seen: dict[Any, Any], value: bytes) -> str:
    # The same address stands in many rows, and formatting IPv6 is slow.
    if value not in seen:
        seen[value] = jsonable(value)
    return str(seen[value])


def _bytes(value: bytes) -> str:
    return address.text(value) if address.is_packed(value) else value.hex()


def _decimal(value: Decimal) -> int | float:
    # sum() of a BIGINT is a HUGEINT, which Arrow carries as a decimal.
    return int(value) if value == value.to_integral_value() else float(value)


def _time(value: datetime) -> str:
    return iso(value) if value.tzinfo else value.isoformat()


_CONVERT: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    (bytes, _bytes),
    (Decimal, _decimal),
    (float, lambda v: v if math.isfinite(v) else None),
    (datetime, _time),
    ((date, time), lambda v: v.isoformat()),
    (timedelta, lambda v: v.total_seconds()),
    (dict, lambda v: {str(k): jsonable(x) for k, x in v.items()}),
    ((list, tuple), lambda v: [jsonable(x) for x in v]),
)


def jsonable(value: Any) -> Any:
    """A value of an Arrow table as a JSON type."""
    if value is None or isinstance(value, str | bool | int):
        return value
    for kind, convert in _CONVERT:
        if isinstance(value, kind):
            return convert(value)
    return str(value)
