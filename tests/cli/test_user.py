"""`noroshi user`: who may come in."""

from __future__ import annotations

from pathlib import Path

from noroshi.lake.state import State
from noroshi.web.security.passwords import matches
from tests.cli.support import Ran, noroshi

PASSWORD = b"correct horse battery\n"


def _user(lake: Path, *args: str, stdin: bytes = b"") -> Ran:
    return noroshi("--lake", lake, "user", *args, stdin=stdin)


def test_the_way_of_a_user(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    assert _user(lake, "add", "ana", "--role", "admin", "--password-stdin", stdin=PASSWORD).code == 0
    assert _user(lake, "add", "feed", "--no-password", "--recipient", "community").code == 0
    listed = _user(lake, "list", "--json").json
    assert [(u["name"], u["role"], u["recipient"], u["password"]) for u in listed] == [
        ("ana", "admin", "own", True), ("feed", "viewer", "community", False),
    ]  # fmt: skip
    state = State(lake)
    ana = state.users.get("ana")
    assert ana
    assert matches(ana.password, PASSWORD.decode().strip())
    assert ana.password.startswith("$argon2id$")
    session = state.sessions.begin("ana")
    assert _user(lake, "set", "ana", "--password-stdin", stdin=b"another good password\n").code == 0
    assert state.sessions.find(session) is None, "a new password ends sessions"
    key = _user(lake, "key", "feed", "--note", "siem", "--json").json
    assert state.tokens.verify(key["key"])
    assert "siem" in _user(lake, "key", "feed", "--list").out
    assert _user(lake, "key", "feed", "--revoke", str(key["id"])).code == 0
    assert state.tokens.verify(key["key"]) is None
    assert _user(lake, "remove", "feed").code == 0
    done = {e.action for e in state.audit.newest()}
    assert done >= {"user added", "user changed", "user removed", "key made", "key revoked"}


def test_a_removed_users_keys_end(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    _user(lake, "add", "feed", "--no-password")
    key = _user(lake, "key", "feed", "--json").json["key"]
    _user(lake, "remove", "feed")
    assert State(lake).tokens.verify(key) is None


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    for args, stdin in (
        (("add", "no spaces", "--no-password"), b""), (("add", "ana", "--password-stdin"), b"short\n"),
        (("add", "ana", "--no-password", "--recipient", "nobody"), b""), (("set", "nobody", "--role", "admin"), b""),
        (("remove", "nobody"), b""), (("key", "nobody"), b""),
    ):  # fmt: skip
        ran = _user(lake, *args, stdin=stdin)
        assert ran.code == 2, args
        assert "Traceback" not in ran.err
    assert _user(lake, "list", "--json").json == []
    _user(lake, "add", "ana", "--role", "admin", "--no-password")
    assert _user(lake, "set", "ana", "--role", "viewer").code == 2, "the last admin stays"
