"""Users: who may sign in, with which role and whose view; their keys. For administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path
from starlette.responses import RedirectResponse, Response

from noroshi.lake.state.tokens import Token
from noroshi.lake.state.users import ROLES
from noroshi.web import render, urls
from noroshi.web.api import users as api
from noroshi.web.pages.recipient import NO_STORE, until
from noroshi.web.pages.sharing import Text
from noroshi.web.routes import Page
from noroshi.web.viewer import AsAdmin, Visit
from noroshi.work import gate

router = APIRouter()
PAGE = Page("users", "/users", role="admin", nav=False)
Secret = Annotated[str, Form(max_length=300)]


@router.get("/users")
def show(visit: AsAdmin) -> Response:
    """The list."""
    return render.page(
        visit, "pages/users.html", here="", users=visit.tower.state.users.all(), roles=ROLES, names=_views(visit),
        command="noroshi user list",
    )  # fmt: skip


@router.post("/users")
def add(
    visit: AsAdmin, name: Text, role: Text = "viewer", recipient: Text = "own", password: Secret = ""
) -> Response:
    """Adds a user."""
    user = api.added(visit, name.strip(), role, recipient, password or None)
    return RedirectResponse(f"/users/{urls.segment(user.name)}", 303)


@router.get("/users/{name}")
def one(visit: AsAdmin, name: str) -> Response:
    """A user with their keys."""
    return _page(visit, name)


@router.post("/users/{name}/change")
def change(
    visit: AsAdmin, name: str, role: Text, recipient: Text, password: Secret = "", disabled: Text = ""
) -> Response:
    """Changes a user to what the form says; an empty password stays as it was."""
    api.changed(
        visit, name, role=role, recipient=recipient, password=password or None, disabled=bool(disabled)
    )
    return RedirectResponse(f"/users/{urls.segment(name)}", 303)


@router.post("/users/{name}/remove")
def remove(visit: AsAdmin, name: str) -> Response:
    """Takes a user away."""
    api.removed(visit, name)
    return RedirectResponse("/users", 303)


@router.get("/users/{name}/keys")
def back(visit: AsAdmin, name: str) -> Response:
    """To the page: the secret of a key is shown in the answer that made it, and nowhere else."""
    return RedirectResponse(f"/users/{urls.segment(api.there(visit, name).name)}#keys", 303)


@router.post("/users/{name}/keys")
def add_key(visit: AsAdmin, name: str, note: Text = "", expires: Text = "") -> Response:
    """Makes a key and shows its secret, once."""
    return _page(visit, name, fresh=api.keyed(visit, name, note, until(expires)))


@router.post("/users/{name}/keys/{number}/revoke")
def revoke(visit: AsAdmin, name: str, number: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> Response:
    """Ends a key."""
    api.revoked(visit, name, number)
    return RedirectResponse(f"/users/{urls.segment(name)}#keys", 303)


def _views(visit: Visit) -> list[str]:
    return [r.name for r in gate.everybody(visit.tower.state)]


def _page(visit: Visit, name: str, fresh: tuple[Token, str] | None = None) -> Response:
    user = api.there(visit, name)
    return render.page(
        visit, "pages/user.html", here="", user=user, keys=visit.tower.state.tokens.of("user", user.name), fresh=fresh,
        roles=ROLES, names=_views(visit), headers=NO_STORE if fresh else None,
        command=f"noroshi user key {user.name} --list",
    )  # fmt: skip
