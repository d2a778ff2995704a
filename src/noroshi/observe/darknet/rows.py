"""Packets to flow rows: the exact aggregation by minute and header tuple, in an open-addressing table.

A packet is a row of count one, so packets and rows of earlier tables are absorbed by the same code. A row's
traits are the values all its packets share, else -1 (`wire.columns`). Slots hold 32 bits of the hash beside the
row's number, and on a match the whole key is compared.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from noroshi.wire import decode
from noroshi.wire.columns import Columns
from noroshi.wire.jit import helper, kernel

MIXED_OPTIONS = np.uint64(1 << 63)
"""Options signature of a row whose packets do not share one."""

BLOCK = 2048
"""Packets decoded at a time: their columns (some 500 KiB) stay in the second-level cache."""

SEED = np.uint64(secrets.randbits(64))
"""Keeps senders from choosing tuples that collide; results do not depend on it."""


@helper
def _mix(h, v):  # type: ignore[no-untyped-def]
    h = (h ^ v) * np.uint64(0x9E3779B97F4A7C15)
    return h ^ (h >> np.uint64(29))


@helper
def _hash(w, l, i, iw, ii, k, seed):  # type: ignore[no-untyped-def]  # noqa: E741
    h = _mix(seed, w[1, k])
    h = _mix(h, w[3, k])
    h = _mix(h, w[0, k] + (w[2, k] << np.uint64(1)))
    h = _mix(h, (np.uint64(i[1, k]) << np.uint64(48)) | (np.uint64(i[2, k]) << np.uint64(32)) | np.uint64(i[0, k]))
    h = _mix(
        h,
        (np.uint64(i[6, k]) << np.uint64(32))
        | (np.uint64(i[5, k]) << np.uint64(16))
        | (np.uint64(i[4, k]) << np.uint64(8))
        | np.uint64(i[3, k]),
    )
    if i[15, k]:
        h = _mix(h, (np.uint64(l[3, k]) << np.uint64(32)) ^ np.uint64(l[4, k]))
    if i[16, k]:
        h = _mix(h, iw[1, k] ^ (iw[0, k] << np.uint64(1)))
        h = _mix(h, iw[3, k] ^ (iw[2, k] << np.uint64(1)))
        h = _mix(h, (np.uint64(ii[0, k]) << np.uint64(32)) | (np.uint64(ii[1, k]) << np.uint64(16)) | np.uint64(ii[2, k]))
    return _mix(h, np.uint64(0x2545F4914F6CDD1D))


@helper
def _same(w, l, i, iw, ii, k, tw, tl, ti, tiw, tii, r):  # type: ignore[no-untyped-def]  # noqa: E741
    if w[1, k] != tw[1, r] or w[3, k] != tw[3, r] or w[0, k] != tw[0, r] or w[2, k] != tw[2, r]:
        return False
    for c in range(7):  # minute, ports, protocol, ttl, flags, ip_len
        if i[c, k] != ti[c, r]:
            return False
    if i[15, k] != ti[15, r] or i[16, k] != ti[16, r]:
        return False
    if i[15, k] and (l[3, k] != tl[3, r] or l[4, k] != tl[4, r]):
        return False
    if i[16, k]:
        for c in range(4):
            if iw[c, k] != tiw[c, r]:
                return False
        for c in range(3):
            if ii[c, k] != tii[c, r]:
                return False
    return True


@helper
def _absorb(w, l, i, iw, ii, count, tw, tl, ti, tiw, tii, rows, slots, seed):  # type: ignore[no-untyped-def]  # noqa: E741
    """Absorb columns 0..count into the table; its new number of rows. The caller keeps it under half full."""
    mask = np.uint64(slots.size - 1)
    for k in range(count):
        h = _hash(w, l, i, iw, ii, k, seed)
        tag = h & np.uint64(0xFFFF_FFFF_0000_0000)
        at = h & mask
        while True:
            slot = slots[at]
            if slot == 0:
                slots[at] = tag | np.uint64(rows + 1)
                for c in range(5):
                    tw[c, rows] = w[c, k]
                for c in range(6):
                    tl[c, rows] = l[c, k]
                for c in range(17):
                    ti[c, rows] = i[c, k]
                if i[16, k]:
                    for c in range(4):
                        tiw[c, rows] = iw[c, k]
                    for c in range(3):
                        tii[c, rows] = ii[c, k]
                rows += 1
                break
            if slot & np.uint64(0xFFFF_FFFF_0000_0000) == tag:
                r = np.int64(slot & np.uint64(0xFFFF_FFFF)) - 1
                if _same(w, l, i, iw, ii, k, tw, tl, ti, tiw, tii, r):
                    if l[0, k] < tl[0, r]:
                        tl[0, r] = l[0, k]
                    if l[1, k] > tl[1, r]:
                        tl[1, r] = l[1, k]
                    if l[2, k] < tl[2, r]:
                        tl[2, r] = l[2, k]
                    for c in range(3, 5):  # seq, ack
                        if tl[c, r] != l[c, k]:
                            tl[c, r] = -1
                    tl[5, r] += l[5, k]
                    ti[7, r] += i[7, k]
                    for c in range(8, 15):  # ip_id .. payload
                        if ti[c, r] != i[c, k]:
                            ti[c, r] = -1
                    if tw[4, r] != w[4, k]:
                        tw[4, r] = np.uint64(1 << 63)
                    break
            at = (at + np.uint64(1)) & mask
    return rows


@kernel
def absorb(w, l, i, iw, ii, count, tw, tl, ti, tiw, tii, rows, slots, seed):  # type: ignore[no-untyped-def]  # noqa: E741
    """Absorb columns 0..count into the table; its new number of rows."""
    return _absorb(w, l, i, iw, ii, count, tw, tl, ti, tiw, tii, rows, slots, seed)


@kernel
def reduce(buf, off, cap, ts, link, one_link, base, count, tmin, tmax, w, l, i, iw, ii, tw, tl, ti, tiw, tii, slots, seed, status):  # type: ignore[no-untyped-def]  # noqa: E501, E741
    """Decode packets 0..count of an index and absorb them, block by block; the number of rows."""
    rows = 0
    room = l.shape[1]
    a = 0
    while a < count:
        b = min(a + room, count)
        n = decode.block(buf, off, cap, ts, link, one_link, base, a, b, tmin, tmax, w, l, i, iw, ii, status)
        rows = _absorb(w, l, i, iw, ii, n, tw, tl, ti, tiw, tii, rows, slots, seed)
        a = b
    return rows


def _slots(capacity: int) -> npt.NDArray[np.uint64]:
    return np.zeros(1 << max(int(2 * capacity - 1).bit_length(), 10), np.uint64)


@dataclass
class Table:
    """Rows under construction; room for `capacity` of them."""

    columns: Columns
    slots: npt.NDArray[np.uint64]
    rows: int = 0
    block: Columns = field(default_factory=lambda: Columns.empty(BLOCK))

    @classmethod
    def for_packets(cls, capacity: int) -> Table:
        """An empty table that holds `capacity` rows."""
        return cls(Columns.empty(capacity), _slots(capacity))

    def clear(self) -> None:
        """Forget all rows, keep the room."""
        self.rows = 0
        self.slots.fill(0)

    def add_packets(
        self, buf: npt.NDArray[np.uint8], index: tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int64]],
        link: npt.NDArray[np.int32], one_link: int, base: int, count: int, latest_us: int,
        status: npt.NDArray[np.uint8],
    ) -> None:  # fmt: skip
        """Decode and absorb `count` packets into an empty table; `status` receives what became of each."""
        off, cap, ts = index
        self.rows = reduce(
            buf, off, cap, ts, link, one_link, base, count, decode.EARLIEST_US, latest_us,
            *self.block.arrays(), *self.columns.arrays(), self.slots, SEED, status,
        )  # fmt: skip

    def add_rows(self, rows: Columns, count: int) -> None:
        """Absorb `count` rows of another table; grows when needed."""
        if self.rows + count > self.columns.capacity:
            self._grow(self.rows + count)
        self.rows = absorb(*rows.arrays(), count, *self.columns.arrays(), self.rows, self.slots, SEED)

    def _grow(self, needed: int) -> None:
        old, count = self.columns, self.rows
        capacity = max(needed, 2 * old.capacity)
        self.columns, self.slots, self.rows = Columns.empty(capacity), _slots(capacity), 0
        self.rows = absorb(*old.arrays(), count, *self.columns.arrays(), 0, self.slots, SEED)
