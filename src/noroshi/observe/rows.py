"""Rows gathered in Python and handed on as batches: the plain way for sensors whose source is no columns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from noroshi.model import address
from noroshi.model.errors import UsageError
from noroshi.model.sensor import Batch, Reading
from noroshi.model.tables import TABLES

ROWS: Final = 20_000
"""Rows of a table gathered before they are handed on."""
WEIGHT: Final = 32 << 20
"""Characters of all texts gathered before they are handed on: a banner may be a megabyte."""
TEXT: Final = 64 << 10
"""Characters of a free text that are kept."""
EARLIEST_US: Final = 631_152_000_000_000
"""1990-01-01: no sensor is older; an earlier time is a clock that was never set."""
DAY_US: Final = 86_400_000_000


class Rows:
    """Gathers rows of several tables; times are µs since 1970, addresses stored bytes (`packed`).

    rows = Rows()
    rows.add("logins", ts=..., src_ip=..., ...)     # missing nullable columns become null
    yield from rows.ready()                          # after each piece of input
    yield from rows.rest()                           # at the end
    """

    def __init__(self, limit: int = ROWS) -> None:
        self._limit = limit
        self._held: dict[str, list[dict[str, Any]]] = {}
        self._full = False
        self._weight = 0

    def add(self, table: str, **values: Any) -> None:
        """Takes a row; KeyError when the table has no such column is left to the lake's check."""
        for value in values.values():
            if type(value) is str:
                self._weight += len(value)
            elif type(value) is list:
                self._weight += sum(map(len, value))
        held = self._held.setdefault(table, [])
        held.append(values)
        if len(held) >= self._limit:
            self._full = True

    def ready(self) -> Iterator[Batch]:
        """Batches of the tables that hold enough; of all when together they weigh too much."""
        if self._weight > WEIGHT:
            yield from self.rest()
        elif self._full:
            self._full = False
            for table in [t for t, held in self._held.items() if len(held) >= self._limit]:
                yield _batch(table, self._held.pop(table))

    def rest(self) -> Iterator[Batch]:
        """Batches of all that is left."""
        for table, held in self._held.items():
            if held:
                yield _batch(table, held)
        self._held, self._weight = {}, 0


def _batch(table: str, held: list[dict[str, Any]]) -> Batch:
    import pyarrow as pa

    names = dict.fromkeys(name for row in held for name in row)
    schema = TABLES[table].arrow()
    unknown = [n for n in names if schema.get_field_index(n) < 0]
    if unknown:
        raise KeyError(f"table {table} has no column {', '.join(unknown)}")
    columns, fields = [], []
    for name in names:
        field = schema.field(name)
        columns.append(pa.array([row.get(name) for row in held], field.type))
        fields.append(field)
    return Batch(table, pa.table(columns, schema=pa.schema(fields)))


@lru_cache(maxsize=100_000)
def packed(text: str) -> bytes | None:
    """The stored form of an address in text; None when it is none."""
    try:
        return address.pack(text)
    except UsageError:
        return None


def micros(text: str) -> int | None:
    """µs since 1970 of an ISO 8601 time (no zone: UTC) or of seconds since 1970; None when it is neither."""
    text = text.strip()
    try:
        return seconds(float(text))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    except OverflowError:
        return None
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def seconds(value: float) -> int | None:
    """µs since 1970 of seconds since 1970; None when it is no number a clock shows."""
    return round(value * 1e6) if abs(value) < 1e11 else None


def in_time(ts_us: int | None, reading: Reading) -> bool:
    """True when a row may be of this time: not before 1990, at most a day after the source's own date."""
    return ts_us is not None and EARLIEST_US <= ts_us <= reading.source_date_us + DAY_US


def clipped(text: str | None, limit: int = TEXT) -> str | None:
    """A free text, at most `limit` characters of it."""
    return text if text is None or len(text) <= limit else text[:limit]
