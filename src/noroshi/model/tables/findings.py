"""`findings`: judgements, one row per revision."""

from __future__ import annotations

from noroshi.model.schema import Column, Table

FINDINGS = Table(
    name="findings",
    version=2,
    doc="Judgements; a new revision of an id has a later `modified`, and the newest one holds.",
    sort=("subject_value", "modified"),
    columns=(
        Column("id", "string", "UUIDv5 of kind, subject, rule, scope and start."),
        Column("kind", "string", "Kind of finding."),
        Column("subject_kind", "string", "Kind of the subject: ip, prefix, port, ..."),
        Column("subject_value", "string", "The subject's canonical text."),
        Column("first_seen", "ts", "Start of the time span judged."),
        Column("last_seen", "ts", "End of the time span judged."),
        Column("modified", "ts", "When this revision was stored."),
        Column("withdrawn", "bool", "True when a later look no longer holds the finding."),
        Column("confidence", "int16", "0-100 as in STIX.", "%"),
        Column("tlp", "string", "Marking: the strictest of the runs it was judged from."),
        Column("summary", "string", "JSON: one sentence in `en` and in `ja`."),
        Column("rule_name", "string", "The analyser."),
        Column("rule_version", "int32", "Its version."),
        Column("scope", "string", "The telescope's name, or empty."),
        Column("evidence", "string", "JSON: numbers enough to recompute the judgement."),
        Column("runs", "strings", "Runs whose rows it was judged from."),
        Column(
            "lowered_from",
            "string",
            "Marking it was judged at, where its originator lowered it.",
            "",
            True,
            2,
        ),
    ),
)
