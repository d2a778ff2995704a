"""What wires and capture machines do to packets: tags, copies, disorder, pieces, and the other family."""

from __future__ import annotations

import numpy as np

from bench.synth.plan import Plan
from bench.synth.rows import MF, TCP, UDP, Rows


def disturb(rows: Rows, plan: Plan, number: int) -> Rows:
    """The block with the plan's shares of disturbed packets; as many rows as before."""
    shares = (plan.vlan, plan.ipv6, plan.fragments, plan.duplicates, plan.reorder)
    if not any(shares) or rows.size < 2:
        return rows
    rng = plan.rng(2, number)
    if plan.vlan:
        rows["vlan"] = np.where(rng.random(rows.size) < plan.vlan, 100, rows["vlan"])
    if plan.ipv6:
        # Whole sources move, as real ones do; ICMP errors and fragments stay IPv4.
        able = (rows["proto"] == TCP) | (rows["proto"] == UDP)
        chosen = (rows["src"] % 1000) < plan.ipv6 * 1000
        rows["v6"] = np.where(able & chosen & (rows["sid"] >= 0), 1, 0)
    if plan.fragments:
        udp = (rows["proto"] == UDP) & (rows["v6"] == 0)
        piece = udp & (rng.random(rows.size) < plan.fragments)
        rows["frag"] = np.where(piece, np.where(rng.random(rows.size) < 0.5, MF, 185), rows["frag"])
        later = (rows["frag"] & 0x1FFF) != 0
        rows["sport"][later] = 0
        rows["dport"][later] = 0
    if plan.duplicates:
        again = np.flatnonzero(rng.random(rows.size - 1) < plan.duplicates) + 1
        rows[again] = rows[again - 1]
    if plan.reorder:
        # Records change places, their times stay: as two capture threads leave them.
        late = rng.random(rows.size) < plan.reorder
        place = np.arange(rows.size) + np.where(late, rng.integers(2, 20, rows.size), 0)
        rows = rows[np.argsort(place, kind="stable")]
    return rows
