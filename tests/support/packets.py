"""Packets and captures made byte by byte, from the formats' definitions: what tests feed the decoders.

Nothing here uses the code under test. Lengths and checksums are right unless told otherwise, and every
length field can be told otherwise.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ETHERNET, NULL, RAW, LOOP, SLL, SLL2, IPV4_ONLY, IPV6_ONLY = 1, 0, 101, 108, 113, 276, 228, 229
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, NS = 1, 2, 4, 8, 16, 32, 64, 128, 256
NOON_US = 1_711_972_800_000_000
"""2024-04-01 12:00:00 UTC, as `tests.support.memory.NOON`."""


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) & 1)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


# --- transport -------------------------------------------------------------------------------------------


def mss(value: int = 1460) -> bytes:
    """TCP option 2."""
    return struct.pack(">BBH", 2, 4, value)


def wscale(shift: int) -> bytes:
    """TCP option 3."""
    return bytes([3, 3, shift])


def timestamps(value: int = 1, echo: int = 0) -> bytes:
    """TCP option 8."""
    return struct.pack(">BBII", 8, 10, value, echo)


NOP, END, SACK_OK = b"\x01", b"\x00", b"\x04\x02"
LINUX_SYN = mss(1460) + SACK_OK + timestamps(1000) + NOP + wscale(7)
"""The options of a Linux client's SYN."""


def tcp(
    sport: int, dport: int, *, flags: int = SYN, seq: int = 0, ack: int = 0, window: int = 65535,
    options: bytes = b"", payload: bytes = b"", data_offset: int | None = None, urgent: int = 0,
) -> bytes:  # fmt: skip
    """A TCP segment; options are padded with END to four bytes; the checksum is left 0."""
    options += b"\0" * (-len(options) % 4)
    words = (20 + len(options)) // 4 if data_offset is None else data_offset
    first = (words & 15) << 4 | (flags >> 8 & 1)
    head = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, first, flags & 255, window, 0, urgent)
    return head + options + payload


def udp(sport: int, dport: int, payload: bytes = b"", *, length: int | None = None) -> bytes:
    """A UDP datagram; checksum 0."""
    return struct.pack(">HHHH", sport, dport, 8 + len(payload) if length is None else length, 0) + payload


def icmp(kind: int, code: int = 0, rest: int = 0, payload: bytes = b"") -> bytes:
    """An ICMP or ICMPv6 message: `rest` is the second 32-bit word, `payload` may be a quoted packet."""
    raw = struct.pack(">BBHI", kind, code, 0, rest) + payload
    return raw[:2] + struct.pack(">H", checksum(raw)) + raw[4:]


def echo(kind: int = 8, ident: int = 1, seq: int = 1, payload: bytes = b"") -> bytes:
    """An echo request (8, or 128 for IPv6) or reply (0, 129)."""
    return icmp(kind, 0, ident << 16 | seq, payload)


# --- network ---------------------------------------------------------------------------------------------


def ipv4(
    src: str, dst: str, body: bytes = b"", *, proto: int = 6, ttl: int = 64, ip_id: int = 0, df: bool = False,
    mf: bool = False, fragment: int = 0, tos: int = 0, options: bytes = b"", total: int | None = None,
    ihl: int | None = None, version: int = 4,
) -> bytes:  # fmt: skip
    """An IPv4 packet; fragment is the offset in units of 8 bytes; total and ihl lie when given."""
    options += b"\0" * (-len(options) % 4)
    words = 5 + len(options) // 4 if ihl is None else ihl
    length = 20 + len(options) + len(body) if total is None else total
    flags = (0x4000 if df else 0) | (0x2000 if mf else 0) | (fragment & 0x1FFF)
    first = (version << 4 | words & 15) & 255
    a, b = ipaddress.IPv4Address(src).packed, ipaddress.IPv4Address(dst).packed
    head = (
        struct.pack(">BBHHHBBH", first, tos, length & 0xFFFF, ip_id, flags, ttl, proto, 0) + a + b + options
    )
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body


@dataclass(frozen=True)
class Extension:
    """An IPv6 extension header: its protocol number and its body after the next-header byte."""

    proto: int
    body: bytes


def options_header(proto: int = 0, size: int = 8) -> Extension:
    """Hop-by-hop (0) or destination (60) options, `size` bytes of padding (a multiple of 8)."""
    return Extension(proto, bytes([size // 8 - 1, 1, size - 4]) + bytes(size - 4))


def routing_header(segments: int = 0) -> Extension:
    """A routing header (43) of type 4 with `segments` addresses."""
    return Extension(43, bytes([2 * segments, 4, segments, 0, 0, 0, 0]) + bytes(16 * segments))


def fragment_header(offset: int = 0, more: bool = True, ident: int = 7) -> Extension:
    """A fragment header (44); offset in units of 8 bytes."""
    return Extension(44, struct.pack(">BHI", 0, offset << 3 | more, ident))


def auth_header(size: int = 24) -> Extension:
    """An authentication header (51) of `size` bytes (a multiple of 4)."""
    return Extension(51, bytes([size // 4 - 2]) + bytes(size - 2))


def ipv6(
    src: str, dst: str, body: bytes = b"", *, proto: int = 6, hops: int = 64, flow: int = 0,
    extensions: Sequence[Extension] = (), length: int | None = None, version: int = 6,
) -> bytes:  # fmt: skip
    """An IPv6 packet; extensions in order before the body; length lies when given."""
    chain = b""
    following = proto
    for extension in reversed(extensions):
        chain = bytes([following]) + extension.body + chain
        following = extension.proto
    size = len(chain) + len(body) if length is None else length
    a, b = ipaddress.IPv6Address(src).packed, ipaddress.IPv6Address(dst).packed
    return struct.pack(">IHBB", version << 28 | flow, size & 0xFFFF, following, hops) + a + b + chain + body


def ip(src: str, dst: str, body: bytes, *, proto: int = 6, ttl: int = 64, **more: object) -> bytes:
    """IPv4 or IPv6, by the address."""
    if ":" in src:
        return ipv6(src, dst, body, proto=proto, hops=ttl, **more)  # type: ignore[arg-type]
    return ipv4(src, dst, body, proto=proto, ttl=ttl, **more)  # type: ignore[arg-type]


def syn(src: str, dst: str, dport: int, **more: object) -> bytes:
    """A SYN in one call: keywords of tcp() and of ipv4() alike (`sport`, `seq`, `ttl`, `ip_id`, ...)."""
    names = ("flags", "seq", "ack", "window", "options", "payload", "data_offset", "urgent")
    of_tcp = {k: more.pop(k) for k in names if k in more}
    sport = more.pop("sport", 40000)
    return ip(src, dst, tcp(sport, dport, **of_tcp), **more)  # type: ignore[arg-type]


# --- link ------------------------------------------------------------------------------------------------


def ethertype(packet: bytes) -> int:
    """0x0800 or 0x86DD by the IP version; 0x0800 for what has none."""
    return 0x86DD if packet[:1] and packet[0] >> 4 == 6 else 0x0800


def ethernet(packet: bytes, *, vlan: Sequence[int] = (), kind: int | None = None, pad: int = 0) -> bytes:
    """A frame; vlan: tags from outermost in (the outer of two is 0x88A8); pad: least length, in bytes."""
    tags = b""
    for i, tag in enumerate(vlan):
        tags += struct.pack(">HH", 0x88A8 if len(vlan) > 1 and i == 0 else 0x8100, tag)
    raw = b"\x02\0\0\0\0\x01" + b"\x02\0\0\0\0\x02" + tags
    raw += struct.pack(">H", ethertype(packet) if kind is None else kind) + packet
    return raw + bytes(max(0, pad - len(raw)))


def sll(packet: bytes, *, kind: int | None = None) -> bytes:
    """Linux cooked v1."""
    return struct.pack(">HHH8sH", 0, 1, 6, b"\x02\0\0\0\0\x01\0\0", kind or ethertype(packet)) + packet


def sll2(packet: bytes, *, kind: int | None = None) -> bytes:
    """Linux cooked v2."""
    return (
        struct.pack(">HHIHBB8s", kind or ethertype(packet), 0, 2, 1, 0, 6, b"\x02\0\0\0\0\x01\0\0") + packet
    )


def null(packet: bytes, *, order: str = "<", family: int | None = None) -> bytes:
    """BSD null/loopback, in the byte order of the capturing machine; LOOP is order ">"."""
    if family is None:
        family = 30 if ethertype(packet) == 0x86DD else 2
    return struct.pack(order + "I", family) + packet


def framed(packet: bytes, link: int) -> bytes:
    """The IP packet in a frame of that link type."""
    if link == ETHERNET:
        return ethernet(packet)
    if link == SLL:
        return sll(packet)
    if link == SLL2:
        return sll2(packet)
    if link == NULL:
        return null(packet)
    if link == LOOP:
        return null(packet, order=">")
    return packet


# --- captures --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """One captured packet."""

    data: bytes
    ts_us: int = NOON_US
    ns: int = 0
    """Nanoseconds beyond the microsecond."""
    captured: int | None = None
    """Claimed captured length; the true one unless given."""
    original: int | None = None
    interface: int = 0


def record(item: bytes | tuple[int, bytes] | Record, index: int = 0) -> Record:
    """A record from bytes (one ms after the other from NOON), (µs, bytes) or a record."""
    if isinstance(item, Record):
        return item
    if isinstance(item, tuple):
        return Record(item[1], item[0])
    return Record(item, NOON_US + 1_000 * index)


def pcap_header(*, order: str = "<", nano: bool = False, snaplen: int = 65535, link: int = ETHERNET) -> bytes:
    """The file header of a classic pcap."""
    return struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, snaplen, link)


def pcap_record(r: Record, *, order: str = "<", nano: bool = False) -> bytes:
    """One record of a classic pcap."""
    sec, us = divmod(r.ts_us, 1_000_000)
    captured = len(r.data) if r.captured is None else r.captured
    original = len(r.data) if r.original is None else r.original
    return (
        struct.pack(order + "IIII", sec & 0xFFFFFFFF, us * 1000 + r.ns if nano else us, captured, original)
        + r.data
    )


def pcap(
    items: Iterable[bytes | tuple[int, bytes] | Record], *, order: str = "<", nano: bool = False,
    snaplen: int = 65535, link: int = ETHERNET,
) -> bytes:  # fmt: skip
    """A classic pcap of frames (bytes, (µs, bytes) or Record). order: "<" or ">"."""
    parts = [pcap_header(order=order, nano=nano, snaplen=snaplen, link=link)]
    parts += [pcap_record(record(item, i), order=order, nano=nano) for i, item in enumerate(items)]
    return b"".join(parts)


class Pcapng:
    """Builds a pcapng block by block: `Pcapng().section().interface().packet(...)`, then `bytes(it)`."""

    def __init__(self, order: str = "<") -> None:
        self.order = order
        self.parts: list[bytes] = []
        self._ticks: list[tuple[int, int]] = []

    def __bytes__(self) -> bytes:
        return b"".join(self.parts)

    def block(self, kind: int, body: bytes, *, length: int | None = None) -> Pcapng:
        """Any block; the body is padded to four bytes; length lies (in both places) when given."""
        body += b"\0" * (-len(body) % 4)
        size = 12 + len(body) if length is None else length
        self.parts.append(
            struct.pack(self.order + "II", kind, size) + body + struct.pack(self.order + "I", size)
        )
        return self

    def option(self, code: int, value: bytes) -> bytes:
        """One option, padded."""
        return struct.pack(self.order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)

    def section(self, order: str | None = None, options: bytes = b"") -> Pcapng:
        """A section header; from here on in that byte order, with no interfaces."""
        self.order = order or self.order
        self._ticks = []
        return self.block(0x0A0D0D0A, struct.pack(self.order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + options)

    def interface(
        self, link: int = ETHERNET, *, snaplen: int = 0, resolution: int | None = None, offset_s: int = 0,
        options: bytes = b"",
    ) -> Pcapng:  # fmt: skip
        """An interface; resolution: the if_tsresol byte (bit 7: power of two)."""
        ticks = 1_000_000
        if resolution is not None:
            ticks = 2 ** (resolution & 127) if resolution & 128 else 10 ** (resolution & 127)
            options += self.option(9, bytes([resolution]))
        if offset_s:
            options += self.option(14, struct.pack(self.order + "q", offset_s))
        if options:
            options += self.option(0, b"")
        self._ticks.append((ticks, offset_s))
        return self.block(1, struct.pack(self.order + "HHI", link, 0, snaplen) + options)

    def _time(self, r: Record) -> tuple[int, int]:
        ticks, offset_s = self._ticks[r.interface] if r.interface < len(self._ticks) else (1_000_000, 0)
        ns = (r.ts_us - offset_s * 1_000_000) * 1_000 + r.ns
        count = ns * ticks // 1_000_000_000
        return count >> 32 & 0xFFFFFFFF, count & 0xFFFFFFFF

    def packet(self, item: bytes | tuple[int, bytes] | Record, options: bytes = b"") -> Pcapng:
        """An enhanced packet block."""
        r = record(item)
        high, low = self._time(r)
        captured = len(r.data) if r.captured is None else r.captured
        original = len(r.data) if r.original is None else r.original
        head = struct.pack(self.order + "IIIII", r.interface, high, low, captured, original)
        return self.block(6, head + r.data + b"\0" * (-len(r.data) % 4) + options)

    def simple(self, data: bytes, original: int | None = None) -> Pcapng:
        """A simple packet block: no time, the first interface."""
        return self.block(
            3, struct.pack(self.order + "I", len(data) if original is None else original) + data
        )

    def obsolete(self, item: bytes | tuple[int, bytes] | Record) -> Pcapng:
        """The obsolete packet block."""
        r = record(item)
        high, low = self._time(r)
        captured = len(r.data) if r.captured is None else r.captured
        head = struct.pack(self.order + "HHIIII", r.interface, 0xFFFF, high, low, captured, len(r.data))
        return self.block(2, head + r.data)


def pcapng(
    items: Iterable[bytes | tuple[int, bytes] | Record], *, order: str = "<", link: int = ETHERNET,
    resolution: int | None = None,
) -> bytes:  # fmt: skip
    """A pcapng of one section and one interface."""
    made = Pcapng(order).section().interface(link, resolution=resolution)
    for i, item in enumerate(items):
        made.packet(record(item, i))
    return bytes(made)
