"""Verdicts of people on findings: stored as a source, so that they have a run, a marking and a way back (`forget`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding
from noroshi.model.sensor import Batch

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake

VERDICTS = ("true", "false", "unsure")
COMMENT = 4_000
"""Characters of a comment."""


def judge(
    lake: Lake,
    findings: Sequence[Finding],
    verdict: str,
    *,
    who: str,
    comment: str = "",
    now: datetime | None = None,
) -> str:
    """Stores one verdict on each of the findings; the run. Raises UsageError for an unknown verdict.

    A verdict is marked as its finding is: who may not see the finding is not told that it was judged.
    """
    import pyarrow as pa

    from noroshi.model.tables import TABLES

    if verdict not in VERDICTS:
        raise UsageError(f"{verdict[:40]!r} is no verdict", todo=f"One of: {', '.join(VERDICTS)}.")
    if not findings:
        raise UsageError("no finding was named", todo="`noroshi findings` lists them with their ids.")
    if len(comment) > COMMENT:
        raise UsageError(f"a comment of {len(comment):,} characters", todo=f"At most {COMMENT:,}.")
    ts = now or datetime.now(UTC)
    rows: list[dict[str, Any]] = [
        {
            "ts": ts, "finding_id": f.id, "kind": f.kind, "subject": f"{f.subject.kind} {f.subject.value}",
            "rule": f"{f.rule.name} {f.rule.version}", "verdict": verdict, "who": who, "comment": comment or None,
            "tlp": f.tlp.value, "offset": n,
        }
        for n, f in enumerate(findings)
    ]  # fmt: skip
    schema = TABLES["verdicts"].arrow()
    schema = schema.remove(schema.get_field_index("run_id"))
    body = json.dumps(rows, default=str, sort_keys=True).encode()
    strictest = max((f.tlp for f in findings), key=lambda t: t.rank)
    with lake.writer() as writer:
        run = writer.begin(
            path=f"triage by {who}", source="triage", format="verdict", parser_version=1, tlp=strictest
        )
        run.write(Batch("verdicts", pa.Table.from_pylist(rows, schema=schema)))
        run.finish(sha256=hashlib.sha256(body).hexdigest(), size=len(body))
    return run.run_id


def by_id(lake: Lake, ids: Sequence[str]) -> list[Finding]:
    """The findings of these ids (or unambiguous beginnings of 8 or more characters), at their strictest marking.

    Raises UsageError for one nobody knows.
    """
    from noroshi.work.findings import fullest

    held = {f.id: f for f in fullest(lake.findings())}
    out = []
    for given in ids:
        near = [held[given]] if given in held else []
        if not near and len(given) >= 8:
            near = [f for i, f in held.items() if i.startswith(given)]
        if len(near) != 1:
            what = "is ambiguous" if near else "is no finding that holds"
            raise UsageError(f"{given[:60]!r} {what}", todo="`noroshi findings --json` tells the ids.")
        out.append(near[0])
    return out
