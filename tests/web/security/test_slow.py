"""Clients that dawdle, on real sockets: each is let go, and the others are served meanwhile."""

from __future__ import annotations

import contextlib
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.web.security import doors, slow
from tests.web import site


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow, "HEAD_S", 0.3)
    monkeypatch.setattr(doors, "BODY_S", 0.3)
    monkeypatch.setattr(slow, "WRITE_S", 0.3)


def _connected(address: str) -> socket.socket:
    parts = urlsplit(address)
    found = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20)
    return found


def test_slow_clients_are_let_go(hurried: None, lake: Lake, state: State) -> None:
    with site.served(lake, state) as address:
        silent, partial, late = (_connected(address) for _ in range(3))
        partial.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        late.sendall(
            b"POST /api/v1/sql HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        assert httpx.get(f"{address}/api/v1/health").status_code == 200
        for one in (silent, partial):
            with contextlib.suppress(ConnectionResetError):
                assert one.recv(1000) == b"", "the connection is closed without an answer"
        assert late.recv(1000).startswith(b"HTTP/1.1 408")
        for one in (silent, partial, late):
            one.close()


def test_who_does_not_read_is_let_go(hurried: None, lake: Lake, state: State) -> None:
    with site.served(lake, state) as address:
        one = _connected(address)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = b"GET /api/v1/findings?limit=1000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            _send_for_long(one, request * 50)
        one.close()
        assert httpx.get(f"{address}/api/v1/health").status_code == 200


def _send_for_long(to: socket.socket, data: bytes) -> None:
    """Pipelined, and nothing is read: buffers fill, then it is ended."""
    for _ in range(2000):
        to.sendall(data)


def test_two_requests_on_one_connection(hurried: None, lake: Lake, state: State) -> None:
    """Patience is for each request: a connection that is kept and used is not ended."""
    import time

    with site.served(lake, state) as address, httpx.Client() as client:
        for _ in range(3):
            assert client.get(f"{address}/api/v1/health").status_code == 200
            time.sleep(0.2)


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 70_000,
                                  b"\r\n" * 50,
                                  b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                                  b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000,
                                  b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
                                  b"Content-Length: 5\r\n\r\nzz\r\n"])  # fmt: skip
def test_what_is_no_request(hurried: None, lake: Lake, state: State, junk: bytes) -> None:
    with site.served(lake, state) as address:
        one = _connected(address)
        try:
            one.sendall(junk)
            answer = one.recv(1000)
        except (ConnectionResetError, BrokenPipeError):
            answer = b""
        assert answer == b"" or answer.split()[1] in (b"400", b"421", b"431", b"414"), answer
        one.close()
        assert httpx.get(f"{address}/api/v1/health").status_code == 200
