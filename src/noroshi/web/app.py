"""The application: pages, API and files on one lake, each route with the role it needs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from noroshi import __version__
from noroshi.model.errors import LakeError, NoroshiError
from noroshi.web import answers, render, routes, urls
from noroshi.web.errors import Refused, SignIn, problem, status
from noroshi.web.options import Options
from noroshi.web.security.doors import Doors, Stop
from noroshi.web.security.headers import SafeHeaders
from noroshi.web.tower import Tower, build
from noroshi.web.viewer import Visit

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import State

LOG = logging.getLogger("noroshi.web")
API = "/api/v1"


def make(lake: Lake, config: Config, state: State, options: Options | None = None) -> FastAPI:
    """The application on a lake; raises LakeError when a route declares no role."""
    options = options or Options()
    tower = build(lake, config, state, options)
    app = FastAPI(
        title="Noroshi", version=__version__, openapi_url=None, docs_url=None, redoc_url=None,
        redirect_slashes=False, lifespan=_lifespan,
        description="Everything the pages do. Errors have one shape: what, where, todo.",
        generate_unique_id_function=lambda route: route.name,
    )  # fmt: skip
    app.state.tower = tower
    _include(app)
    _handle(app)
    app.add_middleware(Faults)
    app.add_middleware(SafeHeaders, tls=options.tls)
    app.add_middleware(Doors, options=options)
    if missing := routes.undeclared(app):
        raise LakeError(
            f"a route declares no role: {', '.join(missing)}", todo="Give it one: docs/extend-pages.md."
        )
    _mount(app, lake, config, state)
    return app


def _mount(app: FastAPI, lake: Lake, config: Config, state: State) -> None:
    """Applications of their own, which ask everybody for a key themselves and speak their standard's words."""
    from noroshi.web import taxii

    app.router.routes += taxii.routes(lake, config, state)


def _include(app: FastAPI) -> None:
    from noroshi.web.api import files, schema

    for router in routes.noun_routers():
        app.include_router(router, prefix=API, responses=answers.ERRORS)
    app.include_router(schema.router, prefix=API)
    app.include_router(files.router, include_in_schema=False)
    for router in routes.service_routers():
        app.include_router(router, include_in_schema=False)
    for router in routes.page_routers():
        app.include_router(router, include_in_schema=False)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    tower: Tower = app.state.tower
    # Routes and what they ask run in this pool; more at once than the machine can do only makes all of them late.
    anyio.to_thread.current_default_thread_limiter().total_tokens = tower.options.threads
    tower.hub.start()
    yield
    await anyio.to_thread.run_sync(tower.end)


class Faults:
    """Answers for what nobody foresaw, inside of what makes every answer safe; the log has the traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Stop:
            raise
        except Exception as error:
            if scope["type"] != "http" or begun:
                raise
            LOG.error("a fault in Noroshi at %s %s", scope["method"], scope["path"], exc_info=error)
            request = Request(scope, receive)
            todo = "The server's log says more; please report it with that."
            told = problem("a fault in Noroshi", scope["path"], todo)
            try:
                answer = await _failed(request, 500, told, {})
            except Exception:  # noqa: BLE001 - the page of the fault has one too; it is said plainly
                answer = answers.json(told, status=500)
            await answer(scope, receive, send)


def _handle(app: FastAPI) -> None:
    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, NoroshiError)
        code = status(error)
        if code >= 500:
            LOG.warning("%s %s: %s", request.method, request.url.path, error)
        headers = dict(error.headers) if isinstance(error, Refused) else {}
        return await _failed(request, code, problem(error.what, _place(error), error.todo), headers, error)

    async def malformed(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0] if error.errors() else {"msg": "is wrong", "loc": ()}
        where = ".".join(str(p) for p in first["loc"][1:])
        return await _failed(
            request, 422, problem(str(first["msg"]), where, "The OpenAPI document says what fits."), {}
        )

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        todo = {404: "The navigation shows what there is.", 405: "Use the method the OpenAPI document names."}
        return await _failed(
            request, error.status_code, problem(str(error.detail), request.url.path, todo.get(error.status_code, "")),
            dict(error.headers or {}),
        )  # fmt: skip

    app.add_exception_handler(NoroshiError, known)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, http)


def _place(error: NoroshiError) -> str:
    """Where, unless it is a path of this machine: that is for the log."""
    return "" if error.where.startswith("/") else error.where


async def _failed(
    request: Request,
    code: int,
    told: dict[str, Any],
    headers: dict[str, str],
    error: NoroshiError | None = None,
) -> Response:
    """As the API says it, or as a page."""
    if request.url.path.startswith(("/api/", "/taxii")) or "text/html" not in request.headers.get(
        "accept", ""
    ):
        out = answers.json(told, status=code, headers=headers)
        out.headers["content-type"] = "application/problem+json"
        return out
    if isinstance(error, SignIn):
        after = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(
            urls.with_query("/signin", {"next": after[:2000] if request.method == "GET" else "/"}), 303
        )
    visit = getattr(request.state, "visit", None) or await _stranger(request)
    state = {401: "forbidden", 403: "forbidden", 404: "missing"}.get(code, "failed")
    return render.page(visit, "failed.html", status=code, told=told, code=code, state=state, headers=headers)


async def _stranger(request: Request) -> Visit:
    from starlette.concurrency import run_in_threadpool

    tower: Tower = request.app.state.tower
    known, cookie = await run_in_threadpool(tower.doorkeeper.who, request)
    return Visit(request, tower, known, cookie or "none")
