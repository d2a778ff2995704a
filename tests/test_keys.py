"""Keys of the site: made once, for their owner only, told apart by purpose, kept after a rotation."""

from __future__ import annotations

import hashlib
import hmac
import json
import stat
import threading
from pathlib import Path

import pytest

from noroshi import keys
from noroshi.model.errors import LakeError
from noroshi.model.observable import canonical


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("NOROSHI_KEYS", raising=False)
    return tmp_path / "lake"


def test_made_beside_the_lake_for_its_owner_only(lake: Path) -> None:
    with pytest.raises(LakeError, match="no keys yet"):
        keys.load(lake, make=False)
    made = keys.load(lake)
    assert made.path == lake.with_name("lake.keys")
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert keys.load(lake) == made
    assert made.newest.secret.hex() not in repr(made)
    assert list(lake.parent.iterdir()) == [made.path]


def test_named_by_the_environment(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOROSHI_KEYS", str(tmp_path / "elsewhere" / "k"))
    assert keys.load(lake).path == tmp_path / "elsewhere" / "k"


def test_purposes_do_not_tell_of_each_other(lake: Path) -> None:
    made = keys.load(lake)
    derived = {made.derive(p) for p in ("credentials", "anonymise:public", "anonymise:own")}
    assert len(derived) == 3
    assert all(len(d) == 32 for d in derived)
    assert made.newest.secret not in derived


def test_hkdf_is_that_of_the_rfc() -> None:
    """RFC 5869, with an empty salt and info `noroshi x`."""
    key = keys.Key("", "", b"\x0b" * 32)
    prk = hmac.new(bytes(32), key.secret, hashlib.sha256).digest()
    assert key.derive("x") == hmac.new(prk, b"noroshi x\x01", hashlib.sha256).digest()


def test_credentials(lake: Path) -> None:
    made = keys.load(lake)
    token = made.credential("root", "1234")
    assert canonical("credential", token) == token
    others = {made.credential(u, p) for u, p in (("root1", "234"), ("", "root1234"), ("root", "12345"))}
    assert token not in others
    assert len(others) == 3
    assert made.credential("a\ud800", "\udfff")  # what a hostile log may hold
    newer = keys.rotate(lake)
    assert newer.credential("root", "1234") != token
    assert newer.credentials("root", "1234") == [newer.credential("root", "1234"), token]


def test_two_that_make_keys_at_once_use_the_same(lake: Path) -> None:
    found: list[keys.Keys] = []
    start = threading.Barrier(6)

    def make() -> None:
        start.wait()
        found.append(keys.load(lake))

    threads = [threading.Thread(target=make) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len({k.newest.secret for k in found}) == 1
    assert len(found) == 6


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"version": 1, "keys": []}',
        '{"version": 1, "keys": [{"made": "x", "secret": "00"}]}',
        "\0",
    ],
)
def test_what_is_no_file_of_keys(lake: Path, text: str) -> None:
    path = keys.place(lake)
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(LakeError, match="no file of keys"):
        keys.load(lake)


def test_others_may_not_read_them(lake: Path) -> None:
    path = keys.load(lake).path
    path.chmod(0o644)
    with pytest.raises(LakeError, match="chmod 600"):
        keys.load(lake)
    path.write_text(json.dumps({"version": 2, "keys": []}))
    path.chmod(0o600)
    with pytest.raises(LakeError, match="newer version"):
        keys.load(lake)
