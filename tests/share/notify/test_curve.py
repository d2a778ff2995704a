"""The curve of what was fixed, against numbers worked out elsewhere."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.share.notify.curve import at, curve, half


def test_the_leukaemia_trial_of_the_textbooks() -> None:
    """6-MP arm of Freireich et al., Blood 21 (1963), as in Kalbfleisch and Prentice: S(6) = 0.857, ..."""
    remission = [(6, 1), (6, 1), (6, 1), (6, 0), (7, 1), (9, 0), (10, 1), (10, 0), (11, 0), (13, 1), (16, 1), (17, 0),
                 (19, 0), (20, 0), (22, 1), (23, 1), (25, 0), (32, 0), (32, 0), (34, 0), (35, 0)]  # fmt: skip
    points = curve([(float(d), bool(e)) for d, e in remission])
    assert [(p.day, round(1 - p.fixed, 4), p.at_risk) for p in points] == [
        (6, 0.8571, 21), (7, 0.8067, 17), (10, 0.7529, 15), (13, 0.6902, 12), (16, 0.6275, 11), (22, 0.5378, 7),
        (23, 0.4482, 6),
    ]  # fmt: skip
    # Greenwood's standard error at 6 is 0.0764, at 23 it is 0.1346; log(-log) interval at 6: 0.620 to 0.952.
    assert points[0].low == pytest.approx(1 - 0.952, abs=0.001)
    assert points[0].high == pytest.approx(1 - 0.620, abs=0.001)
    assert half(points) == 23
    last = at(points, 100)
    assert last
    assert last.day == 23
    assert at(points, 5) is None


def test_nothing_watched_and_all_fixed() -> None:
    assert curve([]) == []
    assert curve([(3.0, False)]) == []
    (point,) = curve([(0.0, True), (0.0, True)])
    assert (point.fixed, point.low, point.high) == (1.0, 0.0, 1.0)


@given(cases=st.lists(st.tuples(st.floats(-1, 1000), st.booleans()), max_size=60))
def test_a_curve_rises_within_its_interval(cases: list[tuple[float, bool]]) -> None:
    points = curve(cases)
    assert [p.fixed for p in points] == sorted(p.fixed for p in points)
    for p in points:
        assert 0 <= p.low <= p.fixed + 1e-12
        assert p.fixed - 1e-12 <= p.high <= 1
        assert math.isfinite(p.low + p.high)
    if all(f for _, f in cases) and cases:
        assert points[-1].fixed == pytest.approx(1)
