"""gzip, zstandard and xz undone piece by piece: bounded output per step, all streams, exact breaks.

Pure: bytes in, bytes out. However much a piece claims to hold, one step yields at most STEP bytes, so a
decompression bomb costs time but no memory. What was decoded before a break has been yielded when `Broken`
is raised, but for the step that met it.
"""

from __future__ import annotations

import lzma
from collections.abc import Callable, Iterator
from typing import Final

STEP: Final = 1 << 15
"""Bytes decoded per step (gzip, xz): small enough that a break loses little, large enough to cost nothing."""
SLICE: Final = 1 << 16
"""Bytes handed to a decompressor at once."""
ZSTD_WINDOW: Final = 1 << 27
"""Largest zstandard window: what `zstd -d` accepts without --long=31 (128 MiB)."""
ZSTD_BLOCK: Final = 1 << 17
"""A zstandard block never holds more, stored or decoded (RFC 8878, 3.1.1.2.4)."""
XZ_MEMORY: Final = 1 << 28
"""`xz -9e` needs 65 MiB to decode; 256 MiB leaves room for larger dictionaries but not for any claim."""


class Broken(Exception):
    """The compressed data cannot be followed further."""

    def __init__(self, position: int, what: str) -> None:
        self.position, self.what = position, what
        super().__init__(f"byte {position:,}: {what}")


def kind(head: bytes) -> str:
    """`gz`, `zst`, `xz`, or `` for what is none of them, by the first 6 bytes."""
    if head[:2] == b"\x1f\x8b":
        return "gz"
    if head[:6] == b"\xfd7zXZ\x00":
        return "xz"
    if head[:4] == b"\x28\xb5\x2f\xfd" or (head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5):
        return "zst"
    return ""


def unpack(kind: str, raw: Iterator[bytes]) -> Iterator[bytes]:
    """The decoded pieces of `raw`, each at most 128 KiB (`kind` empty: `raw` itself). Raises Broken."""
    steps: dict[str, Callable[[_Input], Iterator[bytes]]] = {"gz": _gunzip, "zst": _unzstd, "xz": _unxz}
    return steps[kind](_Input(raw)) if kind else raw


class _Input:
    """The stored bytes, read forward; `position` is the offset of the next one."""

    def __init__(self, raw: Iterator[bytes]) -> None:
        self._raw, self._buffer, self._at, self.position = raw, b"", 0, 0

    def some(self, most: int = SLICE) -> bytes:
        """The next 1 to `most` bytes; empty at the end."""
        while self._at >= len(self._buffer):
            self._buffer, self._at = next(self._raw, b""), 0
            if not self._buffer:
                return b""
        piece = self._buffer[self._at : self._at + most]
        self._at += len(piece)
        self.position += len(piece)
        return piece

    def exactly(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end. Callers bound `size`."""
        piece = self.some(size)
        while len(piece) < size and (more := self.some(size - len(piece))):
            piece += more
        return piece

    def skip(self, size: int) -> int:
        """Pass over `size` bytes; returns how many there were."""
        left = size
        while left and (piece := self.some(min(left, SLICE))):
            left -= len(piece)
        return size - left

    def back(self, size: int) -> None:
        """Unread the last `size` bytes of the piece `some` gave last."""
        self._at -= size
        self.position -= size


def _gunzip(source: _Input) -> Iterator[bytes]:
    from isal import igzip_lib

    damaged: type[Exception] = igzip_lib.error  # type: ignore[assignment]  # the stubs name an instance
    members = 0
    while True:
        start = source.position
        data = source.some()
        if members:  # zeros may pad the last member (tar and tape do), RFC 1952 says nothing
            while data and not data.strip(b"\0"):
                data = source.some()
            zeros = len(data) - len(data.lstrip(b"\0"))
            source.back(len(data) - zeros)
            start, data = source.position, source.some()
            if data and data[0] != 0x1F:
                raise Broken(start, "bytes that are no gzip member follow the last one")
        if not data:
            return
        decoder = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        try:
            while not decoder.eof:
                if out := decoder.decompress(data, STEP):
                    yield out
                data = b""
                if decoder.needs_input and not decoder.eof:
                    data = source.some()
                    if not data:
                        raise _cut("gzip member", start, source)
        except damaged as e:
            raise Broken(source.position, f"damaged gzip data ({_words(e)})") from e
        source.back(len(decoder.unused_data))
        members += 1


def _unxz(source: _Input) -> Iterator[bytes]:
    streams = 0
    while True:
        start = source.position
        data = source.some()
        if streams:  # streams are padded with zeros to a multiple of four
            while data and not data.strip(b"\0"):
                data = source.some()
            zeros = len(data) - len(data.lstrip(b"\0"))
            source.back(len(data) - zeros)
            start, data = source.position, source.some()
        if not data:
            return
        decoder = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
        try:
            while not decoder.eof:
                if out := decoder.decompress(data, STEP):
                    yield out
                data = b""
                if decoder.needs_input and not decoder.eof:
                    data = source.some()
                    if not data:
                        raise _cut("xz stream", start, source)
        except lzma.LZMAError as e:
            what = "bytes that are no xz stream follow the last one" if streams else "damaged xz data"
            raise Broken(source.position, f"{what} ({_words(e)})") from e
        source.back(len(decoder.unused_data))
        streams += 1


def _unzstd(source: _Input) -> Iterator[bytes]:
    """Frame by frame and block by block (RFC 8878), because the library neither reports a frame that ends
    early nor returns what it had decoded before an error."""
    import zstandard

    context = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    while magic := source.exactly(4):
        start = source.position - len(magic)
        if len(magic) == 4 and magic[1:] == b"\x2a\x4d\x18" and magic[0] >> 4 == 5:
            length = source.exactly(4)
            size = int.from_bytes(length, "little")
            if len(length) < 4 or source.skip(size) < size:
                raise Broken(
                    source.position, f"the skippable zstandard frame from byte {start:,} is cut short"
                )
            continue
        if magic != b"\x28\xb5\x2f\xfd":
            raise Broken(start, "bytes that are no zstandard frame stand here")
        header, checksum = _zstd_header(source, start)
        decoder = context.decompressobj()
        try:
            decoder.decompress(magic + header)
            yield from _zstd_blocks(source, decoder.decompress, start)
            if checksum:
                if len(tail := source.exactly(4)) < 4:
                    raise _cut("zstandard frame", start, source)
                decoder.decompress(tail)
        except zstandard.ZstdError as e:
            raise Broken(source.position, f"damaged zstandard data ({_words(e)})") from e


def _zstd_header(source: _Input, start: int) -> tuple[bytes, bool]:
    """The frame header after the magic number, and whether a checksum ends the frame."""
    descriptor = source.exactly(1)
    flags = descriptor[0] if descriptor else 0
    single = bool(flags & 0x20)
    content = (1 if single else 0, 2, 4, 8)[flags >> 6]
    size = (not single) + (0, 1, 2, 4)[flags & 3] + content
    rest = source.exactly(size)
    if not descriptor or len(rest) < size:
        raise _cut("zstandard frame", start, source)
    if not single:
        window = (1 << (10 + (rest[0] >> 3))) // 8 * (8 + (rest[0] & 7))
    else:
        window = int.from_bytes(rest[size - content :], "little") + (256 if content == 2 else 0)
    if window > ZSTD_WINDOW:
        raise Broken(
            start, f"the zstandard frame wants a window of {window:,} bytes, {ZSTD_WINDOW:,} are allowed"
        )
    return descriptor + rest, bool(flags & 4)


def _zstd_blocks(source: _Input, decode: Callable[[bytes], bytes], start: int) -> Iterator[bytes]:
    last = False
    while not last:
        head = source.exactly(3)
        value = int.from_bytes(head, "little")
        last, form, size = bool(value & 1), (value >> 1) & 3, value >> 3
        stored = 1 if form == 1 else size  # form 1 repeats one byte `size` times
        if len(head) == 3 and (form == 3 or size > ZSTD_BLOCK):
            raise Broken(source.position - 3, "damaged zstandard data (no such block)")
        block = source.exactly(stored)
        if len(head) < 3 or len(block) < stored:
            raise _cut("zstandard frame", start, source)
        if out := decode(head + block):
            yield out


def _cut(what: str, start: int, source: _Input) -> Broken:
    return Broken(source.position, f"the {what} from byte {start:,} is cut short")


def _words(error: Exception) -> str:
    return str(error).strip().rstrip(".").lower() or type(error).__name__
