"""Where a telescope might be, from the addresses that traffic nobody asked for went to.

Two looks. Dense: the widest prefixes of which at least half the addresses were hit, in both halves. Sparse,
when there is none: the one prefix that holds most of the addresses hit, evenly spread, as a short capture of
a large telescope leaves it. Addresses hit alone are proposed as /32 when many sources came to them and they
never spoke themselves. The engine reduces to one bitmap per /24; the rest is a walk up the tree of prefixes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from noroshi.model import address
from noroshi.model.analyser import Query

MIN_COVERAGE = 0.5
"""Share of a prefix's addresses that must have been hit: a telescope is hit everywhere sooner or later."""
MIN_HALF = 0.25
"""Each half must be covered at least this well, or the prefix was taken one bit too wide."""
MIN_HIT = 8
"""Fewer addresses in a row may be one company's servers."""
SPARSE_SHARE, SPARSE_HIT = 0.8, 64
"""A sparse prefix holds this share of all addresses hit, and so many of them that evenness can be told."""
CHI2_15 = 37.7
"""Chi-square of 16 equal parts above which spread is not even: p = 0.001 at 15 degrees of freedom."""
MIN_SOURCES = 10
"""Sources that must have come to a single address before it is proposed alone."""
MAX_NETS = 500_000
"""Distinct /24 looked at, those with most addresses first: a telescope of /6 has fewer."""
MAX_PROPOSALS = 20

_BITS = ", ".join(
    f"bit_or(CASE WHEN octet // 64 = {i} THEN 1::UBIGINT << (octet % 64)::UBIGINT ELSE 0 END) AS b{i}"
    for i in range(4)
)


@dataclass(frozen=True)
class Proposal:
    """A prefix that might be a telescope, and why."""

    prefix: str
    evidence: dict[str, float | int | str]


@dataclass(frozen=True)
class Guess:
    """Proposals, best first, and what was set aside, in words."""

    proposals: tuple[Proposal, ...]
    notes: tuple[str, ...] = ()


def guess(query: Query, known: Iterable[str] = ()) -> Guess:
    """Prefixes that might be telescopes, with the evidence; `known` prefixes are left out.

    IPv4 only: IPv6 space is too empty to be covered. Evidence: addresses, hit, coverage, packets, sources,
    first_seen, last_seen, evenness (entropy of packets over the addresses hit / its maximum, 0-1), inside
    (addresses in the prefix that sent something) and basis (dense, sparse or single).
    """
    where = _unicast(known)
    nets = query.sql(
        f"""WITH hit AS (SELECT DISTINCT dst_ip FROM flows WHERE {where}),
        o AS (SELECT dst_ip[1:4] AS net, ('0x' || hex(dst_ip[5:5]))::INTEGER AS octet FROM hit)
        SELECT net, {_BITS}, count(*)::BIGINT AS n FROM o GROUP BY net
        ORDER BY n DESC, net LIMIT {MAX_NETS}"""  # noqa: S608
    ).to_pylist()
    if not nets:
        return Guess((), ("no packets to IPv4 unicast addresses outside the telescopes already configured",))
    found = [(p, "dense") for p in _dense(nets)] or [(p, "sparse") for p in _sparse(nets)]
    notes = []
    if len(nets) >= MAX_NETS:
        notes.append(f"more than {MAX_NETS:,} /24 were hit; this looks like the sending side of a scan")
    proposals = [p for net, basis in found if (p := _evidence(query, where, net, basis)) is not None]
    if not proposals:
        proposals, why = _singles(query, where)
        notes += why
    for p in proposals:
        if p.evidence["sources"] == 1:
            notes.append(f"{p.prefix}: one source only; perhaps what a single scan or victim sent to")
    ranked = sorted(proposals, key=lambda p: (-int(p.evidence["hit"]), -int(p.evidence["packets"]), p.prefix))
    return Guess(tuple(ranked[:MAX_PROPOSALS]), tuple(notes))


def _unicast(known: Iterable[str]) -> str:
    """SQL: the destination is IPv4 unicast and in none of `known`."""
    low, high = address.pack("0.0.0.1"), address.pack("223.255.255.255")
    out = [f"dst_ip BETWEEN unhex('{low.hex()}') AND unhex('{high.hex()}') AND octet_length(dst_ip) = 5"]
    for prefix in known:
        a, b = address.prefix_range(prefix)
        out.append(f"NOT (dst_ip BETWEEN unhex('{a.hex()}') AND unhex('{b.hex()}'))")
    return " AND ".join(out)


Net = tuple[int, int]
"""(network address, prefix length)."""


def _tree(nets: list[dict[str, Any]]) -> dict[int, dict[int, int]]:
    """Addresses hit by prefix length and network number, from /32 halves of bitmaps up to /8."""
    counts: dict[int, dict[int, int]] = {24: {}}
    for row in nets:
        counts[24][int.from_bytes(row["net"][1:], "big")] = int(row["n"])
    for length in range(23, 7, -1):
        level: dict[int, int] = {}
        for net, n in counts[length + 1].items():
            level[net >> 1] = level.get(net >> 1, 0) + n
        counts[length] = level
    return counts


def _dense(nets: list[dict[str, Any]]) -> Iterator[Net]:
    """The widest prefixes that are covered, in both halves."""
    counts = _tree(nets)
    bits = {int.from_bytes(r["net"][1:], "big"): _bitmap(r) for r in nets}

    def covered(net: int, length: int) -> bool:
        n = counts[length].get(net, 0)
        if n < MIN_COVERAGE * (1 << (32 - length)):
            return False
        if length == 24:
            return _octets_covered(bits[net], 0, 256)
        half = MIN_HALF * (1 << (31 - length))
        return all(counts[length + 1].get(2 * net + i, 0) >= half for i in (0, 1))

    taken: dict[int, set[int]] = {length: set() for length in range(7, 25)}
    for length in range(8, 25):
        for net in sorted(counts[length]):
            above = net >> 1 in taken[length - 1]
            if above or covered(net, length):
                taken[length].add(net)
                if not above:
                    yield net << (32 - length), length
    for net, bitmap in sorted(bits.items()):
        if net not in taken[24]:
            for low, size in _within(bitmap, 0, 256):
                yield (net << 8) + low, 33 - size.bit_length()


def _bitmap(row: dict[str, Any]) -> int:
    return sum(int(row[f"b{i}"]) << (64 * i) for i in range(4))


def _count(bitmap: int, low: int, size: int) -> int:
    return (bitmap >> low & ((1 << size) - 1)).bit_count()


def _octets_covered(bitmap: int, low: int, size: int) -> bool:
    half = size // 2
    counts = [_count(bitmap, low, half), _count(bitmap, low + half, half)]
    return sum(counts) >= MIN_COVERAGE * size and min(counts) >= MIN_HALF * half


def _within(bitmap: int, low: int, size: int) -> Iterator[tuple[int, int]]:
    """The widest covered pieces below a /24, each with at least MIN_HIT addresses hit."""
    if _count(bitmap, low, size) < MIN_HIT:
        return
    if _octets_covered(bitmap, low, size):
        yield low, size
    else:
        yield from _within(bitmap, low, size // 2)
        yield from _within(bitmap, low + size // 2, size // 2)


def _sparse(nets: list[dict[str, Any]]) -> Iterator[Net]:
    """The narrowest prefix that holds most of what was hit, if it is spread evenly over its sixteenths."""
    counts = _tree(nets)
    total = sum(counts[24].values())
    best: Net | None = None
    for length in range(8, 21):  # sixteen parts of a /20 are /24s
        net, n = max(counts[length].items(), key=lambda item: (item[1], -item[0]))
        if n < max(SPARSE_HIT, SPARSE_SHARE * total):
            break
        each = n / 16
        chi2 = sum((counts[length + 4].get(net * 16 + i, 0) - each) ** 2 / each for i in range(16))
        if chi2 <= CHI2_15:
            best = (net << (32 - length), length)
    if best is not None:
        yield best


def _evidence(query: Query, where: str, net: Net, basis: str) -> Proposal | None:
    low = bytes([4]) + net[0].to_bytes(4, "big")
    prefix = address.prefix_text(low, net[1])
    first, last = address.prefix_range(prefix)
    span = f"BETWEEN unhex('{first.hex()}') AND unhex('{last.hex()}')"
    row = query.sql(
        f"""WITH d AS (SELECT dst_ip, sum(packet_count)::DOUBLE AS p,
        min(first_seen) AS f, max(last_seen) AS l FROM flows WHERE {where} AND dst_ip {span} GROUP BY dst_ip)
        SELECT count(*)::BIGINT AS hit, sum(p)::BIGINT AS packets, min(f) AS f, max(l) AS l,
        sum(p * ln(p)) AS plnp,
        (SELECT count(DISTINCT src_ip) FROM flows WHERE {where} AND dst_ip {span})::BIGINT AS sources,
        (SELECT count(DISTINCT src_ip) FROM flows WHERE src_ip {span} AND src_ip <> dst_ip)::BIGINT AS inside
        FROM d"""  # noqa: S608
    ).to_pylist()[0]
    return _proposal(prefix, row, basis) if row["hit"] else None


def _proposal(prefix: str, row: dict[str, Any], basis: str) -> Proposal:
    import math

    from noroshi.model.finding import iso

    addresses = 1 << (32 - int(prefix.rpartition("/")[2]))
    hit, packets = int(row["hit"]), int(row["packets"])
    entropy = math.log(packets) - float(row["plnp"]) / packets if hit > 1 else 0.0
    return Proposal(
        prefix,
        {
            "addresses": addresses,
            "hit": hit,
            "coverage": round(hit / addresses, 4),
            "packets": packets,
            "sources": int(row["sources"]),
            "evenness": round(entropy / math.log(hit), 3) if hit > 1 else 1.0,
            "inside": int(row["inside"]),
            "first_seen": iso(row["f"]),
            "last_seen": iso(row["l"]),
            "basis": basis,
        },
    )


def _singles(query: Query, where: str) -> tuple[list[Proposal], list[str]]:
    """Addresses hit by many sources that never spoke, and why the others were not taken."""
    rows = query.sql(
        f"""WITH t AS (SELECT dst_ip, count(DISTINCT src_ip)::BIGINT AS sources,
        sum(packet_count)::BIGINT AS packets, min(first_seen) AS f, max(last_seen) AS l
        FROM flows WHERE {where} GROUP BY dst_ip ORDER BY sources DESC, packets DESC, dst_ip
        LIMIT {MAX_PROPOSALS})
        SELECT t.*, 1 AS hit, 0.0 AS plnp,
        (SELECT coalesce(sum(packet_count), 0)::BIGINT FROM flows s WHERE s.src_ip = t.dst_ip) AS sent FROM t
        ORDER BY sources DESC, packets DESC, dst_ip"""  # noqa: S608
    ).to_pylist()
    proposals, notes = [], []
    for row in rows:
        text = address.text(row["dst_ip"])
        if row["sources"] < MIN_SOURCES:
            continue
        if row["sent"]:
            notes.append(
                f"{text}: reached by {row['sources']:,} sources, but it sent {row['sent']:,} packets itself"
            )
        else:
            proposals.append(_proposal(f"{text}/32", row | {"inside": 0}, "single"))
    if not proposals and not notes:
        top = rows[0]
        notes.append(
            "no prefix was hit in at least half of its addresses, and no single address by "
            f"{MIN_SOURCES} sources ({address.text(top['dst_ip'])}: {top['sources']:,})"
        )
    return proposals, notes
