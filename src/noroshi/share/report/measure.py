"""What was observed when: totals, time series, gaps and the telescopes' figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from noroshi.model.analyser import Query, Scope, Telescope
from noroshi.share.report import arithmetic
from noroshi.share.report.data import Gap, TelescopeRow
from noroshi.share.report.frame import HOUR_S, Frame

SURELY_SEEN = 10.0
"""Packets an hour from which an hour without any row is a gap and not a quiet one: at that rate a Poisson
process is silent for an hour with probability e^-10 = 5e-5."""

LONG = timedelta(hours=3)
"""Captures at least this long have their first and last hour cut to what was captured; of a shorter one little
would be left to draw."""

HALF_DAY_S = 43_200.0
"""Seconds a day must be observed to stand for a day: less would be ruled by the hour it was seen in."""


@dataclass
class Measured:
    """The sums of one frame, and the address-seconds under them."""

    frame: Frame
    packets: int = 0
    bytes: int = 0
    left_out: int = 0
    outside: int = 0
    hours: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    """Counted packets by local hour."""
    alive: set[int] = field(default_factory=set)
    """Local hours with any row at all, counted or not."""
    by_telescope: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    spans: dict[int, list[tuple[date, float, float]]] = field(default_factory=lambda: defaultdict(list))
    """By telescope: (UTC day, effective size, seconds observed within the period)."""
    by_day: dict[date, int] = field(default_factory=lambda: defaultdict(int))
    """Counted packets by UTC day."""
    first: datetime | None = None
    last: datetime | None = None
    """Time of the first and last counted packet."""
    begin: datetime | None = None
    end: datetime | None = None
    """Time of the first and last packet of any kind in the hours of the period."""

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """(size, seconds) of all telescopes."""
        return [(size, s) for spans in self.spans.values() for _, size, s in spans]

    @property
    def address_seconds(self) -> float:
        """Sum over telescopes and days of size times seconds observed."""
        return sum(size * s for size, s in self.pairs)

    @property
    def observed_s(self) -> float:
        """Seconds observed by the telescope observed longest; without any, hours with data."""
        longest = max((sum(s for _, _, s in spans) for spans in self.spans.values()), default=0.0)
        return longest or float(len(self.alive) * HOUR_S)

    @property
    def size(self) -> float:
        """Time-averaged effective addresses of all telescopes together."""
        return self.address_seconds / self.observed_s if self.spans and self.observed_s else 0.0

    @property
    def base(self) -> float:
        """What counts are divided by to compare periods: address-seconds, else seconds."""
        return self.address_seconds or self.observed_s

    def seconds_of_day(self) -> dict[date, list[tuple[float, float]]]:
        """(size, seconds) by UTC day."""
        days: dict[date, list[tuple[float, float]]] = defaultdict(list)
        for spans in self.spans.values():
            for day, size, s in spans:
                days[day].append((size, s))
        return days


def measure(query: Query, frame: Frame, scopes: Sequence[Scope]) -> Measured:
    """The sums of the frame's period, by one pass over its UTC days."""
    rows: list[dict[str, Any]] = query.sql(frame.hours_sql(), frame.params).to_pylist()
    wanted = set(frame.bins(HOUR_S))
    result, seen = Measured(frame), defaultdict[tuple[int, date], set[int]](set)
    for row in rows:
        hour, which = int(row["hour"]), int(row["telescope"])
        seen[which, row["day"]].add(hour)
        if hour not in wanted:
            continue
        result.alive.add(hour)
        result.begin = min(result.begin or row["first_seen"], row["first_seen"])
        result.end = max(result.end or row["last_seen"], row["last_seen"])
        if row["left_out"]:
            result.left_out += row["packets"]
        elif which < 0:
            result.outside += row["packets"]
        else:
            _count(result, row, hour, which)
    by_name = {t.name: i for i, t in enumerate(frame.telescopes)}
    for scope in scopes:
        if scope.telescope is not None and scope.telescope.name in by_name and scope.size > 0:
            which = by_name[scope.telescope.name]
            share = _share(frame, scope, seen.get((which, scope.day), set()), wanted)
            if share > 0:
                result.spans[which].append((scope.day, scope.size, scope.observed_s * share))
    return result


def _count(result: Measured, row: dict[str, Any], hour: int, which: int) -> None:
    result.packets += row["packets"]
    result.bytes += row["bytes"]
    result.hours[hour] += row["packets"]
    result.by_telescope[which] += row["packets"]
    result.by_day[row["day"]] += row["packets"]
    result.first = min(result.first or row["first_seen"], row["first_seen"])
    result.last = max(result.last or row["last_seen"], row["last_seen"])


def _share(frame: Frame, scope: Scope, hours: set[int], wanted: set[int]) -> float:
    """The share of a UTC day's observed time that lies in the period: by hours with rows, else by overlap.

    A local day takes parts of two UTC days; a capture that covers some hours of a day is shared out by the
    hours it covers, not evenly.
    """
    start, end = frame.period.start, frame.period.end
    if start <= scope.start and scope.end <= end:
        return 1.0
    if hours:
        return len(hours & wanted) / len(hours)
    overlap = min(end, scope.end) - max(start, scope.start)
    return max(0.0, overlap.total_seconds()) / 86_400.0


def daily_annual(measured: Measured, year_s: float) -> list[float]:
    """Packets per address and year that each well observed UTC day alone would give, sorted."""
    values = []
    for day, pairs in measured.seconds_of_day().items():
        if max(s for _, s in pairs) >= HALF_DAY_S:
            value = arithmetic.annual_packets_per_address(measured.by_day.get(day, 0), pairs, year_s)
            if value is not None:
                values.append(value)
    return sorted(values)


def telescope_rows(measured: Measured, year_s: float, reveal: bool) -> tuple[TelescopeRow, ...]:
    """One row per telescope, in the order of the configuration; prefixes only if `reveal`."""
    rows = []
    for i, telescope in enumerate(measured.frame.telescopes):
        spans = [(size, s) for _, size, s in measured.spans.get(i, [])]
        size, observed_s = arithmetic.average_size(spans), sum(s for _, s in spans)
        packets = measured.by_telescope.get(i, 0)
        rows.append(
            TelescopeRow(
                telescope.name, telescope.prefixes if reveal else (), nominal(telescope), size, observed_s, packets,
                packets / size if size else None,
                arithmetic.annual_packets_per_address(packets, spans, year_s),
                arithmetic.victim_floor(size, 3_600.0), arithmetic.victim_floor(size, 86_400.0),
            )
        )  # fmt: skip
    return tuple(rows)


def nominal(telescope: Telescope) -> int:
    """IPv4 addresses in the telescope's prefixes."""
    import ipaddress

    nets = [ipaddress.ip_network(p, strict=False) for p in telescope.prefixes]
    return sum(n.num_addresses for n in nets if n.version == 4)


def silent_hours(measured: Measured, as_of: datetime) -> dict[int, str]:
    """Local hours in which nothing was observed, with the reason: no-data or future."""
    frame, alive = measured.frame, measured.alive
    if not alive:
        return {h: _reason(frame, h, as_of) for h in frame.bins(HOUR_S)}
    first, last = min(alive), max(alive)
    rate = sum(measured.hours.values()) / len(alive)
    return {
        h: _reason(frame, h, as_of)
        for h in frame.bins(HOUR_S)
        if h not in alive and (h < first or h > last or rate >= SURELY_SEEN)
    }


def _reason(frame: Frame, hour: int, as_of: datetime) -> str:
    return "future" if frame.bin_start(hour, HOUR_S) >= as_of else "no-data"


def gaps(measured: Measured, silent: dict[int, str]) -> tuple[Gap, ...]:
    """Spans without observation: configured outages and times not live per telescope, then silent hours."""
    frame = measured.frame
    start, end = frame.period.start, frame.period.end
    found = []
    for telescope in frame.telescopes:
        for a, b in telescope.outages:
            if a < end and b > start:
                found.append(Gap(max(a, start), min(b, end), "outage", telescope.name))
        for a, b in _not_live(telescope, start, end):
            found.append(Gap(a, b, "not-live", telescope.name))
    known = [(g.start, g.end) for g in found] if len(frame.telescopes) < 2 else []
    for hours in _consecutive(silent):
        a, b = frame.bin_start(hours[0], HOUR_S), frame.bin_start(hours[-1], HOUR_S) + timedelta(hours=1)
        if not any(x <= a and b <= y for x, y in known):
            found.append(Gap(max(a, start), min(b, end), silent[hours[0]]))
    return tuple(sorted(found, key=lambda g: (g.start, g.end, g.telescope)))


def seconds_of_hours(measured: Measured, silent: dict[int, str]) -> dict[int, float]:
    """Seconds observed of each local hour that was; known gaps count when there is one telescope only."""
    frame = measured.frame
    known: list[tuple[datetime, datetime]] = []
    if len(frame.telescopes) == 1:
        only = frame.telescopes[0]
        known = [*only.outages, *_not_live(only, frame.period.start, frame.period.end)]
    result = {}
    for hour in frame.bins(HOUR_S):
        if hour in silent:
            continue
        a = frame.bin_start(hour, HOUR_S)
        b = a + timedelta(seconds=HOUR_S)
        if measured.begin and measured.end and measured.end - measured.begin >= LONG:
            a, b = max(a, measured.begin), min(b, measured.end)
        lost = sum(max(0.0, (min(b, y) - max(a, x)).total_seconds()) for x, y in known)
        result[hour] = max(0.0, (b - a).total_seconds() - lost)
    return result


def _consecutive(silent: dict[int, str]) -> list[list[int]]:
    runs: list[list[int]] = []
    for hour in sorted(silent):
        if runs and runs[-1][-1] == hour - 1 and silent[hour - 1] == silent[hour]:
            runs[-1].append(hour)
        else:
            runs.append([hour])
    return runs


def _not_live(telescope: Telescope, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    if not telescope.live:
        return []
    at, dead = start, []
    for a, b in sorted(telescope.live, key=lambda span: span[0]):
        if a > at:
            dead.append((at, min(a, end)))
        at = max(at, b or end)
        if at >= end:
            break
    if at < end:
        dead.append((at, end))
    return [(a, b) for a, b in dead if a < b]
