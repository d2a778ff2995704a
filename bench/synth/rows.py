"""Packets as rows of one structured array, and the hash that makes every value from its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[Any]
U64 = npt.NDArray[np.uint64]

ROW = np.dtype(
    [
        ("ts", "i8"),  # ns since 1970
        ("sid", "i4"),  # index in the truth's source table; -1: a spoofed source seen once
        ("attack", "i4"),  # index of the attack object, else -1
        ("src", "u4"),
        ("dst", "u4"),
        ("seq", "u4"),  # ICMP echo: identifier << 16 | sequence
        ("ack", "u4"),
        ("idst", "u4"),  # quoted packet of an ICMP error: its destination (its source is `dst`)
        ("sport", "u2"),  # ICMP: the type
        ("dport", "u2"),  # ICMP: the code
        ("isport", "u2"),
        ("idport", "u2"),
        ("ip_id", "u2"),
        ("frag", "u2"),  # flags and fragment offset as in the header
        ("win", "u2"),
        ("vlan", "u2"),  # 0: untagged
        ("proto", "u1"),
        ("ttl", "u1"),
        ("flags", "u1"),
        ("opt", "u1"),  # index in templates.OPTIONS
        ("pay", "u1"),  # index in templates.PAYLOADS
        ("iproto", "u1"),
        ("kind", "u1"),  # index in truth.KINDS
        ("v6", "u1"),
    ]
)
"""One packet. Addresses of IPv6 rows are made from the 32 bits of `src` and `dst` (encode.py)."""

TCP, UDP, ICMP = 6, 17, 1
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
DF, MF = 0x4000, 0x2000


def empty(n: int) -> Rows:
    """n rows of zeros without attack."""
    rows = np.zeros(n, ROW)
    rows["attack"] = -1
    return rows


def mix(values: U64, salt: int) -> U64:
    """64 well mixed bits per value: the splitmix64 finaliser over value + salt.

    A packet's random fields come from (run, number in the run), so that any slice of time can be made on
    its own. Source: Steele, Lea, Flood, OOPSLA 2014.
    """
    with np.errstate(over="ignore"):
        x = values + np.uint64((salt * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


SPECIAL = (
    (0x00000000, 8), (0x0A000000, 8), (0x7F000000, 8), (0x64400000, 10), (0xA9FE0000, 16), (0xAC100000, 12),
    (0xC0000000, 24), (0xC0000200, 24), (0xC01FC400, 24), (0xC034C100, 24), (0xC0586300, 24),
    (0xC0A80000, 16), (0xC0AF3000, 24), (0xC6120000, 15), (0xC6336400, 24), (0xCB007100, 24),
)  # fmt: skip
"""Special-purpose blocks below 224.0.0.0 (IANA registry): no public source lives there."""


def is_special(address: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """True where an address lies in a block no public host uses."""
    bad = address >= np.uint32(0xE0000000)
    for start, bits in SPECIAL:
        bad |= (address >> np.uint32(32 - bits)) == np.uint32(start >> (32 - bits))
    return bad


def public_addresses(rng: np.random.Generator, n: int) -> npt.NDArray[np.uint32]:
    """n distinct public IPv4 addresses in random order."""
    found = np.zeros(0, np.uint32)
    while found.size < n:
        more = rng.integers(0x01000000, 0xE0000000, size=int((n - found.size) * 1.1) + 16, dtype=np.uint32)
        found = np.concatenate([found, more[~is_special(more)]])
        _, first = np.unique(found, return_index=True)
        found = found[np.sort(first)]
    return found[:n]
