"""`noroshi share misp`: a MISP feed directory."""

from __future__ import annotations

from pathlib import Path

import click

from noroshi.cli import out
from noroshi.cli.share import command
from noroshi.cli.state import State, since, verb


@verb("misp", parent=command)
@click.option("--for", "recipient", required=True, metavar="RECIPIENT",
              help="Who will read it: public, community, own, or one of `noroshi recipient list`.")  # fmt: skip
@click.option("--out", "folder", required=True, metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
              help="The feed's folder; made when it is not there, brought up to date when it is.")  # fmt: skip
@click.option("--since", "since_", metavar="TIME",
              help="Only what lasted until then or later: 2024-04-01, or 7d.")  # fmt: skip
@click.option(
    "--name", "producer", default="", metavar="NAME", help="Name of the organisation in the events."
)
def misp(state: State, recipient: str, folder: Path, since_: str | None, producer: str) -> int:
    """Writes a MISP feed: one event per source and day. Unchanged events are not written again."""
    from noroshi.work.gate import actor
    from noroshi.work.share_misp import share_misp

    done = share_misp(
        state.lake(), config=state.config(), recipient=recipient, folder=folder, since=since(since_),
        producer=producer, who=actor(),
    )  # fmt: skip
    for reason, n in done.withheld.items():
        out.warn(f"{out.count(n, 'finding')} withheld: {reason}")
    fed = done.feed
    if state.json:
        out.emit({
            "path": str(folder), "recipient": recipient, "events": fed.events, "attributes": fed.attributes,
            "written": fed.written, "removed": fed.removed,
        })  # fmt: skip
    out.say(state, f"The feed in {folder} holds {out.count(fed.events, 'event')} with "
            f"{out.count(fed.attributes, 'attribute')} for {recipient}: {fed.written:,} written, "
            f"{fed.removed:,} removed.")  # fmt: skip
    return 0
