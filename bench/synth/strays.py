"""Traffic that means nobody harm: misconfigured senders, lost peers, and hosts inside the dark space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.synth.plan import Plan
from bench.synth.rows import ACK, DF, RST, SYN, TCP, UDP, Rows, empty
from bench.synth.templates import OPTION, PAYLOAD
from bench.synth.truth import KIND

STEADY: tuple[tuple[str, int, int, int], ...] = (
    ("syslog", 514, 514, 3),
    ("netbios", 137, 137, 9),
    ("sip-status", 5060, 5060, 5),
    ("ntp-reply", 123, 123, 12),
    ("syslog", 40514, 514, 200),
)
"""(payload, source port, destination port, host in the telescope): one sender each, all day, steadily."""


def make(plan: Plan, add: Callable[..., int], address: Callable[[int], int], n: int) -> list[Rows]:
    """About n packets of misconfigured senders, of a lost BitTorrent swarm and of two inside talkers."""
    rng = plan.rng(8)
    each = max(20, n // 12)
    pieces = [_steady(plan, rng, each, *s, sid=add("misconfiguration", what=s[0])) for s in STEADY]
    pieces.append(_retry(plan, rng, each, add("misconfiguration", what="tcp-retry")))
    swarm = np.array([add("misconfiguration", what="bittorrent") for _ in range(max(8, each // 3))])
    pieces.append(_swarm(plan, rng, each * 2, swarm))
    pieces = [_addressed(rows, address) for rows in pieces]
    pieces.append(_inside(plan, rng, each * 2, add))
    return [rows[plan.captured(rows["ts"])] for rows in pieces]


def _addressed(rows: Rows, address: Callable[[int], int]) -> Rows:
    rows["src"] = [address(int(s)) for s in rows["sid"]]
    return rows


def _beat(plan: Plan, rng: np.random.Generator, n: int) -> Any:
    gap = plan.span_ns // n
    return plan.start_ns + np.arange(n) * gap + rng.integers(0, max(1, gap // 50), n)


def _steady(
    plan: Plan, rng: np.random.Generator, n: int, payload: str, sport: int, dport: int, host: int, sid: int
) -> Rows:
    rows = empty(n)
    rows["ts"], rows["sid"], rows["kind"] = _beat(plan, rng, n), sid, KIND["misconfiguration"]
    rows["proto"], rows["sport"], rows["dport"], rows["pay"] = UDP, sport, dport, PAYLOAD[payload]
    rows["dst"], rows["ttl"], rows["frag"] = plan.base + host % plan.size, 51, DF
    rows["ip_id"] = np.arange(n) & 0xFFFF
    return rows


def _retry(plan: Plan, rng: np.random.Generator, n: int, sid: int) -> Rows:
    """A client that still looks for its old server: a SYN and two retransmissions, again and again."""
    rows = empty(n)
    turn = np.arange(n) // 3
    rows["ts"] = _beat(plan, rng, turn[-1] + 1)[turn] + np.array([0, 1, 3])[np.arange(n) % 3] * 1_000_000_000
    rows["sid"], rows["kind"], rows["proto"], rows["flags"] = sid, KIND["misconfiguration"], TCP, SYN
    rows["seq"] = rng.integers(0, 1 << 32, turn[-1] + 1)[turn]
    rows["sport"] = 32768 + (turn * 7) % 28000
    rows["dst"], rows["dport"], rows["ttl"], rows["frag"] = plan.base + 100 % plan.size, 8883, 49, DF
    rows["win"], rows["opt"], rows["ip_id"] = 64240, OPTION["linux"], rng.integers(0, 65536, n)
    return rows


def _swarm(plan: Plan, rng: np.random.Generator, n: int, sids: Rows) -> Rows:
    """Peers that hold a telescope address in their tables."""
    rows = empty(n)
    rows["ts"] = plan.start_ns + np.sort(rng.integers(0, plan.span_ns, n))
    rows["sid"], rows["kind"] = sids[rng.integers(0, sids.size, n)], KIND["misconfiguration"]
    rows["proto"], rows["sport"], rows["dport"] = UDP, 6881 + rows["sid"] % 2000, 6881
    rows["pay"] = np.where(rows["sid"] % 3 == 0, PAYLOAD["utp"], PAYLOAD["bittorrent"])
    rows["dst"], rows["ttl"] = plan.base + 66 % plan.size, 100 + rows["sid"] % 16
    rows["ip_id"] = rng.integers(0, 65536, n)
    return rows


def _inside(plan: Plan, rng: np.random.Generator, n: int, add: Callable[..., int]) -> Rows:
    """Two hosts where none should be: they refuse what reaches them."""
    rows = empty(n)
    hosts = [plan.base + h % plan.size for h in (150, 151)]
    sids = np.array([add("inside-talker", h) for h in hosts])
    who = rng.integers(0, 2, n)
    rows["ts"] = plan.start_ns + np.sort(rng.integers(0, plan.span_ns, n))
    rows["sid"], rows["src"], rows["kind"] = sids[who], np.array(hosts)[who], KIND["inside-talker"]
    rows["dst"] = rng.integers(0x01000000, 0xDF000000, n)
    rows["proto"], rows["flags"], rows["ttl"], rows["frag"] = TCP, RST | ACK, 64, DF
    rows["sport"], rows["dport"] = rng.choice([22, 23, 80, 445], n), rng.integers(1024, 65536, n)
    rows["ack"] = rng.integers(0, 1 << 32, n)
    return rows
