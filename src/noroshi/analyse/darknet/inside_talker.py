"""`inside-talker`: addresses of the telescope that send. Dark space is rarely dark, and must be known to be.

An address that answers is alive: what reaches it is not background, its answers look like a victim's, and it
must be taken out of the effective size. One that starts connections is a leak, a machine, or - when its
packets come back into the telescope from outside - somebody forging the telescope's addresses.
"""

from __future__ import annotations

from typing import Any

from noroshi.model import address
from noroshi.model.analyser import Query, Scope
from noroshi.model.finding import Finding, Rule, Subject

KINDS_OF_TALK = ("syn", "syn_ack", "rst", "other_tcp", "udp", "icmp_error", "icmp_reply", "icmp", "other")
ANSWERS = ("syn_ack", "rst", "icmp_error", "icmp_reply")
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
TTLS_OF_FORGERS = 8
"""One host's packets arrive with one or two TTLs; forged ones, from many paths or with random TTLs, with
many."""

# The kinds in the order of KINDS_OF_TALK. Flags: 23 = FIN | SYN | RST | ACK. A table with one row per
# address.
_TALK = """
WITH talk AS (
  SELECT src_ip, packet_count AS n, byte_count, first_seen, last_seen, dst_ip, ttl, src_port, dst_port,
    protocol,
    {to_inside} AS to_inside,
    CASE
      WHEN protocol = 6 AND tcp_flags & 23 = 2 THEN 'syn'
      WHEN protocol = 6 AND tcp_flags & 23 = 18 THEN 'syn_ack'
      WHEN protocol = 6 AND tcp_flags & 4 <> 0 THEN 'rst'
      WHEN protocol = 6 THEN 'other_tcp'
      WHEN protocol = 17 THEN 'udp'
      WHEN (protocol = 1 AND src_port IN (3, 4, 5, 11, 12)) OR (protocol = 58 AND src_port < 128) THEN
        'icmp_error'
      WHEN (protocol = 1 AND src_port IN (0, 14, 16, 18)) OR (protocol = 58 AND src_port = 129) THEN
        'icmp_reply'
      WHEN protocol IN (1, 58) THEN 'icmp'
      ELSE 'other' END AS talk
  FROM flows WHERE day = DATE '{day}' AND {inside}
)
SELECT src_ip, sum(n) AS packets, sum(byte_count) AS bytes, epoch_us(min(first_seen)) AS first_us,
  epoch_us(max(last_seen)) AS last_us, count(DISTINCT dst_ip) AS dst, count(DISTINCT ttl) AS ttls,
  CASE WHEN min(protocol) = max(protocol) THEN min(protocol) END AS protocol,
  coalesce(sum(n) FILTER (to_inside), 0) AS to_inside, {counts},
  count(DISTINCT src_port) FILTER (protocol IN (6, 17)) AS src_ports,
  min(src_port) FILTER (protocol IN (6, 17)) AS src_port_low,
  count(DISTINCT dst_port) FILTER (protocol IN (6, 17)) AS dst_ports,
  min(dst_port) FILTER (protocol IN (6, 17)) AS dst_port_low
FROM talk GROUP BY src_ip ORDER BY src_ip
"""


class InsideTalker:
    """Telescope addresses that send packets, one finding per address and day."""

    name = "inside-talker"
    version = 1
    kinds: tuple[str, ...] = ("inside-talker",)
    needs_telescope = True
    tables = ("flows",)
    context = ()
    doc = "Addresses inside the telescope that send: contamination, and what it does to the effective size."
    options = ()

    def reduce(self, query: Query, scope: Scope) -> list[dict[str, Any]]:
        """One row per telescope address that sent on the scope's day: counts by what it sent."""
        if scope.telescope is None:
            return []
        counts = ", ".join(f"coalesce(sum(n) FILTER (talk = '{k}'), 0) AS {k}" for k in KINDS_OF_TALK)
        text = _TALK.format(
            to_inside=scope.where("dst_ip"), inside=scope.where("src_ip"), day=scope.day, counts=counts
        )
        return query.sql(text).to_pylist()

    def judge(self, reduced: list[dict[str, Any]], scope: Scope) -> list[Finding]:
        """One finding per row, with what the whole of them takes from the telescope's size."""
        ordered = sorted(reduced, key=lambda r: bytes(r["src_ip"]))
        v4 = sum(len(r["src_ip"]) == 5 for r in ordered)
        return [self._finding(r, v4, scope) for r in ordered]

    def _finding(self, row: dict[str, Any], v4: int, scope: Scope) -> Finding:
        from noroshi.analyse.darknet.dos_replies import utc

        assert scope.telescope is not None
        packets = {k: int(row[k]) for k in KINDS_OF_TALK if row[k]}
        role = talk_role(row)
        share = 1.0 / scope.nominal if scope.nominal and len(row["src_ip"]) == 5 else 0.0
        evidence: dict[str, Any] = {
            "role": role, "protocol": _PROTOCOLS.get(row["protocol"]),
            "packets": int(row["packets"]), "bytes": int(row["bytes"]),
            "packets_by_kind": [f"{k}={n}" for k, n in packets.items()],
            "dst_ip_nunique": int(row["dst"]), "src_port_nunique": int(row["src_ports"]),
            "dst_port_nunique": int(row["dst_ports"]), "ttl_nunique": int(row["ttls"]),
            "src_port": row["src_port_low"] if row["src_ports"] == 1 else None,
            "dst_port": row["dst_port_low"] if row["dst_ports"] == 1 else None,
            "packets_to_telescope": int(row["to_inside"]),
            "size_nominal": scope.nominal, "size_effective": scope.size, "size_share": share,
            "inside_talkers": v4, "size_lost_share": round(v4 / scope.nominal, 6) if scope.nominal else 0.0,
        }  # fmt: skip
        value = address.text(row["src_ip"])
        return Finding(
            kind="inside-talker", subject=Subject("ip", value), rule=Rule(self.name, self.version),
            first_seen=utc(row["first_us"]), last_seen=utc(row["last_us"]), scope=scope.telescope.name,
            confidence={"answers": 95, "talks": 90, "forged": 60}[role],
            summary=_summary(value, evidence, scope), evidence=evidence,
        )  # fmt: skip


def talk_role(row: dict[str, Any]) -> str:
    """`answers` (a live host), `talks` (starts traffic itself) or `forged` (its address used from
    outside)."""
    total = int(row["packets"])
    if int(row["to_inside"]) >= 0.9 * total and int(row["ttls"]) >= TTLS_OF_FORGERS:
        return "forged"
    return "answers" if sum(int(row[k]) for k in ANSWERS) >= 0.9 * total else "talks"


def _summary(value: str, e: dict[str, Any], scope: Scope) -> dict[str, str]:
    assert scope.telescope is not None
    name, n, said = scope.telescope.name, e["packets"], ", ".join(e["packets_by_kind"])
    packets = f"{n:,} packet{'s' * (n != 1)}"
    en = {
        "answers": f"{value} in telescope {name} answers ({packets}: {said}): a live host, not dark space",
        "talks": f"{value} in telescope {name} starts traffic itself ({packets}: {said})",
        "forged": f"{value} of telescope {name} is forged as a source from outside ({packets}: {said})",
    }[e["role"]]
    ja = {
        "answers": f"センサ{name}内の{value}が応答を返している（{n:,}パケット: {said}）。"
        "稼働中のホストであり未使用アドレスではない",
        "talks": f"センサ{name}内の{value}が自ら通信を発している（{n:,}パケット: {said}）",
        "forged": f"センサ{name}内の{value}が外部から送信元に詐称されている（{n:,}パケット: {said}）",
    }[e["role"]]
    count, share = e["inside_talkers"], e["size_lost_share"]
    if count:
        of = f"{count:,} of the telescope's {scope.nominal:,} addresses ({share:.1%})"
        en += f"; {of} talk and do not count as dark"
        ja += f"。送信が確認されたのは全{scope.nominal:,}アドレス中{count:,}個（{share:.1%}）で、"
        ja += "実効観測規模から除外する"
    return {"en": en + ".", "ja": ja + "。"}
