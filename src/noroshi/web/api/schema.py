"""The OpenAPI document."""

from __future__ import annotations

from fastapi import APIRouter, Request

from noroshi.web import answers
from noroshi.web.reader import answer
from noroshi.web.viewer import Anybody

router = APIRouter()


@router.get("/openapi.json", include_in_schema=False)
async def openapi(visit: Anybody, request: Request) -> object:
    """What can be asked, of what shape."""
    import msgspec

    return answers.respond(visit, answer(msgspec.json.encode(request.app.openapi()), "application/json"))
