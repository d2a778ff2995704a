"""Advisories in the OSV format (1.x), from osv.dev, GitHub, Go, Bitnami and whoever else writes it.

`aliases` are the same vulnerability; `related` and `upstream` are not, and are left out. Events become one row per
range of versions. Source: Open Source Vulnerability format (OpenSSF), versions 1.0 to 1.7.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cmp_to_key, lru_cache
from typing import Any, Final

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.rows import TEXT, Rows
from noroshi.observe.supply import cvss
from noroshi.observe.supply.documents import (
    NAME,
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
from noroshi.wire.versions import compare

RANGES: Final = 5_000
"""Rows of `affected` one advisory may have."""
_ID: Final = re.compile(r"[A-Z][A-Za-z0-9]{1,15}-[A-Za-z0-9][A-Za-z0-9.:_-]{1,120}")
_BESIDE: Final = ("modified", "published", "affected", "aliases", "summary", "details", "withdrawn")
_NOT: Final = ("type", "bomFormat", "spdxVersion", "SPDXID", "Event")
_TYPES: Final = {
    "PyPI": "pypi", "npm": "npm", "Go": "golang", "crates.io": "cargo", "RubyGems": "gem", "Maven": "maven",
    "NuGet": "nuget", "Packagist": "composer", "Hex": "hex", "Pub": "pub", "Hackage": "hackage", "CRAN": "cran",
    "Debian": "deb/debian", "Ubuntu": "deb/ubuntu", "Alpine": "apk/alpine", "Wolfi": "apk/wolfi",
    "Chainguard": "apk/chainguard", "Alpaquita": "apk/alpaquita", "SwiftURL": "swift", "ConanCenter": "conan",
    "Bitnami": "bitnami", "Rocky Linux": "rpm/rocky-linux", "AlmaLinux": "rpm/almalinux", "Red Hat": "rpm/redhat",
    "openSUSE": "rpm/opensuse", "SUSE": "rpm/suse", "openEuler": "rpm/openeuler", "Mageia": "rpm/mageia",
    "Azure Linux": "rpm/azure-linux", "Julia": "julia", "Bioconductor": "bioconductor", "OSS-Fuzz": "generic",
}  # fmt: skip
"""Type of purl, with its namespace where the ecosystem has one, by ecosystem."""


def _names_package(affected: Any) -> bool:
    """True for an element of `affected` as the schema has it; nothing may be left of one that the head cuts."""
    return isinstance(affected, dict) and (not affected or bool({"package", "ranges"} & set(affected)))


class OsvSensor:
    """Advisories, one or many."""

    name = "osv"
    version = 1
    doc = "Advisories in OSV JSON: one a file, one a line, or an array of them."
    tables = ("vulnerabilities", "affected")
    grows = False

    def sniff(self, head: bytes) -> bool:
        """An id of an advisory beside members only OSV has."""
        found = beginning(head)
        name = found.get("id")
        if not isinstance(name, str) or not _ID.fullmatch(name) or any(k in found for k in _NOT):
            return False
        affected = found.get("affected")
        if isinstance(affected, list) and affected and not _names_package(affected[0]):
            return False
        return "schema_version" in found or any(k in found for k in _BESIDE)

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
    """Adds the rows of an advisory; a reject when it is none, or when not all of it was taken."""
    name = text(record.get("id"), 150)
    if name is None:
        return Reject(offset, "no-id", "no id", str(record)[:64].encode("utf-8", "replace"))
    modified, published, withdrawn = (record.get(k) for k in ("modified", "published", "withdrawn"))
    ts = stamp(reading, modified, published)
    if ts is None:
        detail = f"{name} was modified {text(modified, 40)}, which cannot be of this source's date"
        return Reject(offset, "time", detail)
    packages = objects(record.get("affected"))
    own = member(record.get("database_specific"))
    rows.add(
        "vulnerabilities", offset=offset, ts=ts, id=name, origin="osv",
        aliases=[a for a in dict.fromkeys(texts(record.get("aliases"), 150)) if a != name] or None,
        published=sound(when(published)), withdrawn_at=sound(when(withdrawn)),
        title=text(record.get("summary")), description=text(record.get("details"), TEXT),
        cwes=_cwes(own) or None, **_score([record, *packages]),
    )  # fmt: skip
    cpes = texts(own.get("cpes"))
    found = [row for package in packages for row in ranges(package)]
    for row in found[:RANGES]:
        cpe = cpes[0] if len(cpes) == 1 and len(packages) == 1 else None
        rows.add("affected", offset=offset, ts=ts, id=name, origin="osv", status="affected", cpe=cpe, **row)
    if len(found) > RANGES:
        return Reject(offset, "ranges", f"{name} has {len(found):,} ranges, {RANGES:,} are kept")
    return None


def _cwes(own: dict[str, Any]) -> list[str]:
    """GitHub's `cwe_ids`, and `cwes` as texts or objects."""
    given = texts(own.get("cwe_ids"), 20) + texts(own.get("cwes"), 20)
    given += [t for o in objects(own.get("cwes")) if (t := text(o.get("cweId"), 20))]
    return list(dict.fromkeys(c for c in given if c.upper().startswith("CWE-")))


def _score(given: list[dict[str, Any]]) -> dict[str, Any]:
    """The vector of the newest CVSS version; the advisory's own before its packages'."""
    vectors = [v for one in given for s in objects(one.get("severity")) if (v := text(s.get("score"), 200))]
    vectors = [v for v in vectors if cvss.version(v)]
    if not vectors:
        return {}
    newest = max(vectors, key=cvss.version)
    scored = max((v for v in vectors if cvss.score(v) is not None), key=cvss.version, default=None)
    # A vector of 4.0 has no formula: one that can be scored says more.
    chosen = newest if cvss.score(newest) is not None else scored or newest
    return {"cvss_vector": chosen, "cvss_score": cvss.score(chosen)}


def ranges(affected: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of `affected` of a package, without id, time and origin."""
    package = member(affected.get("package"))
    ecosystem, name = text(package.get("ecosystem"), 100), text(package.get("name"))
    known = {
        "product": name,
        "ecosystem": ecosystem,
        "purl": bare(text(package.get("purl")), ecosystem, name),
    }
    named = texts(affected.get("versions"), 200)
    spans = [s for one in objects(affected.get("ranges")) for s in _spans(one, ecosystem or "")]
    if not spans:
        spans = [{"version_type": (ecosystem or "").partition(":")[0] or None}]
    if named:  # they hold beside the ranges: once is enough
        spans[0]["versions"] = named
    for span in spans:
        repo = span.pop("repo", None)
        yield {**known, "product": name or repo, **span}


def _spans(given: dict[str, Any], ecosystem: str) -> list[dict[str, Any]]:
    kind = (text(given.get("type"), 20) or "").upper()
    order = {"SEMVER": "semver", "GIT": "git"}.get(kind) or ecosystem.partition(":")[0] or None
    out: list[dict[str, Any]] = []
    start: str | None = None
    opened = False
    repo = text(given.get("repo"))
    for what, version in _events(given, order or ""):
        if what == "introduced":
            if not opened:
                start, opened = (None if version == "0" else version), True
        elif opened and not (what == "limit" and version == "*"):
            column = "to_version" if what == "last_affected" else "below_version"
            out.append({"version_type": order, "from_version": start, column: version, "repo": repo})
            opened = False
    if opened:
        out.append({"version_type": order, "from_version": start, "repo": repo})
    return out


def _events(given: dict[str, Any], order: str) -> list[tuple[str, str]]:
    """The events of a range; put in the order of versions when they are not and all can be compared."""
    events = [
        (what, version)
        for event in objects(given.get("events"))
        for what in ("introduced", "fixed", "last_affected", "limit")
        if (version := text(event.get(what), NAME))
    ]
    in_turn = all((what == "introduced") == (i % 2 == 0) for i, (what, _) in enumerate(events))
    if in_turn or order == "git":
        return events
    rank = {"introduced": 0, "fixed": 1, "limit": 1, "last_affected": 2}

    def compared(a: tuple[str, str], b: tuple[str, str]) -> int:
        return _between(a, b, order) or rank[a[0]] - rank[b[0]]

    return sorted(events, key=cmp_to_key(compared))


def _between(a: tuple[str, str], b: tuple[str, str], order: str) -> int:
    if "0" in (a[1], b[1]):
        return (a[1] != "0") - (b[1] != "0")
    return compare(a[1], b[1], order) or 0


@lru_cache(maxsize=50_000)
def bare(given: str | None, ecosystem: str | None, name: str | None) -> str | None:
    """The purl of a package without version; derived from ecosystem and name when none is given.

    None when there is none to give: an unknown ecosystem, or a name no purl can hold.
    """
    if given:
        return given.partition("#")[0].partition("?")[0].rpartition("@")[0] if _versioned(given) else given
    kind, _, space = (_TYPES.get((ecosystem or "").partition(":")[0]) or "").partition("/")
    if not kind or not name:
        return None
    from packageurl import PackageURL

    namespace: str | None = space or None
    if kind == "maven":
        namespace, _, name = name.rpartition(":")
    elif kind in ("npm", "golang", "composer", "swift") and "/" in name:
        namespace, _, name = name.rpartition("/")
    elif kind == "pypi":
        name = re.sub(r"[-_.]+", "-", name).lower()
    try:
        return str(PackageURL(kind, namespace or None, name).to_string())
    except ValueError:
        return None


def _versioned(purl: str) -> bool:
    head, at, _ = purl.partition("#")[0].partition("?")[0].rpartition("@")
    return bool(at) and "/" in head
