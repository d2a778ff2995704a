"""The slow, obvious decoder: one packet at a time, plain Python, written from the formats' documents.

It shares no code with `noroshi.wire` and `noroshi.observe`; the fast decoder has to give the same packets,
rows and rejects.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

EARLIEST_US = 631_152_000_000_000
DAY_US = 86_400_000_000
LATEST_US = 32_503_680_000_000_000
MAX_RECORD = 262_144
MAX_BLOCK = 16 << 20


class Rejected(Exception):
    """A packet that makes no row."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class NotIp(Exception):
    """A packet of another network protocol: counted, no reject."""


@dataclass(frozen=True)
class Captured:
    """A packet as the file holds it."""

    offset: int
    ts_us: int | None
    link: int
    data: bytes


@dataclass(frozen=True)
class Packet:
    """A packet as a row of count one; None where it has no such thing."""

    offset: int
    ts_us: int
    src_ip: bytes
    dst_ip: bytes
    protocol: int
    ttl: int
    ip_len: int
    src_port: int = 0
    dst_port: int = 0
    tcp_flags: int = 0
    seq: int | None = None
    ack: int | None = None
    inner: tuple[bytes, bytes, int, int, int] | None = None
    """Source, destination, ports, protocol of the quoted packet."""
    ip_id: int | None = None
    df: bool | None = None
    tcp_window: int | None = None
    tcp_options: str = ""
    mss: int | None = None
    seq_is_dst: bool | None = None
    masscan_xor: bool | None = None
    payload: str = ""
    """Empty, `fragment`, or `some`."""
    reply: bool = False
    """seq and ack belong to the row's key."""


# --- files -----------------------------------------------------------------------------------------------


def walk(data: bytes) -> tuple[list[Captured], list[tuple[int, str]]]:
    """(packets, (position, reason) of what stands in no packet) of a pcap or pcapng."""
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        return _walk_pcapng(data)
    return _walk_pcap(data)


def _walk_pcap(data: bytes) -> tuple[list[Captured], list[tuple[int, str]]]:
    little, magic = struct.unpack("<I", data[:4])[0], struct.unpack(">I", data[:4])[0]
    known = (0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34)
    order = "<" if little in known else ">"
    magic = little if little in known else magic
    assert magic in known
    if len(data) < 24:
        return [], [(0, "unreadable")]
    link = struct.unpack(order + "I", data[20:24])[0] & 0x0FFFFFFF
    header = 24 if magic == 0xA1B2CD34 else 16
    out: list[Captured] = []
    at = 24
    while at < len(data):
        if at + header > len(data):
            return out, [(at, "record-cut")]
        sec, sub, captured = struct.unpack(order + "III", data[at : at + 12])
        if captured > MAX_RECORD:
            return out, [(at, "record-length")]
        if at + header + captured > len(data):
            return out, [(at, "record-cut")]
        us = sec * 1_000_000 + (sub // 1000 if magic == 0xA1B23C4D else sub)
        out.append(Captured(at + header, us, link, data[at + header : at + header + captured]))
        at += header + captured
    return out, []


@dataclass
class _Interface:
    link: int
    snaplen: int
    ticks: int = 1_000_000
    offset_s: int = 0


def _walk_pcapng(data: bytes) -> tuple[list[Captured], list[tuple[int, str]]]:
    out: list[Captured] = []
    bad: list[tuple[int, str]] = []
    faces: list[_Interface] = []
    order, at = "<", 0
    while at < len(data):
        block = data[at:]
        if len(block) < 12:
            return out, [*bad, (at, "record-cut")]
        section = block[:4] == b"\x0a\x0d\x0d\x0a"
        inside = (">" if block[8] == 0x1A else "<") if section else order
        kind, length = struct.unpack(inside + "II", block[:8])
        if length < 12 or length % 4 or length > MAX_BLOCK:
            return out, [*bad, (at, "record-length")]
        if length > len(block):
            return out, [*bad, (at, "record-cut")]
        block = block[:length]
        if section:
            if block[8:12] not in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a"):
                return out, [*bad, (at, "record-length")]
            order, faces = inside, []
        elif kind == 1:
            face = _interface(block, order)
            if face is None or len(faces) == 4096:
                return out, [*bad, (at, "record-length")]
            faces.append(face)
        elif kind in (2, 3, 6):
            packet = _packet_block(block, kind, order, faces, at)
            if packet is None:
                bad.append((at, "packet-block"))
            else:
                out.append(packet)
        at += length
    return out, bad


def _interface(block: bytes, order: str) -> _Interface | None:
    if len(block) < 20:
        return None
    face = _Interface(*struct.unpack(order + "HxxI", block[8:16]))
    at = 16
    while at + 4 <= len(block) - 4:
        code, size = struct.unpack(order + "HH", block[at : at + 4])
        value = block[at + 4 : at + 4 + size]
        if code == 0 or at + 4 + size > len(block) - 4:
            break
        if code == 9 and size == 1:
            power = value[0] & 127
            base = 2 if value[0] & 128 else 10
            if power > (62 if base == 2 else 18):
                return None
            face.ticks = base**power
        if code == 14 and size == 8:
            face.offset_s = struct.unpack(order + "q", value)[0]
        at += 4 + (size + 3) // 4 * 4
    return face


def _packet_block(block: bytes, kind: int, order: str, faces: list[_Interface], at: int) -> Captured | None:
    if kind == 3:
        if len(block) < 16 or not faces:
            return None
        size = min(struct.unpack(order + "I", block[8:12])[0], len(block) - 16)
        if faces[0].snaplen:
            size = min(size, faces[0].snaplen)
        return Captured(at + 12, None, faces[0].link, block[12 : 12 + size])
    if len(block) < 32:
        return None
    which = struct.unpack(order + ("H" if kind == 2 else "I"), block[8 : 10 if kind == 2 else 12])[0]
    high, low, size = struct.unpack(order + "III", block[12:24])
    if which >= len(faces) or size > len(block) - 32:
        return None
    face = faces[which]
    ticks = high << 32 | low
    if face.ticks > 10**12:
        us = ticks // face.ticks * 1_000_000 + ticks % face.ticks // (face.ticks // 1_000_000)
    else:
        us = ticks * 1_000_000 // face.ticks
    return Captured(at + 28, us + face.offset_s * 1_000_000, face.link, block[28 : 28 + size])


# --- packets ---------------------------------------------------------------------------------------------


def stored(address: bytes) -> bytes:
    """The lake's form of an address; v4-mapped becomes IPv4."""
    if len(address) == 16 and address[:12] == bytes(10) + b"\xff\xff":
        address = address[12:]
    return (b"\x04" if len(address) == 4 else b"\x06") + address


def decode(c: Captured, latest_us: int = LATEST_US) -> Packet:
    """The packet. Raises Rejected or NotIp."""
    if c.ts_us is None:
        raise Rejected("no-time")
    if not EARLIEST_US <= c.ts_us <= latest_us:
        raise Rejected("time")
    version, raw = _network(c.data, c.link)
    base, transport, end_of_chain = _ipv4(raw, c) if version == 4 else _ipv6(raw, c)
    return _transport(base, transport, version) if end_of_chain else base


def _need(data: bytes, size: int, reason: str) -> None:
    if len(data) < size:
        raise Rejected(reason)


def _network(frame: bytes, link: int) -> tuple[int, bytes]:
    if link == 1:
        _need(frame, 14, "packet-cut")
        kind, rest = struct.unpack(">H", frame[12:14])[0], frame[14:]
        tags = 0
        while kind in (0x8100, 0x88A8, 0x9100) and tags < 4:
            _need(rest, 4, "packet-cut")
            kind, rest, tags = struct.unpack(">H", rest[2:4])[0], rest[4:], tags + 1
    elif link in (12, 14, 101, 228, 229):
        _need(frame, 1, "packet-cut")
        if frame[0] >> 4 not in (4, 6):
            raise Rejected("ip-header")
        return frame[0] >> 4, frame
    elif link == 113:
        _need(frame, 16, "packet-cut")
        kind, rest = struct.unpack(">H", frame[14:16])[0], frame[16:]
    elif link == 276:
        _need(frame, 20, "packet-cut")
        kind, rest = struct.unpack(">H", frame[:2])[0], frame[20:]
    elif link in (0, 108):
        _need(frame, 4, "packet-cut")
        families = struct.unpack(">I", frame[:4])[0], struct.unpack("<I", frame[:4])[0]
        kind, rest = 0, frame[4:]
        if 2 in families:
            kind = 0x0800
        elif {10, 24, 28, 30} & set(families):
            kind = 0x86DD
    else:
        raise Rejected("link-type")
    if kind not in (0x0800, 0x86DD):
        raise NotIp
    return (4 if kind == 0x0800 else 6), rest


def _ipv4(raw: bytes, c: Captured) -> tuple[Packet, bytes, bool]:
    _need(raw, 20, "packet-cut")
    size = (raw[0] & 15) * 4
    if raw[0] >> 4 != 4 or size < 20:
        raise Rejected("ip-header")
    _need(raw, size, "packet-cut")
    total, ip_id, flags = struct.unpack(">HHH", raw[2:8])
    total = total or min(len(raw), 65_535)
    if total < size:
        raise Rejected("ip-length")
    packet = Packet(
        offset=c.offset, ts_us=c.ts_us or 0, src_ip=stored(raw[12:16]), dst_ip=stored(raw[16:20]),
        protocol=raw[9], ttl=raw[8], ip_len=total, ip_id=ip_id, df=bool(flags & 0x4000),
    )  # fmt: skip
    if flags & 0x1FFF:
        return replace(packet, payload="fragment"), b"", False
    return packet, raw[size:total], True


def _ipv6(raw: bytes, c: Captured) -> tuple[Packet, bytes, bool]:
    _need(raw, 40, "packet-cut")
    if raw[0] >> 4 != 6:
        raise Rejected("ip-header")
    body = struct.unpack(">H", raw[4:6])[0]
    rest = raw[40 : 40 + body] if body else raw[40:]
    proto, rest, fragment = extensions(raw[6], rest)
    packet = Packet(
        offset=c.offset, ts_us=c.ts_us or 0, src_ip=stored(raw[8:24]), dst_ip=stored(raw[24:40]),
        protocol=proto, ttl=raw[7], ip_len=40 + body,
    )  # fmt: skip
    if fragment:
        return replace(packet, payload="fragment"), b"", False
    return packet, rest, True


def extensions(proto: int, rest: bytes) -> tuple[int, bytes, int]:
    """(protocol, what follows, fragment offset) behind at most 15 extension headers."""
    for _ in range(16):
        if proto not in (0, 43, 44, 51, 60, 135, 139, 140):
            return proto, rest, 0
        _need(rest, 8, "ipv6-extensions")
        if proto == 44:
            fragment = struct.unpack(">H", rest[2:4])[0] >> 3
            proto, rest = rest[0], rest[8:]
            if fragment:
                return proto, rest, fragment
        else:
            size = 8 + (4 if proto == 51 else 8) * rest[1]
            proto, rest = rest[0], rest[size:]
    raise Rejected("ipv6-extensions")


def _transport(packet: Packet, data: bytes, version: int) -> Packet:
    proto = packet.protocol
    if proto == 6:
        return _tcp(packet, data, version)
    if proto == 17:
        _need(data, 8, "transport-cut")
        sport, dport = struct.unpack(">HH", data[:4])
        return replace(packet, src_port=sport, dst_port=dport, payload="some" if len(data) > 8 else "")
    if proto in (1, 58):
        return _icmp(packet, data)
    if proto in (33, 132, 136) and len(data) >= 4:
        sport, dport = struct.unpack(">HH", data[:4])
        packet = replace(packet, src_port=sport, dst_port=dport)
    return replace(packet, payload="some" if data else "")


def _tcp(packet: Packet, data: bytes, version: int) -> Packet:
    _need(data, 20, "transport-cut")
    sport, dport, seq, ack, first, flags, window = struct.unpack(">HHIIBBH", data[:16])
    flags |= (first & 1) << 8
    packet = replace(
        packet, src_port=sport, dst_port=dport, seq=seq, ack=ack, tcp_flags=flags, tcp_window=window,
        reply=bool(flags & 4) or flags & 18 == 18,
    )  # fmt: skip
    if version == 4:
        dst = struct.unpack(">I", packet.dst_ip[1:])[0]
        packet = replace(
            packet, seq_is_dst=seq == dst, masscan_xor=packet.ip_id == (dst ^ dport ^ seq) & 0xFFFF
        )
    size = (first >> 4) * 4
    if size < 20 or size > len(data):
        return replace(packet, tcp_options="!")
    text, mss = options(data[20:size])
    return replace(packet, tcp_options=text, mss=mss, payload="some" if len(data) > size else "")


def options(data: bytes) -> tuple[str, int | None]:
    """TCP options as text, and the MSS."""
    letters = {0: "E", 1: "N", 2: "M", 3: "W", 4: "S", 5: "K", 8: "T", 19: "5", 29: "A", 34: "F", 30: "P"}
    parts: list[str] = []
    mss, scale, bad = None, 0, False
    while data:
        kind, size = data[0], 1
        if kind > 1:
            if len(data) < 2 or data[1] < 2 or data[1] > len(data):
                bad = True
                break
            size = data[1]
        if kind == 2 and size == 4 and mss is None:
            mss = struct.unpack(">H", data[2:4])[0]
        if kind == 3 and size == 3:
            scale = data[2]
        parts.append(letters.get(kind, "?"))
        data = data[size:]
        if kind == 0:
            break
    shown = [f"W{scale}" if p == "W" else p for p in parts[:12]]
    return ",".join(shown + ["+"] * (len(parts) > 12) + ["!"] * bad), mss


def _icmp(packet: Packet, data: bytes) -> Packet:
    _need(data, 4, "transport-cut")
    kind, code = data[0], data[1]
    packet = replace(packet, src_port=kind, dst_port=code, payload="some" if len(data) > 8 else "")
    if len(data) < 8:
        return packet
    six = packet.protocol == 58
    if kind in ((128, 129) if six else (0, 8)):
        word = struct.unpack(">I", data[4:8])[0]
        packet = replace(packet, seq=word, reply=kind == (129 if six else 0))
    if kind in ((1, 2, 3, 4) if six else (3, 4, 5, 11, 12)):
        packet = replace(packet, inner=quoted(data[8:]))
    return packet


def quoted(data: bytes) -> tuple[bytes, bytes, int, int, int] | None:
    """(source, destination, ports, protocol) of a quoted packet, None when its addresses are not there."""
    if not data:
        return None
    if data[0] >> 4 == 4:
        size = (data[0] & 15) * 4
        if size < 20 or len(data) < size:
            return None
        src, dst, proto = data[12:16], data[16:20], data[9]
        fragment = struct.unpack(">H", data[6:8])[0] & 0x1FFF
        rest = data[size:]
    elif data[0] >> 4 == 6:
        if len(data) < 40:
            return None
        src, dst = data[8:24], data[24:40]
        proto, rest, fragment = _quoted_extensions(data[6], data[40:])
    else:
        return None
    ports = (0, 0)
    if not fragment and proto in (6, 17, 132) and len(rest) >= 4:
        ports = struct.unpack(">HH", rest[:4])
    elif not fragment and proto in (1, 58) and len(rest) >= 2:
        ports = rest[0], rest[1]
    return stored(src), stored(dst), ports[0], ports[1], proto


def _quoted_extensions(proto: int, rest: bytes) -> tuple[int, bytes, int]:
    """As `extensions`, but a chain that breaks off ends at the last header that was there."""
    for _ in range(16):
        if proto not in (0, 43, 44, 51, 60, 135, 139, 140) or len(rest) < 8:
            break
        if proto == 44:
            fragment = struct.unpack(">H", rest[2:4])[0] >> 3
            proto, rest = rest[0], rest[8:]
            if fragment:
                return proto, rest, fragment
        else:
            proto, rest = rest[0], rest[8 + (4 if proto == 51 else 8) * rest[1] :]
    return proto, rest, 0


# --- rows ------------------------------------------------------------------------------------------------


def read(data: bytes, latest_us: int = LATEST_US) -> tuple[list[Packet], list[tuple[int, str]], int]:
    """(packets, (position, reason) of rejects in order of position, packets that are not IP)."""
    captured, bad = walk(data)
    packets, rejects, other = [], list(bad), 0
    for c in captured:
        try:
            packets.append(decode(c, latest_us))
        except Rejected as e:
            rejects.append((c.offset, e.reason))
        except NotIp:
            other += 1
    return packets, sorted(rejects), other


SHARED = (
    "seq", "ack", "ip_id", "tcp_window", "tcp_options", "mss", "df", "seq_is_dst", "masscan_xor", "payload",
)  # fmt: skip


def rows(packets: Iterable[Packet]) -> list[dict[str, Any]]:
    """Rows of `flows` (without tool, class and run), in a fixed order."""
    groups: dict[tuple[Any, ...], list[Packet]] = {}
    for p in packets:
        key = (
            p.ts_us // 60_000_000, p.src_ip, p.dst_ip, p.src_port, p.dst_port, p.protocol, p.ttl, p.tcp_flags,
            p.ip_len, p.reply, (p.seq, p.ack) if p.reply else None, p.inner,
        )  # fmt: skip
        groups.setdefault(key, []).append(p)
    out = []
    for group in groups.values():
        p = group[0]
        row: dict[str, Any] = {
            "src_ip": p.src_ip, "dst_ip": p.dst_ip, "src_port": p.src_port, "dst_port": p.dst_port,
            "protocol": p.protocol, "ttl": p.ttl, "tcp_flags": p.tcp_flags, "ip_len": p.ip_len,
            "packet_count": len(group), "byte_count": sum(q.ip_len for q in group),
            "first_seen": min(q.ts_us for q in group), "last_seen": max(q.ts_us for q in group),
            "offset": min(q.offset for q in group),
        }  # fmt: skip
        names = ("inner_src_ip", "inner_dst_ip", "inner_src_port", "inner_dst_port", "inner_protocol")
        row |= dict(zip(names, p.inner or (None,) * 5, strict=True))
        for name in SHARED:
            values = {getattr(q, name) for q in group}
            row[name] = values.pop() if len(values) == 1 else None
        out.append(row)
    return sorted(out, key=lambda r: (r["offset"], r["first_seen"]))
