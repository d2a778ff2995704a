"""The report's own arithmetic: rates per address, extrapolation to a year, the detection floor."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

MEAN_REPLIES = 15.705
"""Replies expected inside the telescope from which an attack is found with probability 95 %: ten are needed
(with fewer, an interval spans a factor of four and stray replies look alike), and a Poisson count of this
mean reaches ten 95 times in 100. The rule `dos-victim` names its floor by the same definition."""


def year_seconds(year: int) -> float:
    """Length of a calendar year, s."""
    return (date(year + 1, 1, 1) - date(year, 1, 1)).days * 86_400.0


def average_size(spans: Iterable[tuple[float, float]]) -> float:
    """Time-averaged effective addresses of (size, seconds observed) spans; 0.0 when there are none."""
    pairs = list(spans)
    seconds = sum(s for _, s in pairs)
    return sum(size * s for size, s in pairs) / seconds if seconds > 0 else 0.0


def annual_packets_per_address(
    packets: float, spans: Iterable[tuple[float, float]], year_s: float = 365 * 86_400.0
) -> float | None:
    """Packets one address receives in a year, from `packets` seen in spans of (size, seconds observed).

    With a whole year observed this is packets / time-averaged addresses, as NICTER prints it; with less it
    scales by time observed, and address-seconds lost to outages are missing above and below alike.
    None without any address-second.
    """
    address_seconds = sum(size * s for size, s in spans)
    return packets * year_s / address_seconds if address_seconds > 0 else None


def victim_floor(size: float, seconds: float) -> float | None:
    """Lowest packet rate (packets/s) of a uniformly spoofed attack of `seconds` found 95 times in 100.

    A telescope of `size` addresses sees the share q = size / 2^32 of the replies, so MEAN_REPLIES of them
    need a rate of MEAN_REPLIES / (q * seconds). None without a size.
    """
    if size <= 0 or seconds <= 0:
        return None
    return MEAN_REPLIES * 4_294_967_296.0 / (size * seconds)


def factor(now: float, now_base: float, before: float, before_base: float) -> float | None:
    """How many times the rate before the rate now is; None when either cannot be had."""
    if now_base <= 0 or before_base <= 0 or before <= 0:
        return None
    return (now / now_base) / (before / before_base)
