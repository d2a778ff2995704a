"""Several writers, readers and caretakers at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from noroshi.lake import swap
from noroshi.lake.compact import _inputs, _sorted
from noroshi.lake.delta import SWAP, Store
from noroshi.lake.errors import Conflict
from noroshi.lake.handle import Lake
from tests.lake.support import content, count, flows, links, put, some, store


def at_once(*works: Callable[[], object]) -> list[object]:
    with ThreadPoolExecutor(len(works)) as pool:
        return [f.result() for f in [pool.submit(w) for w in works]]


def test_writers_lose_nothing(lake: Lake) -> None:
    def write(number: int) -> None:
        own = Lake.open(lake.path)
        for i in range(4):
            store(own, f"{number}.{i}", flows(some(10)), links(("192.0.2.1", 1)))

    at_once(*[lambda n=n: write(n) for n in range(3)])
    shot = lake.snapshot()
    assert count(shot) == 120
    assert count(shot, "links") == 12
    assert len(shot.runs()) == 12
    assert lake.verify() == []


def test_racing_writers_of_the_same_bytes_store_them_once(lake: Lake) -> None:
    barrier = threading.Barrier(3)

    def write() -> None:
        with Lake.open(lake.path).writer() as writer:
            put(writer, "same", flows(some(10)), links(("192.0.2.1", 1)))
            barrier.wait()  # all have found the bytes unknown; now all commit

    at_once(write, write, write)
    shot = lake.snapshot()
    assert count(shot) == 10
    assert count(shot, "links") == 1
    assert len(shot.runs()) == 1
    assert lake.verify() == []
    # What the losers had committed has been taken out again, not only hidden.
    assert sum(f.rows for f in lake.stores["flows"].files()) == 10


def test_append_during_compaction(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    store(lake, "a", flows(some(10)))
    store(lake, "b", flows(some(10)))
    before = content(lake.snapshot())
    during(monkeypatch, lambda: store(Lake.open(lake.path), "c", flows(some(7))))
    lake.compact("flows")
    shot = lake.snapshot()
    assert count(shot) == 27
    assert content(shot) >= before
    assert lake.verify() == []


def test_two_compactions_of_one_partition(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        store(lake, f"d{i}", flows(some(10)))
    before = content(lake.snapshot())
    during(monkeypatch, lambda: Lake.open(lake.path).compact("flows"))
    lake.compact("flows")
    assert content(lake.snapshot()) == before
    assert len(lake.snapshot().files("flows")) == 1
    assert lake.verify() == []


def test_stale_compaction_is_refused(lake: Lake) -> None:
    for i in range(3):
        store(lake, f"d{i}", flows(some(10)))
    mine, other = Lake.open(lake.path), Lake.open(lake.path)
    held = mine.stores["flows"]
    mutex = held.mutex(SWAP)
    inputs = _inputs(held.files(), full=True)
    written = _sorted(mine, held, inputs[0].day, inputs)
    other.compact("flows")
    with pytest.raises(Conflict):
        held.commit(written, inputs, mutex=mutex, data_change=False)
    held.files()  # a shared handle that has moved on must not hide the conflict
    with pytest.raises(Conflict):
        held.commit(written, inputs, mutex=mutex, data_change=False)
    assert count(lake.snapshot()) == 30


def test_forget_during_compaction(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    a = store(lake, "a", flows(some(10)))
    store(lake, "b", flows(some(20)))
    during(monkeypatch, lambda: Lake.open(lake.path).forget(a.run_id))
    lake.compact("flows")
    assert count(lake.snapshot()) == 20
    assert sum(f.rows for f in lake.stores["flows"].files()) == 20
    assert lake.verify() == []


def test_compaction_during_forget(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    a = store(lake, "a", flows(some(10)))
    store(lake, "b", flows(some(20)))
    lake.compact()
    store(lake, "c", flows(some(5)))
    real = swap.changed

    def changed(*args: object, **more: object) -> object:
        monkeypatch.setattr(swap, "changed", real)
        out = real(*args, **more)  # type: ignore[arg-type]
        Lake.open(lake.path).compact("flows")
        return out

    monkeypatch.setattr(swap, "changed", changed)
    lake.forget(a.run_id)
    assert count(lake.snapshot()) == 25
    assert sum(f.rows for f in lake.stores["flows"].files()) == 25
    assert lake.verify() == []


def test_rewrite_during_compaction(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    store(lake, "a", flows(some(10)))
    store(lake, "b", flows(some(20)))
    from tests.lake.test_retag import retag

    during(monkeypatch, lambda: Lake.open(lake.path).rewrite("flows", "rules_version < 2", retag))
    lake.compact("flows")
    assert count(lake.snapshot(), "flows WHERE rules_version = 2") == 30
    assert count(lake.snapshot()) == 30


def test_readers_meanwhile_see_whole_runs(lake: Lake) -> None:
    stop = threading.Event()
    seen: list[tuple[int, int]] = []

    def read() -> None:
        own = Lake.open(lake.path)
        while not stop.is_set():
            shot = own.snapshot()
            seen.append((count(shot), count(shot, "links")))

    def write() -> None:
        try:
            own = Lake.open(lake.path)
            for i in range(6):
                store(own, f"d{i}", flows(some(10)), links(("192.0.2.1", 1)))
                own.compact()
        finally:
            stop.set()

    at_once(read, write)
    assert all(rows == 10 * runs for rows, runs in seen)
    assert seen == sorted(seen)


def during(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> None:
    """Does `work` once, when a compaction has written its files and is about to commit them."""
    real = Store.commit

    def commit(self: Store, *args: object, **more: object) -> None:
        if getattr(more.get("mutex"), "name", "") == SWAP:
            monkeypatch.setattr(Store, "commit", real)
            work()
        real(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "commit", commit)


def test_threads_share_a_snapshot(lake: Lake) -> None:
    store(lake, "a", flows(some(1000)))
    shot = lake.snapshot()
    works = [lambda: count(shot), lambda: shot.rows("flows", "src_port", 40000).num_rows]
    assert set(at_once(*works * 4)) == {1000}


def test_folder_of_the_lake_may_have_odd_names(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "x=1" / "it's a lake, 100% 狼煙")
    store(lake, "a", flows(some(10, days=2)))
    lake.compact()
    store(lake, "b", flows(some(10, days=2)))
    shot = lake.snapshot()
    assert count(shot) == 20
    assert len(shot.days("flows")) == 2
