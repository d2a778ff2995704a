"""`noroshi lake`: care for the store."""

from __future__ import annotations

from typing import Any

import click

from noroshi.cli import out
from noroshi.cli.state import State, group, verb
from noroshi.model.tables import TABLES


@group("lake")
def command() -> None:
    """Cares for the store: status, compact, vacuum, verify."""


@verb("status", parent=command)
def status(state: State) -> int:
    """Tells what is stored: rows, files, bytes and days of each table, and the runs."""
    from noroshi.work.lake import status as ask

    document = ask(state.lake())
    if state.json:
        out.emit(document)
        return 0
    for name, value in document.items():
        if not isinstance(value, dict | list):
            out.line(f"{name:<10} {value}")
    rows = [
        (name, t.get("rows"), t.get("files"), out.size(t.get("bytes") or 0))
        for name, t in document["tables"].items()
    ]
    out.table(("table", "rows", "files", "size"), rows, right=("rows", "files", "size"))
    return 0


@verb("compact", parent=command)
@click.argument("table", required=False, type=click.Choice(sorted(TABLES)))
def compact(state: State, table: str | None) -> int:
    """Rewrites small files into large sorted ones, so that questions are answered faster."""
    result: Any = state.lake().compact(table)
    if state.json:
        out.emit({"compacted": result})
    out.say(state, "Compacted. Old files go with: noroshi lake vacuum")
    return 0


@verb("vacuum", parent=command)
def vacuum(state: State) -> int:
    """Deletes files that no reader needs any more."""
    result: Any = state.lake().vacuum()
    if state.json:
        out.emit({"vacuumed": result})
    out.say(state, f"Vacuumed{'' if result is None else f': {result} files gone'}.")
    return 0


@verb("verify", parent=command)
def verify(state: State) -> int:
    """Checks that every run is whole and every file is there; exit status 1 when something is not."""
    from noroshi.work.lake import as_json

    problems = [as_json(p) for p in state.lake().verify()]
    if state.json:
        out.emit(problems)
    else:
        for p in problems:
            out.line(": ".join(str(v) for v in p.values() if v))
    out.say(state, f"{out.count(len(problems), 'problem')}." if problems else "Nothing to mend.")
    return 1 if problems else 0
