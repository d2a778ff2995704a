"""Observables of a batch summed up in one table: hash aggregation over rows, address by address or id by id."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from noroshi.wire.jit import kernel

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

# Fields of an entry: one cache line, so that a row touches its slot and one line of the table.
HI: Final = 0
LO: Final = 1
GROUP: Final = 2
DAY: Final = 3
FIRST: Final = 4
LAST: Final = 5
COUNT: Final = 6
FIELDS: Final = 8
DAY_US: Final = 86_400_000_000


@kernel
def halves(offsets, data, n, hi, lo, good):
    """The two 64-bit halves of n stored addresses (`model.address`), IPv4 mapped; good[k] false for no address.

    offsets: n + 1 places in data, as in an Arrow binary array.
    """
    for k in range(n):
        p, size = offsets[k], offsets[k + 1] - offsets[k]
        good[k] = False
        if size == 5 and data[p] == 4:
            v = np.uint64(0xFFFF)
            for b in range(4):
                v = (v << np.uint64(8)) | np.uint64(data[p + 1 + b])
            hi[k], lo[k], good[k] = np.uint64(0), v, True
        elif size == 17 and data[p] == 6:
            u, v = np.uint64(0), np.uint64(0)
            for b in range(8):
                u = (u << np.uint64(8)) | np.uint64(data[p + 1 + b])
                v = (v << np.uint64(8)) | np.uint64(data[p + 9 + b])
            hi[k], lo[k], good[k] = u, v, True
        else:
            hi[k], lo[k] = np.uint64(0), np.uint64(0)


@kernel
def total(start, n, entry, parent, hi, lo, group, first, last, count, table, state, slots, seed):
    """Sum items start..n into the table; where it stopped: n, or earlier when the table was full.

    entry[k]: which of (hi, lo) item k is, negative for none. parent[k]: the row it stands in; empty when item and
    row are the same. group, first, last (µs), count: by row. table: int64, FIELDS columns; state[0]: entries in it.
    slots: int32, zero where free, a power of two of at least twice the table's length.
    """
    mask = np.uint64(slots.size - 1)
    capacity = table.shape[0]
    used = state[0]
    flat = parent.size == 0
    at_item = n
    for k in range(start, n):
        e = np.int64(entry[k])
        if e < 0:
            continue
        r = np.int64(k) if flat else np.int64(parent[k])
        f, g = first[r], np.int64(group[r])
        day = f // DAY_US
        h = (lo[e] ^ seed) * np.uint64(0x9E3779B97F4A7C15)
        h = (h ^ (h >> np.uint64(29)) ^ hi[e]) * np.uint64(0xBF58476D1CE4E5B9)
        h = (h ^ (h >> np.uint64(32)) ^ np.uint64((g << 32) ^ day)) * np.uint64(0x94D049BB133111EB)
        at = (h ^ (h >> np.uint64(31))) & mask
        a, b = np.int64(hi[e]), np.int64(lo[e])
        full = False
        while True:
            s = slots[at]
            if s == 0:
                if used >= capacity:
                    full = True
                    break
                slots[at] = used + 1
                table[used, HI] = a
                table[used, LO] = b
                table[used, GROUP] = g
                table[used, DAY] = day
                table[used, FIRST] = f
                table[used, LAST] = last[r]
                table[used, COUNT] = count[r]
                used += 1
                break
            t = s - 1
            if table[t, LO] == b and table[t, HI] == a and table[t, GROUP] == g and table[t, DAY] == day:
                if f < table[t, FIRST]:
                    table[t, FIRST] = f
                if last[r] > table[t, LAST]:
                    table[t, LAST] = last[r]
                table[t, COUNT] += count[r]
                break
            at = (at + np.uint64(1)) & mask
        if full:
            at_item = k
            break
    state[0] = used
    return at_item


@kernel
def place(table, used, slots, seed):
    """Enter the first `used` entries of a table into slots, all zero: after the table grew."""
    mask = np.uint64(slots.size - 1)
    for k in range(used):
        h = (np.uint64(table[k, LO]) ^ seed) * np.uint64(0x9E3779B97F4A7C15)
        h = (h ^ (h >> np.uint64(29)) ^ np.uint64(table[k, HI])) * np.uint64(0xBF58476D1CE4E5B9)
        meta = (table[k, GROUP] << 32) ^ table[k, DAY]
        h = (h ^ (h >> np.uint64(32)) ^ np.uint64(meta)) * np.uint64(0x94D049BB133111EB)
        at = (h ^ (h >> np.uint64(31))) & mask
        while slots[at] != 0:
            at = (at + np.uint64(1)) & mask
        slots[at] = k + 1


class Sums:
    """A table of sums that grows up to `limit` entries; who is told that it is full takes them out."""

    def __init__(self, seed: int, limit: int) -> None:
        self._seed, self._limit = np.uint64(seed), limit
        self._room(1 << 10)

    def _room(self, capacity: int) -> None:
        self.table = np.empty((capacity, FIELDS), np.int64)
        self.slots = np.zeros(1 << (2 * capacity - 1).bit_length(), np.int32)
        self.state = np.zeros(1, np.int64)

    @property
    def used(self) -> int:
        """Entries in the table."""
        return int(self.state[0])

    def add(
        self, entry: I32, parent: I32, hi: U64, lo: U64, group: I32, first: I64, last: I64, count: I64,
        start: int = 0,
    ) -> int:  # fmt: skip
        """Sums items from `start`; where it stopped: len(entry), or earlier when the table is full."""
        n, at = len(entry), start
        while True:
            at = int(total(at, n, entry, parent, hi, lo, group, first, last, count,
                           self.table, self.state, self.slots, self._seed))  # fmt: skip
            if at >= n or len(self.table) >= self._limit:
                return at
            self._grow()

    def _grow(self) -> None:
        old, used = self.table, self.used
        self._room(min(4 * len(old), self._limit))
        self.table[:used] = old[:used]
        self.state[0] = used
        place(self.table, used, self.slots, self._seed)

    def entries(self) -> I64:
        """The entries, in order of first appearance; they stand until `clear`."""
        return self.table[: self.used]

    def clear(self) -> None:
        """Empties the table."""
        self.state[0] = 0
        self.slots[:] = 0
