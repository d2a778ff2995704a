"""Reports: the report of a period, made for oneself or for a recipient, and shown as it is."""

from __future__ import annotations

from pathlib import Path as File
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.web.api.recipients import named
from noroshi.web.api.works import Id, WorkModel, accepted
from noroshi.web.errors import Forbidden, NotFound
from noroshi.web.longwork import Work
from noroshi.web.viewer import AsViewer, Visit

router = APIRouter(tags=["reports"], prefix="/reports")
Lang = Literal["en", "ja"]
CSP = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Of a report alone: its styles stand in it. It runs no script and is of no origin, so that it is none of our pages."""
HTML: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/html": {"schema": {"type": "string"}}},
        "description": "The report, self-contained.",
    },
}


class NewReport(BaseModel):
    """Which report."""

    period: Annotated[str, Field(max_length=40)] = Field(
        "month",
        description="day, week, month, year, last-month, ..., 2026, 2026-10, 2026-W41, 2026-10-05, or A..B.",
    )
    langs: Annotated[list[Lang], Field(min_length=1, max_length=2)] = ["en"]
    recipient: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="Only from what they may see (sharers); else from what you may see."
    )


@router.post("", response_model=WorkModel, status_code=202, name="make_report")
def make_report(visit: AsViewer, new: NewReport) -> Response:
    """Makes the report of a period: HTML and Markdown in each language, and JSON. It is told to the audit log."""
    return accepted(begun(visit, new.period, list(new.langs), new.recipient or ""))


@router.get("/{work}/{lang}", response_class=Response, responses=HTML, name="get_report")
def get_report(visit: AsViewer, work: Id, lang: Annotated[Lang, Path()]) -> Response:
    """The report itself, to be looked at and printed."""
    return shown(visit, work, lang)


def begun(visit: Visit, period: str, langs: list[str], recipient: str = "") -> Work:
    """A report begun by this viewer. Raises Forbidden for another's report, UsageError, TooMany."""
    from noroshi.work.report import report

    to = visit.viewer.recipient.name
    if recipient and recipient != to:
        if not visit.viewer.may("sharer"):
            raise Forbidden("reports for others are made by sharers", todo="Leave out the recipient.")
        to = named(visit, recipient).name
    sharer = visit.viewer.may("sharer")  # as those who may see the notices themselves
    tower, who, now = visit.tower, visit.viewer.actor, visit.now

    def do(work: Work, folder: File) -> None:
        files = report(
            tower.lake, config=tower.config, period=period.strip() or "month", langs=langs, folder=folder,
            recipient=to, now=now, state=tower.state, who=who, notices=sharer,
        )  # fmt: skip
        work.files, work.count = tuple(files), len(files)
        work.result = {
            "langs": [lang for lang in ("en", "ja") if any(f.name.endswith(f".{lang}.html") for f in files)]
        }

    return tower.longwork.begin(
        visit.viewer, "report", do, own=True, recipient=to, period=period, langs=langs
    )


def shown(visit: Visit, number: str, lang: str) -> Response:
    """A report in a language, under a policy of its own. Raises NotFound."""
    work = visit.tower.longwork.get(visit.viewer, number)
    path = next((f for f in work.files if work.kind == "report" and f.name.endswith(f".{lang}.html")), None)
    if path is None or not path.is_file():
        raise NotFound(
            "there is no such report", where=number[:40], todo="Reports are kept for an hour: make it again."
        )
    headers = {
        "content-security-policy": CSP,
        "cache-control": "no-store",
        "cross-origin-opener-policy": "same-origin",
    }
    return Response(path.read_bytes(), 200, headers, "text/html; charset=utf-8")
