"""People who sign in and their keys: added, changed and taken away; every change is told to the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from noroshi.model.errors import UsageError
from noroshi.web.security.names import checked

if TYPE_CHECKING:
    from noroshi.lake.state import State
    from noroshi.lake.state.tokens import Token
    from noroshi.lake.state.users import User

NOTE = 200
MOST_KEYS = 100
"""Keys of one user that hold at once."""


def add(state: State, who: str, name: str, role: str, recipient: str = "own", password: str = "") -> User:
    """A new user. password: its hash; empty for who has keys only. Raises UsageError."""
    from noroshi.lake.state.users import ROLES, User
    from noroshi.work.gate import recipient as named

    if role not in ROLES:
        raise UsageError(f"there is no role {role[:40]!r}", todo=f"Roles: {', '.join(ROLES)}.")
    to = named(recipient, state)
    state.users.add(User(checked(name), role, to.name, password))
    return _told(state, who, "user added", name)


def change(
    state: State, who: str, name: str, *, role: str | None = None, recipient: str | None = None,
    password: str | None = None, disabled: bool | None = None,
) -> User:  # fmt: skip
    """A user with what is given changed; a new password (its hash), or being disabled, ends their sessions."""
    from noroshi.lake.state.users import ROLES
    from noroshi.work.gate import recipient as named

    if role is not None and role not in ROLES:
        raise UsageError(f"there is no role {role[:40]!r}", todo=f"Roles: {', '.join(ROLES)}.")
    to = named(recipient, state).name if recipient else None
    state.users.change(name, role=role, recipient=to, password=password, disabled=disabled)
    if password or disabled:
        state.sessions.end_all(name)
    return _told(state, who, "user changed", name)


def own_password(state: State, who: str, name: str, password: str, here: str = "") -> int:
    """Changes a user's password (its hash) as they asked; how many sessions have ended: all but that of the digest
    `here`."""
    state.audit.tell(who, "password changed", name=name)
    state.users.change(name, password=password)
    return state.sessions.end_all(name, but=here)


def remove(state: State, who: str, name: str) -> None:
    """Takes a user away, with their sessions and keys."""
    state.users.remove(name)
    state.sessions.end_all(name)
    for key in state.tokens.of("user", name):
        state.tokens.revoke(key.id)
    state.audit.tell(who, "user removed", name=name, role="", view="")


def add_key(
    state: State, who: str, name: str, note: str = "", expires: datetime | None = None
) -> tuple[Token, str]:
    """(a new key of a user, its secret); the secret is kept nowhere. Raises UsageError."""
    _there(state, name)
    note = " ".join(note.split())
    if len(note) > NOTE or not note.isprintable():
        raise UsageError("the note is too long or not printable", todo=f"Use {NOTE} characters at most.")
    if sum(t.revoked is None for t in state.tokens.of("user", name)) >= MOST_KEYS:
        raise UsageError(f"{name} has {MOST_KEYS} keys", todo="End one first.")
    token, secret = state.tokens.issue("user", name, note, expires)
    state.audit.tell(who, "key made", name=name, key=token.id)
    return token, secret


def revoke_key(state: State, who: str, name: str, key: int, todo: str = "") -> Token:
    """Ends a key of a user; UsageError when they have none of that number."""
    _there(state, name)
    if key not in {k.id for k in state.tokens.of("user", name)}:
        raise UsageError(f"{name} has no key {key}", todo=todo or "The list of their keys shows them.")
    token = state.tokens.revoke(key)
    state.audit.tell(who, "key revoked", name=name, key=key)
    return token


def _there(state: State, name: str) -> None:
    if state.users.get(name) is None:
        raise UsageError(f"there is no user {name[:64]}", todo="`noroshi user list` shows them.")


def _told(state: State, who: str, action: str, name: str) -> User:
    user = state.users.get(name)
    assert user is not None
    detail: dict[str, Any] = {"name": name, "role": user.role, "view": user.recipient}
    state.audit.tell(who, action, **detail)
    return user
