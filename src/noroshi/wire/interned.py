"""Texts of several kinds kept once each, as bytes: numbers for them, their keys, and the hosts of URLs among them.

A text takes its bytes and some 35 more, where a dict of Python texts takes 250.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from noroshi.wire.jit import helper, kernel

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
U8 = npt.NDArray[np.uint8]

_SEED: Final = secrets.randbits(64), secrets.randbits(64)
"""Drawn anew by each process: senders cannot choose texts that collide."""
USED: Final = 0
BYTES: Final = 1
NONE, NAME, ADDRESS = 0, 1, 2
"""What the host of a URL is."""


@helper
def _rotated(x, b):
    return (x << np.uint64(b)) | (x >> np.uint64(64 - b))


@helper
def _round(a, b, c, d):
    """A round of SipHash."""
    a += b
    b = _rotated(b, 13) ^ a
    a = _rotated(a, 32)
    c += d
    d = _rotated(d, 16) ^ c
    a += d
    d = _rotated(d, 21) ^ a
    c += b
    b = _rotated(b, 17) ^ c
    c = _rotated(c, 32)
    return a, b, c, d


@helper
def _hashed(data, start, end, kind, k0, k1):
    """SipHash-1-3 (Aumasson and Bernstein 2012) of a kind and the bytes start..end."""
    a, b = k0 ^ np.uint64(0x736F6D6570736575), k1 ^ np.uint64(0x646F72616E646F6D)
    c, d = k0 ^ np.uint64(0x6C7967656E657261), k1 ^ np.uint64(0x7465646279746573)
    m = np.uint64(kind)
    d ^= m
    a, b, c, d = _round(a, b, c, d)
    a ^= m
    p = start
    while p + 8 <= end:
        m = np.uint64(0)
        for i in range(8):
            m |= np.uint64(data[p + i]) << np.uint64(8 * i)
        d ^= m
        a, b, c, d = _round(a, b, c, d)
        a ^= m
        p += 8
    m = np.uint64((end - start) & 255) << np.uint64(56)
    for i in range(end - p):
        m |= np.uint64(data[p + i]) << np.uint64(8 * i)
    d ^= m
    a, b, c, d = _round(a, b, c, d)
    a ^= m
    c ^= np.uint64(255)
    for _ in range(3):
        a, b, c, d = _round(a, b, c, d)
    return a ^ b ^ c ^ d


@kernel
def _intern(offsets, data, kinds, n, ids, held, bounds, kind_of, hashes, slots, state, k0, k1):
    """Numbers of n texts, negative where their kind is; new ones are added. There must be room for all of them."""
    mask = np.uint64(slots.size - 1)
    used, size = state[USED], state[BYTES]
    for k in range(n):
        kind = kinds[k]
        if kind < 0:
            ids[k] = -1
            continue
        start, end = np.int64(offsets[k]), np.int64(offsets[k + 1])
        h = _hashed(data, start, end, kind, k0, k1)
        at = h & mask
        while True:
            s = np.int64(slots[at])
            if s == 0:
                slots[at] = used + 1
                hashes[used], kind_of[used] = h, kind
                for p in range(end - start):
                    held[size + p] = data[start + p]
                size += end - start
                used += 1
                bounds[used] = size
                ids[k] = used - 1
                break
            t = s - 1
            first = bounds[t]
            if hashes[t] == h and kind_of[t] == kind and bounds[t + 1] - first == end - start:
                same = True
                for p in range(end - start):
                    if held[first + p] != data[start + p]:
                        same = False
                        break
                if same:
                    ids[k] = t
                    break
            at = (at + np.uint64(1)) & mask
    state[USED], state[BYTES] = used, size


@kernel
def _place(hashes, used, slots):
    mask = np.uint64(slots.size - 1)
    for k in range(used):
        at = hashes[k] & mask
        while slots[at] != 0:
            at = (at + np.uint64(1)) & mask
        slots[at] = k + 1


@kernel
def _keys(held, bounds, kind_of, used, starts, ip, out, good):
    """Keys as `model.observable.key64`; good[k] false for an address that is not dotted. starts: FNV state by kind."""
    for k in range(used):
        kind, start, end = np.int64(kind_of[k]), bounds[k], bounds[k + 1]
        if kind == ip:
            v, part, digits, dots = np.uint64(0), np.uint64(0), 0, 0
            fine = end - start <= 15
            for p in range(start, end):
                c = held[p]
                if c == 46:
                    v, part, digits, dots = (v << np.uint64(8)) | part, np.uint64(0), 0, dots + 1
                elif 48 <= c <= 57 and digits < 3:
                    part, digits = part * np.uint64(10) + np.uint64(c - 48), digits + 1
                else:
                    fine = False
            out[k] = np.int64(
                (np.uint64(1) << np.uint64(60)) | (((v << np.uint64(8)) | part) << np.uint64(28))
            )
            good[k] = fine and dots == 3
            continue
        h = starts[kind]
        for p in range(start, end):
            h = (h ^ np.uint64(held[p])) * np.uint64(0x100000001B3)
        h ^= h >> np.uint64(33)
        h *= np.uint64(0xFF51AFD7ED558CCD)
        h ^= h >> np.uint64(33)
        h *= np.uint64(0xC4CEB9FE1A85EC53)
        h ^= h >> np.uint64(33)
        out[k] = np.int64(h | np.uint64(0x8000000000000000))
        good[k] = True


@kernel
def _hosts(held, bounds, kind_of, first, used, url, start, end, what):
    """Where the host of each canonical URL from `first` on stands, and what it is; NONE for other kinds."""
    for k in range(first, used):
        i = k - first
        what[i] = NONE
        if kind_of[k] != url:
            continue
        p, last = bounds[k], bounds[k + 1]
        while p + 2 < last and not (held[p] == 58 and held[p + 1] == 47 and held[p + 2] == 47):
            p += 1
        p += 3
        if p >= last:
            continue
        if held[p] == 91:
            p += 1
            e = p
            while e < last and held[e] != 93:
                e += 1
            if e < last:
                start[i], end[i], what[i] = p, e, ADDRESS
            continue
        e, dots, digits = p, 0, True
        while e < last and held[e] != 47 and held[e] != 58 and held[e] != 63 and held[e] != 35:
            if held[e] == 46:
                dots, digits = dots + 1, True
            elif held[e] < 48 or held[e] > 57:
                digits = False
            e += 1
        if dots == 0:
            continue
        start[i], end[i] = p, e
        what[i] = ADDRESS if digits and held[e - 1] != 46 else NAME


@kernel
def _cut(held, start, end, n, offsets, out):
    at = 0
    for k in range(n):
        offsets[k] = at
        for p in range(start[k], end[k]):
            out[at] = held[p]
            at += 1
    offsets[n] = at


class Texts:
    """Texts by (kind, bytes), numbered from 0 in order of appearance. Kinds are small numbers."""

    def __init__(self) -> None:
        self._k0, self._k1 = np.uint64(_SEED[0]), np.uint64(_SEED[1])
        self.clear()

    def clear(self) -> None:
        """Forgets all."""
        self.held: U8 = np.empty(1 << 12, np.uint8)
        self.bounds: I64 = np.zeros(257, np.int64)
        self.kinds: I32 = np.empty(256, np.int32)
        self._hashes: U64 = np.empty(256, np.uint64)
        self._slots: I32 = np.zeros(1 << 10, np.int32)
        self._state: I64 = np.zeros(2, np.int64)

    @property
    def used(self) -> int:
        """Texts held."""
        return int(self._state[USED])

    @property
    def size(self) -> int:
        """Bytes of all texts."""
        return int(self._state[BYTES])

    def add(self, offsets: I32, data: U8, kinds: I32) -> I32:
        """Numbers of texts given as Arrow string offsets (n + 1) and bytes; -1 where the kind is negative."""
        n = len(kinds)
        ids = np.empty(n, np.int32)
        if n:
            self._room(n, int(offsets[n]) - int(offsets[0]))
            _intern(offsets, data, kinds, n, ids, self.held, self.bounds, self.kinds, self._hashes, self._slots,
                    self._state, self._k0, self._k1)  # fmt: skip
        return ids

    def _room(self, count: int, size: int) -> None:
        """Room for so many texts more, of so many bytes."""
        used, held = self.used, self.size
        if held + size > len(self.held):
            self.held = _longer(self.held, held, held + size)
        if used + count > len(self.kinds):
            most = max(2 * len(self.kinds), used + count)
            self.bounds = _longer(self.bounds, used + 1, most + 1)
            self.kinds, self._hashes = (
                _longer(self.kinds, used, most), _longer(self._hashes, used, most),
            )  # fmt: skip
        if 2 * (used + count) > len(self._slots):
            self._slots = np.zeros(1 << (2 * (used + count)).bit_length(), np.int32)
            _place(self._hashes, used, self._slots)

    def text(self, number: int) -> str:
        """One text."""
        return self.held[self.bounds[number] : self.bounds[number + 1]].tobytes().decode()

    def keys(self, names: list[str], ip: int) -> tuple[I64, I64]:
        """(key of each text, numbers of those that are left to do): addresses other than IPv4. names: of the kinds."""
        starts = np.array([_start(name) for name in names], np.uint64)
        out, good = np.empty(self.used, np.int64), np.empty(self.used, np.bool_)
        _keys(self.held, self.bounds, self.kinds, self.used, starts, ip, out, good)
        return out, np.flatnonzero(~good)

    def hosts(self, first: int, url: int) -> tuple[I64, U8, I32, U8]:
        """(numbers of the URLs from `first` on that have a host, NAME or ADDRESS, the hosts as offsets and bytes)."""
        used = self.used
        n = used - first
        start, end, what = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.uint8)
        _hosts(self.held, self.bounds, self.kinds, first, used, url, start, end, what)
        found = np.flatnonzero(what != NONE)
        start, end = start[found], end[found]
        offsets, out = np.empty(len(found) + 1, np.int32), np.empty(int((end - start).sum()) + 1, np.uint8)
        _cut(self.held, start, end, len(found), offsets, out)
        return found + first, what[found], offsets, out

    def taken(self, numbers: I64) -> tuple[I32, U8]:
        """Texts by number as Arrow string offsets and bytes."""
        start, end = self.bounds[numbers], self.bounds[numbers + 1]
        offsets, out = np.empty(len(numbers) + 1, np.int32), np.empty(int((end - start).sum()) + 1, np.uint8)
        _cut(self.held, start, end, len(numbers), offsets, out)
        return offsets, out[: offsets[-1]]


def _longer(array: Any, used: int, least: int) -> Any:
    out = np.empty(max(2 * len(array), least), array.dtype)
    out[:used] = array[:used]
    return out


def _start(kind: str) -> int:
    """FNV-1a over a kind and NUL."""
    h = 0xCBF29CE484222325
    for byte in f"{kind}\0".encode():
        h = ((h ^ byte) * 0x100000001B3) & ((1 << 64) - 1)
    return h
