"""Releases: values no blocklist may hold, and markings that were lowered, each with its reason and who said so."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.lake.findings import standing
from noroshi.lake.state.audit import Entry
from noroshi.lake.state.releases import Release
from noroshi.model.finding import iso
from noroshi.model.tlp import Tlp, parse
from noroshi.web import answers, paging
from noroshi.web.api import audit
from noroshi.web.api.recipients import operator
from noroshi.web.errors import NotFound
from noroshi.web.viewer import AsSharer, Visit
from noroshi.work import blocklist
from noroshi.work.downgrade import MOST_REASON, SHORTEST, Lowered, downgrade

router = APIRouter(tags=["releases"])
Reason = Annotated[str, Field(min_length=1, max_length=1000)]
Mark = Literal["clear", "green", "amber", "amber+strict"]
Kind = Annotated[str, Path(pattern="^(ip|prefix|domain)$", description="ip, prefix or domain.")]


class ReleaseModel(BaseModel):
    """A value no blocklist may hold."""

    kind: str
    value: str
    reason: str
    by: str
    at: datetime


class NewRelease(BaseModel):
    """A value to be taken off all blocklists, from now on."""

    value: Annotated[str, Field(min_length=1, max_length=512, description="An address, prefix or name.")]
    reason: Reason


class Gone(BaseModel):
    """What may be blocked again."""

    kind: str
    value: str


class NewDowngrade(BaseModel):
    """A marking to be lowered."""

    id: Annotated[
        str,
        Field(min_length=SHORTEST, max_length=64, description="Id of a finding or run, or its beginning."),
    ]
    to: Mark
    reason: Annotated[str, Field(min_length=1, max_length=MOST_REASON)]


class LoweredModel(BaseModel):
    """What was lowered."""

    what: str = Field(description="finding or run.")
    id: str
    before: str = Field(alias="from")
    to: str
    rows: int
    kept: int = Field(description="Rows of a run with markings of their own, which they keep.")


class DowngradeModel(LoweredModel):
    """The same, as the audit log has it."""

    at: datetime
    by: str
    reason: str


class DowngradePage(BaseModel):
    """What was lowered, newest first."""

    items: list[DowngradeModel]
    next: str = Field(description="The cursor of the next page; empty on the last.")


@router.get("/releases", response_model=list[ReleaseModel], responses=answers.CSV_TOO, name="list_releases")
def list_releases(visit: AsSharer, format: str = answers.Format) -> Response:
    """Values no blocklist may hold, by kind and value."""
    rows = [told(r) for r in releases(visit)]
    return answers.respond(visit, answers.table(visit, rows, list(ReleaseModel.model_fields), "releases"))


@router.post("/releases", response_model=ReleaseModel, status_code=201, name="add_release")
def add_release(visit: AsSharer, new: NewRelease) -> Response:
    """Takes a value off all blocklists from now on; lists already written change when they are written again."""
    return answers.json(told(released(visit, new.value, new.reason)), status=201)


@router.delete("/releases/{kind}/{value:path}", response_model=Gone, name="remove_release")
def remove_release(visit: AsSharer, kind: Kind, value: str) -> Response:
    """Takes a release back: the value may be blocked again."""
    found = taken_back(visit, kind, value)
    return answers.json({"kind": found.kind, "value": found.value})


@router.get("/downgrades", response_model=DowngradePage, name="list_downgrades")
def list_downgrades(visit: AsSharer, limit: int = paging.Limit, cursor: str = paging.CursorParam) -> Response:
    """Markings that were lowered, newest first."""
    page, after = downgrades(visit, limit, cursor)
    return answers.json({"items": page, "next": after})


@router.post("/downgrades", response_model=LoweredModel, status_code=201, name="make_downgrade")
def make_downgrade(visit: AsSharer, new: NewDowngrade) -> Response:
    """Lowers the marking of a finding or run you see. It cannot be undone: what was given away stays away."""
    return answers.json(lowered(visit, new.id, new.to, new.reason).to_json(), status=201)


def releases(visit: Visit) -> list[Release]:
    """All of them, by kind and value."""
    operator(visit)
    return visit.tower.state.releases.all()


def released(visit: Visit, value: str, reason: str) -> Release:
    """A value on no blocklist from now on, as this viewer says. Raises UsageError."""
    operator(visit)
    kind, canonical, _ = blocklist.release(visit.tower.state, value, reason, visit.viewer.actor)
    return next(r for r in releases(visit) if (r.kind, r.value) == (kind, canonical))


def taken_back(visit: Visit, kind: str, value: str) -> Release:
    """A release that no longer holds. Raises NotFound."""
    found = next((r for r in releases(visit) if (r.kind, r.value) == (kind, value)), None)
    if found is None:
        raise NotFound("there is no such release", where=value[:100], todo="/api/v1/releases lists them.")
    blocklist.take_back(visit.tower.state, found.value, visit.viewer.actor)
    return found


def downgrades(visit: Visit, limit: int, cursor: str = "") -> tuple[list[dict[str, Any]], str]:
    """(what was lowered, newest first, the cursor of the next page): nothing of what this viewer did not see."""
    page, after = audit.chosen(visit, "downgrade", "", limit, cursor)
    return [_lowered_told(e) for e in page if _may_know(visit, e)], after


def lowered(visit: Visit, text: str, to: str, reason: str) -> Lowered:
    """A marking lowered, as this viewer says. Raises NotFound for what they do not see, UsageError."""
    operator(visit)
    tower, mark = visit.tower, parse(to)
    number = _seen(visit, text.strip().lower())
    done = downgrade(tower.lake, tower.state, visit.viewer.actor, number, mark, reason)
    tower.reader.renew()
    return done


def told(r: Release) -> dict[str, Any]:
    """A release in JSON types."""
    return {"kind": r.kind, "value": r.value, "reason": r.reason, "by": r.actor, "at": iso(r.at)}


def _seen(visit: Visit, text: str) -> str:
    """The id that is meant, of a finding or run whose strictest marking this viewer may see: of what is stricter they
    are not even told that it is there, and may not let it out."""
    whole, may = visit.tower.reader.shot(), visit.viewer.recipient.may_see
    runs = [r for r in visit.view.shot.runs() if r.state == "closed"]
    found = [f.id for f in standing(whole) if f.id.startswith(text) and may(f.tlp)]
    found += [r.run_id for r in runs if r.run_id.startswith(text) and may(r.tlp)]
    if len(text) < SHORTEST or len(found) != 1:
        raise NotFound(
            f"{len(found)} findings or runs have an id that begins so", where=text[:64],
            todo="Take the id from the page of the finding, or from /api/v1/runs.",
        )  # fmt: skip
    return found[0]


def _may_know(visit: Visit, entry: Entry) -> bool:
    before = str(entry.detail.get("from", ""))
    return visit.viewer.may("admin") or before not in {t.value for t in Tlp} or visit.viewer.recipient.may_see(
        Tlp(before)
    )  # fmt: skip


def _lowered_told(entry: Entry) -> dict[str, Any]:
    d = entry.detail
    return {
        "what": str(d.get("what", "")), "id": str(d.get("id", "")), "from": str(d.get("from", "")),
        "to": str(d.get("to", "")), "rows": int(d.get("rows", 0)), "kept": int(d.get("kept", 0)),
        "at": iso(entry.at), "by": entry.actor, "reason": str(d.get("reason", "")),
    }  # fmt: skip
