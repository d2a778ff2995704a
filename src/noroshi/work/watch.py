"""Watches checked against what was stored since the last check; hits become findings and go out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from noroshi.model.finding import Finding

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import State

MARGIN = timedelta(minutes=10)
"""Runs this much older than the last check are looked at again: one that another process closed at that moment
may not have been visible yet. A repeated hit is the same finding."""


@dataclass
class Checked:
    """What a check brought."""

    watches: int = 0
    runs: int = 0
    """Runs that at least one watch had not seen."""
    hits: list[tuple[Finding, str]] = field(default_factory=list)
    """New and changed findings."""


def check(
    lake: Lake, state: State, *, again: bool = False, advance: Callable[[int, int], None] = lambda n, of: None
) -> Checked:
    """Looks for every watch in the runs stored since it was last checked; stores a finding per hit and day.

    again: in all runs. A crash repeats a check, which gives the same findings.
    """
    from noroshi.ask.watching import hits

    snapshot = lake.snapshot()
    runs = snapshot.runs()
    watches = state.watches.all()
    out = Checked(watches=len(watches))
    if not runs or not watches:
        return out
    upto = max(r.at for r in runs)
    seen: set[str] = set()
    found: dict[tuple[str, str], Finding] = {}
    for n, watch in enumerate(watches, 1):
        fresh = frozenset(
            r.run_id for r in runs if again or watch.checked is None or r.at > watch.checked - MARGIN
        )
        seen |= fresh
        for finding in hits(snapshot, watch, fresh) if fresh else []:
            found[finding.id, finding.tlp.value] = finding
        advance(n, len(watches))
    out.runs = len(seen)
    out.hits = lake.put_findings(list(found.values()))
    state.watches.checked([w.id for w in watches], upto)
    return out
