"""What several analysers ask of the same rows, kept for the length of one run of analysis.

The investigation scanners of a day are wanted by three analysers, and the counts of a day's ports by each of the
90 days that follow it. A memo belongs to one query, that is to one snapshot seen by one reader, so what is kept
cannot go stale. An analyser asked with a plain query works the same, only slower.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

from noroshi.model.analyser import Query, Scope

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

BYTES = 128_000_000
"""Kept at most: 28 days of hourly port counts of a busy /16 are some 70 MB."""


class Remembering:
    """A query with a memo. Not for several threads."""

    def __init__(self, query: Query, limit: int = BYTES) -> None:
        self._query, self._limit, self._held = query, limit, 0
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def sql(self, text: str, params: dict[str, Any] | None = None) -> pa.Table:
        """The answer of the query beneath."""
        return self._query.sql(text, params)

    def recall(self, key: Hashable) -> Any:
        """What was kept under `key`, or None."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def keep(self, key: Hashable, value: Any, size: int) -> None:
        """Keeps a value of about `size` bytes; what was not asked for longest goes when room is short."""
        if size > self._limit or key in self._kept:
            return
        self._kept[key] = (value, size)
        self._held += size
        while self._held > self._limit:
            self._held -= self._kept.popitem(last=False)[1][1]

    def drop(self, key: Hashable) -> None:
        """Forgets what was kept under `key`, if anything."""
        if key in self._kept:
            self._held -= self._kept.pop(key)[1]


def once(query: Query, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
    """What `make` gives, made once for this query where it has a memo. No None; not to be changed after."""
    if not isinstance(query, Remembering):
        return make()
    found = query.recall(key)
    if found is None:
        found = make()
        query.keep(key, found, size(found))
    value: T = found
    return value


def scope_key(scope: Scope) -> Hashable:
    """What of a scope decides which rows are probes and what they are divided by, its day aside."""
    prefixes = scope.telescope.prefixes if scope.telescope else None
    return (prefixes, scope.inside, scope.size)
