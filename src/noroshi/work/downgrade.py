"""Markings lowered: an explicit act of the originator, with a reason, told to the audit log first.

A finding lowered stands beside the one it was lowered from, with what that said at the time; what is judged later
changes the stricter one alone, until somebody lowers it again. A run lowered takes the rows with it that carry no
marking of their own; rows that do (STIX, MISP, events) are marked by who made them, and keep it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from noroshi.lake.findings import standing
from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake
    from noroshi.lake.runs import RunInfo
    from noroshi.lake.state import State

SHORTEST = 6
"""Characters of an id that must be given, as for `noroshi why`."""
MOST_REASON = 500


@dataclass(frozen=True)
class Lowered:
    """What was lowered."""

    what: str
    """finding or run."""
    id: str
    before: Tlp
    after: Tlp
    rows: int = 0
    """Rows of a run that went with it."""
    kept: int = 0
    """Rows of a run with markings of their own, which they keep."""

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {"what": self.what, "id": self.id, "from": self.before.value, "to": self.after.value,
                "rows": self.rows, "kept": self.kept}  # fmt: skip


def downgrade(lake: Lake, state: State, who: str, text: str, to: Tlp, reason: str) -> Lowered:
    """Lowers the marking of the finding or run whose id begins with `text`.

    Raises UsageError when there is none or several, when it is marked no stricter, or without a reason.
    """
    reason = " ".join(reason.split())
    if not reason or len(reason) > MOST_REASON or not reason.isprintable():
        raise UsageError(
            "a marking is lowered for a reason",
            todo=f"Say it with --reason, in {MOST_REASON} characters at most.",
        )
    found = _found(lake, text.strip().lower())
    if to.rank >= found.tlp.rank:
        raise UsageError(
            f"it is marked {found.tlp.label}, which is no stricter than {to.label}",
            todo="What is to be stricter is forgotten and ingested again with --tlp.",
        )
    if isinstance(found, Finding):
        done = Lowered("finding", found.id, found.tlp, to)
    else:
        own = sum(found.rows(t) for t in _facts() if TABLES[t].marked)
        done = Lowered("run", found.run_id, found.tlp, to, sum(found.rows(t) for t in _facts()) - own, own)
    state.audit.tell(who, "downgrade", count=1, reason=reason, **done.to_json())
    if isinstance(found, Finding):
        lake.lower_finding(found, to)
    else:
        lake.lower_run(found.run_id, to)
    return done


def _found(lake: Lake, text: str) -> Finding | RunInfo:
    """The finding at the strictest marking it holds at, or the run, that is meant."""
    if len(text) < SHORTEST:
        raise UsageError(
            f"{text!r} is too short for an id", todo=f"Give at least {SHORTEST} characters of it."
        )
    shot = lake.snapshot()
    hits: list[Finding | RunInfo] = [f for f in standing(shot) if f.id.startswith(text)]
    hits += [r for r in shot.runs() if r.state == "closed" and r.run_id.startswith(text)]
    if len(hits) != 1:
        what = f"{len(hits)} ids begin" if hits else "no finding or run has an id that begins"
        raise UsageError(
            f"{what} with {text[:80]!r}", todo="`noroshi findings --json` tells them, or the table `runs`."
        )
    return hits[0]


def _facts() -> list[str]:
    return [t for t in TABLES if t not in ("links", "hourly", "daily", "runs", "findings", "rejects")]
