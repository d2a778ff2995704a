"""Events: what is new, as it comes (server-sent events)."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from noroshi.web.viewer import AsViewer

router = APIRouter(tags=["events"])


@router.get(
    "/events", name="listen", response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description":
                     "`runs`, `findings`, `changed` with JSON; `missed`: the listener was too slow and asks anew."}},
)  # fmt: skip
async def listen(visit: AsViewer) -> Response:
    """New runs and new findings this view has, until the client goes."""
    stream = await visit.tower.hub.listen(visit.viewer.recipient)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)
