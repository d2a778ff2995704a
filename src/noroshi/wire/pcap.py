"""Classic pcap: the file header, and the walk over record headers that finds the packets.

Source: draft-ietf-opsawg-pcap. Both byte orders, microseconds and nanoseconds, and the old `modified` magic
of Kuznetzov's patch (24-byte record headers).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from noroshi.wire.jit import kernel
from noroshi.wire.read import u32

HEADER = 24
MAX_RECORD = 262_144
"""Longest record any common writer makes (tcpdump's MAXIMUM_SNAPLEN); more is a damaged header."""

_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", False, 16), b"\xa1\xb2\xc3\xd4": (">", False, 16),
    b"\x4d\x3c\xb2\xa1": ("<", True, 16), b"\xa1\xb2\x3c\x4d": (">", True, 16),
    b"\x34\xcd\xb2\xa1": ("<", False, 24), b"\xa1\xb2\xcd\x34": (">", False, 24),
}  # fmt: skip

# What ended a walk.
MORE, DAMAGED = 0, 1


@dataclass(frozen=True)
class FileHeader:
    """The 24 bytes at the front."""

    swapped: bool
    """Big-endian."""
    nano: bool
    record_header: int
    """Bytes before each packet: 16, or 24 in the modified format."""
    snaplen: int
    link_type: int


def is_pcap(head: bytes) -> bool:
    """True when `head` starts with one of the magics."""
    return head[:4] in _MAGIC


def header(head: bytes) -> FileHeader:
    """The file header; ValueError says what is wrong with it."""
    if head[:4] not in _MAGIC:
        raise ValueError(f"magic {head[:4].hex()} is not pcap")
    if len(head) < HEADER:
        raise ValueError(f"the file header is {len(head)} bytes long, not {HEADER}")
    order, nano, record = _MAGIC[head[:4]]
    _major, _minor, _zone, _sigfigs, snaplen, link = struct.unpack(order + "HHiIII", head[4:HEADER])
    return FileHeader(order == ">", nano, record, snaplen, link & 0x0FFF_FFFF)


@kernel
def walk(buf, start, end, swapped, nano, record, off, cap, ts, limit):
    """(packets found, where the next record begins, MORE or DAMAGED).

    buf: uint8, valid in [start, end). off, cap, ts: room for `limit` packets: offset of the packet's first
    byte in buf, captured length, time in µs since 1970. Stops before a record that is not whole.
    """
    n = 0
    p = start
    while n < limit and p + record <= end:
        sec = u32(buf, p, swapped)
        sub = u32(buf, p + 4, swapped)
        length = u32(buf, p + 8, swapped)
        if length > MAX_RECORD:
            return n, p, 1
        if p + record + length > end:
            break
        off[n] = p + record
        cap[n] = length
        ts[n] = sec * 1_000_000 + (sub // 1000 if nano else sub)
        n += 1
        p += record + length
    return n, p, 0
