"""Addresses in bulk: their stored bytes, their text, and the key of an observable; and interning."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from noroshi.wire.jit import kernel

U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]


@kernel
def pack(hi, lo, n, offsets, data):
    """Stored form (`model.address`) of n addresses: fills offsets (n+1) and data; returns bytes used."""
    p = 0
    for k in range(n):
        offsets[k] = p
        if hi[k] == 0 and (lo[k] >> np.uint64(32)) == np.uint64(0xFFFF):
            data[p] = 4
            for b in range(4):
                data[p + 1 + b] = np.uint8((lo[k] >> np.uint64(24 - 8 * b)) & np.uint64(255))
            p += 5
        else:
            data[p] = 6
            for b in range(8):
                data[p + 1 + b] = np.uint8((hi[k] >> np.uint64(56 - 8 * b)) & np.uint64(255))
                data[p + 9 + b] = np.uint8((lo[k] >> np.uint64(56 - 8 * b)) & np.uint64(255))
            p += 17
    offsets[n] = p
    return p


@kernel
def dotted(lo, n, offsets, data):
    """Dotted text of n IPv4 addresses (low 32 bits of lo): fills offsets (n+1) and data; bytes used."""
    p = 0
    for k in range(n):
        offsets[k] = p
        for b in range(4):
            v = np.int64((lo[k] >> np.uint64(24 - 8 * b)) & np.uint64(255))
            if v >= 100:
                data[p] = 48 + v // 100
                p += 1
            if v >= 10:
                data[p] = 48 + (v // 10) % 10
                p += 1
            data[p] = 48 + v % 10
            p += 1
            if b < 3:
                data[p] = 46
                p += 1
    offsets[n] = p
    return p


@kernel
def _keys(start, offsets, data, n, out):
    for k in range(n):
        h = start
        for p in range(offsets[k], offsets[k + 1]):
            h = (h ^ np.uint64(data[p])) * np.uint64(0x100000001B3)
        h ^= h >> np.uint64(33)
        h *= np.uint64(0xFF51AFD7ED558CCD)
        h ^= h >> np.uint64(33)
        h *= np.uint64(0xC4CEB9FE1A85EC53)
        h ^= h >> np.uint64(33)
        out[k] = np.int64(h | np.uint64(0x8000000000000000))


def keys(kind: str, offsets: I32, data: U8) -> npt.NDArray[np.int64]:
    """`model.observable.key64` of n values of any kind but `ip`, given as Arrow string offsets (n+1) and bytes."""
    start = 0xCBF29CE484222325
    for byte in f"{kind}\0".encode():
        start = ((start ^ byte) * 0x100000001B3) & ((1 << 64) - 1)
    n = len(offsets) - 1
    out = np.empty(n, np.int64)
    _keys(np.uint64(start), offsets, data, n, out)
    return out


def address_keys(hi: U64, lo: U64) -> npt.NDArray[np.int64]:
    """`model.observable.key64` of n addresses given as the two halves of IPv6 (IPv4 mapped)."""
    v4 = (hi == 0) & (lo >> np.uint64(32) == np.uint64(0xFFFF))
    four = np.uint64(1 << 60) | ((lo & np.uint64(0xFFFFFFFF)) << np.uint64(28))
    six = np.uint64(2 << 60) | (hi >> np.uint64(4))
    return np.where(v4, four, six).view(np.int64)


@kernel
def spelled(hi, lo, n, offsets, data):
    """Canonical text (RFC 5952) of n addresses, IPv4 mapped: fills offsets (n+1) and data (39 n); bytes used."""
    p = 0
    for k in range(n):
        offsets[k] = p
        if hi[k] == 0 and (lo[k] >> np.uint64(32)) == np.uint64(0xFFFF):
            for b in range(4):
                v = np.int64((lo[k] >> np.uint64(24 - 8 * b)) & np.uint64(255))
                if v >= 100:
                    data[p] = 48 + v // 100
                    p += 1
                if v >= 10:
                    data[p] = 48 + (v // 10) % 10
                    p += 1
                data[p] = 48 + v % 10
                p += 1
                if b < 3:
                    data[p] = 46
                    p += 1
            continue
        # The longest run of zero groups, the first of equals, is left out; a single one is not.
        best, width, run = 8, 1, 0
        for g in range(9):
            word = hi[k] if g < 4 else lo[k]
            zero = g < 8 and ((word >> np.uint64(48 - 16 * (g & 3))) & np.uint64(0xFFFF)) == 0
            if zero:
                run += 1
            else:
                if run > width:
                    best, width = g - run, run
                run = 0
        g = 0
        while g < 8:
            if g == best:
                data[p] = 58
                p += 1
                g += width
                if g == 8:
                    data[p] = 58
                    p += 1
                continue
            if g > 0:
                data[p] = 58
                p += 1
            word = hi[k] if g < 4 else lo[k]
            v = np.int64((word >> np.uint64(48 - 16 * (g & 3))) & np.uint64(0xFFFF))
            shift = 12
            while shift > 0 and (v >> shift) == 0:
                shift -= 4
            while shift >= 0:
                d = (v >> shift) & 15
                data[p] = 48 + d if d < 10 else 87 + d
                p += 1
                shift -= 4
            g += 1
    offsets[n] = p
    return p


def texts(hi: U64, lo: U64) -> tuple[I32, U8]:
    """Canonical text of addresses as Arrow string offsets (n+1) and bytes."""
    n = len(lo)
    offsets = np.empty(n + 1, np.int32)
    if not hi.any() and bool((lo >> np.uint64(32) == np.uint64(0xFFFF)).all()):
        data = np.empty(15 * n, np.uint8)
        return offsets, data[: dotted(lo, n, offsets, data)]
    data = np.empty(39 * n, np.uint8)
    return offsets, data[: spelled(hi, lo, n, offsets, data)]


@kernel
def intern(values, n, ids, unique, slots, seed):
    """Give equal values equal ids in order of first appearance; the number of different ones.

    slots: int32, all zero, a power of two more than 2n long. ids receives n ids, unique the different values.
    """
    mask = np.uint64(slots.size - 1)
    count = 0
    for k in range(n):
        h = (values[k] ^ seed) * np.uint64(0x9E3779B97F4A7C15)
        at = (h ^ (h >> np.uint64(32))) & mask
        while True:
            s = slots[at]
            if s == 0:
                slots[at] = count + 1
                unique[count] = values[k]
                ids[k] = count
                count += 1
                break
            if unique[s - 1] == values[k]:
                ids[k] = s - 1
                break
            at = (at + np.uint64(1)) & mask
    return count
