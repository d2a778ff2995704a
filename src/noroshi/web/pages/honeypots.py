"""Honeypots: who came to the decoys, what they tried and typed, and one visit from beginning to end."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from noroshi.ask import decoys
from noroshi.model import observable
from noroshi.model.errors import UsageError
from noroshi.web import paging, render, urls
from noroshi.web.api import decoys as api
from noroshi.web.errors import NotFound
from noroshi.web.routes import Page
from noroshi.web.viewer import AsViewer, Visit

router = APIRouter()
PAGE = Page("honeypots", "/honeypots", ranged=True)
SHOWN = 50
RANKS = ("source", "command", "username", "password", "credential", "url", "sha256", "client", "hassh", "ja4",
         "service", "target", "decoy")  # fmt: skip
"""Rankings in the order of the page."""
FEW, MANY = 8, 100
KINDS = {"source": "ip", "url": "url", "sha256": "sha256", "hassh": "hassh", "ja4": "ja4"}
"""Values that have a page of their own."""


@router.get("/honeypots")
def show(visit: AsViewer, busy: bool = False, what: str = "", cursor: str = "") -> Response:
    """The page; busy: only visits that were let in or typed something; what: one ranking at length."""
    span = visit.span
    key = (span.start, span.end)
    totals = visit.seen.recall(("honeypots", *key), lambda: decoys.totals(visit.shot, span.start, span.end))
    rows, after = visit.seen.recall(
        ("honeypots.rows", paging.question(visit), cursor, *key, busy),
        lambda: api.page_of(visit, busy, cursor, SHOWN),
    )
    ranks = [w for w in RANKS if w not in decoys.SECRET or visit.viewer.may(api.SECRETS)]
    held = span.query() or {"from": render.iso(span.start), "to": render.iso(span.end)}
    some = totals.sessions or totals.logins or totals.commands
    return render.page(
        visit, "pages/honeypots.html", here="honeypots", ranged=True, totals=totals, some=some, busy=busy,
        rows=[r | {"href": api.address_of(r)} for r in rows], next=after, ranks=ranks,
        what=what if what in ranks else "", newest=None if some else decoys.newest(visit.shot),
        query=urls.query(held), few=FEW, many=MANY,
        command=_command(span.start, span.end),
    )  # fmt: skip


def _command(start: datetime, end: datetime) -> str:
    query = (
        "SELECT ip_text(src_ip) AS source, * EXCLUDE (src_ip, dst_ip) FROM sessions"  # noqa: S608 - shown, never run
        f" WHERE first_seen >= '{render.iso(start)}' AND first_seen < '{render.iso(end)}'"
        f" ORDER BY first_seen DESC LIMIT {SHOWN}"
    )
    return f'noroshi sql "{query}"'


@router.get("/honeypots/top")
def top(visit: AsViewer, what: str = api.What, limit: int = Query(FEW, ge=1, le=MANY)) -> Response:
    """One ranking, as a part: each reads rows, which may take longer than the rest of the page."""
    span = visit.span
    rows = visit.seen.lately(
        ("honeypots.top", span.start, span.end, what, limit, visit.viewer.may(api.SECRETS)),
        lambda: api.ranked(visit, what, limit),
    )
    return render.part(visit, "parts/honeypots-top.html", rows=rows, what=what, kind=KINDS.get(what, ""))


@router.get("/honeypots/session")
def named(
    visit: AsViewer, id: str = Query(min_length=1, max_length=1000), decoy: str = "", at: str = ""
) -> Response:
    """One visit whose name does not fit into a path."""
    return _whole(visit, id, decoy, at)


@router.get("/honeypots/session/{session:path}")
def session(visit: AsViewer, session: str, decoy: str = "", at: str = "") -> Response:
    """One visit from beginning to end."""
    if not session:
        raise NotFound("no decoy knows of this visit", todo="/honeypots lists them.")
    return _whole(visit, session, decoy, at)


def _whole(visit: Visit, name: str, decoy: str, at: str) -> Response:
    visits, events = api.whole(visit, name, decoy, api.moment(at))
    several = len(visits) > 1
    first = visits[0] if visits else None
    about = first or events[0]
    own = {"id": name} | ({"decoy": decoy} if decoy else {}) | ({"at": at} if at else {})
    begin = first["first_seen"] if first else events[0]["ts"]
    return render.page(
        visit, "pages/session.html", here="honeypots", name=name, visit_=first, about=about, several=several,
        visits=[dict(v) | {"href": api.address_of(v)} for v in visits],
        events=[] if several else timeline(events, begin), secret=visit.viewer.may(api.SECRETS),
        query=urls.query(own), cut=not several and _cut(events),
        counts={w: sum(e["what"] == w for e in events) for w in ("login", "command", "transfer", "relay")},
        command=f"noroshi pivot {about['src_ip']}",
    )  # fmt: skip


def timeline(events: list[dict[str, Any]], begin: datetime) -> list[dict[str, Any]]:
    """Events with the seconds since the beginning and since the one before."""
    out, before = [], begin
    for e in events:
        gap = (e["ts"] - before).total_seconds()
        mentioned = [m.split(" ", 1) for m in e.get("mentions") or () if " " in m][:20]
        out.append(e | {"after": (e["ts"] - begin).total_seconds(), "gap": gap, "mentioned": mentioned,
                        "target_kind": _kind(e.get("target") or "")})  # fmt: skip
        before = e["ts"]
    return out


def _kind(target: str) -> str:
    """ip or domain; empty for what is neither."""
    try:
        kind = observable.guess(target)[0]
    except UsageError:
        return ""
    return kind if kind in ("ip", "domain") else ""


def _cut(events: list[dict[str, Any]]) -> bool:
    kinds = [e["what"] for e in events]
    return any(kinds.count(k) >= api.EVENTS for k in set(kinds))
