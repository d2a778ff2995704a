"""Findings asked for: which hold, for whom, and what they rest on."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from noroshi.model import observable
from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding
from noroshi.model.tlp import Tlp

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake
    from noroshi.share.gate import View


def find(
    lake: Lake, *, kind: str | None = None, since: datetime | None = None, subject: str | None = None,
    view: View | None = None,
) -> list[Finding]:  # fmt: skip
    """The findings that hold, by time and subject; of one id the one that may tell the most.

    subject: in any spelling of the value (`2001:DB8::1`). view: as its recipient sees them, else all as stored;
    a subject is then one they would see, so that asking for a hidden address tells nothing of it.
    """
    wanted = _canonical(subject)
    if view is None:
        return fullest(lake.findings(kind=kind, since=since, subject=wanted, tlp=Tlp.RED))
    found = view.findings(kinds=(kind,) if kind else (), since=since)
    return [f for f in found if wanted is None or f.subject.value == wanted]


def fullest(findings: list[Finding]) -> list[Finding]:
    """Of several views of one finding the one at the strictest marking, which was judged from the most."""
    best: dict[str, Finding] = {}
    for f in findings:
        if f.id not in best or f.tlp.rank > best[f.id].tlp.rank:
            best[f.id] = f
    return sorted(best.values(), key=lambda f: (f.first_seen, f.kind, f.subject.value, f.id))


def _canonical(subject: str | None) -> str | None:
    if subject is None:
        return None
    try:
        return observable.guess(subject)[1]
    except UsageError:
        return subject.strip()
