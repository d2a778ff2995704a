"""Sources that broke into a decoy, and what the darknet saw of them before.

Told is a source that a decoy let in, and one that tried to log in and also stands in the darknet: two independent
sensors that agree. Addresses change hands, so darknet traffic counts within `window_days` of the visits. How many
of the decoys' sources the darknet never saw stands beside it, over days on which both were watching: without that
share nobody can tell what the darknet is worth as a warning.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from noroshi.analyse.cross.common import DECOYS, few, limit_rows, names, utc
from noroshi.analyse.darknet.probe import option
from noroshi.model.analyser import Option, Query, Scope
from noroshi.model.finding import Finding, Rule, Subject

WINDOW_DAYS = 30
"""Days between darknet traffic and a visit: longer than most infections and leases of an address last, shorter
than most addresses keep one meaning (indicators of addresses halve in value in about two weeks)."""
MAX_FINDINGS = 10_000
TOLD = 10
"""Commands, files and services a finding names."""
_LINE = 200
"""Characters of a command that are told."""


@dataclass(frozen=True)
class Visitor:
    """A source at decoys."""

    ip: str
    first_seen: datetime
    last_seen: datetime
    sessions: int
    logins: int
    successes: int
    commands: int
    transfers: int
    first_login: datetime | None
    packets: int
    """Darknet packets within the window."""
    first_dark: datetime | None
    last_dark: datetime | None
    runs: tuple[str, ...]
    decoys: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    login_first: datetime | None = None
    """The first attempt that was let in."""


@dataclass(frozen=True)
class Reduced:
    """Visitors to tell, and the shares they are told with."""

    visitors: tuple[Visitor, ...]
    qualified: int = 0
    sources: int = 0
    """All sources at decoys on days the darknet was watching."""
    unseen: int = 0
    """Of those, never in the darknet."""


class DecoyIntrusion:
    """Sources that logged in at a decoy, or tried to and stand in the darknet too."""

    name = "decoy-intrusion"
    version = 1
    kinds = ("decoy-intrusion",)
    needs_telescope = False
    tables = ()
    context = ("sessions", "logins", "commands", "transfers", "relays", "flows")
    doc = (
        "Sources that a decoy let in, and sources that tried to log in and also stand in the darknet; with the "
        "hours between the first darknet packet and the first login, what they did, and the share of the decoys' "
        "sources that the darknet never saw."
    )
    options = (
        Option(
            "window_days", WINDOW_DAYS, "days between darknet traffic and a visit that still belong together"
        ),
        Option("max_findings", MAX_FINDINGS, "findings in all; the rest is counted"),
    )

    def reduce(self, query: Query, scope: Scope) -> Reduced:
        """Sources by links first; the facts of those that are told."""
        limit = int(option(scope, "max_findings", MAX_FINDINGS))
        days = int(option(scope, "window_days", WINDOW_DAYS))
        rows = query.sql(_VISITORS, {"window": days, "limit": limit}).to_pylist()
        if not rows:
            return Reduced(())
        shares = query.sql(_SHARES, {"window": days}).to_pylist()[0]
        ips = {"ips": [r["packed"] for r in rows]}
        more = {r["src_ip"]: r for r in query.sql(_MORE, ips).to_pylist()}
        did = {r["src_ip"]: r for r in query.sql(_DID, ips).to_pylist()}
        brought = {r["src_ip"]: r for r in query.sql(_BROUGHT, ips).to_pylist()}
        visitors = tuple(
            _visitor(r, more.get(r["packed"], {}), did.get(r["packed"], {}), brought.get(r["packed"], {}))
            for r in rows
        )
        return Reduced(visitors, int(rows[0]["qualified"]), int(shares["sources"]), int(shares["unseen"]))

    def judge(self, reduced: Reduced, scope: Scope) -> list[Finding]:
        """One finding per source, those let in first."""
        return [self._finding(v, reduced) for v in reduced.visitors]

    def _finding(self, v: Visitor, reduced: Reduced) -> Finding:
        confidence, reason = _confidence(v)
        lead = _lead(v)
        evidence: dict[str, Any] = {
            "sessions": v.sessions, "logins": v.logins, "login_successes": v.successes,
            "commands": v.commands, "transfers": v.transfers,
            "decoys": list(v.decoys), "services": list(v.services),
            "first_commands": list(v.lines), "files": list(v.files),
            "darknet_packets": v.packets,
            "confidence_reason": reason,
        }  # fmt: skip
        if lead is not None:
            evidence["hours_darknet_before_login"] = lead
        if reduced.sources:
            evidence |= {
                "decoy_sources": reduced.sources,
                "decoy_sources_never_in_darknet": reduced.unseen,
                "share_never_in_darknet": round(reduced.unseen / reduced.sources, 4),
            }
        evidence |= limit_rows(reduced.qualified, len(reduced.visitors))
        return Finding(
            "decoy-intrusion", Subject("ip", v.ip), Rule(self.name, self.version), v.first_seen, v.last_seen,
            confidence, _summary(v, lead), evidence, recurs_daily=False, runs=v.runs,
        )  # fmt: skip


def _lead(v: Visitor) -> float | None:
    """Hours from the first darknet packet to the first login; negative when the decoy saw it first."""
    if v.first_dark is None:
        return None
    return round(((v.first_login or v.first_seen) - v.first_dark).total_seconds() / 3600, 2)


def _confidence(v: Visitor) -> tuple[int, str]:
    if v.successes and (v.commands or v.transfers):
        value, why = 95, "let in by a decoy, which nobody has business with, and went on there"
    elif v.successes:
        value, why = 90, "let in by a decoy, which nobody has business with"
    else:
        value, why = 80, "tried to log in at a decoy, and stands in the darknet too"
    if v.packets and v.successes:
        why += "; the darknet saw it too"
    return value, why


def _summary(v: Visitor, lead: float | None) -> dict[str, str]:
    did_en = f"commands: {v.commands:,}, files: {v.transfers:,}"
    if v.successes:
        en = f"{v.ip} logged in at a decoy (let in {v.successes:,} of {v.logins:,} times; {did_en})"
        ja = (f"{v.ip}がハニーポットへのログインに成功した（試行{v.logins:,}回中{v.successes:,}回成功、"
              f"コマンド{v.commands:,}件、ファイル{v.transfers:,}件）")  # fmt: skip
    else:
        en = f"{v.ip} tried to log in at decoys without success (attempts: {v.logins:,})"
        ja = f"{v.ip}がハニーポットへのログインを{v.logins:,}回試みた（成功なし）"
    if lead is None:
        return {"en": f"{en}.", "ja": f"{ja}。"}
    when_en = f"{abs(lead):,.1f} hours {'before' if lead >= 0 else 'after'} its first login"
    when_ja = f"最初のログイン試行の{abs(lead):,.1f}時間{'前' if lead >= 0 else '後'}"
    return {
        "en": f"{en}; the darknet first saw it {when_en} (packets: {v.packets:,}).",
        "ja": f"{ja}。ダークネットでの初観測は{when_ja}（{v.packets:,}パケット）。",
    }


def _visitor(
    r: dict[str, Any], more: dict[str, Any], did: dict[str, Any], brought: dict[str, Any]
) -> Visitor:
    return Visitor(
        r["value"], utc(r["f"]), utc(r["l"]), int(r["sessions"]), int(r["logins"]), int(r["successes"]),
        int(r["commands"]), int(r["transfers"]), utc(r["first_login"]) if r["first_login"] else None,
        int(r["packets"]), utc(r["first_dark"]) if r["first_dark"] else None,
        utc(r["last_dark"]) if r["last_dark"] else None, few(r["runs"]),
        tuple(more.get("decoys") or ()), tuple(more.get("services") or ()),
        tuple(did.get("lines") or ()), tuple(brought.get("files") or ()),
        utc(r["first_success"]) if r["first_success"] else None,
    )  # fmt: skip


_SEEN = f"""
    WITH d AS MATERIALIZED (SELECT key, value, min(first_seen) AS f, max(last_seen) AS l,
        min(day) AS d1, max(day) AS d2,
        coalesce(sum(count) FILTER ("table" = 'sessions'), 0)::BIGINT AS sessions,
        coalesce(sum(count) FILTER ("table" = 'logins'), 0)::BIGINT AS logins,
        coalesce(sum(count) FILTER ("table" = 'commands'), 0)::BIGINT AS commands,
        coalesce(sum(count) FILTER ("table" = 'transfers'), 0)::BIGINT AS transfers,
        min(first_seen) FILTER ("table" = 'logins') AS first_login
      FROM links WHERE kind = 'ip' AND role = 'src' AND "table" IN ({names(DECOYS)}) GROUP BY key, value),
    k AS MATERIALIZED (SELECT l.value, sum(l.count)::BIGINT AS packets, min(l.first_seen) AS first_dark,
        max(l.last_seen) AS last_dark
      FROM links l JOIN d ON l.key = d.key AND l.value = d.value
      WHERE l.kind = 'ip' AND l.role = 'src' AND l."table" = 'flows'
        AND l.day BETWEEN d.d1 - $window::INTEGER AND d.d2 + $window::INTEGER GROUP BY l.value)"""  # noqa: S608
# Some decoys log sessions with counts of logins, and no logins: the larger of both is told.
_VISITORS = f"""{_SEEN},
    s AS (SELECT src_ip, (count(*) FILTER (success))::BIGINT AS n, min(ts) FILTER (success) AS t FROM logins
      WHERE success GROUP BY src_ip),
    z AS (SELECT src_ip, (count(DISTINCT session_id) FILTER (login_success))::BIGINT AS n,
        min(first_seen) FILTER (login_success) AS t, sum(login_count)::BIGINT AS tried
      FROM sessions WHERE login_success OR login_count > 0 GROUP BY src_ip),
    v AS (SELECT d.*, ip(d.value) AS packed, coalesce(k.packets, 0) AS packets, k.first_dark, k.last_dark,
        greatest(coalesce(s.n, 0), coalesce(z.n, 0)) AS successes, coalesce(s.t, z.t) AS first_success,
        greatest(d.logins, coalesce(z.tried, 0)) AS tried
      FROM d LEFT JOIN k ON d.value = k.value
        LEFT JOIN s ON s.src_ip = ip(d.value) LEFT JOIN z ON z.src_ip = ip(d.value)),
    q AS MATERIALIZED (SELECT * EXCLUDE (logins), tried AS logins, count(*) OVER () AS qualified FROM v
      WHERE successes > 0 OR (tried > 0 AND packets > 0)
      QUALIFY row_number() OVER (ORDER BY successes > 0 DESC, transfers DESC, commands DESC, tried DESC, value)
        <= $limit),
    r AS (SELECT l.value, list(DISTINCT l.run_id) AS runs FROM links l SEMI JOIN q ON l.key = q.key
      WHERE l.kind = 'ip' AND l.role = 'src' AND l."table" IN ({names((*DECOYS, "flows"))}) GROUP BY l.value)
    SELECT q.*, r.runs FROM q JOIN r ON q.value = r.value
    ORDER BY successes > 0 DESC, transfers DESC, commands DESC, logins DESC, q.value"""  # noqa: S608
_SHARES = f"""{_SEEN},
    w AS (SELECT DISTINCT ts::DATE AS day FROM daily WHERE "table" = 'flows')
    SELECT count(*) AS sources, count(*) FILTER (k.value IS NULL) AS unseen
    FROM d LEFT JOIN k ON d.value = k.value
    WHERE EXISTS (SELECT 1 FROM w WHERE w.day BETWEEN d.d1 AND d.d2)"""  # noqa: S608
_IN = "src_ip IN (SELECT unnest($ips::BLOB[]))"
_MORE = f"""
    SELECT src_ip, list_sort(list(DISTINCT decoy) FILTER (decoy IS NOT NULL))[:{TOLD}] AS decoys,
      list_sort(list(DISTINCT service) FILTER (service IS NOT NULL))[:{TOLD}] AS services
    FROM (SELECT src_ip, decoy, service FROM sessions WHERE {_IN}
      UNION SELECT src_ip, decoy, service FROM logins WHERE {_IN}) GROUP BY src_ip"""  # noqa: S608
_DID = f"""
    SELECT src_ip, list(line ORDER BY t, line)[:{TOLD}] AS lines FROM
      (SELECT src_ip, trim(text, ' \n\r\t')[:{_LINE}] AS line, min(ts) AS t FROM commands WHERE {_IN} GROUP BY ALL)
    GROUP BY src_ip"""  # noqa: S608
_BROUGHT = f"""
    SELECT src_ip, list(f ORDER BY f)[:{TOLD}] AS files FROM
      (SELECT DISTINCT src_ip, coalesce(url, sha256, md5, filename)[:300] AS f FROM transfers WHERE {_IN})
    WHERE f IS NOT NULL GROUP BY src_ip"""  # noqa: S608
