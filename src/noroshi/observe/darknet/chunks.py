"""A capture as indexed chunks: bytes in memory, and where each packet in them begins.

Chunk borders depend on the bytes alone, never on how fast anything runs, so that any number of workers gives
the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from noroshi.model.errors import SourceError
from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading
from noroshi.wire import pcap, pcapng
from noroshi.wire.room import Lease, Pool

CHUNK = 10 << 20
"""Bytes read at a time: some 120,000 packets of a darknet, enough to make columns of, small enough that a few
of them in flight stay far below the memory bound."""
LIMIT = 1 << 18
"""Packets in a chunk at most: bounds the tables when packets are tiny."""
RESERVE = 1 << 20
"""Room in front of a chunk for the record that the last one cut, when it is a common one."""


@dataclass
class Chunk:
    """Packets of one stretch of the source."""

    buf: npt.NDArray[np.uint8]
    base: int
    """Offset in the source of buf[0]."""
    count: int
    index: tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int64]]
    """Offset in buf, captured length, time in µs, by packet."""
    link: npt.NDArray[np.int32]
    """Link type by packet; empty when `one_link` holds for all."""
    one_link: int
    rejects: list[Reject] = field(default_factory=list)
    leases: tuple[Lease, ...] = ()
    """Keep buf and index lent while the chunk is in use."""


I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
NO_LINKS: I32 = np.empty(0, np.int32)


class _Window:
    """The bytes not yet walked, refilled from the stream."""

    def __init__(self, reading: Reading, chunk: int) -> None:
        self.reading = reading
        self.chunk = chunk or CHUNK
        self.whole = self.chunk + min(RESERVE, self.chunk // 4)
        self.bytes = Pool(self.whole + 64)
        self.indices = Pool(24 * LIMIT + 256)
        self.lease = self.bytes.lend()
        self.buf = self.lease.array(self.whole, np.uint8)
        self.base, self.start, self.end = 0, 0, 0
        self.ended = False

    @property
    def position(self) -> int:
        """Offset in the source of the first byte not walked."""
        return self.base + self.start

    def refill(self) -> None:
        """Keep what is left, and read on until a new buffer is full or the source ends."""
        left = self.end - self.start
        # A record longer than the room needs a larger buffer; MAX_BLOCK bounds it.
        size = max(self.whole, left + self.chunk)
        lease = self.bytes.lend(size + 64)
        fresh = lease.array(size, np.uint8)
        fresh[:left] = self.buf[self.start : self.end]
        self.lease = lease
        self.base, self.buf, self.start, self.end = self.position, fresh, 0, left
        view = memoryview(fresh)
        while self.end < len(fresh):
            try:
                got = self.reading.stream.readinto(view[self.end :])  # type: ignore[attr-defined]
            except SourceError as e:
                self.reading.problem = e.what
                got = 0
            if not got:
                self.ended = True
                return
            self.end += got
            self.reading.advance(got)

    def index(self) -> tuple[tuple[I64, I32, I64], Lease]:
        """Room for the index of LIMIT packets, and what keeps it."""
        lease = self.indices.lend()
        return (
            lease.array(LIMIT, np.int64),
            lease.array(LIMIT, np.int32),
            lease.array(LIMIT, np.int64),
        ), lease

    def head(self, count: int) -> bytes:
        """The next bytes, at most count."""
        return bytes(self.buf[self.start : min(self.start + count, self.end)])


def _cut(window: _Window, what: str) -> Reject:
    left = window.end - window.start
    detail = f"{what}: {left:,} bytes are left over at the end"
    return Reject(window.position, "record-cut", detail, window.head(64))


def _damaged(window: _Window, detail: str) -> Reject:
    return Reject(window.position, "record-length", detail, window.head(64))


def _stop(window: _Window, reject: Reject) -> Chunk:
    """The last chunk of a source that cannot be read on: the reject, and the words for people."""
    reading = window.reading
    reading.problem = reading.problem or f"byte {reject.position:,}: {reject.detail}"
    empty = (np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int64))
    return Chunk(window.buf[:0], window.base, 0, empty, NO_LINKS, 0, [reject])


def read_pcap(reading: Reading, chunk: int = 0) -> Iterator[Chunk]:
    """The chunks of a classic pcap, of about `chunk` bytes (by default CHUNK).

    Raises SourceError when not even its header can be read.
    """
    window = _Window(reading, chunk)
    window.refill()
    try:
        header = pcap.header(window.head(pcap.HEADER))
    except ValueError as e:
        raise SourceError(
            str(e), where=f"{reading.name}, byte 0", todo="Is it a capture, and whole?"
        ) from None
    window.start = pcap.HEADER
    while True:
        index, lease = window.index()
        at = window.start
        count, window.start, ended_by = pcap.walk(
            window.buf, at, window.end, header.swapped, header.nano, header.record_header, *index, LIMIT
        )
        if count:
            yield Chunk(
                window.buf, window.base, count, index, NO_LINKS, header.link_type, [], (window.lease, lease)
            )
        if ended_by == pcap.DAMAGED:
            order = ">" if header.swapped else "<"
            length = int(np.frombuffer(window.head(12)[8:12], order + "u4")[0])
            yield _stop(window, _damaged(window, f"record claims {length:,} bytes, no record is longer than "
                                                 f"{pcap.MAX_RECORD:,} (snap length {header.snaplen:,})"))  # fmt: skip
            return
        if count == LIMIT:
            continue
        if window.ended:
            if window.start < window.end:
                yield _stop(window, _cut(window, "the last record is cut short"))
            return
        window.refill()


def read_pcapng(reading: Reading, chunk: int = 0) -> Iterator[Chunk]:
    """The chunks of a pcapng, of about `chunk` bytes (by default CHUNK).

    Raises SourceError when its first block is none.
    """
    window = _Window(reading, chunk)
    window.refill()
    if not pcapng.is_pcapng(window.head(12)):
        raise SourceError("no section header block", where=f"{reading.name}, byte 0", todo="Is it a capture?")
    faces = pcapng.Interfaces()
    while True:
        index, lease = window.index()
        link: I32 = lease.array(LIMIT, np.int32)
        before = window.start
        count, window.start, ended_by, bad = pcapng.walk(
            window.buf, before, window.end, faces.swapped, faces.count, faces.link, faces.snaplen,
            faces.resolution, faces.offset_s, *index, link, LIMIT,
        )  # fmt: skip
        rejects = []
        if bad:
            where = window.base + before
            detail = "packet blocks with an unknown interface or impossible lengths, from here on"
            rejects.append(Reject(where, "packet-block", detail, count=bad))
        if count or rejects:
            yield Chunk(window.buf, window.base, count, index, link, 0, rejects, (window.lease, lease))
        if ended_by == pcapng.HEADER_BLOCK:
            problem = _header_block(window, faces)
            if problem:
                yield _stop(window, _damaged(window, problem))
                return
        elif ended_by == pcapng.DAMAGED:
            yield _stop(window, _damaged(window, "a block claims an impossible length"))
            return
        elif count < LIMIT:
            if window.ended:
                if window.start < window.end:
                    yield _stop(window, _cut(window, "the last block is cut short"))
                return
            window.refill()


def _header_block(window: _Window, faces: pcapng.Interfaces) -> str:
    head = window.head(12)
    big = head[8:12] == b"\x1a\x2b\x3c\x4d" if head[:4] == pcapng.SECTION else faces.swapped
    length = int.from_bytes(head[4:8], "big" if big else "little")
    problem = faces.block(window.head(length))
    window.start += length
    return problem
