"""Values that stand in documents of two or more makers: what ties reports together. Junk never joins.

What joins is decided by rules about the value and the lake, never by a list of words:

- kind: only observables; ports, protocols, file types, sizes and free text are none. AS numbers, networks,
  techniques and software are shared by their nature.
- special ranges: addresses nobody routes (RFC 6890), names set aside for examples and tests (RFC 6761).
- warninglists of false positives: the value, a network that holds the address, a domain listed with all below it.
  Lists of known things that good and bad use (VPNs, clouds, hosting providers) halve the weight instead.
- nothing: the hash of no bytes.
- vocabulary: a name of malware or an actor that is a word of the sources' own schemas (a type of object or of
  file, a role, a service) says what kind of thing something is, not which.
- makers: a name that is a maker's own, and a domain whose label is: a report names who wrote it.
- rarity: addresses, domains and names that stand in a large share of all documents tie nothing together.

Two versions of one document are one; all documents of one maker are one voice. A document that does not name its
maker counts as the feed it came by (`--source`), else as a maker of its own, which weighs little and is told.
Documents that name hundreds of actors or families are dictionaries: a name in them is found, and weighs little.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from noroshi.analyse.cross.common import (
    KNOWN_WEIGHT,
    Observable,
    Warned,
    few,
    is_special,
    limit_rows,
    names,
    together,
    utc,
    warned,
)
from noroshi.analyse.darknet.probe import option
from noroshi.model.analyser import Option, Query, Scope
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.observable import implied

HASHES = ("md5", "sha1", "sha256", "sha512")
LABELS = ("malware", "actor")
JOINABLE = (
    "ip", "domain", "url", "email", "cve", *HASHES, "imphash", "ssdeep", "tlsh", "hassh", "ja3", "ja3s", "ja4",
    "ja4s", "certificate", "ssh-key", "wallet", *LABELS,
)  # fmt: skip
WEIGHT = {**dict.fromkeys(HASHES, 0.6), "url": 0.6, "domain": 0.5, "ip": 0.4, "malware": 0.4, "actor": 0.4,
          "imphash": 0.3, "ja3": 0.2, "ja3s": 0.2, "ja4": 0.2, "ja4s": 0.2, "hassh": 0.2, "cve": 0.3}  # fmt: skip
"""How much one maker's naming it means: a file is a file, an address is leased, a fingerprint is a library's."""
OTHER, UNNAMED, DICTIONARY = 0.5, 0.5, 0.25
"""Weight of other kinds; factors for a document without a maker, and for a name in a dictionary."""
RARE_KINDS = ("ip", "domain", *LABELS)
COMMON_SHARE, COMMON_LEAST = 0.05, 20
"""Share of all documents, and number of them, from which a value of RARE_KINDS is common."""
DICTIONARY_NAMES = 100
"""Names of malware and actors from which a document is a dictionary; reports name a few."""
MAX_FINDINGS, MAX_VALUES = 1_000, 200_000
TOLD = 10
_EMPTY = {(h, hashlib.new(h, b"", usedforsecurity=False).hexdigest()) for h in HASHES}
_RESERVED = re.compile(
    r"(?:.+\.)?(?:example(?:\.(?:com|net|org))?|test|invalid|localhost|local|arpa|internal)"
)
"""Names set aside: RFC 2606, 6761, 6762, and ICANN's `internal` (2024)."""
_WORDS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Voice:
    """What one maker's documents say of a value."""

    maker: str
    is_named: bool
    documents: tuple[str, ...]
    titles: tuple[str, ...]
    in_dictionary: bool
    """Only dictionaries of this maker hold it."""


@dataclass(frozen=True)
class Shared:
    """A value that two or more makers name."""

    kind: str
    value: str
    voices: tuple[Voice, ...]
    documents: int
    first_seen: datetime
    last_seen: datetime
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Reduced:
    """Values of two or more makers, and what tells junk."""

    values: tuple[Shared, ...]
    lists: Warned
    makers: frozenset[str] = frozenset()
    vocabulary: frozenset[str] = frozenset()
    documents: int = 0
    not_looked_at: int = 0
    notes: tuple[str, ...] = field(default=())


class SharedValue:
    """Values that documents of independent makers share."""

    name = "shared-value"
    version = 1
    kinds = ("shared-value",)
    needs_telescope = False
    tables = ()
    context = ("indicators", "objects", "files", "warnings")
    doc = (
        "Values that stand in documents of two or more makers. Junk never joins: kinds that are shared by nature, "
        "special ranges, warninglists of false positives, words of the sources' schemas, makers' own names and "
        "what stands in a large share of all documents are left out."
    )
    options = (
        Option(
            "common_share",
            COMMON_SHARE,
            "share of all documents from which addresses, domains and names are common",
        ),
        Option("max_findings", MAX_FINDINGS, "findings in all; the rest is counted"),
    )

    def reduce(self, query: Query, scope: Scope) -> Reduced:
        """Values with several statements by links, their documents, and the words of the schemas."""
        rows = query.sql(_SHARED, {"most": MAX_VALUES}).to_pylist()
        if not rows:
            return Reduced((), Warned({}, {}))
        values = tuple(map(_shared, rows))
        lists = warned(query, [(s.kind, s.value) for s in values])
        makers = {_plain(r["maker"]) for r in query.sql(_MAKERS).to_pylist()}
        vocabulary = {w for r in query.sql(_VOCABULARY).to_pylist() for w in _pieces(r["word"])}
        documents = int(query.sql(_DOCUMENTS).to_pylist()[0]["n"])
        beyond = int(rows[0]["qualified"]) - len(rows)
        return Reduced(values, lists, frozenset(makers - {""}), frozenset(vocabulary), documents, beyond)

    def judge(self, reduced: Reduced, scope: Scope) -> list[Finding]:
        """One finding per value, the surest first; how many were junk and why stands in each."""
        share = option(scope, "common_share", COMMON_SHARE)
        left: Counter[str] = Counter()
        told = []
        for s in reduced.values:
            why = junk(s.kind, s.value, reduced, s.documents, share)
            if why:
                left[why] += 1
            else:
                told.append((s, *_confidence(s, reduced.lists.weakens(s.kind, s.value))))
        told.sort(key=lambda t: (-t[1], -len(t[0].voices), t[0].kind, t[0].value))
        limit = int(option(scope, "max_findings", MAX_FINDINGS))
        more: dict[str, Any] = dict(limit_rows(len(told), limit))
        if left:
            more["left_out"] = dict(sorted(left.items()))
        if reduced.not_looked_at:
            more["not_looked_at"] = reduced.not_looked_at
        return [self._finding(s, c, reason, more) for s, c, reason in told[:limit]]

    def _finding(self, s: Shared, confidence: int, reason: str, more: dict[str, Any]) -> Finding:
        evidence = {
            "makers": [v.maker for v in s.voices][:TOLD],
            "makers_nunique": len(s.voices),
            "documents": s.documents,
            "document_ids": [d for v in s.voices for d in v.documents][:TOLD],
            "document_names": sorted({t for v in s.voices for t in v.titles})[:TOLD],
            "dictionaries": sum(v.in_dictionary for v in s.voices),
            "confidence_reason": reason,
        } | more
        made = [v.maker[:60] for v in s.voices[:3]]
        rest = len(s.voices) - len(made)
        en_rest, ja_rest = (f" and {rest} more", f"ほか{rest}者") if rest else ("", "")
        return Finding(
            "shared-value", Subject(s.kind, s.value), Rule(self.name, self.version), s.first_seen, s.last_seen,
            confidence,
            {
                "en": f"{s.value} stands in {s.documents:,} documents of {len(s.voices)} makers: "
                f"{', '.join(made)}{en_rest}.",
                "ja": f"{s.value}は{len(s.voices)}者の文書{s.documents:,}件に現れる（{'、'.join(made)}{ja_rest}）。",
            },
            evidence, recurs_daily=False, runs=s.runs,
        )  # fmt: skip


def junk(kind: str, value: str, reduced: Reduced, documents: int, share: float = COMMON_SHARE) -> str:
    """Why a value ties nothing together; empty when it does."""
    if kind not in JOINABLE:
        return "kind"
    if (kind, value) in _EMPTY:
        return "empty"
    hosts: list[Observable] = [(kind, value), *(implied(kind, value) if kind in ("url", "email") else ())]
    for k, v in hosts:
        if (k == "ip" and is_special(v)) or (k == "domain" and _RESERVED.fullmatch(v)):
            return "special-range"
        if k == "domain" and _plain(_registered(v)) in reduced.makers:
            return "maker"
    if reduced.lists.hit(kind, value):
        return "warninglist"
    if kind in LABELS:
        if _plain(value) in reduced.makers:
            return "maker"
        if value in reduced.vocabulary or not any(c.isalpha() for c in value):
            return "vocabulary"
    if kind in RARE_KINDS and documents > max(COMMON_LEAST, share * reduced.documents):
        return "common"
    return ""


def _confidence(s: Shared, on_list: str = "") -> tuple[int, str]:
    weight = WEIGHT.get(s.kind, OTHER) * (KNOWN_WEIGHT if on_list else 1.0)
    claims = [
        weight * (1.0 if v.is_named else UNNAMED) * (DICTIONARY if v.in_dictionary else 1.0) for v in s.voices
    ]
    why = f"{len(s.voices)} makers"
    if unnamed := sum(not v.is_named for v in s.voices):
        why += f", {unnamed} of them documents that do not name theirs"
    if told := sum(v.in_dictionary for v in s.voices):
        why += f", {told} of them in a dictionary only"
    if on_list:
        why += f", on the list of known addresses {on_list[:100]!r}"
    return together(claims), why


def _registered(name: str) -> str:
    """The label a holder chose: the last but one, or the one before a short second level (`co.jp`, `com.br`)."""
    labels = name.split(".")
    return labels[-3] if len(labels) > 2 and len(labels[-2]) <= 3 else labels[-2]


def _plain(name: str) -> str:
    return _WORDS.sub("", name.lower())


def _pieces(word: str) -> Collection[str]:
    """A word of a schema, and its parts: `misp-galaxy:rat` is about `rat`."""
    lowered = word.lower()
    return {lowered, lowered.replace("-", " "), *(p for p in re.split(r"[:|/]", lowered) if p)}


def _shared(r: dict[str, Any]) -> Shared:
    voices: Sequence[dict[str, Any]] = r["voices"]
    return Shared(
        r["kind"], r["value"],
        tuple(
            Voice(v["maker"], v["is_named"], tuple(v["documents"]), tuple(v["titles"] or ()), v["in_dictionary"])
            for v in sorted(voices, key=lambda v: (not v["is_named"], v["in_dictionary"], v["maker"]))
        ),
        int(r["documents"]), utc(r["f"]), utc(r["l"]), few(r["runs"]),
    )  # fmt: skip


_ASIDE = names(("reference", "registrant", "recipient"))
"""Roles that say where a document is from or about, not what it is about."""
_SAME = r"lower(trim(regexp_replace({}, '\s+', ' ', 'g')))"
_HASHES = " UNION ALL ".join(
    f"SELECT '{h}' AS kind, {h} AS value, document, origin, run_id, ts, NULL AS title FROM files WHERE {h} IS NOT NULL"  # noqa: S608
    for h in HASHES
)
_STATED = f"""
    s AS (SELECT kind, value, document, origin, run_id, ts, document_name AS title FROM indicators
        WHERE kind IN ({names(JOINABLE)}) AND role NOT IN ({_ASIDE})
      UNION ALL {_HASHES}
      UNION ALL SELECT 'malware', {_SAME.format("n")}, document, origin, run_id, ts, NULL
        FROM (SELECT unnest(families) AS n, document, origin, run_id, ts FROM files WHERE families IS NOT NULL)
      UNION ALL SELECT name_kind, {_SAME.format("n")}, document, origin, run_id, ts, NULL
        FROM (SELECT name_kind, unnest(names) AS n, document, origin, run_id, ts FROM objects
          WHERE name_kind IN ({names(LABELS)}) AND NOT revoked)
      UNION ALL SELECT split_part(n, ' ', 1), substr(n, strpos(n, ' ') + 1), document, origin, run_id, ts, NULL
        FROM (SELECT unnest(refs) AS n, document, origin, run_id, ts FROM objects
          WHERE refs IS NOT NULL AND NOT revoked)
        WHERE split_part(n, ' ', 1) IN ({names(JOINABLE)}))"""  # noqa: S608
# An author given by id is the one whose name that id has anywhere in the lake.
# What has one statement in all is no candidate: links say so at eight bytes a value.
_SHARED = f"""
    WITH c AS MATERIALIZED (SELECT kind, any_value(value) AS value, key FROM links
      WHERE "table" IN ('indicators', 'objects', 'files') AND kind IN ({names(JOINABLE)})
      GROUP BY key, kind HAVING sum(count) > 1),
    {_STATED},
    i AS (SELECT object_id, min(names[1]) AS name FROM objects WHERE type = 'identity' AND names[1] IS NOT NULL
      GROUP BY object_id),
    h AS MATERIALIZED (SELECT s.kind, s.value, s.document, s.ts, s.run_id, s.title,
        coalesce(i.name, nullif(s.origin, ''), CASE WHEN r.source <> r.path THEN r.source END) AS named
      FROM s SEMI JOIN c ON s.kind = c.kind AND s.value = c.value LEFT JOIN runs r ON s.run_id = r.run_id
        LEFT JOIN i ON s.origin = i.object_id),
    d AS MATERIALIZED (SELECT document FROM s WHERE kind IN ({names(LABELS)}) GROUP BY document
      HAVING count(DISTINCT value) >= {DICTIONARY_NAMES}),
    v AS (SELECT kind, value, coalesce(named, document) AS maker, bool_or(named IS NOT NULL) AS is_named,
        list_sort(list(DISTINCT document))[:5] AS documents, count(DISTINCT document) AS n,
        list_sort(list(DISTINCT title) FILTER (title IS NOT NULL))[:3] AS titles,
        kind IN ({names(LABELS)}) AND bool_and(document IN (FROM d)) AS in_dictionary,
        min(ts) AS f, max(ts) AS l, list(DISTINCT run_id) AS runs
      FROM h GROUP BY kind, value, maker),
    w AS (SELECT kind, value, sum(n)::BIGINT AS documents, count(*) AS makers, min(f) AS f, max(l) AS l,
        list({{'maker': maker, 'is_named': is_named, 'documents': documents, 'titles': titles,
          'in_dictionary': in_dictionary}} ORDER BY maker)[:200] AS voices,
        list_distinct(flatten(list(runs))) AS runs
      FROM v GROUP BY kind, value HAVING count(*) > 1)
    SELECT *, count(*) OVER () AS qualified FROM w ORDER BY makers DESC, kind, value LIMIT $most"""  # noqa: S608
_MAKERS = """
    SELECT DISTINCT maker FROM (SELECT origin AS maker FROM indicators UNION SELECT origin FROM objects
      UNION SELECT origin FROM files UNION SELECT source FROM runs WHERE source <> path) WHERE maker IS NOT NULL"""
_VOCABULARY = """
    SELECT DISTINCT word FROM (SELECT type AS word FROM objects UNION SELECT type FROM indicators
      UNION SELECT kind FROM indicators UNION SELECT role FROM indicators UNION SELECT type FROM files
      UNION SELECT service FROM services UNION SELECT relation FROM relations) WHERE word <> ''"""
_DOCUMENTS = """
    SELECT count(*) AS n FROM (SELECT document FROM indicators UNION SELECT document FROM objects
      UNION SELECT document FROM files)"""
