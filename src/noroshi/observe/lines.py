"""Logs of lines, read block by block: complete lines with their offsets, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading

BLOCK: Final = 4 << 20
"""Bytes read at a time."""
LONGEST: Final = 16 << 20
"""A line beyond this is no line of a log: it is rejected and passed over."""


@dataclass(frozen=True)
class Block:
    """Complete lines that follow each other: `data[ends[i-1]+1 : ends[i]]` is line i, without its newline."""

    data: bytes
    """The lines, each with its newline; the last line of a source may lack it."""
    offset: int
    """Where `data` begins in the decompressed source."""
    ends: npt.NDArray[np.int64]
    """Index of each line's newline in `data` (or len(data) for a last line without one)."""

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """Index of each line's first byte in `data`."""
        out = np.empty_like(self.ends)
        if out.size:
            out[0] = 0
            out[1:] = self.ends[:-1] + 1
        return out

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Offset of each line in the source."""
        return self.starts + self.offset

    def offsets_at(self, i: int) -> int:
        """Offset of line i in the source."""
        return self.offset + (int(self.ends[i - 1]) + 1 if i else 0)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """(offset, line) of each line that is not blank, without newline and carriage return."""
        start = 0
        for end in self.ends.tolist():
            line = self.data[start:end].rstrip(b"\r")
            if line.strip():
                yield self.offset + start, line
            start = end + 1


def blocks(reading: Reading, size: int = BLOCK) -> Iterator[Block | Reject]:
    """The lines of a source in blocks of about `size` bytes; a reject for each line longer than LONGEST.

    A byte order mark at the beginning is passed over. A last line without newline is a line.
    """
    rest, offset, first = b"", reading.start, reading.start == 0
    skipping = 0
    while True:
        read = reading.stream.read(size)
        if first and read.startswith(b"\xef\xbb\xbf"):
            read, offset = read[3:], offset + 3
        first = False
        if not read:
            break
        if skipping:
            end = read.find(b"\n")
            if end < 0:
                skipping += len(read)
                offset += len(read)
                continue
            offset += end + 1
            read, skipping = read[end + 1 :], 0
            if not read:
                continue
        data = rest + read
        cut = data.rfind(b"\n") + 1
        rest = data[cut:]
        if cut:
            yield _block(data[:cut], offset)
            offset += cut
        if len(rest) > LONGEST:
            yield Reject(offset, "line-length", f"a line longer than {LONGEST:,} bytes", rest[:64])
            offset, skipping, rest = offset + len(rest), len(rest), b""
    if rest:
        yield _block(rest, offset)


def _block(data: bytes, offset: int) -> Block:
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 10).astype(np.int64)
    if not data.endswith(b"\n"):
        ends = np.append(ends, len(data))
    return Block(data, offset, ends)


def lines(reading: Reading) -> Iterator[tuple[int, bytes] | Reject]:
    """(offset, line) of every line that is not blank, and rejects for those that are too long."""
    for block in blocks(reading):
        if isinstance(block, Reject):
            yield block
        else:
            yield from block.lines()
