"""ATT&CK techniques by MITRE's own ids.

Objects of ATT&CK are MITRE's: we refer to them and never write them. Ids from the ATT&CK knowledge base (enterprise,
2025-11); (c) The MITRE Corporation, reproduced and distributed with the permission of The MITRE Corporation.
"""

from __future__ import annotations

import re
from typing import Any

from noroshi.model.finding import Finding

TECHNIQUE = re.compile(r"T\d{4}(?:\.\d{3})?")
LIMIT = 20
"""Techniques of one finding that go out."""

MITRE: dict[str, str] = {
    technique: f"attack-pattern--{uuid}"
    for technique, uuid in (
        ("T1021.004", "2db31dcd-54da-405d-acef-b9129b816ed6"), ("T1046", "e3a12395-188d-4051-9a16-ea8e14d07b88"),
        ("T1059", "7385dfaf-6886-4229-9ecd-6fd678040830"), ("T1059.004", "a9d4b653-6915-42af-98b2-5758c4ceee56"),
        ("T1071", "355be19c-ffc9-46d5-8d50-d6a036c675b6"), ("T1071.001", "df8b2a25-8bdf-4856-953c-a04372b1c161"),
        ("T1078", "b17a1a56-e99c-403c-8948-561df0cffe81"), ("T1078.001", "6151cbea-819b-455a-9fa6-99a1cc58797d"),
        ("T1090", "731f4f55-b6d0-41d1-a7a9-072a66389aea"), ("T1105", "e6919abc-99f9-4c6c-95a5-14761e7b2add"),
        ("T1110", "a93494bb-4b80-4ea1-8695-3236a49916fd"), ("T1110.001", "09c4c11e-4fa1-4f8c-8dad-3cf8e69ad119"),
        ("T1110.004", "b2d03cea-aec1-45ca-9744-9ee583c1e1cc"), ("T1133", "10d51417-ee35-4589-b1ff-b6df1c334e8d"),
        ("T1190", "3f886f2a-874f-4333-b794-aa6075009b1c"), ("T1496", "cd25c1b4-935c-4f0e-ba8d-552f28bc4783"),
        ("T1498", "d74c4a7e-ffbf-432f-9365-7ebf1f787cab"), ("T1498.001", "0bda01d5-4c1d-4062-8ee2-6872334383c3"),
        ("T1498.002", "36b2a1d7-e09e-49bf-b45e-477076c2ec01"), ("T1595", "67073dde-d720-45ae-83da-b12d5e73ca3b"),
        ("T1595.001", "db8f5003-3b20-48f0-9b76-123e44208120"), ("T1595.002", "5502c4e9-24ef-4d5f-8ee9-9e906c2f82c4"),
    )
}  # fmt: skip
_ALWAYS = {
    "scanner": ("T1595",), "dos-victim": ("T1498.001",), "reflection-abuse": ("T1498.002",),
    "exploitation-wave": ("T1190",),
}  # fmt: skip
_SHOWN = {"logins": "T1110", "commands": "T1059", "transfers": "T1105"}


def techniques(finding: Finding) -> list[str]:
    """Techniques a finding shows: those its kind is, those its evidence names, those a decoy saw used."""
    always, named = _ALWAYS.get(finding.kind, ()), finding.evidence.get("techniques")
    if named is None and finding.kind != "decoy-intrusion":
        return list(always)
    found = dict.fromkeys(always)
    if finding.kind == "decoy-intrusion":
        found |= dict.fromkeys(t for key, t in _SHOWN.items() if finding.evidence.get(key))
    if isinstance(named, list):
        for one in named[:LIMIT]:
            text = one.get("id") or one.get("technique") if isinstance(one, dict) else one
            if isinstance(text, str) and TECHNIQUE.fullmatch(text):
                found[text] = None
    return list(found)[:LIMIT]


def reference(technique: str) -> dict[str, Any]:
    """The external reference for a technique; without a URL, for which validators ask a hash."""
    return {"source_name": "mitre-attack", "external_id": technique}
