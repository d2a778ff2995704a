"""Users: who may sign in, with which role and whose view, and their API keys. For administrators."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.lake.state.tokens import Token
from noroshi.lake.state.users import User
from noroshi.model.errors import UsageError
from noroshi.web import answers
from noroshi.web.api.recipients import KeyAndSecret, KeyModel, NewKey, key
from noroshi.web.errors import NotFound
from noroshi.web.security import passwords, people
from noroshi.web.viewer import AsAdmin, Visit

router = APIRouter(tags=["users"], prefix="/users")
Name = Annotated[str, Path(max_length=64, description="Name of the user.")]
Role = Literal["viewer", "analyst", "sharer", "admin"]
Password = Annotated[str, Field(max_length=passwords.LONGEST, description="12 characters at least.")]


class UserModel(BaseModel):
    """Somebody who may sign in or ask with a key."""

    name: str
    role: str
    recipient: str = Field(description="Whose view they have.")
    disabled: bool
    password: bool = Field(description="False: they have keys only.")
    added: datetime | None
    signed_in: datetime | None


class NewUser(BaseModel):
    """A user to be added."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    role: Role = "viewer"
    recipient: Annotated[str, Field(max_length=64)] = "own"
    password: Password | None = Field(None, description="Without one they have keys only.")


class UserChange(BaseModel):
    """What is changed; what is left out stays. A new password, or being disabled, ends their sessions."""

    role: Role | None = None
    recipient: Annotated[str, Field(max_length=64)] | None = None
    password: Password | None = None
    disabled: bool | None = None


class RemovedUser(BaseModel):
    """Who was taken away."""

    name: str


@router.get("", response_model=list[UserModel], name="list_users")
def list_users(visit: AsAdmin) -> Response:
    """All users, by name."""
    return answers.respond(visit, answers.document([u.to_json() for u in visit.tower.state.users.all()]))


@router.post("", response_model=UserModel, status_code=201, name="add_user")
def add_user(visit: AsAdmin, new: NewUser) -> Response:
    """Adds a user."""
    return answers.json(added(visit, new.name, new.role, new.recipient, new.password).to_json(), status=201)


@router.get("/{name}", response_model=UserModel, name="get_user")
def get_user(visit: AsAdmin, name: Name) -> Response:
    """One user."""
    return answers.respond(visit, answers.document(there(visit, name).to_json()))


@router.patch("/{name}", response_model=UserModel, name="change_user")
def change_user(visit: AsAdmin, name: Name, change: UserChange) -> Response:
    """Changes role, view, password, or whether they may come in; the last administrator stays one."""
    user = changed(
        visit,
        name,
        role=change.role,
        recipient=change.recipient,
        password=change.password,
        disabled=change.disabled,
    )
    return answers.json(user.to_json())


@router.delete("/{name}", response_model=RemovedUser, name="remove_user")
def remove_user(visit: AsAdmin, name: Name) -> Response:
    """Takes a user away, with their sessions and keys."""
    removed(visit, name)
    return answers.json({"name": name})


@router.get("/{name}/keys", response_model=list[KeyModel], name="list_user_keys")
def list_keys(visit: AsAdmin, name: Name) -> Response:
    """Their keys, ended ones too; never the secrets."""
    return answers.json([key(k) for k in visit.tower.state.tokens.of("user", there(visit, name).name)])


@router.post("/{name}/keys", response_model=KeyAndSecret, status_code=201, name="add_user_key")
def add_key(visit: AsAdmin, name: Name, new: NewKey) -> Response:
    """Makes a key; its secret is told in this answer and never again."""
    token, secret = keyed(visit, name, new.note, new.expires)
    return answers.json({**key(token), "secret": secret}, status=201, headers={"cache-control": "no-store"})


@router.delete("/{name}/keys/{number}", response_model=KeyModel, name="revoke_user_key")
def revoke_key(visit: AsAdmin, name: Name, number: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> Response:
    """Ends a key."""
    return answers.json(key(revoked(visit, name, number)))


def there(visit: Visit, name: str) -> User:
    """The user of that name. Raises NotFound."""
    user = visit.tower.state.users.get(name)
    if user is None:
        raise NotFound("there is no such user", where=name[:64], todo="/api/v1/users lists them.")
    return user


def added(visit: Visit, name: str, role: str, recipient: str, password: str | None) -> User:
    """Adds one, as this administrator."""
    hashed = passwords.hashed(password) if password else ""
    return people.add(visit.tower.state, visit.viewer.actor, name, role, recipient, hashed)


def changed(
    visit: Visit, name: str, *, role: str | None = None, recipient: str | None = None, password: str | None = None,
    disabled: bool | None = None,
) -> User:  # fmt: skip
    """Changes one, as this administrator."""
    user = there(visit, name)
    hashed = passwords.hashed(password) if password else None
    return people.change(visit.tower.state, visit.viewer.actor, user.name, role=role, recipient=recipient,
                         password=hashed, disabled=disabled)  # fmt: skip


def removed(visit: Visit, name: str) -> None:
    """Takes one away, as this administrator."""
    people.remove(visit.tower.state, visit.viewer.actor, there(visit, name).name)


def keyed(visit: Visit, name: str, note: str, expires: datetime | None) -> tuple[Token, str]:
    """(a new key, its secret)."""
    user = there(visit, name)
    if expires is not None:
        expires = expires.replace(tzinfo=UTC) if expires.tzinfo is None else expires
        if expires <= visit.now:
            raise UsageError("the key would have ended already", where="expires", todo="Give a day to come.")
    return people.add_key(visit.tower.state, visit.viewer.actor, user.name, note, expires)


def revoked(visit: Visit, name: str, number: int) -> Token:
    """A key that has ended. Raises NotFound."""
    user = there(visit, name)
    if number not in {k.id for k in visit.tower.state.tokens.of("user", user.name)}:
        raise NotFound("they have no such key", where=str(number), todo="The list of their keys shows them.")
    return people.revoke_key(visit.tower.state, visit.viewer.actor, user.name, number)
