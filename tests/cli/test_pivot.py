"""`noroshi pivot` as people and programs read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ask.support import ATTACKER, HOST, at, batch, store, story
from tests.cli.support import noroshi


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "lake"
    made = story(path)
    hostile = "rm \x1b[31m \u202e \x00" + "x" * 5000
    store(made, "hostile", batch("commands", {"ts": at(), "src_ip": "203.0.113.66", "session_id": "h",
                                              "text": hostile}))  # fmt: skip
    return path


def test_a_screen(lake: Path) -> None:
    ran = noroshi("--lake", lake, "pivot", ATTACKER, "--lang", "en")
    assert ran.code == 0, ran.err
    for said in (
        f"{ATTACKER}  ip",
        "AS64500",
        "What follows",
        "also visited a decoy",
        "Beside it",
        "Newest rows",
    ):
        assert said in ran.out
    assert all(len(line) <= 100 for line in ran.out.splitlines())
    ja = noroshi("--lake", lake, "pivot", ATTACKER, "--lang", "ja")
    assert "ハニーポット" in ja.out
    assert "最新の行" in ja.out


def test_json(lake: Path) -> None:
    ran = noroshi("--lake", lake, "pivot", ATTACKER, "--json")
    assert ran.err == ""
    assert set(ran.json) >= {"kind", "value", "first_seen", "last_seen", "count", "tables", "histogram", "related",
                             "context", "links", "findings"}  # fmt: skip
    few = noroshi("--lake", lake, "pivot", ATTACKER, "--json", "--rows", "1").json
    assert sum(len(t["rows"]) for t in few["tables"]) < sum(len(t["rows"]) for t in ran.json["tables"])


def test_unknown_and_wrong(lake: Path) -> None:
    ran = noroshi("--lake", lake, "pivot", "192.0.2.250", "--json")
    assert (ran.code, ran.json["count"]) == (0, 0)
    assert "Nothing is stored" in noroshi("--lake", lake, "pivot", "192.0.2.250", "--lang", "en").out
    assert noroshi("--lake", lake, "pivot", "x", "--kind", "ip").code == 2
    assert noroshi("--lake", lake, "pivot", ATTACKER, "--for", "nobody").code == 2


def test_for_a_recipient(lake: Path) -> None:
    public = noroshi("--lake", lake, "pivot", ATTACKER, "--for", "public", "--json").json
    assert public["tables"] == []
    community = noroshi("--lake", lake, "pivot", HOST, "--for", "community", "--json").json
    assert {t["table"] for t in community["tables"]} == {"indicators", "commands", "transfers"}
    assert (
        noroshi("--lake", lake, "pivot", HOST, "--tlp", "green", "--json").json["count"] == community["count"]
    )


def test_hostile_text_cannot_act(lake: Path) -> None:
    ran = noroshi("--lake", lake, "pivot", "203.0.113.66")
    assert "\\x1b" in ran.out
    assert not set("\x1b\x00\u202e") & set(ran.out)


def test_the_next_step_names_a_row_that_is_there(lake: Path) -> None:
    ran = noroshi("--lake", lake, "pivot", ATTACKER, "--lang", "en")
    named = (ran.out + ran.err).rpartition("why ")[2].split()[0]
    assert named.count(":") == 2
    assert noroshi("--lake", lake, "why", named, "--json").json["rows"]
