"""How packets and flow rows lie in memory: two cache lines each, so that finding, comparing and reordering rows
touches two lines and not one for each field.

A packet is a row of count one. -1 in IP_ID, WINDOW, MSS or PAYLOAD means: none, or not the same in all packets
of the row; TRAITS says the same of its booleans and of SEQ and ACK by null bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

# `longs`: eight int64. Addresses as the bits of two halves, IPv4 as ::ffff:a.b.c.d; times in µs.
SRC_HI, SRC_LO, DST_HI, DST_LO, OPTIONS, FIRST, LAST, OFFSET = range(8)
# `ints`: sixteen int32; SEQ and ACK are the bits of an unsigned number.
(
    MINUTE, SPORT, DPORT, PROTO, TTL, FLAGS, IP_LEN, COUNT, IP_ID, WINDOW, MSS, TRAITS, PAYLOAD, KIND, SEQ, ACK,
) = range(16)  # fmt: skip
# Quoted inner tuple, touched for ICMP errors only: `inner_longs`, `inner_ints`.
IN_SRC_HI, IN_SRC_LO, IN_DST_HI, IN_DST_LO = range(4)
IN_SPORT, IN_DPORT, IN_PROTO = range(3)

# Bits of TRAITS: a value and, one higher, its null; then the nulls of SEQ and ACK.
DF, DF_NULL, SEQ_IS_DST, SEQ_IS_DST_NULL, MASSCAN, MASSCAN_NULL, SEQ_NULL, ACK_NULL = (
    1 << b for b in range(8)
)
# Bits of KIND: told apart by sequence numbers too; quotes a packet.
REPLY, QUOTES = 1, 2

MIXED_OPTIONS = 1 << 62
"""Options signature of a row whose packets do not share one."""


def _lines(capacity: int, width: int, dtype: type) -> Any:
    """Uninitialised room of `capacity` lines, aligned to the cache line."""
    item = np.dtype(dtype).itemsize
    raw = np.empty(capacity * width * item + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + capacity * width * item].view(dtype).reshape(capacity, width)


@dataclass(frozen=True)
class Columns:
    """Room for `capacity` packets or rows; pages that are never written cost no memory."""

    longs: I64
    ints: I32
    inner_longs: I64
    inner_ints: I32

    @classmethod
    def empty(cls, capacity: int) -> Columns:
        """Uninitialised room."""
        return cls(
            _lines(capacity, 8, np.int64), _lines(capacity, 16, np.int32),
            _lines(capacity, 4, np.int64), _lines(capacity, 3, np.int32),
        )  # fmt: skip

    @property
    def capacity(self) -> int:
        """How many packets or rows fit."""
        return len(self.longs)

    def arrays(self) -> tuple[I64, I32, I64, I32]:
        """The four arrays in the order kernels take them."""
        return self.longs, self.ints, self.inner_longs, self.inner_ints

    def part(self, start: int, stop: int) -> Columns:
        """A view of some lines."""
        longs, ints, inner_longs, inner_ints = (a[start:stop] for a in self.arrays())
        return Columns(longs, ints, inner_longs, inner_ints)  # type: ignore[arg-type]
