"""The names below a domain, with what is seen of each: asked for, since it reads all domains in the links."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from noroshi.model.finding import iso

if TYPE_CHECKING:
    from noroshi.lake.snapshot import Snapshot

MOST = 50
SECONDS = 60.0
"""Some 100 million rows of links; beyond that the question is given up and says so."""


@dataclass(frozen=True)
class Name:
    """A name below the domain."""

    value: str
    count: int
    first_seen: datetime
    last_seen: datetime
    tables: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {"value": self.value, "count": self.count, "first_seen": iso(self.first_seen),
                "last_seen": iso(self.last_seen), "tables": list(self.tables)}  # fmt: skip


@dataclass(frozen=True)
class Below:
    """All names below a domain, in numbers; of the names those with the most observations."""

    names: tuple[Name, ...] = ()
    distinct: int = 0
    count: int = 0

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "distinct": self.distinct,
            "count": self.count,
            "top": [n.to_json() for n in self.names],
        }


def below(shot: Snapshot, domain: str, since: date | None = None, most: int = MOST) -> Below:
    """Names that end in `.domain`, those with the most observations first; what the snapshot hides is not counted.

    Raises LakeError after SECONDS.
    """
    rows = shot.sql(
        _BELOW, {"end": f".{domain}", "most": most, "since": since or date(1, 1, 1)}, seconds=SECONDS
    ).to_pylist()
    if not rows:
        return Below()
    names = (Name(r["value"], int(r["n"]), r["f"], r["l"], tuple(r["tables"])) for r in rows)
    return Below(tuple(names), int(rows[0]["distinct_names"]), int(rows[0]["total"]))


_BELOW = """
    WITH b AS (SELECT value, sum(count)::BIGINT AS n, min(first_seen) AS f, max(last_seen) AS l,
        list_sort(list(DISTINCT "table")) AS tables
      FROM links WHERE kind = 'domain' AND ends_with(value, $end) AND day >= $since GROUP BY value)
    SELECT *, count(*) OVER () AS distinct_names, sum(n) OVER ()::BIGINT AS total FROM b
    ORDER BY n DESC, value LIMIT $most"""
