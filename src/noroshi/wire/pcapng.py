"""pcapng: the walk over blocks. Sections of both byte orders, several interfaces, their time resolutions.

Source: draft-ietf-opsawg-pcapng. Blocks that carry no packet are passed over by their length.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from noroshi.wire.jit import kernel
from noroshi.wire.read import u32

SECTION = b"\x0a\x0d\x0d\x0a"
MAX_BLOCK = 16 << 20
"""Longest block accepted (Wireshark's own limit); more is a damaged header."""
MAX_INTERFACES = 4096

# What ended a walk.
MORE, DAMAGED, HEADER_BLOCK = 0, 1, 2


def is_pcapng(head: bytes) -> bool:
    """True when `head` starts with a section header block."""
    return head[:4] == SECTION and head[8:12] in (b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d")


@dataclass
class Interfaces:
    """Interfaces of the current section, as arrays a kernel can read."""

    swapped: bool = False
    count: int = 0
    link: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(MAX_INTERFACES, np.int32))
    snaplen: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(MAX_INTERFACES, np.int64))
    resolution: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(MAX_INTERFACES, np.int64))
    """Ticks a second; 0 stands for 10^-6."""
    offset_s: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(MAX_INTERFACES, np.int64))

    def block(self, block: bytes) -> str:
        """Take in a section header or interface description block; an empty string, or what is wrong."""
        if block[:4] == SECTION:
            return self._section(block)
        return self._interface(block)

    def _section(self, block: bytes) -> str:
        magic = block[8:12]
        if magic not in (b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"):
            return f"byte-order magic {magic.hex()}"
        self.swapped = magic == b"\x1a\x2b\x3c\x4d"
        self.count = 0
        return ""

    def _interface(self, block: bytes) -> str:
        if len(block) < 20:
            return f"interface description of {len(block)} bytes"
        if self.count == MAX_INTERFACES:
            return f"more than {MAX_INTERFACES} interfaces"
        order = ">" if self.swapped else "<"
        link, _reserved, snaplen = struct.unpack_from(order + "HHI", block, 8)
        i = self.count
        self.link[i], self.snaplen[i], self.resolution[i], self.offset_s[i] = link, snaplen, 1_000_000, 0
        p, end = 16, len(block) - 4
        while p + 4 <= end:
            code, length = struct.unpack_from(order + "HH", block, p)
            p += 4
            if code == 0 or p + length > end:
                break
            if code == 9 and length == 1:
                exponent = block[p] & 0x7F
                base = 2 if block[p] & 0x80 else 10
                # Beyond these the ticks no longer fit 63 bits; such a file says nothing a clock can mean.
                if exponent > (62 if base == 2 else 18):
                    return f"time resolution {base}^-{exponent}"
                self.resolution[i] = base**exponent
            elif code == 14 and length == 8:
                self.offset_s[i] = struct.unpack_from(order + "q", block, p)[0]
            p += (length + 3) & ~3
        self.count += 1
        return ""


@kernel
def walk(buf, start, end, swapped, count, link, snaplen, resolution, offset_s, off, cap, ts, lt, limit):
    """(packets found, position, MORE | DAMAGED | HEADER_BLOCK, bad packet blocks passed over).

    Stops before a block that is not whole; HEADER_BLOCK: a whole section or interface block stands at
    position and is the caller's to take in. lt receives each packet's link type.
    """
    n = 0
    bad = 0
    p = start
    while n < limit and p + 12 <= end:
        b0, b1, b2, b3 = int(buf[p]), int(buf[p + 1]), int(buf[p + 2]), int(buf[p + 3])
        is_section = b0 == 10 and b1 == 13 and b2 == 13 and b3 == 10
        big = swapped
        if is_section:
            big = buf[p + 8] == 0x1A
        kind = u32(buf, p, big)
        length = u32(buf, p + 4, big)
        if length < 12 or length > MAX_BLOCK or length % 4 != 0:
            return n, p, 1, bad
        if p + length > end:
            break
        if is_section or kind == 1:
            return n, p, 2, bad
        if kind == 6 or kind == 2:  # enhanced packet, and the obsolete packet block
            if length < 32:
                bad += 1
                p += length
                continue
            face = u32(buf, p + 8, big)
            if kind == 2:
                face = (face >> 16) if big else (face & 0xFFFF)
            captured = u32(buf, p + 20, big)
            if face >= count or captured > length - 32:
                bad += 1
                p += length
                continue
            ticks = (np.uint64(u32(buf, p + 12, big)) << np.uint64(32)) | np.uint64(u32(buf, p + 16, big))
            res = np.uint64(resolution[face])
            seconds = np.int64(ticks // res)
            rest = ticks % res
            if res > np.uint64(1_000_000_000_000):  # keep rest * 10^6 within 64 bits
                micro = np.int64(rest // (res // np.uint64(1_000_000)))
            else:
                micro = np.int64(rest * np.uint64(1_000_000) // res)
            shift = offset_s[face]
            # Far outside any calendar: let the time check reject it instead of overflowing here.
            if seconds > 1 << 40 or shift > 1 << 40 or shift < -(1 << 40):
                seconds, shift = 1 << 40, 0
            off[n] = p + 28
            cap[n] = captured
            ts[n] = (seconds + shift) * 1_000_000 + micro
            lt[n] = link[face]
            n += 1
        elif kind == 3:  # simple packet: no time, first interface
            if length < 16 or count == 0:
                bad += 1
                p += length
                continue
            captured = u32(buf, p + 8, big)
            captured = min(captured, length - 16)
            if snaplen[0] > 0:
                captured = min(captured, snaplen[0])
            off[n] = p + 12
            cap[n] = captured
            ts[n] = -1
            lt[n] = link[0]
            n += 1
        p += length
    return n, p, 0, bad
