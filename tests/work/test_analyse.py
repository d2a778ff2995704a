"""Analysis: what is judged again and when, at which marking, and what is told."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from noroshi import config
from noroshi.config import Config
from noroshi.lake.handle import Lake
from noroshi.model.tlp import Tlp
from noroshi.share.gate import View
from noroshi.share.marking import Recipient
from noroshi.work import analyse as work
from noroshi.work.analyse import Outcome
from noroshi.work.findings import find
from noroshi.work.gate import PLAIN, open_view
from tests.support.memory import flow
from tests.work import lakes
from tests.work.lakes import Heavy, store

lake, analysers = lakes.lake, lakes.analysers
pytestmark = pytest.mark.usefixtures("analysers")

TELESCOPE = '[[telescope]]\nname = "t"\nprefixes = ["192.0.2.0/24"]\n'
A, B = "198.51.100.1", "198.51.100.2"
DAY_S = 86_400


@pytest.fixture(autouse=True)
def no_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Re-tagging has tests of its own."""
    monkeypatch.setattr(work, "retag", lambda lake: Counter())
    monkeypatch.setattr(work, "_rules_version", lambda: 1)


def configured(text: str = TELESCOPE) -> Config:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noroshi.toml"
        path.write_text(text)
        return config.load(path)


def run(lake: Lake, text: str = TELESCOPE, **more: Any) -> Outcome:
    return work.analyse(lake, config=configured(text), **more)


def public(lake: Lake) -> View:
    """What the public sees, unmasked: masks have tests of their own."""
    return open_view(lake, configured(), Recipient("anyone", Tlp.CLEAR, "", "public", PLAIN))


def told(outcome: Outcome) -> list[tuple[str, str, int]]:
    return [(what, f.subject.value, f.evidence["packets"]) for f, what in outcome.changes]


def packets(src: str, n: int, at: float = 0.0) -> dict[str, Any]:
    return flow(src, "192.0.2.9", count=n, at=at)


def test_new_then_nothing(lake: Lake) -> None:
    store(lake, [packets(A, 20), packets(B, 3)])
    first = run(lake)
    assert told(first) == [("new", A, 20)]
    assert first.days == 1
    second = run(lake)
    assert told(second) == []
    assert second.days == 0


def test_again_judges_and_tells_nothing_new(lake: Lake) -> None:
    store(lake, [packets(A, 20)])
    run(lake)
    again = run(lake, again=True)
    assert again.days == 1
    assert told(again) == []


def test_late_data_reopens_only_its_day(lake: Lake) -> None:
    store(lake, [packets(A, 20), packets(A, 20, at=DAY_S)])
    assert run(lake).days == 2
    store(lake, [packets(A, 5, at=60)], name="late.pcap")
    late = run(lake)
    assert late.days == 1
    assert told(late) == [("changed", A, 25)]
    assert {f.evidence["packets"] for f in find(lake)} == {25, 20}


def test_a_forgotten_run_takes_its_finding_with_it(lake: Lake) -> None:
    keep = store(lake, [packets(B, 20)])
    gone = store(lake, [packets(A, 20)], name="gone.pcap")
    run(lake)
    lake.forget(gone)
    assert told(run(lake)) == [("withdrawn", A, 20)]
    assert [f.subject.value for f in find(lake)] == [B]
    lake.forget(keep)
    assert told(run(lake)) == [("withdrawn", B, 20)]
    assert find(lake) == []
    assert run(lake).days == 0


def test_without_a_telescope_it_says_so_every_time_and_finds_nothing(lake: Lake) -> None:
    store(lake, [packets(A, 20)])
    for _ in range(2):
        outcome = run(lake, "")
        assert told(outcome) == []
        (note,) = outcome.notes
        assert "heavy needs a telescope that covers the data of 2024-04-01" in note
        assert "noroshi telescope guess" in note


def test_packets_that_reach_no_telescope_are_told(lake: Lake) -> None:
    store(lake, [packets(A, 20), flow(A, "203.0.113.9", count=1234)])
    outcome = run(lake)
    (note,) = outcome.notes
    assert "1,234 packets of 2024-04-01 reached none of the telescopes" in note
    assert told(outcome) == [("new", A, 20)]


def test_a_telescope_added_later_applies_without_reading_again(lake: Lake) -> None:
    store(lake, [packets(A, 20)])
    run(lake, "")
    outcome = run(lake)
    assert told(outcome) == [("new", A, 20)]
    assert outcome.notes == []


def test_a_telescope_changed_changes_its_findings(lake: Lake) -> None:
    store(lake, [packets(A, 20)])
    run(lake)
    assert told(run(lake, TELESCOPE.replace("/24", "/25"))) == [("changed", A, 20)]


def test_a_telescope_removed_or_renamed_withdraws_its_findings(lake: Lake) -> None:
    store(lake, [packets(A, 20)])
    run(lake)
    renamed = run(lake, TELESCOPE.replace('"t"', '"u"'))
    assert sorted(what for what, *_ in told(renamed)) == ["new", "withdrawn"]
    assert told(run(lake, "")) == [("withdrawn", A, 20)]


def test_options_reach_the_analyser_and_rejudge(lake: Lake) -> None:
    store(lake, [packets(A, 20), packets(B, 3)])
    run(lake)
    assert told(run(lake, TELESCOPE + "[analyse.heavy]\nleast = 2\n")) == [("new", B, 3)]


def test_a_newer_analyser_judges_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    store(lake, [packets(A, 20)])
    run(lake)
    monkeypatch.setattr(Heavy, "version", 2)
    assert told(run(lake)) == [("changed", A, 20)]


def test_only_the_named_run(lake: Lake) -> None:
    store(lake, [packets(A, 20)])
    assert told(run(lake, names=("free",))) == []
    assert told(run(lake)) == [("new", A, 20)]


def test_each_level_is_judged_from_rows_at_or_below_it(lake: Lake) -> None:
    clear = store(lake, [packets(A, 20)], tlp=Tlp.CLEAR)
    strict = store(lake, [packets(A, 5), packets(B, 30)], name="b.pcap", tlp=Tlp.AMBER)
    outcome = run(lake)
    assert sorted(told(outcome)) == [("new", A, 25), ("new", B, 30)]
    (one,) = find(lake, view=public(lake))
    assert (one.evidence["packets"], one.tlp, one.runs) == (20, Tlp.CLEAR, (clear,))
    own = {f.subject.value: f for f in find(lake)}
    assert own[A].evidence["packets"] == 25
    assert own[A].tlp == Tlp.AMBER
    assert set(own[A].runs) == {clear, strict}


def test_what_a_lower_level_says_is_not_marked_stricter(lake: Lake) -> None:
    store(lake, [packets(A, 20)], tlp=Tlp.CLEAR)
    store(lake, [packets(B, 30)], name="b.pcap", tlp=Tlp.RED)
    run(lake)
    assert {(f.subject.value, f.tlp) for f in lake.findings()} == {(A, Tlp.CLEAR), (B, Tlp.RED)}
    assert told(run(lake)) == []


def test_what_the_public_is_told_does_not_depend_on_stricter_rows(lake: Lake, tmp_path: Path) -> None:
    other = Lake.open(tmp_path / "other")
    for one in (lake, other):
        store(one, [packets(A, 20)], tlp=Tlp.CLEAR)
    store(lake, [packets(A, 7), packets(B, 50)], name="b.pcap", tlp=Tlp.AMBER)
    run(lake)
    run(other)

    def findings(one: Lake) -> list[Any]:
        return [f.to_json() | {"modified": "", "runs": []} for f in find(one, view=public(one))]

    assert len(findings(lake)) == 1
    assert findings(lake) == findings(other)


def test_days_that_vanish_between_levels(lake: Lake) -> None:
    first = store(lake, [packets(A, 20)], tlp=Tlp.CLEAR)
    store(lake, [packets(A, 20, at=60)], name="b.pcap", tlp=Tlp.GREEN)
    run(lake)
    assert len(lake.findings()) == 2
    lake.forget(first)
    assert told(run(lake)) == [("changed", A, 20)]
    assert [f.tlp for f in lake.findings()] == [Tlp.GREEN]


def test_a_month_is_stored_in_parts(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "DAYS_AT_ONCE", 3)
    store(lake, [packets(A, 20, at=d * DAY_S) for d in range(7)])
    outcome = run(lake)
    assert outcome.days == 7
    assert len(outcome.changes) == 7
    assert outcome.changes[-1][0].first_seen - outcome.changes[0][0].first_seen == timedelta(days=6)
    assert run(lake).days == 0
