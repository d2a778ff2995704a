"""Scanners that survey the Internet rather than attack it: half to two thirds of all packets NICTER sees.

Four signs, any of which makes the finding:

- `rule`: at least 30 distinct ports and 1.03 packets per monitored address in a day. NICTER's rule is cited
  as 30 ports and 300,000 packets a day; its telescope had about 290,000 addresses, 300,000 / 290,000 = 1.03.
  The primary text was not found, so both are options (`min_ports`, `min_packets_per_address`).
- `list`: its address is on a public list of scanning organisations, taken within `list_days` of the day.
- `slow`: at least 30 ports over 7 days on at least half of the addresses. This looks back 6 days.
- `group`: hosts of one /24 that use the same tool or headers and share their ports meet `rule` together. The
  finding's subject is the prefix. Today's per-address measures miss those (Shikanai et al., IPSJ 2026).

The rule says how a source scans, not why: a botnet that tries 30 ports everywhere meets it too. Only the list
says who it is, and is trusted by how near its date is.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from noroshi.analyse.darknet import probe
from noroshi.analyse.darknet.memo import once, scope_key
from noroshi.analyse.darknet.organisations import UNNAMED, Entry, organisations
from noroshi.model import address
from noroshi.model.analyser import Option, Query, Scope
from noroshi.model.finding import Finding, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

MIN_PORTS, MIN_PACKETS_PER_ADDRESS = 30, 1.03
LIST_DAYS = 730.0
"""Lists are used this long before and after their date: scanners keep their networks for years, but of the
DarkVec labels of an older day a quarter is gone (organisations.py)."""
MIN_PACKETS = 2
"""A single packet's source may be forged, whatever list it is on."""
SLOW_DAYS, SLOW_COVERAGE = 7, 0.5
GROUP_HOSTS, GROUP_OVERLAP, GROUP_SAME = 3, 0.5, 0.8
"""Hosts of a group; mean share of a host's ports that another tries; share of hosts with one tool."""
MAX_FINDINGS = 10_000


@dataclass(frozen=True)
class Surveyor:
    """One source (or group of one /24) and the signs it shows."""

    low: bytes
    high: bytes
    signs: tuple[str, ...]
    packet_count: int
    port_nunique: int
    dst_ip_nunique: int
    first_seen: datetime
    last_seen: datetime
    entry: Entry | None = None
    week: tuple[int, int] | None = None
    """Distinct ports and IPv4 destinations over the last 7 days, for `slow`."""
    hosts: int = 1
    overlap: float = 0.0
    trait: str = ""


@dataclass(frozen=True)
class Reduced:
    """The day's surveyors, and what they amount to together."""

    surveyors: tuple[Surveyor, ...]
    qualified: int = 0
    qualified_packets: int = 0
    """Packets of all of them, listed or not; groups count once."""
    probe_packets: int = 0
    notes: tuple[str, ...] = field(default=())


class InvestigationScanner:
    """Sources that survey the whole Internet."""

    name = "investigation-scanner"
    version = 1
    kinds = ("investigation-scanner",)
    needs_telescope = False
    tables = ("flows",)
    context = ()
    lookback_days = SLOW_DAYS - 1
    doc = (
        "Sources that survey the Internet: on a list of scanning organisations, many ports and packets per "
        "monitored address, slow over a week, or a group in one /24. Without a telescope only lists are used."
    )
    options = (
        Option("min_ports", MIN_PORTS, "ports a day"),
        Option("min_packets_per_address", MIN_PACKETS_PER_ADDRESS, "packets a day per monitored address"),
        Option(
            "list_days",
            LIST_DAYS,
            "days before and after its date for which a list of organisations is believed",
        ),
        Option("max_findings", MAX_FINDINGS, "findings a day and telescope; the rest is counted"),
    )

    def reduce(self, query: Query, scope: Scope) -> Reduced:
        """Sources by rule, list, week and group; the lists are matched outside the engine, part by part."""
        found: dict[bytes, dict[str, Any]] = {}
        total = 0
        for part in probe.parts(query, scope):
            for row in day_sources(query, scope, part):
                found[row["src"]] = row
            rows = f"{probe.probes(scope)} AND {part}"
            text = f"SELECT coalesce(sum(packet_count), 0)::BIGINT AS n FROM {rows}"  # noqa: S608
            total += int(query.sql(text, probe.params(scope)).column("n")[0].as_py())
        _remembered(query, scope, scope.day, "true", lambda: sorted((scope.day, src) for src in found))
        notes: tuple[str, ...] = ("no telescope: only the organisation lists were used",)
        groups: list[Surveyor] = []
        if scope.size > 0:
            notes = ()
            for row in _slow(query, scope, set(found)):
                found[row["src"]] = row
            groups = _groups(query, scope, set(found))
        limit = int(probe.option(scope, "max_findings", MAX_FINDINGS))
        single = [_surveyor(r) for r in sorted(found.values(), key=lambda r: (-r["packets"], r["src"]))]
        everyone = [*groups, *single]
        packets = sum(s.packet_count for s in everyone)
        return Reduced(tuple(everyone[:limit]), len(everyone), packets, total, notes)

    def judge(self, reduced: Reduced, scope: Scope) -> list[Finding]:
        """One finding per surveyor; groups first, then by packets."""
        order = sorted(reduced.surveyors, key=lambda s: (s.hosts == 1, -s.packet_count, s.low))
        return [self._finding(s, reduced, scope) for s in order]

    def _finding(self, s: Surveyor, reduced: Reduced, scope: Scope) -> Finding:
        subject = _subject(s)
        confidence, reason = _confidence(s, scope)
        evidence: dict[str, Any] = {
            "signs": list(s.signs),
            "organisation": s.entry.organisation if s.entry else "",
            "packet_count": s.packet_count,
            "dst_port_nunique": s.port_nunique,
            "dst_ip_nunique": s.dst_ip_nunique,
            "size": round(scope.size, 1),
            "min_ports": int(probe.option(scope, "min_ports", MIN_PORTS)),
            "min_packets_per_address": probe.option(
                scope, "min_packets_per_address", MIN_PACKETS_PER_ADDRESS
            ),
            "confidence_reason": reason,
        }
        if scope.size > 0:
            evidence["packets_per_address"] = probe.round3(s.packet_count / scope.size)
        if s.entry:
            days = abs((scope.day - s.entry.taken).days)
            evidence |= {"list_prefix": s.entry.prefix, "lists": list(s.entry.lists), "list_days_apart": days}
        if s.week:
            evidence |= {"week_dst_port_nunique": s.week[0], "week_dst_ip_nunique": s.week[1]}
        if s.hosts > 1:
            evidence |= {"hosts": s.hosts, "port_overlap": round(s.overlap, 3), "common_trait": s.trait}
        if reduced.qualified > len(reduced.surveyors):
            evidence |= {"found_this_day": reduced.qualified, "listed_this_day": len(reduced.surveyors)}
        return Finding(
            "investigation-scanner", Subject(*subject), Rule(self.name, self.version), s.first_seen,
            s.last_seen, confidence, _summary(subject[1], s, scope.telescope is not None), evidence,
            scope.telescope.name if scope.telescope else "",
        )  # fmt: skip


def investigation_sources(query: Query, scope: Scope) -> list[bytes]:
    """Stored addresses of the day's investigation scanners by rule or list, in order.

    For analysers that take them out first. IPv6 sources stand for their /64 and are nine bytes long.
    """
    return [src for _, src in sources_by_day(query, scope, scope.day, scope.day)]


def _remembered(
    query: Query, scope: Scope, day: date, part: str, make: Callable[[], list[tuple[date, bytes]]]
) -> list[tuple[date, bytes]]:
    """The investigation scanners of one day, looked for once in a run of analysis."""
    names = {
        "min_ports": MIN_PORTS,
        "min_packets_per_address": MIN_PACKETS_PER_ADDRESS,
        "list_days": LIST_DAYS,
    }
    given = tuple(probe.option(scope, name, default) for name, default in names.items())
    return once(
        query, ("investigation", scope_key(scope), given, day, part), make, lambda found: 120 * len(found)
    )


def sources_by_day(
    query: Query, scope: Scope, since: date, until: date, part: str = "true"
) -> list[tuple[date, bytes]]:
    """(day, source) of the investigation scanners by rule or list on the days since..until, in order."""
    if since < until:
        return _sources_by_day(query, scope, since, until, part)
    return _remembered(query, scope, since, part, lambda: _sources_by_day(query, scope, since, until, part))


def _sources_by_day(
    query: Query, scope: Scope, since: date, until: date, part: str
) -> list[tuple[date, bytes]]:
    least = int(probe.option(scope, "min_ports", MIN_PORTS))
    enough = probe.option(scope, "min_packets_per_address", MIN_PACKETS_PER_ADDRESS) * scope.size
    rows = f"{probe.probes(scope, days=probe.SPAN)} AND {part}"
    params = probe.params(scope, since=since, until=until)
    table: pa.Table = query.sql(
        f"""SELECT day, {probe.SOURCE} AS src, min(src_ip) AS low, sum(packet_count)::BIGINT AS n
        FROM {rows} GROUP BY day, src HAVING n >= {MIN_PACKETS}""",  # noqa: S608
        params,
    )
    days: list[Any] = table.column("day").to_pylist()
    listed = [i for i, e in enumerate(_listed(table.column("low"))) if e and _holds(e, days[i], scope)]
    found = set(zip([days[i] for i in listed], _values(table, "src", listed), strict=True))
    if scope.size > 0:
        heavy: list[int] = [int(i) for i in (table.column("n").to_numpy() >= enough).nonzero()[0]]
        if heavy:
            text = f"""SELECT day, {probe.SOURCE} AS src FROM {rows}
              AND {probe.SOURCE} IN (SELECT unnest($heavy::BLOB[])) GROUP BY day, src
              HAVING count(DISTINCT protocol * 65536 + dst_port)
                FILTER (protocol IN ({probe.TCP}, {probe.UDP})) >= {least} AND sum(packet_count) >= {enough}"""  # noqa: S608
            some = query.sql(text, params | {"heavy": sorted(set(_values(table, "src", heavy)))})
            found |= {(r["day"], r["src"]) for r in some.to_pylist()}
    return sorted(found)


def _values(table: pa.Table, name: str, rows: list[int]) -> list[bytes]:
    values: list[Any] = table.column(name).take(rows).to_pylist() if rows else []
    return values


def day_sources(query: Query, scope: Scope, part: str) -> list[dict[str, Any]]:
    """Sources of one part of the day's probes by rule or list.

    Keys: src, low, high, packets, ports, dst, f (first seen), l (last seen), entry, signs, week.
    """
    least = int(probe.option(scope, "min_ports", MIN_PORTS))
    enough = probe.option(scope, "min_packets_per_address", MIN_PACKETS_PER_ADDRESS) * scope.size
    rows = f"{probe.probes(scope)} AND {part}"
    text = f"""SELECT {probe.SOURCE} AS src, min(src_ip) AS low, sum(packet_count)::BIGINT AS n
      FROM {rows} GROUP BY src HAVING n >= {MIN_PACKETS} ORDER BY src"""  # noqa: S608
    table: pa.Table = query.sql(text, probe.params(scope))
    entries = [e if e and _holds(e, scope.day, scope) else None for e in _listed(table.column("low"))]
    heavy = (table.column("n").to_numpy() >= enough) & (scope.size > 0)
    keep = [i for i, entry in enumerate(entries) if entry is not None or heavy[i]]
    known = {src: entries[i] for src, i in zip(_values(table, "src", keep), keep, strict=True)}
    if not known:
        return []
    detail = f"""SELECT {probe.SOURCE} AS src, min(src_ip) AS low, max(src_ip) AS high,
      sum(packet_count)::BIGINT AS packets, count(DISTINCT dst_ip)::BIGINT AS dst, min(first_seen) AS f,
      max(last_seen) AS l, (count(DISTINCT protocol * 65536 + dst_port)
        FILTER (protocol IN ({probe.TCP}, {probe.UDP})))::BIGINT AS ports
      FROM {rows} AND {probe.SOURCE} IN (SELECT unnest($known::BLOB[])) GROUP BY src ORDER BY src"""  # noqa: S608
    out = []
    found: pa.Table = query.sql(detail, probe.params(scope, known=sorted(known)))
    for row in found.to_pylist():
        by_rule = scope.size > 0 and row["ports"] >= least and row["packets"] >= enough
        signs = (["list"] if known[row["src"]] else []) + (["rule"] if by_rule else [])
        if signs:
            out.append(row | {"entry": known[row["src"]], "signs": signs, "week": None})
    return out


def _listed(addresses: Any) -> list[Entry | None]:
    """The list entry of each address, whatever its date."""
    lists = organisations()
    return [lists.entries[i] if i >= 0 else None for i in lists.match(addresses).tolist()]


def _holds(entry: Entry, day: date, scope: Scope) -> bool:
    """The entry's date is near enough to the day."""
    return abs((day - entry.taken).days) <= probe.option(scope, "list_days", LIST_DAYS)


def _slow(query: Query, scope: Scope, known: set[bytes]) -> list[dict[str, Any]]:
    """Sources of the day that over 7 days tried enough ports on half of the addresses.

    Who sent fewer packets than that cannot have, which leaves few to count exactly.
    """
    least = int(probe.option(scope, "min_ports", MIN_PORTS))
    cover = SLOW_COVERAGE * scope.size
    week = probe.probes(scope, days="day BETWEEN $since AND $day")
    params = probe.params(scope) | {"since": scope.day - timedelta(days=SLOW_DAYS - 1)}
    least_packets = math.ceil(max(least, cover))
    seen = query.sql(
        f"""SELECT {probe.SOURCE} AS src FROM {week} GROUP BY src
        HAVING sum(packet_count) >= {least_packets} AND max(day) = $day ORDER BY src""",  # noqa: S608
        params,
    )
    wanted = [s for s in seen.column("src").to_pylist() if s not in known]
    out: list[dict[str, Any]] = []
    step = min(2000, max(1, probe.ROWS_PER_PART // least_packets))  # a scan of half a /8 is 8 M rows itself
    for i in range(0, len(wanted), step):
        text = f"""SELECT {probe.SOURCE} AS src, min(src_ip) FILTER (day = $day) AS low,
          max(src_ip) FILTER (day = $day) AS high, sum(packet_count) FILTER (day = $day)::BIGINT AS packets,
          (count(DISTINCT protocol * 65536 + dst_port)
            FILTER (protocol IN ({probe.TCP}, {probe.UDP})))::BIGINT AS ports7,
          (count(DISTINCT dst_ip) FILTER (octet_length(dst_ip) = 5))::BIGINT AS dst7,
          (count(DISTINCT protocol * 65536 + dst_port)
            FILTER (day = $day AND protocol IN ({probe.TCP}, {probe.UDP})))::BIGINT AS ports,
          (count(DISTINCT dst_ip) FILTER (day = $day))::BIGINT AS dst,
          min(first_seen) FILTER (day = $day) AS f, max(last_seen) FILTER (day = $day) AS l
          FROM {week} AND {probe.SOURCE} IN (SELECT unnest($wanted::BLOB[])) GROUP BY src
          HAVING ports7 >= {least} AND dst7 >= {cover} ORDER BY src"""  # noqa: S608
        for row in query.sql(text, params | {"wanted": wanted[i : i + step]}).to_pylist():
            out.append(row | {"entry": None, "signs": ["slow"], "week": (row["ports7"], row["dst7"])})
    return out


def _groups(query: Query, scope: Scope, known: set[bytes]) -> list[Surveyor]:
    """/24s whose hosts meet the rule together, none of them alone, with shared ports and one tool."""
    least = int(probe.option(scope, "min_ports", MIN_PORTS))
    enough = probe.option(scope, "min_packets_per_address", MIN_PACKETS_PER_ADDRESS) * scope.size
    four = f"{probe.probes(scope)} AND octet_length(src_ip) = 5"
    four += " AND src_ip NOT IN (SELECT unnest($known::BLOB[]))"
    params = probe.params(scope, known=sorted(known))
    nets = query.sql(
        f"""WITH h AS (SELECT src_ip, sum(packet_count) AS n FROM {four} GROUP BY src_ip
          HAVING n >= {MIN_PACKETS})
        SELECT src_ip[1:4] AS net, sum(n)::BIGINT AS n, count(*) AS hosts FROM h GROUP BY net
        HAVING sum(n) >= {math.ceil(enough)} AND hosts >= {GROUP_HOSTS} ORDER BY net""",  # noqa: S608
        params,
    )
    out: list[Surveyor] = []
    wanted = nets.column("net").to_pylist()
    for i in range(0, len(wanted), 500):
        rows = query.sql(_hosts_sql(four), params | {"nets": wanted[i : i + 500]}).to_pylist()
        by_net: dict[bytes, list[dict[str, Any]]] = {}
        for row in rows:
            by_net.setdefault(row["net"], []).append(row)
        out += [g for net in sorted(by_net) if (g := _group(net, by_net[net], least)) is not None]
    return out


def _hosts_sql(rows: str) -> str:
    """SQL: the hosts of `$nets` with their ports and most frequent tool, or header form without one."""
    return f"""
    WITH p AS MATERIALIZED (SELECT src_ip[1:4] AS net, src_ip, dst_ip, packet_count, first_seen, last_seen,
        CASE WHEN protocol IN ({probe.TCP}, {probe.UDP}) THEN protocol * 65536 + dst_port END AS port,
        CASE WHEN tool <> '' THEN tool
          ELSE concat(coalesce(tcp_window::VARCHAR, '-'), ' ', coalesce(tcp_options, '-')) END AS trait
      FROM {rows} AND src_ip[1:4] IN (SELECT unnest($nets::BLOB[]))),
    t AS (SELECT src_ip, trait, sum(packet_count) AS n FROM p GROUP BY src_ip, trait),
    u AS (SELECT src_ip, trait FROM t
      QUALIFY row_number() OVER (PARTITION BY src_ip ORDER BY n DESC, trait) = 1),
    d AS (SELECT net, count(DISTINCT dst_ip)::BIGINT AS dst FROM p GROUP BY net),
    h AS (SELECT net, src_ip, sum(packet_count)::BIGINT AS n, min(first_seen) AS f, max(last_seen) AS l,
        list_sort(list(DISTINCT port) FILTER (port IS NOT NULL)) AS ports FROM p GROUP BY net, src_ip)
    SELECT * FROM h JOIN u USING (src_ip) JOIN d USING (net)
    WHERE n >= {MIN_PACKETS} AND ports IS NOT NULL ORDER BY src_ip"""  # noqa: S608


def _group(net: bytes, hosts: list[dict[str, Any]], least: int) -> Surveyor | None:
    """The group of a /24, or None when its hosts differ in ports or tool."""
    trait, same = min(Counter(h["trait"] for h in hosts).items(), key=lambda kv: (-kv[1], kv[0]))
    times = Counter(p for h in hosts for p in h["ports"])
    shared = [sum(times[p] > 1 for p in h["ports"]) / len(h["ports"]) for h in hosts]
    overlap = sum(shared) / len(shared)
    if (
        len(times) < least
        or len(hosts) < GROUP_HOSTS
        or overlap < GROUP_OVERLAP
        or same < GROUP_SAME * len(hosts)
    ):
        return None
    return Surveyor(
        net + b"\x00", net + b"\xff", ("group",), sum(h["n"] for h in hosts), len(times), hosts[0]["dst"],
        min(h["f"] for h in hosts).astimezone(UTC), max(h["l"] for h in hosts).astimezone(UTC),
        hosts=len(hosts), overlap=overlap, trait=trait,
    )  # fmt: skip


def _surveyor(row: dict[str, Any]) -> Surveyor:
    return Surveyor(
        row["low"], row["high"], tuple(row["signs"]), int(row["packets"]), int(row["ports"]), int(row["dst"]),
        row["f"].astimezone(UTC), row["l"].astimezone(UTC), row["entry"], row["week"],
    )  # fmt: skip


def _subject(s: Surveyor) -> tuple[str, str]:
    return ("prefix", address.prefix_text(s.low, 24)) if s.hosts > 1 else probe.subject_text(s.low, s.high)


def _confidence(s: Surveyor, scope: Scope) -> tuple[int, str]:
    """How sure it is that this surveys rather than attacks."""
    if s.entry:
        days = abs((scope.day - s.entry.taken).days)
        near = 90 if days <= 90 else 75 if days <= 365 else 60
        value = min(95, near + 5 * (len(s.signs) > 1)) - (15 if s.entry.organisation == UNNAMED else 0)
        return value, f"on a list taken {days} days from the day"
    if "rule" in s.signs:
        return 65, "by ports and packets alone; a botnet can meet them"
    return (
        (60, "slow over a week") if "slow" in s.signs else (55, "hosts of one /24 that share ports and tool")
    )


def _summary(who: str, s: Surveyor, is_monitored: bool) -> dict[str, str]:
    en_of = f" ({s.entry.organisation})" if s.entry and s.entry.organisation != UNNAMED else ""
    ja_of = f"（{s.entry.organisation}）" if en_of and s.entry else ""
    en_whose, ja_whose = ("monitored ", "観測アドレス") if is_monitored else ("", "アドレス")
    en_how, ja_how = "", ""
    if s.hosts > 1:
        en_how, ja_how = f", {s.hosts} hosts together", f"（{s.hosts}ホストの合計）"
    elif s.week:
        en_how = f"; {s.week[0]:,} ports over 7 days"
        ja_how = f"（7日間で{s.week[0]:,}ポート）"
    return {
        "en": f"{who}{en_of} surveys the Internet: {s.port_nunique:,} ports, {s.packet_count:,} packets to "
        f"{s.dst_ip_nunique:,} {en_whose}addresses this day{en_how}.",
        "ja": f"{who}{ja_of}は調査スキャンの送信元とみられる。当日は{ja_whose}{s.dst_ip_nunique:,}件の"
        f"{s.port_nunique:,}宛先ポートに{s.packet_count:,}パケットを送信した{ja_how}。",
    }
