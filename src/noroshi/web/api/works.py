"""Work: exports, reports and other things that take a while, asked for before; what became of them, their files."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import FileResponse, Response

from noroshi.model.finding import iso
from noroshi.web import answers, urls
from noroshi.web.longwork import Work
from noroshi.web.viewer import AsViewer, Visit

router = APIRouter(tags=["works"], prefix="/works")
Id = Annotated[str, Path(max_length=40, description="Id of the work.")]
FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
          "description": "The file, as an attachment."},
}  # fmt: skip


class FileModel(BaseModel):
    """A file it made."""

    name: str
    size: int
    href: str


class ProblemModel(BaseModel):
    """Why it failed."""

    what: str
    where: str
    todo: str


class WorkModel(BaseModel):
    """Something that takes a while. It is kept for an hour, for who asked for it alone."""

    id: str
    kind: str = Field(description="export, report, notices, publish or check.")
    about: dict[str, Any] = Field(description="What was asked for.")
    state: str = Field(description="waiting, running, done or failed.")
    asked: datetime
    begun: datetime | None
    ended: datetime | None
    count: int | None = Field(description="Things looked at so far; when done, things made.")
    result: dict[str, Any]
    files: list[FileModel]
    problem: ProblemModel | None


@router.get("", response_model=list[WorkModel], name="list_works")
def list_works(visit: AsViewer) -> Response:
    """What you asked for within the last hour, the newest first."""
    return answers.json([told(w) for w in visit.tower.longwork.all(visit.viewer)])


@router.get("/{work}", response_model=WorkModel, name="get_work")
def get_work(visit: AsViewer, work: Id) -> Response:
    """What became of it."""
    return answers.json(told(visit.tower.longwork.get(visit.viewer, work)))


@router.get("/{work}/files/{name}", response_class=FileResponse, responses=FILE, name="get_work_file")
def get_file(visit: AsViewer, work: Id, name: Annotated[str, Path(max_length=200)]) -> Response:
    """A file it made."""
    return sent(visit, work, name)


def sent(visit: Visit, work: str, name: str) -> Response:
    """A file, as something to be saved: nothing of it is shown as a page of this server."""
    path = visit.tower.longwork.file(visit.viewer, work, name)
    return FileResponse(path, media_type="application/octet-stream", filename=path.name,
                        headers={"cache-control": "no-store"})  # fmt: skip


def accepted(work: Work) -> Response:
    """202, with where to ask what became of it."""
    return answers.json(told(work), status=202, headers={"location": f"/api/v1/works/{work.id}"})


def told(work: Work) -> dict[str, Any]:
    """Work in JSON types."""
    over = work.over  # before its files: they are named first, then it is over
    return {
        "id": work.id, "kind": work.kind, "about": work.about, "state": work.state, "asked": iso(work.asked),
        "begun": iso(work.begun) if work.begun else None, "ended": iso(work.ended) if work.ended else None,
        "count": work.count, "result": work.result if over else {}, "problem": work.problem,
        "files": [
            {"name": f.name, "size": f.stat().st_size,
             "href": f"/api/v1/works/{work.id}/files/{urls.segment(f.name)}"}
            for f in work.files if over and f.is_file()
        ],
    }  # fmt: skip
