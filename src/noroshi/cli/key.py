"""`noroshi key`: the keys beside the lake; they are never printed."""

from __future__ import annotations

from pathlib import Path

import click

from noroshi.cli import out
from noroshi.cli.state import State, group, verb


@group("key")
def command() -> None:
    """Shows, renews and backs up the site's keys, which stand for credentials and addresses in what leaves here."""


@verb("show", parent=command)
def show(state: State) -> int:
    """Tells where the keys are, their fingerprints and when they were made; never the keys."""
    from noroshi.keys import load

    keys = load(state.lake_path, make=False)
    told = [{"fingerprint": k.id, "made": k.made, "use": "in use" if not i else "reading"}
            for i, k in enumerate(keys.keys)]  # fmt: skip
    if state.json:
        out.emit({"path": str(keys.path), "keys": told})
        return 0
    out.table(("fingerprint", "made", "use"), [(k["fingerprint"], k["made"], k["use"]) for k in told])
    out.say(state, f"They are in {keys.path}. Back it up with: {state.typed('key export FILE')}")
    return 0


@verb("rotate", parent=command)
def rotate(state: State) -> int:
    """Makes a new key, which is used from now on; the older ones stay, to recognise what they made."""
    from noroshi.keys import rotate as renew

    keys = renew(state.lake_path)
    if state.json:
        out.emit({"path": str(keys.path), "fingerprint": keys.newest.id, "keys": len(keys.keys)})
    out.say(
        state,
        f"From now on {keys.newest.id} is used. To do: back up {keys.path} (it now holds "
        f"{out.count(len(keys.keys), 'key')}); restart programs that are running on this lake. Questions for a "
        "credential look under all keys, but a pair tried before and after is two values in links until its logs "
        "are forgotten and ingested again; and recipients see other pseudonyms from now on.",
    )
    return 0


@verb("export", parent=command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def export(state: State, file: Path) -> int:
    """Copies the keys into a new FILE that only its owner can read, for a backup kept elsewhere."""
    from noroshi.keys import export as copy

    keys = copy(state.lake_path, file)
    if state.json:
        out.emit({"path": str(file), "keys": len(keys.keys)})
    out.say(
        state,
        f"Copied {out.count(len(keys.keys), 'key')} to {file}. Whoever has it can undo what the keys protect.",
    )
    return 0
