"""Own services that surveys saw open and that should not face the Internet: Telnet, databases, amplifiers, ...

What should not, and why, stands in `exposed.toml`. A sighting weighs by how the service was told: a Shadowserver
report tests for the very thing; a survey that heard the protocol speak knows what it is; a port alone guesses.
Surveys that do not know of each other are independent claims; a sighting loses half its weight in HALF_DAYS, since
addresses change hands and services are mended. A later look that finds the port closed ends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from noroshi.analyse.cross.common import Asset, few, limit_rows, own_networks, together, utc
from noroshi.analyse.darknet.probe import option
from noroshi.analyse.exposure.rules import Service, exposed, faces_internet
from noroshi.model import address
from noroshi.model.analyser import Option, Query, Scope
from noroshi.model.finding import Finding, Rule, Subject

MAX_FINDINGS = 10_000
MAX_ROWS = 500_000
"""Ports of own addresses looked at: 200 MB; the rest is counted."""
TOLD = 30
MAX_AGE_DAYS = 90
"""Days after which a sighting says nothing of today: three monthly rounds of a survey missed."""
HALF_DAYS = 30
"""Days in which a sighting loses half its weight, in steps, so that a finding does not change every day: the rhythm
of a monthly survey."""
MANY_PORTS = 100
"""Open ports of a host beyond which a port alone tells nothing: firewalls and tarpits that answer on all."""
REPORT, SPOKEN, PORT = "report", "spoken", "port"
CLAIMS = {REPORT: 0.9, SPOKEN: 0.85, PORT: 0.4}
_FAILED = frozenset({"protocol-error", "application-error", "io-timeout", "unknown-error", "connection-closed",
                     "connection-timeout", "tcpwrapped", "port-assumed"})  # fmt: skip
"""Tags of looks that connected and heard nothing of the protocol they asked for."""
_SPEAKS = ("zgrab2", "shodan", "shadowserver")
"""Surveys that name a service only when it answered; nmap names a port after its table when nothing answers."""
_PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp"}


@dataclass(frozen=True)
class Seen:
    """What one survey saw on one port since it was last seen closed."""

    ip: str
    port: int
    protocol: int
    scanner: str
    services: tuple[str, ...]
    products: tuple[str, ...]
    cpes: tuple[str, ...]
    tags: tuple[str, ...]
    title: str
    banner: str
    """The newest, cut."""
    looks: int
    first_seen: datetime
    last_seen: datetime
    runs: tuple[str, ...]
    ports_open: int
    """Open ports of the host in all."""

    @property
    def where(self) -> str:
        """As `tcp/23`."""
        return f"{_PROTOCOLS.get(self.protocol, 'port' if not self.protocol else self.protocol)}/{self.port}"


@dataclass(frozen=True)
class Reduced:
    """Open ports of own addresses, and whose they are."""

    seen: tuple[Seen, ...]
    assets: dict[str, Asset]
    not_looked_at: int = 0


@dataclass(frozen=True)
class Exposure:
    """One service of a host, as all surveys saw it."""

    rule: Service
    where: str
    how: str
    seen: tuple[Seen, ...]
    confidence: int

    @property
    def last_seen(self) -> datetime:
        """The newest look."""
        return max(s.last_seen for s in self.seen)


class ExposedService:
    """Own services that should not face the Internet."""

    name = "exposed-service"
    version = 1
    kinds = ("exposed-service",)
    needs_telescope = False
    tables = ()
    context = ("services", "assets")
    ages = True
    """What was judged on an older day is judged again: sightings grow old."""
    doc = (
        "Services of own and customers' addresses that surveys saw open and that should not face the Internet: "
        "remote login, databases, file sharing, industrial protocols, amplifiers, administration. Confidence "
        "rises with independent surveys and falls with age; a port found closed later is told no more."
    )
    options = (
        Option("max_findings", MAX_FINDINGS, "findings in all; the rest is counted"),
        Option("max_age_days", MAX_AGE_DAYS, "days after which a sighting says nothing of today"),
        Option("half_days", HALF_DAYS, "days in which a sighting loses half its weight"),
        Option(
            "min_confidence",
            25,
            "confidence below which nothing is told: two ports alone, or one of this month",
        ),
    )

    def reduce(self, query: Query, scope: Scope) -> Reduced:
        """Open ports inside own networks, one row per port and survey."""
        own = own_networks(query, scope)
        spans = own.spans()
        if not spans:
            return Reduced((), {})
        since = scope.end - timedelta(days=option(scope, "max_age_days", MAX_AGE_DAYS))
        rows = query.sql(
            _SEEN,
            {"low": [a for a, _ in spans], "high": [b for _, b in spans], "since": since, "most": MAX_ROWS},
        ).to_pylist()
        seen = tuple(s for s in map(_seen, rows) if faces_internet(s.ip))
        assets = {ip: a for ip in {s.ip for s in seen} if (a := own.of(ip))}
        return Reduced(seen, assets, int(rows[0]["qualified"]) - len(rows) if rows else 0)

    def judge(self, reduced: Reduced, scope: Scope) -> list[Finding]:
        """One finding per host, the worst first."""
        hosts: dict[str, list[Seen]] = {}
        for s in reduced.seen:
            hosts.setdefault(s.ip, []).append(s)
        least = option(scope, "min_confidence", 25)
        half = option(scope, "half_days", HALF_DAYS)
        told = []
        for ip, seen in hosts.items():
            found = sorted(
                (e for e in _exposures(seen, scope.end, half) if e.confidence >= least), key=_worst
            )
            if found:
                told.append((ip, found))
        told.sort(key=lambda t: (_worst(t[1][0]), -len(t[1]), address.pack(t[0])))
        limit = int(option(scope, "max_findings", MAX_FINDINGS))
        more = limit_rows(len(told), limit)
        if reduced.not_looked_at:
            more["not_looked_at"] = reduced.not_looked_at
        return [self._finding(ip, found, reduced.assets.get(ip), more) for ip, found in told[:limit]]

    def _finding(self, ip: str, found: list[Exposure], asset: Asset | None, more: dict[str, int]) -> Finding:
        seen = [s for e in found for s in e.seen]
        best = max(found, key=lambda e: e.confidence)
        evidence: dict[str, Any] = {
            "services": [_told(e) for e in found[:TOLD]],
            "service_count": len(found),
            "classes": sorted({e.rule.group for e in found}),
            "severity": found[0].rule.severity,
            "scanners": sorted({s.scanner for s in seen}),
            "network": asset.prefix if asset else "",
            "owner": asset.owner if asset else "",
            "contact": asset.contact if asset else "",
            "own": True,
            "rules_of": exposed().date.isoformat(),
            "confidence_reason": _reason(best),
        } | more
        return Finding(
            "exposed-service", Subject("ip", ip), Rule(self.name, self.version),
            min(s.first_seen for s in seen), max(s.last_seen for s in seen), best.confidence,
            _summary(ip, found, asset), evidence, recurs_daily=False, runs=few(r for s in seen for r in s.runs),
        )  # fmt: skip


def recognise(s: Seen) -> tuple[Service, str] | None:
    """(what should not be there, how it was told), the surest; None when nothing is wrong with the port."""
    report = s.scanner.removeprefix("shadowserver:") if s.scanner.startswith("shadowserver:") else ""
    names = {n.lower() for n in s.services}
    if s.scanner.startswith("shadowserver"):
        # Its tag names the protocol; `-alt` is a port that is not the usual one.
        names |= {t.lower().removesuffix("-alt") for t in s.tags}
    failed = bool(_FAILED.intersection(s.tags))
    heard = not failed and (s.scanner.startswith(_SPEAKS) or bool(s.products or s.banner or s.cpes))
    best: tuple[Service, str] | None = None
    for rule in exposed().services:
        how = _how(rule, s, names, report, heard)
        if how and (best is None or _rank(how, rule, names) > _rank(best[1], best[0], names)):
            best = rule, how
    return best


def _rank(how: str, rule: Service, names: set[str]) -> tuple[float, bool]:
    """Of two rules as sure, the one that is named."""
    return CLAIMS[how], bool(rule.services & names)


def _how(rule: Service, s: Seen, names: set[str], report: str, heard: bool) -> str:
    if report in rule.reports or (
        report == "scan_ics" and rule.group == "industrial" and rule.services & names
    ):
        return REPORT
    # UDP and TCP of one name may be two matters (LDAP, CLDAP): where a rule has ports, the transport is theirs.
    transports = {p.partition("/")[0] for p in rule.ports}
    if s.protocol in _PROTOCOLS and transports and _PROTOCOLS[s.protocol] not in transports:
        return ""
    cpes = {":".join(c.lower().split(":")[:5]) for c in s.cpes}
    products = {p.lower() for p in s.products}
    if rule.products & products or rule.cpes & cpes or (rule.titles and rule.titles.search(s.title)):
        return SPOKEN
    if rule.services & names and heard:
        return SPOKEN
    alone = s.where in rule.ports and (not names or bool(rule.services & names) or not heard)
    return PORT if alone and s.ports_open <= MANY_PORTS and not products else ""


def _exposures(seen: Iterable[Seen], now: datetime, half: float) -> Iterator[Exposure]:
    """The services of a host, each with all surveys that saw it; on a port the surest name counts."""
    ports: dict[tuple[int, int], list[tuple[Seen, Service, str]]] = {}
    for s in seen:
        if found := recognise(s):
            ports.setdefault((s.protocol, s.port), []).append((s, *found))
    for told in ports.values():
        _, rule, how = max(told, key=lambda t: (CLAIMS[t[2]], t[0].last_seen, t[1].name))
        mine = tuple(sorted((t[0] for t in told if t[1] is rule), key=lambda s: s.scanner))
        claims: dict[str, float] = {}
        for s, one, way in told:
            if one is rule:
                age = max((now - s.last_seen).total_seconds(), 0.0) / 86_400
                maker = s.scanner.partition(":")[0]
                claims[maker] = max(claims.get(maker, 0.0), CLAIMS[way] * 0.5 ** (age // half))
        yield Exposure(rule, mine[0].where, how, mine, together(claims.values()))


def _worst(e: Exposure) -> tuple[Any, ...]:
    return e.rule.severity, -e.confidence, e.where


def _told(e: Exposure) -> dict[str, Any]:
    """As evidence."""
    guarded = e.rule.guarded is not None and any(e.rule.guarded.search(s.banner) for s in e.seen)
    products = sorted({p for s in e.seen for p in s.products})[:5]
    out: dict[str, Any] = {
        "service": e.rule.name, "port": e.where, "class": e.rule.group, "severity": e.rule.severity,
        "reason": e.rule.why["en"], "reason_ja": e.rule.why["ja"], "told_by": e.how, "products": products,
        "cpes": sorted({c for s in e.seen for c in s.cpes})[:5],
        "tags": sorted({t for s in e.seen for t in s.tags})[:10],
        "scanners": [s.scanner for s in e.seen], "looks": sum(s.looks for s in e.seen),
        "first_seen": min(s.first_seen for s in e.seen).isoformat(), "last_seen": e.last_seen.isoformat(),
        "confidence": e.confidence,
    }  # fmt: skip
    return out | ({"asks_password": True} if guarded else {})


def _reason(e: Exposure) -> str:
    how = {
        REPORT: "a report that tests for this service names the address",
        SPOKEN: "a survey heard the service answer",
        PORT: "the port is open; what answers on it was not heard",
    }[e.how]
    makers = sorted({s.scanner.partition(":")[0] for s in e.seen})
    return f"{how}; {len(makers)} independent survey{'s' if len(makers) > 1 else ''}, last on {e.last_seen:%Y-%m-%d}"


def _summary(ip: str, found: list[Exposure], asset: Asset | None) -> dict[str, str]:
    worst = found[0]
    listed = ", ".join(f"{e.rule.name} ({e.where})" for e in found[:3])
    listed_ja = "、".join(f"{e.rule.name}（{e.where}）" for e in found[:3])
    more, more_ja = (f" and {len(found) - 3} more", f"ほか{len(found) - 3}件") if len(found) > 3 else ("", "")
    owner, owner_ja = (f" of {asset.owner}", f"{asset.owner}の") if asset and asset.owner else ("", "")
    seems, seems_ja = (
        ("seems to expose", "公開している可能性がある") if worst.how == PORT else ("exposes", "公開している")
    )
    return {
        "en": f"{ip}{owner} {seems} {listed}{more} to the Internet; {worst.rule.name}: {worst.rule.why['en']} "
        f"(last seen {worst.last_seen:%Y-%m-%d}).",
        "ja": f"{owner_ja}{ip}がインターネットに{listed_ja}{more_ja}を{seems_ja}（最終確認: "
        f"{worst.last_seen:%Y-%m-%d}）。{worst.rule.name}は{worst.rule.why['ja']}。",
    }


def _seen(r: dict[str, Any]) -> Seen:
    return Seen(
        address.text(r["ip"]), int(r["port"]), int(r["protocol"]), r["scanner"], tuple(r["services"] or ()),
        tuple(r["products"] or ()), tuple(r["cpes"] or ()), tuple(r["tags"] or ()), r["title"] or "",
        r["banner"] or "", int(r["looks"]), utc(r["f"]), utc(r["l"]), tuple(r["runs"]), int(r["ports_open"]),
    )  # fmt: skip


# What was open after it was last closed; a port that a firewall hides today (filtered) may be open to others.
_SEEN = """
    WITH o AS (SELECT unnest($low::BLOB[]) AS low, unnest($high::BLOB[]) AS high),
    w AS (SELECT s.*, max(s.ts) FILTER (s.state = 'closed')
            OVER (PARTITION BY s.ip, s.port, s.protocol) AS closed
        FROM services s JOIN o ON s.ip BETWEEN o.low AND o.high WHERE s.port > 0 AND s.ts >= $since),
    p AS (SELECT * FROM w WHERE state = 'open' AND (closed IS NULL OR ts > closed)),
    n AS (SELECT ip, count(DISTINCT (port, protocol)) AS ports_open FROM p GROUP BY ip),
    g AS (SELECT ip, port, protocol, scanner, list_sort(list(DISTINCT service) FILTER (service <> '')) AS services,
        list_sort(list(DISTINCT product[:200]) FILTER (product <> ''))[:10] AS products,
        list_sort(list_distinct(flatten(list(cpes) FILTER (cpes IS NOT NULL))))[:20] AS cpes,
        list_sort(list_distinct(flatten(list(tags) FILTER (tags IS NOT NULL))))[:50] AS tags,
        max_by(title[:200], ts) FILTER (title <> '') AS title,
        max_by(banner[:500], ts) FILTER (banner <> '') AS banner,
        count(*) AS looks, min(ts) AS f, max(ts) AS l, list_sort(list(DISTINCT run_id))[:60] AS runs
      FROM p GROUP BY ip, port, protocol, scanner)
    SELECT g.*, n.ports_open, count(*) OVER () AS qualified FROM g JOIN n USING (ip)
    ORDER BY ip, port, protocol, scanner LIMIT $most"""
