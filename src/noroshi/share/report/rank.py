"""Rankings: ports, tools, classes, investigation scanners; each with its change where it has one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from noroshi.model.analyser import Query
from noroshi.share.report import arithmetic
from noroshi.share.report.data import Ranked
from noroshi.share.report.frame import CODE, REPLIES, Frame, port_code, port_key
from noroshi.share.report.measure import Measured
from noroshi.share.report.people import Surveyors

NO_REPLY = f'"class" NOT IN {REPLIES}'


def heat_sql(here: Frame, keys: Sequence[str], step_s: int) -> str:
    """SQL: packets by port and local bin, of the ports named."""
    wanted = ", ".join(str(port_code(k)) for k in keys)
    return here.select(
        f"{CODE} AS port, {here.bin(step_s)} AS bin, sum(packet_count)::BIGINT AS packets",
        f"{NO_REPLY} AND {CODE} IN ({wanted})",
    )


def _packets(query: Query, here: Frame, column: str, more: str = "true") -> list[tuple[str, int]]:
    text = here.select(
        f"{column} AS key, sum(packet_count)::BIGINT AS packets",
        more,
        "GROUP BY ALL ORDER BY packets DESC, key",
    )
    return [(str(r["key"]), int(r["packets"])) for r in query.sql(text, here.params).to_pylist()]


def _ports(query: Query, here: Frame) -> list[tuple[str, int]]:
    text = here.select(f"{CODE} AS code, sum(packet_count)::BIGINT AS packets", NO_REPLY)
    rows = [(port_key(r["code"]), int(r["packets"])) for r in query.sql(text, here.params).to_pylist()]
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def ports(
    query: Query, here: Frame, sums: Measured, before: Measured | None, top: int
) -> tuple[tuple[Ranked, ...], int]:
    """The busiest destination ports of what is no reply, and how many ports were hit."""
    every = _ports(query, here)
    head = every[:top]
    old = _ports(query, before.frame) if before else []
    sources: dict[str, int] = {}
    if head:
        wanted = ", ".join(str(port_code(k)) for k, _ in head)
        text = here.select(
            f"{CODE} AS key, count(DISTINCT src_ip) AS sources", f"{NO_REPLY} AND {CODE} IN ({wanted})"
        )
        rows: list[dict[str, Any]] = query.sql(text, here.params).to_pylist()
        sources = {port_key(r["key"]): int(r["sources"]) for r in rows}
    total = sum(n for _, n in every)
    return tuple(_ranked(head, total, sources, old, sums, before)), len(every)


def _ranked(
    rows: Sequence[tuple[str, int]], total: int, sources: dict[str, int],
    old: Sequence[tuple[str, int]], sums: Measured, before: Measured | None,
) -> list[Ranked]:  # fmt: skip
    ranks = {key: i for i, (key, _) in enumerate(old, 1)}
    counts = dict(old)
    return [
        Ranked(
            key, n, n / total if total else 0.0, sources.get(key),
            counts.get(key, 0) if before else None, ranks.get(key),
            arithmetic.factor(n, sums.base, counts.get(key, 0), before.base) if before else None,
        )
        for key, n in rows
    ]  # fmt: skip


def tools_and_classes(
    query: Query, here: Frame, sums: Measured, before: Measured | None
) -> tuple[tuple[Ranked, ...], tuple[Ranked, ...]]:
    """Packets and sources by tool (empty: none known) and by class, the busiest first."""
    text = here.select(
        'tool, "class" AS class, grouping(tool) AS by_class, sum(packet_count)::BIGINT AS packets,'
        " count(DISTINCT src_ip) AS sources",
        group='GROUP BY GROUPING SETS ((tool), ("class"))',
    )
    found: dict[bool, dict[str, tuple[int, int]]] = {True: {}, False: {}}
    for row in query.sql(text, here.params).to_pylist():
        by_class = bool(row["by_class"])
        key = row["class"] if by_class else row["tool"]
        found[by_class][str(key or "")] = (int(row["packets"]), int(row["sources"]))
    result = []
    for by_class, column in ((False, "tool"), (True, '"class"')):
        rows = sorted(((k, p) for k, (p, _) in found[by_class].items()), key=lambda kv: (-kv[1], kv[0]))
        sources = {k: s for k, (_, s) in found[by_class].items()}
        old = _packets(query, before.frame, column) if before else []
        result.append(tuple(_ranked(rows, sums.packets, sources, old, sums, before)))
    return result[0], result[1]


@dataclass
class Surveyed:
    """Packets of investigation scanners."""

    packets: int = 0
    sources: int = 0
    by_bin: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    by_owner: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    members: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))

    def organisations(self, total: int, top: int) -> tuple[Ranked, ...]:
        """By organisation, the busiest first; the empty key is those of unknown owner."""
        rows = sorted(self.by_owner.items(), key=lambda kv: (-kv[1], kv[0]))[:top]
        return tuple(Ranked(k, n, n / total if total else 0.0, len(self.members[k])) for k, n in rows)


def surveyed(query: Query, here: Frame, who: Surveyors, step_s: int) -> Surveyed:
    """What the investigation scanners sent, on the days they were found to be such."""
    result = Surveyed()
    owner_of: dict[bytes, str] = {}
    # single addresses by hash join; whole prefixes, which are few, by range
    single = [(d, a) for d, a, b in zip(who.days, who.low, who.high, strict=True) if a == b]
    wide = sorted({(a, b) for a, b in zip(who.low, who.high, strict=True) if a != b})
    parts = []
    params: dict[str, Any] = dict(here.params)
    if single:
        params |= {"survey_day": [d for d, _ in single], "survey_ip": [a for _, a in single]}
        parts.append("(day, src_ip) IN (SELECT unnest($survey_day), unnest($survey_ip))")
    parts += [f"src_ip BETWEEN unhex('{a.hex()}') AND unhex('{b.hex()}')" for a, b in wide]
    text = here.select(
        f"src_ip, {here.bin(step_s)} AS bin, sum(packet_count)::BIGINT AS packets", f"({' OR '.join(parts)})"
    )
    for row in query.sql(text, params).to_pylist():
        ip, n = row["src_ip"], int(row["packets"])
        if ip not in owner_of:
            owner_of[ip] = _owner(ip, who, wide)
        result.packets += n
        result.by_bin[int(row["bin"])] += n
        result.by_owner[owner_of[ip]] += n
        result.members[owner_of[ip]].add(ip)
    result.sources = len(owner_of)
    return result


def _owner(ip: bytes, who: Surveyors, wide: Sequence[tuple[bytes, bytes]]) -> str:
    if (ip, ip) in who.owner:
        return who.owner[ip, ip]
    return next((who.owner[a, b] for a, b in wide if a <= ip <= b and len(a) == len(ip)), "")
