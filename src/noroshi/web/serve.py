"""The server: uvicorn in this process, jobs beside it, and an end to both when a signal says so."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from noroshi.model.errors import UsageError
from noroshi.web.app import make
from noroshi.web.options import Options
from noroshi.web.security.doors import LOOPBACK
from noroshi.web.security.slow import Patient
from noroshi.web.tower import Tower

if TYPE_CHECKING:
    from fastapi import FastAPI

    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import State

CONNECTIONS = 1000
"""Connections at once; of more, each is told to come back."""
GRACE_S = 10
"""Seconds requests have to end after a signal."""
JOBS_S = 60.0
"""Seconds a job has to end after a signal: init systems kill after 90. One that is killed leaves nothing half done."""


class Server(uvicorn.Server):
    """Ends event streams when it is told to stop: they would never end by themselves."""

    tower: Tower

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops."""
        self.tower.hub.close()
        self.tower.longwork.stop()  # it ends while requests do
        await super().shutdown(sockets)


@dataclass(frozen=True)
class Tls:
    """Certificate and key."""

    cert: Path
    key: Path


def bound(options: Options) -> socket.socket:
    """A socket that listens where `options` say. Raises UsageError when it cannot."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # asyncio sends at once (TCP_NODELAY) only where the protocol is said: else each answer on a connection that is kept
    # waits for the other side's delayed acknowledgement, 40 ms.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((options.host, options.port))
        found.listen(512)
    except OSError as e:
        found.close()
        raise UsageError(
            f"cannot listen on {options.host} port {options.port}: {e.strerror}",
            todo="Choose another with --port, or end the program that has it.",
        ) from e
    return found


def check(options: Options) -> None:
    """Raises UsageError for `--open` where others could come in."""
    if options.open and options.proxy:
        raise UsageError(
            "--open lets in who is on this machine, and a proxy brings others", todo="Leave out one."
        )
    if options.open and options.host not in (*LOOPBACK, "::1"):
        raise UsageError(
            f"--open lets in everybody without a password, and {options.host} is not only this machine",
            todo="Leave out --host, or leave out --open and sign in.",
        )


def server(app: FastAPI, options: Options, tls: Tls | None = None) -> Server:
    """A server for an application."""
    config = uvicorn.Config(
        app, http=Patient, ws="none", loop="asyncio", log_config=None, access_log=False,
        proxy_headers=bool(options.proxy), forwarded_allow_ips=options.proxy or None,
        server_header=False, timeout_keep_alive=15, timeout_graceful_shutdown=GRACE_S, limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=32 * 1024, backlog=512,
        ssl_certfile=str(tls.cert) if tls else None, ssl_keyfile=str(tls.key) if tls else None,
    )  # fmt: skip
    made = Server(config)
    made.tower = app.state.tower
    return made


def run(
    lake: Lake, config: Config, state: State, options: Options, *, tls: Tls | None = None,
    tell: Callable[[str, str], None], ready: Callable[[str, Tower], None],
) -> bool:  # fmt: skip
    """Serves until a signal ends it. tell: what jobs did. ready: called with the address, once it is listening.

    False when something has not ended in time: to end the interpreter below it would abort the process, so the caller
    leaves with `os._exit`. Nothing is lost by that: what others read is written whole or not at all.
    """
    check(options)
    app = make(lake, config, state, options)
    sock = bound(options)
    port = sock.getsockname()[1]
    host = f"[{options.host}]" if ":" in options.host else options.host
    made = server(app, options, tls)
    stop = threading.Event()
    before = {s: signal.signal(s, _stopper(stop, made)) for s in (signal.SIGTERM, signal.SIGINT)}
    jobs = _jobs(lake, config, state, tell, stop) if options.jobs else None
    ready(f"{'https' if tls else 'http'}://{host}:{port}", app.state.tower)
    try:
        made.run(sockets=[sock])
    finally:
        stop.set()
        if jobs:
            jobs.join(JOBS_S)
        for number, handler in before.items():
            signal.signal(number, handler)
    return app.state.tower.ended and not (jobs and jobs.is_alive())


def _jobs(
    lake: Lake, config: Config, state: State, tell: Callable[[str, str], None], stop: threading.Event
) -> Any:
    from noroshi.work.jobs import Runner

    runner = Runner(lake, config, state, tell, stop)

    def work() -> None:
        try:
            runner.run()
        except Exception:  # pages go on without jobs; the log says so
            logging.getLogger("noroshi.jobs").exception("jobs have ended")
            tell("jobs", "have ended by a fault; pages go on")

    thread = threading.Thread(target=work, name="jobs", daemon=True)
    thread.start()
    return thread


def _stopper(stop: threading.Event, server: uvicorn.Server) -> Any:
    """A signal that comes before the server listens to any, and the one it raises again at its end."""

    def handler(number: int, frame: object) -> None:
        stop.set()
        server.should_exit = True

    return handler
