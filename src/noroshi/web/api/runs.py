"""Runs: what was read, when, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.model.finding import iso
from noroshi.web import answers, paging
from noroshi.web.errors import NotFound
from noroshi.web.viewer import AsViewer, Visit

if TYPE_CHECKING:
    from noroshi.lake.runs import RunInfo

router = APIRouter(tags=["runs"])
COLUMNS = ("run_id", "at", "source", "format", "parser_version", "tlp", "first_seen", "last_seen", "rows", "rejects",
           "size", "seconds", "problem")  # fmt: skip


class RunModel(BaseModel):
    """One reading of one source, as far as this view may know it."""

    run_id: str
    at: datetime = Field(description="When it was closed.")
    source: str
    path: str
    format: str
    parser_version: int
    tlp: str
    first_seen: datetime | None
    last_seen: datetime | None
    tables: dict[str, int] = Field(description="Rows by table.")
    rows: int
    rejects: int
    size: int | None = Field(description="Bytes of the source.")
    seconds: float | None
    problem: str | None


class RunPage(BaseModel):
    """Runs, newest first."""

    total: int
    items: list[RunModel]
    next: str


@router.get("/runs", response_model=RunPage, responses=answers.CSV_TOO, name="list_runs")
def list_runs(
    visit: AsViewer, source: str = "", as_: str = "", limit: int = paging.Limit, cursor: str = paging.CursorParam,
    format: str = answers.Format,
) -> Response:  # fmt: skip
    """Runs, newest first; of a source, or a format (`as_`)."""

    def make() -> answers.Answer:
        found = chosen(visit, source=source, format=as_)
        page, after = paging.cut(visit, found, _place, cursor, limit)
        rows = [shown(r) for r in page]
        head = [("x-next-cursor", after)] if after else []
        return answers.table(
            visit, rows, COLUMNS, "runs", lambda r: {"total": len(found), "items": rows, "next": after}, head
        )

    return answers.kept(visit, make)


@router.get("/runs/{run_id}", response_model=RunModel, name="get_run")
def get_run(visit: AsViewer, run_id: str) -> Response:
    """One run, by its id or the beginning of it (6 digits at least)."""

    def make() -> answers.Answer:
        found = [r for r in visit.view.shot.runs() if r.run_id.startswith(run_id)] if len(run_id) >= 6 else []
        if len(found) != 1:
            raise NotFound("there is no such run", where=run_id[:40], todo="/api/v1/runs lists them.")
        return answers.document(shown(found[0]))

    return answers.kept(visit, make)


def chosen(visit: Visit, *, source: str = "", format: str = "") -> list[RunInfo]:
    """The runs asked for, newest first."""
    runs = visit.view.shot.runs()
    found = [r for r in runs if (not source or r.source == source) and (not format or r.format == format)]
    return sorted(found, key=_place)


def _place(r: RunInfo) -> tuple[float, str]:
    return -r.at.timestamp(), r.run_id


def shown(r: RunInfo) -> dict[str, Any]:
    """A run in JSON types."""
    tables = {
        t: n for t, n in sorted(r.counts.get("tables", {}).items()) if t not in ("links", "hourly", "daily")
    }
    return {
        "run_id": r.run_id, "at": iso(r.at), "source": r.source, "path": r.path, "format": r.format,
        "parser_version": r.parser_version, "tlp": r.tlp.value,
        "first_seen": iso(r.first_seen) if r.first_seen else None,
        "last_seen": iso(r.last_seen) if r.last_seen else None,
        "tables": tables, "rows": sum(n for t, n in tables.items() if t != "rejects"),
        "rejects": tables.get("rejects", 0), "size": r.size, "seconds": r.seconds, "problem": r.problem,
    }  # fmt: skip


def sources(runs: Sequence[RunInfo]) -> list[dict[str, Any]]:
    """Sources with their runs, rows and newest run; the newest first."""
    by: dict[str, dict[str, Any]] = {}
    for r in runs:
        one = by.setdefault(r.source, {"source": r.source, "runs": 0, "rows": 0, "rejects": 0, "newest": r.at,
                                       "formats": set(), "tlp": set(), "problems": 0})  # fmt: skip
        told = shown(r)
        one["runs"] += 1
        one["rows"] += told["rows"]
        one["rejects"] += told["rejects"]
        one["newest"] = max(one["newest"], r.at)
        one["formats"].add(r.format)
        one["tlp"].add(r.tlp.value)
        one["problems"] += bool(r.problem)
    return sorted(by.values(), key=lambda s: (-s["newest"].timestamp(), s["source"]))
