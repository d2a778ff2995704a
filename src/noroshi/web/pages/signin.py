"""Signing in and out, and making the first administrator."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from noroshi.lake.state.users import User
from noroshi.model.errors import UsageError
from noroshi.web import render, urls
from noroshi.web.errors import Forbidden, TooMany
from noroshi.web.routes import Page
from noroshi.web.security import names, passwords
from noroshi.web.security.doors import network
from noroshi.web.viewer import Anybody, AsViewer, Visit

router = APIRouter()
PAGE = Page("signin", "/signin", role="anybody", nav=False)
Text = Annotated[str, Form(max_length=300)]


@router.get("/signin")
def form(visit: Anybody, next: str = "/") -> Response:
    """The form; straight on for who is signed in."""
    if visit.known:
        return RedirectResponse(_local(next), 303)
    if visit.tower.setup:
        return render.page(visit, "pages/setup-needed.html", status=403)
    return _form(visit, next)


@router.post("/signin")
def sign_in(visit: Anybody, name: Text, password: Text, next: Text = "/") -> Response:
    """Begins a session for the right name and password."""
    tower, address = visit.tower, _address(visit)
    _not_too_often(visit, name)
    user = tower.state.users.get(name)
    right = passwords.matches(user.password if user else "", password)
    if user is None or not right or user.disabled:
        tower.state.audit.tell(f"user:{name[:60]}", "sign-in refused", address=address)
        return _form(visit, next, name=name, wrong=True, status=401)
    if passwords.outdated(user.password):
        tower.state.users.change(name, password=passwords.hashed(password))
    tower.by_name.forget(name)
    return _begin(visit, user.name, _local(next))


@router.post("/signout")
def sign_out(visit: AsViewer) -> Response:
    """Ends this session."""
    keeper = visit.tower.doorkeeper
    visit.tower.state.sessions.end(visit.request.cookies.get(keeper.session_name, ""))
    visit.tell("sign-out")
    out = RedirectResponse("/signin", 303)
    out.delete_cookie(
        keeper.session_name, path="/", secure=visit.tower.options.tls, httponly=True, samesite="lax"
    )
    out.headers["clear-site-data"] = '"cache"'
    return out


@router.get("/setup")
def setup_form(visit: Anybody, token: str = "") -> Response:
    """The form that makes the first administrator, for who has the token the server printed."""
    _check_token(visit, token)
    return render.page(visit, "pages/setup.html", token=token, problem="", name="")


@router.post("/setup")
def setup(visit: Anybody, token: Text, name: Text, password: Text, again: Text) -> Response:
    """Makes the first administrator and signs them in."""
    _check_token(visit, token)
    try:
        if password != again:
            raise UsageError(visit.words("signin.different"), todo=visit.words("signin.different.todo"))
        user = User(names.checked(name), "admin", "own", passwords.hashed(password))
        visit.tower.state.users.add(user, only_first=True)
    except UsageError as e:
        return render.page(visit, "pages/setup.html", status=400, token=token, problem=str(e), name=name)
    visit.tower.setup = ""
    visit.tower.state.audit.tell(f"user:{user.name}", "user added", name=user.name, role="admin", by="setup")
    return _begin(visit, user.name, "/")


def _check_token(visit: Visit, token: str) -> None:
    _not_too_often(visit, "")
    kept = visit.tower.setup
    if not kept or not hmac.compare_digest(kept.encode(), token.encode("utf-8", "replace")):
        raise Forbidden("this address does not set anything up any more",
                        todo="Use the one `noroshi serve` printed last, or sign in.")  # fmt: skip


def _not_too_often(visit: Visit, name: str) -> None:
    wait = visit.tower.by_address.take(network(_address(visit)))
    if name:
        wait = max(wait, visit.tower.by_name.take(name[:64].casefold()))
    if wait:
        raise TooMany(
            "too many tries", todo=f"Wait {wait:.0f} seconds.", headers={"retry-after": str(int(wait) + 1)}
        )


def _begin(visit: Visit, name: str, after: str) -> Response:
    tower = visit.tower
    tower.state.users.signed_in(name)
    tower.state.audit.tell(f"user:{name}", "sign-in", address=_address(visit))
    secret = tower.state.sessions.begin(name, _address(visit))
    out = RedirectResponse(after, 303)
    out.set_cookie(tower.doorkeeper.session_name, secret, path="/", secure=tower.options.tls, httponly=True,
                   samesite="lax")  # fmt: skip
    return out


def _form(visit: Visit, after: str, *, name: str = "", wrong: bool = False, status: int = 200) -> Response:
    return render.page(visit, "pages/signin.html", status=status, after=_local(after), name=name, wrong=wrong)


def _local(after: str) -> str:
    """Where to go on: a path of this server, whatever the URL said."""
    fine = urls.is_local(after) and not after.startswith(("/signin", "/setup"))
    return after if fine else "/"


def _address(visit: Visit) -> str:
    return visit.request.client.host if visit.request.client else ""
