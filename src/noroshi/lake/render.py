"""Rows as people and JSON read them."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from noroshi.model import address
from noroshi.model.finding import iso

if TYPE_CHECKING:
    import pyarrow as pa


NAMED: Final = 12
"""Digits of a digest in the name of a row."""


def row_id(table: str, sha256: str | None, offset: int) -> str:
    """The name of a row, which `why` takes: its table, the beginning of its source's digest, its offset there."""
    return f"{table}:{(sha256 or '')[:NAMED]}:{offset}"


def to_text(table: pa.Table) -> list[dict[str, Any]]:
    """The rows as JSON types: addresses as text, other binary as hexadecimal, times as ISO 8601 with Z.

    Columns of one name are told apart by a number, so that none is lost.
    """
    names = _distinct(table.column_names)
    columns = [[_value(v) for v in column.to_pylist()] for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _distinct(names: list[str]) -> list[str]:
    out: list[str] = []
    for name in names:
        number, unique = 1, name
        while unique in out:
            unique, number = f"{name}_{number}", number + 1
        out.append(unique)
    return out


def _value(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value if value == value and value not in (float("inf"), float("-inf")) else str(value)
        case bytes():
            return address.text(value) if address.is_packed(value) else value.hex()
        case datetime():
            return iso(value) if value.tzinfo else value.isoformat()
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case dict():
            return {str(k): _value(v) for k, v in value.items()}
        case list() | tuple():
            return [_value(v) for v in value]
    return str(value)
