"""`noroshi forget`: takes the rows of a run back out."""

from __future__ import annotations

import click

from noroshi.cli import out
from noroshi.cli.state import State, verb


@verb("forget")
@click.argument("run", metavar="RUN")
@click.option(
    "--now", is_flag=True, help="Remove the bytes from the disk too, instead of at the next vacuum."
)
def command(state: State, run: str, now: bool) -> int:
    """Takes the rows of a run back out: at once invisible, then deleted."""
    from noroshi.work.why import run_of

    lake = state.lake()
    run_id = run_of(lake, run).run_id
    lake.forget(run_id, now=now)
    if state.json:
        out.emit({"run_id": run_id, "forgotten": True})
    out.say(state, f"Run {run_id} is forgotten. Next: noroshi analyse, to judge its days without it.")
    return 0
