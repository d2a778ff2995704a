"""`noroshi lake`: care for the store."""

from __future__ import annotations

import click

from noroshi.cli import out
from noroshi.cli.state import State, group, verb
from noroshi.model.tables import TABLES


@group("lake")
def command() -> None:
    """Cares for the store: status, compact, retain, vacuum, verify."""


@verb("status", parent=command)
def status(state: State) -> int:
    """Tells what is stored: rows, files, bytes and days of each table, and the runs."""
    from noroshi.work.lake import status as ask

    document = ask(state.lake())
    if state.json:
        out.emit(document)
        return 0
    head = ("table", "rows", "days", "files", "not yet sorted", "size")
    rows = [
        (name, t["rows"], t["days"] or "", t["files"], t["fresh_files"], out.size(t["bytes"]))
        for name, t in document["tables"].items()
        if t["files"]  # two dozen tables nobody has used tell nothing
    ]
    out.table(head, rows, right=head[1:])
    span = f", {document['first_day']} to {document['last_day']}" if document["days"] else ""
    todo = " Next: noroshi lake compact" if document["needs_compaction"] else ""
    out.say(state, f"{document['path']}: {out.size(document['bytes'])}{span}.{todo}")
    return 0


@verb("compact", parent=command)
@click.argument("table", required=False, type=click.Choice(sorted(TABLES)))
def compact(state: State, table: str | None) -> int:
    """Rewrites small files into large sorted ones, so that questions are answered faster."""
    rewritten = state.lake().compact(table)
    if state.json:
        out.emit({"rows": rewritten})
    rows = out.count(sum(rewritten.values()), "row")
    out.say(state, f"Rewrote {rows} in order. The old files go with: noroshi lake vacuum")
    return 0


@verb("retain", parent=command)
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
def retain(state: State, dry_run: bool) -> int:
    """Takes out what is older than [retention] says, with its links and sums; runs stay, with a note."""
    from noroshi.work.lake import retain as cut

    document = cut(state.lake(), state.config().retention, dry_run=dry_run)
    if state.json:
        out.emit(document)
        return 0
    if not document["cutoffs"]:
        out.say(state, "noroshi.toml has no [retention]: nothing is ever taken out.")
        return 0
    if document["rows"]:
        out.table(("table", "rows"), list(document["rows"].items()), right=("rows",))
    days = ", ".join(f"{table} before {day}" for table, day in document["cutoffs"].items())
    rows = out.count(sum(document["rows"].values()), "row")
    end = " would go." if dry_run else " gone. The bytes go with: noroshi lake vacuum"
    out.say(state, f"{days}: {rows} of {out.count(document['runs'], 'run')}{end}")
    return 0


@verb("vacuum", parent=command)
@click.option(
    "--hours", type=click.IntRange(1), default=24, show_default=True, help="Keep what was in use since."
)
def vacuum(state: State, hours: int) -> int:
    """Deletes files that no reader needs any more."""
    deleted = state.lake().vacuum(hours)
    if state.json:
        out.emit({"files": deleted})
    out.say(
        state,
        f"Deleted {out.count(deleted, 'file')}; what was in use within {out.count(hours, 'hour')} is kept.",
    )
    return 0


@verb("verify", parent=command)
@click.option(
    "--rebuild", is_flag=True, help="First make links, sums and indexes again that are missing or wrong."
)
def verify(state: State, rebuild: bool) -> int:
    """Checks that every run is whole and every file is there; exit status 1 when something is not."""
    from noroshi.work.lake import problems, remade

    lake = state.lake()
    if rebuild:
        made = remade(lake)
        out.say(state, f"Made again: {made}." if made else "Nothing had to be made again.")
    found = problems(lake.verify())
    if state.json:
        out.emit(found)
    else:
        for p in found:
            out.line(f"{p['where']}: {p['what']}\n  {p['todo']}")
    out.say(state, f"{out.count(len(found), 'problem')}." if found else "Nothing to mend.")
    return 1 if found else 0
