"""Your account: your password, where you are signed in, your own API keys."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Path
from starlette.responses import RedirectResponse, Response

from noroshi.lake.state.tokens import Token
from noroshi.model.errors import UsageError
from noroshi.web import render
from noroshi.web.api import account as api
from noroshi.web.pages.recipient import NO_STORE, until
from noroshi.web.pages.sharing import Text
from noroshi.web.routes import Page
from noroshi.web.security.passwords import SHORTEST
from noroshi.web.viewer import AsViewer, Visit

router = APIRouter()
PAGE = Page("account", "/account", nav=False)
Secret = Annotated[str, Form(max_length=300)]
DONE = ("password", "session", "sessions", "key")


@router.get("/account")
def show(visit: AsViewer, done: str = "") -> Response:
    """The account of whoever is signed in."""
    return _page(visit, done=done if done in DONE else "")


@router.get("/account/keys")
@router.get("/account/password")
def back(visit: AsViewer) -> Response:
    """To the page: a secret is shown in the answer that made it, and nowhere else."""
    return RedirectResponse("/account", 303)


@router.post("/account/password")
def change_password(visit: AsViewer, old: Secret = "", new: Secret = "", again: Secret = "") -> Response:
    """Changes the password."""
    t = visit.words
    if new != again:
        return _page(visit, problem=t("signin.different"), status=400)
    try:
        api.password(visit, old, new)
    except UsageError as e:
        said = t("account.wrong") if e.where == "old" else t("account.unfit", n=SHORTEST)
        return _page(visit, problem=said, status=400)
    return RedirectResponse("/account?done=password", 303)


@router.post("/account/sessions/end")
def end_others(visit: AsViewer) -> Response:
    """Ends all other sessions."""
    api.others_ended(visit)
    return RedirectResponse("/account?done=sessions", 303)


@router.post("/account/sessions/{session}/end")
def end(visit: AsViewer, session: api.Id) -> Response:
    """Ends one session."""
    api.ended(visit, session)
    return RedirectResponse("/account?done=session", 303)


@router.post("/account/keys")
def add_key(visit: AsViewer, note: Text = "", expires: Text = "") -> Response:
    """Makes a key and shows its secret, once."""
    return _page(visit, fresh=api.keyed(visit, note, until(expires)))


@router.post("/account/keys/{number}/revoke")
def revoke(visit: AsViewer, number: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> Response:
    """Ends a key."""
    api.revoked(visit, number)
    return RedirectResponse("/account?done=key#keys", 303)


def _page(
    visit: Visit, *, fresh: tuple[Token, str] | None = None, problem: str = "", done: str = "",
    status: int = 200,
) -> Response:  # fmt: skip
    shown: dict[str, Any] = {"user": None, "sessions": [], "keys": []}
    if api.has_account(visit):
        one = api.mine(visit)
        held = [(s, api.told(s, one)) for s in api.sessions(visit, one)]
        shown = {"user": one.user, "sessions": held, "keys": api.keys(visit, one)}
    return render.page(
        visit, "pages/account.html", status=status, fresh=fresh, problem=problem, done=done,
        headers=NO_STORE if fresh else None, command="", **shown,
    )  # fmt: skip
