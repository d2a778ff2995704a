"""Tables: what there is, and rows of one by filters over its columns."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.model.errors import UsageError
from noroshi.model.schema import Table
from noroshi.model.tables import TABLES
from noroshi.web import answers, filters, paging
from noroshi.web.errors import Forbidden, NotFound
from noroshi.web.viewer import AsViewer, Visit

if TYPE_CHECKING:
    import pyarrow as pa

router = APIRouter(tags=["tables"])
COLUMNS = ("name", "doc", "rows", "time")
SECRET = {("logins", "password"): "analyst"}
"""Columns that not every role sees: passwords tried at decoys may open what is none."""
_OURS = ("columns", "limit", "cursor", "format", "lang", "theme", "range", "from", "to")


class ColumnModel(BaseModel):
    """A column."""

    name: str
    type: str
    unit: str
    doc: str


class TableModel(BaseModel):
    """A table of the lake, with as many rows as this view has."""

    name: str
    doc: str
    rows: int
    time: str | None = Field(description="The column that says when.")
    columns: list[ColumnModel]


class TableList(BaseModel):
    """All tables."""

    items: list[TableModel]


class RowPage(BaseModel):
    """Rows, newest first where the table has a time."""

    items: list[dict[str, Any]]
    next: str


@router.get("/tables", response_model=TableList, responses=answers.CSV_TOO, name="list_tables")
def list_tables(visit: AsViewer, format: str = answers.Format) -> Response:
    """Every table, its columns, and the rows this view has of it."""

    def make() -> answers.Answer:
        rows = [_shown(t, visit.view.shot.count(t.name)) for t in TABLES.values()]
        return answers.table(visit, rows, COLUMNS, "tables", lambda r: {"items": rows})

    return answers.kept(visit, make)


def _shown(table: Table, rows: int) -> dict[str, Any]:
    columns = [{"name": c.name, "type": c.type, "unit": c.unit, "doc": c.doc} for c in table.columns]
    return {"name": table.name, "doc": table.doc, "rows": rows, "time": table.time, "columns": columns}


@router.get("/tables/{table}/rows", response_model=RowPage, responses=answers.CSV_TOO, name="list_rows")
def list_rows(
    visit: AsViewer, table: str,
    columns: str = Query("", max_length=2000, description="Names, with commas; all when empty."),
    limit: int = paging.Limit, cursor: str = paging.CursorParam, format: str = answers.Format,
) -> Response:  # fmt: skip
    """Rows in the time range (all when none is given), newest first.

    Filters are parameters of their own: `COLUMN=value`, `COLUMN.in=a,b`, `.ne`, `.gt`, `.gte`, `.lt`, `.lte`,
    `.contains`, `.prefix`, `.null`; an address column takes a network.
    """
    if table not in TABLES:
        raise NotFound("there is no such table", where=table[:64], todo="/api/v1/tables lists them.")

    def make() -> answers.Answer:
        return _rows(
            visit, TABLES[table], _seen(visit, table, _chosen(TABLES[table], columns)), limit, cursor
        )

    return answers.kept(visit, make)


def _chosen(table: Table, columns: str) -> list[str]:
    known = [c.name for c in table.columns]
    names = list(dict.fromkeys(c for c in columns.split(",") if c)) or known
    if unknown := [c for c in names if c not in known]:
        raise UsageError(f"{table.name} has no column {unknown[0][:64]!r}", where="columns",
                         todo=f"Columns: {', '.join(known)}.")  # fmt: skip
    return names


def _seen(visit: Visit, table: str, names: list[str]) -> list[str]:
    """Without columns their role does not see; a filter by such a column is refused, since it would tell."""
    hidden = {c for (t, c), role in SECRET.items() if t == table and not visit.viewer.may(role)}
    words = {w.partition(".")[0] for w in visit.request.query_params} | (
        {*visit.request.query_params.get("columns", "").split(",")}
    )
    if refused := sorted(hidden & words):
        raise Forbidden(f"{table}.{refused[0]} needs the role {SECRET[table, refused[0]]}", where=refused[0],
                        todo="Ask an administrator.")  # fmt: skip
    return [n for n in names if n not in hidden]


def _rows(visit: Visit, table: Table, names: list[str], limit: int, cursor: str) -> answers.Answer:
    from noroshi.lake.render import to_text

    found = filters.where(
        table, [(k, v) for k, v in visit.request.query_params.multi_items() if k not in _OURS]
    )
    if found.parts and not visit.view.plain:
        # A filter would tell which of the shown pseudonyms a value has.
        raise Forbidden(
            "an anonymised view is not filtered by value", todo="Use the time range, or ask for findings."
        )
    if table.time and any(visit.request.query_params.get(k) for k in ("range", "from", "to")):
        found.add(f'"{table.time}" >= {{}} AND "{table.time}" < {{}}', visit.span.start, visit.span.end)
    place = _place(table) if visit.view.plain else []
    if place and (after := paging.read(visit, cursor)):
        at = datetime.fromisoformat(after[0])
        time = f'"{table.time}"'
        found.add(
            f'{time} < {{}} OR ({time} = {{}} AND (run_id, "offset") > ({{}}, {{}}))',
            at,
            at,
            after[1],
            after[2],
        )
    order = f'"{table.time}" DESC' if table.time else ""
    asked = list(dict.fromkeys([*names, *place]))
    got = visit.view.rows(table.name, asked, found.sql, found.params, order=order, limit=limit + 1)
    page = got.slice(0, limit)
    after_this = _next(visit, page, place) if place and got.num_rows > limit else ""
    rows = to_text(page.select(names))
    head = [("x-next-cursor", after_this)] if after_this else []
    return answers.table(visit, rows, names, table.name, lambda r: {"items": rows, "next": after_this}, head)


def _place(table: Table) -> list[str]:
    """The columns that say where a row stands in the list; none where pages cannot be told apart."""
    names = {c.name for c in table.columns}
    return [table.time, "run_id", "offset"] if table.time and {"run_id", "offset"} <= names else []


def _next(visit: Visit, page: pa.Table, place: list[str]) -> str:
    last = page.slice(page.num_rows - 1).select(place).to_pylist()[0]
    return paging.make(visit, [last[place[0]].isoformat(), last["run_id"], last["offset"]])
