"""Where compiled code is kept."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from noroshi.wire import jit


@pytest.fixture(autouse=True)
def _no_cache_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME", "NOROSHI_LAKE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_the_first_usable_place_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    monkeypatch.setenv("NOROSHI_LAKE", str(tmp_path / "lake"))
    assert jit._choose()
    assert Path(os.environ["NUMBA_CACHE_DIR"]).is_relative_to(tmp_path / "lake" / ".cache")


def test_a_folder_named_by_the_user_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert jit._choose()
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path)


def test_without_any_place_code_is_compiled_in_memory() -> None:
    assert not jit._choose()
    assert "NUMBA_CACHE_DIR" not in os.environ


def test_what_old_versions_compiled_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, recent = (tmp_path / "noroshi" / name for name in ("numba-old", "numba-recent"))
    for folder in (old, recent):
        folder.mkdir(parents=True)
    month_ago = time.time() - 40 * 86_400
    os.utime(old, (month_ago, month_ago))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert jit._choose()
    assert (old.exists(), recent.exists()) == (False, True)
