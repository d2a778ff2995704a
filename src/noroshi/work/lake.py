"""Care for the lake, as JSON types."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noroshi.lake.care import Problem
    from noroshi.lake.handle import Lake


def status(lake: Lake) -> dict[str, Any]:
    """What is stored: rows, files and bytes by table, days of data, and partitions worth compacting."""
    tables = {t.table: dataclasses.asdict(t) for t in lake.status()}
    days = lake.snapshot().days("flows")
    return {
        "path": str(lake.path),
        "first_day": days[0].isoformat() if days else None,
        "last_day": days[-1].isoformat() if days else None,
        "days": len(days),
        "bytes": sum(t["bytes"] for t in tables.values()),
        "tables": tables,
        "needs_compaction": [[t, d.isoformat() if d else None] for t, d in lake.needs_compaction()],
    }


def retain(
    lake: Lake, retention: Mapping[str, str], *, dry_run: bool = False, today: date | None = None
) -> dict[str, Any]:
    """Takes out what is older than `retention` says (table -> `400d`): whole UTC days; what went, or would.

    `400d` keeps today and the 400 days before it.
    """
    now = today or datetime.now(UTC).date()
    cutoffs = {table: now - timedelta(days=int(age.removesuffix("d"))) for table, age in retention.items()}
    gone = lake.retain(cutoffs, dry_run=dry_run)
    return {
        "cutoffs": {table: day.isoformat() for table, day in cutoffs.items()},
        "rows": gone.rows, "runs": gone.runs, "dry_run": dry_run,
    }  # fmt: skip


def problems(found: list[Problem]) -> list[dict[str, str]]:
    """What `verify` found."""
    return [dataclasses.asdict(p) for p in found]


def remade(lake: Lake) -> str:
    """Makes again what is derived and missing or wrong; what that was, in words, nothing when all was well."""
    made = dataclasses.asdict(lake.rebuild())
    what = {"links": "links of {} runs", "hourly": "sums by hour of {}", "daily": "sums by day of {}",
            "heads": "heads of {} files", "strays": "left-over rows of {} runs"}  # fmt: skip
    return ", ".join(what[name].format(n) for name, n in made.items() if n)
