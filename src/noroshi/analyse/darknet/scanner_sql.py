"""The SQL under `scanner`: which sources of a day qualify, and the details of those that will be listed.

Each statement reads the day's probes once or a few times and lets the engine put on disk what does not fit. Few
sources need counting exactly to know that they qualify: 64 bits per source, one set by each destination, prove
that there are as many destinations as bits are set, so only those with fewer bits than asked for are counted.
"""

from __future__ import annotations

from noroshi.analyse.darknet import probe
from noroshi.model.analyser import Scope

_KEY = f"(protocol * 65536 + {probe.PORT})"
_PORTED = f"port // 65536 IN ({probe.TCP}, {probe.UDP})"
_BITS = "bit_or(1::UBIGINT << (hash(dst_ip) % 64)::UBIGINT)"


def sources(scope: Scope, part: str) -> str:
    """SQL: one row per scanner of a part, the most active and those with most ports; at least one row.

    Uses `$least` (rows without which no threshold is reached), `$min_dst`, `$min_ports`, `$limit`. `seen` (sources
    of the part, scanners or not) and `qualified` stand in each row; where nobody qualified `src` is NULL.
    """
    rows = f"{probe.probes(scope, probe.ASKS)} AND {part}"
    return f"""
    WITH a AS MATERIALIZED (
      SELECT src_ip, sum(packet_count) AS n, count(*) AS c, min(first_seen) AS f, max(last_seen) AS l, {_BITS} AS b
      FROM {rows} GROUP BY src_ip),
    s AS MATERIALIZED (
      SELECT {probe.SOURCE} AS src, min(src_ip) AS low, max(src_ip) AS high, sum(n)::BIGINT AS packets, min(f) AS f,
        max(l) AS l, bit_count(bit_or(b)) AS bits
      FROM a GROUP BY src HAVING sum(c) >= $least),
    unsure AS (SELECT src FROM s WHERE bits < $min_dst),
    g AS (SELECT DISTINCT {probe.SOURCE} AS src, dst_ip, {_KEY} AS port FROM {rows}
      AND {probe.SOURCE} IN (FROM unsure)),
    d AS (SELECT src, dst_ip, count(*) FILTER ({_PORTED}) AS ports FROM g GROUP BY src, dst_ip),
    e AS (SELECT src FROM d GROUP BY src HAVING count(*) >= $min_dst OR max(ports) >= $min_ports),
    q AS MATERIALIZED (FROM s WHERE bits >= $min_dst OR src IN (FROM e)),
    k AS (SELECT src, count(*)::BIGINT AS n_ports FROM (
        SELECT DISTINCT {probe.SOURCE} AS src, protocol, dst_port FROM {rows}
          AND protocol IN ({probe.TCP}, {probe.UDP}))
      GROUP BY src),
    t AS (SELECT q.*, coalesce(n_ports, 0)::BIGINT AS n_ports, count(*) OVER () AS qualified
      FROM q LEFT JOIN k USING (src)
      QUALIFY row_number() OVER (ORDER BY packets DESC, q.src) <= $limit
        OR row_number() OVER (ORDER BY n_ports DESC, packets DESC, q.src) <= 1000)
    SELECT t.*, seen FROM (SELECT count(DISTINCT {probe.SOURCE}) AS seen FROM a) LEFT JOIN t ON true
    """  # noqa: S608


def chosen(scope: Scope, part: str) -> str:
    """SQL after FROM: the rows of `$chosen`, whose place in that list is `id`: a number is cheap to group by."""
    rows = f"{probe.probes(scope, probe.ASKS)} AND {part}"
    listed = "(SELECT unnest($chosen::BLOB[]) AS src, generate_subscripts($chosen::BLOB[], 1)::INTEGER AS id)"
    return rows.replace("flows", f"flows JOIN {listed} ON {probe.SOURCE} = src", 1)


def extent(rows: str) -> str:
    """SQL: destinations and ports of each source, and its ten ports with most packets."""
    return f"""
    WITH g AS MATERIALIZED (SELECT id, dst_ip, {_KEY} AS port, sum(packet_count) AS n FROM {rows} GROUP BY ALL),
    d AS (SELECT id, dst_ip, count(*) FILTER ({_PORTED}) AS ports FROM g GROUP BY ALL),
    w AS (SELECT id, count(*)::BIGINT AS n_dst, (count(*) FILTER (octet_length(dst_ip) = 5))::BIGINT AS n_dst4,
      max(ports)::BIGINT AS max_ports FROM d GROUP BY id),
    t AS (SELECT id, port, sum(n)::BIGINT AS packets, count(*)::BIGINT AS n_dst FROM g GROUP BY id, port
      QUALIFY row_number() OVER (PARTITION BY id ORDER BY packets DESC, port) <= 10),
    p AS (SELECT id, list(struct_pack(port := port, n := packets, n_dst := n_dst) ORDER BY packets DESC, port)
      AS ports FROM t GROUP BY id)
    SELECT * FROM w JOIN p USING (id)"""  # noqa: S608


def tools(rows: str) -> str:
    """SQL: packets of each source by tool."""
    return f"""SELECT id, tool, sum(packet_count)::BIGINT AS n FROM {rows}
    GROUP BY ALL ORDER BY id, n DESC, tool"""  # noqa: S608


def sessions(rows: str) -> str:
    """SQL: sessions of each source, cut where it was silent for longer than `$timeout` seconds.

    `n_dst` (IPv4 destinations of the widest one) is NULL where there is one session: that has them all.
    """
    minute = "epoch_us(first_seen) // 60000000"
    return f"""
    WITH m AS MATERIALIZED (
      SELECT id, {minute} AS minute, min(first_seen) AS f, max(last_seen) AS l FROM {rows} GROUP BY ALL),
    x AS (SELECT *, coalesce(epoch(f) - epoch(max(l) OVER (PARTITION BY id ORDER BY minute
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) > $timeout, false) AS new FROM m),
    y AS MATERIALIZED (SELECT id, minute, f, l,
        sum(new::INTEGER) OVER (PARTITION BY id ORDER BY minute) AS session FROM x),
    t AS (SELECT id, session, epoch(max(l)) - epoch(min(f)) AS s FROM y GROUP BY ALL),
    u AS (SELECT id, count(*)::BIGINT AS sessions, sum(s)::DOUBLE AS active_s FROM t GROUP BY id),
    z AS (SELECT * FROM y WHERE id IN (SELECT id FROM u WHERE sessions > 1)),
    o AS (SELECT id, {minute} AS minute, dst_ip FROM {rows} AND octet_length(dst_ip) = 5),
    d AS (SELECT id, session, count(DISTINCT dst_ip) AS n_dst FROM o JOIN z USING (id, minute) GROUP BY ALL),
    w AS (SELECT id, max(n_dst)::BIGINT AS n_dst FROM d GROUP BY id)
    SELECT id, sessions, active_s, CASE WHEN sessions > 1 THEN coalesce(n_dst, 0) END AS n_dst
    FROM u LEFT JOIN w USING (id)"""  # noqa: S608
