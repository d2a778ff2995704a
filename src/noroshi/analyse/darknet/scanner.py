"""Who scans, how widely, with what, and how fast the scan runs world-wide.

A source is a scanner when its probes reach at least 10 of the monitored addresses (5 % of them where that is
fewer), or at least 10 ports of one address. (#dst, #ports) gives the kind: horizontal, vertical or block.
IPv6 sources are counted per /64. One judgement is one UTC day of one telescope. Rows tagged as forged count
too: a flood of forged sources shows none ten times, and a scan from an address nobody routes is news.

Sources: Merit ORION (10 destinations, its session timeout); aggressive scanners after "Aggressive
Internet-Wide Scanners" (arXiv 2305.07193): 10 % of the addresses in one session, or the top 1e-4 of the day's
sources by packets or by ports. The two ranks were not checked against the paper's text and are marked so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from noroshi.analyse.darknet import probe, scanner_sql
from noroshi.analyse.darknet.stats import garwood
from noroshi.model.analyser import Option, Query, Scope
from noroshi.model.finding import Finding, Rule, Subject

MIN_DST = 10
"""Distinct destinations of a scan: Merit ORION's margin."""
MIN_DST_SHARE, MIN_DST_FLOOR = 0.05, 3
"""On a small telescope 5 % of the addresses are enough, but two may be one name with two addresses."""
MIN_PORTS = 10
"""Ports of one destination that make a vertical scan; clients fall back over two or three."""
SMALL = 0.10
"""Below this share of the addresses a scan is `small` (Merit's margin)."""
AGGRESSIVE_SHARE, AGGRESSIVE_RANK = 0.10, 1e-4
TOOL_SHARE = 0.90
"""Share of a source's packets that must carry a tool's tag: one looks like ZMap by chance in 2^16."""
MAX_FINDINGS = 10_000
"""More findings a day than this nobody reads; the rest is counted in the evidence of those listed."""


@dataclass(frozen=True)
class Source:
    """One scanning source of the day; counts are exact."""

    low: bytes
    """Lowest and highest address of the source (they differ only within an IPv6 /64)."""
    high: bytes
    packet_count: int
    dst_ip_nunique: int
    dst_ipv4_nunique: int
    port_nunique: int
    """Distinct (protocol, port); ICMP has none."""
    max_ports: int
    """Ports at the destination where it tried most."""
    first_seen: datetime
    last_seen: datetime
    sessions: int = 1
    active_s: float = 0.0
    """Summed length of its sessions."""
    session_dst: int = 0
    """IPv4 destinations in its widest session."""
    tools: tuple[tuple[str, int], ...] = ()
    ports: tuple[tuple[int, int, int, int], ...] = ()
    """Its ports with most packets: (protocol, port, packets, destinations)."""


@dataclass(frozen=True)
class Reduced:
    """The day's scanners, at most `max_findings` of them by packets, and how many there were."""

    sources: tuple[Source, ...]
    qualified: int = 0
    """Sources over the thresholds, listed or not."""
    sources_seen: int = 0
    """Distinct sources of probes on the day."""
    notes: tuple[str, ...] = field(default=())


def min_dst(scope: Scope) -> int:
    """Distinct destinations that make a scan on this telescope."""
    least = int(probe.option(scope, "min_dst", MIN_DST))
    if scope.size <= 0:
        return least
    share = math.ceil(probe.option(scope, "min_dst_share", MIN_DST_SHARE) * scope.size)
    return min(least, max(MIN_DST_FLOOR, share))


class Scanner:
    """Sources that look for something to talk to."""

    name = "scanner"
    version = 1
    kinds = ("scanner",)
    needs_telescope = False
    tables = ("flows",)
    context = ()
    doc = (
        "Sources that scan: horizontally, vertically or in blocks; their tool, coverage and world-wide rate. "
        "Coverage and rate need a telescope; without one they are left out."
    )
    options = (
        Option("min_dst", MIN_DST, "addresses of the telescope a horizontal scan visits, at most"),
        Option(
            "min_dst_share",
            MIN_DST_SHARE,
            "share of a small telescope that is enough; at least three addresses",
        ),
        Option(
            "min_ports", MIN_PORTS, "ports of one address that make a scan vertical, or of many a block scan"
        ),
        Option("max_findings", MAX_FINDINGS, "findings a day and telescope; the rest is counted"),
    )

    def reduce(self, query: Query, scope: Scope) -> Reduced:
        """The day's scanners, in parts that fit in memory; details only for those that will be listed."""
        limit = int(probe.option(scope, "max_findings", MAX_FINDINGS))
        rows: list[dict[str, Any]] = []
        qualified = seen = 0
        parts = list(probe.parts(query, scope))
        for part in parts:
            found = query.sql(scanner_sql.sources(scope, part), _params(scope, limit)).to_pylist()
            seen += int(found[0]["seen"])
            qualified += int(found[0]["qualified"] or 0)
            rows += [r for r in found if r["src"] is not None]
        chosen = _choose(rows, limit, max(1, math.ceil(AGGRESSIVE_RANK * seen)))
        details = _details(query, scope, [r["src"] for r in chosen], parts)
        notes = () if scope.telescope else ("no telescope: coverage and world-wide rates are left out",)
        return Reduced(tuple(_source(r, details) for r in chosen), qualified, seen, notes)

    def judge(self, reduced: Reduced, scope: Scope) -> list[Finding]:
        """One finding per scanner, in the order of packets."""
        rank = max(1, math.ceil(AGGRESSIVE_RANK * reduced.sources_seen))
        # ranks mean nothing among few sources: the top 1e-4 of fewer than 1e4 sources is not one source
        ranked = reduced.sources_seen >= 1.0 / AGGRESSIVE_RANK
        by_packets = _top(reduced.sources, rank, lambda s: s.packet_count) if ranked else frozenset()
        by_ports = _top(reduced.sources, rank, lambda s: s.port_nunique) if ranked else frozenset()
        findings = []
        for source in sorted(reduced.sources, key=lambda s: (-s.packet_count, s.low)):
            reasons = _aggressive(source, scope)
            reasons += ["top 1e-4 by packets (unverified)"] if source.low in by_packets else []
            reasons += ["top 1e-4 by ports (unverified)"] if source.low in by_ports else []
            findings.append(self._finding(source, scope, reasons, reduced))
        return findings

    def _finding(self, s: Source, scope: Scope, aggressive: list[str], reduced: Reduced) -> Finding:
        kind = scan_kind(s, scope)
        tool, share = main_tool(s.tools, s.packet_count)
        confidence, reason = _confidence(s, tool, kind)
        evidence: dict[str, Any] = {
            "scan": kind,
            "packet_count": s.packet_count,
            "dst_ip_nunique": s.dst_ip_nunique,
            "dst_port_nunique": s.port_nunique,
            "max_ports_per_dst": s.max_ports,
            "sessions": s.sessions,
            "active_s": round(s.active_s, 3),
            "session_timeout_s": round(probe.timeout_s(scope.size), 1),
            "top_ports": [
                {"port": probe.port_text(p, n), "packet_count": c, "dst_ip_nunique": d}
                for p, n, c, d in s.ports
            ],
            "tool": tool,
            "tool_share": share,
            "aggressive": aggressive,
            "min_dst": min_dst(scope),
            "confidence_reason": reason,
            **(_extent(s, scope) if scope.size > 0 else {}),
            **(_rate(s, scope) if scope.size > 0 and kind != "vertical" else {}),
        }
        if reduced.qualified > len(reduced.sources):
            evidence["found_this_day"] = reduced.qualified
            evidence["listed_this_day"] = len(reduced.sources)
        subject = probe.subject_text(s.low, s.high)
        return Finding(
            "scanner", Subject(*subject), Rule(self.name, self.version), s.first_seen, s.last_seen,
            confidence, _summary(subject[1], s, kind, tool, evidence), evidence,
            scope.telescope.name if scope.telescope else "",
        )  # fmt: skip


def scan_kind(s: Source, scope: Scope) -> str:
    """`block` for many destinations and many ports, `horizontal` for many destinations, else `vertical`."""
    if s.dst_ip_nunique < min_dst(scope):
        return "vertical"
    return "block" if s.port_nunique >= int(probe.option(scope, "min_ports", MIN_PORTS)) else "horizontal"


def main_tool(tools: tuple[tuple[str, int], ...], packets: int) -> tuple[str, float]:
    """The tool on at least TOOL_SHARE of at least two packets (else empty), and its share."""
    tagged = [(n, t) for t, n in tools if t]
    if not tagged:
        return "", 0.0
    n, tool = max(tagged)
    share = round(n / packets, 4)
    return (tool if n >= 2 and n >= TOOL_SHARE * packets else ""), share


def _top(sources: tuple[Source, ...], rank: int, key: Any) -> frozenset[bytes]:
    return frozenset(s.low for s in sorted(sources, key=lambda s: (-key(s), s.low))[:rank])


def _aggressive(s: Source, scope: Scope) -> list[str]:
    if scope.size > 0 and s.session_dst >= max(min_dst(scope), AGGRESSIVE_SHARE * scope.size):
        return ["10 % of the addresses in one session"]
    return []


def _extent(s: Source, scope: Scope) -> dict[str, Any]:
    """Share of the addresses reached, beside what as many random probes of its main port would reach."""
    coverage = s.dst_ipv4_nunique / scope.size
    main = s.ports[0][2] if s.ports else 0
    return {
        "size": round(scope.size, 1),
        "coverage": round(min(1.0, coverage), 4),
        "random_coverage": round(1.0 - math.exp(-main / scope.size), 4),
        "small": coverage < SMALL,
    }


def _rate(s: Source, scope: Scope) -> dict[str, Any]:
    """World-wide packets/s if the scan is uniform over IPv4: n/(qT) with a 95 % interval; {} without a span.

    The first packet of each session starts its clock and is no evidence of speed, so n leaves it out.
    """
    n = s.packet_count - s.sessions
    if n < 1 or s.active_s < 1.0 or s.dst_ipv4_nunique < s.dst_ip_nunique:
        return {}
    low, high = garwood(n)
    scale = scope.q * s.active_s
    return {
        "global_pps": probe.round3(n / scale),
        "global_pps_low": probe.round3(low / scale),
        "global_pps_high": probe.round3(high / scale),
        "assumes": "uniform over IPv4",
    }


def _confidence(s: Source, tool: str, kind: str) -> tuple[int, str]:
    """How sure it is that the named source scanned; UDP and ICMP sources can be forged without effort."""
    if probe.is_unrouted(s.low):
        return 40, "the source is not routed in the Internet: an inner network, or forged"
    connected = sum(c for p, _, c, _ in s.ports if p == probe.TCP) >= 0.5 * sum(c for _, _, c, _ in s.ports)
    if tool:
        value, why = 95, "a known tool's headers in at least 90 % of the packets"
    elif s.dst_ip_nunique >= 3 * MIN_DST or s.max_ports >= 3 * MIN_PORTS:
        value, why = 90, "three times the least extent of a scan"
    else:
        value, why = 75, f"a {kind} scan of small extent"
    return (
        (value, why) if connected else (value - 20, f"{why}; mostly UDP or ICMP, whose source may be forged")
    )


_KIND_JA = {"horizontal": "水平スキャン", "vertical": "垂直スキャン", "block": "ブロックスキャン"}


def _summary(who: str, s: Source, kind: str, tool: str, evidence: dict[str, Any]) -> dict[str, str]:
    pps = evidence.get("global_pps")
    en_tool = f" with {tool}" if tool else ""
    ja_tool = f"、ツール: {tool}" if tool else ""
    en_rate = f"; about {pps:,.0f} packets/s world-wide if uniform" if pps else ""
    ja_rate = f"IPv4全体に一様なスキャンであれば毎秒約{pps:,.0f}パケットに相当する。" if pps else ""
    ja_how = f"（{s.packet_count:,}パケット{ja_tool}）"
    if kind == "vertical":
        return {
            "en": f"{who} scanned {s.max_ports:,} ports of one address ({kind} scan, "
            f"{s.packet_count:,} packets){en_tool}.",
            "ja": f"{who}が1アドレスの{s.max_ports:,}ポートに対して{_KIND_JA[kind]}を行った{ja_how}。",
        }
    en_whose, ja_whose = (" monitored", "観測アドレス") if "size" in evidence else ("", "アドレス")
    en_port, ja_port = _aim(s)
    return {
        "en": f"{who} scanned {s.dst_ip_nunique:,}{en_whose} addresses for {en_port} ({kind} scan)"
        f"{en_tool}{en_rate}.",
        "ja": f"{who}が{ja_whose}{s.dst_ip_nunique:,}件に対して{ja_port}の{_KIND_JA[kind]}を行った"
        f"{ja_how}。{ja_rate}",
    }


def _aim(s: Source) -> tuple[str, str]:
    """What was looked for, in English and Japanese."""
    protocol, port = s.ports[0][:2]
    en, ja = probe.port_text(protocol, port), probe.port_ja(protocol, port)
    if s.port_nunique > 1:
        return f"{s.port_nunique:,} ports, mostly {en}", f"宛先ポート{ja}ほか計{s.port_nunique:,}ポート"
    if s.port_nunique == 0:
        return f"answers to {en} echo", f"{ja}"
    return en, f"宛先ポート{ja}"


# -- SQL --------------------------------------------------------------------------------------------------


def _params(scope: Scope, limit: int) -> dict[str, Any]:
    dst, ports = min_dst(scope), int(probe.option(scope, "min_ports", MIN_PORTS))
    return probe.params(scope, min_dst=dst, min_ports=ports, least=min(dst, ports), limit=limit)


def _choose(rows: list[dict[str, Any]], limit: int, rank: int) -> list[dict[str, Any]]:
    """The sources to list: the most active ones, and always those in the top rank by ports."""
    by_ports = sorted(rows, key=lambda r: (-r["n_ports"], -r["packets"], r["src"]))[:rank]
    first = {r["src"] for r in by_ports[: max(1, limit // 10)]}
    rest = sorted(rows, key=lambda r: (-r["packets"], r["src"]))
    return sorted(rest, key=lambda r: r["src"] not in first)[:limit]


def _details(
    query: Query, scope: Scope, chosen: list[bytes], parts: list[str]
) -> dict[bytes, dict[str, Any]]:
    """Extent, ports, tools and sessions of the chosen sources."""
    out: dict[bytes, dict[str, Any]] = {src: {"tools": [], "sessions": (1, 0.0, 0)} for src in chosen}
    if not chosen:
        return out
    params = probe.params(scope, chosen=chosen)
    for part in parts:
        rows = scanner_sql.chosen(scope, part)
        for r in query.sql(scanner_sql.extent(rows), params).to_pylist():
            out[chosen[r["id"] - 1]] |= r
        for r in query.sql(scanner_sql.tools(rows), params).to_pylist():
            out[chosen[r["id"] - 1]]["tools"].append((r["tool"], int(r["n"])))
        timed = {**params, "timeout": probe.timeout_s(scope.size)}
        for r in query.sql(scanner_sql.sessions(rows), timed).to_pylist():
            known = out[chosen[r["id"] - 1]]
            widest = known["n_dst4"] if r["n_dst"] is None else r["n_dst"]
            known["sessions"] = (int(r["sessions"]), float(r["active_s"]), int(widest))
    return out


def _source(row: dict[str, Any], details: dict[bytes, dict[str, Any]]) -> Source:
    more = details[row["src"]]
    sessions, active_s, session_dst = more["sessions"]
    ports = tuple((p["port"] >> 16, p["port"] & 65535, int(p["n"]), int(p["n_dst"])) for p in more["ports"])
    return Source(
        row["low"], row["high"], int(row["packets"]), int(more["n_dst"]), int(more["n_dst4"]),
        int(row["n_ports"]), int(more["max_ports"]), row["f"].astimezone(UTC), row["l"].astimezone(UTC),
        sessions, active_s, session_dst, tuple(more["tools"]), ports,
    )  # fmt: skip
