"""Work in progress: what was asked for, how far it is, what came of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from noroshi.web import render
from noroshi.web.api import works as api
from noroshi.web.routes import Page
from noroshi.web.viewer import AsViewer

router = APIRouter()
PAGE = Page("works", "/works", nav=False)


@router.get("/works")
def show(visit: AsViewer) -> Response:
    """What was asked for within the last hour."""
    found = [(w, api.told(w)) for w in visit.tower.longwork.all(visit.viewer)]
    return render.page(visit, "pages/works.html", here="", works=found)


@router.get("/works/{work}")
def one(visit: AsViewer, work: str, part: str = "") -> Response:
    """One piece of work; part=state gives how far it is, asked for until it is over."""
    found = visit.tower.longwork.get(visit.viewer, work)
    context: dict[str, Any] = {"work": found, "told": api.told(found)}
    if part == "state":
        return render.part(visit, "parts/work.html", **context)
    return render.page(
        visit, "pages/work.html", here="sharing" if visit.viewer.may("sharer") else "", **context
    )


@router.get("/works/{work}/{name}")
def file(visit: AsViewer, work: str, name: str) -> Response:
    """A file it made."""
    return api.sent(visit, work, name)
