"""Forget, vacuum, verify, status, what was judged, and a full disk."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from noroshi.lake import writer as writing
from noroshi.lake.handle import Lake
from noroshi.lake.judged import basis
from noroshi.model.errors import LakeError, UsageError
from tests.lake.support import content, count, flows, links, some, store


@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize("now", [False, True])
def test_forget(lake: Lake, compacted: bool, now: bool) -> None:
    a = store(lake, "a", flows(some(10, days=3)), links(("192.0.2.1", 1)))
    store(lake, "b", flows(some(20, days=3, dport=9)), links(("192.0.2.1", 2)))
    if compacted:
        lake.compact()
    before = set(lake.path.glob("flows/**/*.parquet"))
    gone = lake.forget(a.run_id, now=now)
    assert gone.state == "forgotten"
    assert not gone.problem
    shot = lake.snapshot()
    assert count(shot) == 20
    assert count(shot, "links") == 1
    assert sum(f.rows for f in lake.stores["flows"].files()) == 20
    assert bool(before - set(lake.path.glob("flows/**/*.parquet"))) == now
    assert lake.verify() == []
    # It can be read in again.
    assert not store(lake, "a", flows(some(10, days=3))).known
    assert count(lake.snapshot()) == 30


def test_forget_names_the_run_by_its_beginning(lake: Lake) -> None:
    a = store(lake, "a", flows(some(10)))
    assert lake.forget(a.run_id[:8]).run_id == a.run_id
    assert lake.forget(a.run_id).state == "forgotten"  # again is no mistake
    with pytest.raises(UsageError, match="no run"):
        lake.forget("zz")
    with pytest.raises(UsageError):
        lake.forget("")


def test_vacuum_takes_only_old_unused_files(lake: Lake) -> None:
    for i in range(3):
        store(lake, f"d{i}", flows(some(10)))
    lake.compact()
    stray = lake.path / "flows" / "day=2024-04-01" / "f-stray-0.parquet"
    stray.write_bytes(b"x")
    assert lake.vacuum() == 0
    for path in lake.path.glob("*/**/*.parquet"):
        os.utime(path, (0, time.time() - 3 * 86_400))
    assert lake.vacuum() >= 1
    assert not stray.exists()
    assert count(Lake.open(lake.path).snapshot()) == 30
    with pytest.raises(UsageError):
        lake.vacuum(0)


def test_verify_finds_missing_and_damaged_files(lake: Lake) -> None:
    store(lake, "a", flows(some(10)))
    assert lake.verify() == []
    path = Path(lake.snapshot().files("flows")[0])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "bytes instead of" in lake.verify()[0].what
    path.write_bytes(b"\0" * len(data))
    assert "cannot be read" in lake.verify()[0].what
    path.unlink()
    (problem,) = lake.verify()
    assert problem.what == "a data file is missing"
    assert problem.where == str(path)
    assert problem.todo


def test_verify_counts_rows(lake: Lake) -> None:
    store(lake, "a", flows(some(10)))
    with lake.writer() as writer:
        run = writer.begin(path="p", format="pcap", parser_version=1, tlp=lake.snapshot().runs()[0].tlp)
        run.finish(sha256="", size=0)
    (problem,) = lake.verify()
    assert "no digest" in problem.what
    from noroshi.lake.swap import exchange

    store_ = lake.stores["flows"]
    exchange(lake.path, store_, list, lambda rows: rows.slice(1))
    assert any("holds 9 rows" in p.what and "stored 10" in p.what for p in lake.verify())


def test_status(lake: Lake) -> None:
    store(lake, "a", flows(some(10, days=2)), links(("192.0.2.1", 1)))
    by = {s.table: s for s in lake.status()}
    assert (by["flows"].rows, by["flows"].files, by["flows"].days, by["flows"].fresh_files) == (10, 2, 2, 2)
    assert by["flows"].bytes > 0
    assert by["findings"].files == 0
    assert by["runs"].rows == 1


def test_judged(lake: Lake) -> None:
    assert lake.judged() == {}
    key = ("scanner", "campus", date(2024, 4, 1))
    lake.mark_judged({key: basis(1, ["b", "a"])})
    lake.mark_judged({("other", "", date(2024, 4, 2)): "x"})
    assert Lake.open(lake.path).judged()[key] == basis(1, ["a", "b"]) != basis(2, ["a", "b"])
    assert basis(1, ["ab"]) != basis(1, ["a", "b"])
    assert basis(1, ["a"], "b") != basis(1, ["a", "b"])
    (lake.path / "judged.json").write_text("{broken")
    assert lake.judged() == {}


def test_runs_of_a_day(lake: Lake) -> None:
    a = store(lake, "a", flows(some(10, days=2)))
    b = store(lake, "b", flows(some(10)))
    store(lake, "c", links(("192.0.2.1", 1)))
    shot = lake.snapshot()
    assert shot.day_runs("flows") == {
        date(2024, 4, 1): frozenset({a.run_id, b.run_id}), date(2024, 4, 2): frozenset({a.run_id}),
    }  # fmt: skip
    lake.forget(a.run_id)
    assert lake.snapshot().day_runs("flows") == {date(2024, 4, 1): frozenset({b.run_id})}
    assert lake.snapshot().days("flows") == [date(2024, 4, 1)]


@pytest.mark.parametrize("way", ["gathered", "streamed"])
def test_full_disk_by_the_file_writer(lake: Lake, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    store(lake, "old", flows(some(10)))
    if way == "streamed":
        monkeypatch.setattr(writing, "SMALL_RUN_BYTES", 0)
    real = pq.ParquetWriter.write_table

    def full(self: Any, rows: Any, *args: Any, **more: Any) -> None:
        if "src_ip" in rows.column_names:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, rows, *args, **more)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(LakeError, match="disk is full") as e:
        store(lake, "new", flows(some(10)), flows(some(10)))
    assert e.value.where
    assert "Free some space" in e.value.todo
    assert count(lake.snapshot()) == 10
    monkeypatch.undo()
    assert lake.verify() == []
    assert not store(lake, "new", flows(some(10))).known


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_really_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        lake = Lake.open(disk / "lake")
        store(lake, "old", flows(some(10)))
        want = content(lake.snapshot())
        filler = disk / "filler"
        left = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        for spare in (0, 4096, 8192, 16_384, 32_768):
            filler.write_bytes(b"\0" * (left - spare))
            many = links(*[(f"192.0.2.{i}", i) for i in range(250)])
            with pytest.raises(LakeError, match="disk is full"):
                store(lake, "new", flows(some(4000, days=9)), many)
            filler.unlink()
            assert content(Lake.open(lake.path).snapshot()) == want
        Lake.open(lake.path).verify()
        assert [p for p in Lake.open(lake.path).verify() if "unfinished" not in p.what] == []
        assert not store(Lake.open(lake.path), "new", flows(some(20))).known
        assert count(Lake.open(lake.path).snapshot()) == 30
    finally:
        subprocess.run(["umount", str(disk)], check=False)
