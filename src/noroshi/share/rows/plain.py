"""Findings in our own columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from noroshi.model.finding import Finding, iso
from noroshi.share.rows.cells import table

COLUMNS: Final = (
    "id", "kind", "subject_kind", "subject", "first_seen", "last_seen", "modified", "confidence", "tlp", "rule",
    "rule_version", "scope", "summary_en", "summary_ja", "evidence",
)  # fmt: skip


def as_csv(findings: Iterable[Finding]) -> bytes:
    """A row per finding, its evidence as JSON in the last cell."""
    return table(COLUMNS, map(_row, findings))


def as_lines(findings: Iterable[Finding]) -> bytes:
    """A JSON document per line and finding; runs, which name nothing outside, are left out."""
    return b"".join(
        msgspec.json.encode({k: v for k, v in f.to_json().items() if k != "runs"}) + b"\n" for f in findings
    )


def _row(f: Finding) -> dict[str, Any]:
    return {
        "id": f.id, "kind": f.kind, "subject_kind": f.subject.kind, "subject": f.subject.value,
        "first_seen": iso(f.first_seen), "last_seen": iso(f.last_seen),
        "modified": iso(f.modified) if f.modified else "",
        "confidence": f.confidence, "tlp": f.tlp.value, "rule": f.rule.name, "rule_version": f.rule.version,
        "scope": f.scope, "summary_en": f.summary.get("en", ""), "summary_ja": f.summary.get("ja", ""),
        "evidence": msgspec.json.encode(f.evidence, order="sorted").decode(),
    }  # fmt: skip
