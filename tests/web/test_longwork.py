"""Long work: bounded, its owner's alone, gone after an hour."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from noroshi.model.errors import LakeError, UsageError
from noroshi.share.marking import RECIPIENTS
from noroshi.web import longwork
from noroshi.web.errors import NotFound, TooMany
from noroshi.web.longwork import LongWork, Work
from noroshi.web.viewer import Viewer

ANA, BEN = (Viewer(n, "sharer", RECIPIENTS["own"]) for n in ("ana", "ben"))


def over(made: Work) -> Work:
    for _ in range(1000):
        if made.over:
            return made
        threading.Event().wait(0.01)
    pytest.fail("not over")


def written(work: Work, folder: Path) -> None:
    (folder / "a.txt").write_text("a")
    work.files, work.count = (folder / "a.txt",), 1


def test_what_it_makes_is_kept_for_an_hour() -> None:
    now = [datetime(2026, 11, 20, tzinfo=UTC)]
    made = LongWork(lambda: now[0])
    work = over(made.begin(ANA, "export", written))
    path = made.file(ANA, work.id, "a.txt")
    assert (work.state, path.read_text(), made.all(ANA)) == ("done", "a", [work])
    assert path.parent.parent.stat().st_mode & 0o077 == 0
    for name in ("../a.txt", "b.txt", ""):
        with pytest.raises(NotFound):
            made.file(ANA, work.id, name)
    for ask in (lambda: made.get(BEN, work.id), lambda: made.file(BEN, work.id, "a.txt")):
        with pytest.raises(NotFound):
            ask()
    now[0] += timedelta(minutes=61)
    assert made.all(ANA) == []
    assert not path.exists()


def test_what_fails_says_why() -> None:
    def fails(error: Exception) -> Any:
        def do(work: Work, folder: Path) -> None:
            raise error

        return do

    made = LongWork()
    known = over(made.begin(ANA, "export", fails(UsageError("no", where="/etc/x", todo="do"))))
    assert (known.state, known.problem) == ("failed", {"what": "no", "where": "", "todo": "do"})
    fault = over(made.begin(ANA, "export", fails(ValueError("secret"))))
    assert fault.state == "failed"
    assert "secret" not in str(fault.problem)
    assert over(made.begin(ANA, "export", written)).state == "done", "the threads go on"
    made.close()


def test_it_is_bounded() -> None:
    go, made = threading.Event(), LongWork()
    works = [made.begin(ANA, "export", until(go)) for _ in range(longwork.WAITING)]
    with pytest.raises(TooMany):
        made.begin(ANA, "export", written)
    made.begin(BEN, "export", written)
    assert sum(w.state == longwork.RUN for w in works) <= longwork.THREADS
    go.set()
    for work in works:
        over(work)
    made.close()


def test_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(longwork, "KEPT", 3)
    made = LongWork()
    works = [over(made.begin(ANA, "export", written)) for _ in range(6)]
    assert made.all(ANA) == works[:2:-1]
    made.close()
    assert made.all(ANA) == []
    assert not any(f.exists() for w in works for f in w.files)


def until(go: threading.Event) -> Any:
    """Work that waits."""

    def do(work: Work, folder: Path) -> None:
        go.wait(20)

    return do


def running(made: LongWork, do: Any, *, own: bool = False) -> Work:
    """Work that has begun."""
    work = made.begin(ANA, "export", do, own=own)
    for _ in range(1000):
        if work.state != longwork.WAIT:
            return work
        threading.Event().wait(0.01)
    pytest.fail("not begun")


def test_what_writes_its_own_files_is_left_where_it_stands() -> None:
    made, tidied = LongWork(), threading.Event()

    def endless(work: Work, folder: Path) -> None:
        (folder / "half").write_text("half")
        try:
            while True:
                sum(range(1000))
        except Exception:  # noqa: BLE001 - the way of such code; it must not keep the server
            pytest.fail("it was an ordinary error")
        finally:
            tidied.set()

    works = [running(made, endless, own=True) for _ in range(longwork.THREADS)]
    waiting = made.begin(ANA, "export", written)
    folder = made._folder
    assert folder is not None
    assert made.close(20)
    assert tidied.is_set()
    assert {w.state for w in works} == {"failed"}
    assert waiting.state == "waiting", "what is not begun is not begun any more"
    assert not folder.exists()
    with pytest.raises(LakeError, match="ending"):
        made.begin(ANA, "export", written)


def test_other_work_ends_between_two_steps() -> None:
    made = LongWork()
    steps: list[str] = []

    def sending(work: Work, folder: Path) -> None:
        for n in range(10**9):
            begun = len(steps)
            steps.append("begun")
            threading.Event().wait(0.001)
            steps[begun] = "done"
            work.step(n)

    work = running(made, sending)
    assert made.close(20)
    assert set(steps) == {"done"}, "never in the midst of one"
    assert work.state == "failed"


def test_what_does_not_end_is_told_of() -> None:
    made, go = LongWork(), threading.Event()
    running(made, until(go), own=True)
    assert not made.close(0.05)
    go.set()
    assert made.close(20)
