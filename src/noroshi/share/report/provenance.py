"""Where the numbers come from: the runs whose rows they count, and what could not be read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from noroshi.model.analyser import Query
from noroshi.share.report.data import RejectRow, RunRow
from noroshi.share.report.frame import stamp
from noroshi.share.report.period import Period

LISTED = 200
"""Runs listed; a year of hourly captures has 8,760, and `noroshi sql` prints them all."""

RUNS = """SELECT * FROM (
 SELECT run_id, state, path, format, parser_version, sha256, size, tlp, first_seen, last_seen, counts,
  problem,
  row_number() OVER (PARTITION BY run_id ORDER BY "at" DESC, state = 'open') AS nth FROM runs
) WHERE nth = 1 AND state = 'closed' AND first_seen < {end} AND last_seen >= {start}
ORDER BY first_seen, path, run_id"""

REJECTS = """SELECT reason, sum("count")::BIGINT AS n, count(DISTINCT run_id) AS runs FROM rejects
WHERE run_id IN (SELECT unnest($runs)) GROUP BY reason ORDER BY n DESC, reason"""


def runs(query: Query, period: Period) -> tuple[RunRow, ...]:
    """The closed runs whose rows touch the period, in order of time.

    Only the last part of a path is told: reports travel, and the digest says which file it was.
    """
    text = RUNS.format(start=stamp(period.start), end=stamp(period.end))
    return tuple(_run(r) for r in query.sql(text).to_pylist())


def _run(row: dict[str, Any]) -> RunRow:
    try:
        counts = json.loads(row["counts"] or "{}")
    except ValueError:
        counts = {}
    rejected = counts.get("rejects", 0) if isinstance(counts, dict) else 0
    return RunRow(
        row["run_id"], row["path"].rstrip("/").rsplit("/", 1)[-1], row["format"],
        int(row["parser_version"]), row["sha256"] or "",
        row["size"],
        row["tlp"], _utc(row["first_seen"]), _utc(row["last_seen"]),
        rejected if isinstance(rejected, int) else 0, row["problem"] or "",
    )  # fmt: skip


def _utc(at: datetime | None) -> datetime | None:
    return at.astimezone(UTC) if at else None


def rejects(query: Query, run_ids: Sequence[str]) -> tuple[RejectRow, ...]:
    """What those runs could not read, by reason, the most frequent first."""
    if not run_ids:
        return ()
    rows = query.sql(REJECTS, {"runs": list(run_ids)}).to_pylist()
    return tuple(RejectRow(r["reason"], int(r["n"]), int(r["runs"])) for r in rows)
