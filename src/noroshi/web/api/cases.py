"""Cases: opened, filled, commented, assigned and closed by analysts; told to whoever may see what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.lake.state.cases import TEXT, TITLE, Case
from noroshi.model.case import STATES
from noroshi.model.errors import UsageError
from noroshi.model.finding import iso
from noroshi.model.tlp import parse
from noroshi.web import answers, paging
from noroshi.web.api.findings import one
from noroshi.web.errors import NotFound
from noroshi.web.viewer import AsAnalyst, AsViewer, Visit
from noroshi.work import cases

router = APIRouter(tags=["cases"], prefix="/cases")
Number = Annotated[int, Path(ge=1, le=2**53, description="Number of the case.")]
Stage = Literal["open", "working", "waiting", "closed"]
Words = Annotated[str, Field(min_length=1, max_length=400)]


class ItemModel(BaseModel):
    """A finding or a value."""

    kind: str = Field(description="`finding`, or a kind of observable.")
    value: str
    added: datetime
    by: str


class CommentModel(BaseModel):
    """What somebody said, or what was changed."""

    at: datetime
    who: str
    text: str


class CaseModel(BaseModel):
    """A case."""

    id: int
    title: str
    state: str
    assignee: str
    tlp: str
    opened: datetime
    opened_by: str
    changed: datetime
    closed: datetime | None
    items: int


class WholeCase(CaseModel):
    """With what it is about and what was said."""

    about: list[ItemModel]
    comments: list[CommentModel]


class CasePage(BaseModel):
    """Cases, newest first."""

    items: list[CaseModel]
    next: str = Field(description="The cursor of the next page; empty on the last.")


class NewCase(BaseModel):
    """A case to be opened."""

    title: Annotated[str, Field(min_length=1, max_length=TITLE)]
    findings: Annotated[list[Words], Field(max_length=500)] = []
    values: Annotated[list[Words], Field(max_length=500)] = []


class Items(BaseModel):
    """What is put into a case."""

    findings: Annotated[list[Words], Field(max_length=500)] = []
    values: Annotated[list[Words], Field(max_length=500)] = []


class CaseChange(BaseModel):
    """What is changed; what is left out stays."""

    state: Stage | None = None
    assignee: Annotated[str, Field(max_length=64)] | None = None
    title: Annotated[str, Field(min_length=1, max_length=TITLE)] | None = None


class NewComment(BaseModel):
    """Words for a case."""

    text: Annotated[str, Field(min_length=1, max_length=TEXT)]


@router.get("", response_model=CasePage, responses=answers.CSV_TOO, name="list_cases")
def list_cases(
    visit: AsViewer, state: str = Query("", pattern=f"^(|active|{'|'.join(STATES)})$"), assignee: str = "",
    limit: int = paging.Limit, cursor: str = paging.CursorParam, format: str = answers.Format,
) -> Response:  # fmt: skip
    """Cases this viewer may know of, newest first."""
    page, after = chosen(visit, state, assignee, limit, cursor)
    rows = [told(c) for c in page]
    made = answers.table(
        visit, rows, list(CaseModel.model_fields), "cases", lambda r: {"items": list(r), "next": after}
    )
    return answers.respond(visit, made)


@router.post("", response_model=WholeCase, status_code=201, name="open_case")
def open_case(visit: AsAnalyst, new: NewCase) -> Response:
    """Opens a case about findings and values."""
    return answers.json(whole(visit, opened(visit, new.title, new.findings, new.values)), status=201)


@router.get("/{case}", response_model=WholeCase, name="get_case")
def get_case(visit: AsViewer, case: Number) -> Response:
    """A case with what it is about and what was said."""
    return answers.respond(visit, answers.document(whole(visit, visible(visit, case))))


@router.patch("/{case}", response_model=WholeCase, name="change_case")
def change_case(visit: AsAnalyst, case: Number, change: CaseChange) -> Response:
    """Changes state, assignee or title."""
    changed(visit, case, change.state, change.assignee, change.title)
    return answers.json(whole(visit, visible(visit, case)))


@router.post("/{case}/items", response_model=WholeCase, name="fill_case")
def fill_case(visit: AsAnalyst, case: Number, items: Items) -> Response:
    """Puts findings and values in."""
    filled(visit, case, items.findings, items.values)
    return answers.json(whole(visit, visible(visit, case)))


@router.post("/{case}/comments", response_model=WholeCase, status_code=201, name="comment_case")
def comment_case(visit: AsAnalyst, case: Number, said: NewComment) -> Response:
    """Adds words."""
    commented(visit, case, said.text)
    return answers.json(whole(visit, visible(visit, case)), status=201)


def visible(visit: Visit, number: int) -> Case:
    """The case of that number. Raises NotFound when there is none this viewer may know of."""
    try:
        case = visit.tower.state.cases.get(number)
    except UsageError:
        case = None
    if case is None or not cases.may_see(case, visit.viewer.recipient.ceiling):
        raise NotFound("there is no such case", where=str(number), todo="`noroshi case list` shows them.")
    return case


def chosen(
    visit: Visit, state: str, assignee: str, limit: int, cursor: str = ""
) -> tuple[Sequence[Case], str]:
    """(cases this viewer may know of, newest first; the cursor of the next page)."""
    after = paging.read(visit, cursor)
    before: int | None = int(after[0]) if after else None
    out: list[Case] = []
    while True:
        page = visit.tower.state.cases.all(state=state, assignee=assignee[:64], before=before, limit=200)
        out += [c for c in page if cases.may_see(c, visit.viewer.recipient.ceiling)]
        if len(out) > limit or len(page) < 200:
            break
        before = page[-1].id
    shown = out[:limit]
    return shown, paging.make(visit, (shown[-1].id,)) if len(out) > limit else ""


def opened(visit: Visit, title: str, findings: Sequence[str], values: Sequence[str]) -> Case:
    """Opens one, as this viewer."""
    found = [one(visit, i) for i in findings]
    visit.tell("case opened", count=len(found) + len(values), title=title[:100])
    return cases.open_case(visit.tower.state, title, found, values, who=visit.viewer.actor)


def filled(visit: Visit, number: int, findings: Sequence[str], values: Sequence[str]) -> None:
    """Puts things in, as this viewer."""
    visible(visit, number)
    found = [one(visit, i) for i in findings]
    visit.tell("case filled", count=len(found) + len(values), case=number)
    cases.fill(visit.tower.state, number, found, values, who=visit.viewer.actor)


def changed(visit: Visit, number: int, state: str | None, assignee: str | None, title: str | None) -> None:
    """Changes one, as this viewer."""
    visible(visit, number)
    visit.tell("case changed", case=number, state=state, assignee=assignee)
    visit.tower.state.cases.change(number, visit.viewer.actor, state=state, assignee=assignee, title=title)


def commented(visit: Visit, number: int, text: str) -> None:
    """Says something, as this viewer."""
    visible(visit, number)
    visit.tell("case commented", case=number)
    visit.tower.state.cases.comment(number, visit.viewer.actor, text)


def told(case: Case) -> dict[str, Any]:
    """A case as JSON."""
    return {
        "id": case.id, "title": case.title, "state": case.state, "assignee": case.assignee,
        "tlp": parse(case.tlp).value,
        "opened": iso(case.opened), "opened_by": case.opened_by, "changed": iso(case.changed),
        "closed": iso(case.closed) if case.closed else None, "items": case.items,
    }  # fmt: skip


def whole(visit: Visit, case: Case) -> dict[str, Any]:
    """A case with everything in it."""
    kept = visit.tower.state.cases
    return told(case) | {
        "about": [
            {"kind": i.kind, "value": i.value, "added": iso(i.added), "by": i.added_by}
            for i in kept.items(case.id)
        ],
        "comments": [{"at": iso(c.at), "who": c.who, "text": c.text} for c in kept.comments(case.id)],
    }  # fmt: skip
