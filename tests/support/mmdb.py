"""A MaxMind DB written from its specification (version 2.0), to read it back in tests."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

_MARK = b"\xab\xcd\xefMaxMind.com"


def write(path: Path, entries: dict[str, dict[str, Any]], *, epoch: int = 1_700_000_000) -> Path:
    """A database of IPv4 (in ::/96) and IPv6 prefixes."""
    tree: list[list[int | bytes | None]] = [[None, None]]
    for prefix, record in sorted(entries.items(), key=lambda kv: ipaddress.ip_network(kv[0]).prefixlen):
        _insert(tree, prefix, _encode(record))
    data, offsets = bytearray(), dict[bytes, int]()
    count = len(tree)
    body = bytearray()
    for node in tree:
        for side in node:
            if isinstance(side, bytes):
                if side not in offsets:
                    offsets[side] = len(data)
                    data += side
                side = count + 16 + offsets[side]
            body += (count if side is None else side).to_bytes(4, "big")
    meta = {
        "binary_format_major_version": (5, 2), "binary_format_minor_version": (5, 0), "build_epoch": (9, epoch),
        "database_type": "Test", "description": {"en": "made for a test"}, "ip_version": (5, 6),
        "languages": ["en"], "node_count": (6, count), "record_size": (5, 32),
    }  # fmt: skip
    path.write_bytes(bytes(body) + bytes(16) + bytes(data) + _MARK + _encode(meta))
    return path


def _insert(tree: list[list[int | bytes | None]], prefix: str, leaf: bytes) -> None:
    net = ipaddress.ip_network(prefix)
    length = net.prefixlen + (96 if net.version == 4 else 0)
    bits = f"{int(net.network_address):0128b}"[:length]
    at = 0
    for bit in bits[:-1]:
        side = tree[at][int(bit)]
        if not isinstance(side, int):
            tree.append([side, side])
            tree[at][int(bit)] = side = len(tree) - 1
        at = side
    tree[at][int(bits[-1])] = leaf


def _encode(value: Any) -> bytes:
    if isinstance(value, str):
        return _head(2, len(value.encode())) + value.encode()
    if isinstance(value, dict):
        return _head(7, len(value)) + b"".join(_encode(k) + _encode(v) for k, v in value.items())
    if isinstance(value, list):
        return _head(11, len(value)) + b"".join(_encode(v) for v in value)
    # 5, 6 and 9 are unsigned integers of 16, 32 and 64 bits; readers insist on the right one in the metadata
    kind, number = value if isinstance(value, tuple) else (6, value)
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return _head(kind, len(raw)) + raw


def _head(kind: int, size: int) -> bytes:
    extra = b""
    if size >= 29:
        size, extra = 29, bytes([size - 29])
    if kind > 7:
        return bytes([size, kind - 7]) + extra
    return bytes([kind << 5 | size]) + extra
