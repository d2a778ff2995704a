"""Search: one box for any value, id or word; one meaning opens its page, several are listed with their counts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from noroshi.model.errors import UsageError
from noroshi.web import render, urls
from noroshi.web.api import search as api
from noroshi.web.api.findings import chosen
from noroshi.web.routes import Page
from noroshi.web.viewer import AsViewer, Visit

router = APIRouter()
PAGE = Page("search", "/search", nav=False)
SHOWN = 20
"""Findings listed; the list of findings has the rest."""
Text = Annotated[str, Form(max_length=api.LONGEST)]


@router.get("/search")
def show(visit: AsViewer, q: str = "") -> Response:
    """What a text can mean; the box alone without one."""
    return answered(visit, q)


@router.post("/search")
def typed(visit: AsViewer, q: Text = "") -> Response:
    """The same for what was typed: what may be a password is answered at once, and stands in no address."""
    return answered(visit, q, typed=True)


@router.post("/search/words")
def words(visit: AsViewer, q: Text = "") -> Response:
    """Rows whose texts hold a word, for htmx: looking through them takes a while."""
    found, complete = api.standing_in(visit, q)
    return render.part(visit, "parts/search-words.html", words=found, complete=complete, seconds=api.SECONDS)


def answered(visit: Visit, text: str, *, typed: bool = False) -> Response:
    """The page of the one meaning, or the list of what a text can mean."""
    text = text.strip()
    if len(text) > api.LONGEST:
        raise UsageError(
            "this is too long to be a value", where="q", todo=f"At most {api.LONGEST:,} characters."
        )
    found = api.meanings(visit, text) if text else []
    secret = api.is_secret(text, found)
    if len(found) == 1:
        return RedirectResponse(found[0].path, 303)
    if typed and text and not secret:
        return RedirectResponse(urls.with_query("/search", {"q": text}), 303)
    findings = chosen(visit, text=text) if text and not found and not secret else []
    pair = visit.tower.lake.credential(*text.split(":", 1)) if secret and visit.view.plain else ""
    return render.page(
        visit, "pages/search.html", here="search", q=text, meanings=found, findings=findings[:SHOWN],
        n_findings=len(findings), secret=secret, pair=pair,
        wordy=api.LEAST_WORD <= len(text) <= api.LONGEST_WORD and visit.view.plain and not visit.view.outside,
        headers={"cache-control": "no-store"} if secret else {},
    )  # fmt: skip
