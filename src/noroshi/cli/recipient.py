"""`noroshi recipient`: who is given what, and the keys they ask with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from noroshi.cli import out
from noroshi.cli.state import State, group, since, verb
from noroshi.share.marking import LANGS, MOST, USUAL, Recipient

if TYPE_CHECKING:
    from noroshi.lake.state import State as Kept
    from noroshi.lake.state.tokens import Token

F = TypeVar("F", bound=Callable[..., Any])


@group("recipient")
def command() -> None:
    """Who may be given what: their kind and ceiling, what they want, their ranges, their profile, their keys."""


def _fields(*, new: bool) -> Callable[[F], F]:
    """The options `add` and `set` share; of `set`, what is not given stays."""
    options = [
        click.option("--kind", required=new, type=click.Choice(list(MOST)), help="What they are."),
        click.option("--ceiling", metavar="TLP", help="The strictest marking that may reach them. [as their kind]"),
        click.option("--title", metavar="TEXT", help="Who they are, in words."),
        click.option("--wants", multiple=True, metavar="KIND", help="A kind of finding they want; repeat. [all]"),
        click.option("--range", "ranges", multiple=True, metavar="PREFIX", help="A prefix they answer for; repeat."),
        click.option("--profile", metavar="NAME", help="The anonymising profile. [their own name, else their kind's]"),
        click.option("--mail", metavar="ADDRESS", help="Where notices to them go."),
        click.option("--lang", type=click.Choice(LANGS), help="Their language. [en]"),
        click.option("--tlp1/--no-tlp1", default=None, help="They read TLP 1 only."),
        click.option("--writes/--no-writes", default=None, help="They may send objects in."),
    ]  # fmt: skip

    def wrap(f: F) -> F:
        for option in reversed(options):
            f = option(f)
        return f

    return wrap


@verb("add", parent=command)
@click.argument("name")
@_fields(new=True)
def add(state: State, name: str, **given: Any) -> int:
    """Adds the recipient NAME."""
    from noroshi.work import recipients
    from noroshi.work.gate import actor

    to = recipients.add(
        _kept(state, create=True), actor(), _with(Recipient(name, USUAL[given["kind"]], ""), given)
    )
    return _shown(state, to, "Added")


@verb("set", parent=command)
@click.argument("name")
@_fields(new=False)
@click.option("--clear", multiple=True, type=click.Choice(["wants", "ranges", "mail", "profile", "title"]),
              help="Empty this field; may be repeated.")  # fmt: skip
def set_(state: State, name: str, clear: tuple[str, ...], **given: Any) -> int:
    """Changes the recipient NAME; what is not given stays. --wants and --range replace what was there."""
    from noroshi.work import recipients
    from noroshi.work.gate import actor, recipient

    kept = _kept(state)
    old = recipient(name, kept)
    empty: dict[str, Any] = {"wants": {"kinds": ()}, "ranges": {"ranges": ()}, "mail": {"mail": ""},
                             "profile": {"profile": ""}, "title": {"doc": ""}}  # fmt: skip
    for field in clear:
        old = replace(old, **empty[field])
    if given["kind"] and not given["ceiling"]:
        old = replace(old, ceiling=USUAL[given["kind"]])
    return _shown(state, recipients.change(kept, actor(), _with(old, given)), "Changed")


def _with(to: Recipient, given: dict[str, Any]) -> Recipient:
    from noroshi.model.tlp import parse

    fields = {"kind": "kind", "title": "doc", "wants": "kinds", "ranges": "ranges", "profile": "profile",
              "mail": "mail", "lang": "lang", "tlp1": "tlp1", "writes": "writes"}  # fmt: skip
    new = {field: given[name] for name, field in fields.items() if given[name] not in (None, ())}
    if given["ceiling"]:
        new["ceiling"] = parse(given["ceiling"])
    return replace(to, **new)


def _shown(state: State, to: Recipient, what: str) -> int:
    from noroshi.work.recipients import as_json

    if state.json:
        out.emit(as_json(to))
    out.say(state, f"{what} {to.name}: {to.kind}, {to.ceiling.label} at most. "
            f"Next: {state.typed(f'findings --for {to.name}')}")  # fmt: skip
    return 0


@verb("list", parent=command)
def list_(state: State) -> int:
    """Lists the recipients: those that come with the package, then those added."""
    from noroshi.work.gate import everybody
    from noroshi.work.recipients import as_json

    found = everybody(_kept(state, create=True))
    if state.json:
        out.emit([as_json(r) for r in found])
        return 0
    out.table(
        ("name", "kind", "ceiling", "wants", "ranges", "profile", "title"),
        [(r.name, r.kind, r.ceiling.label, ", ".join(r.kinds) or "all", len(r.ranges), r.profile, r.doc)
         for r in found],
        right=("ranges",), keep=("name", "ceiling"),
    )  # fmt: skip
    return 0


@verb("show", parent=command)
@click.argument("name")
def show(state: State, name: str) -> int:
    """Shows a recipient and its keys."""
    from noroshi.work.gate import recipient
    from noroshi.work.recipients import as_json

    kept = _kept(state, create=True)
    to = recipient(name, kept)
    keys = kept.tokens.of("recipient", name)
    told = as_json(to)
    if state.json:
        out.emit({**told, "keys": [_key(k) for k in keys]})
        return 0
    for field, value in told.items():
        out.line(f"{field:<10}{', '.join(value) if isinstance(value, list) else value}")
    _keys(keys)
    return 0


@verb("remove", parent=command)
@click.argument("name")
def remove(state: State, name: str) -> int:
    """Takes a recipient away; its keys end. What was exported before cannot be taken back."""
    from noroshi.work import recipients
    from noroshi.work.gate import actor

    ended = recipients.remove(_kept(state), actor(), name)
    if state.json:
        out.emit({"name": name, "removed": True, "keys_ended": ended})
    out.say(state, f"Removed {name}; {out.count(ended, 'key')} ended.")
    return 0


@group("key")
def key() -> None:
    """Keys a recipient's programs ask with (TAXII, API): shown once when made, kept only as a digest."""


command.add_command(key)


@verb("add", parent=key)
@click.argument("name")
@click.option("--note", default="", metavar="TEXT", help="Who or what has it.")
@click.option("--expires", metavar="TIME", help="When it ends: 2027-04-01. [never]")
def key_add(state: State, name: str, note: str, expires: str | None) -> int:
    """Makes a key for the recipient NAME. Its secret is printed now and never again."""
    from noroshi.work import recipients
    from noroshi.work.gate import actor

    token, secret = recipients.add_key(_kept(state, create=True), actor(), name, note, since(expires))
    if state.json:
        out.emit({**_key(token), "secret": secret})
    else:
        out.line(secret)
    out.say(
        state, f"Key {token.id} of {name}. It is not kept and cannot be shown again: hand it over safely now."
    )
    return 0


@verb("list", parent=key)
@click.argument("name")
def key_list(state: State, name: str) -> int:
    """Lists the keys of the recipient NAME, ended ones too; never their secrets."""
    from noroshi.work.gate import recipient

    kept = _kept(state, create=True)
    keys = kept.tokens.of("recipient", recipient(name, kept).name)
    if state.json:
        out.emit([_key(k) for k in keys])
        return 0
    _keys(keys)
    return 0


@verb("revoke", parent=key)
@click.argument("name")
@click.argument("key_id", metavar="KEY", type=click.IntRange(0, 2**31 - 1))
def key_revoke(state: State, name: str, key_id: int) -> int:
    """Ends the key with the number KEY of the recipient NAME."""
    from noroshi.work import recipients
    from noroshi.work.gate import actor

    token = recipients.revoke_key(_kept(state), actor(), name, key_id)
    if state.json:
        out.emit(_key(token))
    out.say(state, f"Key {token.id} of {name} ended.")
    return 0


def _kept(state: State, *, create: bool = False) -> Kept:
    from noroshi.lake.state import State as Kept

    return Kept(state.lake(create=create).path)


def _key(token: Token) -> dict[str, Any]:
    from noroshi.model.finding import iso

    times = {k: getattr(token, k) for k in ("made", "expires", "used", "revoked")}
    return {"id": token.id, "shown": token.shown, "note": token.note,
            **{k: iso(v) if v else None for k, v in times.items()}}  # fmt: skip


def _keys(keys: list[Token]) -> None:
    told = [_key(k) for k in keys]
    head = ("id", "shown", "note", "made", "expires", "used", "revoked")
    out.table(head, [[(k[h] or "")[:19] if h not in ("id", "shown", "note") else k[h] for h in head] for k in told],
              right=("id",), keep=("shown",))  # fmt: skip
