"""What goes to a target is what its recipient may see, masked, and told to the audit log before it goes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from noroshi.config import load
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.errors import LakeError
from noroshi.model.finding import Finding
from noroshi.model.tlp import Tlp
from noroshi.share.deliver.target import Target
from noroshi.work.deliver import enqueue, flush
from tests.support.findings import finding
from tests.work import lakes

lake = lakes.lake
OWN, FOREIGN, DARK = "192.0.2.9", "198.51.100.7", "203.0.113.5"


class Box:
    """A sender that keeps what it is given."""

    def __init__(self) -> None:
        self.got: list[Finding] = []

    def send(self, findings: Sequence[Finding]) -> None:
        self.got += findings


@pytest.fixture
def state(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    monkeypatch.setenv("NOROSHI_KEYS", str(tmp_path / "keys"))
    (tmp_path / "noroshi.toml").write_text(
        'own = ["192.0.2.0/24"]\n[[telescope]]\nname = "campus"\nprefixes = ["203.0.113.0/24"]\n', "utf-8"
    )
    lake.put_findings([finding(value=v, tlp="clear") for v in (OWN, FOREIGN, DARK)])
    return State(lake.path)


def sent(lake: Lake, state: State, target: Target, config: Path) -> list[Finding]:
    box = Box()
    enqueue(state, [target], lake.findings())
    assert flush(lake, state, [(target, box)], config=load(config), who="job:watch").problems == []
    return box.got


def test_a_recipients_view_and_profile(lake: Lake, state: State, tmp_path: Path) -> None:
    target = Target("desk", ("scanner",), Tlp.AMBER, recipient="public")
    got = sent(lake, state, target, tmp_path / "noroshi.toml")
    values = {f.subject.value for f in got}
    assert FOREIGN in values
    assert not values & {OWN, DARK}
    assert OWN not in json.dumps([f.to_json() for f in got])
    assert {f.scope for f in got} == {""}
    (entry,) = state.audit.newest(action="export")
    assert (entry.actor, entry.recipient, entry.count) == ("job:watch", "public", len(got))
    assert (entry.detail["target"], entry.detail["profile"]) == ("desk", "public")


def test_without_a_recipient_as_stored_up_to_the_marking(lake: Lake, state: State, tmp_path: Path) -> None:
    own = sent(lake, state, Target("log", ("scanner",), Tlp.AMBER_STRICT), tmp_path / "noroshi.toml")
    assert {f.subject.value for f in own} == {OWN, FOREIGN, DARK}
    outside = sent(lake, state, Target("chat", ("scanner",), Tlp.GREEN), tmp_path / "noroshi.toml")
    assert {f.subject.value for f in outside} == {OWN, FOREIGN}


def test_an_unknown_recipient_is_told_and_gets_nothing(lake: Lake, state: State) -> None:
    target, box = Target("desk", ("scanner",), Tlp.AMBER, recipient="nobody"), Box()
    enqueue(state, [target], lake.findings())
    (problem,) = flush(lake, state, [(target, box)]).problems
    assert "no recipient 'nobody'" in problem
    assert box.got == []


def test_what_cannot_be_logged_does_not_leave(
    lake: Lake, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LakeError("the state cannot be written")

    target, box = Target("log", ("scanner",), Tlp.AMBER_STRICT), Box()
    enqueue(state, [target], lake.findings())
    monkeypatch.setattr(state.audit, "tell", broken)
    with pytest.raises(LakeError):
        flush(lake, state, [(target, box)])
    assert box.got == []
