"""Reports: the report of a period in one language or both, made and opened."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from noroshi.web import render
from noroshi.web.api import reports, works
from noroshi.web.api.reports import Lang
from noroshi.web.pages.sharing import Text
from noroshi.web.routes import Page
from noroshi.web.viewer import AsViewer
from noroshi.work import gate

router = APIRouter()
PAGE = Page("reports", "/reports", nav=False)
Langs = Annotated[list[Lang] | None, Form(max_length=2)]
PERIODS = ("day", "week", "month", "year", "last-day", "last-week", "last-month", "last-year")


@router.get("/reports")
def show(visit: AsViewer) -> Response:
    """The form, and what was made within the last hour."""
    may = visit.viewer.may("sharer") and visit.view.plain and not visit.view.outside
    return render.page(
        visit, "pages/reports.html", here="sharing" if visit.viewer.may("sharer") else "", periods=PERIODS,
        recipients=[r.name for r in gate.everybody(visit.tower.state)] if may else [],
        works=[(w, works.told(w)) for w in visit.tower.longwork.all(visit.viewer) if w.kind == "report"],
        command=f"noroshi report --period month --lang {visit.lang}",
    )  # fmt: skip


@router.post("/reports")
def make(
    visit: AsViewer, period: Text, other: Text = "", langs: Langs = None,
    recipient: Text = "",
) -> Response:  # fmt: skip
    """Begins a report."""
    work = reports.begun(
        visit, other[:40] or period[:40], [str(lang) for lang in langs or ()] or [visit.lang], recipient
    )
    return RedirectResponse(f"/works/{work.id}", 303)


@router.get("/reports/{work}/{lang}")
def open_(visit: AsViewer, work: str, lang: Lang) -> Response:
    """The report itself, under a policy of its own."""
    return reports.shown(visit, work, lang)
