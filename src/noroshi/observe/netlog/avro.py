"""Avro object container files of flat records: blocks found, unpacked and decoded in bounded memory.

Source: Apache Avro 1.11 specification, Object Container Files and Binary Encoding. Read here are records of int, long,
float, double, boolean, string, bytes, arrays of those, and unions of null with one of those: what flow exporters write.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import msgspec

MAGIC: Final = b"Obj\x01"
_MOST_BLOCK: Final = 64 << 20
"""Bytes of a block, stored and unpacked: writers make blocks of 16 KiB to a few MiB."""
_MOST_META: Final = 1 << 20
_MOST_ITEMS: Final = 100_000
_STEP: Final = 1 << 20


class Broken(Exception):
    """The container does not hold what it says: at which byte, and what."""

    def __init__(self, position: int, what: str) -> None:
        super().__init__(what)
        self.position, self.what = position, what


@dataclass(frozen=True)
class Block:
    """Records that stand together."""

    offset: int
    """Where the block begins in the source."""
    count: int
    data: bytes
    """Unpacked."""
    problem: str = ""
    """Why it could not be unpacked."""


class Reader:
    """A container read from front to back. Raises Broken when it has no sound head."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._rest, self._at = stream, b"", 0
        if self._take(4) != MAGIC:
            raise Broken(0, "no Avro container")
        meta: dict[str, bytes] = {}
        while (n := self._long()) != 0:
            if n < 0:
                n = -n
                self._long()
            if n > 1000:
                raise Broken(self._at, f"{n:,} entries in the head")
            for _ in range(n):
                key = self._bytes(_MOST_META).decode("utf-8", "replace")
                meta[key] = self._bytes(_MOST_META)
        self.codec = meta.get("avro.codec", b"null").decode("utf-8", "replace")
        self._sync = self._take(16)
        try:
            self.schema: Any = msgspec.json.decode(meta.get("avro.schema", b""))
        except (msgspec.MsgspecError, RecursionError, ValueError) as e:
            raise Broken(4, f"the schema cannot be read: {e}") from None

    def blocks(self) -> Iterator[Block]:
        """Every block; raises Broken where the container breaks off."""
        while self._more():
            offset = self._at
            count, size = self._long(), self._long()
            if not 0 <= size <= _MOST_BLOCK or count < 0:
                raise Broken(offset, f"a block of {count:,} records in {size:,} bytes")
            stored = self._take(size)
            if self._take(16) != self._sync:
                raise Broken(offset, "the mark behind a block is another one")
            try:
                yield Block(offset, count, unpack(self.codec, stored))
            except Broken as e:
                yield Block(offset, count, b"", e.what)

    def _more(self) -> bool:
        if not self._rest:
            self._rest = self._stream.read(_STEP)
        return bool(self._rest)

    def _take(self, n: int) -> bytes:
        held = [self._rest]
        have = len(self._rest)
        while have < n:
            piece = self._stream.read(max(_STEP, min(n - have, _MOST_BLOCK)))
            if not piece:
                raise Broken(self._at, "the file ends in the middle")
            held.append(piece)
            have += len(piece)
        whole = b"".join(held)
        self._rest = whole[n:]
        self._at += n
        return whole[:n]

    def _long(self) -> int:
        raw = bytearray()
        while True:
            raw += self._take(1)
            if raw[-1] < 128:
                return _zigzag(raw, 0)[0]
            if len(raw) > 10:
                raise Broken(self._at, "a number of more than ten bytes")

    def _bytes(self, most: int) -> bytes:
        n = self._long()
        if not 0 <= n <= most:
            raise Broken(self._at, f"a text of {n:,} bytes")
        return self._take(n)


def unpack(codec: str, stored: bytes) -> bytes:
    """A block's bytes as written before packing; raises Broken (at 0) when they are not packed so."""
    if codec == "null":
        return stored
    if codec == "deflate":
        wide = zlib.decompressobj(-15)
        try:
            data = wide.decompress(stored, _MOST_BLOCK)
        except zlib.error as e:
            raise Broken(0, f"deflate: {e}") from None
        if not wide.eof:
            raise Broken(0, f"the packed block breaks off or holds more than {_MOST_BLOCK:,} bytes")
        return data
    if codec == "snappy":
        return _snappy(stored)
    raise Broken(0, f"the codec {codec[:40]!r} is not read")


def _snappy(stored: bytes) -> bytes:
    """Raw snappy with the CRC-32 of what it holds behind it, as Avro has it."""
    import pyarrow as pa

    body, check = stored[:-4], stored[-4:]
    size = shift = 0
    for i, byte in enumerate(body[:5]):
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
        if i == 4:
            raise Broken(0, "snappy: no length")
    if not body or size > _MOST_BLOCK:
        raise Broken(0, f"snappy: a block of {size:,} bytes")
    try:
        data = bytes(pa.Codec("snappy").decompress(body, decompressed_size=size))
    except (pa.ArrowException, OSError, ValueError) as e:
        raise Broken(0, f"snappy: {e}") from None
    if zlib.crc32(data).to_bytes(4) != check:
        raise Broken(0, "snappy: the checksum is another one")
    return data


def _zigzag(data: bytes | bytearray, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than ten bytes")


Decoder = Callable[[bytes, int], tuple[Any, int]]


def decoder(schema: Any) -> Callable[[bytes, int], tuple[dict[str, Any], int]]:
    """What decodes one record of the schema: (data, at) -> (values by field, where the next begins).

    Raises ValueError when the schema has types not read here; the decoder raises ValueError or
    IndexError for bytes that are no such record.
    """
    if (
        not isinstance(schema, dict)
        or schema.get("type") != "record"
        or not isinstance(schema.get("fields"), list)
    ):
        raise ValueError("the schema is no record")
    fields: list[tuple[str, Decoder]] = []
    for field in schema["fields"][:1000]:
        if not isinstance(field, dict) or not isinstance(field.get("name"), str):
            raise ValueError("a field without a name")
        fields.append((field["name"], _of(field.get("type"), 0)))

    def record(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        out = {}
        for name, decode in fields:
            out[name], at = decode(data, at)
        return out, at

    return record


def _of(kind: Any, depth: int) -> Decoder:
    if depth > 3:
        raise ValueError("types nested too deeply")
    if isinstance(kind, dict):
        if kind.get("type") == "array":
            return _array(_of(kind.get("items"), depth + 1))
        return _of(kind.get("type"), depth + 1)
    if isinstance(kind, list):
        return _union([_of(k, depth + 1) for k in kind[:8]])
    if isinstance(kind, str) and kind in _PLAIN:
        return _PLAIN[kind]
    raise ValueError(f"the type {str(kind)[:40]!r} is not read")


def _array(item: Decoder) -> Decoder:
    def decode(data: bytes, at: int) -> tuple[Any, int]:
        out: list[Any] = []
        while True:
            n, at = _zigzag(data, at)
            if n == 0:
                return out, at
            if n < 0:
                n = -n
                _, at = _zigzag(data, at)
            if n + len(out) > _MOST_ITEMS:
                raise ValueError(f"an array of {n:,} items")
            for _ in range(n):
                value, at = item(data, at)
                out.append(value)

    return decode


def _union(kinds: list[Decoder]) -> Decoder:
    def decode(data: bytes, at: int) -> tuple[Any, int]:
        which, at = _zigzag(data, at)
        if not 0 <= which < len(kinds):
            raise ValueError(f"no type {which} in the union")
        return kinds[which](data, at)

    return decode


def _text(data: bytes, at: int) -> tuple[Any, int]:
    n, at = _zigzag(data, at)
    if not 0 <= n <= len(data) - at:
        raise ValueError(f"a text of {n:,} bytes")
    return data[at : at + n], at + n


def _fixed(form: str) -> Decoder:
    size = struct.calcsize(form)

    def decode(data: bytes, at: int) -> tuple[Any, int]:
        if at + size > len(data):
            raise ValueError("the record ends in the middle")
        return struct.unpack_from(form, data, at)[0], at + size

    return decode


_PLAIN: Final[dict[str, Decoder]] = {
    "null": lambda data, at: (None, at), "int": _zigzag, "long": _zigzag, "string": _text, "bytes": _text,
    "boolean": _fixed("<?"), "float": _fixed("<f"), "double": _fixed("<d"),
}  # fmt: skip
