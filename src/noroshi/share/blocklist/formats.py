"""A blocklist in the words of nftables, of a response policy zone (RPZ), or as plain text; bytes of the list alone."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from noroshi.model import address
from noroshi.model.errors import UsageError
from noroshi.share.blocklist.select import Chosen, Entry

TABLE: Final = "noroshi"
_SERIAL: Final = re.compile(rb"^\s*(\d{1,10})\s*; serial$", re.M)
SERIALS: Final = 1 << 32
NAME: Final = re.compile(r"(?=.{1,240}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}")
"""Names that are written; others have no place in a zone."""


def nftables(chosen: Chosen, now: datetime) -> bytes:
    """A script for `nft -f` that fills two sets in one transaction, every element with its timeout.

    Rules are the firewall's own. Addresses stand in `inet noroshi blocked4` and `blocked6`, networks in `nets4` and
    `nets6`: a set of intervals takes none that meet, of networks inside one another it holds the outermost.
    """
    four, six = _split(chosen, 4), _split(chosen, 6)
    lines = [
        "# Noroshi blocklist; load with `nft -f FILE`, use in a rule: ip saddr @blocked4 drop",
        f"add table inet {TABLE}",
    ]
    for name, type, entries in (
        ("blocked4", "ipv4_addr", [e for e in four if e.kind == "ip"]),
        ("blocked6", "ipv6_addr", [e for e in six if e.kind == "ip"]),
        ("nets4", "ipv4_addr", _apart(four)),
        ("nets6", "ipv6_addr", _apart(six)),
    ):
        flags = "interval, timeout" if name.startswith("nets") else "timeout"
        lines.append(f"add set inet {TABLE} {name} {{ type {type}; flags {flags}; }}")
        lines.append(f"flush set inet {TABLE} {name}")
        for start in range(0, len(entries), 1000):
            part = ", ".join(f"{e.value} timeout {_seconds(e, now)}s" for e in entries[start : start + 1000])
            lines.append(f"add element inet {TABLE} {name} {{ {part} }}")
    return ("\n".join(lines) + "\n").encode()


def _split(chosen: Chosen, version: int) -> list[Entry]:
    return [e for e in chosen.entries if e.kind != "domain" and (":" in e.value) == (version == 6)]


def _apart(entries: list[Entry]) -> list[Entry]:
    """The networks, of those inside one another only the outermost: intervals of a set may not meet."""
    out: list[Entry] = []
    end = b""
    for one in (e for e in entries if e.kind == "prefix"):  # by first address, the larger one first
        first, last = address.prefix_range(one.value)
        if not out or first > end:
            out.append(one)
            end = last
    return out


def _seconds(entry: Entry, now: datetime) -> int:
    return max(1, int((entry.until - now).total_seconds()))


def rpz(chosen: Chosen, now: datetime, before: bytes = b"", origin: str = "rpz.noroshi.invalid") -> bytes:
    """A response policy zone: names and addresses that are answered with NXDOMAIN.

    before: the zone as it stands. When nothing but its serial would differ it stays as it is; else the serial grows,
    as secondaries want. Format: ISC, DNS Response Policy Zones (draft-vixie-dnsop-dns-rpz).
    """
    if not NAME.fullmatch(origin):
        raise UsageError(f"{origin[:80]!r} is no name of a zone", todo="Write for example rpz.example.net.")
    records = list(_records(chosen))
    head = [f"$ORIGIN {origin}.", "$TTL 300"]
    found = _SERIAL.search(before)
    old = int(found[1]) if found else 0

    def zone(serial: int) -> bytes:
        soa = ["@ IN SOA localhost. hostmaster.localhost. (", f"    {serial} ; serial",
               "    3600 600 604800 300 )", "@ IN NS localhost."]  # fmt: skip
        return ("\n".join([*head, *soa, *records]) + "\n").encode()

    if found and zone(old) == before:
        return before
    serial = int(now.timestamp()) % SERIALS
    return zone(serial if not found or serial > old else (old + 1) % SERIALS)


def _records(chosen: Chosen) -> Iterator[str]:
    for e in chosen.entries:
        if e.kind == "domain":
            if NAME.fullmatch(e.value):
                yield f"{e.value} CNAME ."
                yield f"*.{e.value} CNAME ."
        else:
            yield f"{_reversed(e.value)}.rpz-ip CNAME ."


def _reversed(value: str) -> str:
    """An address or network as RPZ names it: `32.7.100.51.198`, `48.zz.42.db8.2001`."""
    network = ipaddress.ip_network(value)
    if network.version == 4:
        parts = str(network.network_address).split(".")
        return ".".join([str(network.prefixlen), *reversed(parts)])
    text = network.network_address.compressed
    left, gap, right = text.partition("::")
    words = [
        *(left.split(":") if left else []),
        *(["zz"] if gap else []),
        *(right.split(":") if right else []),
    ]
    return ".".join([str(network.prefixlen), *reversed(words)])


def plain(chosen: Chosen) -> bytes:
    """One value a line, addresses and networks first, then names."""
    return "".join(f"{e.value}\n" for e in sorted(chosen.entries, key=lambda e: e.kind == "domain")).encode()
