"""Operators: who answers for which network; added, changed and taken away; and who asked not to be written to."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query
from starlette.responses import RedirectResponse, Response

from noroshi.web import render
from noroshi.web.api import notices
from noroshi.web.api import operators as api
from noroshi.web.pages.sharing import Text
from noroshi.web.routes import Page
from noroshi.web.viewer import AsSharer, Visit
from noroshi.work import gate

router = APIRouter()
PAGE = Page("operators", "/operators", role="sharer", nav=False)
SHOWN = 100
Mails = Annotated[str, Form(max_length=4000)]


@router.get("/operators")
def show(visit: AsSharer, q: Annotated[str, Query(max_length=200)] = "", cursor: str = "") -> Response:
    """The table, page by page, and the opt-outs."""
    total, found, after = api.searched(visit, q, SHOWN, cursor)
    return render.page(
        visit, "pages/operators.html", here="sharing", rows=[(o, api.told(o)["id"]) for o in found], total=total,
        next=after, q=q, held=len(api.operators(visit)), optouts=notices.optouts(visit), row=None, id="",
        names=_names(visit), command="noroshi notify operators list",
    )  # fmt: skip


@router.post("/operators")
def add(
    visit: AsSharer, network: Text, name: Text, mails: Mails = "", lang: Text = "en", format: Text = "csv",
    recipient: Text = "", since: Text = "", until: Text = "",
) -> Response:  # fmt: skip
    """Adds a row."""
    api.added(visit, _given(network, name, mails, lang, format, recipient, since, until))
    return RedirectResponse("/operators", 303)


@router.get("/operators/{row}")
def one(visit: AsSharer, row: api.Id) -> Response:
    """A row, to be changed."""
    found = api.there(visit, row)
    return render.page(
        visit, "pages/operator.html", here="sharing", row=found, id=row, names=_names(visit),
        command="noroshi notify operators list",
    )  # fmt: skip


@router.post("/operators/{row}/change")
def change(
    visit: AsSharer, row: api.Id, network: Text, name: Text, mails: Mails = "", lang: Text = "en",
    format: Text = "csv", recipient: Text = "", since: Text = "", until: Text = "",
) -> Response:  # fmt: skip
    """Changes a row to what the form says."""
    api.changed(visit, row, _given(network, name, mails, lang, format, recipient, since, until))
    return RedirectResponse("/operators", 303)


@router.post("/operators/{row}/remove")
def remove(visit: AsSharer, row: api.Id) -> Response:
    """Takes a row away."""
    api.removed(visit, row)
    return RedirectResponse("/operators", 303)


def _given(
    network: str, name: str, mails: str, lang: str, format: str, recipient: str, since: str, until: str
) -> dict[str, Any]:
    return {"network": network, "name": name, "mails": [m for m in re.split(r"[;,\s]+", mails) if m], "lang": lang,
            "format": format, "recipient": recipient, "since": since or None, "until": until or None}  # fmt: skip


def _names(visit: Visit) -> list[str]:
    return [r.name for r in gate.everybody(visit.tower.state)]
