"""`noroshi share`: exports what a recipient may see."""

from __future__ import annotations

from pathlib import Path

import click

from noroshi.cli import out
from noroshi.cli.state import State, group, since, verb
from noroshi.model.finding import KINDS


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
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), metavar="KIND",
              help="Only findings of this kind; may be repeated.")  # fmt: skip
@click.option("--with-facts", "facts", is_flag=True,
              help="What was observed as well: darknet sources a day, visits to decoys, services.")  # fmt: skip
@click.option("--own-only", is_flag=True, help="Nothing that others made, and no sightings of it.")
@click.option("--tlp1", is_flag=True, help="Markings of TLP 1; AMBER+STRICT becomes RED.")
@click.option("--split", default=0, metavar="N", type=click.IntRange(min=0), show_default=False,
              help="At most N objects in a file: PATH.0001.json, PATH.0002.json, ...")  # fmt: skip
def stix(
    state: State, recipient: str, path: Path, since_: str | None, producer: str, kinds: tuple[str, ...], facts: bool,
    own_only: bool, tlp1: bool, split: int,
) -> int:  # fmt: skip
    """Writes a STIX 2.1 bundle. The same lake gives the same bundle, byte for byte."""
    from noroshi.share.stix.emit import Options
    from noroshi.work.gate import actor
    from noroshi.work.share import share_stix

    done = share_stix(
        state.lake(), config=state.config(), recipient=recipient, path=path, split=split, who=actor(),
        options=Options(
            producer=producer, kinds=kinds, since=since(since_), tlp1=tlp1, facts=facts, imported=not own_only
        ),
    )  # fmt: skip
    for reason, n in done.withheld.items():
        out.warn(f"{out.count(n, 'finding')} withheld: {reason}")
    for reason, n in done.left_out.items():
        out.warn(f"{out.count(n, 'imported object')} left out: {reason}")
    if state.json and str(path) != "-":
        out.emit({
            "path": str(path), "recipient": recipient, "findings": done.findings, "objects": done.objects,
            "bytes": done.size, "files": [str(f) for f in done.files], "upgraded": done.upgraded,
            "left_out": done.left_out,
        })  # fmt: skip
    where = f"{len(done.files)} files, {done.files[0]} the first" if len(done.files) > 1 else str(path)
    out.say(state, f"Wrote {out.count(done.findings, 'finding')} as {out.count(done.objects, 'STIX object')} "
            f"for {recipient} to {where}.")  # fmt: skip
    return 0


from noroshi.cli import blocklist as _blocklist  # noqa: E402, F401 - adds its verb to the group
from noroshi.cli import share_downgrade as _downgrade  # noqa: E402, F401 - likewise
from noroshi.cli import share_misp as _misp  # noqa: E402, F401 - adds its verb to the group
from noroshi.cli import share_profile as _profile  # noqa: E402, F401 - likewise
from noroshi.cli import share_rows as _rows  # noqa: E402, F401 - likewise
