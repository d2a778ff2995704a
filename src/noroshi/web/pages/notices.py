"""Notices: what would be sent to operators word for word, what was, what came of it; operators and opt-outs."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path
from starlette.responses import RedirectResponse, Response

from noroshi.lake.state.notices import PLANNED, SENT, STATES, UNCLEAR
from noroshi.model.errors import NoroshiError, UsageError
from noroshi.web import render
from noroshi.web.api import notices
from noroshi.web.api.notices import Channel, Id
from noroshi.web.pages.sharing import Long, Text
from noroshi.web.routes import Page
from noroshi.web.viewer import AsSharer

router = APIRouter()
PAGE = Page("notices", "/notices", role="sharer", nav=False)
SHOWN = 100
Ids = Annotated[list[str] | None, Form(max_length=500)]


@router.get("/notices")
def show(visit: AsSharer, part: str = "", channel: Channel = "") -> Response:
    """The page; part=plan gives what would be sent now, which takes a while."""
    if part == "plan":
        return render.part(visit, "parts/notices-plan.html", **_plan(visit, channel))
    from noroshi.share.notify.curve import DAYS, at

    found = notices.status(visit)
    return render.page(
        visit, "pages/notices.html", here="sharing", command="noroshi notify plan", outcome=found, states=STATES,
        notices=sorted(found.notices, key=lambda n: n.made, reverse=True)[:SHOWN], days=DAYS,
        curves=[(c, [at(c.curve, d) for d in DAYS]) for c in found.channels],
        configured=notices.configured(visit), entry=visit.tower.config.notify,
        planned=PLANNED, sent=SENT, unclear=UNCLEAR,
    )  # fmt: skip


@router.get("/notices/plan/{notice}")
def text(visit: AsSharer, notice: Id, channel: Channel = "", save: bool = False) -> Response:
    """A notice as it would be handed over; with `save` as a file."""
    body = notices.text_of(notices.planned(visit, channel), notice)
    if save:
        return notices.message(body, notice)
    parsed = email.message_from_bytes(body, policy=email.policy.SMTP)
    assert isinstance(parsed, EmailMessage)
    words = parsed.get_body(("plain",))
    files = [
        (p.get_filename() or "", str(p.get_content()).replace("\r\n", "\n"))
        for p in parsed.iter_attachments()
    ]
    return render.page(
        visit, "pages/notice.html", here="sharing", number=notice, headers_=list(parsed.items()), files=files,
        words=words.get_content().replace("\r\n", "\n") if words else "", channel=channel,
        command=f"noroshi notify plan --show {notice}",
    )  # fmt: skip


@router.post("/notices/send")
def send(visit: AsSharer, only: Ids = None, channel: Channel = "") -> Response:
    """Hands over the notices of the plan that were chosen."""
    if not only:
        raise UsageError("no notice is chosen", todo="Go back and choose what is to be sent.")
    return RedirectResponse(f"/works/{notices.sent(visit, only, channel).id}", 303)


@router.post("/notices/{notice}/{what}")
def answer(visit: AsSharer, notice: Id, what: Annotated[str, Path(pattern="^(ack|return|cancel)$")],
           note: Text = "") -> Response:  # fmt: skip
    """Keeps what somebody said of a notice."""
    notices.answered(visit, notice, what, note[:1000])
    return RedirectResponse("/notices#sent", 303)


@router.post("/optouts")
def opt_out(visit: AsSharer, value: Text, reason: Text, proof: Long = "") -> Response:
    """Writes no more about, or to, a value."""
    notices.opted_out(visit, value, reason, proof)
    return RedirectResponse("/operators#optouts", 303)


@router.post("/optouts/{number}/end")
def end(visit: AsSharer, number: Annotated[int, Path(ge=1, le=2**31 - 1)], reason: Text) -> Response:
    """Ends an opt-out."""
    notices.ended(visit, number, reason)
    return RedirectResponse("/operators#optouts", 303)


def _plan(visit: AsSharer, channel: str) -> dict[str, Any]:
    try:
        made = notices.planned(visit, channel)
        return {"plan": made, "withheld": notices.withheld(visit), "problem": None, "channel": channel,
                "configured": notices.configured(visit)}  # fmt: skip
    except NoroshiError as e:
        return {"plan": None, "withheld": {}, "problem": e, "channel": channel, "configured": False}
