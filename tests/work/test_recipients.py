"""Recipients are checked when they are written down; their keys are told once and end with them."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.errors import UsageError
from noroshi.model.tlp import Tlp
from noroshi.share.marking import MOST, USUAL, Recipient, checked, prefixes
from noroshi.work import recipients
from noroshi.work.gate import everybody, open_view, recipient
from tests.cli.support import noroshi

GOOD = Recipient("isac", Tlp.GREEN, "an ISAC", "sector")


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(Lake.open(tmp_path / "lake").path)


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "Isac"}, {"name": ""}, {"name": "a/b"}, {"name": "x" * 65}, {"name": "../x"}, {"name": "own"},
        {"kind": "friend"}, {"ceiling": Tlp.AMBER}, {"kinds": ("nonsense",)}, {"ranges": ("10.0.0.0/33",)},
        {"ranges": ("0.0.0.0/0",)}, {"ranges": ("::/0",)}, {"mail": "not mail"}, {"mail": "a@b\r\nBcc: x@y"},
        {"lang": "fr"}, {"doc": "x" * 201}, {"doc": "a\x1b[2J"}, {"profile": "../../etc/passwd"},
        {"kind": "public", "ceiling": Tlp.CLEAR, "writes": True}, {"kind": "organisation", "ceiling": Tlp.RED},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_words(state: State, bad: dict[str, object]) -> None:
    with pytest.raises(UsageError) as told:
        recipients.add(state, "cli:me", replace(GOOD, **bad))  # type: ignore[arg-type]
    assert told.value.todo
    assert state.recipients.all() == []
    assert state.audit.newest() == []


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_gets_past_the_check_by_a_traceback(name: str, text: str) -> None:
    for one in (replace(GOOD, name=name), replace(GOOD, ranges=(text,)), replace(GOOD, mail=text)):
        with contextlib.suppress(UsageError):
            assert checked(one)


def test_ceilings_by_kind() -> None:
    assert MOST["person"] is Tlp.RED
    assert USUAL["person"] is Tlp.AMBER
    assert all(MOST[k].rank <= Tlp.AMBER.rank for k in MOST if k != "person")


def test_ranges_are_summed_up() -> None:
    assert prefixes(["192.0.2.128/25", "192.0.2.0/25", "2001:db8::1"]) == ("192.0.2.0/24", "2001:db8::1/128")


def test_red_goes_to_a_person_and_only_by_hand(tmp_path: Path) -> None:
    from noroshi.config import load
    from tests.support.findings import finding

    lake = Lake.open(tmp_path / "lake")
    lake.put_findings([finding(tlp="red")])
    person = Recipient("kim", Tlp.RED, "", "person", "plain")
    assert open_view(lake, load(None), person).findings() == []
    assert len(open_view(lake, load(None), person, machine=False).findings()) == 1


def test_added_changed_removed_and_logged(state: State) -> None:
    recipients.add(state, "cli:me", replace(GOOD, kinds=("scanner", "scanner")))
    assert recipient("isac", state).kinds == ("scanner",)
    with pytest.raises(UsageError, match="already"):
        recipients.add(state, "cli:me", GOOD)
    recipients.change(state, "cli:me", replace(GOOD, mail="a@b.example"))
    assert [r.name for r in everybody(state)] == ["public", "community", "own", "isac"]
    _key, secret = recipients.add_key(state, "cli:me", "isac", "theirs")
    assert state.tokens.verify(secret) is not None
    assert recipients.remove(state, "cli:me", "isac") == 1
    assert state.tokens.verify(secret) is None
    recipients.add(state, "cli:me", GOOD)
    assert [t.revoked is not None for t in state.tokens.of("recipient", "isac")] == [True]
    told = [(e.action, e.recipient) for e in state.audit.newest()]
    assert told == [(a, "isac") for a in
                    ("recipient-add", "recipient-remove", "key-add", "recipient-set", "recipient-add")]  # fmt: skip
    assert secret not in str([e.detail for e in state.audit.newest()])
    with pytest.raises(UsageError, match="stays"):
        recipients.remove(state, "cli:me", "own")
    with pytest.raises(UsageError, match="no key"):
        recipients.revoke_key(state, "cli:me", "isac", 999)


def test_the_verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = tmp_path / "lake"
    monkeypatch.setenv("NOROSHI_KEYS", str(tmp_path / "keys"))
    add = (
        "recipient",
        "add",
        "isp",
        "--kind",
        "organisation",
        "--range",
        "192.0.2.0/24",
        "--wants",
        "scanner",
    )
    ran = noroshi("--lake", lake, *add, "--json")
    assert ran.json["ceiling"] == "amber"
    assert noroshi("--lake", lake, *add).code == 2
    assert (
        noroshi("--lake", lake, "recipient", "set", "isp", "--lang", "ja", "--clear", "wants", "--json").json[
            "wants"
        ]
        == []
    )
    key = noroshi("--lake", lake, "recipient", "key", "add", "isp", "--json").json
    shown = noroshi("--lake", lake, "recipient", "show", "isp", "--json")
    assert key["secret"] not in shown.out
    assert [k["id"] for k in shown.json["keys"]] == [key["id"]]
    assert noroshi("--lake", lake, "recipient", "key", "revoke", "isp", key["id"]).code == 0
    assert noroshi("--lake", lake, "recipient", "key", "revoke", "own", key["id"]).code == 2
    assert [r["name"] for r in noroshi("--lake", lake, "recipient", "list", "--json").json][-1] == "isp"
    assert noroshi("--lake", lake, "findings", "--for", "isp", "--json").json == []
    log = noroshi("--lake", lake, "audit", "--json", "--for", "isp").json
    assert [e["action"] for e in log] == ["export", "key-revoke", "key-add", "recipient-set", "recipient-add"]
    assert (log[0]["count"], log[0]["detail"]["format"], log[0]["detail"]["profile"]) == (
        0,
        "findings",
        "organisation",
    )
    assert noroshi("--lake", lake, "recipient", "remove", "isp").code == 0
    assert "public, community, own" in noroshi("--lake", lake, "findings", "--for", "isp").err
