# ruff: noqa: S608 - SQL made of names from this file; values are parameters
"""What decoys saw: visits over time, what was tried and typed most, and one visit from beginning to end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from noroshi.model.analyser import Query
from noroshi.model.errors import UsageError

TOPS: Final[Mapping[str, tuple[str, str]]] = {
    "source": ("sessions", "ip_text(src_ip)"),
    "service": ("sessions", "service"),
    "decoy": ("sessions", "decoy"),
    "client": ("sessions", "client"),
    "hassh": ("sessions", "hassh"),
    "ja4": ("sessions", "ja4"),
    "username": ("logins", "username"),
    "password": ("logins", "password"),
    "credential": ("logins", "username || ' : ' || password"),
    "command": ("commands", '"text"'),
    "url": ("transfers", "url"),
    "sha256": ("transfers", "sha256"),
    "target": ("relays", "target || CASE WHEN target_port > 0 THEN ':' || target_port ELSE '' END"),
}
"""What can be ranked: (table, SQL of the value)."""
SECRET: Final = frozenset({"password", "credential"})
"""Rankings that hold passwords: not for everybody."""
_TIME: Final = {"sessions": "first_seen"}
PARTS: Final = ("sessions", "logins", "commands", "transfers", "relays")
"""The tables a visit stands in."""
TEXT: Final = 2_000
"""Characters of a value shown in a ranking; the row has all."""


@dataclass(frozen=True)
class Top:
    """A value and how often it came."""

    value: str
    count: int
    sources: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class Totals:
    """What there was in a time."""

    sessions: int
    sources: int
    logins: int
    accepted: int
    """Logins let in."""
    commands: int
    transfers: int
    relays: int


def totals(query: Query, since: datetime, until: datetime) -> Totals:
    """How much of everything."""
    parts = [f"(SELECT count(*)::BIGINT FROM {t} WHERE {_span(t)}) AS {t}" for t in PARTS]
    row = query.sql(
        f"SELECT {', '.join(parts)}, (SELECT count(DISTINCT src_ip)::BIGINT FROM sessions WHERE {_span('sessions')})"
        f" AS sources, (SELECT count(*)::BIGINT FROM logins WHERE {_span('logins')} AND success) AS accepted",
        {"since": since, "until": until},
    ).to_pylist()[0]
    return Totals(**row)


def top(query: Query, what: str, since: datetime, until: datetime, limit: int = 20) -> tuple[Top, ...]:
    """The values of `what` (one of TOPS) that came most often."""
    if what not in TOPS:
        raise UsageError(f"{what!r} cannot be ranked", todo=f"One of: {', '.join(TOPS)}.")
    table, value = TOPS[what]
    ts = _TIME.get(table, "ts")
    found = query.sql(
        f"SELECT left({value}, {TEXT}) AS value, count(*)::BIGINT AS n, count(DISTINCT src_ip)::BIGINT AS sources,"
        f" min({ts}) AS low, max({ts}) AS high FROM {table} WHERE {_span(table)} AND {value} IS NOT NULL"
        f" GROUP BY 1 ORDER BY n DESC, value LIMIT {int(limit)}",
        {"since": since, "until": until},
    ).to_pylist()
    return tuple(Top(r["value"], r["n"], r["sources"], r["low"], r["high"]) for r in found)


def sessions(
    query: Query, since: datetime, until: datetime, *, limit: int = 50, busy: bool = False,
    before: tuple[datetime, str, str] | tuple[datetime, str] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Visits, newest first; busy: only those that were let in or typed something. before: (time, id, decoy) to go on
    from, or (time, id) to go on behind all decoys' visits of that id."""
    where, parameters = _span("sessions"), dict[str, Any](since=since, until=until)
    if busy:
        where += " AND (login_success OR command_count > 0)"
    if before is not None:
        where += " AND (first_seen, session_id, coalesce(decoy, '')) < ($ts, $session, $decoy)"
        parameters |= {"ts": before[0], "session": before[1], "decoy": before[2] if len(before) == 3 else ""}
    return query.sql(
        "SELECT ip_text(src_ip) AS src_ip, * EXCLUDE (src_ip, dst_ip, day) FROM sessions"
        f" WHERE {where} ORDER BY first_seen DESC, session_id DESC, coalesce(decoy, '') DESC LIMIT {int(limit)}",
        parameters,
    ).to_pylist()


def newest(query: Query) -> datetime | None:
    """When a visit began last; None when there was none."""
    found: datetime | None = query.sql("SELECT max(first_seen) AS ts FROM sessions").to_pylist()[0]["ts"]
    return found


def session(
    query: Query, session_id: str, limit: int = 1000, *, decoy: str | None = None,
    span: tuple[datetime, datetime] | None = None, tables: Iterable[str] = PARTS,
) -> dict[str, list[dict[str, Any]]]:  # fmt: skip
    """All rows of one visit, by table and in their order; empty when nobody knows it.

    Decoys count their visits themselves: two may give the same name, and one may give it again after it was started
    anew. decoy, span (first, end): only what that decoy saw from `first` until before `end`.
    """
    out = {}
    for table in tables:
        only, parameters = "", dict[str, Any](id=session_id)
        if decoy is not None:
            only, parameters = " AND decoy = $decoy", parameters | {"decoy": decoy}
        if span is not None:
            only, parameters = f"{only} AND {_span(table)}", parameters | {"since": span[0], "until": span[1]}
        hidden = "src_ip, day" if TABLES_WITH_DAYS[table] else "src_ip"
        hidden += ", dst_ip" if table in ("sessions", "logins") else ""
        found = query.sql(
            f"SELECT ip_text(src_ip) AS src_ip, * EXCLUDE ({hidden}) FROM {table} WHERE session_id = $id{only}"
            f' ORDER BY {_TIME.get(table, "ts")}, "offset" LIMIT {int(limit)}',
            parameters,
        ).to_pylist()
        if found:
            out[table] = found
    return out


def _span(table: str) -> str:
    ts = _TIME.get(table, "ts")
    days = "day BETWEEN $since::DATE AND $until::DATE AND " if TABLES_WITH_DAYS[table] else ""
    return f"{days}{ts} >= $since AND {ts} < $until"


def _tables_with_days() -> dict[str, bool]:
    from noroshi.model.tables import TABLES

    return {t: TABLES[t].partitioned for t in PARTS}


TABLES_WITH_DAYS: Final = _tables_with_days()
