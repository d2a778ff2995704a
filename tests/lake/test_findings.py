"""Findings as revisions."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import deltalake
import pytest

from noroshi.lake.handle import Lake
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.tlp import Tlp
from tests.lake.support import count
from tests.support.memory import DAY, NOON

RULE = Rule("scanner", 1)
JUDGED = [("scanner", "campus", DAY)]


def finding(value: str = "192.0.2.1", **more: object) -> Finding:
    made = Finding(
        kind="scanner", subject=Subject("ip", value), rule=RULE, first_seen=NOON, last_seen=NOON + timedelta(hours=1),
        confidence=80, summary={"en": "It scans.", "ja": "走査している。"},
        evidence={"ports": [23, 65535], "share": 0.5}, scope="campus", tlp=Tlp.GREEN, runs=("r1", "r2"),
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def test_new_then_nothing(lake: Lake) -> None:
    told = lake.put_findings([finding(), finding("192.0.2.2")], JUDGED)
    assert [(f.subject.value, what) for f, what in told] == [("192.0.2.1", "new"), ("192.0.2.2", "new")]
    assert all(f.modified for f, _ in told)
    assert lake.put_findings([finding(), finding("192.0.2.2", runs=("r3",))], JUDGED) == []
    assert sorted(f.subject.value for f in lake.findings()) == ["192.0.2.1", "192.0.2.2"]


def test_round_trip(lake: Lake) -> None:
    lake.put_findings([finding()])
    (got,) = lake.findings()
    assert replace(got, modified=None) == finding()
    assert got.id == finding().id


def test_changed_content_is_a_new_revision(lake: Lake) -> None:
    lake.put_findings([finding()], JUDGED)
    ((changed, what),) = lake.put_findings([finding(confidence=90)], JUDGED)
    assert what == "changed"
    assert changed.id == finding().id
    assert [f.confidence for f in lake.findings()] == [90]
    shot = lake.snapshot()
    assert count(shot, "findings") == 1
    assert count(shot, "findings_history") == 2
    ((_, what),) = lake.put_findings([finding(confidence=90, rule=Rule("scanner", 2))], JUDGED)
    assert what == "changed"


def test_withdrawn_when_no_longer_held(lake: Lake) -> None:
    lake.put_findings([finding(), finding("192.0.2.2")], JUDGED)
    told = lake.put_findings([finding("192.0.2.2")], JUDGED)
    assert [(f.subject.value, what) for f, what in told] == [("192.0.2.1", "withdrawn")]
    assert [f.subject.value for f in lake.findings()] == ["192.0.2.2"]
    assert lake.put_findings([finding("192.0.2.2")], JUDGED) == []
    told = lake.put_findings([finding(), finding("192.0.2.2")], JUDGED)
    assert [what for _, what in told] == ["new"]
    assert len(lake.findings()) == 2


def test_only_what_was_judged_is_withdrawn(lake: Lake) -> None:
    lake.put_findings([finding()], JUDGED)
    others = [("dos-victim", "campus", DAY), ("scanner", "", DAY), ("scanner", "campus", date(2024, 4, 2))]
    assert lake.put_findings([], others) == []
    assert lake.put_findings([], []) == []
    assert len(lake.findings()) == 1


def test_each_marking_has_its_own(lake: Lake) -> None:
    red = finding(tlp=Tlp.RED, confidence=95)
    assert len(lake.put_findings([finding(), red], JUDGED)) == 2
    assert lake.put_findings([finding(), red], JUDGED) == []
    assert [f.confidence for f in lake.findings(tlp=Tlp.AMBER)] == [80]
    assert sorted(f.confidence for f in lake.findings()) == [80, 95]
    seen = lake.snapshot().restricted(tlp=Tlp.GREEN)
    assert count(seen, "findings") == count(seen, "findings_history") == 1
    assert [what for _, what in lake.put_findings([finding()], JUDGED)] == ["withdrawn"]


def test_questions(lake: Lake) -> None:
    later = finding("192.0.2.2", last_seen=NOON + timedelta(days=1))
    port = finding(kind="port-surge", subject=Subject("port", "tcp/23"), id="")
    lake.put_findings([finding(), later, port])
    assert len(lake.findings(kind="scanner")) == 2
    assert [f.subject.value for f in lake.findings(since=NOON + timedelta(hours=2))] == ["192.0.2.2"]
    assert [f.kind for f in lake.findings(subject="tcp/23")] == ["port-surge"]
    assert lake.findings(subject="' OR 1=1 --") == []


def test_restricted_to_runs(lake: Lake) -> None:
    lake.put_findings([finding()])
    shot = lake.snapshot()
    assert count(shot.restricted(runs=["r1", "r2", "r3"]), "findings") == 1
    assert count(shot.restricted(runs=["r1"]), "findings") == 0


def test_many_revisions_compacted(lake: Lake) -> None:
    for i in range(40):
        lake.put_findings([finding(confidence=i)])
    lake.compact()
    assert len(lake.stores["findings"].files()) == 1
    assert [f.confidence for f in lake.findings()] == [39]
    assert lake.put_findings([finding(confidence=39)]) == []
    assert lake.verify() == []


@pytest.mark.parametrize("shared", [False, True])
def test_two_analyses_at_once_store_it_once(lake: Lake, shared: bool) -> None:
    told: list[int] = []

    def work() -> None:
        own = lake if shared else Lake.open(lake.path)
        told.append(len(own.put_findings([finding()], JUDGED)))

    works = [threading.Thread(target=work) for _ in range(4)]
    for thread in works:
        thread.start()
    for thread in works:
        thread.join()
    assert sorted(told) == [0, 0, 0, 1]
    assert count(lake.snapshot(), "findings_history") == 1


def test_another_is_first_while_the_table_is_made(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    create = deltalake.DeltaTable.create

    def overtaken(*args: Any, **options: Any) -> Any:
        create(*args, **options)
        monkeypatch.undo()
        assert len(Lake.open(lake.path).put_findings([finding()], JUDGED)) == 1
        return deltalake.DeltaTable(lake.path / "findings")  # loaded anew, as create() does

    monkeypatch.setattr(deltalake.DeltaTable, "create", overtaken)
    assert lake.put_findings([finding()], JUDGED) == []
    assert count(lake.snapshot(), "findings_history") == 1
