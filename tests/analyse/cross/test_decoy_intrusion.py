"""Decoy and darknet joined, on rows written by hand and on 37 days of Cowrie's logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from noroshi.lake.handle import Lake
from tests.analyse.cross.support import judge, one
from tests.ask.support import ATTACKER, OTHER, at, batch, flows, scan, store


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake.open(tmp_path / "lake")
    store(lake, "telescope", *flows(*scan(ATTACKER, 3)))
    return lake


def visit(lake: Lake, src: str, *, success: bool, after: float, name: str = "pot") -> None:
    seen = {"session_id": f"s-{src}", "src_ip": src, "decoy": "pot"}
    store(
        lake, name,
        batch("sessions", {**seen, "first_seen": at(after), "last_seen": at(after + 60), "login_count": 2}),
        batch("logins", {**seen, "ts": at(after + 1), "username": "root", "password": "x", "success": False},
              {**seen, "ts": at(after + 3600), "username": "root", "password": "y", "success": success}),
        batch("commands", {**seen, "ts": at(after + 3), "text": " uname -a\n"}),
        batch("transfers", {**seen, "ts": at(after + 4), "url": "http://evil.example.net/x", "success": True,
                            "direction": "download"}),
    )  # fmt: skip


def test_lead_time_and_what_it_did(lake: Lake) -> None:
    visit(lake, ATTACKER, success=True, after=7199)
    found = one(lake, "decoy-intrusion")
    assert found.subject.value == ATTACKER
    assert found.confidence == 95
    assert found.evidence["hours_darknet_before_login"] == 2.0
    assert found.evidence["first_commands"] == ["uname -a"]
    assert found.evidence["files"] == ["http://evil.example.net/x"]
    assert {k: found.evidence[k] for k in ("sessions", "logins", "login_successes", "commands", "transfers")} == {
        "sessions": 1, "logins": 2, "login_successes": 1, "commands": 1, "transfers": 1,
    }  # fmt: skip
    assert found.evidence["darknet_packets"] == 6
    assert len(found.runs) == 2
    assert "2.0 hours before" in found.summary["en"]
    assert "2.0時間前" in found.summary["ja"]


def test_an_attempt_counts_only_with_the_darknet(lake: Lake) -> None:
    visit(lake, ATTACKER, success=False, after=10)
    visit(lake, OTHER, success=False, after=20, name="pot2")
    found = one(lake, "decoy-intrusion")
    assert found.subject.value == ATTACKER
    assert found.confidence == 80
    # one of two visitors of that day never stood in the darknet
    assert found.evidence["decoy_sources"] == 2
    assert found.evidence["share_never_in_darknet"] == 0.5


def test_the_decoy_may_be_first(lake: Lake) -> None:
    visit(lake, ATTACKER, success=True, after=-3601)
    assert one(lake, "decoy-intrusion").evidence["hours_darknet_before_login"] == -1.0


def test_an_address_of_long_ago_is_another_host(lake: Lake) -> None:
    visit(lake, ATTACKER, success=False, after=86_400 * 40)
    assert judge(lake, "decoy-intrusion") == []
    found = one(lake, "decoy-intrusion", window_days=50)
    assert found.evidence["darknet_packets"] == 6
    # the darknet did not watch on the day of the visit: no share is told
    assert "share_never_in_darknet" not in found.evidence


def test_sessions_alone_tell_of_success(lake: Lake) -> None:
    store(lake, "table", batch("sessions", {"session_id": "a", "src_ip": OTHER, "first_seen": at(), "login_count": 3,
                                            "last_seen": at(9), "login_success": True}))  # fmt: skip
    found = one(lake, "decoy-intrusion")
    assert found.evidence["login_successes"] == 1
    assert found.evidence["logins"] == 3
    assert "hours_darknet_before_login" not in found.evidence


def test_the_rest_is_counted(lake: Lake) -> None:
    for n in range(4):
        visit(lake, f"203.0.113.{100 + n}", success=True, after=n, name=f"pot{n}")
    found = judge(lake, "decoy-intrusion", max_findings=2)
    assert [f.evidence["found_in_all"] for f in found] == [4, 4]


def test_an_empty_lake(tmp_path: Path) -> None:
    assert judge(Lake.open(tmp_path / "none"), "decoy-intrusion") == []
