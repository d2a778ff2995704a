"""Who sends in the real profile: groups of sources with their share of packets, tools, ports and habits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ports = tuple[int, ...]

BOT: Ports = (23, 23, 23, 2323, 5555, 37215, 52869, 7547, 8080, 60023)
WEB: Ports = (80, 443, 8080, 8443, 8000, 8888, 81, 8081, 88, 3000)
REMOTE: Ports = (22, 3389, 5900, 5985, 2222, 22222, 3390, 5901)
DATA: Ports = (6379, 1433, 3306, 5432, 27017, 9200, 11211, 2375, 5984, 1521)
SINGLE: tuple[Ports, ...] = (
    (22,), (3389,), (445,), (6379,), (1433,), (8080,), (443,), (2375,), (5900,), (8728,),
    WEB, REMOTE, DATA, (23, 2323),
)  # fmt: skip
UDP_SETS: tuple[Ports, ...] = (
    (53,), (123,), (161,), (1900,), (5060,), (11211,), (389,), (123, 53, 389, 11211),
)  # fmt: skip
CAMPAIGN_PORT = 26
"""No scanner of the cast uses it: its rise is the campaign's."""

COMMON: Ports = (
    21, 22, 23, 25, 53, 80, 81, 88, 110, 111, 135, 137, 139, 143, 161, 179, 389, 443, 445, 465, 500,
    502, 515, 548, 554, 587, 631, 636, 873, 902, 993, 995, 1080, 1194, 1433, 1521, 1723, 1883, 1900,
    2049, 2082, 2083, 2222, 2323, 2375, 2376, 3000, 3128, 3306, 3389, 4443, 4786, 4899, 5000, 5060,
    5061, 5222, 5353, 5432, 5555, 5601, 5672, 5683, 5800, 5900, 5901, 5984, 5985, 6000, 6379, 6443,
    6667, 7001, 7547, 7777, 8000, 8008, 8009, 8080, 8081, 8086, 8088, 8089, 8123, 8291, 8443, 8728,
    8834, 8883, 8888, 9000, 9042, 9090, 9100, 9200, 9300, 9443, 9999, 10000, 10250, 11211, 15672, 16992,
    20000, 25565, 27017, 28017, 32400, 37777, 44818, 47808, 49152, 50000, 50070, 55553, 60001,
)  # fmt: skip

# Address ranges these organisations publish or are listed with (OpenFilters internet-scanners, MISP
# warninglists, 2026-08): a list-based rule must meet listed scanners. The rest of the scanners are unlisted.
LISTED: dict[str, tuple[str, ...]] = {
    "censys": ("162.142.125.0/24", "167.94.138.0/24"),
    "shadowserver": ("65.49.20.64/26", "184.105.139.64/26"),
    "shodan": ("207.90.244.0/24",),
    "driftnet": ("185.247.137.0/24",),
    "onyphe": ("91.196.152.0/24",),
}


@dataclass(frozen=True)
class Group:
    """Sources that behave alike."""

    kind: str
    share: float
    """Of the packets of its level (organisation, heavy, light)."""
    ports: tuple[Ports, ...]
    """Each source keeps one of these sets."""
    order: str = "permuted"
    """permuted | sequential | random destinations."""
    burst: bool = False
    """Runs of minutes to hours rather than the whole day."""


HEAVY: tuple[Group, ...] = (
    Group("zmap-4", 0.17, SINGLE, burst=True),
    Group("zmap-3", 0.08, SINGLE, burst=True),
    Group("zmap-2", 0.15, SINGLE, burst=True),
    Group("masscan-2", 0.18, SINGLE, burst=True),
    Group("masscan-1", 0.10, SINGLE, burst=True),
    Group("syn-stack", 0.14, SINGLE, order="sequential", burst=True),
    Group("nmap", 0.03, (COMMON[:60], COMMON), order="sequential", burst=True),
    Group("unknown-tool", 0.05, ((5038,), (8443, 9443)), burst=True),
    Group("udp-scan", 0.08, UDP_SETS, burst=True),
    Group("ping-scan", 0.02, ((0,),), order="sequential", burst=True),
)
LIGHT: tuple[Group, ...] = (
    Group("mirai", 0.42, (BOT,), order="random"),
    Group("iot-bot", 0.24, ((23, 2323), (5555,), (37215,), (8080, 80, 81)), order="random"),
    Group("syn-stack", 0.16, SINGLE, order="random"),
    Group("udp-scan", 0.08, UDP_SETS, order="random"),
    Group("ping-scan", 0.03, ((0,),), order="random"),
    Group("campaign", 0.07, ((CAMPAIGN_PORT,),), order="random", burst=True),
)
ORGANISED: tuple[str, ...] = ("zmap-4", "zmap-2", "masscan-2", "zmap-4", "syn-stack", "zmap-3")
"""Tools of investigation scanners, dealt in turn: with the heavy ones, half of all packets look like ZMap."""


def apportion(total: int, weights: npt.NDArray[np.float64], least: int = 1) -> npt.NDArray[np.int64]:
    """Whole numbers in proportion to `weights`, each at least `least`, that add up to `total` exactly."""
    n = weights.size
    if n == 0 or total < n * least:
        raise ValueError(f"{total} packets are too few for {n} sources: raise -n")
    rest = total - n * least
    exact = weights / weights.sum() * rest
    parts = np.floor(exact).astype(np.int64)
    short = rest - int(parts.sum())
    parts[np.argsort(-(exact - parts), kind="stable")[:short]] += 1
    return np.asarray(parts + least)
