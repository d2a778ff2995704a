"""Markings are lowered on purpose only, with a reason, and what is lowered stays until it no longer holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from noroshi.config import load
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding
from noroshi.model.tlp import Tlp
from noroshi.share.marking import Recipient
from noroshi.work.downgrade import downgrade
from noroshi.work.gate import open_view
from tests.support.findings import NOON, finding
from tests.support.memory import flow
from tests.work import lakes

lake = lakes.lake
OUT = Recipient("sector", Tlp.GREEN, "a sector", "sector", "plain")


def seen(lake: Lake) -> list[Finding]:
    return open_view(lake, load(None), OUT).findings()


def put(lake: Lake, *found: Finding, day: date | None = None) -> None:
    lake.put_findings(found, judged=[("scanner", "campus", day)] if day else ())


def test_a_finding_is_told_as_it_stood_and_stays_while_it_holds(lake: Lake) -> None:
    state, one = State(lake.path), finding(tlp="amber", confidence=50, runs=("r1",))
    put(lake, one)
    assert seen(lake) == []
    done = downgrade(lake, state, "cli:me", one.id[:8], Tlp.GREEN, "its owner agreed")
    assert (done.what, done.before, done.after) == ("finding", Tlp.AMBER, Tlp.GREEN)
    (told,) = seen(lake)
    assert (told.id, told.tlp, told.confidence, told.scope) == (one.id, Tlp.GREEN, 50, "")
    # Judged again with the same result, and again with more: what was told is what was read.
    put(lake, one, day=NOON.date())
    assert [f.confidence for f in seen(lake)] == [50]
    put(lake, replace(one, confidence=90), day=NOON.date())
    assert [f.confidence for f in seen(lake)] == [50]
    assert [f.confidence for f in lake.findings(tlp=Tlp.AMBER) if f.tlp is Tlp.AMBER] == [90]
    # What is judged from what they may see anyway does not take its place while it holds ...
    put(lake, replace(one, confidence=90), replace(one, tlp=Tlp.GREEN, confidence=10), day=NOON.date())
    assert [f.confidence for f in seen(lake)] == [50]
    # ... and does once it does not; and what nobody holds any more is gone.
    put(lake, replace(one, tlp=Tlp.GREEN, confidence=10), day=NOON.date())
    assert [f.confidence for f in seen(lake)] == [10]
    put(lake, day=NOON.date())
    assert seen(lake) == []


def test_lowered_again_tells_what_it_says_now(lake: Lake) -> None:
    state, one = State(lake.path), finding(tlp="red", confidence=50)
    put(lake, one)
    downgrade(lake, state, "cli:me", one.id, Tlp.GREEN, "a")
    put(lake, replace(one, confidence=70))
    downgrade(lake, state, "cli:me", one.id, Tlp.CLEAR, "b")
    assert {(f.tlp, f.confidence) for f in lake.findings()} == {
        (Tlp.RED, 70), (Tlp.GREEN, 50), (Tlp.CLEAR, 70)
    }  # fmt: skip


def test_a_run_is_lowered_with_its_unmarked_rows(lake: Lake) -> None:
    state = State(lake.path)
    run = lakes.store(lake, [flow("192.0.2.1", "198.51.100.1")], tlp=Tlp.AMBER)
    view = open_view(lake, load(None), OUT)
    assert view.rows("flows").num_rows == 0
    assert view.shot.runs() == []
    done = downgrade(lake, state, "cli:me", run, Tlp.GREEN, "ours")
    assert (done.rows, done.kept) == (1, 0)
    view = open_view(lake, load(None), OUT)
    assert view.rows("flows").num_rows == 1
    assert [r.tlp for r in view.shot.runs()] == [Tlp.GREEN]
    assert lake.verify() == []
    with pytest.raises(UsageError, match="no stricter"):
        downgrade(lake, state, "cli:me", run, Tlp.AMBER, "no")


def test_it_takes_a_reason_and_is_logged(lake: Lake) -> None:
    state, one = State(lake.path), finding(tlp="amber")
    put(lake, one)
    for reason in ("", "  ", "x" * 501, "a\x00b"):
        with pytest.raises(UsageError, match="reason"):
            downgrade(lake, state, "cli:me", one.id, Tlp.CLEAR, reason)
    for text in ("zzzzzz", one.id[:5], "000000"):
        with pytest.raises(UsageError):
            downgrade(lake, state, "cli:me", text, Tlp.CLEAR, "r")
    with pytest.raises(UsageError, match="no stricter"):
        downgrade(lake, state, "cli:me", one.id, Tlp.AMBER, "r")
    assert state.audit.newest(action="downgrade") == []
    downgrade(lake, state, "cli:me", one.id, Tlp.CLEAR, "the press has it")
    (entry,) = state.audit.newest(action="downgrade")
    assert entry.actor == "cli:me"
    assert entry.detail == {"what": "finding", "id": one.id, "from": "amber", "to": "clear", "rows": 0, "kept": 0,
                            "reason": "the press has it"}  # fmt: skip
