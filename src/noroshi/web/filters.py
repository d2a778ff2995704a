"""Filters over a table's columns, as they stand in a URL: names are looked up, values are parameters.

`dst_port=23`, `dst_port.in=23,2323`, `first_seen.gte=2024-04-01`, `src_ip=192.0.2.0/24`, `username.contains=root`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from noroshi.model import address
from noroshi.model.errors import UsageError
from noroshi.model.schema import Column, Table
from noroshi.web import timerange

MOST = 12
"""Filters at once."""
LISTED = 200
"""Values of `in`."""
LONGEST = 1000
COMPARED = {"": "=", "eq": "=", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
OPERATORS = (*COMPARED, "in", "contains", "prefix", "null")


@dataclass
class Where:
    """A condition in SQL and its parameters."""

    parts: list[str] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def sql(self) -> str:
        """The condition; `true` when there is none."""
        return " AND ".join(self.parts) or "true"

    def add(self, text: str, *values: Any) -> None:
        """A condition of ours; each `{}` in it becomes a parameter."""
        names = []
        for value in values:
            name = f"f{len(self.params)}"
            self.params[name] = value
            names.append(f"${name}")
        self.parts.append(f"({text.format(*names)})")


def where(table: Table, words: Iterable[tuple[str, str]]) -> Where:
    """The condition that words of a URL make. Raises UsageError for a column there is not or a value that is none."""
    out, columns = Where(), {c.name: c for c in table.columns}
    for word, value in words:
        name, _, operator = word.partition(".")
        if name not in columns:
            raise UsageError(f"{table.name} has no column {name[:64]!r}", where=word[:100],
                             todo=f"Columns: {', '.join(columns)}.")  # fmt: skip
        if operator not in OPERATORS:
            raise UsageError(f"there is no comparison {operator[:20]!r}", where=word[:100],
                             todo=f"Known: {', '.join(o for o in OPERATORS if o)}.")  # fmt: skip
        if len(out.parts) >= MOST or len(value) > LONGEST:
            raise UsageError("too many or too long filters", where=word[:100], todo=f"At most {MOST}.")
        _one(out, columns[name], operator, value)
    return out


def _one(out: Where, column: Column, operator: str, value: str) -> None:
    name = (
        '"' + column.name.replace('"', '""') + '"'
    )  # a name of model.tables, quoted because some are SQL's words
    if operator == "null":
        out.add(f"{name} IS {'' if value.lower() in ('1', 'true', 'yes') else 'NOT '}NULL")
    elif column.type == "strings":
        if operator not in ("", "eq", "contains"):
            raise _no_such(column, operator)
        out.add(f"list_contains({name}, {{}})", value)
    elif operator in ("contains", "prefix"):
        if column.type != "string":
            raise _no_such(column, operator)
        text = (
            f"contains(lower({name}), lower({{}}))"
            if operator == "contains"
            else f"starts_with({name}, {{}})"
        )
        out.add(text, value)
    elif operator == "in":
        values = [typed(column, v) for v in value.split(",")]
        if len(values) > LISTED:
            raise UsageError(f"more than {LISTED} values", where=column.name, todo="Ask twice.")
        out.add(f"{name} IN ({', '.join(['{}'] * len(values))})", *values)
    elif column.type == "address" and "/" in value:
        if COMPARED[operator] not in ("=", "!="):
            raise _no_such(column, operator)
        low, high = address.prefix_range(value)
        out.add(f"{'NOT ' if operator == 'ne' else ''}{name} BETWEEN {{}} AND {{}}", low, high)
    else:
        out.add(f"{name} {COMPARED[operator]} {{}}", typed(column, value))


def typed(column: Column, value: str) -> Any:
    """A word as a value of the column's type. Raises UsageError."""
    try:
        return _TYPES[column.type](value)
    except (ValueError, OverflowError):
        raise UsageError(f"{value[:100]!r} is no value of {column.name}", where=column.name,
                         todo=f"It is of type {column.type}.") from None  # fmt: skip


def _integer(bits: int) -> Callable[[str], int]:
    def parse(word: str) -> int:
        n = int(word[:25])
        if not -(1 << bits - 1) <= n < 1 << bits - 1:
            raise ValueError(word)
        return n

    return parse


def _truth(word: str) -> bool:
    if word.lower() not in ("true", "false", "1", "0"):
        raise ValueError(word)
    return word.lower() in ("true", "1")


_TYPES: dict[str, Callable[[str], Any]] = {
    "address": address.pack, "string": str, "bool": _truth, "int16": _integer(16), "int32": _integer(32),
    "int64": _integer(64), "float64": float, "ts": timerange.moment, "date": date.fromisoformat, "strings": str,
}  # fmt: skip


def _no_such(column: Column, operator: str) -> UsageError:
    return UsageError(f"{column.name} is of type {column.type}, which cannot be compared by {operator!r}",
                      where=f"{column.name}.{operator}", todo="Use = or in.")  # fmt: skip
