"""The audit log as a page: what was given to whom, page by page."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from noroshi.web import render
from noroshi.web.api import audit as api
from noroshi.web.routes import Page
from noroshi.web.viewer import AsSharer
from noroshi.work import gate

router = APIRouter()
PAGE = Page("audit", "/audit", role="sharer", nav=False)
SHOWN = 50


@router.get("/audit")
def show(visit: AsSharer, action: str = "", recipient: str = "", cursor: str = "") -> Response:
    """The log, newest first."""
    found, after = api.chosen(visit, action[:32], recipient[:64], SHOWN, cursor)
    asked = "".join(f" --{o} {v}" for o, v in (("action", action), ("for", recipient)) if v)
    return render.page(
        visit, "pages/audit.html", here="sharing", entries=[api.told(visit, e) | {"at": e.at} for e in found],
        next=after, action=action, recipient=recipient, actions=api.SHARING,
        names=[r.name for r in gate.everybody(visit.tower.state)], command=f"noroshi audit{asked}",
    )  # fmt: skip
