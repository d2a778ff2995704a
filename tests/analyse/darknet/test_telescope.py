"""Effective size, scopes from rows, figures per address, and guesses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.analyse.darknet import telescope
from noroshi.model import address
from noroshi.model.analyser import Telescope
from tests.analyse.darknet import captures
from tests.support.memory import DAY, NOON, MemoryQuery, flow

MIDNIGHT = datetime(2024, 4, 1, tzinfo=UTC)
H = timedelta(hours=1)
WHOLE = [(MIDNIGHT, MIDNIGHT + 24 * H)]
NET = Telescope("test", ("192.0.2.0/24",))


def test_size_of_three_cases_by_hand() -> None:
    assert telescope.effective_size(NET, DAY, WHOLE) == (256.0, 256, 86_400.0)
    inside = [address.pack("192.0.2.1"), address.pack("192.0.2.1"), address.pack("198.51.100.1")]
    assert telescope.effective_size(NET, DAY, WHOLE, inside) == (255.0, 256, 86_400.0)
    assert telescope.effective_size(NET, DAY, []) == (0.0, 256, 0.0)


def test_overlapping_and_ipv6_prefixes() -> None:
    both = Telescope("test", ("192.0.2.0/24", "192.0.2.0/25", "2001:db8:42::/48"))
    assert telescope.effective_size(both, DAY, WHOLE, [address.pack("2001:db8:42::1")]).size == 256.0


def test_outages_and_live_periods_shorten_the_time_not_the_size() -> None:
    outages = ((MIDNIGHT + 2 * H, MIDNIGHT + 3 * H), (MIDNIGHT + 23 * H, MIDNIGHT + 30 * H))
    down = Telescope("test", NET.prefixes, outages=outages)
    assert telescope.effective_size(down, DAY, WHOLE) == (256.0, 256, 22 * 3600.0)
    young = Telescope("test", NET.prefixes, live=((MIDNIGHT + 20 * H, None),))
    assert telescope.effective_size(young, DAY, WHOLE).observed_s == 4 * 3600.0
    gone = Telescope("test", NET.prefixes, live=((MIDNIGHT - 20 * H, MIDNIGHT),))
    assert telescope.effective_size(gone, DAY, WHOLE).size == 0.0


def test_a_lone_packet_leaves_a_second_to_divide_by() -> None:
    assert telescope.effective_size(NET, DAY, [(NOON, NOON)]).observed_s == 1.0


def test_a_silence_in_which_packets_were_due_is_a_gap() -> None:
    busy = [(MIDNIGHT + i * H, MIDNIGHT + i * H + timedelta(minutes=59), 1000) for i in (0, 1, 10, 11)]
    assert [(b - a) / H for a, b in telescope.observed_spans(busy)] == pytest.approx([1.98, 1.98], abs=0.01)
    quiet = [(a, b, 3) for a, b, _ in busy]
    assert len(telescope.observed_spans(quiet)) == 1


@given(st.lists(st.tuples(st.integers(0, 1440), st.integers(0, 1440)), max_size=8))
def test_live_spans_are_the_minutes_left(cuts: list[tuple[int, int]]) -> None:
    minute = timedelta(minutes=1)
    outages = tuple((MIDNIGHT + min(c) * minute, MIDNIGHT + max(c) * minute) for c in cuts)
    down = {m for a, b in cuts for m in range(min(a, b), max(a, b))}
    spans = telescope.live_spans(
        Telescope("t", NET.prefixes, outages=outages), MIDNIGHT, MIDNIGHT + 24 * H, WHOLE
    )
    assert telescope.seconds(spans) == 60.0 * (1440 - len(down))


# NICTER: packets, per address, addresses at the end of the year (NICT REPORT 2019, p. 43)
@pytest.mark.parametrize(
    ("packets", "per_address", "addresses", "effective"),
    [
        (150.4e9, 559_125, 300_000, 269_000),
        (54.51e9, 213_523, 280_000, 255_000),
        (5.65e9, 50_128, 120_000, 112_700),
    ],
)
def test_nicter_figures_are_packets_over_time_averaged_addresses(
    packets: float, per_address: int, addresses: int, effective: int
) -> None:
    average = packets / per_address
    assert average == pytest.approx(effective, rel=0.01)
    assert average < addresses
    # a telescope that grew to the year's end size: k days at less, the rest whole
    days = [telescope.Size(2 * average - addresses, addresses, 86_400.0)] * 182
    days += [telescope.Size(float(addresses), addresses, 86_400.0)] * 182
    got = telescope.packets_per_address(packets, days, 364 * 86_400.0)
    assert got == pytest.approx(per_address, rel=1e-6)
    assert packets / addresses < 0.97 * got  # what plain division by the nominal size would have said


def test_days_not_observed_lower_the_average() -> None:
    assert telescope.packets_per_address(256.0, [telescope.Size(256.0, 256, 43_200.0)], 86_400.0) == 2.0
    assert telescope.packets_per_address(5.0, [], 86_400.0) == 0.0


def test_scopes_from_rows() -> None:
    rows = [flow("198.51.100.7", "192.0.2.1", at=i * 60.0) for i in range(61)]
    rows += [flow("192.0.2.9", "198.51.100.7", flags=4), flow("192.0.2.8", "192.0.2.8")]
    query = MemoryQuery(rows)
    other = Telescope("other", ("203.0.113.0/24",))
    [made] = telescope.build_scopes(query, DAY, [NET, other], own=["198.51.100.0/24"], options={"a": 1})
    assert made.telescope == NET
    assert made.inside == (address.pack("192.0.2.9"),)  # not the forged one that talks to itself
    assert (made.size, made.nominal, made.observed_s) == (255.0, 256, 3600.0)
    assert (made.own, made.options) == (("198.51.100.0/24",), {"a": 1})
    [bare] = telescope.build_scopes(query, DAY, [other])
    assert bare.telescope is None
    assert bare.size == 0.0
    assert bare.observed_s == 3600.0
    assert telescope.build_scopes(query, DAY + timedelta(days=1), [NET]) == []
    assert telescope.uncovered(query, DAY, [NET]) == 0
    assert telescope.uncovered(query, DAY, [other]) == 63


def test_scopes_of_the_backscatter_trace() -> None:
    rows = captures.read("ncsa_backscatter_12h.pcap")
    net = Telescope("ncsa", ("192.150.186.0/23",))
    made = [s for d in captures.days(rows) for s in telescope.build_scopes(MemoryQuery(rows), d, [net])]
    assert len({a for s in made for a in s.inside}) == 183
    assert sum(s.observed_s for s in made) == pytest.approx(12 * 3600, rel=0.02)


# -- guess ------------------------------------------------------------------------------------------------


def guess(rows: list[dict[str, Any]] | pa.Table, *known: str) -> telescope.Guess:
    return telescope.guess(MemoryQuery(rows), known)


def test_guess_finds_the_prefix_by_hand() -> None:
    rows = [flow(f"198.51.100.{i}", f"192.0.2.{16 + i}") for i in range(16)]
    got = guess(rows)
    assert [p.prefix for p in got.proposals] == ["192.0.2.16/28"]
    evidence = got.proposals[0].evidence
    assert (evidence["hit"], evidence["coverage"], evidence["sources"], evidence["evenness"]) == (
        16,
        1.0,
        16,
        1.0,
    )
    assert guess(rows, "192.0.2.0/24").proposals == ()


def test_guess_takes_the_widest_that_is_covered_in_both_halves() -> None:
    wide = [flow("198.51.100.1", f"10.0.{n}.{i}") for n in range(4) for i in range(0, 256, 1 + n % 2)]
    got = guess(wide)
    assert [p.prefix for p in got.proposals] == ["10.0.0.0/22"]
    assert "one source only" in got.notes[0]


def test_guess_of_a_short_capture_of_a_large_telescope() -> None:
    import random

    rng = random.Random(7)
    rows = [
        flow(f"198.51.{rng.randrange(256)}.1", f"10.9.{rng.randrange(256)}.{rng.randrange(256)}")
        for _ in range(2000)
    ]
    [found] = guess(rows).proposals
    assert (found.prefix, found.evidence["basis"]) == ("10.9.0.0/16", "sparse")


def test_guess_single_hosts() -> None:
    rows = [flow(f"198.51.100.{i}", "192.0.2.77") for i in range(30)]
    [found] = guess(rows).proposals
    assert (found.prefix, found.evidence["basis"], found.evidence["sources"]) == (
        "192.0.2.77/32",
        "single",
        30,
    )
    talks = guess([*rows, flow("192.0.2.77", "198.51.100.1", flags=18)])
    assert talks.proposals == ()
    assert "it sent 1 packets itself" in talks.notes[0]
    few = guess(rows[:3])
    assert few.proposals == ()
    assert "no prefix" in few.notes[0]
    assert guess([flow("2001:db8::1", "2001:db8::2")]).proposals == ()


def test_guess_on_captures() -> None:
    trace = guess(captures.read("ncsa_backscatter_12h.pcap"))
    assert trace.proposals[0].prefix == "192.150.186.0/23"
    assert trace.proposals[0].evidence["inside"] == 183
    flood = guess(captures.read("stopddos_pkt.TCP.synflood.spoofed.pcap"))
    assert [p.prefix.rpartition("/")[2] for p in flood.proposals] == ["32"]
    for name in ("ndpi_synscan.pcap", "zmap_before_3.0.pcap"):
        got = guess(captures.read(name))
        assert got.proposals == ()
        assert got.notes
