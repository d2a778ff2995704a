"""Writers, a caretaker and readers in processes of their own: no row is lost, doubled or half visible."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

from noroshi.lake.handle import Lake
from tests.lake.killing import OPERATIONS
from tests.lake.test_kills import visible

RUNS = 8
"""Runs of each writer."""
LONGEST_S = 240.0


def _write(path: Path, first: int) -> None:
    for number in range(first, first + RUNS):
        OPERATIONS["store"](Lake.open(path), number, number % 2 == 0)


def _care(path: Path, done: Event) -> None:
    lake = Lake.open(path)
    while not done.is_set():
        lake.compact()
        lake.vacuum(1)


def _read(path: Path, done: Event) -> None:
    """Ends with an error when a run is seen in part, or what was seen once is gone; an old look stays as it was."""
    old = Lake.open(path).snapshot()
    before = old.count("connections"), len(old.sql("SELECT * FROM connections"))
    seen: set[tuple[int, bool]] = set()
    while not done.is_set():
        now = visible(path)
        assert seen <= now
        seen = now
    assert (old.count("connections"), len(old.sql("SELECT * FROM connections"))) == before


def test_two_writers_a_caretaker_and_two_readers(tmp_path: Path) -> None:
    path = tmp_path / "lake"
    OPERATIONS["store"](Lake.open(path), 1, False)
    context = multiprocessing.get_context("spawn")
    done = context.Event()
    writers: list[BaseProcess] = [context.Process(target=_write, args=(path, first)) for first in (100, 200)]
    others: list[BaseProcess] = [context.Process(target=_care, args=(path, done))]
    others += [context.Process(target=_read, args=(path, done)) for _ in range(2)]
    for process in (*writers, *others):
        process.start()
    try:
        end = time.monotonic() + LONGEST_S
        for process in writers:
            process.join(max(0.1, end - time.monotonic()))
        done.set()
        for process in others:
            process.join(max(0.1, end - time.monotonic()))
        assert [p.exitcode for p in (*writers, *others)] == [0] * 5
    finally:
        for process in (*writers, *others):
            if process.is_alive():
                process.kill()
    stored = {1, *range(100, 100 + RUNS), *range(200, 200 + RUNS)}
    assert {number for number, *_ in visible(path)} == stored
    assert Lake.open(path).verify() == []
