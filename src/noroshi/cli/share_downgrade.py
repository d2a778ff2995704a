"""`noroshi share downgrade`: a marking lowered by its originator."""

from __future__ import annotations

import click

from noroshi.cli import out
from noroshi.cli.share import command as share
from noroshi.cli.state import State, verb


@verb("downgrade", parent=share)
@click.argument("id_", metavar="ID")
@click.option(
    "--to", "tlp", required=True, metavar="TLP", help="The marking it is to have: clear, green, amber, ..."
)
@click.option("--reason", required=True, metavar="TEXT", help="Why this may be told; kept in the audit log.")
def downgrade(state: State, id_: str, tlp: str, reason: str) -> int:
    """Lowers the marking of the finding or run ID (its beginning is enough), if you are its originator.

    A finding is told as it stands now; what is judged of it later keeps its stricter marking. Rows of a run that carry
    a marking of their own keep it: it is their makers' to lower.
    """
    from noroshi.lake.state import State as Kept
    from noroshi.model.tlp import parse
    from noroshi.work.downgrade import downgrade as lower
    from noroshi.work.gate import actor

    lake = state.lake()
    done = lower(lake, Kept(lake.path), actor(), id_, parse(tlp), reason)
    if state.json:
        out.emit(done.to_json())
    rows = ""
    if done.what == "run":
        kept = f"; {out.count(done.kept, 'row')} with markings of their own keep them" if done.kept else ""
        rows = f" {out.count(done.rows, 'row')} went with it{kept}. Next: {state.typed('analyse')}"
    out.say(state, f"The {done.what} {done.id} is {done.after.label} now, was {done.before.label}.{rows}")
    return 0
