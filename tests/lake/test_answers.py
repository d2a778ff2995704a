"""Answers that are kept: the same as asked anew, and asked anew when what they were read from has changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pyarrow as pa
import pytest

from noroshi.lake.answers import Answers
from noroshi.lake.handle import Lake
from noroshi.lake.snapshot import Snapshot
from noroshi.lake.sql import Locked
from noroshi.model.errors import LakeError
from noroshi.model.tlp import Tlp
from tests.lake.support import flows, links, put, some, store

FLOWS = "SELECT count(*) AS n FROM flows"
LINKS = "SELECT sum(count)::BIGINT AS n FROM links"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts the engine was asked."""
    texts: list[str] = []
    real = Locked.sql

    def sql(self: Locked, text: str, *a: Any) -> pa.Table:
        texts.append(text)
        return real(self, text, *a)

    monkeypatch.setattr(Locked, "sql", sql)
    return texts


def _shot(lake: Lake, answers: Answers) -> Snapshot:
    shot = lake.snapshot()
    shot.answers = answers
    return shot


def _n(shot: Snapshot, text: str, **params: Any) -> int:
    return int(shot.sql(text, params or None)["n"][0].as_py())


def test_a_commit_to_one_table_leaves_the_answers_over_others(lake: Lake, asked: list[str]) -> None:
    answers = Answers()
    store(lake, "a", flows(some(20)), links(("192.0.2.1", 3)))
    first = _shot(lake, answers)
    assert [_n(first, FLOWS), _n(first, LINKS), _n(first, FLOWS)] == [20, 3, 20]
    assert asked == [FLOWS, LINKS]
    store(lake, "b", flows(some(5)))
    second = _shot(lake, answers)
    assert [_n(second, FLOWS), _n(second, LINKS)] == [25, 3]
    assert asked == [FLOWS, LINKS, FLOWS]
    assert _n(first, FLOWS) == 20, "who still has the old moment is answered from it"
    assert asked == [FLOWS, LINKS, FLOWS]


def test_what_is_forgotten_is_in_no_kept_answer(lake: Lake) -> None:
    answers = Answers()
    run = store(lake, "a", flows(some(20)))
    assert _n(_shot(lake, answers), FLOWS) == 20
    lake.forget(run.run_id)
    assert _n(_shot(lake, answers), FLOWS) == 0


def test_each_by_what_it_may_see(lake: Lake, asked: list[str]) -> None:
    answers = Answers()
    with lake.writer() as writer:
        put(writer, "a", flows(some(20)), tlp=Tlp.GREEN)
        put(writer, "b", flows(some(7)), tlp=Tlp.RED)
    whole = _shot(lake, answers)
    assert [_n(whole, FLOWS), _n(whole.restricted(Tlp.GREEN), FLOWS), _n(whole.restricted(Tlp.CLEAR), FLOWS)] == [
        27, 20, 0,
    ]  # fmt: skip
    assert len(asked) == 3
    assert _n(_shot(lake, answers).restricted(Tlp.GREEN), FLOWS) == 20
    assert len(asked) == 3


def test_values_are_part_of_the_question(lake: Lake, asked: list[str]) -> None:
    store(lake, "a", flows(some(20, dst_port=23)), flows(some(6, dst_port=80)))
    shot, text = _shot(lake, Answers()), f"{FLOWS} WHERE dst_port = $port"
    assert [_n(shot, text, port=23), _n(shot, text, port=80), _n(shot, text, port=23)] == [20, 6, 20]
    assert asked == [text, text]


def test_runs_are_read_anew_when_there_are_more(lake: Lake) -> None:
    answers, text = Answers(), "SELECT count(*) AS n FROM runs"
    store(lake, "a", flows(some(2)))
    assert _n(_shot(lake, answers), text) == 1
    store(lake, "b", links(("192.0.2.1", 3)))
    assert _n(_shot(lake, answers), text) == 2


@pytest.mark.parametrize("text", ["SHOW TABLES", "SELECT * FROM range(3)", "SELECT 1 AS n"])
def test_what_names_no_table_is_not_kept(lake: Lake, asked: list[str], text: str) -> None:
    shot = _shot(lake, Answers())
    shot.sql(text)
    shot.sql(text)
    assert asked == [text, text]


def test_texts_of_others_are_asked_anew(lake: Lake, asked: list[str]) -> None:
    shot = _shot(lake, Answers())
    shot.sql(FLOWS, fresh=True)
    shot.sql(FLOWS, fresh=True)
    assert asked == [FLOWS, FLOWS]


def test_no_more_is_kept_than_allowed() -> None:
    answers = Answers(most=75_000)
    for i in range(50):
        answers.get((i,), lambda: pa.table({"n": list(range(100))}))
    assert 10 <= len(answers) <= 17, "800 bytes each, and 4,000 for the rest"
    made: list[int] = []
    answers.get((49,), lambda: made.append(1) or pa.table({"n": [1]}))
    assert not made, "the newest is there"


def test_one_works_and_the_others_wait() -> None:
    answers, begun, go, made = Answers(), Event(), Event(), []

    def make() -> pa.Table:
        made.append(1)
        begun.set()
        assert go.wait(30)
        return pa.table({"n": [7]})

    with ThreadPoolExecutor(4) as pool:
        one = pool.submit(answers.get, ("q",), make)
        assert begun.wait(30)
        others = [pool.submit(answers.get, ("q",), make) for _ in range(3)]
        go.set()
        assert [f.result()["n"][0].as_py() for f in (one, *others)] == [7, 7, 7, 7]
    assert made == [1]


def test_what_fails_is_tried_again() -> None:
    answers = Answers()

    def broken() -> pa.Table:
        raise LakeError("the disk is gone")

    with pytest.raises(LakeError):
        answers.get(("q",), broken)
    assert answers.get(("q",), lambda: pa.table({"n": [1]})).num_rows == 1
