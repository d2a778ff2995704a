"""Pivot: everything about a value."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from noroshi.model.observable import CANONICAL
from noroshi.web import answers
from noroshi.web.timerange import moment
from noroshi.web.viewer import AsViewer

router = APIRouter(tags=["pivot"])
COLUMNS = ("table", "role", "count", "days", "first_seen", "last_seen", "n_sources")
RELATED = ("kind", "value", "weight", "count", "sources", "where", "tables")
HISTOGRAM = ("day", "count")
_KINDS = f"^({'|'.join(CANONICAL)})?$"


class PivotModel(BaseModel):
    """Everything about a value; count 0 when nothing is stored about it."""

    kind: str
    value: str
    first_seen: datetime | None
    last_seen: datetime | None
    count: int
    tables: list[dict[str, Any]]
    histogram: list[dict[str, Any]]
    related: list[dict[str, Any]]
    related_total: int
    context: dict[str, Any]
    links: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    also: list[dict[str, Any]]
    notes: list[str]
    addresses: dict[str, Any] | None = None


@router.get(
    "/pivot",
    response_model=PivotModel,
    response_model_exclude_none=True,
    responses=answers.CSV_TOO,
    name="pivot",
)
def pivot(
    visit: AsViewer,
    value: str = Query(min_length=1, max_length=2000, description="The value, defanged or not."),
    kind: str = Query("", pattern=_KINDS, description="What it is, when that cannot be guessed."),
    since: str = Query("", max_length=40, description="Whole UTC days from then on."),
    rows: int = Query(50, ge=1, le=1000, description="Newest rows, about so many."),
    list: str = Query("tables", pattern="^(tables|related|histogram)$", description="With CSV, which list."),
    format: str = answers.Format,
) -> Response:  # fmt: skip
    """First and last seen, counts by table, role, source and day, newest rows, values beside it, context, findings."""

    def make() -> answers.Answer:
        told = (
            visit.pivots()
            .ask(value, kind or None, since=moment(since) if since else None, rows=rows)
            .to_json()
        )
        columns = {"tables": COLUMNS, "related": RELATED, "histogram": HISTOGRAM}[list]
        return answers.table(visit, told[list], columns, "pivot", lambda r: told)

    return answers.kept(visit, make)
