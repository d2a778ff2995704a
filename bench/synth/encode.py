"""Rows to bytes: one compiled loop writes record header, frame and checksums into one buffer.

Numba, because frames differ in length: scattering them with NumPy index arrays costs eight bytes of index
per byte written. A million packets take about a tenth of a second.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

from bench.synth.rows import Rows
from bench.synth.templates import OPTIONS, PAYLOADS

U8 = npt.NDArray[np.uint8]

LINKS = {"ethernet": 1, "raw": 101, "linux-sll": 113, "linux-sll2": 276, "null": 0, "loop": 108}
FORMATS = ("pcap", "pcapng")
MACS = bytes.fromhex("02005e100002") + bytes.fromhex("02005e100001")  # made up, locally administered
TELESCOPE6 = 0x20010DB8_5CA10000  # 2001:db8:5ca1::/48: the upper 64 bits of IPv6 destinations


@dataclass(frozen=True)
class Container:
    """How packets are wrapped."""

    link: str = "ethernet"
    format: str = "pcap"
    big_endian: bool = False
    nanoseconds: bool = False
    snaplen: int = 65_535

    def head(self) -> bytes:
        """The file header: pcap's 24 bytes, or pcapng's section header and one interface."""
        e = ">" if self.big_endian else "<"
        link = LINKS[self.link]
        if self.format == "pcap":
            magic = 0xA1B23C4D if self.nanoseconds else 0xA1B2C3D4
            return struct.pack(e + "IHHiIII", magic, 2, 4, 0, 0, self.snaplen, link)
        section = struct.pack(e + "IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
        options = struct.pack(e + "HHB3xHH", 9, 1, 9 if self.nanoseconds else 6, 0, 0)
        length = 20 + len(options)
        interface = struct.pack(e + "IIHHI", 1, length, link, 0, self.snaplen)
        return section + interface + options + struct.pack(e + "I", length)


def _pack(parts: list[bytes]) -> tuple[U8, npt.NDArray[np.int64]]:
    flat = np.frombuffer(b"".join(parts) + b"\0", np.uint8).copy()
    return flat, np.cumsum([0, *map(len, parts)]).astype(np.int64)


_OPT, _OPT_AT = _pack(list(OPTIONS.values()))
_PAY, _PAY_AT = _pack(list(PAYLOADS.values()))
_OPT_TIME = np.array([o.find(b"\x08\x0a") for o in OPTIONS.values()], np.int64)
_PAY_FLAT = np.array([name.startswith("flat-") for name in PAYLOADS])
_MACS = np.frombuffer(MACS, np.uint8).copy()
WORST = 16 + 32 + 18 + 40 + 60 + max(map(len, PAYLOADS.values())) + 4
"""No record is longer."""


@nb.njit(cache=True, inline="always")
def _be16(out: U8, at: int, value: int) -> None:
    out[at] = (value >> 8) & 255
    out[at + 1] = value & 255


@nb.njit(cache=True, inline="always")
def _be32(out: U8, at: int, value: int) -> None:
    _be16(out, at, value >> 16)
    _be16(out, at + 2, value)


@nb.njit(cache=True, inline="always")
def _u32(out: U8, at: int, value: int, big: bool) -> None:
    if big:
        _be32(out, at, value)
    else:
        out[at] = value & 255
        out[at + 1] = (value >> 8) & 255
        out[at + 2] = (value >> 16) & 255
        out[at + 3] = (value >> 24) & 255


@nb.njit(cache=True)
def _sum(out: U8, at: int, end: int, total: int) -> int:
    """The folded one's complement sum of out[at:end] plus `total`."""
    i = at
    while i + 1 < end:
        total += (int(out[i]) << 8) | int(out[i + 1])
        i += 2
    if i < end:
        total += int(out[i]) << 8
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@nb.njit(cache=True)
def _ip4(
    out: U8, at: int, length: int, ip_id: int, frag: int, ttl: int, proto: int, src: int, dst: int
) -> None:
    _be16(out, at, 0x4500)
    _be16(out, at + 2, length)
    _be16(out, at + 4, ip_id)
    _be16(out, at + 6, frag)
    out[at + 8] = ttl
    out[at + 9] = proto
    _be16(out, at + 10, 0)
    _be32(out, at + 12, src)
    _be32(out, at + 16, dst)
    _be16(out, at + 10, 0xFFFF ^ _sum(out, at, at + 20, 0))


@nb.njit(cache=True)
def _ip6(out: U8, at: int, length: int, ttl: int, proto: int, src: int, dst: int, site: int) -> None:
    _be32(out, at, 0x60000000)
    _be16(out, at + 4, length)
    out[at + 6] = proto
    out[at + 7] = ttl
    # Source 2001:db8:S:S::1 from the 32 bits of src; destination the site's prefix and the bits of dst.
    _be32(out, at + 8, 0x20010DB8)
    _be32(out, at + 12, src)
    _be32(out, at + 16, 0)
    _be32(out, at + 20, 1)
    _be32(out, at + 24, (site >> 32) & 0xFFFFFFFF)
    _be32(out, at + 28, site & 0xFFFFFFFF)
    _be32(out, at + 32, 0)
    _be32(out, at + 36, dst)


@nb.njit(cache=True)
def _payload(out: U8, at: int, index: int, port: int, pay: U8, pay_at: Any, pay_flat: Any) -> int:
    start, end = pay_at[index], pay_at[index + 1]
    if pay_flat[index]:
        for i in range(end - start):
            out[at + i] = (port * 31 + i * 7) & 255
    else:
        for i in range(end - start):
            out[at + i] = pay[start + i]
    return int(at + (end - start))


@nb.njit(cache=True)
def _tcp(out: U8, at: int, r: Any, opt: U8, opt_at: Any, opt_time: Any) -> int:
    start, end = opt_at[r.opt], opt_at[r.opt + 1]
    head = 20 + end - start
    _be16(out, at, r.sport)
    _be16(out, at + 2, r.dport)
    _be32(out, at + 4, r.seq)
    _be32(out, at + 8, r.ack)
    out[at + 12] = (head // 4) << 4
    out[at + 13] = r.flags
    _be16(out, at + 14, r.win)
    _be32(out, at + 16, 0)
    for i in range(end - start):
        out[at + 20 + i] = opt[start + i]
    if opt_time[r.opt] >= 0:
        _be32(out, at + 20 + opt_time[r.opt] + 2, (r.ts // 1_000_000) & 0xFFFFFFFF)
    return int(at + head)


@nb.njit(cache=True)
def _icmp(out: U8, at: int, r: Any) -> int:
    out[at] = r.sport
    out[at + 1] = r.dport
    _be16(out, at + 2, 0)
    _be32(out, at + 4, r.seq)
    if r.iproto == 0:
        return at + 8
    # The quoted packet: what was sent to the victim with our address as its source.
    length = 40 if r.iproto == 6 else 36
    _be32(out, at + 4, 0)
    _ip4(out, at + 8, length, r.ip_id, 0, 1 if r.sport == 11 else 52, r.iproto, r.dst, r.idst)
    _be16(out, at + 28, r.isport)
    _be16(out, at + 30, r.idport)
    if r.iproto == 6:
        _be32(out, at + 32, r.seq)
    else:
        _be16(out, at + 32, length - 20)
        _be16(out, at + 34, 0)
    return at + 36


@nb.njit(cache=True)
def _packet(
    out: U8, at: int, r: Any, opt: U8, opt_at: Any, opt_time: Any, pay: U8, pay_at: Any, pay_flat: Any
) -> int:
    """Writes the IP packet of row r at out[at:]; returns its end."""
    l4 = at + (40 if r.v6 else 20)
    later = (r.frag & 0x1FFF) != 0
    if later:
        end = _payload(out, l4, r.pay, r.dport, pay, pay_at, pay_flat)
    elif r.proto == 6:
        end = _payload(out, _tcp(out, l4, r, opt, opt_at, opt_time), r.pay, r.dport, pay, pay_at, pay_flat)
    elif r.proto == 17:
        end = _payload(out, l4 + 8, r.pay, r.dport, pay, pay_at, pay_flat)
        _be16(out, l4, r.sport)
        _be16(out, l4 + 2, r.dport)
        _be16(out, l4 + 4, end - l4)
        _be16(out, l4 + 6, 0)
    else:
        end = _payload(out, _icmp(out, l4, r), r.pay, r.dport, pay, pay_at, pay_flat)
    if r.v6:
        proto = 58 if r.proto == 1 else r.proto
        _ip6(out, at, end - l4, r.ttl, proto, r.src, r.dst, TELESCOPE6)
    else:
        proto = r.proto
        _ip4(out, at, end - at, r.ip_id, r.frag, r.ttl, proto, r.src, r.dst)
    if later:
        return end
    addresses = 0
    if r.proto != 1 or r.v6:
        addresses = _sum(out, at + (8 if r.v6 else 12), l4, proto + end - l4)
    where = l4 + (16 if r.proto == 6 else 6 if r.proto == 17 else 2)
    check = 0xFFFF ^ _sum(out, l4, end, addresses)
    _be16(out, where, 0xFFFF if check == 0 and r.proto == 17 else check)
    return end


@nb.njit(cache=True)
def _link(out: U8, at: int, r: Any, link: int, macs: U8, big: bool) -> int:
    kind = 0x86DD if r.v6 else 0x0800
    if link == 1:
        for i in range(12):
            out[at + i] = macs[i]
        at += 12
        if r.vlan:
            _be16(out, at, 0x8100)
            _be16(out, at + 2, r.vlan)
            at += 4
        _be16(out, at, kind)
        return at + 2
    if link == 113:
        for i in range(16):
            out[at + i] = 0
        out[at + 3] = 1
        out[at + 5] = 6
        _be16(out, at + 14, kind)
        return at + 16
    if link == 276:
        for i in range(20):
            out[at + i] = 0
        _be16(out, at, kind)
        out[at + 9] = 1
        out[at + 11] = 6
        return at + 20
    if link == 0 or link == 108:
        _u32(out, at, 30 if r.v6 else 2, big or link == 108)
        return at + 4
    return at


@nb.njit(cache=True, nogil=True)
def _write(
    rows: Any, out: U8, link: int, ng: bool, big: bool, nanos: bool, snaplen: int,
    opt: U8, opt_at: Any, opt_time: Any, pay: U8, pay_at: Any, pay_flat: Any, macs: U8,
) -> int:  # fmt: skip
    at = 0
    for k in range(rows.shape[0]):
        r = rows[k]
        head = 28 if ng else 16
        frame = at + head
        end = _packet(
            out, _link(out, frame, r, link, macs, big), r, opt, opt_at, opt_time, pay, pay_at, pay_flat
        )
        if link == 1:
            while end - frame < 60:  # Ethernet's shortest frame, as captures hold it: without its checksum
                out[end] = 0
                end += 1
        size = end - frame
        kept = min(size, snaplen)
        unit = 1 if nanos else 1000
        if ng:
            stamp = r.ts // unit
            whole = 32 + (kept + 3) // 4 * 4
            _u32(out, at, 6, big)
            _u32(out, at + 4, whole, big)
            _u32(out, at + 8, 0, big)
            _u32(out, at + 12, stamp >> 32, big)
            _u32(out, at + 16, stamp & 0xFFFFFFFF, big)
            _u32(out, at + 20, kept, big)
            _u32(out, at + 24, size, big)
            for i in range(frame + kept, at + whole - 4):
                out[i] = 0
            _u32(out, at + whole - 4, whole, big)
            at += whole
        else:
            _u32(out, at, r.ts // 1_000_000_000, big)
            _u32(out, at + 4, (r.ts % 1_000_000_000) // unit, big)
            _u32(out, at + 8, kept, big)
            _u32(out, at + 12, size, big)
            at = frame + kept
    return at


class Encoder:
    """Writes blocks of rows into one reused buffer."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self._out = np.zeros(0, np.uint8)

    def encode(self, rows: Rows) -> memoryview:
        """The records of `rows`; valid until the next call."""
        if self._out.size < rows.size * WORST:
            # Pages never touched cost nothing: the worst case is only address space.
            self._out = np.empty(rows.size * WORST, np.uint8)
        c = self.container
        end = _write(
            rows, self._out, LINKS[c.link], c.format == "pcapng", c.big_endian, c.nanoseconds, c.snaplen,
            _OPT, _OPT_AT, _OPT_TIME, _PAY, _PAY_AT, _PAY_FLAT, _MACS,
        )  # fmt: skip
        return self._out[:end].data
