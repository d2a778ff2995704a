"""Operators: who answers for which network, and so is told of its hosts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.lake.state.operators import OperatorRow
from noroshi.model.errors import SourceError, UsageError
from noroshi.share.notify import operators as reading
from noroshi.web import answers, paging
from noroshi.web.api.recipients import operator
from noroshi.web.errors import NotFound
from noroshi.web.viewer import AsSharer, Visit
from noroshi.work import notify_operators as work

router = APIRouter(tags=["operators"], prefix="/operators")
Id = Annotated[str, Path(min_length=16, max_length=16, pattern="^[0-9a-f]+$", description="Id of the row.")]
Mail = Annotated[str, Field(max_length=320)]
Mails = Annotated[list[Mail], Field(max_length=reading.MAX_MAILS)]


class OperatorModel(BaseModel):
    """One network and who answers for it."""

    id: str = Field(
        description="The same as long as its network, first day and where it comes from are the same."
    )
    network: str
    name: str
    mails: list[str]
    lang: str
    format: str
    origin: str = Field(description="table: a person wrote it; rdap: a registry says so.")
    source: str = Field(description="The file, the server, or `web` for what was written one by one.")
    recipient: str
    since: date | None
    until: date | None


class OperatorPage(BaseModel):
    """Rows, by name and network."""

    total: int
    items: list[OperatorModel]
    next: str = Field(description="The cursor of the next page; empty on the last.")


class NewOperator(BaseModel):
    """A network and who answers for it. Rows of one name are told alike: the others of the same source follow."""

    network: Annotated[str, Field(min_length=1, max_length=64, description="A prefix, or AS64500.")]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    mails: Mails = []
    lang: Literal["en", "ja"] = "en"
    format: Literal["csv", "xarf"] = "csv"
    recipient: Annotated[str, Field(max_length=64)] = ""
    since: date | None = None
    until: date | None = None


class OperatorChange(BaseModel):
    """What is changed; what is left out stays."""

    network: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    mails: Mails | None = None
    lang: Literal["en", "ja"] | None = None
    format: Literal["csv", "xarf"] | None = None
    recipient: Annotated[str, Field(max_length=64)] | None = None
    since: date | None = None
    until: date | None = None


@router.get("", response_model=list[OperatorModel], responses=answers.CSV_TOO, name="list_operators")
def list_operators(visit: AsSharer, format: str = answers.Format) -> Response:
    """Who answers for which network, by name."""
    rows = [told(o) for o in operators(visit)]
    return answers.respond(visit, answers.table(visit, rows, list(OperatorModel.model_fields), "operators"))


@router.get("/search", response_model=OperatorPage, name="search_operators")
def search_operators(
    visit: AsSharer, q: str = Query("", max_length=200, description="Part of a name, network or address."),
    limit: int = paging.Limit, cursor: str = paging.CursorParam,
) -> Response:  # fmt: skip
    """Those whose name, network or mail address holds a text, page by page."""
    total, page, after = searched(visit, q, limit, cursor)
    return answers.json({"total": total, "items": [told(o) for o in page], "next": after})


@router.post("", response_model=OperatorModel, status_code=201, name="add_operator")
def add_operator(visit: AsSharer, new: NewOperator) -> Response:
    """Adds a network and who answers for it."""
    return answers.json(told(added(visit, new.model_dump())), status=201)


@router.patch("/{row}", response_model=OperatorModel, name="change_operator")
def change_operator(visit: AsSharer, row: Id, change: OperatorChange) -> Response:
    """Changes a row a person wrote; one of a file is as the file says when that is loaded again."""
    return answers.json(told(changed(visit, row, change.model_dump(exclude_unset=True))))


@router.delete("/{row}", response_model=OperatorModel, name="remove_operator")
def remove_operator(visit: AsSharer, row: Id) -> Response:
    """Takes a row away."""
    return answers.json(told(removed(visit, row)))


def operators(visit: Visit) -> list[OperatorRow]:
    """Who answers for which network, by name."""
    operator(visit)
    return visit.tower.state.operators.all()


def searched(visit: Visit, q: str, limit: int, cursor: str = "") -> tuple[int, list[OperatorRow], str]:
    """(how many fit, a page of them, the cursor of the next)."""
    text = q.strip().casefold()
    found = [o for o in operators(visit) if text in f"{o.name}\n{o.network}\n{' '.join(o.mails)}".casefold()]
    page, after = paging.cut(visit, found, lambda o: (o.name, o.network, work.key(o)), cursor, limit)
    return len(found), list(page), after


def there(visit: Visit, row: str) -> OperatorRow:
    """The row of that id. Raises NotFound."""
    found = next((o for o in operators(visit) if work.key(o) == row), None)
    if found is None:
        raise NotFound("there is no such row", where=row[:16], todo="/api/v1/operators lists them.")
    return found


def added(visit: Visit, given: dict[str, Any]) -> OperatorRow:
    """A new row, as this viewer. Raises UsageError."""
    operator(visit)
    made = _made(given)
    if work.key(replace(made, source=work.BY_HAND)) in {work.key(o) for o in operators(visit)}:
        raise UsageError(f"{made.network} stands here already", where="network", todo="Change that row.")
    return work.put(visit.tower.state, visit.viewer.actor, made)


def changed(visit: Visit, row: str, given: dict[str, Any]) -> OperatorRow:
    """A row with what is given changed, as this viewer. Raises NotFound, UsageError."""
    before = there(visit, row)
    held = {k: v for k, v in told(before).items() if k in NewOperator.model_fields}
    # Days may be taken away; of all else an explicit null changes nothing.
    new = {k: v for k, v in given.items() if v is not None or k in ("since", "until")}
    return work.put(visit.tower.state, visit.viewer.actor, _made(held | new), before)


def removed(visit: Visit, row: str) -> OperatorRow:
    """A row that is no more, as this viewer. Raises NotFound."""
    found = there(visit, row)
    work.take(visit.tower.state, visit.viewer.actor, found)
    return found


def told(o: OperatorRow) -> dict[str, Any]:
    """An operator in JSON types."""
    return {
        "id": work.key(o), "network": o.network, "name": o.name, "mails": list(o.mails), "lang": o.lang,
        "format": o.format, "origin": o.origin, "source": o.source, "recipient": o.recipient,
        "since": o.since.isoformat() if o.since else None, "until": o.until.isoformat() if o.until else None,
    }  # fmt: skip


def _made(given: dict[str, Any]) -> OperatorRow:
    try:
        return reading.made(
            given["network"], given["name"].strip(), [m.strip() for m in given.get("mails", ())], "", given
        )
    except SourceError as e:
        raise UsageError(e.what, todo=e.todo) from e
