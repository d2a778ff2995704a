"""Hosts whose services are of a version known to be vulnerable: survey -> CPE -> CVE -> KEV, EPSS, CVSS.

Vendor and product must be equal (no name with an any vendor or product joins), and the version must lie in a range
that the CVE record names. A product alone is told only when it is known to be exploited, with low confidence and
said so: nobody should be called for it. Distributions mend holes without a new version number, so a version text
with a distribution's mark weighs less. CVEs that the survey itself names are told as its word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from noroshi.analyse.cross.common import Asset, few, limit_rows, own_networks, utc
from noroshi.analyse.darknet.probe import option
from noroshi.model import address
from noroshi.model.analyser import Option, Query, Scope
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.observable import implied
from noroshi.wire import vulnerabilities as vulns
from noroshi.wire.vulnerabilities import EXACT, NAMED, PRODUCT, Match, Vulnerability

CONFIDENCE = {EXACT: 80, NAMED: 50, PRODUCT: 25}
BACKPORTED, GUESSED = 45, 40
_DISTRIBUTION = re.compile(
    r"(?i)ubuntu|debian|\bdeb\d|raspbian|\.el\d|\.fc\d|\.amzn|suse|rhel|centos|~bpo|\+dfsg"
)
"""Marks of packages whose holes are mended without a new version of the product."""
MAX_FINDINGS = 10_000
MAX_ROWS = 500_000
"""Services looked at: 200 MB; the rest is counted."""
TOLD = 20


@dataclass(frozen=True)
class Service:
    """What one look found on a port, for one product."""

    ip: str
    port: int
    protocol: int
    cpe: str
    version: str
    """As the survey words it; empty if it does not."""
    first_seen: datetime
    last_seen: datetime
    cves: tuple[str, ...]
    """CVEs the survey names."""
    scanner: str
    run: str


@dataclass(frozen=True)
class Reduced:
    """Services, and what is known of their products."""

    services: tuple[Service, ...]
    affected: dict[str, tuple[vulns.Row, ...]]
    """Rows by part, vendor and product."""
    known: dict[str, Vulnerability]
    assets: dict[str, Asset]
    not_looked_at: int = 0


@dataclass
class _Host:
    """Vulnerabilities of a host by id, each with the surest match and where it is."""

    services: list[Service] = field(default_factory=list)
    found: dict[str, tuple[Match, Service]] = field(default_factory=dict)

    def add(self, match: Match, service: Service) -> None:
        old = self.found.get(match.id)
        if old is None or _sure(match, service) > _sure(*old):
            self.found[match.id] = match, service


class VulnerableService:
    """Services of versions that are known to be vulnerable."""

    name = "vulnerable-service"
    version = 2
    kinds = ("vulnerable-service",)
    needs_telescope = False
    tables = ()
    context = ("services", "affected", "vulnerabilities", "assets")
    doc = (
        "Hosts with services whose version a vulnerability is known for, ranked by KEV, EPSS and CVSS, with the "
        "version that mends it. A product without a version is told only when it is known to be exploited, and "
        "with low confidence."
    )
    options = (Option("max_findings", MAX_FINDINGS, "findings in all; the rest is counted"),)

    def reduce(self, query: Query, scope: Scope) -> Reduced:
        """Products on both sides by links, then their services, ranges and vulnerabilities."""
        products = sorted(_products(query))
        rows = query.sql(_SERVICES, {"products": products, "most": MAX_ROWS}).to_pylist()
        services = tuple(_service(r) for r in rows)
        affected: dict[str, list[vulns.Row]] = {}
        if products:
            for r in vulns.by_cve(query, query.sql(_AFFECTED, {"products": products}).to_pylist()):
                affected.setdefault(r["prefix"], []).append(vulns.row_of(r))
        rated = {p: tuple(r) for p, r in affected.items()}
        ids = {m.id for s in _distinct(services) for m in _matches(s, rated)} | {
            c for s in services for c in s.cves
        }
        own = own_networks(query, scope)
        assets = {s.ip: a for s in services if own.assets and (a := own.of(s.ip))}
        beyond = int(rows[0]["qualified"]) - len(rows) if rows else 0
        return Reduced(services, rated, vulns.known(query, ids), assets, beyond)

    def judge(self, reduced: Reduced, scope: Scope) -> list[Finding]:
        """One finding per host, the worst first."""
        limit = int(option(scope, "max_findings", MAX_FINDINGS))
        hosts: dict[str, _Host] = {}
        cache: dict[tuple[str, str], list[Match]] = {}
        for s in reduced.services:
            if (s.cpe, s.version) not in cache:
                cache[s.cpe, s.version] = list(_matches(s, reduced.affected))
            told = [m for m in cache[s.cpe, s.version] if vulns.is_told(m, reduced.known[m.id].kev)]
            told += [Match(c, NAMED) for c in s.cves]
            if told:
                host = hosts.setdefault(s.ip, _Host())
                host.services.append(s)
                for match in told:
                    host.add(match, s)
        ranked = sorted(hosts.items(), key=lambda h: (_worst(h[1], reduced), address.pack(h[0])))
        more = limit_rows(len(ranked), limit)
        if reduced.not_looked_at:
            more["not_looked_at"] = reduced.not_looked_at
        return [self._finding(ip, host, reduced, more) for ip, host in ranked[:limit]]

    def _finding(self, ip: str, host: _Host, reduced: Reduced, more: dict[str, int]) -> Finding:
        found = sorted(
            ((reduced.known[i], m, s) for i, (m, s) in host.found.items()),
            key=lambda f: (-_sure(f[1], f[2]), f[0].rank),
        )
        surest = max(found, key=lambda f: _sure(f[1], f[2]))
        confidence = _sure(surest[1], surest[2])
        asset = reduced.assets.get(ip)
        evidence: dict[str, Any] = {
            "vulnerabilities": [
                v.told(m) | {"port": f"{_port(s)}", "cpe": s.cpe, "version": _version(s) or None}
                for v, m, s in found[:TOLD]
            ],
            "vulnerability_count": len(found),
            "kev_count": sum(v.kev and m.how != PRODUCT for v, m, _ in found),
            "product_only_count": sum(m.how == PRODUCT for _, m, _ in found),
            "exact_count": sum(m.how == EXACT for _, m, _ in found),
            "ports": sorted({_port(s) for s in host.services}),
            "scanners": sorted({s.scanner for s in host.services}),
            "owner": asset.owner if asset else "",
            "contact": asset.contact if asset else "",
            "own": asset is not None,
            "confidence_reason": _reason(surest[1], surest[2]),
        } | more
        return Finding(
            "vulnerable-service", Subject("ip", ip), Rule(self.name, self.version),
            min(s.first_seen for s in host.services), max(s.last_seen for s in host.services), confidence,
            _summary(ip, found), evidence, recurs_daily=False, runs=few(s.run for s in host.services),
        )  # fmt: skip


def _products(query: Query) -> Iterator[str]:
    """Part, vendor and product that stand in services and in affected; links carry the name without version."""
    for r in query.sql(_BOTH).to_pylist():
        # The bare name is its own; of one with a version the bare one is linked too.
        if not any(k == "cpe" for k, _ in implied("cpe", r["value"])) and (p := vulns.product_of(r["value"])):
            yield p[0]


def _service(r: dict[str, Any]) -> Service:
    return Service(
        address.text(r["ip"]), int(r["port"]), int(r["protocol"]), r["cpe"] or "", (r["version"] or "")[:200],
        utc(r["f"]), utc(r["ts"]), tuple(r["cves"] or ()), r["scanner"], r["run_id"],
    )  # fmt: skip


def _distinct(services: Iterable[Service]) -> Iterable[Service]:
    return {(s.cpe, s.version): s for s in services}.values()


def _matches(s: Service, affected: dict[str, tuple[vulns.Row, ...]]) -> list[Match]:
    product = vulns.product_of(s.cpe) if s.cpe else None
    return vulns.judged(s.cpe, s.version, affected.get(product[0], ())) if product else []


def _version(s: Service) -> str:
    return vulns.version_of(s.cpe, s.version)


def _sure(match: Match, service: Service) -> int:
    if match.how == EXACT and not service.cpe.startswith("cpe:2.3:a:"):
        return GUESSED
    if match.how == EXACT and _DISTRIBUTION.search(service.version):
        return BACKPORTED
    return CONFIDENCE[match.how]


def _reason(match: Match, service: Service) -> str:
    if match.how == EXACT and not service.cpe.startswith("cpe:2.3:a:"):
        return "the version lies in an affected range, but surveys guess a system from how it answers"
    if match.how == EXACT and _DISTRIBUTION.search(service.version):
        return "the version lies in an affected range, but the package is a distribution's, which may have mended it"
    return {
        EXACT: "vendor and product are equal, and the version lies in a range the record names",
        NAMED: "the survey names the vulnerability; not judged here",
        PRODUCT: "the product only: the version is not known or the record names none; look before you tell anybody",
    }[match.how]


def _worst(host: _Host, reduced: Reduced) -> tuple[Any, ...]:
    ranks = sorted((m.how == PRODUCT, reduced.known[i].rank) for i, (m, _) in host.found.items())
    return ranks[0], -len(host.found)


def _port(s: Service) -> str:
    return f"{ {6: 'tcp', 17: 'udp'}.get(s.protocol, str(s.protocol)) }/{s.port}"


def _summary(ip: str, found: Sequence[tuple[Vulnerability, Match, Service]]) -> dict[str, str]:
    worst, match, service = found[0]
    product = vulns.product_of(service.cpe) if service.cpe else None
    what = f"{product[2]} {_version(service)}".strip() if product else "a service"
    what_ja = f"{product[2]} {_version(service)}".strip() if product else "サービス"
    sure = [v for v, m, _ in found if m.how != PRODUCT]
    kev = sum(v.kev for v in sure)
    en_kev, ja_kev = (
        (f", {kev} of them known to be exploited", f"、うち悪用確認済み{kev}件") if kev else ("", "")
    )
    en_fixed, ja_fixed = (
        (f"; mended in {match.fixed}", f"。修正版: {match.fixed}") if match.fixed else ("", "")
    )
    where = _port(service)
    if match.how == PRODUCT:
        return {
            "en": f"{ip} exposes {what} ({where}), of which a vulnerability is known to be exploited ({worst.id}); "
            "whether its version is affected is not known.",
            "ja": f"{ip}が{what_ja}を公開している（{where}）。悪用が確認された脆弱性{worst.id}のある製品だが、"
            "バージョンが影響を受けるかは不明。",
        }
    en_n = f"{len(sure):,} known vulnerabilities" if len(sure) > 1 else "a known vulnerability"
    return {
        "en": f"{ip} exposes {what} ({where}) with {en_n}{en_kev} (worst: {worst.id}){en_fixed}.",
        "ja": f"{ip}が脆弱な{what_ja}を公開している（{where}、既知の脆弱性{len(sure):,}件{ja_kev}、"
        f"最も深刻なもの: {worst.id}）{ja_fixed}。",
    }


_BOTH = """
    WITH a AS MATERIALIZED (SELECT DISTINCT key FROM links WHERE kind = 'cpe' AND "table" = 'affected')
    SELECT DISTINCT l.value FROM links l SEMI JOIN a ON l.key = a.key
    WHERE l.kind = 'cpe' AND l."table" = 'services' ORDER BY l.value"""
# The newest look at a port holds: what was mended since is told no more.
_SERVICES = f"""
    WITH w AS (SELECT ip, port, protocol, cpes, cves, version, ts, scanner, run_id,
        min(ts) OVER (PARTITION BY ip, port, protocol) AS f FROM services
      WHERE cpes IS NOT NULL OR cves IS NOT NULL
      QUALIFY rank() OVER (PARTITION BY ip, port, protocol ORDER BY ts DESC) = 1),
    p AS (SELECT ip, port, protocol, unnest(cpes) AS cpe, version, ts, f, scanner, run_id, NULL::VARCHAR[] AS cves
        FROM w WHERE cpes IS NOT NULL),
    k AS (SELECT ip, port, protocol, cpe, version, ts, f, scanner, run_id, cves FROM p
        WHERE regexp_extract(cpe, {vulns.PREFIX}) IN (SELECT unnest($products::VARCHAR[]))
      UNION ALL SELECT ip, port, protocol, cpes[1], version, ts, f, scanner, run_id, cves FROM w
        WHERE len(cves) > 0)
    SELECT *, count(*) OVER () AS qualified FROM k ORDER BY ip, port, protocol, cpe, ts, run_id LIMIT $most"""  # noqa: S608
_AFFECTED = f"""
    SELECT DISTINCT regexp_extract(cpe, {vulns.PREFIX}) AS prefix, id, origin, cpe, version_type, ecosystem,
      from_version, after_version, below_version, to_version, versions, status FROM affected
    WHERE cpe IS NOT NULL AND regexp_extract(cpe, {vulns.PREFIX}) IN (SELECT unnest($products::VARCHAR[]))
    ORDER BY ALL"""  # noqa: S608
