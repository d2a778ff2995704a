"""Figures of a few days against numbers counted by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from noroshi.model import address
from noroshi.model.analyser import Scope, Telescope
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp
from noroshi.share.report import ReportData, build, newest, parse
from tests.support.memory import flow
from tests.support.report_days import StoreQuery, run

UTC_ZONE = ZoneInfo("UTC")
TODAY, YESTERDAY = date(2024, 4, 1), date(2024, 3, 31)
DARK = Telescope("dark", ("192.0.2.0/24",))
NOW = datetime(2024, 4, 2, tzinfo=UTC)
DAY = 86_400.0


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=TABLES["flows"].arrow())


def scopes(size: float = 256.0, observed_s: float = DAY, **more: Any) -> list[Scope]:
    return [Scope(d, DARK, size, 256, observed_s, **more) for d in (YESTERDAY, TODAY)]


def finding(kind: str, value: str, *, days: int = 0, **evidence: Any) -> Finding:
    at = datetime(2024, 4, 1, 10, tzinfo=UTC) - timedelta(days=days)
    summary = {"en": "seen", "ja": "観測"}
    return Finding(
        kind, Subject("ip", value), Rule(kind, 1), at, at + timedelta(hours=1), 90, summary, evidence, "dark",
        tlp=Tlp.GREEN,
    )  # fmt: skip


ROWS = [
    # yesterday: 10 packets to tcp/23 from one source, 4 to tcp/22
    flow("198.51.100.1", "192.0.2.1", at=-DAY, dport=23, count=10),
    flow("198.51.100.2", "192.0.2.1", at=-DAY, dport=22, count=4),
    # today: 30 to tcp/23 from three, 2 to tcp/22 from one, 6 to udp/53, 2 echo requests
    flow("198.51.100.1", "192.0.2.1", dport=23, count=10, tool="mirai"),
    flow("198.51.100.2", "192.0.2.2", dport=23, count=15, tool="mirai"),
    flow("198.51.100.3", "192.0.2.3", at=3_600, dport=23, count=5),
    flow("198.51.100.3", "192.0.2.3", dport=22, count=2),
    flow("198.51.100.4", "192.0.2.4", dport=53, proto=17, count=6, tool="zmap-udp"),
    flow("198.51.100.4", "192.0.2.4", sport=8, dport=0, proto=1, count=2),
    # backscatter is counted, but in no ranking of ports
    flow("203.0.113.80", "192.0.2.5", sport=80, dport=4_000, flags=18, count=7, **{"class": "backscatter"}),
    # to no telescope
    flow("198.51.100.4", "198.18.0.1", dport=80, count=3),
    # from inside, and to the address that talks
    flow("192.0.2.200", "198.51.100.4", dport=80, count=1),
    flow("198.51.100.4", "192.0.2.200", dport=80, count=8),
]


@pytest.fixture
def query() -> StoreQuery:
    first, last = datetime(2024, 4, 1, 12, tzinfo=UTC), datetime(2024, 4, 1, 13, tzinfo=UTC)
    runs = [
        run("b", "today.pcap", first, last),
        run("a", "yesterday.pcap", first - timedelta(days=1), last - timedelta(days=1), tlp="red"),
        run("open", "open.pcap", first, last, state="open"),
        run("gone", "gone.pcap", first, last),
        run("gone", "gone.pcap", first, last, state="forgotten", at=last + timedelta(hours=1)),
    ]
    rejects = [
        {"run_id": r, "path": "", "position": i, "reason": "record-length", "detail": "", "sample": "", "count": 2}
        for i, r in enumerate(("b", "b", "a", "gone"))
    ]  # fmt: skip
    return StoreQuery(table(ROWS), runs, rejects)


@pytest.fixture
def data(query: StoreQuery) -> ReportData:
    inside = (address.pack("192.0.2.200"),)
    return build(query, [], scopes(255.0, inside=inside), parse("2024-04-01", NOW, UTC_ZONE), now=NOW)


def test_totals(data: ReportData) -> None:
    t = data.totals
    assert (t.packets, t.sources, t.left_out_packets, t.outside_packets) == (47, 5, 9, 3)
    assert t.bytes == 47 * 40
    assert t.packets_per_address == pytest.approx(47 / 255)
    assert t.annual == pytest.approx(47 / 255 * 366)  # 2024 has 366 days
    assert t.seconds_per_packet == pytest.approx(86_400 * 255 / 47)
    assert (t.previous_packets, t.previous_sources) == (14, 2)
    assert t.change == pytest.approx(47 / 14)
    assert t.sources_change == pytest.approx(2.5)
    assert not data.so_far


def test_ports_and_their_change(data: ReportData) -> None:
    rows = [(p.key, p.packets, p.sources, p.previous_packets, p.previous_rank) for p in data.ports]
    assert rows == [
        ("tcp/23", 30, 3, 10, 1), ("udp/53", 6, 1, 0, None), ("icmp/8", 2, 1, 0, None), ("tcp/22", 2, 1, 4, 2)
    ]  # fmt: skip
    assert [p.change for p in data.ports] == [pytest.approx(3), None, None, pytest.approx(0.5)]
    assert data.ports[0].share == pytest.approx(30 / 40)
    assert data.ports_seen == 4


def test_change_is_by_addresses_and_time_observed(query: StoreQuery) -> None:
    known = [Scope(YESTERDAY, DARK, 256.0, 256, DAY / 2), Scope(TODAY, DARK, 128.0, 256, DAY)]
    data = build(query, [], known, parse("2024-04-01", NOW, UTC_ZONE), now=NOW)
    # the same address-seconds on both days: half the size, twice the time
    assert data.ports[0].change == pytest.approx(3)


def test_tools_and_classes(data: ReportData) -> None:
    assert [(t.key, t.packets, t.sources) for t in data.tools] == [
        ("mirai", 25, 2),
        ("", 16, 3),
        ("zmap-udp", 6, 1),
    ]
    assert [(c.key, c.packets, c.sources) for c in data.classes] == [("scan", 40, 4), ("backscatter", 7, 1)]


def test_heat_and_series(data: ReportData) -> None:
    assert data.heat.step_s == 3_600
    assert data.heat.rows[0] == "tcp/23"
    known = {s.hour: v for s, v in zip(data.heat.starts, data.heat.values[0], strict=True) if v is not None}
    assert {h: v for h, v in known.items() if v} == {12: 25, 13: 5}
    bins = {b.start.hour: b for b in data.series}
    assert (bins[12].packets, bins[12].sources) == (42, 5)
    assert (bins[13].packets, bins[13].sources) == (5, 1)
    assert len(data.series) == 24
    assert sum(b.packets or 0 for b in data.series) == data.totals.packets


def test_what_was_not_observed_is_none(data: ReportData) -> None:
    """Data stands in two hours only: before and after, nothing is known."""
    bins = {b.start.hour: b for b in data.series}
    assert bins[0].packets is None
    assert bins[23].sources is None
    assert [(g.start.hour, g.end.hour, g.reason) for g in data.gaps] == [
        (0, 12, "no-data"),
        (14, 0, "no-data"),
    ]


def test_a_quiet_hour_is_zero_and_a_silent_one_a_gap() -> None:
    quiet = [flow("198.51.100.1", "192.0.2.1", at=3_600 * h, dport=23, count=2) for h in (0, 1, 3)]
    loud = [flow("198.51.100.1", "192.0.2.1", at=3_600 * h, dport=23, count=200) for h in (0, 1, 3)]
    found = {}
    for name, rows in (("quiet", quiet), ("loud", loud)):
        data = build(StoreQuery(table(rows)), [], scopes(), parse("2024-04-01", NOW, UTC_ZONE), now=NOW)
        found[name] = {b.start.hour: b.packets for b in data.series}[14]
    assert found == {"quiet": 0, "loud": None}


def test_outages_are_gaps_with_their_reason() -> None:
    down = (datetime(2024, 4, 1, 13, 30, tzinfo=UTC), datetime(2024, 4, 1, 15, tzinfo=UTC))
    dark = Telescope("dark", ("192.0.2.0/24",), (), (down,))
    rows = [flow("198.51.100.1", "192.0.2.1", at=3_600 * h, dport=23, count=200) for h in (0, 1, 3)]
    known = [Scope(TODAY, dark, 256.0, 256, 9_000.0)]
    data = build(StoreQuery(table(rows)), [], known, parse("2024-04-01", NOW, UTC_ZONE), now=NOW)
    assert [(g.start.hour, g.reason) for g in data.gaps] == [(0, "no-data"), (13, "outage"), (16, "no-data")]
    assert {b.start.hour: b.observed_s for b in data.series}[13] == 1_800
    assert data.totals.observed_s == 9_000


def test_local_days() -> None:
    """A day in Tokyo takes parts of two UTC days, and of each the share of its time that has data."""
    rows = [flow("198.51.100.1", "192.0.2.1", at=3_600 * h, dport=23) for h in range(-24, 12)]
    tokyo = ZoneInfo("Asia/Tokyo")
    known = [Scope(YESTERDAY, DARK, 256.0, 256, 12 * 3_600), Scope(TODAY, DARK, 256.0, 256, DAY)]
    query = StoreQuery(table(rows))
    data = build(query, [], known, parse("2024-04-01", NOW, tokyo), now=NOW)
    assert data.totals.packets == 24  # 15:00 UTC yesterday to 15:00 UTC today
    # 9 of the 12 hours yesterday, 15 of the 24 today
    assert data.totals.observed_s == pytest.approx(24 * 3_600)
    assert data.series[0].start == datetime(2024, 3, 31, 15, tzinfo=UTC)


def test_two_telescopes_add_up() -> None:
    other = Telescope("other", ("198.51.100.0/25",))
    rows = [
        flow("203.0.113.1", "192.0.2.1", dport=23, count=256),
        flow("203.0.113.1", "198.51.100.1", count=64),
    ]
    known = [Scope(TODAY, DARK, 256.0, 256, DAY), Scope(TODAY, other, 128.0, 128, DAY)]
    data = build(StoreQuery(table(rows)), [], known, parse("2024-04-01", NOW, UTC_ZONE), now=NOW)
    assert data.totals.size == pytest.approx(384)
    assert data.totals.packets_per_address == pytest.approx(320 / 384)
    assert [t.packets_per_address for t in data.telescopes] == [pytest.approx(1), pytest.approx(0.5)]


def test_without_a_telescope_counts_but_no_rates(query: StoreQuery) -> None:
    data = build(query, [], [], parse("2024-04-01", NOW, UTC_ZONE), now=NOW)
    assert data.totals.packets == 59
    assert data.totals.annual is None
    assert data.totals.packets_per_address is None
    assert data.telescopes == ()


def test_nothing_stored_is_not_zero_per_address() -> None:
    data = build(StoreQuery(table([])), [], [], parse("2024-04-01", NOW, UTC_ZONE), now=NOW)
    assert data.totals.packets == 0
    assert data.totals.annual is None
    assert all(b.packets is None for b in data.series)
    assert newest(StoreQuery(table([]))) is None


def test_newest(query: StoreQuery) -> None:
    assert newest(query) == datetime(2024, 4, 1, 13, tzinfo=UTC)


def test_provenance_counts_closed_runs_of_the_period(data: ReportData) -> None:
    assert [r.run_id for r in data.runs] == ["b"]
    assert [(r.reason, r.count, r.runs) for r in data.rejects] == [("record-length", 4, 1)]
    assert data.tlp == Tlp.GREEN  # yesterday's red run is no part of it


def test_strictest_marking_of_runs_and_findings(query: StoreQuery) -> None:
    red = finding("dos-victim", "203.0.113.80").marked(Tlp.RED, ())
    data = build(query, [red], scopes(), parse("2024-04-01", NOW, UTC_ZONE), now=NOW)
    assert data.tlp == Tlp.RED
    assert (
        build(StoreQuery(table(ROWS)), [], [], parse("2024-04-01", NOW, UTC_ZONE), now=NOW).tlp
        == Tlp.AMBER_STRICT
    )


def test_investigation_scanners_count_on_their_days_only(query: StoreQuery) -> None:
    found = [
        finding("investigation-scanner", "198.51.100.3", organisation="Example Survey"),
        finding("investigation-scanner", "198.51.100.1", days=1),  # not recognised today
    ]
    data = build(query, found, scopes(), parse("2024-04-01", NOW, UTC_ZONE), now=NOW)
    assert data.investigation is not None
    assert (data.investigation.packets, data.investigation.sources) == (7, 1)
    assert [(o.key, o.packets) for o in data.investigation.organisations] == [("Example Survey", 7)]
    assert sum(b.investigation or 0 for b in data.series) == 7


def test_investigation_groups_are_prefixes(query: StoreQuery) -> None:
    group = finding("investigation-scanner", "198.51.100.2/31", organisation="Group")
    data = build(query, [group], scopes(), parse("2024-04-01", NOW, UTC_ZONE), now=NOW)
    assert data.investigation is not None
    assert (data.investigation.packets, data.investigation.sources) == (22, 2)


def test_hosts(query: StoreQuery) -> None:
    found = [
        finding("infected-host", "198.51.100.1", **{"class": "mirai", "packet_count": 10}),
        finding("infected-host", "203.0.113.9", **{"class": "mirai", "packet_count": 2}),
        finding("infected-host", "203.0.113.9", days=1, packet_count=5),
        finding(
            "dos-victim", "203.0.113.80", rate_pps=1e5, rate_low=5e4, rate_high=2e5, n=7, ports=["tcp/80"]
        ),
        finding("dos-victim", "203.0.113.81"),
    ]
    period = parse("2024-04-01", NOW, UTC_ZONE)
    data = build(query, found, scopes(), period, now=NOW, own=("203.0.113.0/24",))
    assert [(i.subject, i.own, i.packets) for i in data.infected] == [
        ("203.0.113.9", True, 2), ("198.51.100.1", False, 10)
    ]  # fmt: skip
    assert (data.infected_hosts, data.infected_own) == (2, 1)
    assert [(v.subject, v.rate, v.replies) for v in data.victims] == [
        ("203.0.113.80", 1e5, 7), ("203.0.113.81", None, None)
    ]  # fmt: skip
    assert [v.own for v in data.victims] == [True, True]
    assert dict(data.kinds) == {"infected-host": 2, "dos-victim": 2}


def test_years() -> None:
    rows = [
        flow("198.51.100.1", "192.0.2.1", at=-366 * DAY, dport=23, count=128),
        flow("198.51.100.1", "192.0.2.1", dport=23, count=256),
    ]
    known = [Scope(date(2023, 4, 1), DARK, 256.0, 256, DAY), Scope(TODAY, DARK, 256.0, 256, DAY)]
    data = build(StoreQuery(table(rows)), [], known, parse("2024", NOW, UTC_ZONE), now=NOW)
    assert [(y.year, y.packets, y.packets_per_address, y.complete) for y in data.years] == [
        (2023, 128, pytest.approx(0.5), False), (2024, 256, pytest.approx(1.0), False)
    ]  # fmt: skip
    assert [y.annual for y in data.years] == [pytest.approx(0.5 * 365), pytest.approx(366)]
    assert data.so_far


def test_equal_input_gives_an_equal_report(query: StoreQuery) -> None:
    period = parse("2024-04-01", NOW, UTC_ZONE)
    assert build(query, [], scopes(), period, now=NOW) == build(query, [], scopes(), period, now=NOW)


def test_no_query_reads_a_day_beyond_the_period_and_the_one_before(query: StoreQuery) -> None:
    build(query, [], scopes(), parse("2024-04-01", NOW, UTC_ZONE), now=NOW)
    for text in query.asked:
        if "FROM flows" in text:
            assert "day BETWEEN DATE '2024-04-01' AND DATE '2024-04-01'" in text or (
                "day BETWEEN DATE '2024-03-31' AND DATE '2024-03-31'" in text
            )
