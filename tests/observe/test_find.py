"""Finding sources: everything in a folder, in order, and nothing in silence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from noroshi.observe.find import find


def names(found: object, root: Path) -> list[tuple[str, str]]:
    return [(os.path.relpath(f.path, root), f.reason) for f in found]  # type: ignore[attr-defined]


def test_walks_in_a_fixed_order(tmp_path: Path) -> None:
    for name in ("b/2", "b/10", "a", ".hidden", "c/d/e"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    order = [".hidden", "a", "b/10", "b/2", "c/d/e"]
    assert names(find([tmp_path]), tmp_path) == [(n, "") for n in order]


def test_keeps_the_order_given_and_standard_input(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    found = list(find([tmp_path / "b", "-", tmp_path / "a", tmp_path / "b"]))
    assert [os.path.basename(f.path) for f in found] == ["b", "-", "a", "b"]


def test_tells_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "self").symlink_to("self")
    found = {os.path.basename(f.path): f for f in find([tmp_path, tmp_path / "gone"])}
    assert {n: f.reason for n, f in found.items()} == {
        "fifo": "not-a-file", "dangling": "broken-link", "self": "broken-link", "gone": "vanished"
    }  # fmt: skip
    assert all(f.problem for f in found.values())


def test_ends_in_a_folder_that_contains_itself(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/back").symlink_to(tmp_path)
    (tmp_path / "a/b/file").write_text("x")
    (tmp_path / "a/twin").symlink_to("b")  # no loop, and read by its own name
    got = names(find([tmp_path]), tmp_path)
    assert got == [("a/b/back", "folder-loop"), ("a/b/file", "")]


def test_finds_a_linked_file_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").symlink_to("a")
    os.link(tmp_path / "a", tmp_path / "c")
    assert names(find([tmp_path]), tmp_path) == [("a", "")]


def test_leaves_out_the_lake(tmp_path: Path) -> None:
    (tmp_path / "lake/flows").mkdir(parents=True)
    (tmp_path / "lake/flows/x.parquet").write_text("x")
    (tmp_path / "a").write_text("x")
    assert names(find([tmp_path], exclude=[tmp_path / "lake", tmp_path / "absent"]), tmp_path) == [("a", "")]


def test_a_deep_tree_does_not_exhaust_the_stack(tmp_path: Path) -> None:
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        for _ in range(1_050):
            os.mkdir("d")
            os.chdir("d")
        # Beyond PATH_MAX the system refuses, which is told.
        found = list(find([tmp_path]))
        assert [f.reason for f in found] in ([], ["unreadable"])
    finally:  # pytest's own clearing up is recursive
        while os.getcwd() != str(tmp_path):
            os.chdir("..")
            os.rmdir("d")
        os.chdir(here)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_tells_what_is_forbidden(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0)
    try:
        assert names(find([tmp_path]), tmp_path) == [("shut", "permission")]
    finally:
        (tmp_path / "shut").chmod(0o700)


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n")).write_text("x")
    (found,) = find([tmp_path])
    assert found.name.endswith("/\\xff\\n")
