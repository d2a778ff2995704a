"""`noroshi telescope`: the telescopes that are configured, and a guess at those that are not."""

from __future__ import annotations

from itertools import count

import click

from noroshi.cli import out
from noroshi.cli.state import State, group, verb


@group("telescope")
def command() -> None:
    """Shows telescopes; guesses their prefixes from the data."""


@verb("guess", parent=command)
@click.option("--limit", type=click.IntRange(1), default=10, show_default=True, help="Proposals shown.")
def guess(state: State, limit: int) -> int:
    """Proposes prefixes for addresses that no configured telescope covers, with the evidence.

    The answer is TOML to paste into noroshi.toml; `noroshi analyse` then uses it, nothing is read again.
    """
    from noroshi.work.telescope import guess as propose
    from noroshi.work.telescope import toml

    config = state.config()
    found = propose(state.lake(), config=config)
    if state.json:
        out.emit(found.to_json()[:limit])
        return 0
    taken = {t.name for t in config.telescopes}
    names = (name for n in count(1) if (name := f"telescope-{n}") not in taken)
    for proposal, name in zip(found.proposals[:limit], names, strict=False):
        out.line(toml(proposal, name))
    for note in found.notes:
        out.say(state, note)
    if found.proposals:
        target = config.path or state.lake_path / "noroshi.toml"
        n = out.count(len(found.proposals), "proposal")
        out.say(state, f"{n}. Paste what is right into {target}, then: noroshi analyse")
    else:
        out.say(state, "Nothing to propose beyond the configured telescopes.")
    return 0


@verb("list", parent=command)
def list_(state: State) -> int:
    """Lists the configured telescopes."""
    from noroshi.cli.config import as_json

    telescopes = as_json(state.config())["telescopes"]
    if state.json:
        out.emit(telescopes)
        return 0
    rows = [
        (t["name"], ", ".join(t["prefixes"]), len(t["live"]) or "always", len(t["outages"]))
        for t in telescopes
    ]
    if rows:
        out.table(("telescope", "prefixes", "live", "outages"), rows, keep=("telescope",))
    out.say(
        state, f"{out.count(len(rows), 'telescope')}." + ("" if rows else " Next: noroshi telescope guess")
    )
    return 0
