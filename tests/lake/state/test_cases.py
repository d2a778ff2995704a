"""Cases keep what was put in, said and changed; bad words are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from noroshi.lake.state import State
from noroshi.model.errors import UsageError
from noroshi.model.tlp import Tlp
from noroshi.work.cases import fill, may_see, open_case


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path)


def test_a_case_from_opening_to_closing(state: State) -> None:
    case = open_case(
        state, "Telnet wave", values=["203.0.113.7", "example.com"], who="cli:kei", tlp=Tlp.GREEN
    )
    assert (case.state, case.items, case.tlp) == ("open", 2, "green")
    assert fill(state, case.id, values=["203.0.113.7"], who="x") == 0
    state.cases.comment(case.id, "user:aya", "見ています <script>")
    state.cases.change(case.id, "user:aya", state="closed", assignee="aya")
    now = State(Path(state.where).parent).cases.get(case.id)
    assert (now.state, now.assignee, now.closed is not None) == ("closed", "aya", True)
    said = [(c.who, c.text) for c in state.cases.comments(case.id)]
    assert said == [
        ("user:aya", "見ています <script>"),
        ("user:aya", "state: open → closed; assignee: - → aya"),
    ]
    state.cases.change(case.id, "user:aya", state="working", assignee="")
    assert state.cases.get(case.id).closed is None
    assert state.cases.get(case.id).assignee == ""


def test_nothing_changed_says_nothing(state: State) -> None:
    case = open_case(state, "x", who="a")
    state.cases.change(case.id, "a", state="open", title="x", assignee="")
    assert state.cases.comments(case.id) == []


def test_lists_and_pages(state: State) -> None:
    made = [open_case(state, f"case {n}", values=[f"203.0.113.{n}"], who="a").id for n in range(5)]
    state.cases.change(made[0], "a", state="closed")
    assert [c.id for c in state.cases.all()] == made[::-1]
    assert [c.id for c in state.cases.all(limit=2, before=made[3])] == [made[2], made[1]]
    assert [c.id for c in state.cases.all(state="active")] == made[:0:-1]
    assert [c.id for c in state.cases.holding("ip", "203.0.113.3")] == [made[3]]
    state.cases.take_out(made[3], "ip", "203.0.113.3")
    assert state.cases.holding("ip", "203.0.113.3") == []


def test_who_may_know_of_it(state: State) -> None:
    case = open_case(state, "x", who="a", tlp=Tlp.AMBER)
    assert may_see(case, Tlp.AMBER)
    assert not may_see(case, Tlp.GREEN)


@pytest.mark.parametrize("title", ["", "   ", "x" * 301])
def test_titles_are_bounded(state: State, title: str) -> None:
    with pytest.raises(UsageError, match="characters"):
        open_case(state, title, who="a")


def test_wrong_words_are_refused(state: State) -> None:
    case = open_case(state, "x", who="a")
    with pytest.raises(UsageError, match="no state"):
        state.cases.change(case.id, "a", state="burning")
    with pytest.raises(UsageError, match="no case"):
        state.cases.comment(99, "a", "x")
    with pytest.raises(UsageError, match="characters"):
        state.cases.comment(case.id, "a", "x" * 20_001)
    with pytest.raises(UsageError):
        fill(state, case.id, values=[" "], who="a")
