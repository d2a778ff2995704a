"""Everything a report says, collected: SQL over a snapshot, findings and scopes in, ReportData out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from noroshi import __version__
from noroshi.model import tlp as marking
from noroshi.model.analyser import Query, Scope, Telescope
from noroshi.model.finding import Finding
from noroshi.share.report import arithmetic, commands, context, measure, people, provenance, rank
from noroshi.share.report.data import Bin, Heat, Investigation, Places, ReportData, Totals, YearRow
from noroshi.share.report.frame import DAY_S, HOUR_S, REPLIES, WEEK_S, Frame, frame, port_key
from noroshi.share.report.period import Period, span

TOP = 20
"""Rows of a ranking: what NICTER's yearly report lists, and what fits on a printed page."""
NOTICES = 10
"""Of each kind."""
INFECTED = 200
"""Rows listed; the counts are of all."""


@dataclass(frozen=True)
class Now:
    """The frame of the period, its sums, and those of the period before."""

    query: Query
    frame: Frame
    sums: measure.Measured
    before: measure.Measured | None

    @property
    def period(self) -> Period:
        """The period reported on."""
        return self.frame.period


def build(
    query: Query,
    findings: Iterable[Finding],
    scopes: Sequence[Scope],
    period: Period,
    *,
    now: datetime,
    shown: Iterable[Finding] | None = None,
    telescopes: Sequence[Telescope] = (),
    own: Sequence[str] = (),
    country: Path | None = None,
    network: Path | None = None,
    timezone: str = "",
    reveal: bool = True,
) -> ReportData:
    """The figures of `period`.

    scopes: one per UTC day and telescope, of the period and of the one before (without the latter there is
    no comparison; those of further years make the series by year). telescopes: as configured; those of the
    scopes are added. country, network: tables of `[context]`, or None. Raises ConfigError when one is no
    table. Equal input gives an equal result.
    shown: the findings as the reader may see their subjects, where these are masked; others count only.
    reveal: False for readers outside the organisation, who must not learn which addresses are watched (a
    telescope avoided is a telescope lost) nor which are the organisation's: prefixes, own networks, names of
    captures and the commands that hold prefixes are left out.
    """
    own = own if reveal else ()
    known = {t.name: t for t in (*telescopes, *(s.telescope for s in scopes if s.telescope))}
    tele = tuple(known.values())
    here = frame(period, tele, scopes)
    sums = measure.measure(query, here, scopes)
    at = Now(query, here, sums, _before(query, period, tele, scopes))
    silent = measure.silent_hours(sums, now)
    hits = people.within(findings, period)
    surveyors = people.surveyors(hits)
    by_bin, investigation = _investigation(at, surveyors)
    series, total_sources = _series(at, silent, by_bin)
    year_s = arithmetic.year_seconds(period.first.year)
    ports, ports_seen = rank.ports(query, here, sums, at.before, TOP)
    tools, classes = rank.tools_and_classes(query, here, sums, at.before)
    runs = provenance.runs(query, period)
    listed = hits if shown is None else people.within(shown, period)
    infected = people.infected(listed, own)
    return ReportData(
        period=period,
        so_far=period.end > now,
        as_of=now,
        timezone=timezone or str(period.tz),
        version=__version__,
        tlp=marking.strictest([*(f.tlp for f in hits), *(marking.parse(r.tlp) for r in runs)]),
        totals=_totals(at, total_sources, year_s),
        telescopes=measure.telescope_rows(sums, year_s, reveal),
        series=series,
        gaps=measure.gaps(sums, silent),
        classes=classes,
        ports=ports,
        ports_seen=ports_seen,
        heat=_heat(at, [p.key for p in ports], silent),
        tools=tools,
        investigation=_shares(
            investigation, sums.packets, total_sources, people.capped_days(hits, "investigation-scanner")
        ),
        countries=_places(at, country),
        networks=_places(at, network),
        victims=people.victims(listed, own),
        infected=infected[:INFECTED],
        infected_hosts=len(infected),
        infected_own=sum(i.own for i in infected),
        infected_capped_days=people.capped_days(hits, "infected-host"),
        infected_days=people.infected_days(hits, own, period, _days_seen(at)),
        own=tuple(own),
        kinds=people.kinds(hits),
        notices=people.notices(listed, NOTICES, reveal),
        years=_years(query, period, tele, scopes),
        runs=runs[: provenance.LISTED] if reveal else (),
        runs_count=len(runs),
        rejects=provenance.rejects(query, [r.run_id for r in runs]),
        commands=commands.commands(here, reveal),
    )


def _before(
    query: Query, period: Period, telescopes: Sequence[Telescope], scopes: Sequence[Scope]
) -> measure.Measured | None:
    """Sums of the period before; None when nothing is known of it."""
    previous = period.previous()
    if telescopes and not {s.day for s in scopes} & set(previous.utc_days()):
        return None
    sums = measure.measure(query, frame(previous, telescopes, scopes), scopes)
    return sums if sums.packets and sums.base > 0 else None


def _sources(query: Query, here: Frame, step_s: int | None) -> dict[int | None, int]:
    """Distinct sources by bin, and under None of the whole period."""
    if step_s is None:
        text = here.select("NULL::BIGINT AS bin, count(DISTINCT src_ip) AS sources", group="")
    else:
        columns = f"{here.bin(step_s)} AS bin, count(DISTINCT src_ip) AS sources"
        text = here.select(columns, group="GROUP BY GROUPING SETS ((bin), ())")
    return {r["bin"]: int(r["sources"]) for r in query.sql(text, here.params).to_pylist()}


def _step(period: Period) -> int:
    """Seconds of a step of the series: hours up to eight days, days up to a year and a month, then weeks."""
    if period.seconds <= 8 * DAY_S + HOUR_S:
        return HOUR_S
    return DAY_S if period.seconds <= 400 * DAY_S else WEEK_S


def _series(at: Now, silent: dict[int, str], investigated: dict[int, int]) -> tuple[tuple[Bin, ...], int]:
    here, step = at.frame, _step(at.period)
    sources = _sources(at.query, here, step)
    packets: dict[int, int] = {}
    observed: dict[int, float] = {}
    for hour, seconds in measure.seconds_of_hours(at.sums, silent).items():
        number = here.bin_of_hour(hour, step)
        if seconds or at.sums.hours.get(hour):
            observed[number] = observed.get(number, 0.0) + seconds
            packets[number] = packets.get(number, 0) + at.sums.hours.get(hour, 0)
    rows = []
    for number in here.bins(step):
        start, end = here.bin_start(number, step), here.bin_start(number + 1, step)
        start, end = max(start, at.period.start), min(end, at.period.end)
        if number in observed:
            n = investigated.get(number, 0) if investigated else None
            rows.append(Bin(start, end, packets[number], sources.get(number, 0), n, observed[number]))
        else:
            rows.append(Bin(start, end, None, None, None, 0.0))
    return tuple(rows), sources.get(None, 0)


def _totals(at: Now, sources: int, year_s: float) -> Totals:
    sums, before = at.sums, at.before
    annual = arithmetic.annual_packets_per_address(sums.packets, sums.pairs, year_s)
    daily = measure.daily_annual(sums, year_s)
    old_sources = _sources(at.query, before.frame, None).get(None, 0) if before else None
    spread = (daily[0], daily[-1]) if len(daily) > 1 else (None, None)
    return Totals(
        packets=sums.packets, bytes=sums.bytes, sources=sources, size=sums.size, observed_s=sums.observed_s,
        packets_per_address=sums.packets / sums.size if sums.size else None,
        annual=annual, annual_low=spread[0], annual_high=spread[1],
        seconds_per_packet=year_s / annual if annual else None,
        previous_packets=before.packets if before else None,
        previous_sources=old_sources,
        change=arithmetic.factor(sums.packets, sums.base, before.packets, before.base) if before else None,
        sources_change=sources / old_sources if old_sources else None,
        left_out_packets=sums.left_out, outside_packets=sums.outside,
        first_seen=sums.first, last_seen=sums.last,
    )  # fmt: skip


def _investigation(at: Now, who: people.Surveyors) -> tuple[dict[int, int], rank.Surveyed | None]:
    if not who:
        return {}, None
    surveyed = rank.surveyed(at.query, at.frame, who, _step(at.period))
    return surveyed.by_bin, surveyed


def _shares(found: rank.Surveyed | None, packets: int, sources: int, capped: int) -> Investigation | None:
    if found is None:
        return None
    return Investigation(
        found.packets, found.packets / packets if packets else 0.0,
        found.sources, found.sources / sources if sources else 0.0,
        found.organisations(packets, TOP), capped,
    )  # fmt: skip


def _heat(at: Now, keys: list[str], silent: dict[int, str]) -> Heat:
    """Packets by port and time: hours up to two days, six hours up to eight, then days, then weeks."""
    here, s = at.frame, at.period.seconds
    step = (
        HOUR_S if s <= 2 * DAY_S + HOUR_S
        else 6 * HOUR_S if s <= 8 * DAY_S + HOUR_S
        else DAY_S if s <= 62 * DAY_S + HOUR_S
        else WEEK_S
    )  # fmt: skip
    numbers = here.bins(step)
    seen: dict[int, float] = {}
    for hour, seconds in measure.seconds_of_hours(at.sums, silent).items():
        seen[here.bin_of_hour(hour, step)] = seen.get(here.bin_of_hour(hour, step), 0.0) + seconds
    cells: dict[tuple[str, int], int] = {}
    if keys:
        for row in at.query.sql(rank.heat_sql(here, keys, step), here.params).to_pylist():
            cells[port_key(row["port"]), int(row["bin"])] = int(row["packets"])
    return Heat(
        tuple(keys), tuple(max(here.bin_start(n, step), at.period.start) for n in numbers), step,
        tuple(tuple(cells.get((k, n), 0) if n in seen else None for n in numbers) for k in keys),
        tuple(min(1.0, seen.get(n, 0.0) / step) for n in numbers),
    )  # fmt: skip


def _places(at: Now, path: Path | None) -> Places | None:
    """Countries or networks of the sources of what is no reply; None when the user gave no table."""
    if path is None:
        return None
    table = context.open_table(path)
    text = at.frame.select(
        "src_ip, sum(packet_count)::BIGINT AS packets",
        f'"class" NOT IN {REPLIES}',
        "GROUP BY src_ip ORDER BY src_ip",
    )
    rows = at.query.sql(text, at.frame.params)
    sources: list[Any] = rows.column("src_ip").to_pylist()
    packets: list[Any] = rows.column("packets").to_pylist()
    return context.places(table, path.name, zip(sources, packets, strict=True), sum(packets), TOP)


def _days_seen(at: Now) -> set[date]:
    here = at.frame
    return people.local_days((here.bin_start(h, HOUR_S) for h in at.sums.alive), at.period)


def _years(
    query: Query, period: Period, telescopes: Sequence[Telescope], scopes: Sequence[Scope]
) -> tuple[YearRow, ...]:
    """One row per calendar year that has scopes, up to the period's last; for yearly reports."""
    if period.kind != "year" or not telescopes:
        return ()
    rows = []
    for year in sorted({s.day.year for s in scopes if s.telescope and s.day.year < period.last.year}):
        whole = span(
            period.first.replace(year=year), period.first.replace(year=year, month=12, day=31), period.tz
        )
        sums = measure.measure(query, frame(whole, telescopes, scopes), scopes)
        year_s = arithmetic.year_seconds(year)
        annual = arithmetic.annual_packets_per_address(sums.packets, sums.pairs, year_s)
        if annual is not None and sums.size:
            done = sums.observed_s >= 0.99 * year_s
            rows.append(
                YearRow(
                    year, sums.packets, sums.size, sums.observed_s, done, sums.packets / sums.size, annual
                )
            )
    return tuple(rows)


def newest(query: Query) -> datetime | None:
    """The newest moment stored, for `parse('month', at=...)`; None when there is none."""
    text = "SELECT max(last_seen) AS at FROM flows WHERE day = (SELECT max(day) FROM flows)"
    found: datetime | None = query.sql(text).column("at")[0].as_py()
    return found.astimezone(UTC) if found else None
