"""`noroshi user`: who may sign in to the pages and ask the API."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from noroshi.cli import out
from noroshi.cli.state import State, group, verb

if TYPE_CHECKING:
    from noroshi.lake.state import State as Kept
    from noroshi.lake.state.users import User

ROLES = ("viewer", "analyst", "sharer", "admin")


@group("user")
def command() -> None:
    """Lets people in: each has a role (viewer, analyst, sharer, admin: each may do what those before it may), and
    the view of a recipient: `own` sees what the organisation may, others what that recipient is given."""


@verb("list", parent=command)
def list_(state: State) -> int:
    """Lists users."""
    users = _kept(state).users.all()
    if state.json:
        out.emit([u.to_json() for u in users])
        return 0
    if not users:
        out.say(state, f"There are none. Add one: {state.typed('user add NAME --role admin')}")
        return 0
    rows = [
        (u.name, u.role, u.recipient, "disabled" if u.disabled else "password" if u.password else "keys only",
         f"{u.signed_in:%Y-%m-%d %H:%M}" if u.signed_in else "never")
        for u in users
    ]  # fmt: skip
    out.table(("name", "role", "view of", "signs in with", "signed in"), rows)
    return 0


@verb("add", parent=command)
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True)
@click.option("--recipient", default="own", show_default=True, help="Whose view they have.")
@click.option("--no-password", is_flag=True, help="They use API keys only.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, one line.")
def add(state: State, name: str, role: str, recipient: str, no_password: bool, password_stdin: bool) -> int:
    """Adds a user; asks for a password."""
    from noroshi.web.security import people
    from noroshi.web.security.names import checked
    from noroshi.work.gate import recipient as named

    kept = _kept(state)
    named(recipient, kept), checked(name)  # before anybody types a password
    password = "" if no_password else _password(password_stdin)
    user = people.add(kept, _who(), name, role, recipient, password)
    return _done(state, user, name, f"Added {name}.")


@verb("set", parent=command)
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES))
@click.option("--recipient", help="Whose view they have.")
@click.option("--password", is_flag=True, help="Ask for a new password; their sessions end.")
@click.option("--password-stdin", is_flag=True, help="Read it from standard input, one line.")
@click.option("--disable/--enable", "disabled", default=None, help="Whether they may come in.")
def set_(
    state: State, name: str, role: str | None, recipient: str | None, password: bool, password_stdin: bool,
    disabled: bool | None,
) -> int:  # fmt: skip
    """Changes a user."""
    from noroshi.web.security import people

    kept = _kept(state)
    fresh = _password(password_stdin) if password or password_stdin else None
    user = people.change(
        kept, _who(), name, role=role, recipient=recipient, password=fresh, disabled=disabled
    )
    return _done(state, user, name, f"Changed {name}.")


@verb("remove", parent=command)
@click.argument("name")
def remove(state: State, name: str) -> int:
    """Takes a user away, with their sessions and keys."""
    from noroshi.web.security import people

    people.remove(_kept(state), _who(), name)
    return _done(state, None, name, f"Removed {name}.")


@verb("key", parent=command)
@click.argument("name")
@click.option("--note", default="", help="What it is for.")
@click.option("--days", type=click.IntRange(1, 3650), help="Days until it ends. [never]")
@click.option("--revoke", type=int, metavar="NUMBER", help="End the key of that number instead.")
@click.option("--list", "show", is_flag=True, help="List their keys instead.")
def key(state: State, name: str, note: str, days: int | None, revoke: int | None, show: bool) -> int:
    """Makes an API key for a user; it is printed once."""
    from datetime import UTC, datetime, timedelta

    from noroshi.model.errors import UsageError
    from noroshi.model.finding import iso
    from noroshi.web.security import people

    kept = _kept(state)
    if kept.users.get(name) is None:
        raise UsageError(f"there is no user {name}", todo="`noroshi user list` shows them.")
    keys = kept.tokens.of("user", name)
    if show:
        rows = [{"id": k.id, "key": k.shown + "…", "note": k.note, "made": iso(k.made),
                 "used": iso(k.used) if k.used else None, "expires": iso(k.expires) if k.expires else None,
                 "revoked": iso(k.revoked) if k.revoked else None} for k in keys]  # fmt: skip
        if state.json:
            out.emit(rows)
        else:
            out.table(("id", "key", "note", "made", "used", "revoked"),
                      [[v or "" for k, v in r.items() if k != "expires"] for r in rows])  # fmt: skip
        return 0
    if revoke is not None:
        people.revoke_key(
            kept, _who(), name, revoke, f"`{state.typed(f'user key {name} --list')}` shows them."
        )
        out.say(state, f"Key {revoke} has ended.")
        if state.json:
            out.emit({"revoked": revoke})
        return 0
    expires = datetime.now(UTC) + timedelta(days=days) if days else None
    token, secret = people.add_key(kept, _who(), name, note, expires)
    if state.json:
        out.emit({"id": token.id, "key": secret, "expires": iso(expires) if expires else None})
        return 0
    out.line(secret)
    out.say(state, "This is shown once. Send it as: Authorization: Bearer KEY")
    return 0


def _kept(state: State) -> Kept:
    from noroshi.lake.state import State as Kept

    return Kept(state.lake(create=True).path)


def _password(from_stdin: bool) -> str:
    from noroshi.web.security.passwords import hashed

    if from_stdin:
        return hashed(sys.stdin.readline(1000).rstrip("\n"))
    return hashed(str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)))


def _done(state: State, user: User | None, name: str, text: str) -> int:
    if state.json:
        out.emit(user.to_json() if user else {"removed": name})
    out.say(state, text)
    return 0


def _who() -> str:
    from noroshi.work.gate import actor

    return actor()
