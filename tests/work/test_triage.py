"""A verdict is a source: it has a run and a marking, is found by a pivot, and can be taken back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from noroshi.ask.pivot import Pivots
from noroshi.ask.verdicts import Record, newest, records
from noroshi.lake.handle import Lake
from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.tlp import Tlp
from noroshi.work.triage import by_id, judge

START = datetime(2024, 4, 1, tzinfo=UTC)


def finding(ip: str, tlp: Tlp = Tlp.GREEN, rule: str = "scanner") -> Finding:
    return Finding(
        "scanner", Subject("ip", ip), Rule(rule, 3), START, START, 80, {"en": "x", "ja": "x"}, {}, tlp=tlp
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake.open(tmp_path / "lake")
    lake.put_findings(
        [finding("203.0.113.1"), finding("203.0.113.2", Tlp.RED), finding("203.0.113.3", rule="other")]
    )
    return lake


def test_the_newest_word_holds(lake: Lake) -> None:
    (one,) = by_id(lake, [finding("203.0.113.1").id[:8]])
    judge(lake, [one], "false", who="cli:a", now=START)
    judge(lake, [one], "true", who="cli:b", comment="<b>", now=START + timedelta(hours=1))
    held = newest(lake.snapshot())
    assert [(v.verdict, v.who, v.comment) for v in held.values()] == [("true", "cli:b", "<b>")]
    assert newest(lake.snapshot(), one.id) == held
    assert newest(lake.snapshot(), "nothing") == {}


def test_it_can_be_taken_back_and_found(lake: Lake) -> None:
    (one,) = by_id(lake, [finding("203.0.113.1").id])
    run = judge(lake, [one], "false", who="a")
    stands = Pivots(lake.snapshot()).ask("203.0.113.1").head.stands
    assert [(s.table, s.role, s.count) for s in stands] == [("verdicts", "judged", 1)]
    lake.forget(run)
    assert newest(lake.snapshot()) == {}
    assert not lake.verify()


def test_who_may_not_see_the_finding_is_not_told(lake: Lake) -> None:
    judge(lake, by_id(lake, [finding("203.0.113.1").id, finding("203.0.113.2").id]), "true", who="a")
    assert len(newest(lake.snapshot())) == 2
    seen = lake.snapshot().restricted(tlp=Tlp.GREEN)
    assert list(newest(seen)) == [finding("203.0.113.1").id]
    assert Pivots(seen, restricted=True).ask("203.0.113.2").head.count == 0


def test_rules_are_counted_with_an_interval(lake: Lake) -> None:
    held = by_id(
        lake, [finding("203.0.113.1").id, finding("203.0.113.2").id, finding("203.0.113.3", rule="other").id]
    )
    judge(lake, held[:2], "true", who="a")
    judge(lake, held[2:], "unsure", who="a")
    assert records(lake.snapshot()) == (Record("other 3", 0, 0, 1), Record("scanner 3", 2, 0, 0))
    assert Record("x", 0, 0, 1).precision is None
    # Wilson's interval of 8 among 10, from his formula by hand
    p, low, high = Record("x", 8, 2, 0).precision or (0, 0, 0)
    assert (p, round(low, 4), round(high, 4)) == (0.8, 0.4902, 0.9433)


def test_bad_input_is_refused(lake: Lake) -> None:
    (one,) = by_id(lake, [finding("203.0.113.1").id])
    with pytest.raises(UsageError, match="no verdict"):
        judge(lake, [one], "maybe", who="a")
    with pytest.raises(UsageError, match="no finding"):
        judge(lake, [], "true", who="a")
    with pytest.raises(UsageError, match="characters"):
        judge(lake, [one], "true", who="a", comment="x" * 5000)
    with pytest.raises(UsageError, match="no finding that holds"):
        by_id(lake, ["deadbeef"])
