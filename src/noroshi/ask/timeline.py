"""When a value was seen: observations by day (or week, month) and by table, source or role."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

BY = ("table", "source", "role")
MOST = 6
"""Parts of a stack an eye can tell apart; what else there is, is one part more."""
COLUMNS = 200
"""Columns of a picture at most: below four pixels each they cannot be told apart."""
STEPS = (1, 7, 30, 365)


@dataclass(frozen=True)
class Part:
    """One table, source or role; the empty name is all others together."""

    name: str
    total: int
    values: tuple[int, ...]
    """Observations of each step."""


@dataclass(frozen=True)
class Timeline:
    """Observations over time, the largest part first."""

    days: tuple[date, ...]
    """The first UTC day of each step, without gaps."""
    step: int
    """Days of a step."""
    parts: tuple[Part, ...]


def timeline(
    rows: pa.Table, sources: Mapping[str, str], by: str = "table", *, first: date | None = None,
    last: date | None = None, most: int = MOST,
) -> Timeline:  # fmt: skip
    """Sums rows of `links`. sources: the source of each run. first, last: days to begin and end with, where the rows'
    own do not decide."""
    if not rows.num_rows:
        return Timeline((), 1, ())
    name = "run_id" if by == "source" else by
    grouped = rows.group_by(["day", name], use_threads=False).aggregate([("count", "sum")])
    counts: dict[str, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    for row in grouped.to_pylist():
        part = sources.get(row[name], "") if by == "source" else row[name]
        counts[part or "-"][row["day"]] += row["count_sum"]
    days = [d for held in counts.values() for d in held]
    start, end = min([*days, *([first] if first else [])]), max([*days, *([last] if last else [])])
    span = (end - start).days + 1
    step = next((s for s in STEPS if span <= s * COLUMNS), STEPS[-1])
    n = -(-span // step)
    totals = sorted(
        ((sum(held.values()), part) for part, held in counts.items()), key=lambda t: (-t[0], t[1])
    )
    kept = [part for _, part in totals[: most if len(totals) > most + 1 else most + 1]]
    parts = [_part(part, [counts[part]], start, step, n) for part in kept]
    if rest := [counts[part] for _, part in totals if part not in kept]:
        parts.append(_part("", rest, start, step, n))
    return Timeline(tuple(start + timedelta(days=step * i) for i in range(n)), step, tuple(parts))


def _part(name: str, held: list[dict[date, int]], start: date, step: int, n: int) -> Part:
    values = [0] * n
    for counts in held:
        for day, count in counts.items():
            values[(day - start).days // step] += count
    return Part(name, sum(values), tuple(values))
