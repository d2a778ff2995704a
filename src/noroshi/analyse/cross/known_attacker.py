"""What intelligence names and own sensors saw: known attackers, and own hosts that talk to listed servers.

A statement counts when its maker means it for detection or says what the value does (c2, download, ...); a value
on a warninglist, in a listed network or below a listed domain never counts. Confidence is that of independent
makers, 1 - prod(1 - c), and it fades with the days between statement and sighting: an address that was named in
2018 says little of who holds it in 2025. JA3 fingerprints are shared by all programs of one library, so they weigh
little.

An own host (own networks, assets, private addresses, which only an inner sensor can see as a source) that contacts
a listed server is told as infected, with the server in the evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from noroshi.analyse.cross.common import (
    DECOYS,
    KNOWN_WEIGHT,
    MAKER,
    Asset,
    Observable,
    Own,
    Said,
    days_between,
    few,
    is_special,
    limit_rows,
    names,
    own_networks,
    together,
    utc,
    warned,
)
from noroshi.analyse.darknet.probe import option
from noroshi.model import address
from noroshi.model.analyser import Option, Query, Scope
from noroshi.model.finding import Finding, Rule, Subject

SIGHTED = (
    "flows", "connections", "dns", "http", "tls", "certificates", "ssh", "alerts", "network_files", *DECOYS,
    "events",
)  # fmt: skip
"""Tables of sensors; `events` are others' sensors, about what was seen."""
KINDS = ("ip", "domain", "url", "md5", "sha1", "sha256", "sha512", "ja3", "ja3s", "ja4", "ja4s", "hassh",
         "certificate", "ssh-key")  # fmt: skip
HALF_LIFE = {"ip": 14.0, "domain": 60.0, "url": 60.0}
"""Days after which a statement is worth half: addresses are leased anew soonest; hashes and keys never change."""
WEIGHT = {"ja3": 0.3, "ja3s": 0.3, "ja4": 0.3, "ja4s": 0.3, "hassh": 0.3}
"""Of fingerprints of programs, which good and bad share; 1 for the others."""
SAYS, MEANT = 0.5, 0.6
"""How often a maker who gives no confidence is right; when it means the value for detection."""
ACTS = ("c2", "download", "src", "sends", "hosts", "malware", "payload", "dst")
"""Roles in which a value acts for an attacker."""
SERVES = ("c2", "download", "hosts", "dst")
"""Roles in which something is contacted by those who are infected; and anything meant for detection."""
SUFFERS = ("victim", "recipient", "reference", "registrant", "target")
"""Roles that speak for a value: never told."""
MIN_CONFIDENCE = 20
MAX_FINDINGS = 10_000
MAX_VALUES = 200_000
"""Values that stand on both sides and are looked at: 100 MB of statements; the rest is counted."""
TOLD = 10


@dataclass(frozen=True)
class Sight:
    """Where own sensors saw a value."""

    first_seen: datetime
    last_seen: datetime
    tables: dict[str, int]
    """Observations by table and role."""
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Known:
    """A value that is both listed and seen."""

    kind: str
    value: str
    seen: Sight
    said: tuple[Said, ...]
    on_list: str = ""
    """The warninglist of known things (VPNs, clouds, hosting providers) that holds it."""


@dataclass(frozen=True)
class Contact:
    """An own host and a listed value it contacted."""

    ip: str
    asset: Asset | None
    known: Known
    table: str
    count: int
    first_seen: datetime
    last_seen: datetime
    byte_count: int
    ports: tuple[int, ...]
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Reduced:
    """What stands on both sides."""

    known: tuple[Known, ...]
    contacts: tuple[Contact, ...]
    own: Own
    on_warninglists: int = 0
    not_looked_at: int = 0


class KnownAttacker:
    """Values of intelligence that own sensors saw."""

    name = "known-attacker"
    version = 1
    kinds = ("known-attacker", "infected-host")
    needs_telescope = False
    tables = ()
    context = ("indicators", "warnings", "assets", *SIGHTED)
    doc = (
        "Addresses, names, URLs, hashes and fingerprints that intelligence names and own sensors saw, never those "
        "on a warninglist of false positives; own hosts that contacted a listed server are told as infected. "
        "Confidence comes from independent makers and fades with the time between statement and sighting."
    )
    options = (
        Option("min_confidence", MIN_CONFIDENCE, "confidence in percent from which a finding is told"),
        Option("max_findings", MAX_FINDINGS, "findings in all; the rest is counted"),
    )

    def reduce(self, query: Query, scope: Scope) -> Reduced:
        """Values on both sides by links, then the statements about them, warninglists, and own hosts' contacts."""
        own = own_networks(query, scope)
        seen = query.sql(_BOTH, {"most": MAX_VALUES}).to_pylist()
        if not seen:
            return Reduced((), (), own)
        said = _statements(query, seen)
        seen = [r for r in seen if (r["kind"], r["value"]) in said]
        lists = warned(query, [(r["kind"], r["value"]) for r in seen])
        known, listed = [], 0
        for row in seen:
            value = row["kind"], row["value"]
            if lists.hit(*value):
                listed += 1
            elif not (value[0] == "ip" and is_special(value[1])):
                known.append(replace(_known(row, said[value]), on_list=lists.weakens(*value)))
        servers = [k for k in known if k.kind in ("ip", "domain", "url", "ja3", "certificate") and _serves(k)]
        contacts = tuple(_contacts(query, own, servers)) if servers else ()
        beyond = int(seen[0]["qualified"]) - MAX_VALUES if seen else 0
        return Reduced(tuple(known), contacts, own, listed, max(0, beyond))

    def judge(self, reduced: Reduced, scope: Scope) -> list[Finding]:
        """Infected hosts first, then known attackers; the surest first."""
        least = option(scope, "min_confidence", MIN_CONFIDENCE)
        limit = int(option(scope, "max_findings", MAX_FINDINGS))
        out = [f for f in self._infected(reduced) if f.confidence >= least]
        for k in reduced.known:
            if k.kind == "ip" and reduced.own.of(k.value):
                continue  # what others say of our own host: told by own-device
            finding = self._attacker(k)
            if finding is not None and finding.confidence >= least:
                out.append(finding)
        out.sort(
            key=lambda f: (
                f.kind != "infected-host",
                -f.confidence,
                -f.evidence["seen_count"],
                f.subject.value,
            )
        )
        more = limit_rows(len(out), limit) | {
            k: n
            for k, n in (
                ("on_warninglists", reduced.on_warninglists),
                ("not_looked_at", reduced.not_looked_at),
            )
            if n
        }
        for finding in out[:limit]:
            finding.evidence.update(more)
        return out[:limit]

    def _attacker(self, k: Known) -> Finding | None:
        told = [s for s in k.said if _counts(s, ACTS)]
        if not told:
            return None
        confidence, reason = _confidence(k, told, (k.seen.first_seen, k.seen.last_seen))
        return Finding(
            "known-attacker", Subject(k.kind, k.value), Rule(self.name, self.version), k.seen.first_seen,
            k.seen.last_seen, confidence, _summary(k, told), _evidence(k, told) | {"confidence_reason": reason},
            recurs_daily=False, runs=k.seen.runs,
        )  # fmt: skip

    def _infected(self, reduced: Reduced) -> list[Finding]:
        by_host: dict[str, list[Contact]] = {}
        for contact in reduced.contacts:
            by_host.setdefault(contact.ip, []).append(contact)
        return [self._host(ip, contacts) for ip, contacts in by_host.items()]

    def _host(self, ip: str, contacts: Sequence[Contact]) -> Finding:
        rated = []
        for c in contacts:
            told = [s for s in c.known.said if _counts(s, SERVES)]
            value, reason = _confidence(c.known, told, (c.first_seen, c.last_seen))
            rated.append((value, reason, c, told))
        rated.sort(key=lambda r: (-r[0], -r[2].count, r[2].known.value))
        value, reason, best, told = rated[0]
        distinct = {r[2].known.value: r for r in reversed(rated)}
        asset = best.asset
        evidence: dict[str, Any] = {
            "class": "contacts-listed-server",
            "own": True,
            "network": asset.prefix if asset else "private",
            "owner": asset.owner if asset else "",
            "contact": asset.contact if asset else "",
            "seen_count": sum(c.count for c in contacts),
            "servers": [_server(*r) for r in list(reversed(distinct.values()))[:TOLD]],
            "servers_nunique": len(distinct),
            "confidence_reason": reason,
        }
        first, last = min(c.first_seen for c in contacts), max(c.last_seen for c in contacts)
        return Finding(
            "infected-host", Subject("ip", ip), Rule(self.name, self.version), first, last, value,
            _summary_host(ip, best, told, len(distinct)), evidence, recurs_daily=False,
            runs=few(r for c in contacts for r in c.runs),
        )  # fmt: skip


def _counts(s: Said, roles: Sequence[str]) -> bool:
    """A statement that is held against the value."""
    if any(r in SUFFERS for r in s.roles) and not any(r in ACTS for r in s.roles):
        return False
    return s.to_ids or any(r in roles for r in s.roles)


def _serves(k: Known) -> bool:
    return any(_counts(s, SERVES) for s in k.said)


def _confidence(k: Known, told: Sequence[Said], seen: tuple[datetime, datetime]) -> tuple[int, str]:
    claims, ages, kind = [], [], k.kind
    weight = WEIGHT.get(kind, 1.0) * (KNOWN_WEIGHT if k.on_list else 1.0)
    for s in told:
        base = s.confidence / 100 if s.confidence is not None else MEANT if s.to_ids else SAYS
        age = days_between((s.first, s.last), seen)
        ages.append(age)
        claims.append(base * weight * 0.5 ** (age / HALF_LIFE[kind] if kind in HALF_LIFE else 0.0))
    makers = f"{len(told)} independent maker{'s' if len(told) > 1 else ''}"
    gap = f"; stated {min(ages):,.0f} days from the sighting" if min(ages) >= 1 else ""
    shared = "; a fingerprint that programs of one library share" if kind in WEIGHT else ""
    unnamed = "; a document that does not name its maker" if not all(s.is_named for s in told) else ""
    listed = f"; on the list of known addresses {k.on_list[:100]!r}" if k.on_list else ""
    return together(claims), f"{makers}{gap}{shared}{unnamed}{listed}"


def _evidence(k: Known, told: Sequence[Said]) -> dict[str, Any]:
    return {
        "seen": dict(sorted(k.seen.tables.items())),
        "seen_count": sum(k.seen.tables.values()),
        "makers": [s.maker for s in told][:TOLD],
        "makers_nunique": len(told),
        "documents": sum(s.documents for s in told),
        "document_names": sorted({n for s in told for n in s.names})[:TOLD],
        "roles": sorted({r for s in told for r in s.roles}),
        **({"warninglist": k.on_list} if k.on_list else {}),
        "stated_first": min(s.first for s in told).date().isoformat(),
        "stated_last": max(s.last for s in told).date().isoformat(),
    }


def _server(value: int, reason: str, c: Contact, told: Sequence[Said]) -> dict[str, Any]:
    return {
        "kind": c.known.kind, "value": c.known.value, "table": c.table, "count": c.count, "bytes": c.byte_count,
        "ports": list(c.ports), "confidence": value, "makers": [s.maker for s in told][:TOLD],
        "roles": sorted({r for s in told for r in s.roles}),
    }  # fmt: skip


def _by(told: Sequence[Said], lang: str) -> str:
    makers = [s.maker for s in told if s.is_named][:2]
    if not makers:
        return "intelligence" if lang == "en" else "脅威情報"
    return ", ".join(makers) if lang == "en" else "、".join(makers)


def _summary(k: Known, told: Sequence[Said]) -> dict[str, str]:
    where = sorted({t.partition(" ")[0] for t in k.seen.tables})
    count = sum(k.seen.tables.values())
    roles = sorted({r for s in told for r in s.roles if r in ACTS})
    en_role, ja_role = (f" as {', '.join(roles)}", f"（{'、'.join(roles)}）") if roles else ("", "")
    return {
        "en": f"{k.value} is named by {_by(told, 'en')}{en_role}, and own sensors saw it {count:,} times "
        f"({', '.join(where)}).",
        "ja": f"{k.value}は{_by(told, 'ja')}に記載され{ja_role}、自組織の観測にも{count:,}回現れた"
        f"（{'、'.join(where)}）。",
    }


def _summary_host(ip: str, best: Contact, told: Sequence[Said], servers: int) -> dict[str, str]:
    more_en = f" and {servers - 1} more listed" if servers > 1 else ""
    more_ja = f"ほか{servers - 1}件" if servers > 1 else ""
    return {
        "en": f"Own host {ip} contacted {best.known.value}{more_en}, which {_by(told, 'en')} lists "
        f"({best.count:,} times, {best.table}); probably infected.",
        "ja": f"自組織のホスト{ip}が、{_by(told, 'ja')}に記載のある{best.known.value}{more_ja}と通信した"
        f"（{best.table}に{best.count:,}回）。感染の疑いがある。",
    }


def _statements(query: Query, seen: Sequence[dict[str, Any]]) -> dict[Observable, tuple[Said, ...]]:
    """What each maker says of each value; implied values (the host in a listed URL) have no statement."""
    rows = query.sql(_SAID, {"values": sorted({r["value"] for r in seen})}).to_pylist()
    out: dict[Observable, list[Said]] = {}
    for r in rows:
        out.setdefault((r["kind"], r["value"]), []).append(
            Said(
                r["maker"], int(r["documents"]), tuple(r["roles"]), r["confidence"], utc(r["f"]), utc(r["l"]),
                tuple(r["names"] or ()), bool(r["to_ids"]), bool(r["is_named"]),
            )
        )  # fmt: skip
    return {k: tuple(v) for k, v in out.items()}


def _known(row: dict[str, Any], said: tuple[Said, ...]) -> Known:
    tables = {f"{t['table']} {t['role']}": int(t["n"]) for t in row["places"]}
    return Known(
        row["kind"], row["value"], Sight(utc(row["f"]), utc(row["l"]), tables, few(row["runs"])), said
    )


def _contacts(query: Query, own: Own, servers: Sequence[Known]) -> list[Contact]:
    by = {(k.kind, k.value): k for k in servers}
    values: dict[str, list[Any]] = {kind: [] for kind in ("ip", "domain", "url", "ja3", "certificate")}
    for kind, value in by:
        values[kind].append(address.pack(value) if kind == "ip" else value)
    spans = [*own.spans(), *(address.prefix_range(p) for p in _PRIVATE)]
    inside = " OR ".join(f"src_ip BETWEEN unhex('{a.hex()}') AND unhex('{b.hex()}')" for a, b in spans)
    out = []
    for table, column, kind in _TALKS:
        if not values[kind]:
            continue
        type_ = "BLOB" if kind == "ip" else "VARCHAR"
        text = _CONTACTS.format(
            table=table, column=column, type=type_, inside=inside,
            ts="first_seen" if table == "connections" else "ts",
            bytes="coalesce(src_byte_count, 0) + coalesce(dst_byte_count, 0)" if table == "connections" else "0",
        )  # fmt: skip
        for r in query.sql(text, {"values": values[kind]}).to_pylist():
            ip = address.text(r["src_ip"])
            value = address.text(r["v"]) if kind == "ip" else r["v"]
            out.append(
                Contact(
                    ip, own.holder(r["src_ip"]), by[kind, value], table, int(r["n"]), utc(r["f"]), utc(r["l"]),
                    int(r["b"]), tuple(map(int, r["ports"])), few(r["runs"]),
                )
            )  # fmt: skip
    return out


_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""Sources that can only be inner hosts (RFC 1918, RFC 4193)."""
_TALKS = (
    ("connections", "dst_ip", "ip"), ("http", "dst_ip", "ip"), ("tls", "dst_ip", "ip"),
    ("dns", "query", "domain"), ("http", "host", "domain"), ("tls", "server_name", "domain"),
    ("http", "url", "url"), ("tls", "ja3", "ja3"), ("tls", "certificate", "certificate"),
)  # fmt: skip
_CONTACTS = """
    SELECT src_ip, {column} AS v, count(*)::BIGINT AS n, min({ts}) AS f, max({ts}) AS l, sum({bytes})::BIGINT AS b,
      list_sort(list(DISTINCT dst_port))[:10] AS ports, list(DISTINCT run_id) AS runs
    FROM {table} WHERE {column} IN (SELECT unnest($values::{type}[])) AND ({inside})
    GROUP BY src_ip, {column} ORDER BY src_ip, v"""
# Keys first: they are eight bytes; kind and value are compared only where keys meet.
_BOTH = f"""
    WITH i AS MATERIALIZED (SELECT DISTINCT key FROM links
      WHERE "table" = 'indicators' AND kind IN ({names(KINDS)})),
    o AS MATERIALIZED (SELECT l.key, l.kind, l.value, l."table", l.role, sum(l.count)::BIGINT AS n,
        min(l.first_seen) AS f, max(l.last_seen) AS l, list(DISTINCT l.run_id) AS runs
      FROM links l SEMI JOIN i ON l.key = i.key
      WHERE l."table" IN ({names(SIGHTED)}) AND l.kind IN ({names(KINDS)}) GROUP BY ALL)
    SELECT kind, value, list({{'table': "table", 'role': role, 'n': n}} ORDER BY "table", role) AS places,
      min(f) AS f, max(l) AS l, list_distinct(flatten(list(runs))) AS runs, count(*) OVER () AS qualified
    FROM o GROUP BY kind, value ORDER BY sum(n) DESC, kind, value LIMIT $most"""  # noqa: S608
_SAID = f"""
    SELECT kind, value, {MAKER} AS maker, any_value(coalesce(origin, '') <> '') AS is_named,
      count(DISTINCT document)::BIGINT AS documents, list_sort(list(DISTINCT role)) AS roles,
      max(confidence) AS confidence, bool_or(coalesce(to_ids, false)) AS to_ids,
      min(coalesce(first_seen, ts)) AS f, max(greatest(coalesce(last_seen, ts), ts)) AS l,
      list_sort(list(DISTINCT document_name) FILTER (document_name IS NOT NULL))[:3] AS names
    FROM indicators WHERE value IN (SELECT unnest($values::VARCHAR[])) AND kind IN ({names(KINDS)})
    GROUP BY ALL ORDER BY kind, value, maker"""  # noqa: S608
