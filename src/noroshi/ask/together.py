"""Which of the values beside one stand together themselves: the edges of its graph."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING

from noroshi.ask.rows import links_of, observables

if TYPE_CHECKING:
    from noroshi.ask.pivot import Pivot

ROWS = 100
"""Rows looked at: more change the picture little, and each costs a tenth of a millisecond."""


def together(answer: Pivot, rows: int = ROWS) -> list[tuple[int, int, int]]:
    """(i, j, rows) of the pairs of `answer.beside.values` that stand in one row of those shown; i < j."""
    number = {(r.kind, r.value): i for i, r in enumerate(answer.beside.values)}
    pairs: Counter[tuple[int, int]] = Counter()
    for found in answer.found:
        links = [lk for lk in links_of(found.table) if lk.column in found.rows.column_names]
        for row in found.rows.slice(0, rows).to_pylist():
            held: set[int] = set()
            for link in links:
                kinds = [row.get(link.kind_from)] if link.kind_from else []
                for observable in observables(found.table, link, [row[link.column]], kinds):
                    if observable in number:
                        held.add(number[observable])
            pairs.update(combinations(sorted(held), 2))
        rows -= min(rows, found.rows.num_rows)
        if not rows:
            break
    return [(i, j, n) for (i, j), n in sorted(pairs.items())]
