"""Jobs: when they are due, done in their order, and never stopped by one that fails."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args, get_type_hints
from zoneinfo import ZoneInfo

import pytest

from noroshi.config import JobEntry, load
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.errors import ConfigError
from noroshi.work.jobs import Runner, due
from noroshi.work.tasks import TASKS

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
TOKYO = ZoneInfo("Asia/Tokyo")


def _config(folder: Path, text: str) -> Path:
    path = folder / "noroshi.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("entry", "last", "expected"),
    [
        (JobEntry("analyse", every="5m"), None, NOON),
        (JobEntry("analyse", every="5m"), NOON - timedelta(minutes=2), NOON + timedelta(minutes=3)),
        (JobEntry("analyse", every="5m"), NOON - timedelta(days=2), NOON - timedelta(days=2) + timedelta(minutes=5)),
        # 03:30 in Tokyo is 18:30 UTC of the day before.
        (JobEntry("report", at="03:30"), None, datetime(2024, 5, 1, 18, 30, tzinfo=UTC)),
        (JobEntry("report", at="03:30"), NOON - timedelta(hours=1), datetime(2024, 5, 1, 18, 30, tzinfo=UTC)),
        # Missed while the program was not running: done now.
        (JobEntry("report", at="03:30"), NOON - timedelta(days=2), datetime(2024, 4, 30, 18, 30, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_when_a_job_is_due(entry: JobEntry, last: datetime | None, expected: datetime) -> None:
    assert due(entry, last, NOON, TOKYO) == expected


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('[[job]]\ndo = "analyse"', "does not say when"),
        ('[[job]]\ndo = "analyse"\nevery = "5x"', "does not say when"),
        ('[[job]]\ndo = "analyse"\nevery = "5m"\nat = "03:30"', "does not say when"),
        ('[[job]]\ndo = "report"\nat = "25:00"\nout = "x"', "does not say when"),
        ('[[job]]\ndo = "poll"\nevery = "5m"', "lacks path"),
        ('[[job]]\ndo = "report"\nat = "03:30"', "lacks out"),
        ('[[job]]\ndo = "dance"\nevery = "5m"', "Invalid enum value"),
        ('[[job]]\ndo = "analyse"\nevery = "1m"\n[[job]]\ndo = "analyse"\nevery = "1h"', "two jobs"),
        ('[[deliver]]\nname = "m"\nto = "mail"', "lacks server"),
        ('[[deliver]]\nname = "m"\nto = "webhook"\nurl = "ftp://x"', "no web address"),
        ('[[deliver]]\nname = "m"\nto = "file"\npath = "x"\nkinds = ["love"]', "no kind of finding"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        load(_config(tmp_path, text))


def test_every_job_has_a_task() -> None:
    assert set(get_args(get_type_hints(JobEntry)["do"])) == set(TASKS)


def test_once_does_all_in_order_and_a_failure_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    config = load(
        _config(
            tmp_path,
            '[[job]]\ndo = "follow"\npath = "missing"\n'
            '[[job]]\ndo = "poll"\npath = "in"\nevery = "1m"\n'
            '[[job]]\ndo = "analyse"\nevery = "1m"\n[[job]]\ndo = "watch"\nevery = "1m"\n'
            '[[job]]\ndo = "compact"\nat = "03:00"\n[[job]]\ndo = "vacuum"\nat = "03:00"\n'
            '[[job]]\ndo = "verify"\nat = "03:00"\n[[job]]\ndo = "share"\nat = "03:00"\nout = "out.json"\n',
        )
    )
    lake = Lake.open(tmp_path / "lake")
    told: list[tuple[str, str]] = []
    state = State(lake.path)
    failed = Runner(lake, config, state, lambda name, text: told.append((name, text))).run(once=True)
    assert failed == 1
    assert [name for name, _ in told] == [e.do for e in config.jobs]
    assert "is not a folder" in told[0][1]
    assert state.jobs.all()["follow"].problem
    assert (tmp_path / "out.json").is_file()


def test_a_report_of_nothing_is_no_failure(tmp_path: Path) -> None:
    config = load(_config(tmp_path, '[[job]]\ndo = "report"\nat = "03:30"\nout = "report"\n'))
    lake = Lake.open(tmp_path / "lake")
    told: list[str] = []
    state = State(lake.path)
    assert Runner(lake, config, state, lambda name, text: told.append(text)).run(once=True) == 0
    assert "nothing to report on yet" in told[0]
    assert not state.jobs.all()["report"].problem


def test_it_goes_on_until_it_is_told_to_stop(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    text = '[[job]]\ndo = "follow"\npath = "in"\n[[job]]\ndo = "analyse"\nevery = "1s"\n'
    lake, stop = Lake.open(tmp_path / "lake"), threading.Event()
    done: list[str] = []

    def tell(name: str, text: str) -> None:
        done.append(name)
        if done.count("analyse") == 2:
            stop.set()

    assert Runner(lake, load(_config(tmp_path, text)), State(lake.path), tell, stop).run() == 0
    assert done.count("analyse") == 2
