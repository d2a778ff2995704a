"""TCP options as one 64-bit signature: their order, and the window scale; and its readable form.

Four bits an option in order, up to 12 of them, the window scale above, then flags: more than 12, malformed.
The readable form is compact: M = MSS, N = NOP, Wk = window scale k, S = SACK permitted, K = SACK, T =
timestamps, 5 = MD5, A = TCP-AO, F = fast open, P = multipath, E = end of list, ? = other; `+` more, `!` cut or
malformed.
"""

from __future__ import annotations

import numpy as np

from noroshi.wire.jit import helper
from noroshi.wire.read import be32

LETTERS = ("", "E", "N", "M", "W", "S", "K", "T", "5", "A", "F", "P", "?")
_SCALE_SHIFT, _MORE, _BAD = 48, 1 << 56, 1 << 57


# Code of each kind of option: its position in LETTERS.
_CODES = np.full(256, 12, np.int64)
for _code, _kind in enumerate((0, 1, 2, 3, 4, 5, 8, 19, 29, 34, 30), start=1):
    _CODES[_kind] = _code
# What most stacks and scanners send, read in one step: MSS; and as Linux, as Windows.
_MSS = 3
_LINUX = 3 | 5 << 4 | 7 << 8 | 2 << 12 | 4 << 16
_WINDOWS = 3 | 2 << 4 | 4 << 8 | 2 << 12 | 2 << 16 | 5 << 20


@helper
def read(buf, p, end):
    """(signature, MSS or -1) of the options in buf[p:end], at least four bytes."""
    if be32(buf, p) >> 16 == 0x0204:
        mss = be32(buf, p) & 0xFFFF
        if end - p == 4:
            return _MSS, mss
        if end - p == 20 and be32(buf, p + 4) == 0x0402080A and be32(buf, p + 16) >> 8 == 0x010303:
            return _LINUX | (np.int64(buf[p + 19]) << 48), mss
        if end - p == 12 and be32(buf, p + 4) >> 8 == 0x010303 and be32(buf, p + 8) == 0x01010402:
            return _WINDOWS | (np.int64(buf[p + 7]) << 48), mss
    signature = 0
    count = 0
    scale = np.int64(0)
    mss = -1
    while p < end:
        kind = np.int64(buf[p])
        size = np.int64(1)
        if kind > 1:
            if p + 1 >= end or buf[p + 1] < 2 or p + np.int64(buf[p + 1]) > end:
                signature |= 1 << 57
                break
            size = np.int64(buf[p + 1])
            if kind == 2 and size == 4 and mss < 0:
                mss = (np.int64(buf[p + 2]) << 8) | np.int64(buf[p + 3])
            elif kind == 3 and size == 3:
                scale = np.int64(buf[p + 2])
        if count < 12:
            signature |= _CODES[kind] << (4 * count)
        else:
            signature |= 1 << 56
        count += 1
        p += size
        if kind == 0:
            break
    return signature | (scale << 48), mss


def text(signature: int) -> str:
    """The readable form of a signature, e.g. `M,N,W8,N,N,S`."""
    parts = []
    scale = (signature >> _SCALE_SHIFT) & 0xFF
    for i in range(12):
        code = (signature >> (4 * i)) & 15
        if code == 0:
            break
        parts.append(f"W{scale}" if code == 4 else LETTERS[code] if code < len(LETTERS) else "?")
    if signature & _MORE:
        parts.append("+")
    if signature & _BAD:
        parts.append("!")
    return ",".join(parts)
