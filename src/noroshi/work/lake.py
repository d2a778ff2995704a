"""Care for the lake, as JSON types."""

from __future__ import annotations

import dataclasses
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


def problems(found: list[Problem]) -> list[dict[str, str]]:
    """What `verify` found."""
    return [dataclasses.asdict(p) for p in found]
