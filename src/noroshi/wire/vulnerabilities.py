"""Which vulnerabilities hold for a product of a version, and how bad they are.

The one place that judges it: analysers ask it of the whole lake, `pivot` of one service or component.

A row of `affected` is judged by its range of versions (`wire.versions`). Only a range that the version lies in, or
a version named outright, makes it `exact`; a row that names the product alone, or a version that cannot be put in
order, makes it `product-only`, which says that somebody should look and no more.

A vulnerability has many names (GHSA, PYSEC, JVNDB, ...). What a source says under one of them counts for the CVE it
stands for, and once. An advisory of several CVEs affects what it affects by each of them, but its score is nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from noroshi.model.analyser import Query
from noroshi.wire.versions import affects, compare

EXACT, PRODUCT, NAMED = "exact-version", "product-only", "named-by-survey"
_PRODUCT = re.compile(
    r"cpe:2\.3:[aoh*-]:((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*)"
)
PREFIX = r"'^cpe:2\.3:[aoh*-]:(?:\\.|[^:\\])*:(?:\\.|[^:\\])*'"
"""SQL: a pattern for a CPE name's part, vendor and product."""


@dataclass(frozen=True)
class Row:
    """One row of `affected`."""

    id: str
    origin: str
    status: str
    scheme: str
    from_version: str | None
    after_version: str | None
    below_version: str | None
    to_version: str | None
    versions: tuple[str, ...] = ()

    @property
    def is_bound(self) -> bool:
        """It names versions at all."""
        return bool(
            self.versions or self.from_version or self.after_version or self.below_version or self.to_version
        )

    def holds(self, version: str) -> bool | None:
        """True, False, or None when that cannot be told."""
        if not self.is_bound or self._is_coarse(version):
            return None
        return affects(
            version, self.from_version, self.below_version, self.to_version, self.versions,
            after_version=self.after_version, scheme=self.scheme,
        )  # fmt: skip

    def _is_coarse(self, version: str) -> bool:
        """A major version only (`4`), while a bound lies inside it (`4.0.2`): surveys shorten what they guess."""
        bounds = (self.from_version, self.after_version, self.below_version, self.to_version)
        return version.isdigit() and any(b and b.startswith(f"{version}.") for b in bounds)


@dataclass(frozen=True)
class Match:
    """A vulnerability that holds for a product."""

    id: str
    how: str
    """EXACT, PRODUCT or NAMED."""
    fixed: str = ""
    """First version no longer affected, as far as a row says."""


@dataclass(frozen=True)
class Vulnerability:
    """What sources say of one, put together."""

    id: str
    kev: bool = False
    kev_date: date | None = None
    ransomware: bool = False
    epss: float | None = None
    cvss: float | None = None
    published: datetime | None = None
    title: str = ""
    names: tuple[str, ...] = ()
    """Its other ids."""

    @property
    def rank(self) -> tuple[bool, float, float, str]:
        """Known to be exploited before likely to be before severe; sorted ascending, the worst first."""
        return not self.kev, -(self.epss or 0.0), -(self.cvss or 0.0), self.id

    def told(self, match: Match) -> dict[str, Any]:
        """As evidence."""
        out: dict[str, Any] = {
            "id": self.id, "match": match.how, "kev": self.kev,
            "kev_date": self.kev_date.isoformat() if self.kev_date else None,
            "epss": self.epss, "cvss": self.cvss, "fixed_version": match.fixed or None,
        }  # fmt: skip
        return {k: v for k, v in out.items() if v is not None}


def product_of(cpe: str) -> tuple[str, str, str] | None:
    """(part:vendor:product prefix, version with update, product in words) of a canonical CPE name.

    None when vendor or product is any: such a name stands for nothing in particular. The version is empty when it
    is any.
    """
    found = _PRODUCT.match(cpe)
    if found is None or found[1] in ("*", "-") or found[2] in ("*", "-"):
        return None
    version = "" if found[3] in ("*", "-") else found[3].replace("\\", "")
    if version and found[4] not in ("*", "-"):
        version += found[4].replace("\\", "")
    vendor, product = (found[i].replace("\\", "").replace("_", " ") for i in (1, 2))
    words = product if vendor in product.split() else f"{vendor} {product}"
    return cpe[: found.end(2)], version, words


def matches(version: str, rows: Sequence[Row]) -> list[Match]:
    """Vulnerabilities that hold for a version, one Match each; those whose rows say it is not affected are left out.

    A row that says `unaffected` for this very version is believed against others of the same vulnerability.
    """
    by_id: dict[str, list[Row]] = {}
    for row in rows:
        by_id.setdefault(row.id, []).append(row)
    out = []
    for id_, mine in by_id.items():
        if version and any(r.status == "unaffected" and r.holds(version) for r in mine):
            continue
        told = [(r, r.holds(version) if version else None) for r in mine if r.status == "affected"]
        if any(held for _, held in told):
            fixed = _fixed(version, [r for r, held in told if held])
            out.append(Match(id_, EXACT, fixed))
        elif any(held is None for _, held in told) and not any(held is False for _, held in told):
            out.append(Match(id_, PRODUCT, _fixed("", [r for r, held in told if held is None])))
    return out


def _fixed(version: str, rows: Iterable[Row]) -> str:
    """The lowest bound above the version; without a version the highest bound there is."""
    bounds = [r.below_version for r in rows if r.below_version]
    if not bounds:
        return ""
    best = bounds[0]
    for bound in bounds[1:]:
        order = compare(bound, best)
        if order is not None and (order < 0 if version else order > 0):
            best = bound
    return best


def row_of(r: dict[str, Any]) -> Row:
    """A row of `affected` as SQL gives it. A CPE that carries a version and no range names that version."""
    versions = tuple(r["versions"] or ())
    bounds = (r["from_version"], r["after_version"], r["below_version"], r["to_version"])
    if not versions and not any(bounds) and r.get("cpe"):
        product = product_of(r["cpe"])
        versions = (product[1],) if product and product[1] else ()
    return Row(
        r["id"], r["origin"], r["status"], r["version_type"] or r.get("ecosystem") or "", *bounds, versions
    )


def by_cve(query: Query, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `affected` under the CVEs their ids stand for; those of ids without one as they are."""
    stands = stands_for(query, {r["id"] for r in rows})
    return renamed(rows, stands)


def renamed(rows: Iterable[dict[str, Any]], stands: Mapping[str, tuple[str, ...]]) -> list[dict[str, Any]]:
    """The same for names that are known; a row of an advisory of two CVEs becomes two."""
    return [{**r, "id": cve} for r in rows for cve in stands.get(r["id"], (r["id"],))]


def stands_for(query: Query, ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The CVEs that other ids stand for, whichever side says so; ids without one are left out."""
    others = sorted(i for i in ids if not i.startswith("CVE-"))
    if not others:
        return {}
    return {r["name"]: tuple(r["cves"]) for r in query.sql(_STANDS_FOR, {"ids": others}).to_pylist()}


def known(query: Query, ids: Collection[str]) -> dict[str, Vulnerability]:
    """What all sources say of vulnerabilities under any of their names, by the id asked for."""
    if not ids:
        return {}
    stands = stands_for(query, ids)
    told = {i: stands[i][0] if len(stands.get(i, ())) == 1 else i for i in ids}
    named = {
        r["name"]: tuple(r["cves"])
        for r in query.sql(_ALSO_NAMED, {"ids": sorted(set(told.values()))}).to_pylist()
    }
    names: dict[str, list[str]] = {}
    for name, cves in named.items():
        for cve in cves:
            names.setdefault(cve, []).append(name)
    wanted = {*told, *told.values(), *(n for n, cves in named.items() if len(cves) == 1)}
    said = _said(query, wanted)
    # Of what no CVE stands for, the names its own rows give.
    rest = {
        a
        for i in told.values()
        if not i.startswith("CVE-")
        for r in said.get(i, ())
        for a in r["aliases"] or ()
    }
    said |= _said(query, rest - wanted)
    return {i: _known(i, cve, said, names.get(cve, ()), named) for i, cve in told.items()}


def _known(
    asked: str, told: str, said: Mapping[str, list[dict[str, Any]]], names: Sequence[str],
    named: Mapping[str, tuple[str, ...]],
) -> Vulnerability:  # fmt: skip
    also = {asked, *names}
    if not told.startswith("CVE-"):
        also |= {a for r in said.get(told, ()) for a in r["aliases"] or () if not a.startswith("CVE-")}
    else:
        also |= {a for r in said.get(told, ()) for a in r["aliases"] or ()}
    alone = [n for n in sorted(also - {told}) if len(named.get(n, ())) < 2]
    rows = [*said.get(told, ()), *(r for n in alone for r in said.get(n, ()))]
    return _merged(told, rows, sorted(also - {told}))


def _said(query: Query, ids: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    out: dict[str, list[dict[str, Any]]] = {}
    for r in query.sql(_KNOWN, {"ids": sorted(ids)}).to_pylist() if ids else ():
        out.setdefault(r["id"], []).append(r)
    return out


def version_of(cpe: str, words: str) -> str:
    """That of the CPE name; else, for an application, what the survey words: a system's is never the service's."""
    product = product_of(cpe) if cpe else None
    if product and product[1]:
        return product[1]
    return words.split()[0] if words.split() and cpe.startswith("cpe:2.3:a:") else ""


def judged(cpe: str, words: str, rows: Sequence[Row]) -> list[Match]:
    """What holds for a product as a survey names it: its CPE name, and the version in the survey's words."""
    return matches(version_of(cpe, words), rows) if product_of(cpe) else []


def is_told(match: Match, kev: bool) -> bool:
    """A product alone is told only when the vulnerability is known to be exploited."""
    return match.how != PRODUCT or kev


def utc(ts: datetime) -> datetime:
    """The same moment, named UTC."""
    return ts.astimezone(UTC)


def _merged(told: str, rows: Sequence[dict[str, Any]], names: Sequence[str]) -> Vulnerability:
    published = [utc(r["published"]) for r in rows if r["published"]]
    newest = sorted(rows, key=lambda r: r["ts"], reverse=True)
    return Vulnerability(
        told,
        any(r["kev"] for r in rows),
        min((r["kev_date"] for r in rows if r["kev_date"]), default=None),
        any(r["ransomware"] for r in rows),
        next((r["epss"] for r in newest if r["epss"] is not None), None),
        max((r["cvss_score"] for r in rows if r["cvss_score"] is not None), default=None),
        min(published, default=None),
        next((r["title"] for r in newest if r["title"]), ""),
        tuple(names),
    )


NAMED_CVES = """
    SELECT id AS name, unnest(aliases) AS cve FROM vulnerabilities
      WHERE aliases IS NOT NULL AND withdrawn_at IS NULL AND id NOT LIKE 'CVE-%'
    UNION SELECT unnest(aliases) AS name, id AS cve FROM vulnerabilities
      WHERE aliases IS NOT NULL AND withdrawn_at IS NULL AND id LIKE 'CVE-%'"""
"""SQL: other names beside CVEs, whichever of the two names the other."""
_STANDS_FOR = f"""
    SELECT name, list_sort(list(DISTINCT cve)) AS cves FROM ({NAMED_CVES})
    WHERE cve LIKE 'CVE-%' AND name IN (SELECT unnest($ids::VARCHAR[])) GROUP BY name ORDER BY name"""  # noqa: S608
_ALSO_NAMED = f"""
    WITH m AS MATERIALIZED (SELECT * FROM ({NAMED_CVES}) WHERE cve LIKE 'CVE-%' AND name NOT LIKE 'CVE-%'),
    w AS (SELECT DISTINCT name FROM m WHERE cve IN (SELECT unnest($ids::VARCHAR[])))
    SELECT name, list_sort(list(DISTINCT cve)) AS cves FROM m SEMI JOIN w USING (name)
    GROUP BY name ORDER BY name"""  # noqa: S608
_KNOWN = """
    SELECT id, ts, aliases, kev, kev_date, ransomware, epss, cvss_score, published, title[:200] AS title
    FROM vulnerabilities WHERE id IN (SELECT unnest($ids::VARCHAR[])) AND withdrawn_at IS NULL
    ORDER BY id, ts, origin"""
