"""How packets and flow rows lie in memory: a few two-dimensional arrays, one line per field.

The same layout serves a block of decoded packets and a table of rows, so that a packet is simply a row of
count one and both are merged by the same code. -1 in a signed field means: none, or not the same in all
packets of the row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# uint64: addresses as two halves; IPv4 as ::ffff:a.b.c.d
SRC_HI, SRC_LO, DST_HI, DST_LO, OPTIONS = range(5)
WIDE = 5
# int64
FIRST, LAST, OFFSET, SEQ, ACK, BYTES = range(6)
LONG = 6
# int32
(
    MINUTE, SPORT, DPORT, PROTO, TTL, FLAGS, IP_LEN, COUNT, IP_ID, WINDOW, MSS, DF, SEQ_IS_DST, MASSCAN, PAYLOAD,
    REPLY, INNER,
) = range(17)  # fmt: skip
INT = 17
# Quoted inner tuple, touched for ICMP errors only: uint64 and int32
IN_SRC_HI, IN_SRC_LO, IN_DST_HI, IN_DST_LO = range(4)
IN_SPORT, IN_DPORT, IN_PROTO = range(3)

V4_MARK = np.uint64(0xFFFF_0000_0000)
"""High bits of the low half of an IPv4 address in ::ffff:0:0/96."""


@dataclass(frozen=True)
class Columns:
    """Room for `capacity` packets or rows; pages that are never written cost no memory."""

    wide: npt.NDArray[np.uint64]
    long: npt.NDArray[np.int64]
    int: npt.NDArray[np.int32]
    inner_wide: npt.NDArray[np.uint64]
    inner_int: npt.NDArray[np.int32]

    @classmethod
    def empty(cls, capacity: int) -> Columns:
        """Uninitialised room."""
        return cls(
            np.empty((WIDE, capacity), np.uint64),
            np.empty((LONG, capacity), np.int64),
            np.empty((INT, capacity), np.int32),
            np.empty((4, capacity), np.uint64),
            np.empty((3, capacity), np.int32),
        )

    @property
    def capacity(self) -> int:
        """How many packets or rows fit."""
        return int(self.long.shape[1])

    def arrays(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int32],
                              npt.NDArray[np.uint64], npt.NDArray[np.int32]]:  # fmt: skip
        """The five arrays in the order kernels take them."""
        return self.wide, self.long, self.int, self.inner_wide, self.inner_int

    def take(self, which: npt.NDArray[np.intp] | slice) -> Columns:
        """A copy of some rows."""
        return Columns(*(np.ascontiguousarray(a[:, which]) for a in self.arrays()))
