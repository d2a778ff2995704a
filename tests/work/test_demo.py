"""The demo's folder is its own; the whole way is in tests/cli/test_demo.py."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from noroshi.model.errors import UsageError
from noroshi.work.demo import MARK, captures, evidence, remake, samples_folder


def test_a_new_folder_is_made(tmp_path: Path) -> None:
    remake(tmp_path / "a" / "demo")
    assert (tmp_path / "a" / "demo" / MARK).is_file()


def test_a_former_demo_is_made_again(tmp_path: Path) -> None:
    remake(tmp_path / "demo")
    (tmp_path / "demo" / "old").write_text("x")
    remake(tmp_path / "demo")
    assert [p.name for p in (tmp_path / "demo").iterdir()] == [MARK]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    remake(tmp_path / "demo")
    assert (tmp_path / "demo" / MARK).is_file()


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_anything_else_is_left_alone(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "thesis"
    if kind == "file":
        target.write_text("x")
    else:
        target.mkdir()
        (target / "chapter1").write_text("x")
    if kind == "link":
        remake(tmp_path / "demo")
        target = tmp_path / "link"
        target.symlink_to(tmp_path / "demo")
    before = sorted(p.name for p in tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="noroshi demo DIR"):
        remake(target)
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_samples_are_found_and_are_captures() -> None:
    files = captures(samples_folder())
    assert files
    assert all(".pcap" in f.name and "truth" not in f.name for f in files)


def test_what_ships_of_other_kinds_is_small_and_described() -> None:
    files = evidence(samples_folder())
    told = (files[0].parent / "SOURCE.md").read_text("utf-8")
    assert len(files) >= 6
    assert sum(f.stat().st_size for f in files) < 200_000
    for file in files:
        assert f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}" in told
