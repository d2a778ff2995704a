"""The distributions against published tables, and against scipy where it is installed."""

from __future__ import annotations

import math

import pytest

from noroshi.analyse.darknet import stats


# Garwood's interval as tabulated in textbooks (e.g. Ulm 1990; Sahai & Khurshid 1993), 95 %.
@pytest.mark.parametrize(
    ("n", "low", "high"),
    [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (5, 1.6235, 11.6683), (10, 4.7954, 18.3904),
     (20, 12.2165, 30.8884), (50, 37.1110, 65.9188), (100, 81.3639, 121.6273)],
)  # fmt: skip
def test_garwood_against_the_tables(n: int, low: float, high: float) -> None:
    assert stats.garwood(n) == pytest.approx((low, high), abs=1e-3)


# Chi-square critical values of any statistical table.
@pytest.mark.parametrize(
    ("x", "df", "p"), [(3.841, 1, 0.05), (18.307, 10, 0.05), (124.342, 100, 0.05), (16.266, 3, 0.001)]
)
def test_chi_square_against_the_tables(x: float, df: int, p: float) -> None:
    assert stats.chi2_sf(x, df) == pytest.approx(p, rel=1e-3)


def test_poisson_tail_equals_the_plain_sum() -> None:
    for mean in (0.01, 0.5, 3.0, 40.0):
        for k in (1, 2, 10, 60):
            below = math.fsum(math.exp(-mean + i * math.log(mean) - math.lgamma(i + 1)) for i in range(k))
            assert stats.poisson_tail(k, mean) == pytest.approx(1 - below, abs=1e-12)
    assert stats.poisson_tail(0, 5.0) == 1.0
    assert stats.poisson_tail(100, 0.5) == pytest.approx(
        0.5**100 * math.exp(-0.5) / math.factorial(100), rel=0.01
    )


def test_poisson_needed_is_the_first_count_in_the_tail() -> None:
    k = stats.poisson_needed(2.0, 1e-6)
    assert stats.poisson_tail(k, 2.0) < 1e-6 <= stats.poisson_tail(k - 1, 2.0)


def test_the_cube_root_meets_the_exact_quantile_where_they_change_over() -> None:
    below, above = stats.gamma_quantile(0.975, 99_999.0), stats.gamma_quantile(0.975, 100_001.0)
    assert above - below == pytest.approx(2.0, abs=0.02)


def test_scaled_interval_is_garwood_without_dispersion_and_wider_with() -> None:
    assert stats.scaled_garwood(100, 0.7) == stats.garwood(100.0)
    low, high = stats.scaled_garwood(100, 4.0)
    assert (low, high) == pytest.approx(tuple(4 * x for x in stats.garwood(25)))


def test_uniformity() -> None:
    assert stats.uniformity_p([5, 5, 5, 5]) == 1.0
    assert stats.uniformity_p([20, 0, 0, 0]) < 1e-10
    assert stats.uniformity_p([10, 20], [1.0, 2.0]) == 1.0
    assert stats.uniformity_p([1, 20], [0.0, 1.0]) == 0.0


def test_mean_for_detection() -> None:
    # P(Poisson(15.705) >= 10) = 0.95: half the 95 % point of chi-square with 20 degrees, 31.410 / 2.
    assert stats.mean_for_detection(10, 8, 1 << 24) == pytest.approx(31.410 / 2, abs=0.01)
    assert stats.mean_for_detection(10, 8, 16) > 15.8
    assert stats.mean_for_detection(10, 8, 7) == math.inf
    # Eight addresses, all of which must be hit: (1 - exp(-m/8))^8 = 0.95.
    assert stats.mean_for_detection(1, 8, 8) == pytest.approx(-8 * math.log(1 - 0.95 ** (1 / 8)), rel=1e-3)


def test_against_scipy() -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    for a in (0.3, 1.0, 7.5, 120.0, 9_000.0):
        for p in (0.001, 0.025, 0.5, 0.975):
            assert stats.gamma_quantile(p, a) == pytest.approx(float(scipy_stats.gamma.ppf(p, a)), rel=1e-8)
