"""What the findings of a period say: victims, infected hosts, investigation scanners, the rest.

Evidence is read by name and may lack any of them: an older rule version, or another program's finding,
still gets its row.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from noroshi.model import address
from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding
from noroshi.share.report.data import Infected, InfectedDay, Notice, Victim
from noroshi.share.report.period import Period

OWN_SECTIONS = ("dos-victim", "infected-host", "investigation-scanner", "scanner")
"""Kinds with a section of their own, or too many to list: they are no notices."""

INSIDE = ("inside-talker", "misconfiguration", "reflection-abuse")
"""Kinds that name addresses of the telescope."""

MAX_DAYS = 31
"""Days an investigation scanner's finding may claim: one that reaches further back was judged anew since."""


def within(findings: Iterable[Finding], period: Period) -> list[Finding]:
    """Findings whose time span touches the period, in a fixed order."""
    hits = [f for f in findings if f.first_seen < period.end and f.last_seen >= period.start]
    return sorted(hits, key=lambda f: (f.first_seen, f.kind, f.subject.kind, f.subject.value, f.id))


def number(evidence: Mapping[str, Any], *names: str) -> float | None:
    """The first of the named entries that is a number."""
    for name in names:
        value = evidence.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
            return float(value)
    return None


def whole(evidence: Mapping[str, Any], *names: str) -> int | None:
    """The same, as a whole number."""
    value = number(evidence, *names)
    return None if value is None else round(value)


def words(evidence: Mapping[str, Any], *names: str) -> str:
    """The first of the named entries as text; the items of a list are joined, eight at most."""
    for name in names:
        value = evidence.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, list | tuple) and value:
            shown = [_item(v) for v in value[:8]]
            return ", ".join(shown) + (", …" if len(value) > 8 else "")
        if isinstance(value, dict) and value:
            shown = [str(k) for k in list(value)[:8]]
            return ", ".join(shown) + (", …" if len(value) > 8 else "")
    return ""


def _item(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("port", value.get("name", next(iter(value.values()), ""))))
    if isinstance(value, list | tuple):
        return str(value[0]) if value else ""
    return str(value)


def victims(findings: Sequence[Finding], own: Sequence[str]) -> tuple[Victim, ...]:
    """The period's DoS victims, own hosts first, then the hardest hit."""
    mine = Own(own)
    rows = [
        Victim(
            f.id, f.subject.value, words(f.evidence, "ports", "top_ports", "port", "src_ports"),
            f.scope, mine.holds(f.subject.value),
            f.first_seen, f.last_seen,
            number(f.evidence, "rate_pps", "rate"),
            number(f.evidence, "rate_low_pps", "rate_low", "low_pps"),
            number(f.evidence, "rate_high_pps", "rate_high", "high_pps"),
            whole(f.evidence, "replies", "n", "packets", "packet_count"),
            number(f.evidence, "floor_event_pps", "floor_pps"), f.confidence,
        )
        for f in findings
        if f.kind == "dos-victim"
    ]  # fmt: skip
    return tuple(sorted(rows, key=lambda v: (not v.own, -(v.rate or 0.0), v.first_seen, v.subject)))


class Own:
    """Tells the organisation's own addresses."""

    def __init__(self, prefixes: Sequence[str]) -> None:
        self.ranges = [address.prefix_range(p) for p in prefixes]

    def holds(self, subject: str) -> bool:
        """True when the subject (an address or a prefix) begins in an own prefix."""
        try:
            low, _ = address.prefix_range(subject)
        except UsageError:
            return False
        return any(a <= low <= b and len(a) == len(low) for a, b in self.ranges)


def infected(findings: Sequence[Finding], own: Sequence[str]) -> tuple[Infected, ...]:
    """One row per infected host, own hosts first, then the busiest; several days of a host are one row."""
    mine, by_host = Own(own), defaultdict[str, list[Finding]](list)
    for f in findings:
        if f.kind == "infected-host":
            by_host[f.subject.value].append(f)
    rows = []
    for subject, group in by_host.items():
        packets = [whole(f.evidence, "packets", "packet_count") for f in group]
        best = max(group, key=lambda f: f.confidence)
        rows.append(
            Infected(
                best.id, subject, family(best), mine.holds(subject),
                min(f.first_seen for f in group), max(f.last_seen for f in group),
                sum(p for p in packets if p is not None) if any(p is not None for p in packets) else None,
                words(best.evidence, "ports", "dst_ports", "top_ports"), best.confidence,
            )
        )  # fmt: skip
    return tuple(sorted(rows, key=lambda r: (not r.own, -(r.packets or 0), r.subject)))


def family(finding: Finding) -> str:
    """What kind of infection: `mirai` with its feature, else the class the rule gave."""
    text = words(finding.evidence, "family", "variant", "class", "label", "tool")
    return text or finding.rule.name


def infected_days(
    findings: Sequence[Finding], own: Sequence[str], period: Period, seen: set[date]
) -> tuple[InfectedDay, ...]:
    """Hosts by local day; None for days not in `seen`, those with data."""
    mine = Own(own)
    hosts, ours = defaultdict[date, set[str]](set), defaultdict[date, set[str]](set)
    for f in findings:
        if f.kind == "infected-host":
            day = max(f.first_seen, period.start).astimezone(period.tz).date()
            hosts[day].add(f.subject.value)
            if mine.holds(f.subject.value):
                ours[day].add(f.subject.value)
    days = [period.first + timedelta(days=i) for i in range((period.last - period.first).days)]
    return tuple(
        InfectedDay(d, len(hosts[d]), len(ours[d])) if d in seen or hosts[d] else InfectedDay(d, None, None)
        for d in days
    )


def capped_days(findings: Sequence[Finding], kind: str) -> int:
    """UTC days on which the analyser found more of a kind than it lists."""
    days = set()
    for f in findings:
        found, listed = number(f.evidence, "found_this_day"), number(f.evidence, "listed_this_day")
        if f.kind == kind and found is not None and listed is not None and found > listed:
            days.add(f.last_seen.date())
    return len(days)


def kinds(findings: Sequence[Finding]) -> tuple[tuple[str, int], ...]:
    """Findings by kind, the most frequent first."""
    counts = Counter(f.kind for f in findings)
    return tuple(sorted(counts.items(), key=lambda kv: (-kv[1], kv[0])))


def notices(findings: Sequence[Finding], limit: int, reveal: bool = True) -> tuple[Notice, ...]:
    """Findings of the remaining kinds, the surest first; at most `limit` of a kind, or one fills the page."""
    rest = [f for f in findings if f.kind not in OWN_SECTIONS and (reveal or f.kind not in INSIDE)]
    rest.sort(key=lambda f: (-f.confidence, f.first_seen, f.id))
    return tuple(
        Notice(
            f.id, f.kind, f.subject.value, f.first_seen, f.last_seen, f.confidence,
            f.summary.get("en", ""), f.summary.get("ja", "") or f.summary.get("en", ""),
        )
        for kind in sorted({f.kind for f in rest})
        for f in [f for f in rest if f.kind == kind][:limit]
    )  # fmt: skip


@dataclass(frozen=True)
class Surveyors:
    """Which addresses were investigation scanners on which UTC day, and whose."""

    days: list[date]
    low: list[bytes]
    high: list[bytes]
    """Three lists of one length: first and last address of a subject on a day."""
    owner: dict[tuple[bytes, bytes], str]
    """(first, last) to organisation, empty where unknown."""

    def __bool__(self) -> bool:
        return bool(self.days)


def surveyors(findings: Sequence[Finding]) -> Surveyors:
    """The investigation scanners among the findings, one entry per UTC day they were seen."""
    entries: set[tuple[date, bytes, bytes]] = set()
    owner: dict[tuple[bytes, bytes], str] = {}
    for f in findings:
        if f.kind != "investigation-scanner":
            continue
        try:
            low, high = address.prefix_range(f.subject.value)
        except UsageError:
            continue
        owner[low, high] = words(f.evidence, "organisation", "organisations", "org", "list") or owner.get(
            (low, high), ""
        )
        first, last = f.first_seen.date(), f.last_seen.date()
        for i in range(min((last - first).days + 1, MAX_DAYS)):
            entries.add((last - timedelta(days=i), low, high))
    rows = sorted(entries)
    return Surveyors([d for d, _, _ in rows], [a for _, a, _ in rows], [b for _, _, b in rows], owner)


def local_days(moments: Iterable[datetime], period: Period) -> set[date]:
    """The local days of some moments."""
    return {m.astimezone(period.tz).date() for m in moments}
