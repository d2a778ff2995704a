"""What must never be blocked: own and special ranges, what was released, what warninglists hold, victims."""

from __future__ import annotations

import bisect
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from noroshi.model import address
from noroshi.model.observable import resolve_one

# IANA's special-purpose registries (RFC 6890 and its updates, as of 2025), multicast and what is reserved.
SPECIAL: Final = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32",
    "::/128", "::1/128", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23",
    "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "ff00::/8",
)  # fmt: skip
# RFC 6761 and its like: names that are nobody's on the Internet.
SPECIAL_NAMES: Final = ("localhost", "local", "invalid", "test", "example", "onion", "arpa", "internal", "home.arpa",
                        "example.com", "example.net", "example.org")  # fmt: skip
LARGEST: Final = {4: 16, 6: 32}
"""Shortest prefix that may be blocked, by version: a wider one is a mistake more often than an attacker."""


@dataclass
class Ranges:
    """Sets of networks, asked whether any meets another network."""

    _spans: list[tuple[bytes, bytes, str]] = field(default_factory=list)
    _starts: list[bytes] = field(default_factory=list)
    _reach: list[tuple[bytes, str]] = field(default_factory=list)
    """The furthest end of all spans up to here, and whose it is."""

    @classmethod
    def of(cls, named: Iterable[tuple[str, str]]) -> Ranges:
        """Networks with why they are there; what is none is passed over."""
        spans = []
        for prefix, why in named:
            known = resolve_one("prefix", prefix) or resolve_one("ip", prefix)
            if known is not None:
                spans.append((*address.prefix_range(known[1]), why))
        spans.sort()
        reach: list[tuple[bytes, str]] = []
        for _, last, why in spans:
            furthest = reach[-1] if reach else (b"", "")
            reach.append((last, why) if last > furthest[0] else furthest)
        return cls(spans, [s[0] for s in spans], reach)

    def meets(self, prefix: str) -> str:
        """Why a network or address may not be blocked: it meets one of these; empty when it meets none."""
        first, last = address.prefix_range(prefix)
        at = bisect.bisect_right(self._starts, last)
        if at and self._reach[at - 1][0] >= first:
            return self._reach[at - 1][1]
        return ""


@dataclass(frozen=True)
class Never:
    """What is never blocked, and why."""

    ranges: Ranges
    names: dict[str, str]
    """Domains that may not be blocked, with all below and all above them: blocking a name blocks what is below."""
    exact: dict[tuple[str, str], str] = field(default_factory=dict)
    """(kind, value) of single things: released ones, victims, benign ones, entries of warninglists."""
    parts: tuple[tuple[str, str], ...] = ()
    """Texts that may not stand in a domain."""

    def why(self, kind: str, value: str) -> str:
        """Why a value may not be blocked; empty when it may."""
        if kind in ("ip", "prefix", "domain") and resolve_one(kind, value) != (kind, value):
            return "it is not in its canonical form"
        found = self.exact.get((kind, value), "")
        if found:
            return found
        if kind in ("ip", "prefix"):
            network = ipaddress.ip_network(value, strict=False)
            if network.prefixlen < LARGEST[network.version]:
                return "the network is too large"
            return self.ranges.meets(value)
        return self._name(value) if kind == "domain" else "it is neither an address nor a name"

    def _name(self, value: str) -> str:
        labels = value.split(".")
        for n in range(len(labels)):
            if why := self.names.get(".".join(labels[n:])):
                return why
        for text, why in self.parts:
            if text in value:
                return why
        return ""


def above(names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The domains above names, which may not be blocked because the names below would be too."""
    out: dict[tuple[str, str], str] = {}
    for name, why in names:
        labels = name.split(".")
        for n in range(1, len(labels) - 1):
            out.setdefault(("domain", ".".join(labels[n:])), why)
    return out
