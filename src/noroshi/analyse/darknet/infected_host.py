"""Hosts that scan as IoT malware does: with Mirai's mark, and a class of its own without it.

- `mirai`: SYNs whose sequence number is the destination address (2^-32 by chance, each), with a second trait:
  no TCP options, as Mirai's own packets have none, or a port its kind scans.
- `iot-without-mirai`: at least two SYNs to ports of IoT malware on at least two addresses, hardly any others,
  no known tool's headers, no investigation scanner. In 2025 such sources outnumbered those with the mark
  world-wide (NICT, 2026-02-05). Ports that everybody tries (80, 8080, ...) count only beside others.

A source with one packet is never listed: its address may be forged; nor is one that nobody routes, unless it is
of an own network: there is no host to go to. IPv4 only, as this malware is.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from noroshi.analyse.darknet import probe
from noroshi.analyse.darknet.investigation_scanner import investigation_sources
from noroshi.model import address
from noroshi.model.analyser import Option, Query, Scope
from noroshi.model.finding import Finding, Rule, Subject

IOT_PORTS = {
    23: "telnet", 2323: "telnet", 5555: "ADB", 7547: "TR-064", 9530: "Xiongmai DVR",
    37215: "Huawei HG532", 52869: "Realtek UPnP", 60001: "JAWS DVR",
}  # fmt: skip
"""Ports at which IoT malware breaks in: Mirai's source (23, 2323) and the holes of its descendants."""
SHARED_PORTS = (22, 80, 81, 88, 2222, 8080, 8081, 8443)
"""Ports it tries too, but so does everybody: they never make a finding alone."""
TOOLS = ("zmap", "masscan", "nmap", "unicornscan")
"""Tools people scan with; the tags of stacks or of malware families do not speak against infection."""
MIN_PACKETS, MIN_DST = 2, 2
IOT_SHARE = 0.8
"""Share of the source's SYNs that must go to these ports: a bot has its list, a general scanner has all."""
MAX_FINDINGS = 10_000
_SYN = f"{probe.PROBE} AND {probe.SYN}"


@dataclass(frozen=True)
class Host:
    """A source that might be infected, with its SYNs of the day."""

    src: bytes
    packet_count: int
    mirai: int
    """SYNs with seq = destination."""
    bare: int
    """Of those, without TCP options."""
    mirai_iot: int
    """Of those, to IoT or shared ports."""
    iot: int
    iot_dst: int
    shared: int
    known_tool: int
    dst_ip_nunique: int
    ports: tuple[int, ...]
    """Destination ports, at most 20, most packets first."""
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class Reduced:
    """Candidates of the day, investigation scanners already out, and how many there were in all."""

    hosts: tuple[Host, ...]
    qualified: int = 0
    surveyors: int = 0
    """Investigation scanners that were taken out first."""
    notes: tuple[str, ...] = field(default=())


class InfectedHost:
    """Hosts that malware scans from."""

    name = "infected-host"
    version = 2
    kinds = ("infected-host",)
    needs_telescope = False
    tables = ("flows",)
    context = ()
    doc = (
        "Hosts that scan as IoT malware does: class `mirai` (sequence number = destination, and a second "
        "trait) and class `iot-without-mirai`. Those of own networks are marked and listed first."
    )
    options = (
        Option("max_findings", MAX_FINDINGS, "findings a day and telescope; the rest is counted"),
        Option(
            "investigation",
            None,
            "a table: thresholds of investigation-scanner, whose sources are left out",
        ),
    )

    def reduce(self, query: Query, scope: Scope) -> Reduced:
        """Sources with the mark or with enough SYNs to IoT ports, in parts that fit in memory."""
        limit = int(probe.option(scope, "max_findings", MAX_FINDINGS))
        surveyors = investigation_sources(
            query, replace(scope, options=scope.options.get("investigation", {}))
        )
        params = probe.params(scope, surveyors=[s for s in surveyors if len(s) == 5], limit=limit)
        rows: list[dict[str, Any]] = []
        qualified = 0
        for part in probe.parts(query, scope, _SYN):
            found = query.sql(_hosts_sql(scope, part), params).to_pylist()
            qualified += int(found[0]["qualified"]) if found else 0
            rows += found
        hosts = sorted((_host(r) for r in rows), key=lambda h: _order(h, scope))[:limit]
        return Reduced(tuple(hosts), qualified, len(surveyors))

    def judge(self, reduced: Reduced, scope: Scope) -> list[Finding]:
        """One finding per host; own ones first, then those with the mark, then by packets."""
        findings = []
        for host in sorted(reduced.hosts, key=lambda h: _order(h, scope)):
            kind = infection(host)
            if kind and (_is_own(host.src, scope) or not probe.is_unrouted(host.src)):
                findings.append(self._finding(host, kind, reduced, scope))
        return findings

    def _finding(self, h: Host, kind: str, reduced: Reduced, scope: Scope) -> Finding:
        own = _is_own(h.src, scope)
        confidence, reason = _confidence(h, kind, own)
        evidence: dict[str, Any] = {
            "class": kind,
            "own": own,
            "packet_count": h.packet_count,
            "mirai_packets": h.mirai,
            "mirai_without_options": h.bare,
            "iot_packets": h.iot,
            "iot_dst_ip_nunique": h.iot_dst,
            "dst_ip_nunique": h.dst_ip_nunique,
            "ports": [f"tcp/{p}" for p in h.ports],
            "services": sorted({IOT_PORTS[p] for p in h.ports if p in IOT_PORTS}),
            "confidence_reason": reason,
        }
        if reduced.qualified > len(reduced.hosts):
            evidence |= {"found_this_day": reduced.qualified, "listed_this_day": len(reduced.hosts)}
        text = address.text(h.src)
        return Finding(
            "infected-host", Subject("ip", text), Rule(self.name, self.version), h.first_seen, h.last_seen,
            confidence, _summary(text, h, kind, own, scope.telescope is not None), evidence,
            scope.telescope.name if scope.telescope else "",
        )  # fmt: skip


def infection(h: Host) -> str:
    """`mirai`, `iot-without-mirai`, or empty."""
    # the second trait must hold for nearly all marked packets, else the mark is another scanner's habit
    if h.mirai >= MIN_PACKETS and max(h.bare, h.mirai_iot) >= 0.9 * h.mirai:
        return "mirai"
    if (
        h.mirai == 0
        and h.iot >= MIN_PACKETS
        and h.iot_dst >= MIN_DST
        and h.iot + h.shared >= IOT_SHARE * h.packet_count
        and h.known_tool < 0.5 * h.packet_count
    ):
        return "iot-without-mirai"
    return ""


def _is_own(src: bytes, scope: Scope) -> bool:
    return any(low <= src <= high for low, high in map(address.prefix_range, scope.own))


def _order(h: Host, scope: Scope) -> tuple[bool, bool, int, bytes]:
    return not _is_own(h.src, scope), h.mirai < MIN_PACKETS, -h.packet_count, h.src


def _confidence(h: Host, kind: str, own: bool) -> tuple[int, str]:
    if kind == "mirai":
        value, why = 85, "sequence number = destination address in at least two SYNs, and a second trait"
        if h.mirai >= 0.9 * h.packet_count and h.dst_ip_nunique >= 3:
            value, why = 92, f"{why}, in nearly all of its SYNs to three or more addresses"
    else:
        value, why = 50, "IoT ports only; a person may scan them as well"
        if h.iot_dst >= 10:
            value, why = 60, f"{why}; ten or more addresses tried"
    return (
        (min(97, value + 5), f"{why}; own network, where the host can be looked at") if own else (value, why)
    )


def _summary(text: str, h: Host, kind: str, own: bool, is_monitored: bool) -> dict[str, str]:
    en_own, ja_own = (" (own network)", "（自組織）") if own else ("", "")
    en_ports = ", ".join(f"tcp/{p}" for p in h.ports[:4])
    ja_ports = "、".join(f"{p}/TCP" for p in h.ports[:4])
    en_whose, ja_whose = ("monitored ", "観測アドレス") if is_monitored else ("", "アドレス")
    if kind == "mirai":
        return {
            "en": f"{text}{en_own} is infected with Mirai or a relative: "
            f"{h.mirai:,} SYNs carry its mark ({en_ports}).",
            "ja": f"{text}{ja_own}はMiraiの特徴を持つSYNパケットを{h.mirai:,}個送信しており、"
            f"感染ホストとみられる（宛先ポート: {ja_ports}）。",
        }
    return {
        "en": f"{text}{en_own} scans for IoT devices without Mirai's mark: {h.iot:,} SYNs to "
        f"{h.iot_dst:,} {en_whose}addresses ({en_ports}); probably infected.",
        "ja": f"{text}{ja_own}はMiraiの特徴を持たないがIoT機器を狙ったスキャンを行っており、"
        f"感染ホストの疑いがある（{ja_whose}{h.iot_dst:,}件、SYN {h.iot:,}パケット、{ja_ports}）。",
    }


def own_sql(scope: Scope) -> str:
    """SQL: the source lies in a network of this organisation."""
    spans = [address.prefix_range(p) for p in scope.own if ipaddress.ip_network(p, strict=False).version == 4]
    return "".join(f" OR src_ip BETWEEN unhex('{a.hex()}') AND unhex('{b.hex()}')" for a, b in spans)


def _hosts_sql(scope: Scope, part: str) -> str:
    """SQL: candidates of a part, with `qualified`; uses `$surveyors` and `$limit`; judge() tests again."""
    iot = f"dst_port IN ({', '.join(map(str, IOT_PORTS))})"
    shared = f"dst_port IN ({', '.join(map(str, SHARED_PORTS))})"
    # most rows have no tag: CASE looks at the others only
    tool = f"CASE WHEN tool = '' THEN false ELSE regexp_matches(tool, '^({'|'.join(TOOLS)})') END"
    four = (span for span in probe.UNROUTED if len(span[0]) == 5)
    unrouted = " OR ".join(f"src_ip BETWEEN unhex('{a.hex()}') AND unhex('{b.hex()}')" for a, b in four)
    return f"""
    WITH p AS NOT MATERIALIZED (SELECT src_ip, dst_ip, dst_port, packet_count, first_seen, last_seen, tool,
        tcp_options, seq_is_dst FROM {probe.probes(scope, _SYN)} AND {part}
        AND octet_length(src_ip) = 5 AND src_ip NOT IN (SELECT unnest($surveyors::BLOB[]))),
    h AS MATERIALIZED (SELECT src_ip, sum(packet_count)::BIGINT AS n,
        coalesce(sum(packet_count) FILTER (seq_is_dst), 0)::BIGINT AS mirai,
        coalesce(sum(packet_count) FILTER (seq_is_dst AND tcp_options = ''), 0)::BIGINT AS bare,
        coalesce(sum(packet_count) FILTER (seq_is_dst AND ({iot} OR {shared})), 0)::BIGINT AS mirai_iot,
        coalesce(sum(packet_count) FILTER ({iot}), 0)::BIGINT AS iot,
        coalesce(sum(packet_count) FILTER ({shared}), 0)::BIGINT AS shared,
        coalesce(sum(packet_count) FILTER ({tool}), 0)::BIGINT AS known_tool,
        min(first_seen) AS f, max(last_seen) AS l
      FROM p GROUP BY src_ip
      HAVING (NOT ({unrouted}){own_sql(scope)}) AND sum(packet_count) >= {MIN_PACKETS} AND (mirai >= {MIN_PACKETS} OR
        (mirai = 0 AND iot >= {MIN_PACKETS} AND iot + shared >= {IOT_SHARE} * n AND known_tool < 0.5 * n))),
    d AS (SELECT src_ip, count(DISTINCT dst_ip)::BIGINT AS dst,
        (count(DISTINCT dst_ip) FILTER ({iot}))::BIGINT AS iot_dst
      FROM p SEMI JOIN h USING (src_ip) GROUP BY src_ip),
    o AS (SELECT src_ip, dst_port, sum(packet_count) AS n
      FROM p SEMI JOIN h USING (src_ip) GROUP BY src_ip, dst_port),
    t AS (SELECT * FROM o QUALIFY row_number() OVER (PARTITION BY src_ip ORDER BY n DESC, dst_port) <= 20),
    q AS (SELECT src_ip, list(dst_port ORDER BY n DESC, dst_port) AS ports FROM t GROUP BY src_ip)
    SELECT *, count(*) OVER () AS qualified FROM h JOIN d USING (src_ip) JOIN q USING (src_ip)
    WHERE iot_dst >= {MIN_DST} OR (mirai >= {MIN_PACKETS} AND greatest(bare, mirai_iot) >= 0.9 * mirai)
    QUALIFY row_number() OVER
      (ORDER BY NOT (false{own_sql(scope)}), mirai < {MIN_PACKETS}, n DESC, src_ip) <= $limit
    """  # noqa: S608


def _host(r: dict[str, Any]) -> Host:
    return Host(
        r["src_ip"], int(r["n"]), int(r["mirai"]), int(r["bare"]), int(r["mirai_iot"]), int(r["iot"]),
        int(r["iot_dst"]), int(r["shared"]), int(r["known_tool"]), int(r["dst"]), tuple(map(int, r["ports"])),
        r["f"].astimezone(UTC), r["l"].astimezone(UTC),
    )  # fmt: skip
