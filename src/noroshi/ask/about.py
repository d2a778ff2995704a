"""Findings about a value, read without the engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from noroshi.lake.findings import from_row
from noroshi.lake.points import Visible, rows_with
from noroshi.model.finding import Finding
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp

if TYPE_CHECKING:
    from noroshi.lake.snapshot import Snapshot

_ALL = Visible(frozenset(), frozenset())


def about(shot: Snapshot, kind: str, value: str) -> list[Finding]:
    """Findings that hold, whose subject is the value, newest first; those the snapshot may see.

    Of several views of one finding the one at the strictest marking that may be seen, which was judged from most.
    """
    return [f for f in _holding(shot, "subject_value", value) if f.subject.kind == kind]


def of_kind(shot: Snapshot, kind: str) -> list[Finding]:
    """Findings of a kind that hold, newest first."""
    return _holding(shot, "kind", kind)


def _holding(shot: Snapshot, column: str, value: str) -> list[Finding]:
    files = shot._files.get("findings", [])
    rows = rows_with(shot._lake, TABLES["findings"], files, _ALL, column, value, None, None)
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows.sort_by("modified").to_pylist():
        newest[row["id"], row["tlp"]] = row
    best: dict[str, Finding] = {}
    for row in newest.values():
        if row["withdrawn"] or not _may_see(shot, row):
            continue
        if shot.told_runs is not None:
            row["runs"] = [r for r in row["runs"] if r in shot.told_runs]
        finding = from_row(row)
        if finding.id not in best or finding.tlp.rank > best[finding.id].tlp.rank:
            best[finding.id] = finding
    return ordered(best.values())


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Newest first."""
    return sorted(findings, key=lambda f: (f.last_seen, f.confidence, f.id), reverse=True)


def _may_see(shot: Snapshot, row: dict[str, Any]) -> bool:
    limits = shot._limits
    if limits.tlp is not None and Tlp(row["tlp"]).rank > limits.tlp.rank:
        return False
    return limits.runs is None or set(row["runs"]) <= limits.runs
