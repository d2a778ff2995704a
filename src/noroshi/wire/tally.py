"""Weights summed up by key in a hash table: what hourly sums by port are made of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from noroshi.wire.jit import kernel

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]


@kernel
def tally(ts, port, protocol, weight, start, n, keys, sums, state):
    """Add the weights of rows start..n by hour, protocol and port; where it stopped: n, or earlier when full.

    ts: µs since 1970. weight: per row, or empty for 1 each. keys: int64, -1 where free, a power of two long;
    key = hour << 24 | protocol << 16 | port. state[0]: keys in use; it stops at half of the table.
    """
    mask = keys.size - 1
    half = keys.size // 2
    last = -1
    at = 0
    for k in range(start, n):
        key = (
            (ts[k] // 3_600_000_000) << 24 | (np.int64(protocol[k]) & 255) << 16 | (np.int64(port[k]) & 65535)
        )
        if key != last:
            if state[0] >= half:
                return k
            h = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
            at = np.int64(h >> np.uint64(32)) & mask
            while keys[at] != key:
                if keys[at] == -1:
                    keys[at] = key
                    state[0] += 1
                    break
                at = (at + 1) & mask
            last = key
        sums[at] += weight[k] if weight.size else 1
    return n
