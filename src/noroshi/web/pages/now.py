"""Now: what arrives, as a picture that moves; counters, ports that changed, the newest findings."""

from __future__ import annotations

import bisect
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.responses import Response

from noroshi.ask import traffic
from noroshi.web import render
from noroshi.web.api.traffic import LIVE, changed, newest_hour
from noroshi.web.routes import Page
from noroshi.web.viewer import AsViewer, Visit

if TYPE_CHECKING:
    pass

router = APIRouter()
PAGE = Page("now", "/now")
PORTS, FINDINGS = 8, 12
DAY = timedelta(days=1)


@router.get("/now")
def show(visit: AsViewer, part: str = "") -> Response:
    """The page; part=figures and part=findings give what follows new data."""
    held = visit.seen.once("now.extent", lambda: traffic.extent(visit.shot))
    known: dict[str, Any] = {"held": held, "live": bool(held and visit.now - held[1] < LIVE)}
    if part == "findings":
        return render.part(visit, "parts/now-findings.html", **known, **_findings(visit))
    if part == "figures":
        return render.part(visit, "parts/now-figures.html", **known, **_figures(visit, held))
    start, end = visit.seen.once("now.hour", lambda: newest_hour(visit))
    return render.page(
        visit, "pages/now.html", here="now", command="noroshi findings --since 1d", **known, **_findings(visit),
        **_figures(visit, held), replay_start=start, replay_end=end, runs=len(visit.view.shot.runs()),
    )  # fmt: skip


def _findings(visit: Visit) -> dict[str, Any]:
    """The newest findings by when they were stored, and how many of the last day."""
    found = visit.seen.known.stored
    fresh = bisect.bisect_left(found, DAY, key=lambda f: visit.now - (f.modified or f.last_seen))
    return {"findings": found[:FINDINGS], "n_fresh": fresh, "n_findings": len(found)}


def _figures(visit: Visit, held: tuple[datetime, datetime] | None) -> dict[str, Any]:
    """Counters of the newest day with packets, beside the day before; of this moment, whenever it is looked at."""
    return visit.seen.once("now.figures", lambda: _counted(visit, held))


def _counted(visit: Visit, held: tuple[datetime, datetime] | None) -> dict[str, Any]:
    from noroshi.ask.rollups import unique_sources

    if held is None:
        return {"packets": 0, "before": 0, "sources": 0, "ports": [], "day": None, "spark": ()}
    end = held[1]
    start = end - DAY
    whole = traffic.over_time(visit.shot, start - DAY, end, by="", top=1, step_s=3600)
    values = whole.lines[0].values if whole.lines else ()
    # The bins begin on the hour, as `end` does.
    today, before = values[-24:], values[-48:-24]
    return {
        "packets": sum(today), "before": sum(before), "day": (start, end), "spark": today,
        "ports": changed(visit, PORTS, span=(start, end)),
        "sources": unique_sources(visit.shot, "flows", start, end).whole,
    }  # fmt: skip
