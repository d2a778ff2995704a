"""`noroshi share`: exports what a recipient may see."""

from __future__ import annotations

from pathlib import Path

import click

from noroshi.cli import out
from noroshi.cli.state import State, group, since, verb


@group("share")
def command() -> None:
    """Exports what a recipient may see; tells on standard error how many findings were withheld and why."""


@verb("stix", parent=command)
@click.option("--for", "recipient", required=True, metavar="RECIPIENT",
              help="Who will read it: public, community, own, or one of `noroshi recipient list`.")  # fmt: skip
@click.option(
    "--out",
    "path",
    required=True,
    metavar="PATH",
    help="The file to write; - for standard output.",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
)
@click.option(
    "--since",
    "since_",
    metavar="TIME",
    help="Only findings that lasted until then or later: 2024-04-01, or 7d.",
)
@click.option(
    "--name", "producer", default="", metavar="NAME", help="Name of the producing organisation in the bundle."
)
def stix(state: State, recipient: str, path: Path, since_: str | None, producer: str) -> int:
    """Writes a STIX 2.1 bundle. The same lake gives the same bundle, byte for byte."""
    from noroshi.work.gate import actor
    from noroshi.work.share import share_stix

    done = share_stix(
        state.lake(),
        config=state.config(),
        recipient=recipient,
        path=path,
        since=since(since_),
        producer=producer,
        who=actor(),
    )
    for reason, n in done.withheld.items():
        out.warn(f"{out.count(n, 'finding')} withheld: {reason}")
    if state.json and str(path) != "-":
        out.emit(
            {"path": str(path), "recipient": recipient, "findings": done.findings, "objects": done.objects}
        )
    out.say(state, f"Wrote {out.count(done.findings, 'finding')} as {out.count(done.objects, 'STIX object')} "
            f"for {recipient} to {path}.")  # fmt: skip
    return 0


from noroshi.cli import share_misp as _misp  # noqa: E402, F401 - adds its verb to the group
