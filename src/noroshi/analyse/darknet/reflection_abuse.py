"""`reflection-abuse`: many servers answering one address that did not ask: a reflection attack on it.

The attacker forges the address as a source towards TCP servers or UDP amplifiers; all answers meet there.
In a
telescope the address is one of its own (the subject), spared by nobody because it is dark. Backscatter is the
mirror image, few sources to many addresses, and a sweep of amplifier ports by a scanner is neither: those
packets go *to* port 53 or 123, these come *from* it.
"""

from __future__ import annotations

from typing import Any

from noroshi.analyse.darknet import stats
from noroshi.analyse.darknet.dos_replies import utc
from noroshi.analyse.darknet.probe import option
from noroshi.analyse.darknet.wording import duration, quantity
from noroshi.model import address
from noroshi.model.analyser import Option, Query, Scope
from noroshi.model.finding import Finding, Rule, Subject

AMPLIFIERS = {
    17: "qotd", 19: "chargen", 53: "dns", 69: "tftp", 111: "portmap", 123: "ntp", 137: "netbios", 161: "snmp",
    177: "xdmcp", 389: "cldap", 427: "slp", 520: "rip", 623: "ipmi", 1434: "mssql", 1900: "ssdp", 3283: "ard",
    3389: "rdp", 3478: "stun", 3702: "ws-discovery", 5093: "sentinel", 5353: "mdns", 5683: "coap",
    10001: "ubiquiti", 10074: "tp-240", 11211: "memcached", 27015: "steam",
    30718: "lantronix", 32414: "plex", 37810: "dvr",
}  # fmt: skip
"""UDP source ports of services known to amplify (CISA TA14-017A and later advisories)."""
MIN_REFLECTORS = 25
"""Distinct servers in the busiest hour; an idle address meets a handful of backscattering hosts a day."""
MIN_PACKETS = 50
EDGE = 0.1
"""Ten-minute slots with fewer reflectors than this share of the fullest one hold strays, not the attack."""
STRAY_REFLECTORS = 5.0
"""Sources a day assumed at any address where the telescope is too small to measure it: with 25 the tail is
1e-10."""
CHANCE = 1e-6
ASKED = 0.1
"""Packets it sent that draw answers (SYN, SYN-ACK, UDP), per answer, from which the address is taken to be
a live host or a scanner; one that is merely reflected at sends nothing, or RST and ICMP errors."""

# A row of `hit` is an answer from outside. Reflectors are counted in the busiest hour, since a day gathers
# strays.
_HITS = """
WITH hit AS (
  SELECT dst_ip, CASE WHEN protocol = 6 THEN 'tcp' ELSE 'udp/' || src_port END AS vector, src_ip, src_port,
    epoch_us(first_seen) // 3_600_000_000 AS hour, epoch_us(first_seen) // 60_000_000 AS minute,
    epoch_us(first_seen) // 600_000_000 AS slot,
    packet_count AS n, byte_count, epoch_us(first_seen) AS f, epoch_us(last_seen) AS l,
    protocol = 6 AND tcp_flags & 23 = 18 AS syn_ack
  FROM flows
  WHERE day = DATE '{day}' AND CASE protocol WHEN 6 THEN tcp_flags & 23 IN (4, 18, 20)
    WHEN 17 THEN src_port IN ({ports}) AND payload NOT LIKE '%-query' AND payload NOT LIKE '%-request'
    ELSE false END AND {dst} AND NOT {src}
),
"""

_STRAY = """
SELECT sum(pairs) AS pairs, count(*) AS addresses FROM (
  SELECT dst_ip, count(*) AS pairs FROM (SELECT DISTINCT dst_ip, src_ip FROM hit) GROUP BY dst_ip
) WHERE pairs < {reflectors}
"""

_TARGETS = """
busy AS (
  SELECT dst_ip, vector FROM hit GROUP BY ALL HAVING count(*) >= {reflectors} AND sum(n) >= {packets}
),
kept AS MATERIALIZED (SELECT h.* FROM hit h SEMI JOIN busy USING (dst_ip, vector)),
hours AS (
  SELECT dst_ip, vector, max(r) AS reflectors_hour FROM (
    SELECT dst_ip, vector, hour, count(DISTINCT src_ip) AS r FROM kept GROUP BY ALL) GROUP BY ALL
),
slots AS (
  SELECT *, max(r) OVER (PARTITION BY dst_ip, vector) AS most FROM (
    SELECT dst_ip, vector, slot, count(DISTINCT src_ip) AS r FROM kept GROUP BY ALL)
),
live AS MATERIALIZED (
  SELECT k.* FROM kept k
  SEMI JOIN (SELECT * FROM slots WHERE r >= greatest(2, {edge} * most)) USING (dst_ip, vector, slot)
),
minutes AS (
  SELECT dst_ip, vector, max(p) AS peak_minute FROM (
    SELECT dst_ip, vector, minute, sum(n) AS p FROM live GROUP BY ALL) GROUP BY ALL
),
ports AS (
  SELECT dst_ip, vector, list(src_port ORDER BY p DESC, src_port)[:10] AS ports, count(*) AS port_count FROM (
    SELECT dst_ip, vector, src_port, sum(n) AS p FROM live GROUP BY ALL) GROUP BY ALL
),
whole AS (
  SELECT dst_ip, vector, sum(n) AS packets, sum(byte_count) AS bytes, count(DISTINCT src_ip) AS reflectors,
    min(f) AS first_us, max(l) AS last_us, coalesce(sum(n) FILTER (syn_ack), 0) AS syn_ack
  FROM live GROUP BY ALL
),
asked AS (
  SELECT src_ip AS dst_ip, sum(packet_count) AS requests FROM flows
  WHERE day = DATE '{day}' AND {src} AND ((protocol = 6 AND tcp_flags & 2 <> 0) OR protocol = 17)
    AND src_ip IN (SELECT dst_ip FROM busy) GROUP BY ALL
)
SELECT *, coalesce(requests, 0) AS asked FROM whole JOIN hours USING (dst_ip, vector)
JOIN minutes USING (dst_ip, vector) JOIN ports USING (dst_ip, vector) LEFT JOIN asked USING (dst_ip)
WHERE reflectors_hour >= {reflectors} ORDER BY dst_ip, vector
"""


class ReflectionAbuse:
    """Telescope addresses under a reflection attack, one finding per address and day.

    Options: `min_reflectors` (in the busiest hour), `min_packets`.
    """

    name = "reflection-abuse"
    version = 1
    kinds: tuple[str, ...] = ("reflection-abuse",)
    needs_telescope = True
    tables = ("flows",)
    context = ()
    doc = (
        "Addresses that many servers answer unasked: reflection attacks on them, over TCP or UDP amplifiers."
    )
    options = (
        Option("min_reflectors", MIN_REFLECTORS, "servers that answer the address in its busiest hour"),
        Option("min_packets", MIN_PACKETS, "answers it gets in the day"),
    )

    def reduce(self, query: Query, scope: Scope) -> dict[str, Any]:
        """`targets`: per address and vector its reflectors and counts; `stray`: answering sources an
        address."""
        if scope.telescope is None:
            return {"targets": [], "stray": 0.0}
        fill = {
            "day": scope.day, "dst": scope.where("dst_ip"), "src": scope.where("src_ip"),
            "ports": ", ".join(map(str, AMPLIFIERS)), "edge": EDGE,
            "reflectors": int(option(scope, "min_reflectors", MIN_REFLECTORS)),
            "packets": int(option(scope, "min_packets", MIN_PACKETS)),
        }  # fmt: skip
        targets = query.sql((_HITS + _TARGETS).format(**fill)).to_pylist()
        if not targets:
            return {"targets": [], "stray": 0.0}
        row = query.sql((_HITS.rstrip().rstrip(",") + _STRAY).format(**fill)).to_pylist()[0]
        return {"targets": targets, "stray": float(row["pairs"] or 0) / max(scope.size, 1.0)}

    def judge(self, reduced: dict[str, Any], scope: Scope) -> list[Finding]:
        """One finding per address whose reflectors strays cannot explain and that did not ask itself."""
        stray = max(STRAY_REFLECTORS, float(reduced["stray"]))
        by_dst: dict[bytes, list[dict[str, Any]]] = {}
        for row in reduced["targets"]:
            is_unasked = int(row["asked"]) < ASKED * int(row["packets"])
            if is_unasked and stats.poisson_tail(int(row["reflectors_hour"]), stray) < CHANCE:
                by_dst.setdefault(row["dst_ip"], []).append(row)
        return [self._finding(dst, by_dst[dst], stray, scope) for dst in sorted(by_dst)]

    def _finding(self, dst: bytes, rows: list[dict[str, Any]], stray: float, scope: Scope) -> Finding:
        assert scope.telescope is not None
        rows = sorted(rows, key=lambda r: (-int(r["packets"]), r["vector"]))
        first, last = min(int(r["first_us"]) for r in rows), max(int(r["last_us"]) for r in rows)
        packets, size = sum(int(r["packets"]) for r in rows), sum(int(r["bytes"]) for r in rows)
        span = (last - first) / 1e6
        evidence: dict[str, Any] = {
            "vectors": [_vector(r) for r in rows],
            # The same server may serve two vectors: the sum would count it twice, the largest never does.
            "reflectors": max(int(r["reflectors"]) for r in rows),
            "reflectors_busiest_hour": max(int(r["reflectors_hour"]) for r in rows),
            "packets": packets, "bytes": size, "ports": _ports(rows),
            "duration_s": round(span, 3), "peak_minute": max(int(r["peak_minute"]) for r in rows),
            "mean_pps": float(f"{packets / span:.6g}") if span > 0 else None,
            "mean_bps": float(f"{size * 8 / span:.6g}") if span > 0 else None,
            "stray_reflectors": round(stray, 3), "requests_sent": int(rows[0]["asked"]), "size": scope.size,
            "by_vector": [
                {"vector": _vector(r), "reflectors": int(r["reflectors"]), "packets": int(r["packets"]),
                 "bytes": int(r["bytes"]), "syn_ack": int(r["syn_ack"]), "port_count": int(r["port_count"])}
                for r in rows
            ],
        }  # fmt: skip
        value = address.text(dst)
        return Finding(
            kind="reflection-abuse", subject=Subject("ip", value), rule=Rule(self.name, self.version),
            first_seen=utc(first), last_seen=utc(last), scope=scope.telescope.name,
            confidence=95 if evidence["reflectors_busiest_hour"] >= 4 * MIN_REFLECTORS else 80,
            summary=_summary(value, evidence), evidence=evidence,
        )  # fmt: skip


def _vector(row: dict[str, Any]) -> str:
    protocol, _, port = str(row["vector"]).partition("/")
    return f"udp/{AMPLIFIERS[int(port)]}" if protocol == "udp" else "tcp/syn-ack"


def _ports(rows: list[dict[str, Any]]) -> list[str]:
    return [f"{str(r['vector']).partition('/')[0]}/{p}" for r in rows for p in r["ports"]]


def _summary(value: str, e: dict[str, Any]) -> dict[str, str]:
    vectors = ", ".join(e["vectors"][:3])
    rate = f"{quantity(e['mean_pps'])}pps" if e["mean_pps"] else ""
    en = (
        f"Reflection attack on {value} ({vectors}): {e['reflectors']:,} servers sent it {e['packets']:,} "
        f"answers it had not asked for within {duration(e['duration_s'], 'en')}"
    )
    ja = (
        f"{value}を標的とするリフレクション攻撃（{vectors}）を観測。リフレクタ{e['reflectors']:,}台から"
        f"要求していない応答{e['packets']:,}パケットが{duration(e['duration_s'], 'ja')}の間に到達"
    )
    return {
        "en": en + (f", {rate} on average." if rate else "."),
        "ja": ja + (f"（平均{rate}）。" if rate else "。"),
    }
