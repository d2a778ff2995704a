"""The answer: exact counts, newest rows, every kind of value, and nothing a recipient may not see."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noroshi.ask.pivot import Pivots
from noroshi.lake import heads
from noroshi.lake.handle import Lake
from noroshi.model.errors import UsageError
from noroshi.model.tlp import Tlp
from tests.ask.support import (
    ATTACKER,
    CPE,
    CVE,
    HASSH,
    HOST,
    OTHER,
    PURL,
    SERVER,
    SHA256,
    URL,
    at,
    batch,
    flows,
    pivots,
    scan,
    store,
    story,
)


def test_header_and_rows(told: Lake) -> None:
    answer = pivots(told).ask(ATTACKER)
    j = answer.to_json()
    assert (j["kind"], j["value"]) == ("ip", ATTACKER)
    assert (j["first_seen"], j["last_seen"]) == ("2024-04-01T12:00:00Z", "2024-04-03T12:29:00Z")
    tables = {(t["table"], t["role"]): t for t in j["tables"]}
    assert tables["flows", "src"]["count"] == 300  # packets, two a row
    assert tables["flows", "src"]["sources"] == [{"source": "telescope", "count": 300}]
    assert tables["logins", "src"]["count"] == 2
    assert {r for t, r in tables if t == "indicators"} == {"c2", "victim"}
    assert j["count"] == sum(t["count"] for t in j["tables"])
    assert [(h["day"], h["tables"].get("flows")) for h in j["histogram"]] == [
        ("2024-04-01", 240),
        ("2024-04-03", 60),
    ]
    newest = [r["first_seen"] for r in tables["flows", "src"]["rows"]]
    assert newest[0] == "2024-04-03T12:29:00Z"
    assert newest == sorted(newest, reverse=True)
    assert len(newest) >= 50
    assert tables["flows", "src"]["rows"][0]["row"].startswith("flows:")
    json.dumps(j)


@pytest.mark.parametrize(
    ("text", "kind", "tables"),
    [
        (HASSH, "hassh", {"sessions"}),
        (SHA256.upper(), "sha256", {"transfers"}),
        (CVE.lower(), "cve", {"vulnerabilities", "affected"}),
        (CPE, "cpe", {"services"}),
        (PURL, "purl", {"affected", "components"}),
        ("hxxp://evil[.]example[.]net/x.sh", "url", {"commands", "transfers"}),
        ("evil[.]example.net", "domain", {"indicators", "commands", "transfers"}),
        ("203.0.113.8/31", "prefix", {"warnings", "flows", "sessions"}),
        ("198.51.100.0/24", "prefix", {"assets", "services"}),
    ],
)
def test_kinds(told: Lake, text: str, kind: str, tables: set[str]) -> None:
    answer = pivots(told).ask(text)
    assert answer.kind == kind
    assert {s.table for s in answer.head.stands} >= tables
    # Rows are found however the source wrote the value.
    for found in answer.found:
        assert found.rows.num_rows, (found.table, found.role)


def test_credentials(told: Lake) -> None:
    asked = pivots(told).ask("root:hunter2", "credential")
    assert asked.kind == "credential"
    assert asked.value.startswith("hmac:")
    assert asked.head.count == 1
    assert [r["password"] for r in asked.to_json()["tables"][0]["rows"]] == ["hunter2"]
    assert "hunter2" not in json.dumps(
        pivots(told, restricted=True).ask("root:hunter2", "credential").to_json()
    )
    assert pivots(told).ask("root:nothing", "credential").head.count == 0
    with pytest.raises(UsageError, match="pair"):
        pivots(told).ask("root", "credential")


def test_unknown(told: Lake) -> None:
    answer = pivots(told).ask("192.0.2.250").to_json()
    assert (answer["count"], answer["first_seen"], answer["tables"]) == (0, None, [])
    with pytest.raises(UsageError, match="no value"):
        pivots(told).ask("\x00")
    with pytest.raises(UsageError):
        pivots(told).ask("x", "ip")


def test_since(told: Lake) -> None:
    answer = pivots(told).ask(ATTACKER, since=at(days=1))
    assert answer.head.count == 60
    assert [s.table for s in answer.head.stands] == ["flows"]


def test_prefix_adds_its_addresses(told: Lake) -> None:
    answer = pivots(told).ask("203.0.113.0/24")
    assert answer.n_addresses == 2
    assert [a["value"] for a in answer.addresses] == [ATTACKER, OTHER]
    one = [pivots(told).ask(a).head.count for a in (ATTACKER, OTHER)]
    assert answer.head.count == sum(one)
    assert [i["value"] for i in answer.context.inside] == ["203.0.113.8/31"]


def test_for_a_recipient(told: Lake) -> None:
    shot = told.snapshot().restricted(tlp=Tlp.GREEN)
    answer = Pivots(shot, restricted=True, unseen=["192.0.2.0/24"]).ask(ATTACKER)
    j = json.dumps(answer.to_json())
    assert {s.role for s in answer.head.in_tables("indicators")} == {"c2"}
    assert "secret.example.org" not in j
    assert "hunter2" not in j
    assert "192.0.2." not in j
    assert Pivots(shot, unseen=["198.51.100.0/24"]).ask(SERVER).head.count == 0


def test_what_may_not_be_seen_changes_nothing(tmp_path: Path) -> None:
    """The answer for a recipient is the same, byte for byte, whether or not there is more they may not see."""
    plain, more = story(tmp_path / "a"), story(tmp_path / "b")
    store(more, "secret", *flows(*scan(ATTACKER, 40, day=1)), tlp=Tlp.RED)
    store(
        more,
        "red",
        batch("indicators", {"ts": at(), "kind": "domain", "value": HOST, "role": "c2", "tlp": "red"}),
    )
    for text in (ATTACKER, HOST, "203.0.113.0/24", URL):
        answers = []
        for lake in (plain, more):
            shot = lake.snapshot().restricted(tlp=Tlp.AMBER)
            j = Pivots(shot, restricted=True).ask(text).to_json()
            for table in j["tables"]:
                for row in table["rows"]:
                    row.pop("run_id", None)  # random
            answers.append(json.dumps(j, sort_keys=True))
        assert answers[0] == answers[1], text


def test_compaction_and_heads_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = story(tmp_path / "lake")
    before = {t: pivots(lake).ask(t).to_json() for t in (ATTACKER, HASSH, CVE, "203.0.113.0/24", HOST)}
    lake.compact()
    monkeypatch.setattr(heads, "LEAST_ROWS", 1)
    assert heads.build(lake) == 1
    for text, want in before.items():
        got = pivots(lake).ask(text).to_json()
        for one in (got, want):
            one["notes"] = []  # whether rows are certain to be the newest, files in order tell
            for table in one["tables"]:
                table["sample"] = False
                table["rows"].sort(key=lambda r: json.dumps(r, sort_keys=True))
        assert got == want


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(max_size=60)
    | st.sampled_from(["1.2.3.4/0", "AS0", "::/0", "cpe:2.3:*", "pkg:a", "a@b", "0" * 32])
)
def test_any_text(told: Lake, text: str) -> None:
    with contextlib.suppress(UsageError):
        json.dumps(pivots(told).ask(text).to_json())
