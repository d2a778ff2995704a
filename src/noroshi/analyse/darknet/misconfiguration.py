"""`misconfiguration`: one source that sends the same thing to one, two or three addresses, again and again.

A stale peer list, a wrong DNS record, a device that was told the wrong server: harmless to the telescope, but
hours of it look like a slow scan, and its owner would like to know. Which payloads are typical follows
Corsaro's
notes and the protocols' own formats (docs/fingerprints.md); others must show by their regularity that no
scanner that happens to pass by is meant.
"""

from __future__ import annotations

from typing import Any

from noroshi.analyse.darknet.dos_replies import utc
from noroshi.analyse.darknet.probe import option
from noroshi.analyse.darknet.wording import duration
from noroshi.model import address
from noroshi.model.analyser import Option, Query, Scope
from noroshi.model.finding import Finding, Rule, Subject

MAX_DST = 3
TYPICAL = (
    "bittorrent", "bittorrent-dht", "utp", "netbios-ns", "sip-status", "x31", "dns-reply", "ntp-reply",
    "mdns",
)  # fmt: skip
"""Payloads that are misdirected whenever they meet an address that nobody uses."""
REPLIES = ("dns-reply", "ntp-reply")
"""The same as answers to forged questions: one source of them, and MIN_MINUTES, tell the two apart."""
MIN_TYPICAL = 5
"""Packets of a typical payload: less is a stray."""
MIN_OTHER = 20
MIN_HOURS = 3
"""Hours of the day in which another payload must show: scanners come, look and go."""
MIN_MINUTES = 5
MAX_CV = 1.0
"""Standard deviation over mean of the gaps between active minutes: 1 is chance (Poisson), less is a timer."""
MIN_SIZE = 16
"""In a telescope of a few addresses every scanner meets three destinations only; just typical payloads
count."""
MAX_FINDINGS = 10_000
"""A /8 meets this many BitTorrent peers in minutes; the loudest are named, and how many there were is
evidence."""

# `few` keeps 64 bits per source instead of a set of addresses: destinations set one bit each, so at most
# MAX_DST bits can be set; what passes is then counted exactly. Replies to forged packets are not meant.
_SENDERS = """
WITH sent AS (
  SELECT src_ip, protocol, CASE WHEN payload IN ({roaming}) THEN 0 ELSE dst_port END AS port,
    coalesce(payload, '') AS payload, dst_ip, packet_count AS n, byte_count, ip_len,
    epoch_us(first_seen) AS f, epoch_us(last_seen) AS l
  FROM flows
  WHERE day = DATE '{day}' AND {dst} AND NOT {src}
    AND CASE protocol WHEN 6 THEN tcp_flags & 23 NOT IN (4, 18, 20) WHEN 1 THEN src_port IN (8, 13, 17)
      WHEN 58 THEN src_port = 128 ELSE true END
    AND CASE WHEN class IN ('backscatter', 'reflection', 'spoofed') THEN payload IN ({typical}) ELSE true END
),
few AS (
  SELECT src_ip, protocol, port, payload FROM sent GROUP BY ALL
  HAVING sum(n) >= CASE WHEN payload IN ({typical}) THEN {min_typical} ELSE {min_other} END
    AND bit_count(bit_or(1::UBIGINT << (hash(dst_ip) % 64)::UBIGINT)) <= {max_dst}
),
kept AS MATERIALIZED (SELECT s.* FROM sent s SEMI JOIN few USING (src_ip, protocol, port, payload)),
gaps AS (
  SELECT src_ip, protocol, port, payload, count(*) + 1 AS minutes, avg(gap) AS gap_s,
    coalesce(stddev_pop(gap) / nullif(avg(gap), 0), 0) AS cv
  FROM (
    SELECT *, (f - lag(f) OVER (PARTITION BY src_ip, protocol, port, payload ORDER BY minute)) / 1e6 AS gap
    FROM (SELECT src_ip, protocol, port, payload, f // 60_000_000 AS minute, min(f) AS f FROM kept GROUP BY
      ALL)
  ) WHERE gap IS NOT NULL GROUP BY ALL
),
whole AS (
  SELECT src_ip, protocol, port, payload, sum(n) AS packets, sum(byte_count) AS bytes, min(f) AS first_us,
    max(l) AS last_us, count(DISTINCT dst_ip) AS dst, count(DISTINCT f // 3_600_000_000) AS hours,
    count(DISTINCT ip_len) AS lengths
  FROM kept GROUP BY ALL HAVING count(DISTINCT dst_ip) <= {max_dst}
)
SELECT w.*, coalesce(g.minutes, 1) AS minutes, g.gap_s, coalesce(g.cv, 0) AS cv
FROM whole w LEFT JOIN gaps g USING (src_ip, protocol, port, payload)
ORDER BY src_ip, protocol, port, payload
"""


class Misconfiguration:
    """Sources that keep sending to a few telescope addresses by mistake, one finding per source and day.

    Options: `min_packets` and `min_hours` (payloads that are not typical), `max_findings`.
    """

    name = "misconfiguration"
    version = 1
    kinds: tuple[str, ...] = ("misconfiguration",)
    needs_telescope = True
    tables = ("flows",)
    context = ()
    doc = "Sources that keep sending the same to at most three addresses: misconfigured or misdirected."
    options = (
        Option(
            "min_packets", MIN_OTHER, "packets a day of a payload that is not typical of misconfiguration"
        ),
        Option("min_hours", MIN_HOURS, "hours of the day in which it shows"),
        Option("max_findings", MAX_FINDINGS, "findings a day and telescope; the loudest are named"),
    )

    def reduce(self, query: Query, scope: Scope) -> list[dict[str, Any]]:
        """One row per outside source, protocol, port and payload that met at most MAX_DST addresses."""
        if scope.telescope is None:
            return []
        typical = ", ".join(f"'{p}'" for p in TYPICAL)
        text = _SENDERS.format(
            day=scope.day, dst=scope.where("dst_ip"), src=scope.where("src_ip"), typical=typical,
            roaming=typical, min_typical=MIN_TYPICAL, max_dst=MAX_DST,
            min_other=int(option(scope, "min_packets", MIN_OTHER)),
        )  # fmt: skip
        return query.sql(text).to_pylist()

    def judge(self, reduced: list[dict[str, Any]], scope: Scope) -> list[Finding]:
        """One finding per source, from the loudest of its rows that is regular or typical."""
        by_source: dict[bytes, list[dict[str, Any]]] = {}
        for row in reduced:
            if is_misconfigured(row, scope):
                by_source.setdefault(row["src_ip"], []).append(row)
        ranked = sorted(by_source, key=lambda s: (-sum(int(r["packets"]) for r in by_source[s]), s))
        return [
            self._finding(s, by_source[s], len(ranked), scope)
            for s in sorted(ranked[: int(option(scope, "max_findings", MAX_FINDINGS))])
        ]

    def _finding(self, src: bytes, rows: list[dict[str, Any]], sources: int, scope: Scope) -> Finding:
        assert scope.telescope is not None
        rows = sorted(rows, key=lambda r: (-int(r["packets"]), r["protocol"], r["port"], r["payload"]))
        main = rows[0]
        first, last = min(int(r["first_us"]) for r in rows), max(int(r["last_us"]) for r in rows)
        is_typical = main["payload"] in TYPICAL
        evidence: dict[str, Any] = {
            "packets": sum(int(r["packets"]) for r in rows), "bytes": sum(int(r["bytes"]) for r in rows),
            "dst_ip_nunique": int(main["dst"]), "protocol": _protocol(main),
            "dst_port": int(main["port"]) or None, "payload": main["payload"], "typical_payload": is_typical,
            "minutes": int(main["minutes"]), "hours": int(main["hours"]), "lengths": int(main["lengths"]),
            "gap_s": None if main["gap_s"] is None else round(float(main["gap_s"]), 3),
            "gap_cv": round(float(main["cv"]), 3), "duration_s": round((last - first) / 1e6, 3),
            "services": [f"{_service(r)}={int(r['packets'])}" for r in rows[:10]],
            "sources_that_day": sources, "size": scope.size,
        }  # fmt: skip
        value = address.text(src)
        regular = float(main["cv"]) <= MAX_CV and int(main["minutes"]) >= MIN_MINUTES
        return Finding(
            kind="misconfiguration", subject=Subject("ip", value), rule=Rule(self.name, self.version),
            first_seen=utc(first), last_seen=utc(last), scope=scope.telescope.name,
            confidence=50 + 25 * is_typical + 15 * regular, summary=_summary(value, main, evidence),
            evidence=evidence,
        )  # fmt: skip


def is_misconfigured(row: dict[str, Any], scope: Scope) -> bool:
    """True for a typical payload seen often enough, and for anything else that goes on like a clock."""
    packets, minutes = int(row["packets"]), int(row["minutes"])
    if int(row["dst"]) > MAX_DST:
        return False
    if row["payload"] in TYPICAL:
        enough = minutes >= MIN_MINUTES if row["payload"] in REPLIES else True
        return packets >= MIN_TYPICAL and enough
    is_regular = (
        minutes >= MIN_MINUTES
        and int(row["hours"]) >= option(scope, "min_hours", MIN_HOURS)
        and float(row["cv"]) <= MAX_CV
    )
    return scope.size >= MIN_SIZE and packets >= option(scope, "min_packets", MIN_OTHER) and is_regular


def _protocol(row: dict[str, Any]) -> str:
    return {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}.get(int(row["protocol"]), str(row["protocol"]))


def _service(row: dict[str, Any]) -> str:
    port = f"/{int(row['port'])}" if row["port"] and int(row["protocol"]) in (6, 17) else ""
    return f"{_protocol(row)}{port}" + (f" {row['payload']}" if row["payload"] else "")


def _summary(value: str, main: dict[str, Any], e: dict[str, Any]) -> dict[str, str]:
    what, n = _service(main), e["packets"]
    gap = f", about every {duration(e['gap_s'], 'en')}" if e["gap_s"] and e["gap_cv"] <= MAX_CV else ""
    gap_ja = f"約{duration(e['gap_s'], 'ja')}間隔で" if gap else ""
    plural = "" if e["dst_ip_nunique"] == 1 else "es"
    return {
        "en": f"{value} keeps sending {what} to {e['dst_ip_nunique']} dark address{plural} "
        f"({n:,} packets in {duration(e['duration_s'], 'en')}{gap}): misconfigured or misdirected.",
        "ja": f"{value}が未使用の{e['dst_ip_nunique']}アドレスに{gap_ja}{what}を送信し続けている"
        f"（{duration(e['duration_s'], 'ja')}で{n:,}パケット）。設定不備または宛先誤りとみられる。",
    }
