"""The lake: sources, runs, rejects, sizes, jobs and health. The pattern of all pages (docs/extend-pages.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from noroshi.web import render
from noroshi.web.api.runs import chosen as runs_chosen
from noroshi.web.api.runs import sources as sources_of
from noroshi.web.routes import Page
from noroshi.web.viewer import AsViewer, Visit

router = APIRouter()
PAGE = Page("lake", "/lake", ranged=False)
SHOWN = 50


@router.get("/lake")
def show(visit: AsViewer, part: str = "") -> Response:
    """The page; part=runs gives the table of runs alone, for who scrolls or filters."""
    query, seen = visit.request.query_params, visit.seen
    runs = runs_chosen(visit, source=query.get("source", ""), format=query.get("as", ""))
    context: dict[str, Any] = {
        "runs": runs[:SHOWN],
        "n_runs": len(runs),
        "sources": seen.once("lake.sources", lambda: sources_of(runs_chosen(visit))),
    }
    if part == "runs":
        return render.part(visit, "parts/runs.html", **context)
    admin = visit.viewer.may("admin")
    tables = seen.once(f"lake.tables {admin}", lambda: _tables(visit))
    days = visit.seen.days()
    return render.page(
        visit, "pages/lake.html", here="lake", command="noroshi lake status", tables=tables, days=days,
        rows=sum(t["rows"] for t in tables if not t["derived"]), bytes=sum(t["bytes"] or 0 for t in tables),
        rejects=seen.once("lake.rejects", lambda: _rejects(visit)), newest=runs[0].at if runs else None,
        jobs=_jobs(visit), **context,
    )  # fmt: skip


@router.get("/")
def home(visit: AsViewer) -> Response:
    """The first page there is."""
    from noroshi.web.routes import pages

    first = next(p for p in pages() if p.nav and visit.viewer.may(p.role))
    return RedirectResponse(first.path, 303)


_DERIVED = ("links", "hourly", "daily", "runs", "rejects")


def _tables(visit: Visit) -> list[dict[str, Any]]:
    """What is stored, as far as this view tells: rows by table; sizes on disk only for administrators, because they
    speak of rows nobody else may see."""
    from noroshi.model.tables import TABLES

    sizes = {s.table: s for s in visit.tower.lake.status()} if visit.viewer.may("admin") else {}
    shot = visit.view.shot
    out = []
    for name, table in TABLES.items():
        rows = shot.count(name)
        if rows:
            size = sizes.get(name)
            out.append(
                {"name": name, "doc": table.doc, "rows": rows, "derived": name in _DERIVED,
                 "bytes": size.bytes if size else None, "files": size.files if size else None}
            )  # fmt: skip
    return sorted(out, key=lambda t: (t["derived"], -t["rows"]))


def _rejects(visit: Visit) -> list[dict[str, Any]]:
    """What could not be read, by source and reason."""
    rows = visit.view.shot.sql(
        "SELECT reason, r.source AS source, sum(x.count)::BIGINT AS n FROM rejects x JOIN runs r USING (run_id)"
        " GROUP BY ALL ORDER BY n DESC, source, reason LIMIT 50"
    )
    return [dict(r) for r in rows.to_pylist()]


def _jobs(visit: Visit) -> list[dict[str, Any]]:
    """The jobs of the configuration and how they last went; for analysts and up."""
    from noroshi.work.jobs import name

    if not visit.viewer.may("analyst"):
        return []
    known = visit.tower.state.jobs.all()
    out = []
    for entry in visit.tower.config.jobs:
        was = known.get(name(entry))
        started: datetime | None = was.started if was else None
        out.append(
            {"name": name(entry), "do": entry.do, "when": entry.every or entry.at, "every": bool(entry.every),
             "started": started, "ended": was.ended if was else None, "problem": was.problem if was else "",
             "summary": was.summary if was else ""}
        )  # fmt: skip
    return out
