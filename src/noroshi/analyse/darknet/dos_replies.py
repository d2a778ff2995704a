"""Replies of attacked hosts, reduced to one row per event: the SQL under `dos-victim`.

A victim answers packets whose source was forged; answers that fall into the telescope are its backscatter.
What one answer is differs by kind:

- `tcp`: a SYN-ACK counts once per (dst, dport, ack, seq). The same tuple with another seq is a new connection
  attempt of a tool that cycles a list, not a retransmission (on a real 12 h trace: 2,109 of 2,167 packets,
  where leaving seq out would have kept 767). A RST is never retransmitted (RFC 9293, 3.10.7), so equal ones
  answer separate packets, unless less than a second apart (copies) or after a SYN-ACK to the same peer (the
  server giving up).
- `echo`: ICMP and ICMPv6 replies to queries; each counts.
- `quoted`: ICMP errors; the victim is the destination of the quoted packet, whoever reports. Each counts, and
  the rate is a lower bound, for hosts and routers limit their errors (RFC 1812, 4.3.2.8).
- `udp`: replies of UDP services; each counts.

Events are cut where a silence is longer than max(300 s, (10 + ln n) mean gaps of that victim on that day).
The longest of n exponential gaps is about ln n mean gaps, so a steady attack is cut with chance e^-10.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from noroshi.model import address
from noroshi.model.analyser import Query, Scope

BINS = 64
"""Equal blocks of the telescope over which the spread of destinations is tested."""
GAP_S = 300.0
PORTS_KEPT = 10


@dataclass(frozen=True)
class Event:
    """The replies of one victim of one kind without a long silence. Counts are packets unless said."""

    victim: bytes
    kind: str
    """tcp, echo, udp, or quoted-N with the quoted protocol's number N."""
    alone: bool
    """Judged for one port, because the victim's ports together say nothing."""
    n: int
    """Replies, retransmissions left out."""
    n_raw: int
    rst: int
    """Those of `n` that are RST."""
    first: datetime
    last: datetime
    """Times of the first and last reply counted in `n`."""
    dst: int
    """Distinct telescope addresses."""
    dst_squares: int
    """Sum over addresses of (replies)^2."""
    tuples: int
    """Distinct forged tuples (dst, dport, ack): entries of the attacker's list that fell into the
    telescope."""
    dports: int
    """Distinct ports the forged packets came from; this and the next two are lower bounds, at most 64."""
    ids: int
    """Distinct (ack, seq) as far as they identify the forged packet."""
    seqs: int
    """Distinct sequence numbers of the replies."""
    recurrence_s: float | None
    """Mean time until a tuple came back; None when none did."""
    peak_minute: int
    """Most packets in one UTC minute."""
    ports: tuple[tuple[int, int], ...]
    """(attacked port, replies), the most frequent first, at most PORTS_KEPT."""
    port_count: int
    port_entropy: float
    """Bits."""
    spread: tuple[int, ...]
    """Distinct tuples per block of the telescope; empty for IPv6."""


@dataclass(frozen=True)
class Reduced:
    """What `dos-victim` judges."""

    events: tuple[Event, ...]
    baseline: float
    """Replies a day of the outside sources that sent a few only, on average; 0.0 without any."""
    sources: int
    """How many such sources."""


def blocks(scope: Scope) -> tuple[list[bytes], list[int]]:
    """First stored address of each of up to BINS equal blocks of the telescope, and their dark addresses."""
    prefixes = scope.telescope.prefixes if scope.telescope else ()
    nets = [n for n in (ipaddress.ip_network(p.strip(), strict=False) for p in prefixes) if n.version == 4]
    merged = sorted(ipaddress.collapse_addresses(n for n in nets if isinstance(n, ipaddress.IPv4Network)))
    total = sum(n.num_addresses for n in merged)
    count = min(BINS, total)
    starts: list[bytes] = []
    sizes: list[int] = []
    offsets = [i * total // count for i in range(count)] if count else []
    before, which = 0, 0
    for i, offset in enumerate(offsets):
        while offset >= before + merged[which].num_addresses:
            before += merged[which].num_addresses
            which += 1
        first = int(merged[which].network_address) + offset - before
        starts.append(bytes([address.V4]) + first.to_bytes(4, "big"))
        sizes.append((offsets[i + 1] if i + 1 < count else total) - offset)
    for talker in scope.inside:
        if starts and len(talker) == 5:
            sizes[max(0, bisect_right(starts, talker) - 1)] -= 1
    return starts, [max(0, s) for s in sizes]


def reduce(query: Query, scope: Scope, n_min: int, dst_min: int, entropy_max: float) -> Reduced:
    """Events with at least n_min replies at dst_min addresses, and the level of stray replies.

    A victim whose attacked ports spread over entropy_max bits or more is reduced port by port instead.
    """
    params: dict[str, Any] = {"inside": list(scope.inside)} if scope.inside else {}
    replies = _replies(scope)
    stray = query.sql(_STRAY.format(replies=replies, n_min=n_min, dst_min=dst_min), params).to_pylist()[0]
    if not stray["candidates"]:
        return Reduced((), stray["baseline"] or 0.0, stray["sources"])
    starts, _ = blocks(scope)
    params |= {"starts": starts or [b"\x04\x00\x00\x00\x00"]}

    def events(only: list[bytes] | None) -> list[Event]:
        text = _EVENTS.format(
            replies=replies, n_min=n_min, dst_min=dst_min, gap=GAP_S, kept=PORTS_KEPT,
            port="" if only is None else ", port",
            only="" if only is None else "AND victim IN (SELECT unnest($only::BLOB[]))",
            dports=_few("dport"), ids=_few("(ack, rst_seq)"), seq_low=_few("seq_low"),
            seq_high=_few("seq_high"),
        )  # fmt: skip
        table = query.sql(text, params if only is None else params | {"only": only})
        return [_event(row, only is not None, len(starts)) for row in table.to_pylist()]

    found = events(None)
    mixed = sorted({e.victim for e in found if e.port_entropy >= entropy_max})
    if mixed:
        whole = {(e.victim, e.kind) for e in found if e.port_entropy < entropy_max}
        found += [e for e in events(mixed) if (e.victim, e.kind) not in whole]
    return Reduced(tuple(found), stray["baseline"] or 0.0, stray["sources"])


def _event(row: dict[str, Any], alone: bool, bins: int) -> Event:
    spread = [0] * (bins if len(row["victim"]) == 5 else 0)
    if spread:
        for item in row["spread"] or ():
            spread[item["block"]] = int(item["tuples"])
    return Event(
        victim=row["victim"], kind=row["kind"], alone=alone, n=int(row["n"]), n_raw=int(row["n_raw"]),
        rst=int(row["rst"]), first=utc(row["first_us"]), last=utc(row["last_us"]), dst=int(row["dst"]),
        dst_squares=int(row["dst_squares"]), tuples=int(row["tuples"]), dports=int(row["dports"]),
        ids=int(row["ids"]), seqs=int(row["seqs"]), recurrence_s=row["recurrence_s"],
        peak_minute=int(row["peak_minute"]), ports=tuple((int(p["port"]), int(p["n"])) for p in row["ports"]),
        port_count=int(row["port_count"]), port_entropy=max(0.0, float(row["port_entropy"])),
        spread=tuple(spread),
    )  # fmt: skip


def _few(value: str) -> str:
    """SQL for how many distinct values there are: right for a few, and 64 bits instead of a set of them
    all."""
    return f"bit_count(bit_or(1::UBIGINT << (hash({value}) % 64)::UBIGINT))"


def utc(us: int) -> datetime:
    """The time that many microseconds after 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


def _replies(scope: Scope) -> str:
    """CTE `replies`: packets that answer a forged one, from outside, to a dark address."""
    quiet = "AND dst_ip NOT IN (SELECT unnest($inside::BLOB[]))" if scope.inside else ""
    return _REPLIES.format(
        day=scope.day.isoformat(), dst=scope.where("dst_ip"), src=scope.where("src_ip"),
        victim=scope.where("victim"), quiet=quiet,
    )  # fmt: skip


# 23 = FIN | SYN | RST | ACK: 18 is SYN-ACK, 4 and 20 are RST. An ICMP error counts when it quotes a packet
# "from" the address that received it. A source inside the telescope is a talker, never a victim.
_REPLIES = """
marked AS (
  SELECT *, CASE
    WHEN protocol = 6 AND tcp_flags & 23 IN (4, 18, 20) THEN 'tcp'
    WHEN (protocol = 1 AND src_port IN (0, 14, 16, 18)) OR (protocol = 58 AND src_port = 129) THEN 'echo'
    WHEN inner_src_ip = dst_ip AND inner_dst_ip IS NOT NULL AND (
      (protocol = 1 AND src_port IN (3, 4, 5, 11, 12)) OR (protocol = 58 AND src_port IN (1, 2, 3, 4)))
      THEN 'quoted-' || coalesce(inner_protocol, 0)
    WHEN protocol = 17 AND (class = 'backscatter' OR payload LIKE '%-reply' OR payload = 'sip-status') THEN
      'udp'
  END AS kind
  FROM flows WHERE day = DATE '{day}' AND CASE protocol WHEN 6 THEN tcp_flags & 23 IN (4, 18, 20)
    WHEN 17 THEN class = 'backscatter' OR payload LIKE '%-reply' OR payload = 'sip-status'
    WHEN 1 THEN true WHEN 58 THEN true ELSE false END AND {dst} AND NOT {src} {quiet}
),
named AS (
  SELECT CASE WHEN kind LIKE 'quoted%' THEN inner_dst_ip ELSE src_ip END AS victim, kind, dst_ip,
    CASE WHEN kind LIKE 'quoted%' THEN coalesce(inner_dst_port, 0) WHEN kind = 'echo' THEN 0 ELSE src_port
      END AS port,
    CASE WHEN kind LIKE 'quoted%' THEN coalesce(inner_src_port, 0) WHEN kind = 'echo' THEN 0 ELSE dst_port
      END AS dport,
    CASE WHEN kind = 'tcp' THEN ack END AS ack, CASE WHEN kind = 'tcp' THEN seq END AS seq,
    kind = 'tcp' AND tcp_flags & 4 <> 0 AS is_rst, packet_count AS raw, first_seen, last_seen
  FROM marked WHERE kind IS NOT NULL
),
replies AS (SELECT * FROM named WHERE NOT {victim})
"""

_STRAY = """
WITH {replies},
per AS (SELECT victim, kind, sum(raw) AS raw, count(*) AS n FROM replies GROUP BY ALL)
SELECT count(*) FILTER (raw >= {n_min} AND n >= {dst_min}) AS candidates,
  avg(raw) FILTER (raw < {n_min}) AS baseline, count(*) FILTER (raw < {n_min}) AS sources
FROM per
"""

# {port} is empty or ", port". Eight addresses need at least eight rows, so candidates are found without
# counting anything distinct; only their replies are looked at closely.
_EVENTS = """
WITH {replies},
candidates AS (
  SELECT victim, kind{port} FROM replies WHERE true {only} GROUP BY ALL
  HAVING sum(raw) >= {n_min} AND count(*) >= {dst_min}
),
kept AS MATERIALIZED (SELECT r.* FROM replies r SEMI JOIN candidates c USING (victim, kind{port})),
syn_acks AS MATERIALIZED (
  SELECT victim, kind, port, dst_ip, dport, ack, seq, min(first_seen) AS t, sum(raw) AS raw
  FROM kept WHERE kind = 'tcp' AND NOT is_rst GROUP BY ALL
),
resets AS (SELECT DISTINCT victim, port, dst_ip, dport FROM kept WHERE is_rst),
opened AS (
  SELECT DISTINCT victim, port, dst_ip, dport FROM syn_acks JOIN resets USING (victim, port, dst_ip, dport)
),
arrivals AS MATERIALIZED (
  SELECT victim, kind, port, dst_ip, dport, ack, NULL::BIGINT AS rst_seq, seq, false AS is_rst,
    t, t AS t_last, 1 AS n, raw FROM syn_acks
  UNION ALL
  SELECT k.victim, k.kind, k.port, k.dst_ip, k.dport, k.ack, k.seq, k.seq, k.is_rst, k.first_seen,
    k.last_seen,
    CASE WHEN o.victim IS NOT NULL THEN 0
      WHEN k.is_rst AND epoch_us(k.last_seen) - epoch_us(k.first_seen) < 1_000_000 THEN 1 ELSE k.raw END,
        k.raw
  FROM kept k LEFT JOIN opened o
    ON k.is_rst AND k.victim = o.victim AND k.port = o.port AND k.dst_ip = o.dst_ip AND k.dport = o.dport
  WHERE k.kind <> 'tcp' OR k.is_rst
),
minutes AS MATERIALIZED (
  SELECT victim, kind{port}, epoch_us(t) // 60_000_000 AS m, min(t) AS f, max(t_last) AS l, sum(n) AS n,
    sum(raw) AS raw
  FROM arrivals WHERE n > 0 GROUP BY ALL
),
pace AS (
  SELECT victim, kind{port},
    greatest({gap}, (10 + ln(sum(n))) * (epoch_us(max(l)) - epoch_us(min(f))) / 1e6 / sum(n)) AS gap_s
  FROM minutes GROUP BY ALL
),
steps AS (
  SELECT *, (epoch_us(f) - epoch_us(lag(l) OVER (PARTITION BY victim, kind{port} ORDER BY m))) / 1e6 > gap_s
    AS cut
  FROM minutes JOIN pace USING (victim, kind{port})
),
sessions AS MATERIALIZED (
  SELECT * EXCLUDE (cut), sum(coalesce(cut, false)::INT) OVER (PARTITION BY victim, kind{port} ORDER BY m)
    AS s
  FROM steps
),
tuples AS MATERIALIZED (
  SELECT victim, kind{port}, coalesce(later.s, 0) AS s, a.port AS hit, dst_ip, dport, ack, rst_seq,
    sum(a.n) AS n, sum(a.raw) AS raw, min(t) AS t, max(t_last) AS t_last, sum(a.n) FILTER (is_rst) AS rst,
    min(seq) AS seq_low, max(seq) AS seq_high
  FROM (SELECT *, epoch_us(t) // 60_000_000 AS m FROM arrivals WHERE n > 0) a
  LEFT JOIN (SELECT victim, kind{port}, m, s FROM sessions WHERE s > 0) later USING (victim, kind{port}, m)
  GROUP BY victim, kind{port}, coalesce(later.s, 0), hit, dst_ip, dport, ack, rst_seq
),
by_dst AS MATERIALIZED (
  SELECT victim, kind{port}, s, dst_ip, sum(n) AS n, count(*) AS tuples FROM tuples GROUP BY ALL
),
spread AS (
  SELECT victim, kind{port}, s, list(struct_pack(block := block, tuples := tuples) ORDER BY block) AS spread
  FROM (
    SELECT d.victim, d.kind{port}, d.s, b.block, sum(d.tuples) AS tuples FROM by_dst d
    ASOF JOIN (SELECT unnest($starts::BLOB[]) AS low, generate_subscripts($starts::BLOB[], 1) - 1 AS block) b
      ON d.dst_ip >= b.low WHERE octet_length(d.dst_ip) = 5 GROUP BY ALL
  ) GROUP BY ALL
),
ports AS (
  SELECT victim, kind{port}, s, list(struct_pack(port := hit, n := n) ORDER BY n DESC, hit)[:{kept}] AS ports,
    count(*) AS port_count, log2(sum(n)) - sum(n * log2(n)) / sum(n) AS port_entropy
  FROM (SELECT victim, kind{port}, s, hit, sum(n) AS n FROM tuples GROUP BY ALL) GROUP BY ALL
),
peaks AS (SELECT victim, kind{port}, s, max(raw) AS peak_minute FROM sessions GROUP BY ALL),
whole AS (
  SELECT victim, kind{port}, s, sum(n) AS n, sum(raw) AS n_raw, coalesce(sum(rst), 0) AS rst,
    epoch_us(min(t)) AS first_us,
    epoch_us(max(t_last)) AS last_us, count(*) AS tuples, {dports} AS dports, {ids} AS ids,
    greatest({seq_low}, {seq_high}) AS seqs,
    sum(epoch_us(t_last) - epoch_us(t)) FILTER (n > 1) / 1e6 / sum(n - 1) FILTER (n > 1) AS recurrence_s
  FROM tuples GROUP BY ALL
),
wide AS (
  SELECT victim, kind{port}, s, count(*) AS dst, sum(n * n) AS dst_squares FROM by_dst GROUP BY ALL
)
SELECT * FROM whole JOIN wide USING (victim, kind{port}, s) JOIN peaks USING (victim, kind{port}, s)
JOIN ports USING (victim, kind{port}, s) LEFT JOIN spread USING (victim, kind{port}, s)
WHERE n >= {n_min} AND dst >= {dst_min}
ORDER BY victim, kind{port}, s
"""
