"""Attack objects and what a telescope sees of them.

A victim's replies go to spoofed addresses all over IPv4; a telescope of N addresses gets N / 2^32 of them.
Attackers cycle lists of spoofed tuples, each turn a new attempt with a new server sequence number; servers
retransmit a SYN-ACK with the same one. Both were measured on a real trace (samples/darknet/SOURCE.md).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from typing import Any

import numpy as np

from bench.synth.plan import Plan
from bench.synth.rows import ACK, DF, ICMP, RST, SYN, TCP, UDP, Rows, empty
from bench.synth.templates import OPTION
from bench.synth.truth import KIND

VECTORS = ("syn-synack", "syn-rst", "udp-unreachable", "syn-ttl-exceeded")
MIX = (0.6, 0.14, 0.2, 0.06)
PORTS = {
    "syn-synack": (80, 443, 443, 22, 53, 25565, 8080),
    "syn-rst": (80, 443, 3074, 27015),
    "syn-ttl-exceeded": (80, 443),
    "udp-unreachable": (53, 80, 443, 27015, 3074),
}
SPAN_NS = 1_000_000_000


@dataclass(frozen=True)
class Attack:
    """One denial-of-service attack with random spoofing."""

    index: int
    victim: str
    vector: str
    port: int
    rate_pps: float
    """Replies a second the victim sends to the whole of IPv4."""
    start_s: float
    duration_s: float
    """From the start of the capture."""
    tuples: int
    """Spoofed (address, port) pairs of the list that lie in the telescope; 0: fresh ones for every packet."""
    retransmit: float
    """Probability that a SYN-ACK is sent once more with the same sequence number."""
    router: str = ""
    """Who sends the ICMP errors when it is not the victim."""


def draw(plan: Plan, share: float, victims: Rows, routers: Rows) -> list[Attack]:
    """Attacks whose expected packets add up to about `share` of the capture; a third lie below any floor."""
    rng = plan.rng(3)
    wanted, total = share * plan.packets, 0.0
    attacks: list[Attack] = []
    q, horizon = plan.size / 2**32, plan.hours * 3600
    # A third is small; the mean of a log-normal with sigma 1.2 is 2.05 times its median.
    typical = max(60.0, wanted / (victims.size * 2 / 3) / 2.05)
    while total < wanted and len(attacks) < victims.size:
        i = len(attacks)
        seen = float(rng.lognormal(np.log(typical), 1.2))
        seen = float(np.clip(seen, 25, wanted / 3 + 25)) if i % 3 else float(rng.uniform(0.5, 8))
        duration = float(np.clip(rng.lognormal(np.log(2400), 1.0), 300, horizon * 0.6))
        # No server answers more than some millions of packets a second.
        seen = min(seen, 1.5e6 * q * duration)
        vector = str(rng.choice(VECTORS, p=MIX)) if i > 1 else "syn-synack"
        attacks.append(
            Attack(
                i, str(IPv4Address(int(victims[i]))), vector, int(rng.choice(PORTS[vector])),
                round(seen / (q * duration), 1),
                round(float(rng.uniform(0, horizon - duration)), 3), round(duration, 3),
                int(max(12, seen / rng.uniform(1.5, 4))) if rng.random() < 0.6 else 0,
                float(rng.choice([0.0, 0.03, 0.5])) if vector == "syn-synack" else 0.0,
                str(IPv4Address(int(routers[i % routers.size]))) if vector == "syn-ttl-exceeded" else "",
            )
        )  # fmt: skip
        total += seen
    return attacks


def packets(plan: Plan, attack: Attack, sid: int, router_sid: int) -> tuple[Rows, dict[str, Any]]:
    """What the telescope gets of one attack, in time order, and its truth."""
    rng = plan.rng(4, attack.index)
    expected = attack.rate_pps * attack.duration_s * plan.size / 2**32
    n = int(rng.poisson(expected))
    rows = empty(n)
    start = plan.start_ns + int(attack.start_s * 1e9)
    rows["ts"] = start + np.sort(rng.integers(0, max(1, int(attack.duration_s * 1e9)), n))
    rows["sid"], rows["attack"] = router_sid if attack.router else sid, attack.index
    rows["src"] = int(IPv4Address(attack.router or attack.victim))
    _spoofed(plan, attack, rows, rng)
    rows["ttl"] = rng.choice([64, 128]) - rng.integers(8, 24)
    if attack.vector in ("syn-synack", "syn-rst"):
        _tcp(attack, rows, rng)
        rows = _again(attack, rows, rng)
    else:
        _icmp(attack, rows)
    kept = rows[plan.captured(rows["ts"])]
    return kept, {**asdict(attack), "expected": round(expected, 2), "attempts": n}


def _spoofed(plan: Plan, attack: Attack, rows: Rows, rng: np.random.Generator) -> None:
    m = attack.tuples or rows.size
    dst = plan.base + rng.integers(0, plan.size, m)
    port, seq = rng.integers(1024, 65536, m), rng.integers(0, 1 << 32, m)
    # A list is gone through in its order, again and again; the telescope sees its own entries of it.
    turn = np.arange(rows.size) % max(1, m)
    rows["dst"], rows["dport"], rows["seq"] = dst[turn], port[turn], seq[turn]


def _tcp(attack: Attack, rows: Rows, rng: np.random.Generator) -> None:
    rows["proto"], rows["sport"], rows["frag"] = TCP, attack.port, DF
    rows["ack"] = rows["seq"] + 1
    if attack.vector == "syn-rst":
        rows["kind"], rows["flags"], rows["seq"] = KIND["backscatter-rst"], RST | ACK, 0
        return
    rows["kind"], rows["flags"] = KIND["backscatter-synack"], SYN | ACK
    rows["seq"] = rng.integers(0, 1 << 32, rows.size)
    rows["win"], rows["opt"] = int(rng.choice([14600, 29200, 65535])), OPTION["reply"]


def _again(attack: Attack, rows: Rows, rng: np.random.Generator) -> Rows:
    """The rows with retransmissions after 1 and 3 seconds more, equal but for their time."""
    if not attack.retransmit:
        return rows
    once = rows[rng.random(rows.size) < attack.retransmit]
    once["ts"] += SPAN_NS + rng.integers(0, 4_000_000, once.size)
    twice = once[rng.random(once.size) < 0.5]
    twice["ts"] += 2 * SPAN_NS
    rows = np.concatenate([rows, once, twice])
    return rows[np.argsort(rows["ts"], kind="stable")]


def _icmp(attack: Attack, rows: Rows) -> None:
    rows["proto"], rows["kind"] = ICMP, KIND["backscatter-icmp"]
    rows["isport"], rows["idport"] = rows["dport"], attack.port
    rows["idst"] = int(IPv4Address(attack.victim))
    udp = attack.vector == "udp-unreachable"
    rows["iproto"] = UDP if udp else TCP
    rows["sport"], rows["dport"] = (3, 3) if udp else (11, 0)


def flood(plan: Plan, n: int) -> Rows:
    """A spoofed SYN flood AT one telescope address for 40 s: random sources, low half of seq zero."""
    rng = plan.rng(5)
    rows = empty(n)
    start = plan.start_ns + int(plan.span_ns * 0.31)
    rows["ts"] = start + np.sort(rng.integers(0, 40_000_000_000, n))
    rows["sid"], rows["kind"], rows["proto"], rows["flags"] = -1, KIND["spoofed-flood"], TCP, SYN
    rows["src"] = rng.integers(0x01000000, 0xE0000000, n)
    rows["dst"], rows["dport"] = plan.base + 25 % plan.size, 25565
    rows["sport"], rows["ip_id"] = rng.integers(1024, 65536, n), rng.integers(0, 65536, n)
    rows["seq"] = rng.integers(0, 65536, n).astype(np.uint32) << np.uint32(16)
    rows["ttl"], rows["win"] = 255 - rng.integers(8, 24, n), rng.integers(1024, 65536, n)
    return rows[plan.captured(rows["ts"])]


def reflected(plan: Plan, n: int, sids: Rows, addresses: Rows) -> Rows:
    """SYN-ACKs from many servers to two telescope addresses whose names somebody used: TCP reflection."""
    rng = plan.rng(6)
    rows = empty(n)
    start = plan.start_ns + int(plan.span_ns * 0.72)
    rows["ts"] = start + np.sort(rng.integers(0, 300_000_000_000, n))
    who = rng.integers(0, sids.size, n)
    rows["sid"], rows["src"], rows["kind"] = sids[who], addresses[who], KIND["reflector"]
    rows["proto"], rows["flags"], rows["frag"], rows["opt"] = TCP, SYN | ACK, DF, OPTION["reply"]
    rows["dst"] = plan.base + np.where(rng.random(n) < 0.7, 77, 78) % plan.size
    rows["sport"], rows["dport"] = np.where(addresses[who] % 3 == 0, 443, 80), rng.integers(1024, 65536, n)
    rows["seq"], rows["ack"] = rng.integers(0, 1 << 32, n), rng.integers(0, 1 << 32, n)
    rows["ttl"], rows["win"] = 40 + addresses[who] % 20, 65535
    return rows[plan.captured(rows["ts"])]
