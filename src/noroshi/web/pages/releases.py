"""Releases: what no blocklist may hold, and markings that were lowered; both with a reason."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from noroshi.web import render
from noroshi.web.api import releases as api
from noroshi.web.pages.sharing import Text
from noroshi.web.routes import Page
from noroshi.web.viewer import AsSharer

router = APIRouter()
PAGE = Page("releases", "/releases", role="sharer", nav=False)
SHOWN = 50
MARKS = ("clear", "green", "amber", "amber+strict")


@router.get("/releases")
def show(visit: AsSharer, cursor: str = "", id: str = "") -> Response:
    """Both lists; id: the finding or run whose marking is to be lowered, for links that lead here."""
    lowered, after = api.downgrades(visit, SHOWN, cursor)
    return render.page(
        visit, "pages/releases.html", here="sharing", releases=api.releases(visit), next=after, marks=MARKS,
        lowered=[d | {"at": datetime.fromisoformat(d["at"])} for d in lowered], id=id[:64],
        command="noroshi blocklist list",
    )  # fmt: skip


@router.post("/releases")
def release(visit: AsSharer, value: Text, reason: Text) -> Response:
    """Takes a value off all blocklists."""
    api.released(visit, value, reason)
    return RedirectResponse("/releases", 303)


@router.post("/releases/back")
def back(visit: AsSharer, kind: Text, value: Text) -> Response:
    """Takes a release back."""
    api.taken_back(visit, kind, value)
    return RedirectResponse("/releases", 303)


@router.post("/releases/lower")
def lower(visit: AsSharer, id: Text, to: Text, reason: Text) -> Response:
    """Lowers a marking."""
    api.lowered(visit, id, to, reason)
    return RedirectResponse("/releases#lowered", 303)
