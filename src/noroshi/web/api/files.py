"""The files pages load, by the name `static.url` gives them; old names still find the file that has taken over."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from noroshi.web import static
from noroshi.web.errors import NotFound
from noroshi.web.viewer import Anybody

router = APIRouter()
YEAR = "public, max-age=31536000, immutable"


@router.get("/static/{version}/{name:path}")
async def file(visit: Anybody, version: str, name: str) -> Response:
    """A file of the package; any other path is none."""
    found = static.files().get(name)
    if found is None:
        raise NotFound("there is no such file")
    keep = YEAR if version == static.version() else "no-cache"
    return Response(found.body, headers={"cache-control": keep}, media_type=found.type)


@router.get("/favicon.ico")
async def icon(visit: Anybody) -> Response:
    """The icon, where browsers look for it unasked."""
    return RedirectResponse(static.url("icon.svg"), 301)
