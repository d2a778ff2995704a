"""Watches: values somebody wants to be told of, and what was seen of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import RedirectResponse, Response

from noroshi.web import render
from noroshi.web.api import watches as api
from noroshi.web.pages.sharing import Text
from noroshi.web.routes import Page
from noroshi.web.viewer import AsAnalyst

router = APIRouter()
PAGE = Page("watches", "/watches", role="analyst")
SHOWN = 50


@router.get("/watches")
def show(visit: AsAnalyst) -> Response:
    """The list, and the newest hits."""
    held = api.watches(visit)
    seen = api.hits(visit)
    newest = sorted((f for fs in seen.values() for f in fs), key=lambda f: f.last_seen, reverse=True)
    return render.page(
        visit, "pages/watches.html", here="watches", watches=[(w, seen.get((w.kind, w.value), [])) for w in held],
        hits=newest[:SHOWN], kinds=api.KINDS, command="noroshi watch list",
    )  # fmt: skip


@router.post("/watches")
def add(visit: AsAnalyst, value: Text, kind: Text = "", note: Text = "") -> Response:
    """Watches a value."""
    api.added(visit, value[:2000], kind, note[:500])
    return RedirectResponse("/watches", 303)


@router.post("/watches/check")
def check(visit: AsAnalyst, again: Text = "") -> Response:
    """Looks for all of them now."""
    return RedirectResponse(f"/works/{api.checked(visit, bool(again)).id}", 303)


@router.post("/watches/{number}/remove")
def remove(visit: AsAnalyst, number: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> Response:
    """Stops watching."""
    api.removed(visit, number)
    return RedirectResponse("/watches", 303)
