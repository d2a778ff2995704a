"""How soon what was told is mended: the share fixed by day, with those still open counted for as long as watched.

Source: Kaplan and Meier, JASA 53 (1958); the interval is Greenwood's on the scale log(-log S) (Kalbfleisch and Prentice
1980), which stays within 0 and 1. An address that changed its host looks fixed: that is the largest error of such
figures, and no interval holds it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

DAYS = (1, 3, 7, 14, 30, 90)
"""Days told in tables; NDSS 2019 (Cetin et al.) gives 14."""
_Z = 1.959964
"""Of a 95 % interval."""


@dataclass(frozen=True)
class Point:
    """The share fixed by the end of a day after the notice."""

    day: float
    fixed: float
    low: float
    high: float
    at_risk: int
    """Those still open and watched just before."""


def curve(cases: Iterable[tuple[float, bool]]) -> list[Point]:
    """The steps of the curve. cases: (days watched from the notice on, True when fixed then, False when still open)."""
    left = sorted((max(0.0, days), fixed) for days, fixed in cases)
    points: list[Point] = []
    alive, greenwood, n = 1.0, 0.0, len(left)
    at = 0
    while at < len(left):
        day, end = left[at][0], at
        while end < len(left) and left[end][0] == day:
            end += 1
        fixed, risk = sum(f for _, f in left[at:end]), n - at
        if fixed:
            alive *= 1 - fixed / risk
            greenwood += fixed / (risk * (risk - fixed)) if risk > fixed else math.inf
            points.append(Point(day, 1 - alive, *_interval(alive, greenwood), risk))
        at = end
    return points


def _interval(alive: float, greenwood: float) -> tuple[float, float]:
    if alive <= 0.0 or not math.isfinite(greenwood):
        return 0.0, 1.0  # the last one watched was fixed: the formula says nothing of its certainty
    if alive >= 1.0:
        return 0.0, 0.0
    width = _Z * math.sqrt(greenwood) / abs(math.log(alive))
    return 1 - alive ** math.exp(-width), 1 - alive ** math.exp(width)


def at(points: Sequence[Point], day: float) -> Point | None:
    """The curve at the end of a day; None before the first step."""
    return next((p for p in reversed(points) if p.day <= day), None)


def half(points: Sequence[Point]) -> float | None:
    """Days until half are fixed; None when it never came so far."""
    return next((p.day for p in points if p.fixed >= 0.5), None)
