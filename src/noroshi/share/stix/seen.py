"""Ids already written, in eight bytes each."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from heapq import merge

FRESH = 1 << 16
"""Ids kept as a set before they are sorted into the rest."""


class Seen:
    """A set of STIX ids that only grows; holds the first 64 bits of each id's UUID.

    Two of ten million ids that are hashes meet with a chance of 3 in a million; whoever makes an id that meets one of
    ours could as well have taken that id itself.
    """

    def __init__(self) -> None:
        self._fresh: set[int] = set()
        self._runs: list[array[int]] = []

    def __contains__(self, id_: str) -> bool:
        key = _key(id_)
        return key in self._fresh or any(
            i < len(run) and run[i] == key for run in self._runs for i in (bisect_left(run, key),)
        )

    def add(self, id_: str) -> bool:
        """True when it was not there before."""
        key = _key(id_)
        if key in self._fresh or (self._runs and id_ in self):
            return False
        self._fresh.add(key)
        if len(self._fresh) >= FRESH:
            self._settle()
        return True

    def _settle(self) -> None:
        """Sorts the fresh ones in; runs no larger than twice what joins them join too, so few stand side by side."""
        new = array("Q", sorted(self._fresh))
        self._fresh.clear()
        while self._runs and len(self._runs[-1]) <= 2 * len(new):
            new = array("Q", merge(self._runs.pop(), new))
        self._runs.append(new)


def _key(id_: str) -> int:
    u = id_[-36:]
    return int(u[:8] + u[9:13] + u[14:18], 16)
