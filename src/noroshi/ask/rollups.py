"""Views over weeks, answered from the sums that each run leaves: ports by hour, sources by day.

They read `hourly` and `daily` instead of the facts, so they cost what there are hours and runs, not what there are
packets. Sums go with their run: what a restricted snapshot hides, these do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from noroshi.lake.rollup import SHARE, SOURCE_ROLES, estimate, unite
from noroshi.model.analyser import Query
from noroshi.model.errors import UsageError
from noroshi.model.tables import TABLES

STANDARD_ERROR: Final = 0.0163
"""Of an estimate from a sketch: 1.04 / sqrt(4,096 registers) (Flajolet et al., 2007)."""
PORTED: Final = ("flows", "connections", "sessions", "logins", "alerts")
"""Tables with sums by port."""


@dataclass(frozen=True)
class PortCount:
    """What went to one port."""

    port: int
    protocol: int
    """IP protocol number."""
    count: int
    """Observations (packets for `flows`); too low by `Ports.missing` at most."""


@dataclass(frozen=True)
class Ports:
    """The ports most was sent to."""

    table: str
    first: datetime | None
    """Beginning of the first hour with data; None without any."""
    last: datetime | None
    """Beginning of the last."""
    total: int
    rest: int
    """Of the total, what went to ports that were small in their hour and run, and were summed up."""
    ports: tuple[PortCount, ...]

    @property
    def missing(self) -> int:
        """How much too low a count may be: no more than the rest, and 1/2,000 of what its hours held."""
        return min(self.rest, self.total // SHARE)


@dataclass(frozen=True)
class Sources:
    """How many different addresses were sources."""

    table: str
    whole: int
    """Over all days together; an address counts once."""
    days: tuple[tuple[date, int, int], ...]
    """(UTC day, different sources, observations), ascending."""
    exact: bool
    """Counted one by one; otherwise estimated with STANDARD_ERROR."""


def top_ports(
    query: Query, table: str = "flows", since: datetime | None = None, until: datetime | None = None,
    limit: int = 20,
) -> Ports:  # fmt: skip
    """The `limit` ports of `table` with most observations in the hours that begin from `since` on, before `until`.

    Raises UsageError for a table without ports.
    """
    if table not in PORTED:
        raise UsageError(f"{table} has no sums by port", todo=f"Tables: {', '.join(PORTED)}.")
    where, params = _span("hour", table, since, until)
    # Only what is shown leaves the engine: tens of thousands of ports are seen in any week.
    found = query.sql(
        f"WITH ports AS MATERIALIZED (SELECT port, protocol, sum(count)::BIGINT AS n, min(hour) AS begin_hour,"  # noqa: S608
        f" max(hour) AS end_hour FROM hourly WHERE {where} GROUP BY ALL),"
        " whole AS (SELECT sum(n)::BIGINT AS total, coalesce(sum(n) FILTER (port < 0), 0)::BIGINT AS rest,"
        " min(begin_hour) AS first_hour, max(end_hour) AS last_hour FROM ports)"
        " SELECT ports.port, ports.protocol, ports.n, whole.* FROM whole LEFT JOIN ports ON ports.port >= 0"
        f" ORDER BY n DESC NULLS LAST, port, protocol LIMIT {int(limit)}",
        params,
    ).to_pylist()
    whole = found[0]
    return Ports(
        table, whole["first_hour"], whole["last_hour"], whole["total"] or 0, whole["rest"],
        tuple(PortCount(r["port"], r["protocol"], r["n"]) for r in found if r["port"] is not None),
    )  # fmt: skip


def unique_sources(
    query: Query, table: str = "flows", since: datetime | None = None, until: datetime | None = None,
    *, exact: bool = False,
) -> Sources:  # fmt: skip
    """Different sources of `table` per UTC day and over all days that begin from `since`'s day on, before `until`.

    From the sketches of `daily`, which unite; counted from `links` with `exact`, and always for tables whose rows
    carry their own marking, of which there are no sums. Raises UsageError for no such table.
    """
    if table not in TABLES:
        raise UsageError(f"there is no table {table!r}", todo="docs/tables.md lists them.")
    since = since.replace(hour=0, minute=0, second=0, microsecond=0) if since else None
    if exact or TABLES[table].marked:
        return _counted(query, table, since, until)
    where, params = _span("ts", table, since, until)
    found = query.sql(
        f"SELECT ts::DATE AS day, list(sketch) AS sketches, sum(count)::BIGINT AS n"  # noqa: S608
        f" FROM daily WHERE {where} AND sketch IS NOT NULL GROUP BY 1 ORDER BY 1",
        params,
    ).to_pylist()
    days, united = [], []
    for row in found:
        registers = unite(row["sketches"])
        united.append(registers)
        days.append((row["day"], round(estimate(registers)), int(row["n"])))
    return Sources(table, _whole(united), tuple(days), False)


def _whole(united: Sequence[Any]) -> int:
    """The estimate for all days together."""
    import numpy as np

    return round(estimate(np.maximum.reduce(united))) if united else 0


def _counted(query: Query, table: str, since: datetime | None, until: datetime | None) -> Sources:
    where, params = _span("day", table, since, until)
    roles = ", ".join(f"'{r}'" for r in SOURCE_ROLES)
    base = f"FROM links WHERE {where} AND kind = 'ip' AND role IN ({roles})"
    found = query.sql(
        f"SELECT day, count(DISTINCT key)::BIGINT AS n, sum(count)::BIGINT AS rows {base}"
        " GROUP BY 1 ORDER BY 1",
        params,
    ).to_pylist()
    whole = query.sql(f"SELECT count(DISTINCT key)::BIGINT AS n {base}", params)["n"][0].as_py()
    return Sources(table, int(whole), tuple((r["day"], r["n"], r["rows"]) for r in found), True)


def _span(
    column: str, table: str, since: datetime | None, until: datetime | None
) -> tuple[str, dict[str, Any]]:
    """The condition on table and time, and its parameters."""
    parts, params = ['"table" = $name'], dict[str, Any](name=table)
    for op, name, moment in ((">=", "since", since), ("<", "until", until)):
        if moment is not None:
            parts.append(f"{column} {op} $" + name)
            params[name] = moment
    return " AND ".join(parts), params
