"""The addresses of a lake by class of field, and what a profile leaves to learn of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noroshi.model import address
from noroshi.share.anonymise.classes import ADDRESSES, VICTIM_ROLES
from noroshi.share.anonymise.risk import Exposure, exposure
from noroshi.share.anonymise.site import Site
from noroshi.share.anonymise.values import Values

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.snapshot import Snapshot
    from noroshi.share.profile import Profile

SAMPLE = 20_000
"""Addresses of a class that are looked at; of more, those whose hash is smallest."""
LEAST = 16
"""With fewer in the lake, the ranges of the configuration stand in for them."""
_ADDRESSES = """
SELECT value, bool_or(role IN (SELECT unnest($victim))) AS victim FROM links WHERE kind = 'ip'
GROUP BY value ORDER BY hash(value), value LIMIT $most
"""


@dataclass(frozen=True)
class Risk:
    """What is learnt of the addresses of one class and version."""

    field: str
    version: int
    do: str
    source: str
    """Where the addresses come from: `lake`, or `configuration` when the lake has too few."""
    exposures: list[Exposure]


def risks(
    shot: Snapshot | None, config: Config, profile: Profile, pairs: Sequence[int], *, draws: int
) -> list[Risk]:
    """For each class of address that the lake or the configuration has, what n known pairs give away."""
    values = Values(profile, Site.of(config), lambda _: bytes(32))  # classes only: no key is needed
    found: dict[tuple[str, int], list[bytes]] = {}
    if shot is not None:
        rows = shot.sql(_ADDRESSES, {"victim": sorted(VICTIM_ROLES), "most": SAMPLE * 10}).to_pylist()
        for row in rows:
            packed = address.pack(row["value"])
            field = values.field_of(packed, victim=row["victim"])
            found.setdefault((field, packed[0]), []).append(packed)
    out = []
    for field in ADDRESSES:
        rule = profile.rules[field]
        for version in (4, 6):
            some, source = found.get((field, version), []), "lake"
            if len(some) < LEAST and field in ("own-address", "telescope-address"):
                prefixes = config.own if field == "own-address" else config.telescope_prefixes
                all_ = _enumerated(prefixes, version)
                some, source = (all_, "configuration") if len(all_) > len(some) else (some, source)
            if len(some) > 1:
                done = exposure(some[:SAMPLE], rule.do, pairs, v4=rule.v4, v6=rule.v6, draws=draws)
                out.append(Risk(field, version, rule.do, source, done))
    return out


def _enumerated(prefixes: Sequence[str], version: int) -> list[bytes]:
    """The addresses of the prefixes, of each at most as many as are looked at (the first ones of IPv6)."""
    out: list[bytes] = []
    for prefix in prefixes:
        net = ipaddress.ip_network(prefix.strip(), strict=False)
        if net.version == version:
            first = int(net.network_address)
            size = (net.max_prefixlen) // 8
            count = min(net.num_addresses, SAMPLE - len(out))
            out += [bytes((version,)) + (first + i).to_bytes(size) for i in range(count)]
    return out
