"""What a recipient would be given now, told beforehand: counts, and findings beside what the recipient sees of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noroshi.model.finding import Finding
    from noroshi.share.gate import View

PER_KIND = 2
"""Findings of each kind in a sample: the newest, and one to compare it with."""


@dataclass(frozen=True)
class Preview:
    """How much a recipient would be given."""

    findings: int
    kinds: dict[str, int]
    """Findings by kind, the most first."""
    marks: dict[str, int]
    """Findings by marking, from CLEAR on."""
    first_seen: str = ""
    last_seen: str = ""

    def to_json(self) -> dict[str, Any]:
        """In JSON types."""
        return {"findings": self.findings, "kinds": self.kinds, "tlp": self.marks,
                "first_seen": self.first_seen or None, "last_seen": self.last_seen or None}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A finding as we see it and as the recipient does."""

    ours: Finding
    theirs: Finding | None
    """None when the profile leaves it out."""


def preview(view: View) -> Preview:
    """Counts of exactly the findings an export for this view holds."""
    from noroshi.model.finding import iso

    found = view.findings()
    kinds = Counter(f.kind for f in found)
    marks = Counter(f.tlp for f in found)
    return Preview(
        len(found), dict(sorted(kinds.items(), key=lambda k: (-k[1], k[0]))),
        {t.value: marks[t] for t in sorted(marks, key=lambda t: t.rank)},
        iso(min(f.first_seen for f in found)) if found else "", iso(max(f.last_seen for f in found)) if found else "",
    )  # fmt: skip


def sample(view: View, own: View, most: int = 12) -> list[Pair]:
    """Newest findings of each kind the recipient may see, beside what is left of them after its mask.

    own: the view of who looks; of a finding they see no more than that.
    """
    ours = {f.id: f for f in own.findings(wanted=False)}
    kinds: Counter[str] = Counter()
    out: list[Pair] = []
    for f in newest(view.counted()):
        if f.id in ours and kinds[f.kind] < PER_KIND:
            kinds[f.kind] += 1
            out.append(Pair(ours[f.id], view.mask.finding(f)))
    firsts = sorted(out, key=lambda p: (_turn(out, p), -p.ours.last_seen.timestamp()))
    return firsts[:most]


def newest(findings: Sequence[Finding]) -> list[Finding]:
    """The same, newest first."""
    return sorted(findings, key=lambda f: (-f.last_seen.timestamp(), f.kind, f.id))


def _turn(pairs: list[Pair], one: Pair) -> int:
    """0 for the first of its kind, then 1: one of each kind comes before a second of any."""
    return [p for p in pairs if p.ours.kind == one.ours.kind].index(one)
