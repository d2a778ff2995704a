"""Who asks, and whether the server is well."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi import __version__
from noroshi.web import answers
from noroshi.web.viewer import Anybody, AsViewer

router = APIRouter(tags=["server"])


class Me(BaseModel):
    """Who asks."""

    name: str
    role: str = Field(description="viewer, analyst, sharer or admin; each may do what those before it may.")
    recipient: str = Field(description="Whose view they have.")
    ceiling: str = Field(description="The strictest marking they are shown.")
    masked: bool = Field(description="True when what they see is anonymised.")
    by: str = Field(description="session, key, or open (`serve --open`).")


class Health(BaseModel):
    """Whether the lake can be read."""

    status: str
    version: str


@router.get("/me", response_model=Me, name="get_me")
def get_me(visit: AsViewer) -> Response:
    """Who this session or key belongs to."""
    viewer = visit.viewer
    return answers.json(
        {"name": viewer.name, "role": viewer.role, "recipient": viewer.recipient.name,
         "ceiling": viewer.recipient.ceiling.value, "masked": not visit.view.plain, "by": viewer.by}
    )  # fmt: skip


@router.get("/health", response_model=Health, name="get_health")
def get_health(visit: Anybody) -> Response:
    """200 when questions can be answered, else 503; for programs that watch programs."""
    visit.tower.reader.shot()
    return answers.json({"status": "ok", "version": __version__})
