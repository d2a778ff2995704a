"""Cases: the list, and one with what it is about and what was said."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from noroshi.model.case import STATES
from noroshi.model.errors import NoroshiError
from noroshi.web import render
from noroshi.web.api import cases as api
from noroshi.web.api.findings import one
from noroshi.web.routes import Page
from noroshi.web.viewer import AsAnalyst, AsViewer, Visit

router = APIRouter()
PAGE = Page("cases", "/cases")
SHOWN = 50
Text = Annotated[str, Form(max_length=20_000)]


@router.get("/cases")
def show(visit: AsViewer, state: str = "active", assignee: str = "", cursor: str = "") -> Response:
    """The list."""
    stage = state if state in (*STATES, "active") else ""
    found, after = api.chosen(visit, stage, assignee, SHOWN, cursor)
    return render.page(
        visit, "pages/cases.html", here="cases", cases=found, next=after, state=stage, assignee=assignee,
        stages=STATES, command="noroshi case list",
    )  # fmt: skip


@router.post("/cases")
def open_case(visit: AsAnalyst, title: Text, values: Text = "") -> Response:
    """Opens a case about values, one a line or separated by blanks."""
    made = api.opened(visit, title, (), values.split()[:100])
    return RedirectResponse(f"/cases/{made.id}", 303)


@router.get("/cases/{case}")
def detail(visit: AsViewer, case: api.Number) -> Response:
    """One case."""
    found = api.visible(visit, case)
    kept = visit.tower.state.cases
    return render.page(
        visit, "pages/case.html", here="cases", case=found, items=_items(visit, found.id),
        comments=kept.comments(found.id), stages=STATES, command=f"noroshi case show {found.id}",
    )  # fmt: skip


@router.post("/cases/{case}/change")
def change(
    visit: AsAnalyst, case: api.Number, state: Text = "", assignee: Text = "", title: Text = ""
) -> Response:
    """Changes state, assignee and title to what the form says."""
    api.changed(visit, case, state or None, assignee, title or None)
    return RedirectResponse(f"/cases/{case}", 303)


@router.post("/cases/{case}/comment")
def comment(visit: AsAnalyst, case: api.Number, text: Text) -> Response:
    """Adds words."""
    api.commented(visit, case, text)
    return RedirectResponse(f"/cases/{case}#said", 303)


@router.post("/cases/{case}/add")
def add(visit: AsAnalyst, case: api.Number, values: Text) -> Response:
    """Puts values in."""
    api.filled(visit, case, (), values.split()[:100])
    return RedirectResponse(f"/cases/{case}", 303)


def _items(visit: Visit, case: int) -> list[dict[str, Any]]:
    """What it is about; a finding with its sentence, as far as this viewer may see it and it still holds."""
    out = []
    for item in visit.tower.state.cases.items(case):
        finding = None
        if item.kind == "finding":
            try:
                finding = one(visit, item.value)
            except NoroshiError:
                finding = None  # withdrawn, forgotten, or not for this viewer: its id alone says nothing
        out.append({"item": item, "finding": finding})
    return out
