"""The server as an ASGI application: who asks, what for, and the answer in the standard's words.

GET reads the logs that `work.publish` has made and nothing else: no lake is opened to answer a page.
Source: OASIS, TAXII Version 2.1 (OASIS Standard, 10 June 2021).
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
from typing import TYPE_CHECKING, Final

from starlette._utils import get_route_path
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Mount

from noroshi.model.errors import LakeError, NoroshiError, UsageError
from noroshi.share.taxii import inbox
from noroshi.web.taxii.answers import MEDIA, VARY, Answer, Refused, accepts, compressed, is_taxii, known, tag
from noroshi.web.taxii.service import Asked, Service

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import State
    from noroshi.share.marking import Recipient

MOUNT: Final = "/taxii2"
PATH, QUERY = 1_000, 40_000
"""Characters of a path, and of a query: a hundred ids of 300 characters and room."""
PAIRS: Final = 100
_METHODS: Final = ("GET", "HEAD", "POST", "DELETE")


def routes(lake: Lake, config: Config, state: State) -> list[Mount]:
    """What an application mounts."""
    mount = _Mount(MOUNT, app=Taxii(lake, config, state), name="taxii")
    # As it is, a path with a newline in it is no path of ours, and answered in other words than the standard's.
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return [mount]


class _Mount(Mount):
    """Takes its own path without the last slash as well.

    Every path of the standard ends with one (TAXII 2.1, section 1.6.5), and people leave it out. It is answered and
    not redirected: clients leave out the key when they are sent elsewhere.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As a mount does; of the bare path as if it ended with a slash."""
        if scope["type"] != "http" or get_route_path(scope) != self.path:
            return super().matches(scope)
        path = scope["path"] + "/"
        match, child = super().matches({**scope, "path": path})
        return match, {**child, "path": path}


class Taxii:
    """The TAXII server of a lake."""

    def __init__(self, lake: Lake, config: Config, state: State) -> None:
        self.service = Service(lake, config, state)
        self._storing = threading.Lock()
        self._waiting: dict[str, threading.Thread] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope, receive)
        try:
            answer, to = await self._answer(request)
        except ClientDisconnect:
            return
        except Refused as e:
            answer, to = e.answer(), None
        except UsageError as e:
            answer, to = Refused(_status(e), _words(e)).answer(), None
        except LakeError:
            # What is wrong with the store is told to its operator, not to who asks.
            answer, to = (
                Refused(503, "The server cannot answer now; try again later.", retry_after="60").answer(),
                None,
            )
        await _response(request, answer)(scope, receive, send)
        if to is not None and request.method in ("POST", "DELETE"):
            self._wake(to)

    async def _answer(self, request: Request) -> tuple[Answer, Recipient]:
        if request.method not in _METHODS:
            raise Refused(405, f"{request.method[:20]} is not understood here.", allow=", ".join(_METHODS))
        path, query = _place(request)
        headers = request.headers
        to = await run_in_threadpool(self._who, headers.get("authorization"))
        if not accepts(headers.get("accept")):
            raise Refused(406, f"This server speaks {MEDIA}, which the Accept header does not name.")
        asked = Asked(to, path, query, request.scope.get("root_path", ""))
        if request.method == "POST":
            collection = await run_in_threadpool(self.service.may_post, asked)
            if not is_taxii(headers.get("content-type")):
                raise Refused(415, f"The body must be {MEDIA}.")
            if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
                raise Refused(415, "The body must not be compressed.")
            body = await _body(request)
            return await run_in_threadpool(self.service.post, asked, collection, body), to
        do = self.service.delete if request.method == "DELETE" else self.service.get
        return await run_in_threadpool(do, asked), to

    def _who(self, header: str | None) -> Recipient:
        """The recipient whose key is sent; the key as bearer or as the password of anybody."""
        found = self.service.recipient(_secret(header))
        if found is None:
            challenge = 'Basic realm="TAXII", charset="UTF-8", Bearer realm="TAXII"'
            raise Refused(
                401,
                "Send an API key: as bearer token, or as password with any user name.",
                www_authenticate=challenge,
            )
        return found

    def _wake(self, to: Recipient) -> None:
        """Has what was sent in stored soon: by one thread, and at most one more a recipient that waits for it."""
        if to.name not in self._waiting:
            thread = threading.Thread(target=self.settle, args=(to,), name="taxii-inbox", daemon=True)
            self._waiting[to.name] = thread
            thread.start()

    def settle(self, to: Recipient) -> None:
        """Brings what a recipient has sent in into the lake; what fails is tried again by the next publication."""
        from noroshi.work.publish import store_inbox

        with self._storing:
            self._waiting.pop(to.name, None)  # what comes from here on needs another look
            try:
                store_inbox(self.service.lake, self.service.config, to)
            except NoroshiError:
                return  # told where it is tried again: by `publish`, to the operator


def _status(error: UsageError) -> int:
    if isinstance(error, inbox.TooLarge):
        return 413
    return 422 if isinstance(error, inbox.Unprocessable) else 400


def _words(error: UsageError) -> str:
    return f"{error.what[:1].upper()}{error.what[1:]}. {error.todo}".strip()


def _place(request: Request) -> tuple[list[str], list[tuple[str, str]]]:
    """(parts of the path below where this is mounted, pairs of the query)."""
    path, root = request.scope["path"], request.scope.get("root_path", "")
    below = path[len(root) :] if root and path.startswith(root) else path
    query = request.scope.get("query_string", b"")
    if len(path) > PATH or len(query) > QUERY:
        raise Refused(400, "The address is longer than any that has an answer.")
    pairs = QueryParams(query).multi_items()
    if len(pairs) > PAIRS:
        raise Refused(400, f"The query has more than {PAIRS} parameters.")
    inner = below[1:] if below.startswith("/") else below
    return (inner[:-1] if inner.endswith("/") else inner).split("/") if inner.strip("/") else [], pairs


def _secret(header: str | None) -> str:
    """The key in an Authorization header; empty when there is none."""
    scheme, _, rest = (header or "")[:2000].strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


async def _body(request: Request) -> bytes:
    """The whole body; Refused as soon as it is too large."""
    said = request.headers.get("content-length")
    if said is not None and (not said.isascii() or not said.isdigit() or int(said[:20]) > inbox.BYTES):
        raise Refused(413, f"A body has at most {inbox.BYTES:,} bytes.")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > inbox.BYTES:
            raise Refused(413, f"A body has at most {inbox.BYTES:,} bytes.")
        parts.append(part)
    return b"".join(parts)


def _response(request: Request, answer: Answer) -> Response:
    """The answer as sent: tagged, 304 when they have it, compressed when they like that."""
    headers = {
        "vary": VARY, "cache-control": "private, no-cache", "x-content-type-options": "nosniff", **answer.headers
    }  # fmt: skip
    if answer.status == 200 and request.method in ("GET", "HEAD"):
        headers["etag"] = tag(answer.body)
        if known(headers["etag"], request.headers.get("if-none-match")):
            return Response(status_code=304, headers=headers)
    body = answer.body
    if (small := compressed(body, request.headers.get("accept-encoding"))) is not None:
        body, headers["content-encoding"] = small, "gzip"
    headers["content-type"] = MEDIA
    if request.method == "HEAD":
        return _Head(body, answer.status, headers)
    return Response(body, answer.status, headers)


class _Head(Response):
    """The headers of an answer without its body."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def headers_only(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await super().__call__(scope, receive, headers_only)
