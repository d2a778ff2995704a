"""Captures of unused address space: pcap and pcapng to `flows` and `links`.

Three stages, the first and last on a pool of threads (the kernels release the GIL): reduce a chunk to rows;
in order, merge the rows of a minute that a chunk border cuts; arrange rows as Arrow.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import PriorityQueue, SimpleQueue
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from noroshi.model.address import prefix_range
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.wire import pcap, pcapng

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.observe.darknet.arrange import Arranged
    from noroshi.observe.darknet.chunks import Chunk
    from noroshi.observe.darknet.rows import U64, Arena

DAY_US = 86_400_000_000
SAMPLED = 20
"""Rejects of one reason in one chunk that are listed one by one; the rest are counted in one more."""
WAITING = 5
"""Chunks held back at most until their newest minute is over. A minute with more packets than these hold (some
700,000) may show a tuple in two rows; sums stay exact."""


@dataclass
class _Reduced:
    """A chunk after the first stage: rows start..stop of the arena."""

    place: int
    start: int
    stop: int
    minute: int
    """Of its last packet."""
    merged: int
    """Rows that went into rows of earlier chunks."""
    rejects: list[Reject]
    not_ip: int


@dataclass
class _Ready:
    """A chunk after the last stage; `arranged` and `flows` are None when all its rows went into earlier ones."""

    place: int
    arranged: Arranged | None
    flows: pa.Table | None


class PcapSensor:
    """Classic pcap: both byte orders, microseconds and nanoseconds."""

    name = "pcap"
    version = 1
    doc = "Classic libpcap captures: Ethernet (VLAN, QinQ), raw IP, Linux cooked v1 and v2, null and loop."
    tables = ("flows",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """True for any of the pcap magics."""
        return pcap.is_pcap(head)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """`flows` and `links` of the capture, and what could not be read."""
        from noroshi.observe.darknet.chunks import read_pcap

        return _read(reading, read_pcap)


class PcapngSensor:
    """pcapng: several sections, interfaces, time resolutions, both byte orders."""

    name = "pcapng"
    version = 1
    doc = "pcapng captures of any length; the link types of pcap, any time resolution, several interfaces and sections."
    tables = ("flows",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """True when it begins with a section header block."""
        return pcapng.is_pcapng(head)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """`flows` and `links` of the capture, and what could not be read."""
        from noroshi.observe.darknet.chunks import read_pcapng

        return _read(reading, read_pcapng)


def _reduce(chunk: Chunk, latest_us: int, arena: Arena, place: int, scratch: SimpleQueue[U64]) -> _Reduced:
    """First stage: the rows of one chunk, in its place of the arena."""
    from noroshi.observe.darknet.rows import KEYS, reduce
    from noroshi.wire import decode

    start = place * arena.limit
    if chunk.count == 0:
        return _Reduced(place, start, start, -1, 0, chunk.rejects, 0)
    status = np.empty(chunk.count, np.uint8)
    part = slice(start, start + arena.limit)
    slots = scratch.get()
    try:
        slots.fill(0)
        count, minute = reduce(
            chunk.buf, *chunk.index, chunk.link, chunk.one_link, chunk.base, chunk.count, decode.EARLIEST_US,
            latest_us, *arena.columns.part(part.start, part.stop).arrays(), arena.hashes[part],
            arena.minutes[part], slots, KEYS, status,
            np.empty(1, np.uint64),
        )  # fmt: skip
    finally:
        scratch.put(slots)  # whoever waits for it must not wait for ever when this chunk failed
    rejects = list(chunk.rejects)
    if status.any():
        for code, (reason, words) in decode.REASONS.items():
            rejects += _rejects(chunk, np.flatnonzero(status == code), reason, words)
    return _Reduced(
        place,
        start,
        start + int(count),
        int(minute),
        0,
        rejects,
        int(np.count_nonzero(status == decode.NOT_IP)),
    )


def _rejects(chunk: Chunk, which: npt.NDArray[np.intp], reason: str, words: str) -> list[Reject]:
    off, cap, ts = chunk.index
    made = []
    for k in which[:SAMPLED].tolist():
        start, length = int(off[k]), int(cap[k])
        detail = f"{words}: {length:,} captured bytes"
        if reason == "link-type":
            detail += f", link type {int(chunk.link[k]) if len(chunk.link) else chunk.one_link}"
        if reason == "time":
            detail += f", {int(ts[k]) / 1e6:.6f} s since 1970"
        made.append(
            Reject(chunk.base + start, reason, detail, chunk.buf[start : start + min(length, 64)].tobytes())
        )
    if len(which) > SAMPLED:
        position = chunk.base + int(off[which[SAMPLED]])
        made.append(
            Reject(position, reason, f"{words}: more of them, from here on", count=len(which) - SAMPLED)
        )
    return made


class _Pipeline:
    """The three stages over one source."""

    def __init__(self, reading: Reading, pool: ThreadPoolExecutor) -> None:
        from noroshi.observe.darknet.arrange import ROW_BYTES, SCRATCH_BYTES
        from noroshi.observe.darknet.chunks import LIMIT
        from noroshi.observe.darknet.links import Links
        from noroshi.observe.darknet.rows import Arena, Minute, slots_for
        from noroshi.wire.room import Pool

        workers = max(1, reading.workers)
        self.reading, self.pool, self.workers = reading, pool, workers
        self.latest = reading.source_date_us + DAY_US
        self.links = Links(tuple(prefix_range(p) for p in reading.inside))
        self.room = Pool(ROW_BYTES * LIMIT + 4096)
        self.scratch_room = Pool(SCRATCH_BYTES * LIMIT + 4096)
        self.arena = Arena(LIMIT, WAITING + 2 * workers + 3)
        self.free = PriorityQueue[int]()
        for place in range(self.arena.places):
            self.free.put(place)
        self.scratch: SimpleQueue[U64] = SimpleQueue()
        for _ in range(workers):
            self.scratch.put(slots_for(LIMIT))
        self.minute = Minute(self.arena)
        self.reduced: deque[Future[_Reduced]] = deque()
        self.waiting: deque[_Reduced] = deque()
        self.over: deque[_Reduced] = deque()
        self.arranged: deque[Future[_Ready]] = deque()
        self.counts: Counter[str] = Counter()

    def feed(self, chunk: Chunk) -> Iterator[Batch | Reject]:
        """Take in the next chunk; what became ready meanwhile."""
        # A minute's end sets many chunks free at once. They are arranged few at a time, or memory grows by all.
        while len(self.over) + len(self.arranged) > self.workers + 1:
            yield from self._deliver()
        self.counts["packets"] += chunk.count
        place = self.free.get()
        self.reduced.append(self.pool.submit(_reduce, chunk, self.latest, self.arena, place, self.scratch))
        if len(self.reduced) > self.workers:
            yield from self._merge()
        self._top_up()

    def finish(self) -> Iterator[Batch | Reject]:
        """All that is left."""
        while self.reduced:
            yield from self._merge()
        self._release()
        while self.over or self.arranged:
            yield from self._deliver()
        rest = self.links.rest()
        if rest is not None:
            yield Batch("links", rest)

    def _merge(self) -> Iterator[Reject]:
        """Second stage, in order: a minute that a chunk border cuts becomes whole."""
        first = self.reduced.popleft().result()
        self.counts["not_ip"] += first.not_ip
        yield from first.rejects
        over, first.merged = self.minute.enter(first.start, first.stop, first.minute)
        if over:
            self._release()
        self.waiting.append(first)
        if len(self.waiting) > WAITING:
            self.minute.forget()
            self._release()

    def _release(self) -> None:
        """The waiting chunks need not wait: nothing will be merged into them any more."""
        self.over.extend(self.waiting)
        self.waiting.clear()

    def _top_up(self) -> None:
        while self.over and len(self.arranged) <= self.workers:
            self.arranged.append(self.pool.submit(self._arrange, self.over.popleft()))

    def _arrange(self, reduced: _Reduced) -> _Ready:
        """Third stage: rows to Arrow. Their place stays taken until their links are summed."""
        from noroshi.observe.darknet.arrange import arrange
        from noroshi.observe.darknet.columnar import flows
        from noroshi.observe.darknet.rows import living

        scratch = self.scratch_room.lend()
        count = reduced.stop - reduced.start
        rows = scratch.array(count, np.int64)
        if reduced.merged:
            count = living(self.arena.columns.ints, reduced.start, reduced.stop, rows)
        else:
            rows[:] = np.arange(reduced.start, reduced.stop)
        if not count:
            return _Ready(reduced.place, None, None)
        arranged = arrange(self.arena.columns, rows[:count], self.room.lend(), scratch)
        return _Ready(reduced.place, arranged, flows(arranged))

    def _deliver(self) -> Iterator[Batch]:
        self._top_up()
        ready = self.arranged.popleft().result()
        if ready.arranged is not None and ready.flows is not None:
            full = self.links.add(ready.arranged)
            self.free.put(ready.place)
            yield Batch("flows", ready.flows)
            if full is not None:
                yield Batch("links", full)
        else:
            self.free.put(ready.place)


def _read(reading: Reading, chunks: Callable[[Reading], Iterator[Chunk]]) -> Iterator[Batch | Reject]:
    with ThreadPoolExecutor(max(1, reading.workers), thread_name_prefix="decode") as pool:
        pipeline = _Pipeline(reading, pool)
        for chunk in chunks(reading):
            yield from pipeline.feed(chunk)
        yield from pipeline.finish()
    reading.counts.update(pipeline.counts)
