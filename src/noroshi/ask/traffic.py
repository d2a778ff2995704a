# ruff: noqa: S608 - SQL made of names from this file; values are parameters
"""What reached the telescope over time: packets by port, protocol, tool or class, sources, and the ports that changed.

By port or protocol the hourly sums answer, so a view over months reads what there are hours. By tool or class, and for
less than two days by the minute, the flows of those days are read. Empty bins are zeros here; whoever knows of outages
takes them out (a gap is not a zero).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from noroshi.ask.rollups import PORTED
from noroshi.model import address
from noroshi.model.analyser import Query
from noroshi.model.errors import UsageError

STEPS: Final = (60, 300, 900, 3600, 3 * 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400, 90 * 86_400)
"""Widths of a bin a reader can name, in seconds."""
BINS: Final = 400
"""More points than a screen is wide help nobody."""
BY: Final = ("", "port", "protocol", "tool", "class")


@dataclass(frozen=True)
class Line:
    """One part of what is shown, bin by bin."""

    name: str
    """`tcp/23`, `udp`, `mirai`, `scan`, ...; empty for all together, `other` for the rest."""
    values: tuple[int, ...]
    total: int


@dataclass(frozen=True)
class Series:
    """Lines over the same bins."""

    start: datetime | None
    """Beginning of the first bin; None when there is nothing."""
    step_s: int
    bins: int
    lines: tuple[Line, ...]

    @property
    def starts(self) -> list[datetime]:
        """Beginning of each bin."""
        return (
            [self.start + timedelta(seconds=self.step_s * i) for i in range(self.bins)] if self.start else []
        )


def step_for(since: datetime, until: datetime) -> int:
    """The narrowest width of a bin that gives at most BINS."""
    span = (until - since).total_seconds()
    return next((s for s in STEPS if span / s <= BINS), STEPS[-1])


def extent(query: Query, table: str = "flows") -> tuple[datetime, datetime] | None:
    """(beginning of the first hour with rows of `table`, end of the last); None without any."""
    row = query.sql(
        'SELECT min(hour) AS low, max(hour) AS high FROM hourly WHERE "table" = $name', {"name": table}
    ).to_pylist()[0]
    return (row["low"], row["high"] + timedelta(hours=1)) if row["low"] else None


def over_time(
    query: Query, since: datetime, until: datetime, *, by: str = "port", top: int = 6, step_s: int = 0,
    table: str = "flows",
) -> Series:  # fmt: skip
    """Observations (packets for flows) per bin, `since` to `until`: the `top` parts by total, then the rest as `other`.

    by: one of BY; tool and class for flows only. step_s: width of a bin, chosen when 0.
    Raises UsageError for what cannot be split so.
    """
    if by not in BY or (by in ("tool", "class") and table != "flows"):
        raise UsageError(f"{table} cannot be split by {by!r}", todo=f"By: {', '.join(b for b in BY if b)}.")
    if table not in PORTED:
        raise UsageError(f"{table} has no sums over time", todo=f"Tables: {', '.join(PORTED)}.")
    step = step_s or step_for(since, until)
    fine = step < 3600 or by in ("tool", "class")
    if fine and table != "flows":
        step, fine = max(step, 3600), False
    start = _floor(since, step)
    bins = max(1, -(-int((until - start).total_seconds()) // step))
    if bins > 4 * BINS:
        raise UsageError("too many bins", todo="Ask for a shorter time or wider bins.")
    parameters: dict[str, Any] = {
        "since": start,
        "until": until,
        "step": step * 1_000_000,
        "start": int(start.timestamp()) * 1_000_000,
    }
    if fine:
        source = (
            f"SELECT {_part(by)} AS part, first_seen AS moment, packet_count AS n FROM flows"
            " WHERE day BETWEEN $since::DATE AND $until::DATE AND first_seen >= $since AND first_seen < $until"
        )
    else:
        parameters["name"] = table
        source = (
            f"SELECT {_part(by)} AS part, hour AS moment, count AS n FROM"
            " (SELECT hour, count, protocol, port AS dst_port FROM hourly"
            ' WHERE "table" = $name AND hour >= $since AND hour < $until)'
        )
    found = query.sql(
        f"SELECT part, ((epoch_us(moment) - $start) // $step)::BIGINT AS bin, sum(n)::BIGINT AS n FROM ({source})"
        " GROUP BY ALL ORDER BY ALL",
        parameters,
    )
    return _series(found, start, step, bins, top if by else 1)


def _part(by: str) -> str:
    protocol = "CASE protocol WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' WHEN 1 THEN 'icmp' WHEN 58 THEN 'icmp6' "
    protocol += "WHEN -1 THEN 'other' ELSE 'ip/' || protocol END"
    return {
        "": "''",
        "port": f"CASE WHEN dst_port < 0 THEN 'other' ELSE {protocol} || '/' || dst_port END",
        "protocol": protocol,
        "tool": "CASE tool WHEN '' THEN 'unknown' ELSE tool END",
        "class": "class",
    }[by]


def _series(found: Any, start: datetime, step: int, bins: int, top: int) -> Series:
    import numpy as np

    parts = found["part"].to_pylist()
    sums: dict[str, Any] = {}
    for part, at, n in zip(parts, found["bin"].to_pylist(), found["n"].to_pylist(), strict=True):
        row = sums.get(part)
        if row is None:
            row = sums[part] = np.zeros(bins, np.int64)
        if 0 <= at < bins:
            row[at] += n
    rest = sums.pop("other", None)
    ranked = sorted(sums, key=lambda p: (-int(sums[p].sum()), p))
    lines = [_line(p, sums[p]) for p in ranked[:top]]
    left = [sums[p] for p in ranked[top:]] + ([rest] if rest is not None else [])
    if left:
        lines.append(_line("other", sum(left)))
    return Series(start if lines else None, step, bins if lines else 0, tuple(lines))


def _line(name: str, values: Any) -> Line:
    return Line(name, tuple(values.tolist()), int(values.sum()))


def _floor(ts: datetime, step: int) -> datetime:
    """The beginning of the bin `ts` lies in; weeks begin on Monday."""
    shift = 4 * 86_400 if step == 7 * 86_400 else 0  # 1970-01-01 was a Thursday
    seconds = int(ts.timestamp()) - shift
    return datetime.fromtimestamp(seconds - seconds % step + shift, UTC)


@dataclass(frozen=True)
class Change:
    """A port now and in the same span before."""

    port: int
    protocol: int
    count: int
    before: int
    total: int
    """Of all ports now."""

    @property
    def ratio(self) -> float | None:
        """How many times as much as before, both per span; None when there was nothing."""
        return self.count / self.before if self.before else None


def changes(
    query: Query, since: datetime, until: datetime, *, top: int = 10, table: str = "flows"
) -> tuple[Change, ...]:
    """The ports with most observations from `since` to `until`, beside the span of the same length before it."""
    found = query.sql(
        'WITH sums AS (SELECT port, protocol, coalesce(sum(count) FILTER (hour >= $since), 0)::BIGINT AS n,'
        ' coalesce(sum(count) FILTER (hour < $since), 0)::BIGINT AS before FROM hourly'
        ' WHERE "table" = $name AND hour >= $earlier AND hour < $until GROUP BY ALL)'
        " SELECT *, (SELECT sum(n) FROM sums)::BIGINT AS total FROM sums WHERE port >= 0 AND n > 0"
        f" ORDER BY n DESC, port, protocol LIMIT {int(top)}",
        {"name": table, "since": since, "until": until, "earlier": since - (until - since)},
    ).to_pylist()  # fmt: skip
    return tuple(Change(r["port"], r["protocol"], r["n"], r["before"], r["total"]) for r in found)


@dataclass(frozen=True)
class Space:
    """What came out of one IPv4 /16."""

    network: int
    """Its first two octets as a number, 0..65535."""
    sources: int
    packets: int


def space(query: Query, since: datetime, until: datetime) -> tuple[Space, ...]:
    """Sources and packets per IPv4 /16 of the flows of that time, for a map of the address space; by network."""
    found = query.sql(
        "SELECT hex(src_ip[2:3]) AS network, count(DISTINCT src_ip)::BIGINT AS sources,"
        " sum(packet_count)::BIGINT AS packets FROM flows WHERE day BETWEEN $since::DATE AND $until::DATE"
        " AND first_seen >= $since AND first_seen < $until AND octet_length(src_ip) = 5 GROUP BY 1 ORDER BY 1",
        {"since": since, "until": until},
    ).to_pylist()
    return tuple(Space(int(r["network"], 16), r["sources"], r["packets"]) for r in found)


@dataclass(frozen=True)
class Talker:
    """A source and what it sent."""

    ip: str
    packets: int
    ports: int
    targets: int
    tool: str
    """The tool most of it was made with, or empty."""
    first_seen: datetime
    last_seen: datetime


def talkers(
    query: Query, since: datetime, until: datetime, *, limit: int = 20, port: int | None = None
) -> tuple[Talker, ...]:
    """The sources that sent most packets (to `port`), with how many ports and addresses they tried."""
    where = " AND dst_port = $port" if port is not None else ""
    parameters: dict[str, Any] = {"since": since, "until": until}
    if port is not None:
        parameters["port"] = port
    span = (
        "day BETWEEN $since::DATE AND $until::DATE AND first_seen >= $since AND first_seen < $until" + where
    )
    most = query.sql(
        f"SELECT src_ip AS ip, sum(packet_count)::BIGINT AS packets FROM flows WHERE {span} GROUP BY 1"
        f" ORDER BY 2 DESC, 1 LIMIT {int(limit)}",
        parameters,
    ).to_pylist()
    if not most:
        return ()
    # Of the few that matter, by name: rows are sorted by source, so most row groups are skipped.
    named = ", ".join(f"unhex('{r['ip'].hex()}')" for r in most)
    details = query.sql(
        "SELECT src_ip, count(DISTINCT dst_port)::BIGINT AS ports, count(DISTINCT dst_ip)::BIGINT AS targets,"
        " min(first_seen) AS low, max(last_seen) AS high"
        f" FROM flows WHERE src_ip IN ({named}) AND {span} GROUP BY 1",
        parameters,
    ).to_pylist()
    tools = query.sql(
        "SELECT src_ip, tool, sum(packet_count)::BIGINT AS n FROM flows"
        f" WHERE src_ip IN ({named}) AND {span} GROUP BY ALL ORDER BY n, tool DESC",
        parameters,
    ).to_pylist()
    about, made_with = {r["src_ip"]: r for r in details}, {r["src_ip"]: r["tool"] for r in tools}
    return tuple(
        Talker(
            address.text(r["ip"]), r["packets"], about[r["ip"]]["ports"], about[r["ip"]]["targets"],
            made_with[r["ip"]] or "", about[r["ip"]]["low"], about[r["ip"]]["high"],
        )
        for r in most
    )  # fmt: skip


@dataclass(frozen=True)
class Arrival:
    """What came out of one IPv4 /16 in one slice of a time."""

    slice: int
    network: int
    packets: int
    ip: str
    """The source in it that sent most."""
    port: int
    """The port most of it went to."""


SLICES: Final = 600
PER_SLICE: Final = 8
"""Networks told of a slice, those with most packets: a replay is a picture, not a count."""


def arrivals(query: Query, since: datetime, until: datetime) -> tuple[Arrival, ...]:
    """What arrived in each of SLICES equal slices of the time, for a replay; in time order."""
    width = max(1, int((until - since).total_seconds() * 1_000_000) // SLICES)
    found = query.sql(
        "SELECT * FROM (SELECT (epoch_us(first_seen) - $start) // $width AS slice, hex(src_ip[2:3]) AS network,"
        " sum(packet_count)::BIGINT AS packets, ip_text(arg_max(src_ip, packet_count)) AS ip,"
        " arg_max(dst_port, packet_count) AS port FROM flows WHERE day BETWEEN $since::DATE AND $until::DATE"
        " AND first_seen >= $since AND first_seen < $until AND octet_length(src_ip) = 5 GROUP BY 1, 2)"
        f" QUALIFY row_number() OVER (PARTITION BY slice ORDER BY packets DESC, network) <= {PER_SLICE}"
        " ORDER BY slice, packets DESC, network",
        {"since": since, "until": until, "start": int(since.timestamp() * 1_000_000), "width": width},
    ).to_pylist()
    return tuple(
        Arrival(int(r["slice"]), int(r["network"], 16), r["packets"], r["ip"], r["port"]) for r in found
    )
