"""Recipients and their keys, added, changed and taken away; every change is told to the audit log."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from noroshi.model.errors import UsageError
from noroshi.share.marking import RECIPIENTS, Recipient, checked
from noroshi.work.gate import recipient

if TYPE_CHECKING:
    from noroshi.lake.state import State
    from noroshi.lake.state.tokens import Token

MOST_KEYS = 100
"""Keys of one recipient that hold at once: one a program that asks, and room to renew them."""


def add(state: State, who: str, to: Recipient) -> Recipient:
    """Keeps a new recipient; UsageError when something about it cannot be, or the name is taken."""
    from noroshi.lake.state.recipients import RecipientRow

    to = checked(to)
    state.recipients.add(RecipientRow(**_row(to)))
    state.audit.tell(who, "recipient-add", recipient=to.name, **_told(to))
    return to


def change(state: State, who: str, to: Recipient) -> Recipient:
    """Keeps a recipient as it is now; UsageError when that cannot be, or there is none of that name."""
    from noroshi.lake.state.recipients import RecipientRow

    to = checked(to)
    old = recipient(to.name, state)
    state.recipients.change(RecipientRow(**_row(to)))
    before, after = _told(old), _told(to)
    differs = {k: [before[k], after[k]] for k in after if before[k] != after[k]}
    state.audit.tell(who, "recipient-set", recipient=to.name, count=None, **differs)
    return to


def remove(state: State, who: str, name: str) -> int:
    """Takes a recipient away and ends its keys, so that a later one of that name has none; how many ended."""
    if name in RECIPIENTS:
        raise UsageError(f"{name} comes with the package and stays", todo="End its keys instead.")
    recipient(name, state)
    ended = [t for t in state.tokens.of("recipient", name) if t.revoked is None]
    for token in ended:
        state.tokens.revoke(token.id)
    state.recipients.remove(name)
    state.audit.tell(who, "recipient-remove", recipient=name, count=len(ended))
    return len(ended)


def add_key(
    state: State, who: str, name: str, note: str = "", expires: datetime | None = None
) -> tuple[Token, str]:
    """(a new key of a recipient, its secret); the secret is kept nowhere. UsageError when there is none such."""
    to = recipient(name, state)
    note = " ".join(note.split())
    if len(note) > 200 or not note.isprintable():
        raise UsageError("the note is too long or not printable", todo="Use 200 characters at most.")
    if sum(t.revoked is None for t in state.tokens.of("recipient", name)) >= MOST_KEYS:
        raise UsageError(
            f"{name} has {MOST_KEYS} keys", todo="End one first: `noroshi recipient key revoke`."
        )
    token, secret = state.tokens.issue("recipient", to.name, note, expires)
    state.audit.tell(who, "key-add", recipient=name, key=token.id, note=note, expires=expires)
    return token, secret


def revoke_key(state: State, who: str, name: str, key: int) -> Token:
    """Ends a key of a recipient; UsageError when it has none of that number."""
    if key not in {t.id for t in state.tokens.of("recipient", name)}:
        raise UsageError(f"{name[:80]} has no key {key}", todo="`noroshi recipient key list` shows them.")
    token = state.tokens.revoke(key)
    state.audit.tell(who, "key-revoke", recipient=name, key=key)
    return token


def as_json(to: Recipient) -> dict[str, Any]:
    """A recipient as `--json` and the API show it."""
    return {"name": to.name, "built_in": to.name in RECIPIENTS, **_told(to)}


def _told(to: Recipient) -> dict[str, Any]:
    return {
        "kind": to.kind, "ceiling": to.ceiling.value, "title": to.doc, "profile": to.profile, "wants": list(to.kinds),
        "ranges": list(to.ranges), "mail": to.mail, "lang": to.lang, "tlp1": to.tlp1, "writes": to.writes,
    }  # fmt: skip


def _row(to: Recipient) -> dict[str, Any]:
    shown: Iterable[tuple[str, Any]] = (
        ("name", to.name), ("kind", to.kind), ("ceiling", to.ceiling.value), ("title", to.doc),
        ("profile", to.profile), ("kinds", to.kinds), ("ranges", to.ranges), ("mail", to.mail),
        ("lang", to.lang), ("tlp1", to.tlp1), ("writes", to.writes),
    )  # fmt: skip
    return dict(shown)
