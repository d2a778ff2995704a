"""`noroshi taxii`: what recipients may read by TAXII, brought up to date and shown."""

from __future__ import annotations

import click

from noroshi.cli import out
from noroshi.cli.state import State, group, verb


@group("taxii")
def command() -> None:
    """What recipients may read by TAXII 2.1; `noroshi serve` answers them from it."""


_FOR = click.option(
    "--for", "names", multiple=True, metavar="RECIPIENT", help="Only this recipient; repeat. [all]"
)


@verb("publish", parent=command)
@_FOR
def publish(state: State, names: tuple[str, ...]) -> int:
    """Brings the collections up to date with the lake, and what recipients sent in into it."""
    from noroshi.lake.state import State as Kept
    from noroshi.work.gate import actor
    from noroshi.work.publish import publish as do

    lake = state.lake()
    done = do(lake, state.config(), Kept(lake.path), names=names, who=actor())
    if state.json:
        out.emit([d.to_json() for d in done])
        return 0
    did = ("added", "changed", "removed")
    rows = [(d.recipient, d.collection.sort, *(f"{getattr(d.changes, k):,}" for k in did)) for d in done]
    out.table(("recipient", "collection", *did), rows, right=did)
    return 0


@verb("status", parent=command)
@_FOR
def status(state: State, names: tuple[str, ...]) -> int:
    """Shows the collections: their ids, how many objects they hold, when one was last added."""
    from noroshi.lake.state import State as Kept
    from noroshi.work.publish import status as show

    lake = state.lake()
    found = show(lake, Kept(lake.path), names, state.config())
    if state.json:
        out.emit(found)
        return 0
    rows = [
        (c["recipient"], c["collection"], c["id"], str(c["objects"]), c["last_added"] or "never",
         "" if c["current"] else "to be published anew")
        for c in found
    ]  # fmt: skip
    out.table(
        ("recipient", "collection", "id", "objects", "last added", ""), rows, right=("objects",), keep=("id",)
    )
    return 0
