"""What is to be hidden besides roles: own and telescope ranges, own names and words, as the configuration says."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noroshi.model import address

if TYPE_CHECKING:
    from noroshi.config import Config


@dataclass(frozen=True)
class Site:
    """What of this site the configuration names. Nothing here comes from stored rows, so no mask tells of any."""

    own: tuple[str, ...] = ()
    telescopes: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    """Own domains, canonical."""
    sensors: tuple[str, ...] = ()
    """Names of telescopes and sources."""
    words: tuple[str, ...] = ()
    """Names of persons, machines, projects that stand in no text that leaves."""

    @classmethod
    def of(cls, config: Config) -> Site:
        """What the configuration names."""
        sensors = (*(t.name for t in config.telescopes), *(s.name for s in config.sources if s.name))
        return cls(config.own, config.telescope_prefixes, config.own_domains, sensors, config.own_words)


class Ranges:
    """Networks as sorted, disjoint spans of stored addresses."""

    def __init__(self, prefixes: Iterable[str]) -> None:
        spans: list[tuple[bytes, bytes]] = []
        for low, high in sorted(map(address.prefix_range, prefixes)):
            if spans and low <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(high, spans[-1][1]))
            else:
                spans.append((low, high))
        self.spans = spans
        self._lows = [low for low, _ in spans]

    def __bool__(self) -> bool:
        return bool(self.spans)

    def holds(self, packed: bytes) -> bool:
        """True when the stored address lies inside."""
        at = bisect_right(self._lows, packed) - 1
        return at >= 0 and packed <= self.spans[at][1]

    def meets(self, low: bytes, high: bytes) -> bool:
        """True when the span has an address inside."""
        at = bisect_right(self._lows, high) - 1
        return at >= 0 and low <= self.spans[at][1]


PRIVATE = Ranges(
    (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)
"""RFC 1918, 6598, 3927, 4193, 4291."""
SPECIAL = Ranges(("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/127", "ff00::/8"))
"""RFC 6890: this host, loopback, multicast, reserved, broadcast."""


def embedded(packed: bytes) -> bytes | None:
    """The IPv4 address inside an IPv6 one: 6to4, Teredo, NAT64, IPv4-compatible, ISATAP; None without."""
    if packed[0] != address.V6:
        return None
    raw = packed[1:]
    if raw[:2] == b"\x20\x02":
        four = raw[2:6]
    elif raw[:4] == b"\x20\x01\0\0":
        four = bytes(b ^ 0xFF for b in raw[12:])
    elif (
        raw[:12] == b"\0\x64\xff\x9b" + bytes(8)
        or (raw[:12] == bytes(12) and raw[12:14] != b"\0\0")
        or raw[8:12] in (b"\0\0\x5e\xfe", b"\2\0\x5e\xfe")
    ):
        four = raw[12:]
    else:
        return None
    return b"\4" + four
