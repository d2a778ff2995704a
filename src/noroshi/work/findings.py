"""Findings asked for: which hold, for whom, and what they rest on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from noroshi.model import observable
from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding
from noroshi.model.tlp import Tlp
from noroshi.share.marking import reason
from noroshi.share.marking import recipient as named

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake


def find(
    lake: Lake, *, kind: str | None = None, since: datetime | None = None, subject: str | None = None,
    recipient: str | None = None, telescopes: Iterable[str] = (),
) -> list[Finding]:  # fmt: skip
    """The findings that hold, by time and subject; of one id the view that may tell the most.

    subject: in any spelling of the value (`2001:DB8::1`). recipient: only what they may see, else all.
    telescopes: prefixes whose addresses are for the own organisation only.
    """
    to = named(recipient) if recipient else None
    ceiling = to.ceiling if to else Tlp.RED
    found = fullest(lake.findings(kind=kind, since=since, subject=_canonical(subject), tlp=ceiling))
    prefixes = tuple(telescopes)
    return [f for f in found if to is None or not reason(f, to, prefixes)]


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
