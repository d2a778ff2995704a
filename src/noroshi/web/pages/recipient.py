"""One recipient: what they would be given now, before and after the mask; what they were given; keys, exports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import RedirectResponse, Response

from noroshi.lake.state.tokens import Token
from noroshi.share.marking import RECIPIENTS
from noroshi.web import render, timerange
from noroshi.web.api import audit as log
from noroshi.web.api import exports, recipients
from noroshi.web.pages.sharing import Long, Several, Text, asked, choices, counts
from noroshi.web.routes import Page
from noroshi.web.viewer import AsSharer, Visit

router = APIRouter()
PAGE = Page("recipient", "/sharing/public", role="sharer", nav=False)
SHOWN = 15
NO_STORE = {"cache-control": "no-store"}


@router.get("/sharing/{name}")
def show(visit: AsSharer, name: str) -> Response:
    """The page of a recipient."""
    return _page(visit, name)


@router.post("/sharing/{name}/change")
def change(
    visit: AsSharer, name: str, kind: Text, ceiling: Text = "", title: Text = "", profile: Text = "",
    wants: Several = None, ranges: Long = "", mail: Text = "", lang: Text = "en", tlp1: Text = "", writes: Text = "",
) -> Response:  # fmt: skip
    """Changes a recipient to what the form says."""
    recipients.changed(
        visit, name, asked(kind, ceiling, title, profile, wants or [], ranges, mail, lang, tlp1, writes)
    )
    return RedirectResponse(f"/sharing/{name}", 303)


@router.post("/sharing/{name}/remove")
def remove(visit: AsSharer, name: str) -> Response:
    """Takes a recipient away."""
    recipients.removed(visit, name)
    return RedirectResponse("/sharing", 303)


@router.get("/sharing/{name}/keys")
def back(visit: AsSharer, name: str) -> Response:
    """To the page: the secret of a key is shown in the answer that made it, and nowhere else."""
    return RedirectResponse(f"/sharing/{recipients.named(visit, name).name}#keys", 303)


@router.post("/sharing/{name}/keys")
def add_key(visit: AsSharer, name: str, note: Text = "", expires: Text = "") -> Response:
    """Makes a key and shows its secret, once."""
    token, secret = recipients.keyed(visit, name, note, until(expires))
    return _page(visit, name, fresh=(token, secret))


@router.post("/sharing/{name}/keys/{number}/revoke")
def revoke(visit: AsSharer, name: str, number: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> Response:
    """Ends a key."""
    recipients.revoked(visit, name, number)
    return RedirectResponse(f"/sharing/{name}#keys", 303)


@router.post("/sharing/{name}/export")
def export(visit: AsSharer, name: str, format: Text, since: Text = "") -> Response:
    """Begins an export."""
    at = timerange.moment(since) if since.strip() else None
    return RedirectResponse(f"/works/{exports.begun(visit, name, format, at).id}", 303)


def until(word: str) -> datetime | None:
    """When a key ends, as a form says it. Raises UsageError."""
    return timerange.moment(word) if word.strip() else None


def _page(visit: Visit, name: str, fresh: tuple[Token, str] | None = None) -> Response:
    to = recipients.named(visit, name)
    told = counts(visit, to)
    entries, more = log.chosen(visit, "", to.name, SHOWN)
    context: dict[str, Any] = {
        "pairs": recipients.sampled(visit, recipients.theirs(visit, to)) if told["preview"] else [],
        "profile": recipients.theirs(visit, to).mask.profile if told["preview"] else to.profile,
        "entries": [log.told(visit, e) | {"at": e.at} for e in entries], "more": bool(more),
        "keys": visit.tower.state.tokens.of("recipient", to.name), "fresh": fresh, "built_in": to.name in RECIPIENTS,
        "collections": recipients.collections(visit, to.name), "formats": list(exports.FORMATS),
    }  # fmt: skip
    return render.page(
        visit, "pages/recipient.html", here="sharing", command=f"noroshi findings --for {to.name}",
        headers=NO_STORE if fresh else None, **told, **context, **choices(visit),
    )  # fmt: skip
