"""Servers on loopback that do what they are told to, wrong things above all."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

MEDIA = "application/taxii+json;version=2.1"


@dataclass
class Reply:
    """What a server says."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    parts: Iterator[bytes] | None = None
    """Sent one by one, without a length, instead of the body."""


@dataclass
class Asked:
    """A question a server got."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Server:
    """A running server, and what it was asked."""

    url: str
    asked: list[Asked]

    @property
    def paths(self) -> list[str]:
        return [a.path for a in self.asked]


@contextlib.contextmanager
def serving(answer: Callable[[Asked], Reply], tls: Any = None) -> Iterator[Server]:
    """A server on loopback that answers each GET as `answer` says."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            at = urlsplit(self.path)
            one = Asked(at.path, {k: v[0] for k, v in parse_qs(at.query).items()}, dict(self.headers))
            asked.append(one)
            reply = answer(one)
            with contextlib.suppress(OSError):
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.parts is None:
                    if "Content-Length" not in reply.headers:
                        self.send_header("Content-Length", str(len(reply.body)))
                    self.end_headers()
                    self.wfile.write(reply.body)
                else:
                    self.send_header("Connection", "close")
                    self.end_headers()
                    for part in reply.parts:
                        self.wfile.write(part)
                    self.close_connection = True

        def log_message(self, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: Any) -> None:
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield Server(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}", asked)
    finally:
        server.shutdown()
        server.server_close()


def as_json(document: Any, media: str = MEDIA, **headers: str) -> Reply:
    """A document as an answer."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Reply(body, headers={"Content-Type": media} | {k.replace("_", "-"): v for k, v in headers.items()})


def site(pages: Mapping[str, Any], missing: int = 404) -> Callable[[Asked], Reply]:
    """Answers by path: a Reply, a document, or something to be called with the question."""

    def answer(asked: Asked) -> Reply:
        found = pages.get(asked.path)
        if found is None:
            return Reply(status=missing)
        if callable(found):
            found = found(asked)
        return found if isinstance(found, Reply) else as_json(found)

    return answer


def thing(n: int, **more: Any) -> dict[str, Any]:
    """A STIX object."""
    stamp = f"2026-01-01T00:{n // 60 % 60:02d}:{n % 60:02d}.000Z"
    return {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--5f2e3a54-0000-4000-8000-{n:012d}",
        "created": stamp, "modified": stamp, "pattern": f"[ipv4-addr:value = '203.0.113.{n % 250}']",
        "pattern_type": "stix", "valid_from": stamp,
    } | more  # fmt: skip
