"""Watches: values somebody wants to be told of when they appear, and what was seen of them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path as File
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding, iso
from noroshi.model.observable import CANONICAL
from noroshi.model.watch import KEYWORD, Watch, parse
from noroshi.web import answers, paging
from noroshi.web.api.findings import FindingPage
from noroshi.web.api.works import WorkModel, accepted
from noroshi.web.errors import Forbidden, NotFound
from noroshi.web.known import place
from noroshi.web.longwork import Work
from noroshi.web.viewer import AsAnalyst, Visit

router = APIRouter(tags=["watches"], prefix="/watches")
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the watch.")]
KINDS = (*CANONICAL, KEYWORD)
MOST = 10_000
"""Watches of a lake by this way: each is looked for in every new run."""


class WatchModel(BaseModel):
    """A value that is watched."""

    id: int
    kind: str
    value: str
    note: str
    added: datetime | None
    checked: datetime | None = Field(description="Looked for in what was stored until then; null: not yet.")
    hits: int = Field(description="Days on which it was seen, as far as you may see them.")


class NewWatch(BaseModel):
    """A value to be watched."""

    value: Annotated[str, Field(min_length=1, max_length=2000)]
    kind: Annotated[str, Field(max_length=32, description="When it is not plain from the value.")] = ""
    note: Annotated[str, Field(max_length=500, description="Why, for whoever reads the hit.")] = ""


@router.get("", response_model=list[WatchModel], responses=answers.CSV_TOO, name="list_watches")
def list_watches(visit: AsAnalyst, format: str = answers.Format) -> Response:
    """What is watched, in the order it was added."""
    made = answers.table(visit, listed(visit), list(WatchModel.model_fields), "watches")
    return answers.respond(visit, made)


@router.post("", response_model=WatchModel, status_code=201, name="add_watch")
def add_watch(visit: AsAnalyst, new: NewWatch) -> Response:
    """Watches a value: an address, network, domain, hash, CVE, ... or a keyword; the same value is watched once."""
    return answers.json(told(added(visit, new.value, new.kind, new.note), 0), status=201)


@router.post("/check", response_model=WorkModel, status_code=202, name="check_watches")
def check_watches(
    visit: AsAnalyst, again: bool = Query(False, description="In all runs, not only new ones.")
) -> Response:
    """Looks for all of them in what was stored since; hits become findings and go out with the next delivery."""
    return accepted(checked(visit, again))


@router.delete("/{number}", response_model=WatchModel, name="remove_watch")
def remove_watch(visit: AsAnalyst, number: Number) -> Response:
    """Stops watching; what was seen stays."""
    return answers.json(told(removed(visit, number), 0))


@router.get("/{number}/hits", response_model=FindingPage, name="list_hits")
def list_hits(
    visit: AsAnalyst, number: Number, limit: int = paging.Limit, cursor: str = paging.CursorParam
) -> Response:
    """What was seen of one, newest first."""
    watch = next((w for w in watches(visit) if w.id == number), None)
    if watch is None:
        raise _nothing(number)
    found = hits(visit).get((watch.kind, watch.value), [])
    page, after = paging.cut(visit, found, place, cursor, limit)
    return answers.json({"total": len(found), "items": [f.to_json() for f in page], "next": after})


def watches(visit: Visit) -> list[Watch]:
    """All of them. What somebody watches for carries no marking: raises Forbidden for who sees less than the
    organisation."""
    if visit.view.outside or not visit.view.plain:
        raise Forbidden(
            f"who has the view of {visit.viewer.recipient.name} is not told what the organisation watches for",
            todo="Ask an administrator for the view of `own`.",
        )
    return visit.tower.state.watches.all()


def hits(visit: Visit) -> dict[tuple[str, str], list[Finding]]:
    """What was seen, by kind and value of the watch, newest first."""
    out: dict[tuple[str, str], list[Finding]] = {}
    for f in sorted(visit.view.findings(kinds=["watch-hit"], wanted=False), key=place):
        out.setdefault((f.subject.kind, f.subject.value), []).append(f)
    return out


def listed(visit: Visit) -> list[dict[str, Any]]:
    """All of them, with how often each was seen."""
    found = watches(visit)
    seen = hits(visit)
    return [told(w, len(seen.get((w.kind, w.value), ()))) for w in found]


def added(visit: Visit, value: str, kind: str, note: str) -> Watch:
    """Watches a value, as this viewer. Raises UsageError."""
    held = watches(visit)
    if kind and kind not in KINDS:
        raise UsageError(f"there is no kind {kind[:40]!r}", where="kind", todo=f"Known: {', '.join(KINDS)}.")
    asked = parse(value, kind)
    if len(held) >= MOST and asked not in {(w.kind, w.value) for w in held}:
        raise UsageError(f"{MOST:,} values are watched", todo="Take some away first.")
    visit.tell("watch-add", count=1, kind=asked[0], value=asked[1][:200])
    return visit.tower.state.watches.add(*asked, note.strip())[0]


def removed(visit: Visit, number: int) -> Watch:
    """Stops watching, as this viewer. Raises NotFound."""
    watch = next((w for w in watches(visit) if w.id == number), None)
    if watch is None:
        raise _nothing(number)
    visit.tell("watch-remove", count=1, kind=watch.kind, value=watch.value[:200])
    return visit.tower.state.watches.remove(number)


def checked(visit: Visit, again: bool = False) -> Work:
    """A check begun by this viewer."""
    from noroshi.work.deliver import enqueue
    from noroshi.work.targets import targets
    from noroshi.work.watch import check

    watches(visit)
    tower = visit.tower

    def do(work: Work, folder: File) -> None:
        def advance(n: int, of: int) -> None:
            work.step(n)

        done = check(tower.lake, tower.state, again=again, advance=advance)
        enqueue(tower.state, [t for t, _ in targets(tower.config)], [f for f, _ in done.hits])
        tower.reader.renew()
        work.count = len(done.hits)
        work.result = {"watches": done.watches, "runs": done.runs, "hits": len(done.hits)}

    visit.tell("watch-check", again=again)
    return tower.longwork.begin(visit.viewer, "check", do, again=again)


def told(w: Watch, seen: int) -> dict[str, Any]:
    """A watch in JSON types."""
    return {
        "id": w.id, "kind": w.kind, "value": w.value, "note": w.note, "added": iso(w.added) if w.added else None,
        "checked": iso(w.checked) if w.checked else None, "hits": seen,
    }  # fmt: skip


def _nothing(number: int) -> NotFound:
    return NotFound("there is no such watch", where=str(number), todo="/api/v1/watches lists them.")
