"""The real profile: runs that sweep, few sources that send most, attacks behind the backscatter.

Every packet of a scanner is a function of (run, number in the run): a slice of time is made from the runs
that touch it, whatever came before, so memory does not grow with N.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.synth import attacks, headers, strays
from bench.synth.cast import (
    BOT,
    CAMPAIGN_PORT,
    COMMON,
    HEAVY,
    LIGHT,
    LISTED,
    ORGANISED,
    Group,
    Ports,
    apportion,
)
from bench.synth.plan import BLOCK, Plan
from bench.synth.rows import SYN, TCP, Rows, empty, mix, public_addresses
from bench.synth.truth import KIND, Sources

ORG_SHARE, ATTACK_SHARE, FLOOD_SHARE, STRAY_SHARE, REFLECTED_SHARE = 0.52, 0.07, 0.006, 0.012, 0.004
"""Of all packets. TU Delft's telescope: 0.5 % of sources, known organisations, send 51 %."""
ORG_SOURCES, HEAVY_SOURCES = 0.004, 0.005
"""Of all sources."""
Ints = npt.NDArray[np.int64]
ORDERS = ("permuted", "sequential", "random")

RUN = np.dtype(
    [
        ("sid", "i4"), ("kind", "u1"), ("order", "u1"), ("start", "f8"), ("span", "f8"), ("packets", "i8"),
        ("ports", "i4"), ("key", "u4"),
    ]
)  # fmt: skip


class Real:
    """Makes the blocks of a capture that behaves like a telescope's."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._rng = plan.rng(7)
        n = max(600, plan.packets // 60)
        # Everybody's address comes from one draw without repeats; `_taken` counts how many are given out.
        self._addresses = public_addresses(self._rng, int(n * 1.3) + 4000)
        self._taken = 0
        self._src: list[int] = []
        self._kind: list[int] = []
        self._note: dict[int, dict[str, Any]] = {}
        self._sets: list[Ports] = []
        self._set_at: dict[Ports, int] = {}
        self._runs: list[Rows] = []
        self._fixed = self._events()
        left = plan.packets - self._fixed.size - sum(int(r["packets"].sum()) for r in self._runs)
        light = int(plan.packets * plan.light)
        organised = int(plan.packets * ORG_SHARE)
        self._organisations(max(12, int(n * ORG_SOURCES)), organised)
        self._level(HEAVY, max(24, int(n * HEAVY_SOURCES)), left - light - organised, 1.1)
        self._level(LIGHT, min(n, max(len(LIGHT), light // 2)), light, 0.3)
        self.runs = np.concatenate(self._runs)
        self.sources = Sources(np.array(self._src, np.uint32), np.array(self._kind, np.uint8), self._note)
        self._warp()

    # -- the cast ---------------------------------------------------------------------------------------

    def _address(self) -> int:
        self._taken += 1
        return int(self._addresses[self._taken - 1])

    def add(self, kind: str, address: int = 0, **note: Any) -> int:
        """A new source; its index."""
        self._src.append(address or self._address())
        self._kind.append(KIND[kind])
        if note:
            self._note[len(self._src) - 1] = note
        return len(self._src) - 1

    def _ports(self, ports: Ports) -> int:
        if ports not in self._set_at:
            self._set_at[ports] = len(self._sets)
            self._sets.append(ports)
        return self._set_at[ports]

    def _run(self, sids: Ints, kind: str, order: str, counts: Ints) -> Rows:
        """Runs over the whole span, one per source, to be adjusted."""
        runs = np.zeros(sids.size, RUN)
        runs["sid"], runs["kind"], runs["packets"] = sids, KIND[kind], counts
        runs["order"] = ORDERS.index(order)
        runs["key"] = self._rng.integers(0, 1 << 32, sids.size)
        runs["span"] = self.plan.span_ns
        self._runs.append(runs)
        return runs

    def _organisations(self, sources: int, packets: int) -> None:
        weights = np.arange(1, sources + 1, dtype=np.float64) ** -0.6
        counts = apportion(packets, weights)
        names = [*LISTED, *(f"unlisted-{i:02d}" for i in range(1, 1 + max(3, min(35, sources // 4))))]
        nets: dict[str, int] = {}
        for i in range(sources):
            name = names[i % len(names)]
            turn = i // len(names)
            if name in LISTED:
                ranges = LISTED[name]
                block = IPv4Network(ranges[turn % len(ranges)])
                net, room = int(block.network_address), block.num_addresses
            else:
                net, room = nets.setdefault(name, self._address() & 0xFFFFFF00), 256
            kind = ORGANISED[(i % len(names)) % len(ORGANISED)]
            sid = self.add(kind, net + (10 + turn) % room, organisation=name)
            run = self._run(np.array([sid]), kind, "permuted", counts[i : i + 1])
            wide = self._rng.permutation(65535)[: int(self._rng.integers(40, 600))] + 1
            mixed = np.where(self._rng.random(wide.size) < 0.5, self._rng.choice(COMMON, wide.size), wide)
            run["ports"] = self._ports(tuple(int(p) for p in np.unique(mixed)))

    def _level(self, groups: tuple[Group, ...], sources: int, packets: int, exponent: float) -> None:
        shares = np.array([g.share for g in groups])
        heads = apportion(sources, shares)
        budgets = apportion(packets - sources, shares, 0) + heads
        for group, n, total in zip(groups, heads.tolist(), budgets.tolist(), strict=True):
            counts = apportion(total, np.arange(1, n + 1, dtype=np.float64) ** -exponent)
            sids = np.array([self.add(group.kind) for _ in range(n)])
            runs = self._run(sids, group.kind, group.order, counts)
            sets = np.array([self._ports(p) for p in group.ports])
            runs["ports"] = sets[self._rng.integers(0, sets.size, n)]
            if group.kind == "campaign":
                runs["start"] = self.plan.span_ns * 0.6 + self._rng.exponential(self.plan.span_ns * 0.01, n)
                runs["span"] = self.plan.span_ns * 0.1
                for sid in sids.tolist():
                    self._note[sid] = {"campaign": 1, "port": CAMPAIGN_PORT}
            elif group.burst:
                runs["span"] = self.plan.span_ns * self._rng.uniform(0.02, 0.5, n)
                runs["start"] = self._rng.random(n) * (self.plan.span_ns - runs["span"])

    # -- attacks and strays: made whole, they are few -----------------------------------------------------

    def _events(self) -> Rows:
        plan, pieces = self.plan, []
        n_victims = max(24, min(2000, plan.packets // 30_000))
        victims = np.array([self._address() for _ in range(n_victims)], np.uint32)
        routers = np.array([self._address() for _ in range(5)], np.uint32)
        router_sids = [self.add("backscatter-icmp", int(r), role="router") for r in routers]
        kind_of = {"syn-synack": "backscatter-synack", "syn-rst": "backscatter-rst"}
        self._attacks: list[dict[str, Any]] = []
        for attack in attacks.draw(plan, ATTACK_SHARE, victims, routers):
            sid = self.add(kind_of.get(attack.vector, "backscatter-icmp"), int(IPv4Address(attack.victim)))
            self._note[sid] = {"attack": attack.index}
            rows, truth = attacks.packets(plan, attack, sid, router_sids[attack.index % 5])
            pieces.append(rows)
            self._attacks.append(truth)
        pieces.append(attacks.flood(plan, int(plan.packets * FLOOD_SHARE)))
        n = int(plan.packets * REFLECTED_SHARE)
        sids = np.array([self.add("reflector") for _ in range(max(40, n // 10))])
        pieces.append(attacks.reflected(plan, n, sids, np.array(self._src, np.uint32)[sids]))
        pieces += strays.make(plan, self.add, lambda i: self._src[i], int(plan.packets * STRAY_SHARE))
        rows = np.concatenate(pieces)
        if plan.own:
            self._own_hosts()
        return rows[np.argsort(rows["ts"], kind="stable")]

    def _own_hosts(self) -> None:
        """Two infected hosts of the operator's own network: one with the Mirai feature, one without."""
        base = int(IPv4Network(self.plan.own).network_address)
        hours = self.plan.span_ns / 24
        for offset, kind, ports, start in ((23, "mirai", BOT, 7.5), (57, "iot-bot", (37215, 52869), 13.0)):
            sid = self.add(kind, base + offset, own=True)
            run = self._run(np.array([sid]), kind, "random", np.array([max(40, self.plan.packets // 400)]))
            run["ports"], run["start"], run["span"] = self._ports(tuple(ports)), start * hours, 9 * hours

    # -- time -------------------------------------------------------------------------------------------

    def _warp(self) -> None:
        """Operational time to wall time: a daily swing of a quarter, nothing in outages."""
        grid = np.linspace(0, self.plan.span_ns, 1 + max(240, int(self.plan.hours * 60)))
        middle = (grid[1:] + grid[:-1]) / 2
        day = 86_400_000_000_000
        rate = 1 + 0.25 * np.sin(2 * np.pi * (middle + self.plan.start_ns % day - day / 3) / day)
        rate *= self.plan.captured((middle + self.plan.start_ns).astype(np.int64))
        done = np.concatenate([[0.0], np.cumsum(rate)])
        self._operational, self._wall = done / done[-1] * self.plan.span_ns, grid

    def _to_wall(self, operational: npt.NDArray[np.float64]) -> Ints:
        wall = np.interp(operational, self._operational, self._wall).astype(np.int64)
        return np.asarray(self.plan.start_ns + wall // 1000 * 1000)

    # -- blocks -----------------------------------------------------------------------------------------

    def blocks(self) -> Iterator[Rows]:
        """Rows in time order; about BLOCK at a time."""
        self._flat = np.concatenate([np.array(s, np.uint16) for s in self._sets])
        self._at = np.cumsum([0, *map(len, self._sets)])
        pieces = max(1, round(self.plan.packets / BLOCK))
        edges = np.linspace(0, self.plan.span_ns, pieces + 1)
        wall = self._to_wall(edges)
        wall[-1] = np.iinfo(np.int64).max
        cuts = np.searchsorted(self._fixed["ts"], wall)
        cuts[0] = 0
        for k in range(pieces):
            rows = np.concatenate([self._slice(edges[k], edges[k + 1]), self._fixed[cuts[k] : cuts[k + 1]]])
            rows["ts"] = rows["ts"] // 1000 * 1000
            yield rows[np.argsort(rows["ts"], kind="stable")]

    def _slice(self, low: float, high: float) -> Rows:
        runs = self.runs
        gap = runs["span"] / runs["packets"]
        first = np.clip(np.floor((low - runs["start"]) / gap), 0, runs["packets"]).astype(np.int64)
        last = np.clip(np.ceil((high - runs["start"]) / gap), 0, runs["packets"]).astype(np.int64)
        counts = np.maximum(last - first, 0)
        at = np.repeat(np.arange(runs.size), counts)
        j = np.arange(at.size) - np.repeat(np.cumsum(counts) - counts, counts) + first[at]
        h = mix((at.astype(np.uint64) << np.uint64(32)) | j.astype(np.uint64), self.plan.seed)
        # A packet stands somewhere within its gap; the slice takes those whose own time falls into it.
        when = runs["start"][at] + (j + (h >> np.uint64(40)) / 2.0**24) * gap[at]
        when = np.minimum(when, np.nextafter(self.plan.span_ns, 0))
        mine = (when >= low) & (when < high)
        return self._make(runs[at[mine]], j[mine], h[mine], when[mine])

    def _make(self, r: Rows, j: Ints, h: Any, when: npt.NDArray[np.float64]) -> Rows:
        rows = empty(r.size)
        rows["ts"], rows["sid"], rows["kind"] = self._to_wall(when), r["sid"], r["kind"]
        rows["src"], rows["proto"], rows["flags"] = self.sources.address[r["sid"]], TCP, SYN
        g = mix(h, 1)
        rows["dst"] = self.plan.base + self._target(r, j, g)
        n_ports = (self._at[1:] - self._at[:-1])[r["ports"]]
        rows["dport"] = self._flat[self._at[r["ports"]] + headers.low16(g, 16).astype(np.int64) % n_ports]
        rows["ip_id"], rows["seq"] = headers.low16(h), g >> np.uint64(32)
        headers.fill(rows, g, r["key"], KIND)
        return rows

    def _target(self, r: Rows, j: Ints, g: Any) -> Any:
        """Each packet's offset in the telescope; a sweep is a bijection, so that no address is left out."""
        mask = np.uint64(self.plan.size - 1)
        half = np.uint64(max(1, (self.plan.size - 1).bit_length() // 2))
        at = (j.astype(np.uint64) + r["key"]) & mask
        with np.errstate(over="ignore"):
            x = (at * np.uint64(0x9E3779B1) + r["key"]) & mask
            x = ((x ^ (x >> half)) * np.uint64(0x85EBCA6B)) & mask
        x = np.where(r["order"] == ORDERS.index("sequential"), at, x)
        return np.where(r["order"] == ORDERS.index("random"), g & mask, x).astype(np.uint32)

    def extra(self) -> dict[str, Any]:
        """Attacks, campaigns, own hosts, organisations."""
        by_note: dict[str, list[str]] = {}
        for sid, note in self._note.items():
            for name in ("campaign", "own", "organisation"):
                if name in note:
                    by_note.setdefault(f"{name}:{note[name]}", []).append(str(IPv4Address(self._src[sid])))
        return {"attacks": self._attacks, "groups": by_note}
