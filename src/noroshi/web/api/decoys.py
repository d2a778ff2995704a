"""What decoys saw: how much, what came most, the visits, and one visit from beginning to end."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.ask import decoys
from noroshi.model.errors import UsageError
from noroshi.model.finding import iso
from noroshi.web import answers, paging, urls
from noroshi.web.errors import Forbidden, NotFound
from noroshi.web.viewer import AsViewer, Visit

router = APIRouter(tags=["decoys"], prefix="/decoys")
SECRETS = "analyst"
"""Who sees passwords: they may open what is not a decoy."""
LONGEST = timedelta(days=2)
"""A visit whose end its decoy did not log is looked for so long; Cowrie ends idle ones after minutes."""
EVENTS = 1000
"""Rows of a table told of one visit."""
_SEEN = ("first_seen", "last_seen", "session_id", "decoy", "src_ip", "src_port", "dst_port", "service", "client",
         "hassh", "ja4", "ssh_key", "login_count", "login_success", "command_count")  # fmt: skip
_EVENT = ("ts", "what", "username", "password", "method", "ssh_key", "success", "text", "mentions", "direction", "url",
          "filename", "sha256", "md5", "size", "target", "target_port", "data", "ja4")  # fmt: skip
_WHAT = {"logins": "login", "commands": "command", "transfers": "transfer", "relays": "relay"}
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")


class TotalsModel(BaseModel):
    """How much of everything."""

    sessions: int
    sources: int
    logins: int
    accepted: int = Field(description="Logins let in.")
    commands: int
    transfers: int
    relays: int


class TopModel(BaseModel):
    """A value and how often it came; hostile text."""

    value: str
    count: int
    sources: int
    first_seen: datetime
    last_seen: datetime


class SessionModel(BaseModel):
    """A visit."""

    first_seen: datetime
    last_seen: datetime | None
    session_id: str
    decoy: str | None
    src_ip: str
    src_port: int | None
    dst_port: int | None
    service: str | None
    client: str | None
    hassh: str | None
    ja4: str | None
    ssh_key: str | None
    login_count: int | None
    login_success: bool | None
    command_count: int | None


class SessionPage(BaseModel):
    """Visits, newest first."""

    items: list[SessionModel]
    next: str = Field(description="The cursor of the next page; empty on the last.")


class EventModel(BaseModel):
    """Something that happened in a visit: hostile text throughout."""

    ts: datetime
    what: str = Field(description="login, command, transfer or relay.")
    username: str | None = None
    password: str | None = Field(None, description="For analysts; null for others.")
    method: str | None = None
    ssh_key: str | None = None
    success: bool | None = None
    text: str | None = None
    mentions: list[str] | None = None
    direction: str | None = None
    url: str | None = None
    filename: str | None = None
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None
    target: str | None = None
    target_port: int | None = None
    data: str | None = None
    ja4: str | None = None


class VisitModel(BaseModel):
    """Visits of that name, and what happened in them, in order."""

    visits: list[SessionModel] = Field(description="Decoys may use a name more than once.")
    events: list[EventModel]


What = Query("source", pattern=f"^({'|'.join(decoys.TOPS)})$", description="What is ranked.")
Busy = Query(False, description="Only visits that were let in or typed something.")


@router.get("/totals", response_model=TotalsModel, name="decoy_totals")
def totals(visit: AsViewer) -> Response:
    """How much the decoys saw in the time range."""
    span = visit.span
    return answers.kept(
        visit, lambda: answers.document(asdict(decoys.totals(visit.shot, span.start, span.end)))
    )


@router.get("/top", response_model=list[TopModel], responses=answers.CSV_TOO, name="decoy_top")
def top(
    visit: AsViewer, what: str = What, limit: int = Query(20, ge=1, le=1000, description="At most so many."),
    format: str = answers.Format,
) -> Response:  # fmt: skip
    """What came most often in the time range; passwords and credentials need the role analyst."""

    def make() -> answers.Answer:
        rows = ranked(visit, what, limit)
        return answers.table(visit, rows, tuple(TopModel.model_fields), f"decoys-{what}")

    return answers.kept(visit, make)


@router.get("/sessions", response_model=SessionPage, responses=answers.CSV_TOO, name="list_sessions")
def list_sessions(
    visit: AsViewer, busy: bool = Busy, limit: int = paging.Limit, cursor: str = paging.CursorParam,
    format: str = answers.Format,
) -> Response:  # fmt: skip
    """Visits that began in the time range, newest first."""

    def make() -> answers.Answer:
        found, after = page_of(visit, busy, cursor, limit)
        rows = [told(r) for r in found]
        head = [("x-next-cursor", after)] if after else []
        return answers.table(visit, rows, _SEEN, "sessions", lambda r: {"items": rows, "next": after}, head)

    return answers.kept(visit, make)


@router.get("/session", response_model=VisitModel, responses=answers.CSV_TOO, name="get_session")
def get_session(
    visit: AsViewer, id: str = Query(min_length=1, max_length=1000, description="The decoy's name of the visit."),
    decoy: str = Query("", max_length=500, description="The decoy; all when empty."),
    at: str = Query("", max_length=40, description="When it began, where a decoy used the name twice."),
    format: str = answers.Format,
) -> Response:  # fmt: skip
    """One visit from beginning to end. Its name is a parameter because decoys may call it anything."""

    def make() -> answers.Answer:
        visits, events = whole(visit, id, decoy, moment(at))
        rows = [_event(visit, e) for e in events]
        wrap = lambda r: {"visits": [told(v) for v in visits], "events": rows}  # noqa: E731
        return answers.table(visit, rows, _EVENT, "session", wrap)

    return answers.kept(visit, make)


def ranked(visit: Visit, what: str, limit: int) -> list[dict[str, Any]]:
    """A ranking as rows. Raises Forbidden for passwords asked for by who may not see them."""
    if what in decoys.SECRET and not visit.viewer.may(SECRETS):
        raise Forbidden(
            f"passwords are for the role {SECRETS}, and {visit.viewer.name} is {visit.viewer.role}",
            where=what, todo="Ask an administrator.",
        )  # fmt: skip
    found = decoys.top(visit.shot, what, visit.span.start, visit.span.end, limit)
    return [asdict(t) | {"first_seen": iso(t.first_seen), "last_seen": iso(t.last_seen)} for t in found]


def page_of(visit: Visit, busy: bool, cursor: str, limit: int) -> tuple[list[dict[str, Any]], str]:
    """(visits of one page, the cursor of the next or nothing)."""
    span, after = visit.span, paging.read(visit, cursor)
    before = (datetime.fromisoformat(after[0]), str(after[1]), str(after[2])) if after else None
    found = decoys.sessions(visit.shot, span.start, span.end, limit=limit + 1, busy=busy, before=before)
    page = found[:limit]
    more = len(found) > limit
    return page, paging.make(visit, _place(page[-1])) if more else ""


def _place(row: Mapping[str, Any]) -> list[str]:
    return [row["first_seen"].isoformat(), row["session_id"], row["decoy"] or ""]


def whole(
    visit: Visit, name: str, decoy: str = "", at: datetime | None = None
) -> tuple[Sequence[Mapping[str, Any]], list[dict[str, Any]]]:
    """(visits of that name, what happened in them in order). Raises NotFound.

    Of one visit alone only what lies in its time is read.
    """
    only, span = decoy or None, (at, at + LONGEST) if at is not None else None
    visits: Sequence[Mapping[str, Any]] = decoys.session(
        visit.shot, name, decoy=only, span=span, tables=("sessions",)
    ).get("sessions", [])
    if at is not None:
        visits, span = _that(visits, at)
    elif len(visits) == 1:
        span = _span(visits[0], None)
    if span and only is None:
        only = visits[0]["decoy"]
    found = decoys.session(visit.shot, name, EVENTS, decoy=only, span=span, tables=tuple(_WHAT))
    events = [r | {"what": _WHAT[table]} for table, rows in found.items() for r in rows]
    if not visits and not events:
        raise NotFound("no decoy knows of this visit", where=name[:100], todo="/honeypots lists them.")
    return visits, sorted(events, key=lambda e: (e["ts"], tuple(_WHAT.values()).index(e["what"])))


def _that(
    visits: Sequence[Mapping[str, Any]], at: datetime
) -> tuple[Sequence[Mapping[str, Any]], tuple[datetime, datetime]]:
    """The visit of that name which began then, and its time."""
    for i, one in enumerate(visits):
        if one["first_seen"] == at:
            later = [v["first_seen"] for v in visits[i + 1 :] if v["decoy"] == one["decoy"]]
            return [one], _span(one, later[0] if later else None)
    return [], (at, at + LONGEST)


def _span(one: Mapping[str, Any], then: datetime | None) -> tuple[datetime, datetime]:
    first, last = one["first_seen"], one["last_seen"] or one["first_seen"]
    # A log may tell of the connection after the first line, and of the end before the last file.
    end = max(first + LONGEST, last + timedelta(minutes=5))
    return first - timedelta(minutes=1), min(end, then) if then else end


def moment(word: str) -> datetime | None:
    """A time in a URL, to the microsecond; None for none. Raises UsageError."""
    if not word:
        return None
    try:
        found = datetime.fromisoformat(word.replace(" ", "+"))  # a plus sign not written as %2B
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{word[:40]!r} is no time", where="at", todo="Write 2024-04-01T12:00:00Z."
        ) from None


def told(row: Mapping[str, Any]) -> dict[str, Any]:
    """A visit as it is told."""
    times = {k: iso(row[k]) if row[k] else None for k in ("first_seen", "last_seen")}
    return {c: row.get(c) for c in _SEEN} | times


def _event(visit: Visit, event: Mapping[str, Any]) -> dict[str, Any]:
    shown = {c: event.get(c) for c in _EVENT} | {"ts": iso(event["ts"])}
    return shown if visit.viewer.may(SECRETS) else shown | {"password": None}


def address_of(row: Mapping[str, Any]) -> str:
    """The page of a visit. A name that is not safe in a path stands in the query."""
    name, more = str(row["session_id"]), {"decoy": row["decoy"] or "", "at": iso(row["first_seen"])}
    if _PLAIN.fullmatch(name):
        return urls.with_query(f"/honeypots/session/{name}", more)
    return urls.with_query("/honeypots/session", {"id": name} | more)
