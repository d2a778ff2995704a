"""Own and customers' devices that attack others: seen as a source in the darknet, at decoys, in others' reports.

Nothing an own device does there is its business, so it is probably infected or broken into, and there is somebody
to tell: whose it is and whom to call stands in the evidence. Own is what the configuration and `assets` name.
Backscatter is left out: who answers forged packets is attacked and does not attack.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from noroshi.analyse.cross.common import (
    DECOYS,
    Asset,
    few,
    limit_rows,
    names,
    own_networks,
    together,
    utc,
)  # fmt: skip
from noroshi.analyse.darknet.probe import ASKS, PORT, PROTOCOLS, option
from noroshi.model import address
from noroshi.model.analyser import Option, Query, Scope
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.observable import address_key

MAX_FINDINGS = 10_000
TOLD = 20
WEIGHTS = {"flows": 0.7, "logins": 0.9, "commands": 0.9, "transfers": 0.9, "relays": 0.8, "sessions": 0.7,
           "events": 0.6}  # fmt: skip
"""How sure one kind of sighting makes that the device attacks. Login attempts are no accident; packets to dark
addresses may be a typing error or forged; what others report is as good as their judgement, which is not known."""
FEW_PACKETS = 3
"""Darknet packets below which a source may be a stray or forged: a third of the weight."""
HARMLESS = (
    "vulnerable-system",
    "vulnerable",
    "other",
    "information-content-security",
    "potentially-unwanted-accessible",
)
"""Classes of events (reference taxonomy RSIT) that tell of a weakness, not of an attack."""


@dataclass(frozen=True)
class Device:
    """An own address, and where it stands as a source."""

    ip: str
    asset: Asset
    first_seen: datetime
    last_seen: datetime
    counts: dict[str, int]
    """Observations by table; of flows only packets that ask for something."""
    runs: tuple[str, ...]
    ports: tuple[str, ...] = ()
    dst_ip_nunique: int = 0
    tools: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    """Feeds with what they call it."""


@dataclass(frozen=True)
class Reduced:
    """Own devices, and how many there were in all."""

    devices: tuple[Device, ...]
    qualified: int = 0


class OwnDevice:
    """Own and customers' addresses that attack."""

    name = "own-device"
    version = 1
    kinds = ("infected-host",)
    needs_telescope = False
    tables = ()
    context = ("flows", *DECOYS, "events", "assets")
    doc = (
        "Own and customers' addresses (`own` of the configuration, `assets`) that stand as a source in the "
        "darknet, at decoys or in others' reports; with owner and contact."
    )
    options = (Option("max_findings", MAX_FINDINGS, "findings in all; the rest is counted"),)

    def reduce(self, query: Query, scope: Scope) -> Reduced:
        """Sources inside own networks by links, then the facts of these."""
        own = own_networks(query, scope)
        if not own.assets:
            return Reduced(())
        spans = own.spans()
        links = query.sql(
            _LINKS, {"low": [address_key(a) for a, _ in spans], "high": [address_key(b) for _, b in spans]}
        ).to_pylist()
        # Keys of IPv6 hold 60 bits only, so the address itself is compared here.
        held = [(r, a) for r in links if (a := own.of(r["value"]))]
        if not held:
            return Reduced(())
        ips = {"ips": sorted({address.pack(r["value"]) for r, _ in held})}
        asks = {address.text(r["src_ip"]): r for r in query.sql(_FLOWS, ips).to_pylist()}
        reports = {address.text(r["ip"]): r for r in query.sql(_EVENTS, ips).to_pylist()}
        devices = sorted(filter(None, (_device(*h, asks, reports) for h in _by_ip(held))), key=_order)
        limit = int(option(scope, "max_findings", MAX_FINDINGS))
        return Reduced(tuple(devices[:limit]), len(devices))

    def judge(self, reduced: Reduced, scope: Scope) -> list[Finding]:
        """One finding per address, the surest first."""
        return [self._finding(d, reduced) for d in reduced.devices]

    def _finding(self, d: Device, reduced: Reduced) -> Finding:
        confidence, reason = _confidence(d)
        evidence: dict[str, Any] = {
            "class": "own-device",
            "own": True,
            "network": d.asset.prefix,
            "owner": d.asset.owner,
            "contact": d.asset.contact,
            "asset": d.asset.name,
            "seen": dict(sorted(d.counts.items())),
            "ports": list(d.ports),
            "dst_ip_nunique": d.dst_ip_nunique,
            "tools": list(d.tools),
            "reports": list(d.reports),
            "confidence_reason": reason,
        }
        evidence |= limit_rows(reduced.qualified, len(reduced.devices))
        return Finding(
            "infected-host", Subject("ip", d.ip), Rule(self.name, self.version), d.first_seen, d.last_seen,
            confidence, _summary(d), evidence, recurs_daily=False, runs=d.runs,
        )  # fmt: skip


def _by_ip(held: list[tuple[dict[str, Any], Asset]]) -> list[tuple[str, Asset, list[dict[str, Any]]]]:
    out: dict[str, tuple[str, Asset, list[dict[str, Any]]]] = {}
    for row, asset in held:
        out.setdefault(row["value"], (row["value"], asset, []))[2].append(row)
    return list(out.values())


def _device(
    ip: str, asset: Asset, rows: list[dict[str, Any]], asks: dict[str, Any], reports: dict[str, Any]
) -> Device | None:
    counts = {r["table"]: int(r["n"]) for r in rows}
    dark, report = asks.get(ip), reports.get(ip)
    for table, found in (("flows", dark), ("events", report)):
        counts.pop(table, None)
        if found:
            counts[table] = int(found["n"])
    if not counts:
        return None
    spans = [(r["f"], r["l"], r["runs"]) for r in rows if r["table"] in counts]
    return Device(
        ip, asset, utc(min(s[0] for s in spans)), utc(max(s[1] for s in spans)), counts,
        few(run for s in spans for run in s[2]),
        tuple(_port(p) for p in dark["ports"]) if dark else (), int(dark["dst"]) if dark else 0,
        tuple(dark["tools"] or ()) if dark else (), tuple(report["reports"]) if report else (),
    )  # fmt: skip


def _port(text: str) -> str:
    protocol, _, port = text.partition("/")
    name = PROTOCOLS.get(int(protocol), protocol)
    return name if name.startswith("icmp") else f"{name}/{port}"


def _claims(d: Device) -> list[float]:
    """Decoys are one sensor, whatever they log; darknet and others' reports are two more."""
    claims = [max((WEIGHTS[t] for t in d.counts if t in DECOYS), default=0.0)]
    if n := d.counts.get("flows"):
        claims.append(WEIGHTS["flows"] if n >= FEW_PACKETS else WEIGHTS["flows"] / 3)
    if "events" in d.counts:
        claims.append(WEIGHTS["events"])
    return claims


def _confidence(d: Device) -> tuple[int, str]:
    words = {"flows": "the darknet", "events": "others' reports"}
    where = [w for t, w in words.items() if t in d.counts]
    if any(t in DECOYS for t in d.counts):
        where.append("decoys")
    few_packets = "; few packets, which may be forged" if 0 < d.counts.get("flows", 0) < FEW_PACKETS else ""
    return together(_claims(d)), f"an own address as a source in {', '.join(where)}{few_packets}"


def _order(d: Device) -> tuple[int, int, bytes]:
    return -together(_claims(d)), -sum(d.counts.values()), address.pack(d.ip)


def _summary(d: Device) -> dict[str, str]:
    who = d.asset.owner or d.asset.name or d.asset.prefix
    call_en = f"; tell {d.asset.contact}" if d.asset.contact else ""
    call_ja = f"連絡先: {d.asset.contact}" if d.asset.contact else "連絡先の登録なし"
    en, ja = [], []
    if n := d.counts.get("flows"):
        ports = f" ({', '.join(d.ports[:3])})" if d.ports else ""
        en.append(f"darknet packets: {n:,}{ports}")
        ja.append(f"ダークネットへのパケット{n:,}個{ports}")
    if n := sum(d.counts.get(t, 0) for t in ("sessions", "logins")):
        en.append(f"visits and logins at decoys: {n:,}")
        ja.append(f"ハニーポットへの接続・ログイン試行{n:,}件")
    if n := d.counts.get("events"):
        en.append(f"reports of others: {n:,}")
        ja.append(f"外部機関からの報告{n:,}件")
    seen_en, seen_ja = ", ".join(en) or "other traces at decoys", "、".join(ja) or "ハニーポットでの痕跡"
    return {
        "en": f"{d.ip}, a device of {who}, attacks others and is probably infected ({seen_en}){call_en}.",
        "ja": f"{who}の機器{d.ip}が外部を攻撃しており、感染の疑いがある（{seen_ja}、{call_ja}）。",
    }


_TABLES = names(("flows", *DECOYS, "events"))
# A few networks are a range join; the rest of the condition leaves a part of the links that fits in memory.
_LINKS = f"""
    WITH o AS (SELECT unnest($low::BIGINT[]) AS low, unnest($high::BIGINT[]) AS high)
    SELECT l.value, l."table", sum(l.count)::BIGINT AS n, min(l.first_seen) AS f, max(l.last_seen) AS l,
      list(DISTINCT l.run_id) AS runs
    FROM links l JOIN o ON l.key BETWEEN o.low AND o.high
    WHERE l.kind = 'ip' AND l.role = 'src' AND l."table" IN ({_TABLES})
    GROUP BY l.value, l."table" ORDER BY l.value, l."table\""""  # noqa: S608
_FLOWS = f"""
    WITH p AS MATERIALIZED (SELECT src_ip, dst_ip, protocol::VARCHAR || '/' || {PORT} AS port, tool, packet_count
      FROM flows WHERE src_ip IN (SELECT unnest($ips::BLOB[])) AND {ASKS}),
    o AS (SELECT src_ip, port, sum(packet_count) AS n FROM p GROUP BY ALL),
    t AS (SELECT src_ip, list(port ORDER BY n DESC, port)[:{TOLD}] AS ports FROM o GROUP BY src_ip)
    SELECT src_ip, sum(packet_count)::BIGINT AS n, count(DISTINCT dst_ip)::BIGINT AS dst, any_value(ports) AS ports,
      list_sort(list(DISTINCT tool) FILTER (tool <> ''))[:{TOLD}] AS tools
    FROM p JOIN t USING (src_ip) GROUP BY src_ip"""  # noqa: S608
_EVENTS = f"""
    SELECT ip, count(*)::BIGINT AS n, list_sort(list(DISTINCT concat_ws(' ', feed, type, malware)))[:{TOLD}] AS reports
    FROM events WHERE ip IN (SELECT unnest($ips::BLOB[]))
      AND coalesce(taxonomy, '') NOT IN ({names(HARMLESS)}) AND coalesce(type, '') NOT IN ({names(HARMLESS)})
    GROUP BY ip"""  # noqa: S608
