"""A process killed with SIGKILL never leaves a half-visible run, and what it left is swept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from noroshi.lake.handle import Lake
from tests.lake.support import count, flows, links, some, store

ROOT = Path(__file__).parents[2]

CLOSING = 6
"""Commits of a run of flows: runs (open), flows, hourly, daily, links, runs (closed)."""

# Dies by its own hand at the n-th commit, before it or just after it; what the kernel does is the same.
CHILD = """
import os, signal, sys
from noroshi.lake import writer as writing
from noroshi.lake.delta import Store
from noroshi.lake.handle import Lake
from tests.lake.support import flows, links, some, store

path, what, way, at, when = sys.argv[1:]
if way == "streamed":
    writing.SMALL_RUN_BYTES = 0
real, calls = Store.commit, 0

def commit(self, *args, **more):
    global calls
    calls += 1
    if calls == int(at) and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, *args, **more)
    if calls == int(at) and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)

Store.commit = commit
lake = Lake.open(path)
if what == "store":
    store(lake, "new", flows(some(40, days=2)), links(("192.0.2.9", 1)))
elif what == "replace":
    store(lake, "old", flows(some(40, days=2)), links(("192.0.2.9", 1)), version=2)
elif what == "forget":
    lake.forget(lake.snapshot().runs()[0].run_id)
else:
    lake.compact()
print("alive")
"""


def child(lake: Lake, what: str, way: str, at: int, when: str) -> bool:
    """Runs the child; True when it was killed, False when it came to its end."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(lake.path), what, way, str(at), when],
        env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        assert done.stdout.strip() == "alive"
        return False
    assert done.returncode == -signal.SIGKILL, done.stderr
    return True


def state(lake: Lake) -> tuple[int, int, int]:
    """(flows, links, runs) as a fresh reader sees them."""
    shot = Lake.open(lake.path).snapshot()
    assert shot.count("flows") == count(shot)
    return count(shot), count(shot, "links"), len(shot.runs())


def check_swept(lake: Lake) -> None:
    """After a sweep nothing of a dead writer is left, on disk or in the tables."""
    lake.verify()
    assert lake.verify() == []
    live = {p for name in ("flows", "links") for p in Lake.open(lake.path).snapshot().files(name)}
    fresh = {str(p) for name in ("flows", "links") for p in (lake.path / name).glob("**/f-*.parquet")}
    named = {str(s.root / f.path) for s in lake.stores.values() for f in s.files()}
    assert fresh & named == live & fresh


@pytest.mark.parametrize("way", ["gathered", "streamed"])
@pytest.mark.parametrize(
    ("at", "when"),
    [(1, "after"), (2, "before"), (CLOSING, "before"), *[(at, "after") for at in range(2, CLOSING + 1)]],
)
def test_storing(lake: Lake, way: str, at: int, when: str) -> None:
    store(lake, "old", flows(some(10)), links(("192.0.2.1", 1)))
    assert child(lake, "store", way, at, when)
    closed = (at, when) == (CLOSING, "after")
    want = (50, 2, 2) if closed else (10, 1, 1)
    assert state(lake) == want
    lake.sweep()
    assert state(lake) == want
    check_swept(lake)
    # Reading it again gives the whole, once.
    assert store(lake, "new", flows(some(40, days=2)), links(("192.0.2.9", 1))).known == closed
    assert state(lake) == (50, 2, 2)


@pytest.mark.parametrize("at", [3, 4, 5, *range(CLOSING, CLOSING + 6)])
def test_replacing(lake: Lake, at: int) -> None:
    store(lake, "old", flows(some(10)), links(("192.0.2.1", 1), ("192.0.2.2", 1)))
    # After the closing: flows, hourly, daily, links of the old run go, then its last row is written.
    assert child(lake, "replace", "gathered", at, "after")
    assert state(lake) == ((10, 2, 1) if at < CLOSING else (40, 1, 1))
    check_swept(lake)
    assert state(lake) == ((10, 2, 1) if at < CLOSING else (40, 1, 1))


@pytest.mark.parametrize("at", [1, 2, 3])
def test_forgetting(lake: Lake, at: int) -> None:
    store(lake, "a", flows(some(10)), links(("192.0.2.1", 1)))
    store(lake, "b", flows(some(20)), links(("192.0.2.1", 1)))
    lake.compact()
    assert child(lake, "forget", "gathered", at, "after")
    assert state(lake) == (20, 1, 1)
    check_swept(lake)
    assert state(lake) == (20, 1, 1)
    assert not store(lake, "a", flows(some(10))).known


@pytest.mark.parametrize(("at", "when"), [(1, "before"), (1, "after"), (2, "after")])
def test_compacting(lake: Lake, at: int, when: str) -> None:
    for i in range(3):
        store(lake, f"d{i}", flows(some(10, days=2)), links(("192.0.2.1", 1)))
    assert child(lake, "compact", "gathered", at, when)
    assert state(lake) == (30, 3, 3)
    check_swept(lake)
    lake.compact()
    assert state(lake) == (30, 3, 3)


def test_open_run_of_a_living_process_is_left_alone(lake: Lake) -> None:
    from noroshi.lake import writer as writing
    from noroshi.model.sensor import Batch
    from noroshi.model.tlp import Tlp

    with lake.writer() as writer:
        run = writer.begin(path="a", format="pcap", parser_version=1, tlp=Tlp.GREEN)
        for _ in range(2):
            run.bytes = writing.SMALL_RUN_BYTES
            run.write(Batch("flows", flows(some(10))))
        assert run.streaming
        assert Lake.open(lake.path).sweep() == []
        assert Lake.open(lake.path).verify() == []
        run.finish(sha256="a", size=1)
    assert state(lake) == (20, 0, 1)
