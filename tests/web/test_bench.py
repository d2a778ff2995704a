"""Long work: bounded, its owner's alone, gone after an hour."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from noroshi.model.errors import UsageError
from noroshi.share.marking import RECIPIENTS
from noroshi.web import bench
from noroshi.web.bench import Bench, Work
from noroshi.web.errors import NotFound, TooMany
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
    made = Bench(lambda: now[0])
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

    made = Bench()
    known = over(made.begin(ANA, "export", fails(UsageError("no", where="/etc/x", todo="do"))))
    assert (known.state, known.problem) == ("failed", {"what": "no", "where": "", "todo": "do"})
    fault = over(made.begin(ANA, "export", fails(ValueError("secret"))))
    assert fault.state == "failed"
    assert "secret" not in str(fault.problem)
    assert over(made.begin(ANA, "export", written)).state == "done", "the threads go on"
    made.close()


def test_it_is_bounded() -> None:
    go, made = threading.Event(), Bench()
    works = [made.begin(ANA, "export", lambda w, f: go.wait(20) and None) for _ in range(bench.WAITING)]
    with pytest.raises(TooMany):
        made.begin(ANA, "export", written)
    made.begin(BEN, "export", written)
    assert sum(w.state == bench.RUN for w in works) <= bench.THREADS
    go.set()
    for work in works:
        over(work)
    made.close()


def test_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "KEPT", 3)
    made = Bench()
    works = [over(made.begin(ANA, "export", written)) for _ in range(6)]
    assert made.all(ANA) == works[:2:-1]
    made.close()
    assert made.all(ANA) == []
    assert not any(f.exists() for w in works for f in w.files)
