"""Rejects: what could not be read, and why."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from noroshi.web import answers, paging
from noroshi.web.viewer import AsViewer

router = APIRouter(tags=["rejects"])
COLUMNS = ("run_id", "path", "position", "reason", "detail", "sample", "count")


class RejectModel(BaseModel):
    """A piece that could not be read, or several of one reason."""

    run_id: str
    path: str
    position: int
    reason: str
    detail: str
    sample: str
    count: int


class RejectPage(BaseModel):
    """Rejects, by run and position."""

    items: list[RejectModel]
    next: str


@router.get("/rejects", response_model=RejectPage, responses=answers.CSV_TOO, name="list_rejects")
def list_rejects(
    visit: AsViewer, run_id: str = Query("", max_length=64), reason: str = Query("", max_length=100),
    limit: int = paging.Limit, cursor: str = paging.CursorParam, format: str = answers.Format,
) -> Response:  # fmt: skip
    """What could not be read; of a run, or for a reason."""

    def make() -> answers.Answer:
        text = "($run = '' OR run_id = $run) AND ($reason = '' OR reason = $reason)"
        params: dict[str, Any] = {"run": run_id, "reason": reason}
        if after := paging.read(visit, cursor):
            text += " AND (run_id, position, reason, detail) > ($r, $p, $w, $d)"
            params |= dict(zip("rpwd", after, strict=True))
        order = "run_id, position, reason, detail"
        found = visit.view.rows("rejects", COLUMNS, text, params, order=order, limit=limit + 1).to_pylist()
        page = found[:limit]
        more = len(found) > limit and visit.view.plain
        last = [page[-1][c] for c in ("run_id", "position", "reason", "detail")] if more else []
        after_this = paging.make(visit, last) if more else ""
        head = [("x-next-cursor", after_this)] if after_this else []
        return answers.table(
            visit, page, COLUMNS, "rejects", lambda r: {"items": page, "next": after_this}, head
        )

    return answers.kept(visit, make)
