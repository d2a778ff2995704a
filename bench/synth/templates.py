"""TCP options and payloads packets are made from.

Options are written from the header layouts of RFC 9293, 7323 and 2018 in the orders the stacks and tools
use; payloads are minimal well-formed requests of each protocol, written for this file.
"""

from __future__ import annotations

import struct

MSS = bytes.fromhex("020405b4")
SACK = bytes.fromhex("0402")
NOP = b"\x01"
TIME = bytes.fromhex("080a0000000000000000")


def _scale(shift: int) -> bytes:
    return bytes((3, 3, shift))


OPTIONS: dict[str, bytes] = {
    "none": b"",
    "mss": MSS,
    "linux": MSS + SACK + TIME + NOP + _scale(7),
    "windows": MSS + NOP + _scale(8) + NOP + NOP + SACK,
    "bsd": MSS + NOP + _scale(6) + NOP + NOP + TIME + SACK + b"\0\0",
    "xp": MSS + NOP + NOP + SACK,
    "reply": MSS + NOP + NOP + SACK + NOP + _scale(7),
}
OPTION = {name: i for i, name in enumerate(OPTIONS)}

FLAT_SIZES = (4, 12, 20, 29, 42, 90, 172, 380)
"""UDP payload sizes of the flat profile; their bytes are a fixed function of the port (encode.py)."""


def _dns(name: str, kind: int, klass: int = 1, flags: int = 0x0100, answers: int = 0) -> bytes:
    head = struct.pack(">HHHHHH", 0x1A2B, flags, 1, answers, 0, 0)
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
    body = head + labels + struct.pack(">HH", kind, klass)
    return body + (b"\xc0\x0c" + struct.pack(">HHIH", kind, klass, 60, 4) + b"\xc0\0\2\1") * answers


_SIP = (
    "OPTIONS sip:100@198.18.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1\r\n"
    "From: <sip:100@192.0.2.9>;tag=1\r\nTo: <sip:100@198.18.0.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
)
_SSDP = (
    'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\n'
    "ST: ssdp:all\r\n\r\n"
)
PAYLOADS: dict[str, bytes] = {
    "none": b"",
    **{f"flat-{n}": bytes(n) for n in FLAT_SIZES},
    "echo": bytes(range(56)),
    "dns-query": _dns("version.bind", 16, 3),
    "dns-any": _dns("example.com", 255),
    "dns-reply": _dns("example.com", 1, flags=0x8180, answers=1),
    "ntp-monlist": bytes.fromhex("1700032a") + bytes(4),
    "ntp-reply": bytes.fromhex("d7000300") + bytes(4),
    "ssdp": _SSDP.encode(),
    "sip": _SIP.encode(),
    "sip-status": b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9:5060\r\nCSeq: 1 OPTIONS\r\n\r\n",
    "snmp": bytes.fromhex("302602010104067075626c6963a019020171020100020100300e300c06082b060102010101000500"),
    "memcached": bytes.fromhex("0001000000010000") + b"stats\r\n",
    "cldap": bytes.fromhex("3025020101632004000a01000a0100020100020100010100870b6f626a656374636c6173733000"),
    "netbios": struct.pack(">HHHHHH", 0x80F0, 0x10, 1, 0, 0, 0) + b" CK" + b"A" * 30 + b"\0" + b"\0\x21\0\1",
    "bittorrent": b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
    "utp": bytes.fromhex("41003a98000000000000000000f00000") + bytes.fromhex("00010000"),
    "syslog": b"<134>1 - gw01 dhcpd - - - DHCPACK on 192.0.2.77 to 02:00:5e:10:00:01 via eth1",
    "mdns": _dns("_services._dns-sd._udp.local", 12, flags=0),
    "zero31": bytes(8) + b"1\0" + bytes(20),
    "http": b"GET / HTTP/1.1\r\nHost: 198.18.0.1\r\nUser-Agent: Mozilla/5.0\r\n\r\n",
}
PAYLOAD = {name: i for i, name in enumerate(PAYLOADS)}

UDP_PROBE = {
    53: "dns-query", 123: "ntp-monlist", 161: "snmp", 1900: "ssdp", 5060: "sip", 11211: "memcached",
    389: "cldap", 137: "netbios", 5353: "mdns", 6881: "bittorrent",
}  # fmt: skip
"""What scanners ask on a port."""
