"""`noroshi serve` as a process: it starts, answers, does jobs, ends when told to, and loses nothing when killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.support import noroshi

SAMPLES = Path(__file__).parents[2] / "samples"
WAIT_S = 60.0
"""Until a busy machine has started a process; nothing is measured by it."""


@contextlib.contextmanager
def serving(
    lake: Path, *args: str, end: int | None = signal.SIGTERM, env: dict[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The process, and what it printed first."""
    command = [
        sys.executable,
        "-m",
        "noroshi.cli.main",
        "--lake",
        str(lake),
        "serve",
        "--port",
        "0",
        "--json",
        *args,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=None if env is None else os.environ | env) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
            if end is not None:
                process.send_signal(end)
                process.wait(WAIT_S)
        finally:
            if process.poll() is None:
                process.kill()


def _until(true: Any, what: str) -> None:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        with contextlib.suppress(httpx.HTTPError):
            if true():
                return
        time.sleep(0.05)
    raise AssertionError(what)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_and_ends_when_told_to(tmp_path: Path, end: int) -> None:
    with serving(tmp_path / "lake", "--open", end=end) as (process, told):
        assert told["setup"] is None
        assert httpx.get(told["url"] + "/api/v1/me").json()["by"] == "open"
        assert httpx.get(told["url"] + "/lake", headers={"accept": "text/html"}).status_code == 200
        with httpx.stream("GET", told["url"] + "/api/v1/events", timeout=WAIT_S) as events:
            assert next(events.iter_lines())
            process.send_signal(end)
            process.wait(WAIT_S)
    assert process.returncode == 0


def test_told_to_stop_while_long_work_is_done(tmp_path: Path) -> None:
    """Exports and reports read the lake in threads: none of them may be there when the interpreter goes away."""
    from tests.web import site

    lake, temporary = tmp_path / "lake", tmp_path / "tmp"
    temporary.mkdir()
    site.build(lake)
    for _ in range(3):
        with serving(lake, "--open", end=None, env={"TMPDIR": str(temporary)}) as (process, told):
            with httpx.Client(base_url=told["url"], timeout=WAIT_S, headers={"x-api-key": "any"}) as client:
                for _ in range(2):
                    for path, asked in (("exports", {"recipient": "own", "format": "stix"}),
                                        ("reports", {"period": "2024"})):  # fmt: skip
                        assert client.post(f"/api/v1/{path}", json=asked).status_code == 202
                _until(
                    lambda c=client: any(w["state"] == "running" for w in c.get("/api/v1/works").json()),
                    "nothing was begun",
                )
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=WAIT_S)
        assert process.returncode == 0, said
        assert not said, said
        assert not list(temporary.glob("noroshi-work-*")), "files were left behind"
    assert noroshi("--lake", lake, "lake", "verify").code == 0


STUCK = """
import os, signal, sys, threading
from noroshi.cli.main import main
from noroshi.share.marking import RECIPIENTS
from noroshi.web import longwork, serve
from noroshi.web.viewer import Viewer

longwork.LongWork.close.__defaults__ = (0.3,)
run = serve.run

def stuck(*args, ready, **more):
    def begin(address, tower):
        ready(address, tower)
        begun = threading.Event()
        def do(work, folder):
            begun.set()
            while True:
                try:
                    threading.Event().wait()
                except BaseException:
                    pass
        tower.longwork.begin(Viewer("ana", "admin", RECIPIENTS["own"]), "export", do, own=True)
        begun.wait(30)
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    return run(*args, ready=begin, **more)

serve.run = stuck
sys.exit(main())
"""


def test_what_does_not_end_does_not_keep_the_server(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", STUCK, "--lake", str(tmp_path / "lake"), "serve", "--open", "--port", "0"],
        capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "was left" in ran.stderr


def test_the_first_admin_by_the_address_it_prints(tmp_path: Path) -> None:
    with serving(tmp_path / "lake") as (_, told):
        assert httpx.get(told["url"] + "/api/v1/me").status_code == 401
        assert httpx.get(told["setup"], headers={"accept": "text/html"}).status_code == 200
    added = noroshi("--lake", tmp_path / "lake", "user", "add", "ana", "--role", "admin", "--password-stdin",
                    stdin=b"correct horse battery\n")  # fmt: skip
    assert added.code == 0
    key = noroshi("--lake", tmp_path / "lake", "user", "key", "ana", "--json").json["key"]
    with serving(tmp_path / "lake") as (_, told):
        assert told["setup"] is None
        assert httpx.get(told["url"] + "/api/v1/me", headers={"x-api-key": key}).json()["role"] == "admin"


def test_open_is_for_this_machine_only(tmp_path: Path) -> None:
    ran = noroshi("--lake", tmp_path / "lake", "serve", "--open", "--host", "0.0.0.0")
    assert ran.code == 2
    assert "without a password" in ran.err
    assert noroshi("--lake", tmp_path / "lake", "serve", "--tls-cert", __file__).code == 2


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = noroshi("--lake", tmp_path / "lake", "serve", "--open", "--port", taken.getsockname()[1])
    assert ran.code == 2
    assert "--port" in ran.err


def _config(lake: Path, inbox: Path) -> None:
    lake.mkdir(parents=True, exist_ok=True)
    (lake / "noroshi.toml").write_text(f'[[job]]\ndo = "poll"\npath = "{inbox}"\nevery = "1s"\n')


def test_jobs_beside_pages(tmp_path: Path) -> None:
    inbox, lake = tmp_path / "inbox", tmp_path / "lake"
    inbox.mkdir()
    _config(lake, inbox)
    with serving(lake, "--open", "--jobs") as (process, told):
        (inbox / "cowrie.json").write_bytes((SAMPLES / "mixed" / "cowrie.json").read_bytes())
        _until(lambda: httpx.get(told["url"] + "/api/v1/runs").json()["total"] == 1, "the file was not read")
        assert "poll" in httpx.get(told["url"] + "/lake", headers={"accept": "text/html"}).text
    assert process.returncode == 0


@pytest.mark.heavy
def test_killed_while_it_writes_and_started_again(tmp_path: Path) -> None:
    """Whatever a killed server had told is still there; what it was writing is read again, once."""
    inbox, lake = tmp_path / "inbox", tmp_path / "lake"
    inbox.mkdir()
    _config(lake, inbox)
    line = (SAMPLES / "mixed" / "cowrie.json").read_text().splitlines()
    told_runs: set[str] = set()
    wanted = 6
    for turn in range(3):
        with serving(lake, "--open", "--jobs", end=None) as (process, told):
            for i in range(2):
                # Each a file of its own content, so that each is a run of its own.
                (inbox / f"cowrie-{turn}-{i}.json").write_text("\n".join(line[: 20 + 2 * turn + i]) + "\n")

            def some(url: str = told["url"]) -> bool:
                told_runs.update(r["run_id"] for r in httpx.get(url + "/api/v1/runs").json()["items"])
                return len(told_runs) > 2 * turn  # noqa: B023 - called in this turn only

            _until(some, "nothing was read")
            os.kill(process.pid, signal.SIGKILL)  # the second file is being read, or about to be
            process.wait(WAIT_S)
    with serving(lake, "--open", "--jobs") as (process, told):
        _until(
            lambda: httpx.get(told["url"] + "/api/v1/runs").json()["total"] == wanted,
            "not all was read in the end",
        )
        runs = httpx.get(told["url"] + "/api/v1/runs").json()["items"]
        assert told_runs <= {r["run_id"] for r in runs}, "a run that was told has gone"
        assert len({r["path"] for r in runs}) == wanted, "a file was stored twice"
    assert noroshi("--lake", lake, "lake", "verify").code == 0
