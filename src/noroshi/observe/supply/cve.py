"""CVE records in JSON 5.x, as in cvelistV5 and CISA's vulnrichment: CNA and ADP containers.

What affected means is kept as stated: one row per range of versions, each with its status. `changes` split a range
where the status changes. `versions` names single versions; `n/a` and its like stay as they are, because a source
that names no version has not said that all are affected. Source: CVE record format 5.2 (CVE Program).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, Final

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.rows import TEXT, Rows
from noroshi.observe.supply import cvss
from noroshi.observe.supply.documents import (
    beginning,
    member,
    objects,
    records,
    sound,
    stamp,
    text,
    texts,
    when,
)

RANGES: Final = 5_000
"""Rows of `affected` one record may have; the longest of 44,130 records has 2,436."""
_UNBOUND: Final = frozenset({"0", "*", "-", "all", "unspecified", "n/a"})
"""What stands for `from the first version` at the beginning of a range."""
_METRICS: Final = ("cvssV4_0", "cvssV3_1", "cvssV3_0", "cvssV2_0")
_REGISTRIES: Final = {
    "pypi": "pypi", "npmjs": "npm", "crates": "cargo", "rubygems": "gem", "packagist": "composer",
    "nuget": "nuget", "go": "golang",
}  # fmt: skip
"""Type of purl by the name of a collection's host: the label before its top-level domain."""


class CveSensor:
    """CVE records, one or many."""

    name = "cve"
    version = 1
    doc = "CVE records in JSON 5.x: one a file, one a line, or an array of them."
    tables = ("vulnerabilities", "affected")
    grows = False

    def sniff(self, head: bytes) -> bool:
        """A record says so, or has its two containers."""
        found = beginning(head)
        if found.get("dataType") == "CVE_RECORD":
            return True
        inner = found.get("containers")
        return "cveMetadata" in found or (isinstance(inner, dict) and ("cna" in inner or "adp" in inner))

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `vulnerabilities` and `affected`. Reasons beside those of JSON: no-id, time, ranges."""
        rows = Rows()
        for item in records(reading):
            if isinstance(item, Reject):
                yield item
                continue
            reject = add(rows, reading, *item)
            if reject:
                yield reject
            yield from rows.ready()
        yield from rows.rest()


def add(rows: Rows, reading: Reading, offset: int, record: dict[str, Any]) -> Reject | None:
    """Adds the rows of a record; a reject when it is none, or when not all of it was taken."""
    meta = member(record.get("cveMetadata"))
    name = text(meta.get("cveId"), 40)
    if name is None or not name.upper().startswith("CVE-"):
        return Reject(offset, "no-id", "no cveMetadata.cveId", str(meta)[:64].encode("utf-8", "replace"))
    name = name.upper()
    updated, published = meta.get("dateUpdated"), meta.get("datePublished")
    rejected = text(meta.get("state")) == "REJECTED"
    ts = stamp(reading, updated, meta.get("dateRejected"), published, meta.get("dateReserved"))
    if ts is None:
        detail = f"{name} was updated {text(updated, 40)}, which cannot be of this source's date"
        return Reject(offset, "time", detail)
    containers = member(record.get("containers"))
    cna, adps = member(containers.get("cna")), objects(containers.get("adp"))
    withdrawn = next((t for k in ("dateRejected", "dateUpdated") if (t := sound(when(meta.get(k))))), ts)
    rows.add(
        "vulnerabilities", offset=offset, ts=ts, id=name, origin="cve",
        published=sound(when(published)), withdrawn_at=withdrawn if rejected else None,
        aliases=_aliases(cna), title=text(cna.get("title")),
        description=_words(cna.get("rejectedReasons") if rejected else cna.get("descriptions")),
        cwes=_cwes([cna, *adps]), **_score([cna, *adps]), **_enriched([cna, *adps]),
    )  # fmt: skip
    found = [("cve", r) for r in ranges(cna)] + [("adp", r) for adp in adps for r in ranges(adp)]
    for origin, row in found[:RANGES]:
        rows.add("affected", offset=offset, ts=ts, id=name, origin=origin, **row)
    if len(found) > RANGES:
        return Reject(offset, "ranges", f"{name} has {len(found):,} ranges, {RANGES:,} are kept")
    return None


def _words(value: Any) -> str | None:
    """The English description, else the first."""
    found = [(text(v.get("lang")) or "", t) for v in objects(value) if (t := text(v.get("value"), TEXT))]
    return next((t for lang, t in found if lang.lower().startswith("en")), found[0][1] if found else None)


def _aliases(cna: dict[str, Any]) -> list[str] | None:
    """The GitHub advisory it came from: the only source that gives one id per vulnerability."""
    given = member(cna.get("source")).get("advisory")
    found = [t for t in texts(given if isinstance(given, list) else [given]) if t.upper().startswith("GHSA-")]
    return found or None


def _cwes(containers: list[dict[str, Any]]) -> list[str] | None:
    found = [
        name
        for container in containers
        for problem in objects(container.get("problemTypes"))
        for one in objects(problem.get("descriptions"))
        if (name := text(one.get("cweId"), 20))
    ]
    return list(dict.fromkeys(found)) or None


def _score(containers: list[dict[str, Any]]) -> dict[str, Any]:
    """The newest CVSS version anyone gives, the CNA's first; the score as given, else computed."""
    metrics = [m for c in containers for m in objects(c.get("metrics"))]
    for version in _METRICS:
        for metric in metrics:
            given = member(metric.get(version))
            vector = text(given.get("vectorString"), 200)
            score = cvss.bounded(given.get("baseScore"))
            score = score if score is not None else cvss.score(vector)
            if score is not None:
                return {"cvss_score": score, "cvss_vector": vector}
    return {}


def _enriched(containers: list[dict[str, Any]]) -> dict[str, Any]:
    """SSVC and KEV, as CISA adds them."""
    out: dict[str, Any] = {}
    for container in containers:
        for metric in objects(container.get("metrics")):
            other = member(metric.get("other"))
            kind, content = text(other.get("type")), member(other.get("content"))
            if kind == "kev":
                out["kev"], out["kev_date"] = True, day(content.get("dateAdded"))
            elif kind == "ssvc":
                for option in objects(content.get("options")):
                    for key, value in option.items():
                        name = _SSVC.get(str(key).lower())
                        if name:
                            out[name] = (text(value, 40) or "").lower() or None
    return out


_SSVC: Final = {
    "exploitation": "ssvc_exploitation",
    "automatable": "ssvc_automatable",
    "technical impact": "ssvc_impact",
}


def day(value: Any) -> date | None:
    """The UTC day of a date or time as written; None when there is none between 1990 and 2200."""
    found = when(value)
    if found is None or not 631_152_000_000_000 <= found < 7_258_118_400_000_000:
        return None
    return datetime.fromtimestamp(found // 1_000_000, UTC).date()


def ranges(container: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of `affected` of a container, without id, time and origin."""
    for product in objects(container.get("affected")):
        known = {
            "vendor": text(product.get("vendor")), "product": text(product.get("product")),
            "purl": text(product.get("packageURL")) or _purl(product),
        }  # fmt: skip
        if known["product"] is None:
            known["product"] = text(product.get("packageName"))
        cpes: list[str | None] = [*dict.fromkeys(texts(product.get("cpes")))] or [None]
        spans = list(_spans(product))
        for cpe in cpes:
            for span in spans:
                yield {**known, "cpe": cpe, **span}
    for applicable in objects(container.get("cpeApplicability")):
        for node in objects(applicable.get("nodes")):
            if not node.get("negate"):
                yield from (_match(m) for m in objects(node.get("cpeMatch")) if m.get("vulnerable") is True)


def _purl(product: dict[str, Any]) -> str | None:
    url, name = text(product.get("collectionURL")) or "", text(product.get("packageName"))
    labels = url.partition("//")[2].partition("/")[0].lower().split(".")
    kind = _REGISTRIES.get(labels[-2]) if len(labels) > 1 else None
    return f"pkg:{kind}/{name}" if kind and name else None


def _spans(product: dict[str, Any]) -> Iterator[dict[str, Any]]:
    default = text(product.get("defaultStatus"), 20)
    single: dict[tuple[str, str | None], list[str]] = {}
    spans = []
    for entry in objects(product.get("versions")):
        status = text(entry.get("status"), 20) or "unknown"
        kind, version = text(entry.get("versionType"), 40), text(entry.get("version"))
        below, to = text(entry.get("lessThan")), text(entry.get("lessThanOrEqual"))
        changes = [(at, text(c.get("status"), 20) or "unknown") for c in objects(entry.get("changes"))
                   if (at := text(c.get("at")))]  # fmt: skip
        if below is None and to is None and not changes:
            if version is not None:
                single.setdefault((status, kind), []).append(version)
            continue
        start = None if version is None or version.lower() in _UNBOUND else version
        for at, after in changes:
            if at == below:  # says again what the end of the range says
                continue
            spans.append({"status": status, "version_type": kind, "from_version": start, "below_version": at})
            start, status = at, after
        spans.append(
            {"status": status, "version_type": kind, "from_version": start,
             "below_version": None if below == "*" else below, "to_version": None if to == "*" else to}
        )  # fmt: skip
    yield from spans
    for (status, kind), versions in single.items():
        if len(versions) == 1 and versions[0] == "*":
            yield {"status": status, "version_type": kind}
        else:
            yield {"status": status, "version_type": kind, "versions": versions}
    if default == "affected" or not (spans or single):
        yield {"status": default or "unknown"}


def _match(given: dict[str, Any]) -> dict[str, Any]:
    criteria = text(given.get("criteria")) or ""
    parts = criteria.replace("\\:", "\0").split(":")
    bounds = {
        "from_version": text(given.get("versionStartIncluding")),
        "after_version": text(given.get("versionStartExcluding")),
        "below_version": text(given.get("versionEndExcluding")),
        "to_version": text(given.get("versionEndIncluding")),
    }
    version = parts[5].replace("\0", ":").replace("\\", "") if len(parts) > 5 else "*"
    named = [version] if version not in ("*", "-", "") and not any(bounds.values()) else None
    return {
        "vendor": _part(parts, 3), "product": _part(parts, 4), "cpe": criteria or None, "status": "affected",
        "versions": named, "version_type": "cpe", **bounds,
    }  # fmt: skip


def _part(parts: list[str], number: int) -> str | None:
    return parts[number].replace("\0", ":").replace("\\", "") or None if len(parts) > number else None
