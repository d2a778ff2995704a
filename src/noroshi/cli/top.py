"""`noroshi top`: views over weeks from the sums each run leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from noroshi.cli import out
from noroshi.cli.state import State, group, since, verb

if TYPE_CHECKING:
    from noroshi.ask.rollups import Ports, Sources

_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6"}
_TABLE = click.option("--table", default="flows", show_default=True, help="What is counted: docs/tables.md.")
_SINCE = click.option("--since", "since_", metavar="TIME", help="From then on: 2024-04-01, or 60d.")
_UNTIL = click.option("--until", "until_", metavar="TIME", help="Before that.")


@group("top")
def command() -> None:
    """Ports most was sent to, and how many sources there were, over days or months at once.

    Answered from the sums each run leaves (tables `hourly` and `daily`), not from the rows.
    """


@verb("ports", parent=command)
@_TABLE
@_SINCE
@_UNTIL
@click.option("--limit", type=click.IntRange(1, 65536), default=20, show_default=True, help="Ports shown.")
def ports(state: State, table: str, since_: str | None, until_: str | None, limit: int) -> int:
    """The ports with most observations (packets for flows), by whole hours."""
    from noroshi.ask.rollups import top_ports

    found = top_ports(state.lake().snapshot(), table, since(since_), since(until_), limit)
    if state.json:
        out.emit(_ports_json(found))
        return 0
    if not found.ports:
        out.say(
            state, f"Nothing of {table} in that time. --table names another: {state.typed('lake status')}"
        )
        return 0
    what = "packets" if table == "flows" else "rows"
    most = found.ports[0].count
    out.table(
        ("port", what, "share", ""),
        [(_name(p.port, p.protocol), p.count, f"{p.count / found.total:.1%}", "▇" * max(1, 30 * p.count // most))
         for p in found.ports],
        right=(what, "share"), keep=("port",),
    )  # fmt: skip
    assert found.first is not None and found.last is not None  # noqa: PT018  both come with any row
    out.say(
        state,
        f"{out.number(found.total)} {what} from {found.first:%Y-%m-%d %H:00} to {found.last:%Y-%m-%d %H:59} UTC; "
        f"a port may have {out.number(found.missing)} more (at most 1/2,000 of all).",
    )
    return 0


@verb("sources", parent=command)
@_TABLE
@_SINCE
@_UNTIL
@click.option("--exact", is_flag=True, help="Count one by one; slower.")
def sources(state: State, table: str, since_: str | None, until_: str | None, exact: bool) -> int:
    """How many different sources there were, by UTC day and over all days; within 1.6 % unless --exact."""
    from noroshi.ask.rollups import unique_sources

    found = unique_sources(state.lake().snapshot(), table, since(since_), since(until_), exact=exact)
    if state.json:
        out.emit(_sources_json(found))
        return 0
    if not found.days:
        out.say(
            state, f"Nothing of {table} in that time. --table names another: {state.typed('lake status')}"
        )
        return 0
    what = "packets" if table == "flows" else "rows"
    most = max(n for _, n, _ in found.days)
    out.table(
        ("day", "sources", what, ""),
        [(d.isoformat(), n, rows, "▇" * max(1, 30 * n // most)) for d, n, rows in found.days],
        right=("sources", what), keep=("day",),
    )  # fmt: skip
    error = "" if found.exact else " (estimated, standard error 1.6 %; --exact counts)"
    whole = out.count(found.whole, "source")
    out.say(state, f"{whole} over {out.count(len(found.days), 'day')} together{error}.")
    return 0


def _name(port: int, protocol: int) -> str:
    return f"{_PROTOCOLS.get(protocol, protocol)}/{port}"


def _ports_json(found: Ports) -> dict[str, object]:
    from noroshi.model.finding import iso

    return {
        "table": found.table,
        "first": iso(found.first) if found.first else None, "last": iso(found.last) if found.last else None,
        "total": found.total, "rest": found.rest, "missing": found.missing,
        "ports": [{"port": p.port, "protocol": p.protocol, "count": p.count} for p in found.ports],
    }  # fmt: skip


def _sources_json(found: Sources) -> dict[str, object]:
    from noroshi.ask.rollups import STANDARD_ERROR

    return {
        "table": found.table, "sources": found.whole, "exact": found.exact,
        "standard_error": 0.0 if found.exact else STANDARD_ERROR,
        "days": [{"day": d.isoformat(), "sources": n, "count": rows} for d, n, rows in found.days],
    }  # fmt: skip
