"""Your account: your password, where you are signed in, and your own API keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.lake.state.sessions import Session
from noroshi.lake.state.tokens import Token
from noroshi.lake.state.users import User
from noroshi.model.errors import UsageError
from noroshi.model.finding import iso
from noroshi.web import answers
from noroshi.web.api.recipients import KeyAndSecret, KeyModel, NewKey, key
from noroshi.web.errors import Forbidden, NotFound, TooMany
from noroshi.web.security import passwords, people
from noroshi.web.security.doorkeeper import key_of
from noroshi.web.viewer import AsViewer, Visit

router = APIRouter(tags=["account"], prefix="/me")
SHOWN = 16
"""Characters of a session's digest that tell it from others: of those one user has, none are alike."""
Secret = Annotated[str, Field(max_length=passwords.LONGEST)]
Id = Annotated[str, Path(max_length=64, pattern="^[0-9a-f]+$", description="Id of the session.")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the key.")]


class NewPassword(BaseModel):
    """A password in the place of the one you have."""

    old: Secret
    new: Secret = Field(description="12 characters at least.")


class SessionModel(BaseModel):
    """Where you are signed in."""

    id: str
    made: datetime
    seen: datetime = Field(description="To the minute.")
    address: str = Field(description="Where from, when it began.")
    here: bool = Field(description="True for the one that asks.")


class Ended(BaseModel):
    """How many sessions have ended."""

    ended: int


@dataclass(frozen=True)
class Mine:
    """An account, and the session that asks, if it is one."""

    user: User
    here: str = ""
    """Digest of the session."""


@router.put("/password", response_model=Ended, name="change_my_password")
def change_password(visit: AsViewer, new: NewPassword) -> Response:
    """Changes your password; your other sessions end, your keys stay."""
    return answers.json({"ended": password(visit, new.old, new.new)})


@router.get("/sessions", response_model=list[SessionModel], name="list_my_sessions")
def list_sessions(visit: AsViewer) -> Response:
    """Where you are signed in, newest first."""
    one = mine(visit)
    return answers.json([told(s, one) for s in sessions(visit, one)])


@router.delete("/sessions", response_model=Ended, name="end_my_other_sessions")
def end_others(visit: AsViewer) -> Response:
    """Ends all of your sessions but the one that asks."""
    return answers.json({"ended": others_ended(visit)})


@router.delete("/sessions/{session}", response_model=SessionModel, name="end_my_session")
def end_session(visit: AsViewer, session: Id) -> Response:
    """Ends one; of the one that asks it is the same as signing out."""
    return answers.json(told(ended(visit, session), mine(visit)))


@router.get("/keys", response_model=list[KeyModel], name="list_my_keys")
def list_keys(visit: AsViewer) -> Response:
    """Your keys, ended ones too; never the secrets."""
    return answers.json([key(k) for k in keys(visit, mine(visit))])


@router.post("/keys", response_model=KeyAndSecret, status_code=201, name="add_my_key")
def add_key(visit: AsViewer, new: NewKey) -> Response:
    """Makes a key that may do what you may; its secret is told in this answer and never again. A key that was made with
    a key ends no later than that."""
    token, secret = keyed(visit, new.note, new.expires)
    return answers.json({**key(token), "secret": secret}, status=201, headers={"cache-control": "no-store"})


@router.delete("/keys/{number}", response_model=KeyModel, name="revoke_my_key")
def revoke_key(visit: AsViewer, number: Number) -> Response:
    """Ends a key."""
    return answers.json(key(revoked(visit, number)))


def has_account(visit: Visit) -> bool:
    """False for a recipient's program, and for whoever is let in without signing in."""
    return visit.viewer.kind == "user"


def mine(visit: Visit) -> Mine:
    """The account of this viewer. Raises Forbidden when they have none."""
    user = visit.tower.state.users.get(visit.viewer.name) if has_account(visit) else None
    if user is None:
        raise Forbidden(
            f"{visit.viewer.name} has no account here",
            todo="Accounts are of users who sign in: `noroshi user add`, and `noroshi serve` without --open.",
        )
    here = None
    if visit.viewer.by == "session":
        cookie = visit.request.cookies.get(visit.tower.doorkeeper.session_name, "")
        here = visit.tower.state.sessions.find(cookie)
    return Mine(user, here.digest if here else "")


def sessions(visit: Visit, one: Mine) -> list[Session]:
    """Those that hold, newest first."""
    return visit.tower.state.sessions.of(one.user.name)


def keys(visit: Visit, one: Mine) -> list[Token]:
    """All of them, oldest first."""
    return visit.tower.state.tokens.of("user", one.user.name)


def password(visit: Visit, old: str, new: str) -> int:
    """Changes the password; how many sessions have ended. Raises UsageError (where: old) for a wrong one, TooMany."""
    one, tower = mine(visit), visit.tower
    if not one.user.password:
        raise UsageError("you have no password, only keys", todo="Ask an administrator for one.")
    # As at the door: who found a page left open must not find out the password by it.
    if wait := tower.by_name.take(one.user.name.casefold()):
        raise TooMany("too many tries", todo=f"Wait {wait:.0f} seconds.",
                      headers={"retry-after": str(int(wait) + 1)})  # fmt: skip
    if not passwords.matches(one.user.password, old):
        visit.tell("password refused")
        raise UsageError(
            "the old password is another", where="old", todo="Try again, or ask an administrator."
        )
    tower.by_name.forget(one.user.name.casefold())
    if new == old:
        raise UsageError("the new password is the old one", where="new", todo="Choose another.")
    return people.own_password(
        tower.state, visit.viewer.actor, one.user.name, passwords.hashed(new), one.here
    )


def ended(visit: Visit, session: str) -> Session:
    """A session that has ended. Raises NotFound."""
    one = mine(visit)
    found = [s for s in sessions(visit, one) if len(session) >= SHOWN and s.digest.startswith(session)]
    if not found:
        raise NotFound(
            "you have no such session", where=session[:64], todo="The list of sessions shows them."
        )
    visit.tell("session ended", address=found[0].address)
    visit.tower.state.sessions.end_digest(found[0].digest)
    return found[0]


def others_ended(visit: Visit) -> int:
    """How many have ended: all but the one that asks."""
    one = mine(visit)
    visit.tell("sessions ended")
    return visit.tower.state.sessions.end_all(one.user.name, but=one.here)


def keyed(visit: Visit, note: str, expires: datetime | None) -> tuple[Token, str]:
    """(a new key of this viewer, its secret). Raises UsageError."""
    one = mine(visit)
    if expires is not None:
        expires = expires.replace(tzinfo=UTC) if expires.tzinfo is None else expires
        if expires <= visit.now:
            raise UsageError("the key would have ended already", where="expires", todo="Give a day to come.")
    by = visit.tower.state.tokens.verify(key_of(visit.request)) if visit.viewer.by == "key" else None
    if by is not None and by.expires is not None:
        # Else whoever found a key that ends soon could make it last.
        expires = by.expires if expires is None else min(expires, by.expires)
    return people.add_key(visit.tower.state, visit.viewer.actor, one.user.name, note, expires)


def revoked(visit: Visit, number: int) -> Token:
    """A key of this viewer that has ended. Raises NotFound."""
    one = mine(visit)
    if number not in {k.id for k in keys(visit, one)}:
        raise NotFound("you have no such key", where=str(number), todo="The list of your keys shows them.")
    return people.revoke_key(visit.tower.state, visit.viewer.actor, one.user.name, number)


def told(session: Session, one: Mine) -> dict[str, Any]:
    """A session in JSON types: what is told of it signs nobody in."""
    return {
        "id": session.digest[:SHOWN], "made": iso(session.made), "seen": iso(session.seen),
        "address": session.address, "here": session.digest == one.here,
    }  # fmt: skip
