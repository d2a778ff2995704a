"""Packets to flow rows: the exact aggregation by minute and header tuple, in open-addressing tables.

A chunk of packets is reduced on its own, each packet decoded straight into the line of the row it may become.
Rows of the minute that a chunk border cuts are then merged, in order, into the rows of earlier chunks
(`Minute`). A row's traits are the values all its packets share. Slots hold 32 bits of the hash beside the row's
number, and on a match the whole key is compared.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from noroshi.wire import decode
from noroshi.wire.columns import Columns
from noroshi.wire.jit import helper, kernel

U64 = npt.NDArray[np.uint64]

KEYS = np.array([secrets.randbits(64) | 1 for _ in range(10)], np.uint64)
"""Multipliers of the hash, drawn anew by each process: senders cannot choose tuples that collide. Results do not
depend on them. Source: multilinear hashing (Carter and Wegman 1979), then the murmur3 finaliser's last steps."""
SEED = np.uint64(secrets.randbits(64))


@helper
def _hash(q, i, iq, ii, k, keys):
    # Independent products, so that they overlap; a chain of mixing steps took twice the time.
    h = np.uint64(q[k, 1]) * keys[0] + np.uint64(q[k, 3]) * keys[1]
    h += np.uint64((np.int64(i[k, 1]) << 48) | (np.int64(i[k, 2]) << 32) | np.int64(i[k, 0])) * keys[2]
    h += (
        np.uint64(
            (np.int64(i[k, 6]) << 32)
            | (np.int64(i[k, 5]) << 16)
            | (np.int64(i[k, 4]) << 8)
            | np.int64(i[k, 3])
        )
        * keys[3]
    )
    h += np.uint64(q[k, 0]) * keys[4] + np.uint64(q[k, 2]) * keys[5]
    kind = i[k, 13]
    if kind:
        if kind & 1:
            h += np.uint64((np.int64(i[k, 14]) << 32) ^ (np.int64(i[k, 15]) & 0xFFFF_FFFF)) * keys[6]
        if kind & 2:
            h += (
                np.uint64(iq[k, 1] ^ (iq[k, 0] << 1)) * keys[7]
                + np.uint64(iq[k, 3] ^ (iq[k, 2] << 1)) * keys[8]
            )
            h += (
                np.uint64((np.int64(ii[k, 0]) << 32) | (np.int64(ii[k, 1]) << 16) | np.int64(ii[k, 2]))
                * keys[9]
            )
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    return h ^ (h >> np.uint64(33))


@helper
def _same(q, i, iq, ii, k, r):
    if q[k, 1] != q[r, 1] or q[k, 3] != q[r, 3] or q[k, 0] != q[r, 0] or q[k, 2] != q[r, 2]:
        return False
    for c in range(7):  # minute, ports, protocol, ttl, flags, ip_len
        if i[k, c] != i[r, c]:
            return False
    kind = i[k, 13]
    if kind != i[r, 13]:
        return False
    if kind & 1 and (i[k, 14] != i[r, 14] or i[k, 15] != i[r, 15]):
        return False
    if kind & 2:
        for c in range(4):
            if iq[k, c] != iq[r, c]:
                return False
        for c in range(3):
            if ii[k, c] != ii[r, c]:
                return False
    return True


@helper
def _merge(q, i, k, r):
    """Add row k to row r, which has the same key."""
    q[r, 5] = min(q[r, 5], q[k, 5])
    q[r, 6] = max(q[r, 6], q[k, 6])
    q[r, 7] = min(q[r, 7], q[k, 7])
    if q[r, 4] != q[k, 4]:
        q[r, 4] = 1 << 62
    i[r, 7] += i[k, 7]
    for c in (8, 9, 10, 12):  # ip_id, window, mss, payload
        if i[r, c] != i[k, c]:
            i[r, c] = -1
    a = i[r, 11]
    b = i[k, 11]
    nulls = ((a | b) & 0xEA) | (((a ^ b) & 0x15) << 1)
    if i[r, 14] != i[k, 14]:
        nulls |= 64
    if i[r, 15] != i[k, 15]:
        nulls |= 128
    i[r, 11] = nulls | (a & 0x15 & ~(nulls >> 1))


@helper
def _move(q, i, iq, ii, k, r):
    """Copy row k to row r, which lies before it."""
    for c in range(8):
        q[r, c] = q[k, c]
    for c in range(16):
        i[r, c] = i[k, c]
    if i[k, 13] & 2:
        for c in range(4):
            iq[r, c] = iq[k, c]
        for c in range(3):
            ii[r, c] = ii[k, c]


AHEAD = 48
"""Packets decoded before their rows are looked up: their slots are then asked for together, where one by one
each would be waited for, and their lines (6 KiB) are still in the first-level cache."""


@kernel
def reduce(
    buf,
    off,
    cap,
    ts,
    link,
    one_link,
    base,
    count,
    tmin,
    tmax,
    q,
    i,
    iq,
    ii,
    hashes,
    minutes,
    slots,
    keys,
    status,
    sink,
):
    """Decode packets 0..count of an index and aggregate them into rows 0..; (rows, minute of the last packet or -1).

    sink: uint64 of one; receives a number that means nothing, so that the reads ahead are not optimised away.
    """
    rows = 0
    mask = np.uint64(slots.size - 1)
    touched = np.uint64(0)
    start = 0
    minute = np.int64(-1)
    while start < count:
        stop = min(start + AHEAD, count)
        end = rows
        for k in range(start, stop):
            bad = decode.row(buf, off, cap, ts, link, one_link, base, k, tmin, tmax, end, q, i, iq, ii)
            status[k] = bad
            if bad == 0:
                hashes[end] = _hash(q, i, iq, ii, end, keys)
                end += 1
        if end > rows:
            minute = np.int64(i[end - 1, 0])
        for k in range(rows, end):
            touched ^= slots[hashes[k] & mask]
        for k in range(rows, end):
            h = hashes[k]
            tag = h & np.uint64(0xFFFF_FFFF_0000_0000)
            at = h & mask
            while True:
                slot = slots[at]
                if slot == 0:
                    slots[at] = tag | np.uint64(rows + 1)
                    if k != rows:
                        _move(q, i, iq, ii, k, rows)
                        hashes[rows] = h
                    minutes[rows] = i[rows, 0]
                    rows += 1
                    break
                if slot & np.uint64(0xFFFF_FFFF_0000_0000) == tag:
                    r = np.int64(slot & np.uint64(0xFFFF_FFFF)) - 1
                    if _same(q, i, iq, ii, k, r):
                        _merge(q, i, k, r)
                        break
                at = (at + np.uint64(1)) & mask
        start = stop
    sink[0] = touched
    return rows, minute


@kernel
def join(q, i, iq, ii, hashes, minutes, start, stop, minute, slots):
    """Enter rows start..stop of one minute into its index; (rows entered, rows merged away).

    A row that is there already is added to the earlier one and keeps COUNT 0. slots: as in reduce; the caller
    keeps them under half full.
    """
    mask = np.uint64(slots.size - 1)
    entered = 0
    merged = 0
    for k in range(start, stop):
        if minutes[k] != minute:
            continue
        h = hashes[k]
        tag = h & np.uint64(0xFFFF_FFFF_0000_0000)
        at = h & mask
        while True:
            slot = slots[at]
            if slot == 0:
                slots[at] = tag | np.uint64(k + 1)
                entered += 1
                break
            if slot & np.uint64(0xFFFF_FFFF_0000_0000) == tag:
                r = np.int64(slot & np.uint64(0xFFFF_FFFF)) - 1
                if _same(q, i, iq, ii, k, r):
                    _merge(q, i, k, r)
                    i[k, 7] = 0
                    merged += 1
                    break
            at = (at + np.uint64(1)) & mask
    return entered, merged


@kernel
def living(i, start, stop, out):
    """The rows of start..stop that were not merged away, into out; how many."""
    n = 0
    for k in range(start, stop):
        if i[k, 7] > 0:
            out[n] = k
            n += 1
    return n


def slots_for(rows: int) -> U64:
    """Empty slots that stay under half full with `rows` rows."""
    return np.zeros(1 << max((2 * rows - 1).bit_length(), 10), np.uint64)


@dataclass
class Arena:
    """Room for the rows of `places` chunks, each of `limit` rows; a row has one number in all of it.

    Pages of places never used cost no memory, and the lowest free place is used first.
    """

    limit: int
    places: int

    def __post_init__(self) -> None:
        self.columns = Columns.empty(self.limit * self.places)
        self.hashes = np.empty(self.limit * self.places, np.uint64)
        self.minutes = np.empty(self.limit * self.places, np.int32)
        """Of each row once more, apart: looking for one minute would touch a line of every row."""


class Minute:
    """The index of one minute's rows over the chunks that hold them: the minute the last chunk ended in.

    Not the newest minute: one packet dated a day ahead would keep all later ones from being merged.
    """

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.slots = slots_for(1 << 12)
        self.rows = 0
        self.minute = -1

    def enter(self, start: int, stop: int, minute: int) -> tuple[bool, int]:
        """Merge rows start..stop of the arena, of a chunk that ends in `minute`, with earlier rows.

        (True when the minute of the earlier chunks is over: nothing will be merged into them any more; how many
        of the rows were merged away).
        """
        if start == stop:
            return False, 0
        merged = 0
        if self.rows or minute == self.minute:
            merged = self._join(start, stop, self.minute)
        if minute == self.minute:
            return False, merged
        self.forget()
        self.minute = minute
        return True, merged + self._join(start, stop, minute)

    def forget(self) -> None:
        """Begin anew: no earlier row can be merged into."""
        self.slots.fill(0)
        self.rows = 0

    def _join(self, start: int, stop: int, minute: int) -> int:
        self._room(self.rows + stop - start)
        entered, merged = join(
            *self.arena.columns.arrays(), self.arena.hashes, self.arena.minutes, start, stop, minute, self.slots
        )  # fmt: skip
        self.rows += int(entered)
        return int(merged)

    def _room(self, rows: int) -> None:
        if 2 * rows <= len(self.slots):
            return
        old = self.slots[self.slots != 0]
        self.slots = slots_for(2 * rows)
        kept = (old & np.uint64(0xFFFF_FFFF)).astype(np.int64) - 1
        _reenter(self.arena.hashes, kept, self.slots)


@kernel
def _reenter(hashes, kept, slots):
    mask = np.uint64(slots.size - 1)
    for n in range(kept.size):
        h = hashes[kept[n]]
        at = h & mask
        while slots[at] != 0:
            at = (at + np.uint64(1)) & mask
        slots[at] = (h & np.uint64(0xFFFF_FFFF_0000_0000)) | np.uint64(kept[n] + 1)
