"""Sharing: recipients and what each would receive, what was sent, TAXII collections, notices in figures."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from noroshi.lake.state.audit import Entry
from noroshi.model.errors import NoroshiError
from noroshi.model.finding import KINDS
from noroshi.share.marking import LANGS, MOST, Recipient
from noroshi.web import render
from noroshi.web.api import audit as log
from noroshi.web.api import notices, recipients
from noroshi.web.routes import Page
from noroshi.web.viewer import AsSharer, Visit
from noroshi.work import gate, masks

router = APIRouter()
PAGE = Page("sharing", "/sharing", role="sharer")
SHOWN = 10
Text = Annotated[str, Form(max_length=4000)]
Long = Annotated[str, Form(max_length=400_000)]
Several = Annotated[list[str] | None, Form(max_length=len(KINDS))]


@router.get("/sharing")
def show(visit: AsSharer, part: str = "", name: str = "") -> Response:
    """The page; part=counts gives what one recipient would receive."""
    if part == "counts":
        return render.part(visit, "parts/sharing-counts.html", **counts(visit, recipients.named(visit, name)))
    recipients.operator(visit)
    found = gate.everybody(visit.tower.state)
    exports, _ = log.chosen(visit, "export", "", SHOWN)
    return render.page(
        visit, "pages/sharing.html", here="sharing", command="noroshi recipient list",
        recipients=[(r, last(visit, r)) for r in found], exports=[log.told(visit, e) | {"at": e.at} for e in exports],
        collections=recipients.collections(visit), outcome=notices.status(visit), notify=notices.configured(visit),
        **choices(visit),
    )  # fmt: skip


@router.post("/sharing")
def add(
    visit: AsSharer, name: Text, kind: Text, ceiling: Text = "", title: Text = "", profile: Text = "",
    wants: Several = None, ranges: Long = "", mail: Text = "", lang: Text = "en", tlp1: Text = "", writes: Text = "",
) -> Response:  # fmt: skip
    """Adds a recipient."""
    given = asked(kind, ceiling, title, profile, wants or [], ranges, mail, lang, tlp1, writes)
    to = recipients.added(visit, name.strip(), given)
    return RedirectResponse(f"/sharing/{to.name}", 303)


@router.post("/sharing/publish")
def publish(visit: AsSharer, recipient: Text = "") -> Response:
    """Brings TAXII collections up to date."""
    return RedirectResponse(f"/works/{recipients.published(visit, recipient).id}", 303)


def asked(
    kind: str, ceiling: str, title: str, profile: str, wants: list[str], ranges: str, mail: str, lang: str, tlp1: str,
    writes: str,
) -> dict[str, Any]:  # fmt: skip
    """The fields of a form as the API takes them."""
    return {
        "kind": kind, "ceiling": ceiling, "title": title, "profile": profile.strip(), "wants": list(wants),
        "ranges": ranges.split(), "mail": mail.strip(), "lang": lang, "tlp1": bool(tlp1), "writes": bool(writes),
    }  # fmt: skip


def choices(visit: Visit) -> dict[str, Any]:
    """What the form of a recipient lets one choose from."""
    from noroshi.model.tlp import Tlp
    from noroshi.share import profile

    return {
        "kinds": list(MOST), "most": {k: v.value for k, v in MOST.items()}, "marks": [t.value for t in Tlp],
        "wanted": KINDS, "langs": LANGS, "profiles": profile.names(masks.folder(visit.tower.config)),
    }  # fmt: skip


def counts(visit: Visit, to: Recipient) -> dict[str, Any]:
    """What a recipient would receive, or why that cannot be told."""
    try:
        found = recipients.counted(visit, to)
        return {"to": to, "preview": found, "withheld": recipients.withheld(visit, to), "problem": None,
                "largest": max(found.kinds.values(), default=1)}  # fmt: skip
    except NoroshiError as e:
        return {"to": to, "preview": None, "withheld": {}, "problem": e, "largest": 1}


def last(visit: Visit, to: Recipient) -> Entry | None:
    """The newest export for a recipient."""
    return next(iter(visit.tower.state.audit.newest(1, action="export", recipient=to.name)), None)
