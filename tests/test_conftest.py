"""The common ground of all tests holds."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from tests.support import need


def test_no_network() -> None:
    with socket.socket() as s, pytest.raises(AssertionError, match="no network"):
        s.connect(("192.0.2.1", 80))
    with socket.socket(socket.AF_INET6) as s, pytest.raises(AssertionError, match="no network"):
        s.connect_ex(("2001:db8::1", 80, 0, 0))
    with socket.socket(type=socket.SOCK_DGRAM) as s, pytest.raises(AssertionError, match="no network"):
        s.sendto(b"", ("192.0.2.1", 53))
    with pytest.raises(AssertionError, match="no network"):
        socket.create_connection(("example.org", 80))


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass


def test_nobodys_own_settings() -> None:
    assert not {"NOROSHI_LAKE", "NOROSHI_CONFIG", "NOROSHI_KEYS", "XDG_CACHE_HOME"} & os.environ.keys()
    assert Path.home().name == "home"


def test_a_missing_tool_is_a_failure_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.delenv("NOROSHI_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="not installed"):
        need.tool("tshark")
    monkeypatch.setenv("NOROSHI_REQUIRE", "1")
    with pytest.raises(pytest.fail.Exception, match="not installed"):
        need.tool("tshark")
