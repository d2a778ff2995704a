"""Packets per address and year, against the series NICTER published; the detection floor; factors."""

from __future__ import annotations

import math

import pytest

from noroshi.share.report.arithmetic import (
    MEAN_REPLIES,
    annual_packets_per_address,
    average_size,
    factor,
    victim_floor,
    year_seconds,
)

# NICT REPORT 2019, p. 43: year, packets in 1e9, addresses at the year's end in 1e3, packets per address
NICTER = (
    (2005, 0.31, 16, 19_066), (2006, 0.81, 100, 17_231), (2007, 1.99, 100, 19_118), (2008, 2.29, 120, 22_710),
    (2009, 3.57, 120, 36_190), (2010, 5.65, 120, 50_128), (2011, 4.54, 120, 40_654), (2012, 7.78, 190, 53_085),
    (2013, 12.88, 210, 63_655), (2014, 25.66, 240, 115_323), (2015, 54.51, 280, 213_523),
    (2016, 128.1, 300, 469_104), (2017, 150.4, 300, 559_125),
)  # fmt: skip


@pytest.mark.parametrize(("year", "packets", "end_size", "published"), NICTER)
def test_nicter_series_with_time_averaged_addresses(
    year: int, packets: float, end_size: int, published: int
) -> None:
    """The published value implies an average; the telescope grew to its size at the year's end to make it.

    A year of two halves, the second at the size of the year's end, has that average when the first half was
    at 2 * average - end. The report must give the published value back, and the plain division must not.
    """
    average, seconds = packets * 1e9 / published, year_seconds(year)
    spans = [(2 * average - end_size * 1e3, seconds / 2), (end_size * 1e3, seconds / 2)]
    assert average_size(spans) == pytest.approx(average)
    value = annual_packets_per_address(packets * 1e9, spans, seconds)
    assert value == pytest.approx(published, rel=1e-9)


def test_nicter_2017_is_not_packets_by_nominal_size() -> None:
    # 269 k on average of nominally 300 k: division by the latter would give 501 k instead of 559 k
    assert annual_packets_per_address(150.4e9, [(269_000, year_seconds(2017))]) == pytest.approx(
        559_125, rel=1e-3
    )
    assert annual_packets_per_address(150.4e9, [(300_000, year_seconds(2017))]) == pytest.approx(
        501_333, rel=1e-4
    )


def test_nicter_2024_one_packet_every_13_seconds() -> None:
    # 686.2 e9 packets, "one packet per address every 13 s or so" (NICT release, 2025-02-13)
    annual = year_seconds(2024) / 13
    size = 686.2e9 / annual
    value = annual_packets_per_address(686.2e9, [(size, year_seconds(2024))], year_seconds(2024))
    assert value is not None
    assert year_seconds(2024) / value == pytest.approx(13)


def test_part_of_a_year_is_scaled_by_the_time_observed() -> None:
    assert annual_packets_per_address(1_000, [(100, 86_400)]) == pytest.approx(3_650)
    # half the day lost: the same count means twice the rate
    assert annual_packets_per_address(1_000, [(100, 43_200)]) == pytest.approx(7_300)
    assert annual_packets_per_address(1_000, [(100, 86_400)], year_seconds(2024)) == pytest.approx(3_660)


def test_nothing_observed_is_none_and_not_zero() -> None:
    assert annual_packets_per_address(5, []) is None
    assert annual_packets_per_address(5, [(0.0, 86_400)]) is None
    assert average_size([]) == 0.0
    assert victim_floor(0, 3_600) is None
    assert factor(5, 1, 0, 1) is None


def test_mean_replies_reaches_ten_in_95_of_100() -> None:
    below = sum(math.exp(-MEAN_REPLIES) * MEAN_REPLIES**k / math.factorial(k) for k in range(10))
    assert 1 - below == pytest.approx(0.95, abs=1e-4)


@pytest.mark.parametrize(
    ("size", "seconds", "ten"),
    [(2**24, 3_600, 0.7), (2**16, 3_600, 182), (2**12, 3_600, 2_900), (512, 86_400, 970)],
)
def test_floor_by_size(size: int, seconds: float, ten: float) -> None:
    """The rates at which ten replies are expected, from the rule's description, scaled to 95 in 100."""
    floor = victim_floor(size, seconds)
    assert floor is not None
    assert floor == pytest.approx(ten * MEAN_REPLIES / 10, rel=0.02)


def test_factor_compares_rates() -> None:
    assert factor(300, 100, 100, 100) == pytest.approx(3)
    assert factor(300, 100, 100, 50) == pytest.approx(1.5)
