"""The few distributions the darknet analysers need: numpy and math only, checked against published values.

The incomplete gamma function is the one primitive: a Poisson tail, a chi-square p-value and Garwood's
interval are all values of it. Series and continued fraction: Abramowitz & Stegun 6.5.29 and 6.5.31.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

_TINY = 1e-300
_EPS = 1e-15
_LARGE = 1e5  # from here on Wilson and Hilferty's cube root is good to 1e-7 of the quantile, and quicker


def gamma_p(a: float, x: float) -> float:
    """P(a, x), the regularised lower incomplete gamma function, 0..1; a > 0, x >= 0."""
    if x <= 0:
        return 0.0
    return _series(a, x) if x < a + 1 else 1.0 - _fraction(a, x)


def gamma_q(a: float, x: float) -> float:
    """Q(a, x) = 1 - P(a, x), accurate where it is small."""
    if x <= 0:
        return 1.0
    return 1.0 - _series(a, x) if x < a + 1 else _fraction(a, x)


def _series(a: float, x: float) -> float:
    term = total = 1.0 / a
    n = a
    while abs(term) > abs(total) * _EPS:
        n += 1
        term *= x / n
        total += term
    return total * math.exp(-x + a * math.log(x) - math.lgamma(a))


def _fraction(a: float, x: float) -> float:
    # Lentz's method; the number of steps grows with sqrt(a) near the mode, hence no fixed bound.
    b = x + 1.0 - a
    c = 1.0 / _TINY
    d = 1.0 / (b if abs(b) > _TINY else _TINY)
    h = d
    for i in range(1, 1_000_000):
        an = -i * (i - a)
        b += 2.0
        d = an * d + b
        d = 1.0 / (d if abs(d) > _TINY else _TINY)
        c = b + an / c
        c = c if abs(c) > _TINY else _TINY
        step = d * c
        h *= step
        if abs(step - 1.0) < _EPS * 4:
            break
    return h * math.exp(-x + a * math.log(x) - math.lgamma(a))


def normal_quantile(p: float) -> float:
    """z with P(Z <= z) = p for 0 < p < 1."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(p)


def gamma_quantile(p: float, a: float) -> float:
    """x with P(a, x) = p, for 0 < p < 1 and shape a > 0 (scale 1)."""
    z = normal_quantile(p)
    guess = a * max(1.0 - 1.0 / (9.0 * a) + z / (3.0 * math.sqrt(a)), 1e-3) ** 3
    if a > _LARGE:
        return guess
    low, high = guess / 2, guess * 2
    while gamma_p(a, low) > p:
        low /= 2
    while gamma_p(a, high) < p:
        high *= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if gamma_p(a, middle) < p else (low, middle)
    return (low + high) / 2


@lru_cache(maxsize=4096)
def garwood(n: float, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval for the mean of a Poisson count n >= 0 (a real n is an effective count).

    Source: Garwood, Biometrika 28 (1936) 437-442: half the chi-square quantiles with 2n and 2n + 2 degrees.
    """
    tail = (1.0 - confidence) / 2
    low = gamma_quantile(tail, n) if n > 0 else 0.0
    return low, gamma_quantile(1.0 - tail, n + 1.0)


def scaled_garwood(n: float, dispersion: float, confidence: float = 0.95) -> tuple[float, float]:
    """The interval for the mean of a count whose variance is `dispersion` (>= 1) times its mean.

    Such a count is worth n / dispersion independent ones. Source: the gamma interval for weighted sums of
    Poisson counts, Fay & Feuer, Statistics in Medicine 16 (1997) 791-801, with all weights equal.
    """
    phi = max(dispersion, 1.0)
    low, high = garwood(round(n / phi, 6), confidence)
    return low * phi, high * phi


def poisson_tail(k: int, mean: float) -> float:
    """P(X >= k) for a Poisson X; accurate down to 1e-300."""
    return 1.0 if k <= 0 else gamma_p(float(k), mean)


@lru_cache(maxsize=10_000)
def poisson_needed(mean: float, tail: float) -> int:
    """The smallest k with P(X >= k) < tail for a Poisson X of that mean."""
    k = max(1, int(mean))
    while poisson_tail(k, mean) >= tail:
        k += 1
    return k


def chi2_sf(x: float, df: float) -> float:
    """P(X >= x) for chi-square with df degrees of freedom; 1.0 with none."""
    return 1.0 if df <= 0 else gamma_q(df / 2, x / 2)


def uniformity_p(counts: Iterable[int], expected: Iterable[float] | None = None) -> float:
    """The chi-square p-value of `counts` against equal (or `expected`) shares; 1.0 for fewer than two
    bins."""
    seen = np.asarray(list(counts), dtype=np.float64)
    total = seen.sum()
    if len(seen) < 2 or total <= 0:
        return 1.0
    share = np.ones_like(seen) if expected is None else np.asarray(list(expected), dtype=np.float64)
    mean = share / share.sum() * total
    if np.any((mean <= 0) & (seen > 0)):
        return 0.0
    kept = mean > 0
    stat = float((((seen - mean) ** 2)[kept] / mean[kept]).sum())
    return chi2_sf(stat, int(kept.sum()) - 1)


@lru_cache(maxsize=256)
def mean_for_detection(n_min: int, distinct_min: int, addresses: int, probability: float = 0.95) -> float:
    """The smallest mean of a Poisson count that reaches n_min, on distinct_min addresses, so often.

    `addresses`: how many there are, each equally likely. inf when there are fewer than distinct_min.
    """
    if addresses < distinct_min:
        return math.inf
    reached = _occupied(addresses, distinct_min)
    low, high = 0.0, float(n_min)
    while _detected(high, n_min, reached) < probability:
        high *= 2
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _detected(middle, n_min, reached) < probability else (low, middle)
    return high


def _occupied(addresses: int, distinct_min: int) -> list[float]:
    """[P(n packets fall on at least distinct_min addresses) for n = 0, 1, ...], up to where it is 1."""
    state = np.zeros(distinct_min + 1)
    state[0] = 1.0
    onward = 1.0 - np.arange(distinct_min + 1) / addresses
    onward[-1] = 0.0
    out = [0.0]
    while out[-1] < 1.0 - 1e-9 and len(out) < 100_000:
        moved = state * onward
        state = state - moved
        state[1:] += moved[:-1]
        out.append(float(state[-1]))
    return out


def _detected(mean: float, n_min: int, reached: list[float]) -> float:
    """P(a Poisson count is >= n_min and spread far enough)."""
    top = len(reached)
    total = poisson_tail(max(top, n_min), mean)
    for n in range(n_min, top):
        total += math.exp(-mean + n * math.log(mean) - math.lgamma(n + 1)) * reached[n]
    return total
