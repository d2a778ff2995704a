"""Care of a lake on a disk that is really full: told, nothing lost, and done when there is space again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from noroshi.cli.main import main
from noroshi.lake import heads
from noroshi.lake.handle import Lake
from noroshi.model.errors import LakeError
from tests.lake.support import content, flows, links, some, store
from tests.support.memory import DAY

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
TABLES = ("flows", "links")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=False
    ).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.fixture
def lake(disk: Path) -> Lake:
    lake = Lake.open(disk / "lake")
    for n in range(6):
        many = links(*[(f"192.0.{n}.{i}", i + 1) for i in range(100)])
        store(lake, f"run {n}", flows(some(200, days=4, src=f"10.0.{n}.")), many)
    return lake


@contextmanager
def full(disk: Path, spare: int) -> Iterator[None]:
    """The disk filled but for `spare` bytes."""
    filler = disk / "filler"
    left = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler.write_bytes(b"\0" * max(0, left - spare))
    try:
        yield
    finally:
        filler.unlink()


def told(lake: Lake) -> dict[str, object]:
    shot = Lake.open(lake.path).snapshot()
    return {t: content(shot, t) for t in TABLES}


def whole(lake: Lake) -> None:
    """Nothing is damaged; what an unfinished attempt left behind may be told."""
    again = Lake.open(lake.path)
    again.verify()
    assert [p for p in again.verify() if "unfinished" not in p.what] == []


@pytest.mark.parametrize("spare", [0, 4096, 16_384])
def test_compaction(lake: Lake, disk: Path, spare: int) -> None:
    before = told(lake)
    with full(disk, spare):
        with pytest.raises(LakeError, match="disk is full") as e:
            Lake.open(lake.path).compact()
        assert "Free some space" in e.value.todo
        assert told(lake) == before, "readers go on while it is full"
    whole(lake)
    assert Lake.open(lake.path).compact()
    assert told(lake) == before
    whole(lake)


@pytest.mark.parametrize("spare", [0, 4096])
def test_retention(lake: Lake, disk: Path, spare: int) -> None:
    """All of the days before or none: never some of them, also where it stopped half-way."""
    first = DAY + timedelta(days=2)
    before = told(lake)
    plan = lake.retain({"flows": first}, dry_run=True)
    assert plan.rows["flows"] > 0
    with full(disk, spare):
        with pytest.raises(LakeError, match="disk is full"):
            Lake.open(lake.path).retain({"flows": first})
        during = sum(content(Lake.open(lake.path).snapshot()).values())
        assert during in (1200, 1200 - plan.rows["flows"])
    whole(lake)
    Lake.open(lake.path).retain({"flows": first})
    shot = Lake.open(lake.path).snapshot()
    assert min(shot.days("flows")) == first
    assert sum(content(shot).values()) == 1200 - plan.rows["flows"]
    assert told(lake) != before
    whole(lake)


def test_heads(lake: Lake, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads hold nothing that links do not: without them answers are the same, and they are made again."""
    monkeypatch.setattr(heads, "LEAST_ROWS", 1)
    lake.compact()
    before = told(lake)
    found = lake.snapshot().sql("SELECT key FROM links ORDER BY key LIMIT 1").to_pylist()
    key = int(found[0]["key"])
    want = heads.Links(lake.snapshot()).common([key])
    for path in (lake.path / heads.FOLDER).glob("*"):
        path.unlink()
    with full(disk, 0):
        with pytest.raises(LakeError, match="disk is full"):
            Lake.open(lake.path).rebuild()
        assert not list((lake.path / heads.FOLDER).glob("*.npy")), "no half of one stays"
        assert heads.Links(Lake.open(lake.path).snapshot()).common([key]) == want
        assert told(lake) == before
    assert [p.what for p in Lake.open(lake.path).verify()] == ["1 sorted files have no heads"]
    Lake.open(lake.path).rebuild()
    assert list((lake.path / heads.FOLDER).glob("*.npy"))
    assert heads.Links(Lake.open(lake.path).snapshot()).common([key]) == want
    whole(lake)


def test_the_command_says_so_and_ends_with_3(
    lake: Lake, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with full(disk, 0):
        with pytest.raises(SystemExit) as e:
            main(["--lake", str(lake.path), "lake", "compact"])
        assert e.value.code == 3
    said = capsys.readouterr().err
    assert "disk is full" in said
    assert "Traceback" not in said
