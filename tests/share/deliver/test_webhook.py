"""Findings by POST, to a server on loopback."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from noroshi.share.deliver import webhook
from noroshi.share.deliver.target import DeliveryError
from noroshi.share.deliver.webhook import SIGNATURE, WebhookSender
from tests.support.findings import finding, one_of_each


class Server(ThreadingHTTPServer):
    """Keeps what it was sent and answers as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 204
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        if self.server.status == 0:  # never answers
            self.server.released.wait(30)
            return
        self.send_response(self.server.status)
        if self.server.status in (301, 302, 307, 308):
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.released.set()
        made.shutdown()
        thread.join()


def test_all_findings_arrive_in_one_signed_document(server: Server) -> None:
    hostile = finding(summary={"en": "a\r\nX-Evil: 1\udc80", "ja": "警告"})
    WebhookSender(server.url + "?key=k", "s3cret").send([*one_of_each(), hostile])
    ((path, headers, body),) = server.got
    assert path == "/hook?key=k"
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert "x-evil" not in headers
    digest = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(headers[SIGNATURE.lower()], f"sha256={digest}")
    got = json.loads(body)["findings"]
    assert [f["id"] for f in got] == [f.id for f in [*one_of_each(), hostile]]
    assert got[-1]["summary"]["ja"] == "警告"


def test_without_a_secret_nothing_is_signed(server: Server) -> None:
    WebhookSender(server.url).send([finding()])
    assert SIGNATURE.lower() not in server.got[0][1]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(DeliveryError, match=f"answered {status}"):
        WebhookSender(server.url).send([finding()])
    assert [path for path, _, _ in server.got] == ["/hook"]


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_a_refusal_is_told_without_the_key_in_the_url(server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(DeliveryError, match=f"answered {status}") as told:
        WebhookSender(server.url + "?key=very-secret", "s3cret").send([finding()])
    assert "very-secret" not in str(told.value)
    assert "/hook" in told.value.where


def test_a_server_that_never_answers_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_S", 0.2)
    server.status = 0
    with pytest.raises(DeliveryError, match="cannot be reached: timed out"):
        WebhookSender(server.url).send([finding()])


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused
        with pytest.raises(DeliveryError, match="cannot be reached"):
            WebhookSender(f"http://127.0.0.1:{taken.getsockname()[1]}/").send([finding()])


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000])
def test_what_is_no_web_server_is_told(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def once() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=once)
        thread.start()
        with pytest.raises(DeliveryError, match="cannot be reached"):
            WebhookSender(f"http://127.0.0.1:{listening.getsockname()[1]}/").send([finding()])
        thread.join()


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "http://127.0.0.1/日本", "http://127.0.0.1/a b"])
def test_a_url_that_is_none_is_told(url: str) -> None:
    with pytest.raises(DeliveryError, match="cannot be reached"):
        WebhookSender(url).send([finding()])
