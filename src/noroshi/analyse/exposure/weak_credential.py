"""Own devices into which somebody logged in with what anybody can guess: default, empty or listed passwords.

Only what tried a login and was let in counts, as `credentials.toml` tells it by: scripts of surveys that log in,
reports that test for it, reports and templates marked so. What decoys are asked for is no evidence of a device and
is not looked at. What was typed never stands in a finding: the account does, the password does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from noroshi.analyse.cross.common import Asset, few, limit_rows, own_networks, together, utc
from noroshi.analyse.darknet.probe import option
from noroshi.analyse.exposure.rules import Login, logins
from noroshi.model import address
from noroshi.model.analyser import Option, Query, Scope
from noroshi.model.finding import Finding, Rule, Subject

MAX_FINDINGS = 10_000
MAX_ROWS = 200_000
"""Texts looked at: 64 KiB each at most, of which TEXT are read; the rest is counted."""
MAX_AGE_DAYS = 90
HALF_DAYS = 60
"""A password stays longer than a port stays open; an address changes hands all the same."""
ACCOUNTS = 10
TOLD = 20
_PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp"}
_SCRIPT = re.compile(r"^([a-z0-9][a-z0-9-]{2,60}): ?", re.MULTILINE)


@dataclass(frozen=True)
class Text:
    """What a survey or a report says of one port of an own address."""

    ip: str
    port: int
    protocol: int
    maker: str
    """The survey or the feed."""
    service: str
    product: str
    tags: tuple[str, ...]
    text: str
    first_seen: datetime
    last_seen: datetime
    run: str


@dataclass(frozen=True)
class Proof:
    """A login that worked."""

    rule: Login
    at: Text
    accounts: tuple[str, ...]

    @property
    def where(self) -> str:
        """As `tcp/23`."""
        return f"{_PROTOCOLS.get(self.at.protocol, 'port')}/{self.at.port}" if self.at.port else ""


@dataclass(frozen=True)
class Reduced:
    """Texts that may show a login, and whose the addresses are."""

    texts: tuple[Text, ...]
    assets: dict[str, Asset]
    not_looked_at: int = 0


class WeakCredential:
    """Own devices with a password anybody can guess."""

    name = "weak-credential"
    version = 1
    kinds = ("weak-credential",)
    needs_telescope = False
    tables = ()
    context = ("services", "events", "assets")
    ages = True
    """What was judged on an older day is judged again: proofs grow old."""
    doc = (
        "Own and customers' devices into which a survey logged in with a default, listed or empty password, or that "
        "a report names for it. The account is told, the password never. That decoys are asked for a password, or "
        "that a device's model has a known default, is no evidence and raises nothing."
    )
    options = (
        Option("max_findings", MAX_FINDINGS, "findings in all; the rest is counted"),
        Option("max_age_days", MAX_AGE_DAYS, "days after which a login says nothing of today"),
        Option("half_days", HALF_DAYS, "days in which a proof loses half its weight"),
    )

    def reduce(self, query: Query, scope: Scope) -> Reduced:
        """The newest texts of own addresses that hold a mark of a login."""
        own = own_networks(query, scope)
        spans = own.spans()
        if not spans:
            return Reduced((), {})
        since = scope.end - timedelta(days=option(scope, "max_age_days", MAX_AGE_DAYS))
        rules = logins()[1]
        rows = query.sql(
            _TEXTS,
            {
                "low": [a for a, _ in spans], "high": [b for _, b in spans], "since": since, "most": MAX_ROWS,
                "tags": sorted({t for r in rules for t in r.tags}),
                "feeds": sorted({f"shadowserver:{t}" for r in rules for t in r.reports}),
            },
        ).to_pylist()  # fmt: skip
        texts = tuple(map(_text, rows))
        assets = {ip: a for ip in {t.ip for t in texts} if (a := own.of(ip))}
        return Reduced(texts, assets, int(rows[0]["qualified"]) - len(rows) if rows else 0)

    def judge(self, reduced: Reduced, scope: Scope) -> list[Finding]:
        """One finding per device, the surest first."""
        half = option(scope, "half_days", HALF_DAYS)
        hosts: dict[str, list[Proof]] = {}
        for text in reduced.texts:
            for proof in proofs(text):
                hosts.setdefault(text.ip, []).append(proof)
        told = sorted(
            ((_confidence(p, scope.end, half), ip, p) for ip, p in hosts.items()),
            key=lambda t: (-t[0], address.pack(t[1])),
        )
        limit = int(option(scope, "max_findings", MAX_FINDINGS))
        more = limit_rows(len(told), limit)
        if reduced.not_looked_at:
            more["not_looked_at"] = reduced.not_looked_at
        return [self._finding(ip, p, c, reduced.assets.get(ip), more) for c, ip, p in told[:limit]]

    def _finding(
        self, ip: str, found: list[Proof], confidence: int, asset: Asset | None, more: dict[str, int]
    ) -> Finding:
        found = sorted(found, key=lambda p: (-p.rule.claim, p.where, p.rule.name, p.at.maker))
        makers = sorted({p.at.maker for p in found})
        evidence: dict[str, Any] = {
            "logins": [_told(p) for p in found[:TOLD]],
            "login_count": len(found),
            "ports": sorted({p.where for p in found if p.where}),
            "sources": makers,
            "products": sorted({p.at.product for p in found if p.at.product})[:TOLD],
            "network": asset.prefix if asset else "",
            "owner": asset.owner if asset else "",
            "contact": asset.contact if asset else "",
            "own": True,
            "rules_of": logins()[0].isoformat(),
            "confidence_reason": f"{found[0].rule.label['en']} ({found[0].at.maker}); {len(makers)} independent "
            f"source{'s' if len(makers) > 1 else ''}, last on {max(p.at.last_seen for p in found):%Y-%m-%d}",
        } | more
        return Finding(
            "weak-credential", Subject("ip", ip), Rule(self.name, self.version),
            min(p.at.first_seen for p in found), max(p.at.last_seen for p in found), confidence,
            _summary(ip, found, asset), evidence, recurs_daily=False, runs=few(p.at.run for p in found),
        )  # fmt: skip


def proofs(text: Text) -> Iterator[Proof]:
    """The logins a text shows."""
    report = text.maker.removeprefix("shadowserver:") if text.maker.startswith("shadowserver:") else ""
    tags = {t.lower() for t in text.tags}
    for rule in logins()[1]:
        if rule.scripts:
            for script, said in _scripts(text.text):
                if any(script == s or (s[0] == "*" and script.endswith(s[1:])) for s in rule.scripts):
                    found = list(rule.says.finditer(said)) if rule.says else []
                    if found:
                        yield Proof(rule, text, _accounts(found))
        elif report in rule.reports or rule.tags & tags or _spoken(rule, text):
            yield Proof(rule, text, ())


def _spoken(rule: Login, text: Text) -> bool:
    """What the service itself says, without a script's word."""
    return text.service.lower() in rule.services and bool(rule.says and rule.says.search(text.text))


def _scripts(text: str) -> Iterator[tuple[str, str]]:
    """(script, what it printed): nmap's scripts stand in a banner one after another, each behind its name."""
    places = list(_SCRIPT.finditer(text))
    for place, following in zip(places, [*places[1:], None], strict=False):
        yield place[1], text[place.end() : following.start() if following else len(text)]


def _accounts(found: Iterable[re.Match[str]]) -> tuple[str, ...]:
    names = {m.groupdict().get("account") or "" for m in found}
    return tuple(sorted(names - {""}))[:ACCOUNTS]


def _confidence(found: list[Proof], now: datetime, half: float) -> int:
    """Of each source its best claim, halved with age; sources that do not know of each other add up."""
    claims: dict[str, float] = {}
    for p in found:
        age = max((now - p.at.last_seen).total_seconds(), 0.0) / 86_400
        maker = p.at.maker.partition(":")[0]
        claims[maker] = max(claims.get(maker, 0.0), p.rule.claim * 0.5 ** (age // half))
    return together(claims.values())


def _told(p: Proof) -> dict[str, Any]:
    """As evidence; no word of what was typed."""
    return {
        "port": p.where, "service": p.at.service, "how": p.rule.how, "rule": p.rule.name,
        "reason": p.rule.label["en"], "reason_ja": p.rule.label["ja"], "accounts": list(p.accounts),
        "source": p.at.maker, "last_seen": p.at.last_seen.isoformat(),
    }  # fmt: skip


def _summary(ip: str, found: list[Proof], asset: Asset | None) -> dict[str, str]:
    first = found[0]
    owner, owner_ja = (f" of {asset.owner}", f"{asset.owner}の") if asset and asset.owner else ("", "")
    where, where_ja = (f" ({first.where})", f"（{first.where}）") if first.where else ("", "")
    date = f"{max(p.at.last_seen for p in found):%Y-%m-%d}"
    return {
        "en": f"{ip}{owner}{where} can be logged in to by anybody: {first.rule.label['en']} "
        f"({first.at.maker}, last seen {date}).",
        "ja": f"{owner_ja}{ip}{where_ja}は誰でもログインできる状態にある: {first.rule.label['ja']}"
        f"（{first.at.maker}、最終確認: {date}）。",
    }


def _text(r: dict[str, Any]) -> Text:
    return Text(
        address.text(r["ip"]), int(r["port"] or 0), int(r["protocol"] or 0), r["maker"] or "unknown",
        r["service"] or "", (r["product"] or "")[:200], tuple(r["tags"] or ()), r["text"] or "", utc(r["f"]),
        utc(r["ts"]), r["run_id"],
    )  # fmt: skip


# The newest look of each survey at a port that says anything: a script that finds the password changed ends it.
_TEXTS = r"""
    WITH o AS (SELECT unnest($low::BLOB[]) AS low, unnest($high::BLOB[]) AS high),
    s AS (SELECT s.ip, s.port, s.protocol, s.scanner AS maker, s.service, s.product, s.tags, s.banner AS text,
        min(s.ts) OVER v AS f, s.ts, s.run_id, s.state
      FROM services s JOIN o ON s.ip BETWEEN o.low AND o.high WHERE s.ts >= $since
      WINDOW v AS (PARTITION BY s.ip, s.port, s.protocol, s.scanner)
      QUALIFY rank() OVER (PARTITION BY s.ip, s.port, s.protocol, s.scanner ORDER BY s.ts DESC) = 1),
    e AS (SELECT e.ip, e.port, e.protocol, e.feed AS maker, NULL AS service, NULL AS product,
        list_concat(coalesce(e.tags, []), [coalesce(e.type, ''), coalesce(e.taxonomy, '')]) AS tags,
        '' AS text, min(e.ts) OVER v AS f, e.ts, e.run_id, 'open' AS state
      FROM events e JOIN o ON e.ip BETWEEN o.low AND o.high WHERE e.ts >= $since
      WINDOW v AS (PARTITION BY e.ip, e.port, e.protocol, e.feed)
      QUALIFY rank() OVER (PARTITION BY e.ip, e.port, e.protocol, e.feed ORDER BY e.ts DESC) = 1),
    a AS (SELECT * FROM s UNION ALL SELECT * FROM e),
    k AS (SELECT * FROM a WHERE coalesce(state, 'open') NOT IN ('closed', 'filtered')
        AND (maker IN (SELECT unnest($feeds::VARCHAR[]))
          OR list_has_any(list_transform(coalesce(tags, []), lambda t: lower(t)), $tags::VARCHAR[])
          OR regexp_matches(text, 'Valid credentials|http-default-accounts|empty password|=> Login Success'
            || '|Anonymous FTP login allowed|X server access is granted|None \(1\)')
          OR text ILIKE '%authentication disabled%'))
    SELECT ip, port, protocol, maker, service, product, tags, text, f, ts, run_id, count(*) OVER () AS qualified
    FROM k ORDER BY ip, port, protocol, maker, ts, run_id, text LIMIT $most"""
