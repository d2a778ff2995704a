"""The unit of meaning: a subject, a time span, a rule, a confidence, a marking, and the evidence."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from noroshi.model.tlp import DEFAULT, Tlp

NAMESPACE = uuid.UUID("6f1d7c7e-3c1b-5d0a-9c7f-0b6f6e6f7368")
"""UUIDv5 namespace of finding ids; never changes."""

KINDS = (
    "scanner", "investigation-scanner", "dos-victim", "reflection-abuse", "misconfiguration", "inside-talker",
    "port-surge", "campaign", "infected-host", "decoy-intrusion", "exposed-service", "vulnerable-service",
    "weak-credential", "watch-hit", "c2-candidate", "affected-product",
    "known-attacker", "shared-value", "exploitation-wave",
)  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """What a finding is about: an observable, or a port (`tcp/23`) where the port itself is the news."""

    kind: str
    value: str


@dataclass(frozen=True)
class Rule:
    """The rule that fired, and its version."""

    name: str
    version: int


@dataclass(frozen=True)
class Finding:
    """One judgement; equal input gives an equal finding, `modified` and `runs` aside."""

    kind: str
    subject: Subject
    rule: Rule
    first_seen: datetime
    last_seen: datetime
    confidence: int
    """0-100, as STIX."""
    summary: dict[str, str]
    """`en` and `ja`: one plain sentence each."""
    evidence: dict[str, Any]
    """Numbers, texts and lists of them, enough to recompute the judgement. JSON types only."""
    scope: str = ""
    """Where the rule looked: the telescope's name."""
    recurs_daily: bool = True
    """Its id holds the UTC day of first_seen (what recurs) rather than first_seen itself."""
    tlp: Tlp = DEFAULT
    runs: tuple[str, ...] = ()
    """Runs whose rows it was judged from."""
    modified: datetime | None = None
    """Set by the lake when it stores this revision."""
    id: str = field(default="")

    def __post_init__(self) -> None:
        for ts in (self.first_seen, self.last_seen):
            if ts.tzinfo is None or ts.utcoffset() != UTC.utcoffset(None):
                raise ValueError("times of a finding are UTC")
        if not 0 <= self.confidence <= 100:
            raise ValueError(f"confidence {self.confidence} is not in 0..100")
        if not self.id:
            start = self.first_seen.date().isoformat() if self.recurs_daily else self.first_seen.isoformat()
            name = "\0".join(
                (self.kind, self.subject.kind, self.subject.value, self.rule.name, self.scope, start)
            )
            object.__setattr__(self, "id", str(uuid.uuid5(NAMESPACE, name)))

    def marked(self, tlp: Tlp, runs: tuple[str, ...]) -> Finding:
        """The same finding with its marking and the runs it came from."""
        return replace(self, tlp=tlp, runs=runs)

    def to_json(self) -> dict[str, Any]:
        """The public form of DESIGN.md, times as ISO 8601 with Z."""
        return {
            "id": self.id,
            "kind": self.kind,
            "subject": {"kind": self.subject.kind, "value": self.subject.value},
            "first_seen": iso(self.first_seen),
            "last_seen": iso(self.last_seen),
            "modified": iso(self.modified) if self.modified else None,
            "confidence": self.confidence,
            "tlp": self.tlp.value,
            "summary": dict(self.summary),
            "rule": {"name": self.rule.name, "version": self.rule.version},
            "scope": self.scope,
            "evidence": self.evidence,
            "runs": list(self.runs),
        }


def iso(ts: datetime) -> str:
    """ISO 8601 in UTC with Z, with microseconds only when there are any."""
    return ts.astimezone(UTC).isoformat().replace("+00:00", "Z")
