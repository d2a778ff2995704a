"""Captures of unused address space: pcap and pcapng to `flows` and `links`.

Three stages, the first and last on a pool of threads (the kernels release the GIL): reduce a chunk to rows;
in order, merge the rows of the minute that the chunk border cuts; arrange rows as Arrow.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from noroshi.model.address import prefix_range
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.wire import columns as c
from noroshi.wire import pcap, pcapng

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.observe.darknet.chunks import Chunk
    from noroshi.observe.darknet.rows import Table

DAY_US = 86_400_000_000
SAMPLED = 20
"""Rejects of one reason in one chunk that are listed one by one; the rest are counted in one more."""
PENDING = 1 << 20
"""Rows of an unfinished minute that are held back at most. A minute with more different tuples than this may
show a tuple in two rows; sums stay exact."""


@dataclass
class _Reduced:
    """A chunk after the first stage."""

    table: Table
    rejects: list[Reject]
    not_ip: int


class PcapSensor:
    """Classic pcap: both byte orders, microseconds and nanoseconds."""

    name = "pcap"
    version = 1
    doc = "Classic libpcap captures of any length; Ethernet (VLAN, QinQ), raw IP, Linux cooked v1 and v2, null and loop."

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

    def sniff(self, head: bytes) -> bool:
        """True when it begins with a section header block."""
        return pcapng.is_pcapng(head)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """`flows` and `links` of the capture, and what could not be read."""
        from noroshi.observe.darknet.chunks import read_pcapng

        return _read(reading, read_pcapng)


def _reduce(chunk: Chunk, latest_us: int, tables: SimpleQueue[Table]) -> _Reduced:
    """First stage: the rows of one chunk, in a table taken from `tables`."""
    from noroshi.wire import decode

    table = tables.get()
    table.clear()
    if chunk.count == 0:
        return _Reduced(table, chunk.rejects, 0)
    status = np.empty(chunk.count, np.uint8)
    table.add_packets(
        chunk.buf, chunk.index, chunk.link, chunk.one_link, chunk.base, chunk.count, latest_us, status
    )
    rejects = list(chunk.rejects)
    if status.any():
        for code, (reason, words) in decode.REASONS.items():
            rejects += _rejects(chunk, np.flatnonzero(status == code), reason, words)
    return _Reduced(table, rejects, int(np.count_nonzero(status == decode.NOT_IP)))


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
        made.append(Reject(chunk.base + start, reason, detail, chunk.buf[start : start + min(length, 64)].tobytes()))
    if len(which) > SAMPLED:
        position = chunk.base + int(off[which[SAMPLED]])
        made.append(Reject(position, reason, f"{words}: more of them, from here on", count=len(which) - SAMPLED))
    return made


class _Borders:
    """Second stage: the minute a chunk border cuts is held back and merged with its other half."""

    def __init__(self, make: Callable[[int], Table]) -> None:
        self.make = make
        self.pending = make(1024)
        self.minute = -1

    def split(self, table: Table) -> npt.NDArray[np.int32]:
        """Which rows of `table` are final. Rows of finished minutes held so far are appended to it."""
        n = table.rows
        if n == 0:
            return np.empty(0, np.int32)
        minutes = table.columns.int[c.MINUTE, :n]
        newest = max(int(minutes.max()), self.minute)
        held = (minutes == newest) | (minutes == self.minute)
        final = np.flatnonzero(~held).astype(np.int32)
        keep = np.flatnonzero(held)
        self.pending.add_rows(table.columns.take(keep), len(keep))
        done = self._finished(newest)
        self.minute = newest
        if len(done) == 0:
            return final
        rows = self.pending.columns.take(done)
        rest = np.setdiff1d(np.arange(self.pending.rows), done)
        self._keep(rest)
        _append(table, rows)
        return np.concatenate([final, np.arange(n, n + len(done), dtype=np.int32)])

    def _finished(self, newest: int) -> npt.NDArray[np.intp]:
        held = self.pending.columns.int[c.MINUTE, : self.pending.rows]
        if self.pending.rows > PENDING:
            return np.arange(self.pending.rows)
        return np.flatnonzero(held != newest)

    def _keep(self, which: npt.NDArray[np.intp]) -> None:
        rows = self.pending.columns.take(which)
        self.pending = self.make(max(1024, 2 * len(which)))
        self.pending.add_rows(rows, len(which))

    def rest(self) -> tuple[Table, npt.NDArray[np.int32]]:
        """What is still held at the end of the source."""
        return self.pending, np.arange(self.pending.rows, dtype=np.int32)


def _append(table: Table, rows: c.Columns) -> None:
    """Put rows behind those of `table`, growing its columns when they are full; the hash table stays as it is."""
    n, m = table.rows, rows.capacity
    if n + m > table.columns.capacity:
        old = table.columns.take(slice(0, n))
        table.columns = c.Columns.empty(n + m)
        for to, have in zip(table.columns.arrays(), old.arrays(), strict=True):
            to[:, :n] = have
    for to, more in zip(table.columns.arrays(), rows.arrays(), strict=True):
        to[:, n : n + m] = more


def _read(reading: Reading, chunks: Callable[[Reading], Iterator[Chunk]]) -> Iterator[Batch | Reject]:
    from noroshi.observe.darknet.arrange import arrange
    from noroshi.observe.darknet.chunks import LIMIT
    from noroshi.observe.darknet.rows import Table

    workers = max(1, reading.workers)
    inside = tuple(prefix_range(p) for p in reading.inside)
    latest = reading.source_date_us + DAY_US
    counts: Counter[str] = Counter()
    tables: SimpleQueue[Table] = SimpleQueue()
    for _ in range(workers + 2):
        tables.put(Table.for_packets(LIMIT))
    borders = _Borders(Table.for_packets)

    def finish(table: Table, final: npt.NDArray[np.int32], again: bool) -> tuple[pa.Table, pa.Table] | None:
        try:
            return arrange(table.columns, final, inside) if len(final) else None
        finally:
            if again:
                tables.put(table)

    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        reduced: deque[Future[_Reduced]] = deque()
        arranged: deque[Future[tuple[pa.Table, pa.Table] | None]] = deque()

        def step() -> Iterator[Reject]:
            first = reduced.popleft().result()
            counts["not_ip"] += first.not_ip
            yield from first.rejects
            final = borders.split(first.table)
            arranged.append(pool.submit(finish, first.table, final, True))

        for chunk in chunks(reading):
            counts["packets"] += chunk.count
            reduced.append(pool.submit(_reduce, chunk, latest, tables))
            if len(reduced) > 1:
                yield from step()
            if len(arranged) > workers:
                yield from _batches(arranged.popleft().result())
        while reduced:
            yield from step()
        arranged.append(pool.submit(finish, *borders.rest(), False))
        while arranged:
            yield from _batches(arranged.popleft().result())
    reading.counts.update(counts)


def _batches(made: tuple[pa.Table, pa.Table] | None) -> Iterator[Batch]:
    if made is not None:
        yield Batch("flows", made[0])
        if made[1].num_rows:
            yield Batch("links", made[1])
