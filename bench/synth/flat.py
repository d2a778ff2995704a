"""The flat profile: every packet on its own, so that nothing aggregates. The worst case for flow tables.

Its figures are those of the first version, behind published comparisons: 71.6 byte mean frames, sources by
Zipf 1.05, 20 ports. Mended since: Mirai keeps its ports, masscan has its TTL, ICMP errors quote the packet
that was sent in our name, checksums are valid.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.synth.plan import BLOCK, Plan
from bench.synth.rows import ACK, ICMP, RST, SYN, TCP, UDP, Rows, empty, public_addresses
from bench.synth.templates import FLAT_SIZES, OPTION, PAYLOAD
from bench.synth.truth import KIND, Sources

SHARES = {
    "mirai": 30, "syn-stack": 25, "backscatter-synack": 10, "udp-scan": 10, "zmap-2": 8, "masscan-1": 7,
    "backscatter-rst": 5, "ping-scan": 3, "backscatter-icmp": 2,
}  # fmt: skip
"""Per cent of sources."""
TCP_PORTS = np.array(
    [23, 2323, 22, 80, 443, 8080, 445, 3389, 5555, 37215, 52869, 7547, 81, 8443, 6379, 1433, 3306, 5900, 2375,
     9200], np.uint16,
)  # fmt: skip
UDP_PORTS = np.array([53, 123, 161, 1900, 5060, 11211, 389, 137, 5353, 500, 3478, 19], np.uint16)
PACKETS = {
    "mirai": 21.0, "syn-stack": 21.9, "backscatter-synack": 8.1, "udp-scan": 11.0, "zmap-2": 19.0,
    "masscan-1": 11.9, "backscatter-rst": 3.7, "ping-scan": 2.6, "backscatter-icmp": 0.7,
}  # fmt: skip
"""Per cent of packets to come close to."""
DEALT = 200
"""The heaviest sources are dealt kinds, so that the mix does not hang on luck."""


def _pick(weights: npt.NDArray[np.float64], u: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.minimum(np.searchsorted(np.cumsum(weights / weights.sum()), u), weights.size - 1)


def _deal(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """A kind (position in SHARES) for each of the heaviest sources: always the one most behind."""
    share = weights / weights.sum()
    tail = float(share[DEALT:].sum())
    behind = np.array([PACKETS[k] / 100 - tail * SHARES[k] / 100 for k in SHARES])
    dealt = np.zeros(DEALT, np.int64)
    for i in range(DEALT):
        dealt[i] = int(behind.argmax())
        behind[dealt[i]] -= share[i]
    return dealt


class Flat:
    """Makes the blocks of a flat capture."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        n = max(1000, plan.packets // 60)
        rng = plan.rng(0)
        shares = np.array(list(SHARES.values()), np.float64)
        names = np.array([KIND[k] for k in SHARES], np.uint8)
        kinds = names[_pick(shares, rng.random(n))]
        weights = np.arange(1, n + 1, dtype=np.float64) ** -1.05
        kinds[:DEALT] = names[_deal(weights)]
        self.sources = Sources(public_addresses(rng, n), kinds)
        self._cumulated = np.cumsum(weights)

    def extra(self) -> dict[str, Any]:
        """Nothing more to tell."""
        return {}

    def blocks(self) -> Iterator[Rows]:
        """Rows in time order, a block at a time."""
        ts, mean = float(self.plan.start_ns), self.plan.span_ns / self.plan.packets
        for number, at in enumerate(range(0, self.plan.packets, BLOCK)):
            rng = self.plan.rng(1, number)
            rows = empty(min(BLOCK, self.plan.packets - at))
            times = ts + np.cumsum(rng.exponential(mean, rows.size))
            ts = float(times[-1])
            rows["ts"] = times.astype(np.int64) // 1000 * 1000
            self._fill(rows, rng)
            yield rows

    def _fill(self, rows: Rows, rng: np.random.Generator) -> None:
        n, total = rows.size, self._cumulated[-1]
        rows["sid"] = np.searchsorted(self._cumulated, rng.random(n) * total)
        rows["src"] = self.sources.address[rows["sid"]]
        rows["kind"] = self.sources.kind[rows["sid"]]
        rows["dst"] = self.plan.base + rng.integers(0, self.plan.size, n)
        rows["proto"] = TCP
        rows["sport"] = rng.integers(1024, 65536, n)
        rows["ip_id"] = rng.integers(0, 65536, n)
        rows["seq"] = rng.integers(0, 1 << 32, n)
        rows["win"] = rng.integers(1024, 65536, n)
        rows["ttl"] = 64 - rng.integers(8, 24, n)
        rows["flags"] = SYN
        any_port = rng.random(n) < 0.15
        ports = TCP_PORTS[_pick(1 / np.arange(1.0, 21.0), rng.random(n))]
        rows["dport"] = np.where(any_port, rng.integers(1, 65536, n), ports)
        u = rng.random(n)
        for name, make in _MAKERS.items():
            where = np.flatnonzero(rows["kind"] == KIND[name])
            if where.size:
                part = rows[where]
                make(part, u[where])
                rows[where] = part


def _mirai(p: Rows, u: npt.NDArray[np.float64]) -> None:
    p["seq"] = p["dst"]
    p["dport"] = np.where(u < 0.85, 23, 2323)


def _stack(p: Rows, u: npt.NDArray[np.float64]) -> None:
    p["opt"] = np.where(u < 0.2, OPTION["none"], np.where(u < 0.4, OPTION["mss"], OPTION["linux"]))


def _zmap(p: Rows, u: npt.NDArray[np.float64]) -> None:
    p["ip_id"], p["win"], p["ttl"] = 54321, 65535, p["ttl"] + (255 - 64)


def _masscan(p: Rows, u: npt.NDArray[np.float64]) -> None:
    p["ip_id"] = (p["dst"] ^ p["dport"] ^ p["seq"]) & 0xFFFF
    p["win"], p["ttl"] = 1024, p["ttl"] + (255 - 64)


def _reply(p: Rows, u: npt.NDArray[np.float64]) -> None:
    p["dport"], p["sport"] = p["sport"], np.where(u < 0.7, 80, 443)
    p["ack"] = p["seq"] ^ np.uint32(0x5BD1E995)


def _synack(p: Rows, u: npt.NDArray[np.float64]) -> None:
    _reply(p, u)
    p["flags"], p["opt"] = SYN | ACK, OPTION["mss"]


def _rst(p: Rows, u: npt.NDArray[np.float64]) -> None:
    _reply(p, u)
    bare = (p["ip_id"] & 1) == 0
    p["flags"] = np.where(bare, RST, RST | ACK)
    p["ack"], p["win"] = np.where(bare, 0, p["ack"]), 0


def _udp(p: Rows, u: npt.NDArray[np.float64]) -> None:
    p["proto"], p["flags"] = UDP, 0
    p["dport"] = UDP_PORTS[_pick(np.arange(1.0, 13.0) ** -0.8, u)]
    p["pay"] = PAYLOAD[f"flat-{FLAT_SIZES[0]}"] + p["seq"] % len(FLAT_SIZES)


def _icmp(p: Rows) -> None:
    p["proto"], p["flags"], p["dport"] = ICMP, 0, 0


def _echo(p: Rows, u: npt.NDArray[np.float64]) -> None:
    _icmp(p)
    p["sport"], p["pay"] = 8, PAYLOAD["echo"]


def _unreachable(p: Rows, u: npt.NDArray[np.float64]) -> None:
    p["isport"] = p["sport"]
    _icmp(p)
    p["sport"], p["dport"] = 3, np.where(u < 0.5, 1, 3)
    p["idst"], p["iproto"], p["idport"] = p["src"], UDP, np.where(u < 0.25, 53, 80)


_MAKERS = {
    "mirai": _mirai, "syn-stack": _stack, "zmap-2": _zmap, "masscan-1": _masscan,
    "backscatter-synack": _synack, "backscatter-rst": _rst, "udp-scan": _udp, "ping-scan": _echo,
    "backscatter-icmp": _unreachable,
}  # fmt: skip
