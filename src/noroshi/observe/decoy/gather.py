"""What the decoy sensors share: rows gathered as tuples, times in bulk, ports, masked samples."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.model.tables import TABLES
from noroshi.observe.jsonlines import Lines
from noroshi.observe.rows import DAY_US, EARLIEST_US, Rows, in_time, micros, packed

T = TypeVar("T")

ROWS: Final = 20_000
"""Rows of a table that are handed on together."""
READ: Final = 16 << 20
"""Bytes of the source after which what is held is handed on, however few rows: texts may be long."""
MOST: Final = 10_000
"""Logins or commands of one line that become rows; the rest is told by a reject."""
SHORT: Final = 1_024
"""Characters kept of names, versions and addresses, which are longer only to do harm."""
_SECRET: Final = re.compile(rb"(?i)pass|message|cred|login attempt|logdata|auth|input|arg|data|user")


class Gather:
    """Rows of several tables as tuples, one list a table, made into batches column by column.

    gather = Gather(logins=("ts", "src_ip", ...), ...)
    gather.rows["logins"].append((ts, src_ip, ...))
    yield from gather.ready(bytes read since the last call)
    yield from gather.rest()
    """

    def __init__(self, **columns: Sequence[str]) -> None:
        self.rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in columns}
        self._columns = columns
        self._read = 0

    def ready(self, read: int) -> Iterator[Batch]:
        """Batches of all that is held when it is much."""
        self._read += read
        if self._read >= READ or any(len(held) >= ROWS for held in self.rows.values()):
            yield from self.rest()

    def rest(self) -> Iterator[Batch]:
        """Batches of all that is held."""
        self._read = 0
        for table, held in self.rows.items():
            if held:
                yield _batch(table, self._columns[table], held)
                held.clear()


def _batch(table: str, names: Sequence[str], held: list[tuple[Any, ...]]) -> Batch:
    import pyarrow as pa

    schema = TABLES[table].arrow()
    fields = [schema.field(name) for name in names]
    arrays = [pa.array(values, f.type) for values, f in zip(zip(*held, strict=True), fields, strict=True)]
    return Batch(table, pa.table(arrays, schema=pa.schema(fields)))


def written(
    reading: Reading, lines: Lines[T], rows: Rows, handle: Callable[[T, int], Reject | None]
) -> Iterator[Batch | Reject]:
    """Reads lines, lets `handle(value, offset)` write `rows`, and hands on batches and rejects in bounded memory."""
    before = reading.start
    for part in lines.read(reading):
        if isinstance(part, Reject):
            yield part
            continue
        for value, offset in zip(part.values, part.offsets, strict=True):
            refused = handle(value, offset)
            if refused is not None:
                yield refused
            if offset - before >= READ:
                before = offset
                yield from rows.rest()
        yield from rows.ready()


def times(texts: list[str]) -> list[int | None]:
    """µs since 1970 of each ISO 8601 time (no zone: UTC); None for what is no time."""
    import pyarrow as pa

    held = pa.array(texts, pa.string())
    for zone in ("UTC", None):  # Arrow takes texts with a zone or texts without one, never both
        try:
            found: list[int | None] = held.cast(pa.timestamp("us", zone)).cast(pa.int64()).to_pylist()
        except pa.ArrowInvalid:
            continue
        return found
    return [micros(text[:64]) for text in texts]


def moment(text: str | None, reading: Reading) -> int | None:
    """µs since 1970 of one time; None when it is none, or none a row of this source may have."""
    found = micros(text[:64]) if text else None
    return found if in_time(found, reading) else None


def host(text: str | None) -> bytes | None:
    """The stored form of an address; a text too long for one does not fill the memory of `packed`."""
    return packed(text) if text and len(text) <= 45 else None


def beyond(count: int, offset: int) -> Reject | None:
    """A reject for what a line holds beyond MOST."""
    if count <= MOST:
        return None
    left = count - MOST
    return Reject(offset, "too-many", f"{count:,} entries in one line, {left:,} of them left out", count=left)


def span(reading: Reading) -> tuple[int, int]:
    """First and last time a row of this source may have, µs since 1970."""
    return EARLIEST_US, reading.source_date_us + DAY_US


def port(value: Any) -> int:
    """A port, also one written as text; 0 when it is none."""
    if type(value) is int and 0 <= value <= 65_535:
        return value
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < 6:
        return min(int(value), 65_536) % 65_536
    return 0


def text(value: Any, limit: int = 64 << 10) -> str | None:
    """A text as it stands, clipped; numbers and booleans are written out, null stays null."""
    if value is None or (type(value) is str and len(value) <= limit and value.isascii()):
        return value
    if not isinstance(value, str):
        try:
            value = str(value)
        except ValueError:  # an integer of thousands of digits
            return "?"
    clean: str = value if value.isascii() or _encodable(value) else value.encode("utf-8", "replace").decode()
    return clean if len(clean) <= limit else clean[:limit]


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def short(value: Any) -> str | None:
    """A short text: a name, a version, an address; empty is null."""
    if type(value) is str and len(value) <= SHORT and value.isascii():
        return value or None
    return text(value, SHORT) or None


def masked(line: bytes) -> bytes:
    """What may be kept of a bad line: its beginning up to the first key behind which a password may stand.

    A line that does not begin like an object may be the second half of one: nothing of it is kept.
    """
    head = line[:64]
    if not head.startswith(b"{"):
        return b""
    found = _SECRET.search(head)
    return head[: found.start()] if found else head
