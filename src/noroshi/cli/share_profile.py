"""`noroshi share profile|risk|reveal`: what happens to values before they leave, what it is worth, and the way back."""

from __future__ import annotations

from pathlib import Path

import click

from noroshi.cli import out
from noroshi.cli.share import command as share
from noroshi.cli.state import State, group, verb

DOCS = "docs/anonymising.md"
_SHORT = {"prefix-preserving": "prefix"}


@group("profile")
def command() -> None:
    """Profiles: what happens to each class of field before anything leaves (docs/anonymising.md)."""


share.add_command(command)


def _folder(state: State) -> Path | None:
    from noroshi.work.masks import folder

    return folder(state.config())


@verb("list", parent=command)
def list_(state: State) -> int:
    """Lists the profiles: those of the package, and those in `profiles/` beside the configuration."""
    from noroshi.share.profile import load, names

    place = _folder(state)
    found = [load(name, place) for name in names(place)]
    if state.json:
        out.emit([{"name": p.name, "doc": p.doc, "epoch": p.epoch, "plain": p.plain, "path": p.where}
                  for p in found])  # fmt: skip
        return 0
    out.table(("name", "keys", "what for"), [(p.name, p.epoch, p.doc) for p in found], keep=("name",))
    out.say(state, f"Next: {state.typed('share profile show community')}")
    return 0


@verb("show", parent=command)
@click.argument("name")
def show(state: State, name: str) -> int:
    """Shows what NAME does to each class of field."""
    from noroshi.share.anonymise.classes import FIELDS
    from noroshi.share.profile import load

    profile = load(name, _folder(state))
    if state.json:
        import msgspec

        rules = {f: msgspec.to_builtins(r) for f, r in profile.rules.items()}
        out.emit({"name": profile.name, "doc": profile.doc, "epoch": profile.epoch, "fields": rules})
        return 0
    from noroshi.share.profile import said

    out.line(f"{profile.name}: {profile.doc}")
    rows = [(f, said(profile.rules[f], f), doc) for f, doc in FIELDS.items()]
    out.table(("field", "what happens", "what it is"), rows, keep=("field", "what happens"))
    keys = {"fixed": "one key for ever"}.get(profile.epoch, f"a new key each {profile.epoch}")
    out.say(state, f"{keys.capitalize()}, of each recipient its own. What is left to learn: "
            f"{state.typed(f'share risk {profile.name}')}")  # fmt: skip
    return 0


@verb("check", parent=command)
@click.argument("name", required=False)
def check(state: State, name: str | None) -> int:
    """Reads NAME, or all profiles; exit status 1 when one is wrong."""
    from noroshi.model.errors import ConfigError
    from noroshi.share.profile import load, names

    place = _folder(state)
    wrong = []
    asked = [name] if name else names(place)
    for one in asked:
        try:
            load(one, place)
        except ConfigError as e:
            wrong.append({"name": one, "where": e.where, "what": e.what, "todo": e.todo})
    if state.json:
        out.emit({"checked": asked, "wrong": wrong})
    for w in wrong:
        out.say(state, f"{w['where']}: {w['what']}\n{w['todo']}")
    out.say(state, f"{out.count(len(asked), 'profile')} read, {len(wrong)} wrong.")
    return 1 if wrong else 0


@verb("risk", parent=share)
@click.argument("profile")
@click.option("--pairs", "-n", multiple=True, type=click.IntRange(0, 1_000_000), metavar="N",
              help="Pairs of original and masked address known; may be repeated. [0, 1, 10, 100, 1000]")  # fmt: skip
@click.option("--draws", type=click.IntRange(10, 10_000), default=200, show_default=True,
              help="Random choices of the known pairs; intervals hold the middle 95 % of them.")  # fmt: skip
def risk(state: State, profile: str, pairs: tuple[int, ...], draws: int) -> int:
    """Tells what somebody who knows N pairs of original and masked addresses learns of the others.

    By simulation on the addresses of the lake. A mask of addresses is pseudonymisation: whoever knows pairs, or sends
    probes and finds them again in what is shared, undoes part of it.
    """
    from noroshi.share.profile import load
    from noroshi.work.risk import risks

    config = state.config()
    found = load(profile, _folder(state))
    numbers = sorted(set(pairs)) or [0, 1, 10, 100, 1000]
    shot = state.lake().snapshot() if state.lake_path.is_dir() else None
    done = risks(shot, config, found, numbers, draws=draws)
    if state.json:
        import msgspec

        out.emit(
            {
                "profile": found.name,
                "draws": draws,
                "pseudonymisation": True,
                "risks": msgspec.to_builtins(done),
            }
        )
        return 0
    rows = []
    for r in done:
        shown = {x.pairs: x for x in r.exposures}.values()
        # Pairs change nothing but under a prefix-preserving mask.
        for x in shown if r.do == "prefix-preserving" else r.exposures[:1]:
            known = out.number(x.pairs) if r.do == "prefix-preserving" else "any"
            name = f"{r.field.removesuffix('-address')} v{r.version}"
            told = (_span(x.outright), _span(x.among_known), _span(x.half), _span(x.bits, 1))
            rows.append((name, _SHORT.get(r.do, r.do), known, x.addresses, *told))
    heads = ("addresses", "action", "pairs", "others", "found", "found*", "network", "bits known")
    out.table(heads, rows, right=heads[2:], keep=heads)
    for r in done:
        if r.source != "lake":
            out.say(
                state, f"{r.field} v{r.version}: the lake has too few; enumerated from the configuration."
            )
    out.say(state, "Mean and middle 95 % of the draws. found: every bit follows from the pairs. found*: one candidate "
            "is left to somebody who also knows which addresses there are. network: /24 or /48 known.")  # fmt: skip
    out.say(
        state, f"This is pseudonymisation, not anonymity: {DOCS} tells the known attacks and what to choose."
    )
    return 0


def _span(estimate: object, digits: int = 0) -> str:
    from noroshi.share.anonymise.risk import Estimate

    assert isinstance(estimate, Estimate)
    mean, low, high = (f"{x:,.{digits}f}" for x in (estimate.mean, estimate.low, estimate.high))
    return mean if low == high == mean else f"{mean} ({low}-{high})"


@verb("reveal", parent=share)
@click.argument("value")
@click.option("--for", "recipient", required=True, metavar="RECIPIENT", help="Who has the masked value.")
@click.option("--epoch", default="", metavar="EPOCH", help="2026-11, 2026-Q4 or fixed. [as now]")
def reveal(state: State, value: str, recipient: str, epoch: str) -> int:
    """Turns a masked VALUE back, for whoever holds the keys of this site; told to the audit log first.

    VALUE is an address, a network, a finding's id or a token as the recipient has it. What was dropped or
    cut off cannot be turned back. Exit status 1 when nothing is behind it.
    """
    from datetime import UTC, datetime

    from noroshi.lake.state import State as Kept
    from noroshi.work.gate import actor
    from noroshi.work.gate import recipient as named
    from noroshi.work.reveal import reveal as turn_back

    lake = state.lake()
    kept = Kept(lake.path)
    to = named(recipient, kept)
    done = turn_back(lake, state.config(), kept, to, value, who=actor(), now=datetime.now(UTC), epoch=epoch)
    if state.json:
        import msgspec

        out.emit({**msgspec.to_builtins(done), "recipient": to.name})
        return 0 if done.originals else 1
    if done.originals:
        rows = [(o.kind, o.value, "yes" if o.stored else "no", o.key) for o in done.originals]
        out.table(("kind", "original", "stored here", "key"), rows, keep=("original",))
    found = out.count(len(done.originals), "value") if done.originals else "Nothing known"
    out.say(state, f"{found} behind {done.masked} for {to.name} in epoch {done.epoch} (profile {done.profile}). "
            "The audit log has this question.")  # fmt: skip
    return 0 if done.originals else 1
