"""Links of a capture: its sources, and the victims its quoted packets name, summed by day over the whole run.

Chunks repeat their sources; summed in one table while the capture is read, 20 million packets leave 0.3 million
links to write instead of 4.5 million partial ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from noroshi.observe.darknet import arrange as a
from noroshi.observe.darknet.columnar import buffer
from noroshi.observe.darknet.rows import SEED
from noroshi.wire import columns as c
from noroshi.wire import text
from noroshi.wire.jit import kernel

if TYPE_CHECKING:
    import pyarrow as pa

ROLES = ("src", "victim")
CAPACITY = 1 << 20
"""Links summed at most before they are handed on; a run with more sources has several rows for one of them."""

Ranges = tuple[tuple[bytes, bytes], ...]
"""Stored addresses, first and last of each range."""


@kernel
def _sum(hi, lo, role, day, first, last, count, n, thi, tlo, tmeta, tnum, used, slots, seed):
    """Add n entries to the table of `used` links; how many it holds then. The caller keeps room for n more."""
    mask = np.uint64(slots.size - 1)
    for k in range(n):
        meta = (np.int64(day[k]) << 1) | role[k]
        h = (lo[k] ^ seed) * np.uint64(0x9E3779B97F4A7C15)
        h = (h ^ (h >> np.uint64(29)) ^ hi[k]) * np.uint64(0xBF58476D1CE4E5B9)
        h = (h ^ (h >> np.uint64(32)) ^ np.uint64(meta)) * np.uint64(0x94D049BB133111EB)
        at = (h ^ (h >> np.uint64(31))) & mask
        while True:
            s = slots[at]
            if s == 0:
                slots[at] = used + 1
                thi[used] = hi[k]
                tlo[used] = lo[k]
                tmeta[used] = meta
                tnum[used, 0] = first[k]
                tnum[used, 1] = last[k]
                tnum[used, 2] = count[k]
                used += 1
                break
            r = s - 1
            if tlo[r] == lo[k] and thi[r] == hi[k] and tmeta[r] == meta:
                tnum[r, 0] = min(tnum[r, 0], first[k])
                tnum[r, 1] = max(tnum[r, 1], last[k])
                tnum[r, 2] += count[k]
                break
            at = (at + np.uint64(1)) & mask
    return used


class Links:
    """The links of one capture, being summed."""

    def __init__(self, inside: Ranges) -> None:
        self.inside = inside
        """Addresses that are context: they make no links."""
        self._room(1 << 12)

    def _room(self, capacity: int) -> None:
        self.capacity, self.used = capacity, 0
        self.hi, self.lo = np.empty(capacity, np.uint64), np.empty(capacity, np.uint64)
        self.meta, self.numbers = np.empty(capacity, np.int64), np.empty((capacity, 3), np.int64)
        self.slots = np.zeros(1 << (2 * capacity - 1).bit_length(), np.int32)

    def add(self, x: a.Arranged) -> pa.Table | None:
        """Sum the links of arranged rows; rows of `links` when the table was full before."""
        runs = x.runs
        full = self._enter(
            runs.hi, runs.lo, np.zeros(len(runs.lo), np.int32), runs.day, runs.first, runs.last, runs.count
        )  # fmt: skip
        quoting = x.order[x.quotes]
        if len(quoting):
            longs = x.rows.longs[quoting]
            victim = x.rows.inner_longs[quoting].view(np.uint64)
            late = self._enter(
                np.ascontiguousarray(victim[:, c.IN_DST_HI]), np.ascontiguousarray(victim[:, c.IN_DST_LO]),
                np.ones(len(quoting), np.int32), longs[:, c.FIRST] // 86_400_000_000, longs[:, c.FIRST].copy(),
                longs[:, c.LAST].copy(), x.rows.ints[quoting, c.COUNT].astype(np.int64),
            )  # fmt: skip
            full = _joined(full, late)
        return full

    def _enter(
        self, hi: a.U64, lo: a.U64, role: a.I32, day: a.I64, first: a.I64, last: a.I64, count: a.I64
    ) -> pa.Table | None:
        n, full = len(lo), None
        if self.used + n > self.capacity:
            full = self._grow(n)
        table = (self.hi, self.lo, self.meta, self.numbers)
        self.used = int(_sum(hi, lo, role, day, first, last, count, n, *table, self.used, self.slots, SEED))
        return full

    def _grow(self, more: int) -> pa.Table | None:
        if self.used + more > CAPACITY:
            full = self.rest()
            self._room(max(CAPACITY, more))
            return full
        hi, lo, n = self.hi[: self.used], self.lo[: self.used], self.used
        meta, numbers = self.meta[:n], self.numbers[:n]
        self._room(min(max(2 * self.capacity, self.used + more), CAPACITY))
        parts: list[a.I64] = [np.ascontiguousarray(numbers[:, f]) for f in range(3)]
        self._enter(hi, lo, (meta & 1).astype(np.int32), meta >> 1, *parts)
        return None

    def rest(self) -> pa.Table | None:
        """Rows of `links` without run_id for all that is summed, or None."""
        keep = ~_within(self.hi[: self.used], self.lo[: self.used], self.inside)
        if not keep.any():
            return None
        meta, numbers = self.meta[: self.used][keep], self.numbers[: self.used][keep]
        return _table(self.hi[: self.used][keep], self.lo[: self.used][keep], meta, numbers)


def _joined(one: pa.Table | None, other: pa.Table | None) -> pa.Table | None:
    import pyarrow as pa

    parts = [t for t in (one, other) if t is not None]
    return pa.concat_tables(parts) if parts else None


def _within(hi: a.U64, lo: a.U64, ranges: Ranges) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(lo), np.bool_)
    for low, high in ranges:
        if low[0] == 4:
            mark = 0xFFFF << 32
            one, two = (np.uint64(mark | int.from_bytes(x[1:], "big")) for x in (low, high))
            found |= (hi == 0) & (lo >= one) & (lo <= two)
        else:
            (ah, al), (bh, bl) = (
                (np.uint64(int.from_bytes(x[1:9], "big")), np.uint64(int.from_bytes(x[9:], "big")))
                for x in (low, high)
            )
            found |= ((hi > ah) | ((hi == ah) & (lo >= al))) & ((hi < bh) | ((hi == bh) & (lo <= bl)))
    return found


def _table(hi: a.U64, lo: a.U64, meta: a.I64, numbers: a.I64) -> pa.Table:
    import pyarrow as pa

    n = len(lo)
    offsets, data = text.texts(hi, lo)
    ts = pa.timestamp("us", tz="UTC")
    zeros = np.zeros(n, np.int32)

    def plain(kind: pa.DataType, values: npt.NDArray[Any]) -> pa.Array[Any]:
        return pa.Array.from_buffers(kind, n, [None, buffer(np.ascontiguousarray(values))], 0)

    def named(ids: a.I32, values: tuple[str, ...]) -> pa.Array[Any]:
        indices: Any = pa.array(ids)
        return pa.DictionaryArray.from_arrays(indices, pa.array(values))

    return pa.table(
        {
            "key": plain(pa.int64(), text.address_keys(hi, lo)),
            "kind": named(zeros, ("ip",)),
            "value": pa.Array.from_buffers(pa.string(), n, [None, buffer(offsets), buffer(data)], 0),
            "role": named((meta & 1).astype(np.int32), ROLES),
            "table": named(zeros, ("flows",)),
            "day": plain(pa.date32(), (meta >> 1).astype(np.int32)),
            "first_seen": plain(ts, numbers[:, 0]),
            "last_seen": plain(ts, numbers[:, 1]),
            "count": plain(pa.int64(), numbers[:, 2]),
        }
    )
