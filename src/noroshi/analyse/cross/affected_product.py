"""Products whose bill of materials holds a component with a vulnerability that is exploited, or soon may be.

Told are vulnerabilities known to be exploited (KEV), likely to be (EPSS of at least `min_epss`), or seen used by own
sensors (alerts that name them). A component is met by its package URL or CPE name without version; its version must
lie in a range the record names. Without a version, or a range, it is told for KEV only and said so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from noroshi.analyse.cross.common import few, limit_rows, utc
from noroshi.analyse.darknet.probe import option
from noroshi.model.analyser import Option, Query, Scope
from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.observable import canonical
from noroshi.wire import vulnerabilities as vulns
from noroshi.wire.vulnerabilities import EXACT, PRODUCT, Match, Vulnerability

MIN_EPSS = 0.1
"""Probability of exploitation within 30 days: some 4 % of all vulnerabilities have more, and they hold most of
those that are exploited (FIRST, EPSS user guide)."""
CONFIDENCE = {EXACT: 85, PRODUCT: 30}
MAX_FINDINGS = 10_000
MAX_ROWS = 500_000
TOLD = 20


@dataclass(frozen=True)
class Part:
    """A component of a version, and the products that hold it."""

    kind: str
    value: str
    bare: str
    version: str
    products: tuple[str, ...]
    documents: int
    first_seen: datetime
    last_seen: datetime
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Reduced:
    """Components on both sides, and what is known of them."""

    parts: tuple[Part, ...]
    affected: dict[str, tuple[vulns.Row, ...]]
    """Rows by name without version."""
    known: dict[str, Vulnerability]
    seen: dict[str, int]
    """Alerts of own sensors by CVE."""
    not_looked_at: int = 0


class AffectedProduct:
    """Components of products with vulnerabilities that are exploited."""

    name = "affected-product"
    version = 2
    kinds = ("affected-product",)
    needs_telescope = False
    tables = ()
    context = ("components", "affected", "vulnerabilities", "alerts")
    doc = (
        "Components (package URL or CPE) in bills of materials whose version a vulnerability affects that is known "
        "to be exploited, likely to be, or was seen used by own sensors; with the products that hold them and the "
        "version that mends it."
    )
    options = (
        Option(
            "min_epss", MIN_EPSS, "probability of exploitation from which a vulnerability counts without KEV"
        ),
        Option("max_findings", MAX_FINDINGS, "findings in all; the rest is counted"),
    )

    def reduce(self, query: Query, scope: Scope) -> Reduced:
        """Names on both sides by links, then components, ranges and vulnerabilities."""
        least = option(scope, "min_epss", MIN_EPSS)
        both = {(r["kind"], r["value"]) for r in query.sql(_BOTH).to_pylist()}
        if not both:
            return Reduced((), {}, {}, {})
        names = {"purls": sorted(v for k, v in both if k == "purl"), "cpes": sorted(_prefixes(both))}
        rows = vulns.by_cve(query, query.sql(_AFFECTED, names).to_pylist())
        known = vulns.known(query, {r["id"] for r in rows})
        seen = {
            r["cve"]: int(r["n"])
            for r in query.sql(_SEEN, {"ids": sorted(v.id for v in known.values())}).to_pylist()
        }
        urgent = {i for i, v in known.items() if v.kev or (v.epss or 0) >= least or v.id in seen}
        affected: dict[str, list[vulns.Row]] = {}
        for r in rows:
            if r["id"] in urgent:
                row = vulns.row_of(r)
                # Of a package the ecosystem decides the order, which is the type of its URL.
                scheme = r["name"][4:].partition("/")[0] if r["name"].startswith("pkg:") else row.scheme
                affected.setdefault(r["name"], []).append(replace(row, scheme=scheme))
        held = (
            query.sql(_COMPONENTS, {"names": sorted(affected), "most": MAX_ROWS}).to_pylist()
            if affected
            else []
        )
        beyond = int(held[0]["qualified"]) - len(held) if held else 0
        rated = {k: tuple(v) for k, v in affected.items()}
        return Reduced(tuple(_parts(held)), rated, {i: known[i] for i in urgent}, seen, beyond)

    def judge(self, reduced: Reduced, scope: Scope) -> list[Finding]:
        """One finding per component of a version, the worst first."""
        limit = int(option(scope, "max_findings", MAX_FINDINGS))
        ranked = []
        for part in reduced.parts:
            found = [
                (reduced.known[m.id], m) for m in vulns.matches(part.version, reduced.affected.get(part.bare, ()))
                if m.how == EXACT or reduced.known[m.id].kev
            ]  # fmt: skip
            if found:
                once = {v.id: (v, m) for v, m in sorted(found, key=lambda f: f[1].how != PRODUCT)}
                ranked.append((part, sorted(once.values(), key=lambda f: (f[1].how == PRODUCT, f[0].rank))))
        ranked.sort(key=lambda r: (r[1][0][1].how == PRODUCT, r[1][0][0].rank, r[0].value))
        more = limit_rows(len(ranked), limit)
        if reduced.not_looked_at:
            more["not_looked_at"] = reduced.not_looked_at
        return [self._finding(part, found, reduced, more) for part, found in ranked[:limit]]

    def _finding(
        self, part: Part, found: Sequence[tuple[Vulnerability, Match]], reduced: Reduced, more: dict[str, int]
    ) -> Finding:
        worst, match = found[0]
        reason = {
            EXACT: "the component's version lies in a range the record names",
            PRODUCT: "the component's name only: its version, or a range, is not given; look before you tell anybody",
        }[match.how]
        evidence: dict[str, Any] = {
            "vulnerabilities": [
                v.told(m) | ({"alerts": reduced.seen[v.id]} if v.id in reduced.seen else {})
                for v, m in found[:TOLD]
            ],
            "vulnerability_count": len(found),
            "kev_count": sum(v.kev for v, _ in found),
            "version": part.version,
            "products": list(part.products[:TOLD]),
            "products_nunique": len(part.products),
            "documents": part.documents,
            "confidence_reason": reason,
        } | more
        return Finding(
            "affected-product", Subject(part.kind, part.value), Rule(self.name, self.version), part.first_seen,
            part.last_seen, CONFIDENCE[match.how], _summary(part, worst, match, len(found)), evidence,
            recurs_daily=False, runs=part.runs,
        )  # fmt: skip


def _prefixes(both: Iterable[tuple[str, str]]) -> Iterator[str]:
    for kind, value in both:
        if kind == "cpe" and (product := vulns.product_of(value)):
            yield product[0]


def _parts(rows: Iterable[dict[str, Any]]) -> Iterator[Part]:
    for r in rows:
        version = (r["version"] or "").strip()
        value = r["value"]
        if r["kind"] == "cpe" and (product := vulns.product_of(value)):
            version = product[1] or version
        elif r["kind"] == "purl":
            version = _version_of(value) or version
        yield Part(
            r["kind"], value, r["bare"], version[:200], tuple(p for p in r["products"] or () if p), int(r["documents"]),
            utc(r["f"]), utc(r["l"]), few(r["runs"]),
        )  # fmt: skip


def _version_of(purl: str) -> str:
    from packageurl import PackageURL

    try:
        return str(PackageURL.from_string(canonical("purl", purl)).version or "")
    except (UsageError, ValueError):
        return ""


def _summary(part: Part, worst: Vulnerability, match: Match, count: int) -> dict[str, str]:
    names = [p[:80] for p in part.products[:2]]
    rest = len(part.products) - len(names)
    en_in = ", ".join(names) + (f" and {rest} more" if rest > 0 else "") if names else "a bill of materials"
    ja_in = "、".join(names) + (f"ほか{rest}件" if rest > 0 else "") if names else "部品表"
    since = f" since {worst.kev_date}" if worst.kev_date else ""
    en_why, ja_why = ("likely to be exploited", "悪用される可能性が高い")
    if worst.kev:
        en_why, ja_why = f"known to be exploited{since}", "悪用が確認された"
    en_more = f" (and {count - 1} more)" if count > 1 else ""
    ja_more = f"ほか{count - 1}件" if count > 1 else ""
    en_fixed, ja_fixed = (
        (f"; mended in {match.fixed}", f"。修正版: {match.fixed}") if match.fixed else ("", "")
    )
    if match.how == PRODUCT:
        return {
            "en": f"{en_in} holds {part.value}, for which {worst.id} is {en_why}{en_more}; whether its version is "
            f"affected is not known.",
            "ja": f"{ja_in}に含まれる{part.value}に、{ja_why}脆弱性{worst.id}{ja_more}がある。バージョンが影響を"
            "受けるかは不明。",
        }
    return {
        "en": f"{en_in} holds {part.value}, which is affected by {worst.id}{en_more}, {en_why}{en_fixed}.",
        "ja": f"{ja_in}に含まれる{part.value}は、{ja_why}脆弱性{worst.id}{ja_more}の影響を受ける{ja_fixed}。",
    }


_BARE = "regexp_replace(split_part(split_part(purl, '?', 1), '#', 1), '@[^@/]*$', '')"
"""SQL: a package URL without version, qualifiers and subpath."""
_BOTH = """
    WITH a AS MATERIALIZED (SELECT DISTINCT key FROM links WHERE kind IN ('cpe', 'purl') AND "table" = 'affected')
    SELECT DISTINCT l.kind, l.value FROM links l SEMI JOIN a ON l.key = a.key
    WHERE l.kind IN ('cpe', 'purl') AND l."table" = 'components' ORDER BY ALL"""
_ROW = """id, origin, cpe, version_type, ecosystem, from_version, after_version, below_version, to_version, versions,
      status"""
_AFFECTED = f"""
    SELECT DISTINCT purl AS name, {_ROW} FROM affected WHERE purl IN (SELECT unnest($purls::VARCHAR[]))
    UNION ALL SELECT DISTINCT regexp_extract(cpe, {vulns.PREFIX}) AS name, {_ROW} FROM affected
      WHERE cpe IS NOT NULL AND regexp_extract(cpe, {vulns.PREFIX}) IN (SELECT unnest($cpes::VARCHAR[]))
    ORDER BY ALL"""  # noqa: S608
# A component with package URL and CPE is one of each kind; a list of CPE names is looked through as well.
_COMPONENTS = f"""
    WITH c AS (SELECT 'purl' AS kind, purl AS value, {_BARE} AS bare, version, product, product_version, document, ts,
          run_id FROM components WHERE purl IS NOT NULL
      UNION ALL SELECT 'cpe', cpe, regexp_extract(cpe, {vulns.PREFIX}), version, product, product_version, document,
          ts, run_id
        FROM (SELECT unnest(list_distinct(list_append(coalesce(cpes, []), cpe))) AS cpe, * EXCLUDE (cpe, cpes)
          FROM components WHERE cpe IS NOT NULL OR cpes IS NOT NULL) WHERE cpe IS NOT NULL)
    SELECT kind, value, bare, version,
      list_sort(list(DISTINCT concat_ws(' ', coalesce(product, document), product_version))) AS products,
      count(DISTINCT document)::BIGINT AS documents, min(ts) AS f, max(ts) AS l, list(DISTINCT run_id) AS runs,
      count(*) OVER () AS qualified
    FROM c WHERE bare IN (SELECT unnest($names::VARCHAR[]))
    GROUP BY kind, value, bare, version ORDER BY kind, value, version LIMIT $most"""  # noqa: S608
_SEEN = """
    SELECT cve, count(*)::BIGINT AS n FROM (SELECT unnest(cves) AS cve FROM alerts WHERE cves IS NOT NULL)
    WHERE cve IN (SELECT unnest($ids::VARCHAR[])) GROUP BY cve ORDER BY cve"""
