"""ChangeFinder, the baseline for port surges: two-stage SDAR of order 2, each stage's score smoothed.

Source: Takeuchi and Yamanishi, "A unifying framework for detecting outliers and change points from time
series", IEEE TKDE 18(4), 2006. Written from the formulas: discounted mean, autocovariances and variance,
Yule-Walker for the coefficients, logarithmic loss as the score.
"""

from __future__ import annotations

import numpy as np


class Sdar:
    """A discounting autoregressive model; `loss` scores a value, then learns it."""

    def __init__(self, r: float, order: int) -> None:
        self.r, self.order = r, order
        self.mean, self.variance = 0.0, 1.0
        self.cov = np.zeros(order + 1)
        self.past: list[float] = []

    def loss(self, x: float) -> float:
        """The logarithmic loss of `x` under the model before it; 0.0 until `order` values were seen."""
        if len(self.past) < self.order:
            self.past.insert(0, x)
            return 0.0
        past = np.array(self.past)
        self.mean += self.r * (x - self.mean)
        lags = np.concatenate(([x], past)) - self.mean
        self.cov += self.r * ((x - self.mean) * lags - self.cov)
        matrix = np.array([[self.cov[abs(i - j)] for j in range(self.order)] for i in range(self.order)])
        coefficients = np.linalg.lstsq(matrix, self.cov[1:], rcond=None)[0]
        error = x - (float(coefficients @ (past - self.mean)) + self.mean)
        self.variance += self.r * (error**2 - self.variance)
        self.past = [x, *self.past[:-1]]
        return 0.5 * float(np.log(2 * np.pi * self.variance) + error**2 / self.variance)


def scores(series: list[float], r: float = 0.01, order: int = 2, smooth: int = 7) -> list[float]:
    """The change score of each value of the series, with the Dark-TRACER parameters by default."""
    first, second = Sdar(r, order), Sdar(r, order)
    outlier: list[float] = []
    change: list[float] = []
    out = []
    half = max(1, round(smooth / 2))
    for x in series:
        outlier.append(first.loss(x))
        change.append(second.loss(float(np.mean(outlier[-smooth:]))))
        out.append(float(np.mean(change[-half:])))
    return out
