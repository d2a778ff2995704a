"""What to make: the generator's arguments as one value."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

BLOCK = 1_000_000
"""Packets made at a time, about: bounds memory whatever N is."""


@dataclass(frozen=True)
class Plan:
    """Everything that decides the bytes; equal plans give equal files (with the same NumPy)."""

    packets: int
    seed: int = 1
    start: datetime = datetime(2026, 4, 1, tzinfo=UTC)
    hours: float = 1.0
    profile: str = "flat"
    telescope: str = "198.18.0.0/16"
    own: str = ""
    """Prefix of the operator's own network: the real profile puts an infected host there."""
    light: float = 0.03
    """Real profile: share of packets from the 99 % of sources that send little."""
    outages: tuple[tuple[float, float], ...] = ()
    """(from, to) in hours after the start: nothing is captured in between."""
    vlan: float = 0.0
    ipv6: float = 0.0
    fragments: float = 0.0
    duplicates: float = 0.0
    reorder: float = 0.0
    """Shares of packets, 0 to 1."""

    @property
    def start_ns(self) -> int:
        """Start, ns since 1970."""
        return int(self.start.timestamp()) * 1_000_000_000

    @property
    def span_ns(self) -> int:
        """Length of the capture, ns."""
        return int(self.hours * 3_600_000_000_000)

    @property
    def network(self) -> ipaddress.IPv4Network:
        """The telescope."""
        return ipaddress.IPv4Network(self.telescope)

    @property
    def base(self) -> int:
        """First address of the telescope."""
        return int(self.network.network_address)

    @property
    def size(self) -> int:
        """Addresses in the telescope, a power of two."""
        return self.network.num_addresses

    def rng(self, *stream: int) -> np.random.Generator:
        """An independent generator for a purpose and block."""
        return np.random.default_rng([self.seed, *stream])

    def captured(self, ts: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """True where a time lies in the capture and in no outage."""
        inside = (ts >= self.start_ns) & (ts < self.start_ns + self.span_ns)
        for low, high in self.outages:
            hour = 3_600_000_000_000
            inside &= (ts < self.start_ns + int(low * hour)) | (ts >= self.start_ns + int(high * hour))
        return inside
