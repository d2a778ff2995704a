"""JSON documents of advisories and bills of materials: records with their offsets, members of any shape as texts.

A source may be one record, an array of records, one record a line, or records that follow each other. Small ones
are decoded at once; arrays and documents beyond SMALL are split in bounded memory.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, BinaryIO, Final, cast

import msgspec
import numpy as np

from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading
from noroshi.observe.jsonlines import Lines, first_object
from noroshi.observe.rows import EARLIEST_US, clipped, in_time, micros

SMALL: Final = 4 << 20
"""Bytes decoded at once; nearly every record stands in a file of its own, of some kB."""
LARGE: Final = 256 << 20
"""Bytes of a bill of materials: it is held as bytes, because what its components belong to may stand at its end.
The largest public ones have some 100 MB; only one component at a time is decoded."""
NAME: Final = 1_000
"""Characters of a name, id, version or vector that are kept."""
ELEMENT: Final = 4 << 20
"""Bytes of one component: decoded it takes up to a hundred times as much memory."""
_YEAR_ONE_US: Final = -62_135_596_800_000_000
"""0001-01-01: how Go writes that there is no time."""


@lru_cache(maxsize=4)
def beginning(head: bytes) -> dict[str, Any]:
    """The members of the first JSON object in `head`, as far as they are complete; empty when there is none."""
    if head[:64].lstrip(b"\xef\xbb\xbf \t\r\n[,")[:1] != b"{":
        return {}
    return first_object(head) or {}


class Chained(io.RawIOBase):
    """What was read already, then the rest of a stream."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        self._first, self._rest = memoryview(first), rest

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; fewer only at the end of either part."""
        if len(self._first):
            size = len(self._first) if size < 0 else size
            out, self._first = bytes(self._first[:size]), self._first[size:]
            return out
        return self._rest.read(size)


def upto(stream: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes of a stream that may give fewer at a time."""
    parts, left = [], size
    while left > 0 and (some := stream.read(min(left, 1 << 20))):
        parts.append(some)
        left -= len(some)
    return b"".join(parts)


def records(reading: Reading) -> Iterator[tuple[int, dict[str, Any]] | Reject]:
    """(offset, record) of every JSON object of the source, in bounded memory.

    Reasons: json, json-depth, shape (no object), and those of `wire.jsonsplit` for large or damaged sources.
    """
    data = upto(reading.stream, SMALL + 1)
    whole = len(data) <= SMALL
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    at = len(data) - len(text)
    first_line, _, rest = text.partition(b"\n")
    if text.startswith(b"{") and rest.strip() and _complete(first_line):
        lines = replace(reading, stream=cast("BinaryIO", Chained(data, reading.stream)))
        yield from _objects(Lines(Any).each(lines))
        return
    if whole and (found := _at_once(text)) is not None:
        reading.advance(len(data))
        for start, raw in found:
            yield _decoded(at + start, raw)
        return
    yield from _split(replace(reading, stream=cast("BinaryIO", Chained(data, reading.stream))))


def _complete(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return False
    return True


def _at_once(text: bytes) -> list[tuple[int, bytes]] | None:
    """(offset, JSON) of the one record or of each element of the one array; None when it is neither."""
    try:
        if text.startswith(b"["):
            return elements(text)
        msgspec.json.decode(text, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return None
    return [(0, text)]


def elements(text: bytes | msgspec.Raw) -> list[tuple[int, bytes]]:
    """(offset within `text`, JSON) of the elements of an array; raises ValueError or RecursionError when it is none."""
    data = memoryview(text)
    base = _address(data)
    found = msgspec.json.decode(data, type=list[msgspec.Raw])
    return [(_address(memoryview(raw)) - base, bytes(raw)) for raw in found]


def _address(view: memoryview) -> int:
    return int(np.frombuffer(view, np.uint8).__array_interface__["data"][0]) if len(view) else 0


def _decoded(offset: int, raw: bytes) -> tuple[int, dict[str, Any]] | Reject:
    try:
        found = msgspec.json.decode(raw)
    except RecursionError:
        return Reject(offset, "json-depth", "nested too deeply", raw)
    except ValueError as e:
        return Reject(offset, "json", str(e)[:200], raw)
    if not isinstance(found, dict):
        return Reject(offset, "shape", f"a record is an object, this is {_kind(found)}", raw)
    return offset, found


def _objects(found: Iterator[tuple[int, Any] | Reject]) -> Iterator[tuple[int, dict[str, Any]] | Reject]:
    for item in found:
        if isinstance(item, Reject) or isinstance(item[1], dict):
            yield item
        else:
            yield Reject(item[0], "shape", f"a record is an object, this is {_kind(item[1])}")


def _split(reading: Reading) -> Iterator[tuple[int, dict[str, Any]] | Reject]:
    from noroshi.wire.jsonsplit import Closed, Elements, split

    for part in split(reading.stream, ["[]"], start=reading.start):
        if isinstance(part, Reject):
            yield part
        elif isinstance(part, Elements):
            for offset, raw in zip(part.offsets, part.data, strict=True):
                yield _decoded(offset, raw)
        elif isinstance(part, Closed) and not part.cut:
            yield _decoded(part.scope.offset, part.scope.envelope())


@dataclass(frozen=True)
class Document:
    """One JSON object, taken apart: raw members, and the elements of the arrays that were asked for."""

    members: dict[str, msgspec.Raw | bytes]
    arrays: dict[str, list[tuple[int, bytes]]]
    """(offset in the source, JSON) of each element."""

    def get(self, key: str) -> Any:
        """A member, decoded; None when it is missing or unreadable."""
        raw = self.members.get(key)
        if raw is None:
            return None
        try:
            return msgspec.json.decode(raw)
        except (ValueError, RecursionError):
            return None


def document(reading: Reading, arrays: tuple[str, ...]) -> Iterator[Document | Reject]:
    """The one object of a source of at most LARGE bytes; of a damaged one what stands before the damage."""
    data = upto(reading.stream, LARGE + 1)
    if len(data) > LARGE:
        detail = f"a document of more than {LARGE >> 20} MiB; split it, or leave out what is no component"
        reading.problem = detail
        yield Reject(0, "document-size", detail, data[:64])
        return
    text = data.removeprefix(b"\xef\xbb\xbf")
    at = len(data) - len(text)
    try:
        members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        base = _address(memoryview(text))
        found = {}
        for name in arrays:
            if (raw := members.get(name)) is not None and bytes(memoryview(raw)[:1]) == b"[":
                shift = _address(memoryview(raw)) - base + at
                found[name] = [(shift + o, r) for o, r in elements(raw)]
        yield Document(dict(members), found)
    except (ValueError, RecursionError):
        yield from _salvaged(data, arrays)
    reading.advance(len(data))


def _salvaged(data: bytes, arrays: tuple[str, ...]) -> Iterator[Document | Reject]:
    from noroshi.wire.jsonsplit import Closed, Elements, split

    found: dict[str, list[tuple[int, bytes]]] = {}
    for part in split(io.BytesIO(data), [f"{name}[]" for name in arrays]):
        if isinstance(part, Reject):
            yield part
        elif isinstance(part, Elements):
            found.setdefault(arrays[part.path], []).extend(zip(part.offsets, part.data, strict=True))
        elif isinstance(part, Closed) and not part.scope.place:
            yield Document({**part.scope.members}, found)
            found = {}


def each(document: Document, name: str) -> Iterator[tuple[int, dict[str, Any]] | Reject]:
    """(offset, object) of the elements of one of the arrays."""
    for offset, raw in document.arrays.get(name, ()):
        if len(raw) > ELEMENT:
            yield Reject(
                offset, "element-size", f"an element of {len(raw):,} bytes, at most {ELEMENT:,}", raw[:64]
            )
        else:
            yield _decoded(offset, raw)


# Members of any shape -------------------------------------------------------------------------------------
def text(value: Any, limit: int = NAME) -> str | None:
    """A text without blanks around it, None when it is empty or none; numbers are texts too."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        value = str(value) if not isinstance(value, int) or value.bit_length() < 256 else ""
    if not isinstance(value, str):
        return None
    return clipped(value.strip(), limit) or None


def member(value: Any) -> dict[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; its length is bounded by the record's size."""
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def texts(value: Any, limit: int = NAME) -> list[str]:
    """The texts of a list; its length is bounded by the record's size."""
    if not isinstance(value, list):
        return []
    return [t for v in value if (t := text(v, limit))]


def number(value: Any) -> float | None:
    """A finite number, also from a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if found - found == 0 else None


def when(value: Any) -> int | None:
    """µs since 1970 of a time as written, None when there is none; 0001-01-01 is none."""
    if not isinstance(value, str):
        return None
    found = micros(value[:64])
    return None if found is None or found <= _YEAR_ONE_US + 86_400_000_000 else found


def sound(value: int | None) -> int | None:
    """A time a column can show: None before 1970 or after 2200."""
    return value if value is not None and 0 <= value < 7_258_118_400_000_000 else None


def stamp(reading: Reading, *given: Any) -> int | None:
    """The time of a row: the first of the times that can be true; the source's own date when none is given.

    None when times are given and none can be: before 1990 or more than a day after the source's date.
    """
    found = [t for value in given if (t := when(value)) is not None]
    for one in found:
        if in_time(one, reading):
            return one
    return None if found else max(reading.source_date_us, EARLIEST_US)


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false"}
    return names.get(type(value), "null")
