"""A watchtower for tests: a small real lake, made once, and servers on it."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from noroshi import config as configuration
from noroshi.config import Config
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.lake.state.users import User
from noroshi.web.app import make
from noroshi.web.options import Options
from noroshi.web.security.passwords import hashed

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
PASSWORD = "correct horse battery"


def build(folder: Path) -> Lake:
    """A lake of the bundled samples, analysed; copied from the last time when nothing it comes from has changed."""
    # The keys stand beside a lake; without them no credential is found again.
    kept = ROOT / ".cache" / "web-lakes" / f"{_made_from()}-keys"
    if not kept.is_dir():
        fresh = Path(tempfile.mkdtemp(dir=_empty(kept.parent)))
        _make(fresh / "lake")
        with contextlib.suppress(OSError):  # another process was first
            fresh.rename(kept)
    shutil.copytree(kept / "lake", folder)
    shutil.copy(kept / "lake.keys", folder.with_name(f"{folder.name}.keys"))
    return Lake.open(folder)


def _made_from() -> str:
    """A digest of the samples and of the code that reads and judges them."""
    digest = hashlib.sha256()
    source = ROOT / "src" / "noroshi"
    parts = [source / name for name in ("model", "wire", "lake", "observe", "analyse", "work")]
    for file in sorted(
        f for part in (SAMPLES, *parts) for f in part.rglob("*") if f.is_file() and f.suffix != ".pyc"
    ):
        digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _empty(folder: Path) -> Path:
    """The folder of kept lakes; those not used for a day go."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if time.time() - old.stat().st_mtime > 86_400:
            shutil.rmtree(old, ignore_errors=True)
    return folder


def _make(folder: Path) -> Lake:
    from noroshi.work.analyse import analyse
    from noroshi.work.demo import captures, evidence
    from noroshi.work.ingest import ingest

    lake = Lake.open(folder)
    config = config_of()
    ingest(lake, [*captures(SAMPLES), *evidence(SAMPLES)], config=config)
    analyse(lake, config=config)
    return lake


def config_of() -> Config:
    """The configuration of the samples."""
    return configuration.load(SAMPLES / "noroshi.toml")


def notifying(folder: Path) -> Config:
    """The same, with notices that go into `folder`/out."""
    file = folder / "noroshi.toml"
    more = f'\n[notify]\nto = "folder"\nfolder = "{folder / "out"}"\nsender = "n@cert.example"\nwindow_days = 365\n'
    file.write_text((SAMPLES / "noroshi.toml").read_text("utf-8") + more, "utf-8")
    return configuration.load(file)


def infected(folder: Path) -> Lake:
    """A lake with one infected host seen just now, that operators may know of."""
    from datetime import UTC, datetime, timedelta

    from noroshi.model.finding import Finding, Rule, Subject
    from noroshi.model.tlp import Tlp

    lake, at = Lake.open(folder), datetime.now(UTC) - timedelta(hours=2)
    lake.put_findings([Finding("infected-host", Subject("ip", "203.0.113.7"), Rule("infected-host", 1), at, at, 90,
                               {"en": "infected", "ja": "感染"}, {"ports": [23]}, tlp=Tlp.GREEN)])  # fmt: skip
    return lake


@contextlib.contextmanager
def client(lake: Lake, state: State, config: Config | None = None, **options: Any) -> Iterator[TestClient]:
    """A client of an application in process; `open` unless told otherwise."""
    chosen = replace(Options(open=True, rate=0), **options)
    app = make(lake, config or config_of(), state, chosen)
    base = f"{'https' if chosen.tls else 'http'}://127.0.0.1:8642"
    with TestClient(app, base_url=base, follow_redirects=False, client=("127.0.0.1", 50000)) as made:
        yield made


def add_user(state: State, name: str, role: str, recipient: str = "own") -> str:
    """A user with PASSWORD; an API key of theirs."""
    state.users.add(User(name, role, recipient, _hash()))
    return state.tokens.issue("user", name)[1]


_HASHES: list[str] = []


def _hash() -> str:
    if not _HASHES:
        _HASHES.append(hashed(PASSWORD))
    return _HASHES[0]


def token(client: TestClient, path: str = "/signin") -> str:
    """The CSRF token of a page."""
    found = re.search(
        r'<meta name="csrf" content="([0-9a-f]+)">', client.get(path, headers={"accept": "text/html"}).text
    )
    assert found, "the page carries no token"
    return found[1]


def sign_in(client: TestClient, name: str) -> None:
    """Signs in as a user added by add_user."""
    form = {"csrf": token(client), "name": name, "password": PASSWORD}
    assert client.post("/signin", data=form).status_code == 303


@contextlib.contextmanager
def served(lake: Lake, state: State, config: Config | None = None, **options: Any) -> Iterator[str]:
    """The address of a real server on a free loopback port, in a thread."""
    from noroshi.web.serve import bound, server

    chosen = replace(Options(open=True, rate=0, port=0), **options)
    app = make(lake, config or config_of(), state, chosen)
    sock = bound(chosen)
    running = server(app, chosen)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server did not stop"
