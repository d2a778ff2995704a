"""SQL: one SELECT over all tables, for administrators."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.web import answers
from noroshi.web.viewer import AsAdmin

router = APIRouter(tags=["sql"])
MOST = 10_000
"""Rows of an answer; more are for `noroshi sql`."""


class SqlQuestion(BaseModel):
    """One SELECT in DuckDB's dialect."""

    query: str = Field(min_length=1, max_length=100_000)
    seconds: float = Field(30.0, gt=0, le=300, description="The longest it may take.")
    limit: int = Field(1000, ge=1, le=MOST)


class SqlAnswer(BaseModel):
    """Its rows."""

    columns: list[str]
    rows: list[dict[str, Any]]
    cut: bool = Field(description="True when there were more than `limit`.")


@router.post("/sql", response_model=SqlAnswer, responses=answers.CSV_TOO, name="ask_sql")
def ask_sql(visit: AsAdmin, question: SqlQuestion, format: str = answers.Format) -> Response:
    """The answer to one SELECT; reads only, and what this administrator's view holds."""
    from noroshi.work.sql import rows

    visit.tell("sql", query=question.query[:2000])
    found = visit.shot.sql(question.query, seconds=question.seconds, fresh=True)
    told = rows(found.slice(0, question.limit))
    columns = list(told[0]) if told else list(found.column_names)
    whole = {"columns": columns, "rows": told, "cut": found.num_rows > question.limit}
    made = answers.table(visit, told, columns, "sql", lambda r: whole)
    return Response(made.body, headers=dict(made.headers), media_type=made.type)
