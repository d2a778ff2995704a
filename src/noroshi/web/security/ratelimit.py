"""How often: a bucket for every name or address, which fills with time and is emptied by asking."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MOST = 20_000
"""Buckets kept; the one not asked longest goes, which by then is full or belongs to a flood of addresses."""


class Buckets:
    """At most `burst` at once and `rate` a second in the long run, for each key."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.burst, self._clock = rate, burst, clock
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str, cost: float = 1.0) -> float:
        """0 when it may go on, else the seconds to wait; nothing is taken then."""
        at = self._clock()
        with self._lock:
            left, when = self._held.pop(key, (self.burst, at))
            left = min(self.burst, left + (at - when) * self.rate)
            wait = 0.0 if left >= cost else (cost - left) / self.rate
            self._held[key] = (left if wait else left - cost, at)
            while len(self._held) > MOST:
                self._held.popitem(last=False)
        return wait

    def forget(self, key: str) -> None:
        """Fills a bucket again: whoever signed in did not guess."""
        with self._lock:
            self._held.pop(key, None)
