"""`noroshi blocklist`: what no blocklist may hold; and `noroshi share blocklist`."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import click

from noroshi.cli import out
from noroshi.cli.share import command as share
from noroshi.cli.state import State, group, verb


@group("blocklist")
def command() -> None:
    """Values released from all blocklists (`noroshi share blocklist` writes them)."""


@verb("release", parent=command)
@click.argument("value")
@click.option("--reason", required=True, metavar="TEXT", help="Why it may not be blocked.")
def release(state: State, value: str, reason: str) -> int:
    """Takes an address, network or name off all blocklists, from now on. It is kept in the audit log."""
    from noroshi.lake.state import State as Kept
    from noroshi.work import blocklist
    from noroshi.work.gate import actor

    kind, canonical, fresh = blocklist.release(Kept(state.lake().path), value, reason, actor())
    if state.json:
        out.emit({"kind": kind, "value": canonical, "new": fresh})
    told = "is on no blocklist from now on." if fresh else "was released already."
    out.say(state, f"{canonical} {told} Lists that are written already change when they are written again.")
    return 0


@verb("unrelease", parent=command)
@click.argument("value")
def unrelease(state: State, value: str) -> int:
    """Takes a release back."""
    from noroshi.lake.state import State as Kept
    from noroshi.work import blocklist
    from noroshi.work.gate import actor

    kind, canonical = blocklist.take_back(Kept(state.lake().path), value, actor())
    if state.json:
        out.emit({"kind": kind, "value": canonical})
    out.say(state, f"{canonical} may be blocked again.")
    return 0


@verb("list", parent=command)
def listed(state: State) -> int:
    """Shows what is released."""
    from noroshi.lake.state import State as Kept

    found = Kept(state.lake().path).releases.all()
    if state.json:
        out.emit(
            [
                {"kind": r.kind, "value": r.value, "reason": r.reason, "actor": r.actor, "at": r.at}
                for r in found
            ]
        )
        return 0
    rows = [[r.value, f"{r.at:%Y-%m-%d}", r.actor, r.reason] for r in found]
    out.table(["value", "since", "by", "reason"], rows, keep=["value"])
    return 0


@verb("blocklist", parent=share)
@click.option("--for", "recipient", required=True, metavar="RECIPIENT",
              help="Who will read it: public, community, own, or one of `noroshi recipient list`.")  # fmt: skip
@click.option("--format", "format_", required=True, type=click.Choice(["nftables", "rpz", "plain"]),
              help="For whom: nftables, name servers, or anything else.")  # fmt: skip
@click.option("--out", "path", required=True, metavar="PATH", help="The file to write; - for standard output.",
              type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))  # fmt: skip
@click.option("--min-confidence", "floor", type=click.IntRange(1, 100), default=50, show_default=True,
              help="Only what is at least so sure now; confidence halves with every half-life.")  # fmt: skip
@click.option("--expire", default="365d", show_default=True, metavar="TIME",
              help="At the latest so long after it was last seen: 7d, 36h.")  # fmt: skip
@click.option(
    "--zone", default="", metavar="NAME", help="Name of the zone (rpz); rpz.noroshi.invalid otherwise."
)
def blocklist(
    state: State, recipient: str, format_: str, path: Path, floor: int, expire: str, zone: str
) -> int:
    """Writes what may be blocked now. Own, special and warninglisted values, victims and releases are never on it."""
    from noroshi.model.errors import UsageError
    from noroshi.work.blocklist import share_blocklist
    from noroshi.work.gate import actor

    found = re.fullmatch(r"([1-9]\d{0,4})([hd])", expire)
    if not found:
        raise UsageError(f"--expire is {expire!r}", todo="Write 7d or 36h.")
    longest = timedelta(**{"hours" if found[2] == "h" else "days": int(found[1])})
    done = share_blocklist(
        state.lake(), config=state.config(), recipient=recipient, path=path, format=format_, floor=floor,
        expire=longest, zone=zone, who=actor(),
    )  # fmt: skip
    for why, n in done.chosen.left_out.items():
        out.warn(f"{out.count(n, 'value')} left out: {why}")
    if state.json and str(path) != "-":
        out.emit({
            "path": str(path), "recipient": recipient, "format": format_, "entries": len(done.chosen.entries),
            "left_out": dict(done.chosen.left_out),
        })  # fmt: skip
    out.say(
        state, f"Wrote {out.count(len(done.chosen.entries), 'entry', 'entries')} for {recipient} to {path}."
    )
    return 0
