"""`verdicts`: what people said of findings; it comes back as a source like any other."""

from __future__ import annotations

from noroshi.model.schema import Column, Link, Table
from noroshi.model.tables.common import LAST, TLP

VERDICTS = Table(
    name="verdicts",
    doc="What people said of findings: true, false or unsure. The newest of a finding holds.",
    time="ts",
    sort=("finding_id", "ts"),
    daily=False,
    links=(Link("subject", "typed", "judged"),),
    columns=(
        Column("ts", "ts", "When it was said."),
        Column("finding_id", "string", "The finding."),
        Column("kind", "string", "Its kind."),
        Column("subject", "string", "Its subject, as `kind value`."),
        Column("rule", "string", "The rule that made it, and its version: `scanner 3`."),
        Column("verdict", "string", "true, false or unsure."),
        Column("who", "string", "Who said it: `user:NAME`, `cli:NAME`, `recipient:NAME`."),
        Column("comment", "string", "Words beside it.", "", True),
        TLP,
        *LAST,
    ),
)
