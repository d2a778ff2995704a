"""Ports that suddenly many more sources probe than at the same hour of the last four weeks.

Per (protocol, port) and clock hour: u unique sources, against the median m of the same hour on up to 28 days
before. z = 2 sqrt(u) - 2 sqrt(m) has variance 1 if counts are Poisson (Anscombe); real ones are not, so z is
also divided by the spread of 2 sqrt(u) over those days (from their median deviation, at least 1). An alert
needs both above 5, sources from at least 10 /16s, and to stay within 1 % false discoveries of the hour
(Benjamini & Hochberg 1995, over 131,072 ports).

Investigation scanners (rule and list) are taken out first: NICT names them as the cause of false alarms in
its own detectors (Han et al., ICISSP 2023). Ports with 2 % or more of the packets of 90 days are left out.
Hours that were not observed are missing, not zero. With fewer than 7 days of the same hour there is no alert.

Looks back 28 days in detail, as many at a time as fit in memory, and 90 days for the packets per port.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from noroshi.analyse.darknet import probe
from noroshi.analyse.darknet.investigation_scanner import sources_by_day
from noroshi.analyse.darknet.memo import Remembering, once, scope_key
from noroshi.analyse.darknet.telescope import live_spans, seconds
from noroshi.model.analyser import Option, Query, Scope
from noroshi.model.finding import Finding, Rule, Subject

if TYPE_CHECKING:
    import numpy.typing as npt

HISTORY_DAYS, MIN_DAYS, TOP_DAYS = 28, 7, 90
MIN_Z = 5.0
MIN_NETS = 10
"""/16s the sources must come from: one operator's hosts are no surge (IPv6: /32s)."""
TOP_SHARE = 0.02
"""Ports with this share of the packets always move: they belong in the report, not in an alert."""
FALSE_DISCOVERY, PORTS = 0.01, 131_072
MIN_HOUR_S = 45 * 60
"""An hour counts as observed when its packets span this long; ten packets at random times span 49 minutes."""
CELLS = PORTS * 24
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Cell:
    """One port in one hour of the day, with the same hour of earlier days."""

    protocol: int
    port: int
    hour: int
    src_ip_nunique: int
    net_nunique: int
    packet_count: int
    history: tuple[int, ...]
    """Unique sources at this hour on earlier days that were observed, oldest first."""


@dataclass(frozen=True)
class Reduced:
    """The day's candidate cells: enough /16s, no top port."""

    cells: tuple[Cell, ...]
    hours: tuple[int, ...] = ()
    """Hours of the day that were observed."""
    history_days: int = 0
    surveyors: int = 0
    """Investigation scanners taken out on the day."""
    top_ports: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Score:
    """How far one count stands above its history."""

    median: float
    z: float
    spread: float

    @property
    def scaled(self) -> float:
        """z in units of the spread of the history."""
        return self.z / self.spread

    @property
    def p(self) -> float:
        """Chance of so high a value, by the normal tail."""
        return 0.5 * math.erfc(self.scaled / math.sqrt(2.0))


def score(u: int, history: Iterable[int]) -> Score:
    """The score of `u` unique sources against at least one earlier count."""
    past = np.asarray(tuple(history), dtype=np.float64)
    median = float(np.median(past))
    roots = 2.0 * np.sqrt(past)
    deviation = 1.4826 * float(np.median(np.abs(roots - np.median(roots))))
    return Score(median, 2.0 * math.sqrt(u) - 2.0 * math.sqrt(median), max(1.0, deviation))


class PortSurge:
    """Ports that draw many new sources."""

    name = "port-surge"
    version = 1
    kinds = ("port-surge",)
    needs_telescope = True
    tables = ("flows",)
    context = ()
    lookback_days = TOP_DAYS
    doc = (
        "Ports probed by many more sources than at the same hour of the last 28 days, investigation scanners "
        "left out. Needs 7 days of history; looks back 90 days."
    )
    options = (
        Option("min_z", MIN_Z, "robust z-score of the hour's sources against the same hour of 28 days"),
        Option("min_nets", MIN_NETS, "/16 networks the sources come from"),
        Option(
            "top_share",
            TOP_SHARE,
            "share of all packets from which a port is always busy and left to the report",
        ),
        Option(
            "investigation",
            None,
            "a table: thresholds of investigation-scanner, whose sources are left out",
        ),
    )

    def reduce(self, query: Query, scope: Scope) -> Reduced:
        """Candidate cells of the day and their history, one day at a time."""
        first = scope.day - timedelta(days=TOP_DAYS)
        observed = _observed_hours(query, scope, scope.day - timedelta(days=HISTORY_DAYS))
        earlier = sorted(d for d in observed if d < scope.day and observed[d])
        hours = tuple(sorted(observed.get(scope.day, ())))
        if len(earlier) < MIN_DAYS:
            note = f"not enough history: {len(earlier)} days observed of at least {MIN_DAYS}"
            return Reduced((), hours, len(earlier), notes=(note,))
        top = _top_ports(query, scope, first)
        totals = [np.zeros(CELLS, dtype=np.int64) for _ in range(3)]
        surveyors = 0
        for counts in _counts(query, scope, scope.day, scope.day):
            surveyors += counts.surveyors
            for total, values in zip(totals, (counts.u, counts.nets, counts.packets), strict=True):
                total[counts.cell] += values  # one row per cell, so no index stands twice
        u, nets, packets = totals
        _keep(query, scope, u)
        keys = np.flatnonzero(nets >= int(probe.option(scope, "min_nets", MIN_NETS)))
        keys = keys[np.isin(keys % 24, hours) & ~np.isin(keys // 24, [k for k, _ in top])]
        past = _history(query, scope, keys, observed, earlier) if len(keys) else np.zeros((0, 0), np.int64)
        cells = tuple(
            Cell(
                probe.UDP if k // 24 >= 65_536 else probe.TCP, k // 24 % 65_536, k % 24, int(u[k]),
                int(nets[k]), int(packets[k]), tuple(int(n) for n in past[:, j] if n >= 0),
            )
            for j, k in enumerate(keys.tolist())
        )  # fmt: skip
        named = tuple((_port(k), round(share, 4)) for k, share in top)
        return Reduced(cells, hours, len(earlier), surveyors, named)

    def judge(self, reduced: Reduced, scope: Scope) -> list[Finding]:
        """One finding per port with an alert in any hour of the day, the highest score first."""
        least_z = probe.option(scope, "min_z", MIN_Z)
        by_hour: dict[int, list[tuple[Cell, Score]]] = {}
        for cell in reduced.cells:
            if len(cell.history) >= MIN_DAYS:
                by_hour.setdefault(cell.hour, []).append((cell, score(cell.src_ip_nunique, cell.history)))
        ports: dict[tuple[int, int], list[tuple[Cell, Score]]] = {}
        for hour in sorted(by_hour):
            for cell, found in discoveries(by_hour[hour]):
                if found.z > least_z and found.scaled > least_z:
                    ports.setdefault((cell.protocol, cell.port), []).append((cell, found))
        order = sorted(ports, key=lambda p: (-max(s.scaled for _, s in ports[p]), p))
        return [self._finding(p, ports[p], reduced, scope) for p in order]

    def _finding(
        self, port: tuple[int, int], alerts: list[tuple[Cell, Score]], reduced: Reduced, scope: Scope
    ) -> Finding:
        peak, best = max(alerts, key=lambda a: (a[1].scaled, -a[0].hour))
        strong = best.scaled >= 2 * MIN_Z or len(alerts) >= 3
        evidence: dict[str, Any] = {
            "hours": [_hour(c, s) for c, s in alerts],
            "peak_src_ip_nunique": peak.src_ip_nunique,
            "peak_median": best.median,
            "z": round(best.z, 2),
            "z_scaled": round(best.scaled, 2),
            "src_net16_nunique": peak.net_nunique,
            "packet_count": sum(c.packet_count for c, _ in alerts),
            "history_days": reduced.history_days,
            "hours_observed": len(reduced.hours),
            "investigation_scanners_removed": reduced.surveyors,
            "top_ports_left_out": [{"port": p, "share": s} for p, s in reduced.top_ports],
            "min_z": probe.option(scope, "min_z", MIN_Z),
            "confidence_reason": "twice the threshold or three hours" if strong else "above the threshold",
        }
        first = scope.start + timedelta(hours=alerts[0][0].hour)
        last = scope.start + timedelta(hours=alerts[-1][0].hour + 1) - timedelta(microseconds=1)
        return Finding(
            "port-surge", Subject("port", probe.port_text(*port)), Rule(self.name, self.version), first, last,
            85 if strong else 70, _summary(port, peak, best), evidence,
            scope.telescope.name if scope.telescope else "",
        )  # fmt: skip


def discoveries(cells: list[tuple[Cell, Score]]) -> list[tuple[Cell, Score]]:
    """Those of one hour that Benjamini & Hochberg keep at FALSE_DISCOVERY over all PORTS, by port."""
    ranked = sorted(cells, key=lambda c: (c[1].p, c[0].protocol, c[0].port))
    keep = max((i for i, c in enumerate(ranked, 1) if c[1].p <= i * FALSE_DISCOVERY / PORTS), default=0)
    return sorted(ranked[:keep], key=lambda c: (c[0].protocol, c[0].port))


def _hour(c: Cell, s: Score) -> dict[str, Any]:
    return {
        "hour": c.hour, "src_ip_nunique": c.src_ip_nunique, "median": s.median, "z": round(s.z, 2),
        "spread": round(s.spread, 2), "src_net16_nunique": c.net_nunique, "packet_count": c.packet_count,
        "history": list(c.history),
    }  # fmt: skip


def _summary(port: tuple[int, int], peak: Cell, best: Score) -> dict[str, str]:
    usual = f"{best.median:,.0f}" if best.median == int(best.median) else f"{best.median:,.1f}"
    return {
        "en": f"{probe.port_text(*port)} drew {peak.src_ip_nunique:,} sources in the hour from "
        f"{peak.hour:02}:00 UTC, where {usual} are usual.",
        "ja": f"宛先ポート{probe.port_ja(*port)}への送信元IPアドレス数が{peak.hour}時台（UTC）に"
        f"{peak.src_ip_nunique:,}件となり、過去の同時刻の中央値{usual}件から急増した。",
    }


def _port(key: int) -> str:
    return probe.port_text(probe.UDP if key >= 65_536 else probe.TCP, key % 65_536)


# -- SQL --------------------------------------------------------------------------------------------------

_PROBE = f"{probe.PROBE} AND protocol IN ({probe.TCP}, {probe.UDP})"
_KEY = f"((CASE WHEN protocol = {probe.UDP} THEN 65536 ELSE 0 END) + dst_port)"
_HOUR = "(epoch_us(first_seen) // 3600000000 % 24)"  # not hour(): that goes by the session's time zone
_NET = "(CASE WHEN octet_length(src_ip) = 17 THEN src_ip[1:5] ELSE src_ip[1:3] END)"


def _observed_hours(query: Query, scope: Scope, since: date) -> dict[date, set[int]]:
    """Clock hours with packets over most of the hour, live and in no outage, by day."""
    assert scope.telescope is not None  # needs_telescope
    days = [since + timedelta(days=n) for n in range((scope.day - since).days + 1)]
    out: dict[date, set[int]] = {}
    for day, hours in zip(days, _spans(query, scope, days), strict=True):
        for h, first, last in hours:
            start = datetime(day.year, day.month, day.day, h, tzinfo=UTC)
            span = (first, min(last, start + timedelta(hours=1)))
            if seconds(live_spans(scope.telescope, start, start + timedelta(hours=1), [span])) >= MIN_HOUR_S:
                out.setdefault(day, set()).add(h)
    return out


def _spans(query: Query, scope: Scope, days: list[date]) -> list[list[tuple[int, datetime, datetime]]]:
    """(hour, first packet, last packet) of each day; days that were asked for before are not read again."""

    def key(day: date) -> Hashable:
        return ("hours", scope.where(), day)

    known = {d: query.recall(key(d)) for d in days} if isinstance(query, Remembering) else {}
    missing = [d for d in days if known.get(d) is None]
    if missing:
        text = f"""SELECT day, {_HOUR} AS h, min(first_seen) AS f, max(last_seen) AS l
          FROM flows WHERE {probe.SPAN} AND {scope.where()} GROUP BY ALL ORDER BY 1, 2"""  # noqa: S608
        found: dict[date, list[tuple[int, datetime, datetime]]] = {d: [] for d in missing}
        for r in query.sql(text, {"since": missing[0], "until": missing[-1]}).to_pylist():
            if r["day"] in found:
                found[r["day"]].append((int(r["h"]), r["f"].astimezone(UTC), r["l"].astimezone(UTC)))
        for day, hours in found.items():
            known[day] = once(query, key(day), lambda hours=hours: hours, lambda _: 4000)  # type: ignore[misc]
    return [known[d] for d in days]


def _top_ports(query: Query, scope: Scope, since: date) -> list[tuple[int, float]]:
    """Ports with TOP_SHARE of the packets before the day, and their shares."""
    packets = _port_packets(query, scope, since, scope.day - timedelta(days=1))
    shares = packets / max(1, int(packets.sum()))
    keys = np.flatnonzero((packets > 0) & (shares >= probe.option(scope, "top_share", TOP_SHARE)))
    return sorted(((int(k), float(shares[k])) for k in keys), key=lambda p: (-p[1], p[0]))


def _port_packets(query: Query, scope: Scope, since: date, until: date) -> npt.NDArray[np.int64]:
    """Packets per port on the days since..until. Of a span that a span asked for before overlaps, only the days
    that differ are read."""
    key = ("port-packets", scope_key(scope))
    before = query.recall(key) if isinstance(query, Remembering) else None
    one = timedelta(days=1)
    if before is not None and before[0] <= since <= before[1] <= until:
        old_since, old_until = before[:2]
        total: npt.NDArray[np.int64] = before[2].copy()
        if old_since < since:
            total -= _span_packets(query, scope, old_since, since - one)
        if old_until < until:
            total += _span_packets(query, scope, old_until + one, until)
    else:
        total = _span_packets(query, scope, since, until)
    if isinstance(query, Remembering):
        query.drop(key)
        query.keep(key, (since, until, total), total.nbytes)
    return total


def _span_packets(query: Query, scope: Scope, since: date, until: date) -> npt.NDArray[np.int64]:
    rows = probe.probes(scope, _PROBE, probe.SPAN)
    text = f"SELECT {_KEY} AS key, sum(packet_count)::BIGINT AS n FROM {rows} GROUP BY key"  # noqa: S608
    found = query.sql(text, probe.params(scope, since=since, until=until))
    total = np.zeros(PORTS, dtype=np.int64)
    total[found.column("key").to_numpy()] = found.column("n").to_numpy()
    return total


@dataclass(frozen=True)
class _Counts:
    """Counts per day and cell (key * 24 + hour) of some sources; those of other parts add to them."""

    day: npt.NDArray[np.int64]
    """Days since 1970."""
    cell: npt.NDArray[np.int64]
    u: npt.NDArray[np.int64]
    nets: npt.NDArray[np.int64]
    packets: npt.NDArray[np.int64]
    surveyors: int


def _kept(scope: Scope, day: date) -> Hashable:
    """Where a day's counts are kept: they depend on all that decides who is an investigation scanner."""
    given = sorted((str(k), str(v)) for k, v in scope.options.get("investigation", {}).items())
    return ("port-sources", scope_key(scope), tuple(given), day)


def _keep(query: Query, scope: Scope, u: npt.NDArray[np.int64]) -> None:
    """Keeps the sources per cell of the scope's day for the days that follow it."""
    if isinstance(query, Remembering):
        cell = np.flatnonzero(u).astype(np.int32)
        value = (cell, u[cell].astype(np.int32))
        query.keep(_kept(scope, scope.day), value, 2 * cell.nbytes)


def _history(
    query: Query,
    scope: Scope,
    keys: npt.NDArray[np.int64],
    observed: dict[date, set[int]],
    earlier: list[date],
) -> npt.NDArray[np.int64]:
    """Unique sources of each cell of `keys` (sorted) on each earlier day; -1 where it was not observed."""
    past = np.zeros((len(earlier), len(keys)), dtype=np.int64)
    days = np.array([d.toordinal() - _EPOCH for d in earlier])
    missing: list[date] = []
    for i, day in enumerate(earlier):
        kept = query.recall(_kept(scope, day)) if isinstance(query, Remembering) else None
        if kept is None:
            missing.append(day)
        else:
            cell, u = kept
            column = np.minimum(np.searchsorted(keys, cell), len(keys) - 1)
            known = keys[column] == cell
            past[i, column[known]] = u[known]
    is_missing = np.isin(days, [d.toordinal() - _EPOCH for d in missing])
    for since, until in _chunks(query, scope, missing) if missing else ():
        for counts in _counts(query, scope, since, until, sorted({int(k) // 24 for k in keys})):
            row = np.minimum(np.searchsorted(days, counts.day), len(days) - 1)
            column = np.minimum(np.searchsorted(keys, counts.cell), len(keys) - 1)
            known = (days[row] == counts.day) & (keys[column] == counts.cell) & is_missing[row]
            np.add.at(past, (row[known], column[known]), counts.u[known])
    for i, day in enumerate(earlier):
        past[i, ~np.isin(keys % 24, sorted(observed[day]))] = -1
    return past


def _chunks(query: Query, scope: Scope, days: list[date]) -> list[tuple[date, date]]:
    """The days in spans that each hold few enough rows to be reduced at once; a day is never cut."""
    params = probe.params(scope, since=days[0], until=days[-1])
    text = f"SELECT day, count(*) AS n FROM {probe.probes(scope, _PROBE, probe.SPAN)} GROUP BY day"  # noqa: S608
    rows = {r["day"]: int(r["n"]) for r in query.sql(text, params).to_pylist()}
    out: list[tuple[date, date]] = []
    held = 0
    for day in days:
        held += rows.get(day, 0)
        if out and held <= probe.ROWS_PER_PART:
            out[-1] = (out[-1][0], day)
        else:
            out.append((day, day))
            held = rows.get(day, 0)
    return out


def _counts(
    query: Query, scope: Scope, since: date, until: date, ports: list[int] | None = None
) -> Iterator[_Counts]:
    """Unique sources, unique /16s and packets per day and cell, investigation scanners left out.

    Cut by /16 where rows are many, so that both kinds of unique counts add up over the parts. `ports`
    restricts to those keys.
    """
    rows = probe.probes(scope, _PROBE, probe.SPAN)
    params = probe.params(scope, since=since, until=until)
    count = query.sql(f"SELECT count(*) AS n FROM {rows}", params).column("n")[0].as_py()  # noqa: S608
    n = math.ceil(count / probe.ROWS_PER_PART)
    own = replace(scope, options=scope.options.get("investigation", {}))
    only = f" AND {_KEY} IN (SELECT unnest($ports::BIGINT[]))" if ports is not None else ""
    for i in range(n):
        part = f"hash({_NET}) % {n} = {i}" if n > 1 else "true"
        known = sources_by_day(query, own, since, until, part)
        given = {"x_day": [d for d, _ in known], "x_src": [s for _, s in known]}
        text = f"""
        WITH x AS (SELECT unnest($x_day::DATE[]) AS day, unnest($x_src::BLOB[]) AS src),
        p AS (SELECT day, {_KEY} * 24 + {_HOUR} AS cell, {probe.SOURCE} AS src, {_NET} AS net, packet_count
          FROM {rows} AND {part}{only})
        SELECT epoch(day) // 86400 AS d, cell, count(DISTINCT src)::BIGINT AS u,
          count(DISTINCT net)::BIGINT AS nets, sum(packet_count)::BIGINT AS packets
        FROM p ANTI JOIN x USING (day, src) GROUP BY day, cell"""  # noqa: S608
        found = query.sql(text, params | given | ({"ports": ports} if ports is not None else {}))
        day, cell, u, nets, packets = (
            found.column(c).to_numpy().astype(np.int64) for c in ("d", "cell", "u", "nets", "packets")
        )
        yield _Counts(day, cell, u, nets, packets, len(known))
