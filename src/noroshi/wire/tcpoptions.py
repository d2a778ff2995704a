"""TCP options as one 64-bit signature: their order, and the window scale; and its readable form.

Four bits an option in order, up to 12 of them, the window scale above, then flags: more than 12, malformed.
The readable form is compact: M = MSS, N = NOP, Wk = window scale k, S = SACK permitted, K = SACK, T =
timestamps, 5 = MD5, A = TCP-AO, F = fast open, P = multipath, E = end of list, ? = other; `+` more, `!` cut or
malformed.
"""

from __future__ import annotations

import numpy as np

from noroshi.wire.jit import helper

LETTERS = ("", "E", "N", "M", "W", "S", "K", "T", "5", "A", "F", "P", "?")
_SCALE_SHIFT, _MORE, _BAD = 48, 1 << 56, 1 << 57


@helper
def read(buf, p, end):
    """(signature, MSS or -1) of the options in buf[p:end]."""
    signature = 0
    count = 0
    scale = 0
    mss = -1
    while p < end:
        kind = buf[p]
        size = 1
        if kind == 0:
            code = 1
        elif kind == 1:
            code = 2
        else:
            if p + 1 >= end or buf[p + 1] < 2 or p + np.int64(buf[p + 1]) > end:
                signature |= 1 << 57
                break
            size = np.int64(buf[p + 1])
            if kind == 2:
                code = 3
                if size == 4 and mss < 0:
                    mss = (np.int64(buf[p + 2]) << 8) | np.int64(buf[p + 3])
            elif kind == 3:
                code = 4
                if size == 3:
                    scale = np.int64(buf[p + 2])
            elif kind == 4:
                code = 5
            elif kind == 5:
                code = 6
            elif kind == 8:
                code = 7
            elif kind == 19:
                code = 8
            elif kind == 29:
                code = 9
            elif kind == 34:
                code = 10
            elif kind == 30:
                code = 11
            else:
                code = 12
        if count < 12:
            signature |= code << (4 * count)
        else:
            signature |= 1 << 56
        count += 1
        p += size
        if code == 1:
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
