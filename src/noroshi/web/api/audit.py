"""The audit log of sharing: what was given to whom, when, by whom; administrators read all of the log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.lake.state.audit import Entry
from noroshi.model.finding import iso
from noroshi.web import answers, paging
from noroshi.web.api.recipients import operator, seen_reasons
from noroshi.web.viewer import AsSharer, Visit

router = APIRouter(tags=["audit"], prefix="/audit")
SHARING = (
    "export", "publish", "downgrade", "notify", "notify-ack", "notify-return", "notify-cancel", "operators-load",
    "rdap-query", "opt-out", "opt-out-end", "recipient-add", "recipient-set", "recipient-remove", "key-add",
    "key-revoke", "release", "unrelease", "deliver",
)  # fmt: skip
"""What sharers are told of; the rest (who signs in, what was revealed) is for administrators."""
COLUMNS = ("id", "at", "actor", "action", "recipient", "count", "detail")


class EntryModel(BaseModel):
    """One thing done."""

    id: int
    at: datetime
    actor: str
    action: str
    recipient: str
    count: int | None
    detail: dict[str, Any]


class AuditPage(BaseModel):
    """Entries, newest first."""

    items: list[EntryModel]
    next: str = Field(description="The cursor of the next page; empty on the last.")


@router.get("", response_model=AuditPage, responses=answers.CSV_TOO, name="list_audit")
def list_audit(
    visit: AsSharer, action: str = Query("", max_length=32), recipient: str = Query("", max_length=64),
    limit: int = paging.Limit, cursor: str = paging.CursorParam, format: str = answers.Format,
) -> Response:  # fmt: skip
    """Who did what with whose data, newest first."""
    page, after = chosen(visit, action, recipient, limit, cursor)
    rows = [told(visit, e) for e in page]
    head = [("x-next-cursor", after)] if after else []
    made = answers.table(visit, rows, COLUMNS, "audit", lambda r: {"items": list(r), "next": after}, head)
    return answers.respond(visit, made)


def chosen(
    visit: Visit, action: str, recipient: str, limit: int, cursor: str = ""
) -> tuple[Sequence[Entry], str]:
    """(entries this viewer may read, newest first; the cursor of the next page)."""
    operator(visit)
    after = paging.read(visit, cursor)
    before: int | None = int(after[0]) if after else None
    everything, out = visit.viewer.may("admin"), list[Entry]()
    while True:
        page = visit.tower.state.audit.newest(500, before=before, action=action, recipient=recipient)
        out += [e for e in page if everything or e.action in SHARING]
        if len(out) > limit or len(page) < 500:
            break
        before = page[-1].id
    shown = out[:limit]
    return shown, paging.make(visit, (shown[-1].id,)) if len(out) > limit else ""


def told(visit: Visit, entry: Entry) -> dict[str, Any]:
    """An entry in JSON types, without counts of what this viewer may not know of."""
    detail = dict(entry.detail)
    if isinstance(detail.get("withheld"), dict):
        detail["withheld"] = seen_reasons(visit, detail["withheld"])
    return {
        "id": entry.id, "at": iso(entry.at), "actor": entry.actor, "action": entry.action,
        "recipient": entry.recipient, "count": entry.count, "detail": detail,
    }  # fmt: skip
