"""Own devices that attack, on rows written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from noroshi.lake.handle import Lake
from tests.analyse.cross.support import judge, one
from tests.ask.support import ATTACKER, SERVER, at, batch, flows, scan, store
from tests.support.memory import flow

OWN = ("198.51.100.0/24",)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake.open(tmp_path / "lake")
    store(lake, "telescope", *flows(*scan(ATTACKER, 3), *scan(SERVER, 3)))
    return lake


def test_own_by_configuration(lake: Lake) -> None:
    found = one(lake, "own-device", own=OWN)
    assert (found.kind, found.subject.value) == ("infected-host", SERVER)
    assert found.evidence["seen"] == {"flows": 6}
    assert found.evidence["ports"] == ["tcp/23"]
    assert found.evidence["dst_ip_nunique"] == 3
    assert found.confidence == 70
    assert len(found.runs) == 1


def test_own_by_assets_with_somebody_to_call(lake: Lake) -> None:
    whole = {
        "ts": at(),
        "kind": "prefix",
        "value": "198.51.100.0/24",
        "owner": "Campus",
        "contact": "noc@example.org",
    }
    mine = {
        "ts": at(),
        "kind": "ip",
        "value": SERVER,
        "owner": "Library",
        "contact": "lib@example.org",
        "name": "web",
    }
    store(lake, "assets", batch("assets", whole, mine))
    found = one(lake, "own-device")
    assert (found.evidence["owner"], found.evidence["contact"]) == ("Library", "lib@example.org")
    assert "lib@example.org" in found.summary["en"]
    assert "Library" in found.summary["ja"]


def test_sensors_that_agree_make_surer(lake: Lake) -> None:
    store(
        lake, "pot", batch("logins", {"ts": at(9), "src_ip": SERVER, "username": "root", "session_id": "s"})
    )
    store(lake, "feed", batch("events", {"ts": at(10), "ip": SERVER, "feed": "drone", "type": "infected-system",
                                         "malware": "mirai"}))  # fmt: skip
    found = one(lake, "own-device", own=OWN)
    # 1 - (1 - 0.9)(1 - 0.7)(1 - 0.6) = 0.988
    assert found.confidence == 95
    assert found.evidence["seen"] == {"events": 1, "flows": 6, "logins": 1}
    assert found.evidence["reports"] == ["drone infected-system mirai"]


def test_answers_are_no_attack(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    answer = flow(SERVER, "192.0.2.9", sport=443, dport=4444, flags=18) | {"class": "backscatter"}
    store(lake, "telescope", *flows(answer))
    assert judge(lake, "own-device", own=OWN) == []


def test_a_weakness_is_no_attack(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    store(lake, "feed", batch("events", {"ts": at(), "ip": SERVER, "feed": "scan", "taxonomy": "vulnerable"}))
    assert judge(lake, "own-device", own=OWN) == []


def test_few_packets_may_be_forged(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    store(lake, "telescope", *flows(flow(SERVER, "192.0.2.9", dport=23, count=2)))
    found = one(lake, "own-device", own=OWN)
    assert found.confidence == 23
    assert "forged" in found.evidence["confidence_reason"]


def test_ipv6_neighbours_are_told_apart(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    store(lake, "pot", batch("sessions", {"first_seen": at(), "last_seen": at(1), "session_id": "s",
                                          "src_ip": "2001:db8::2"}))  # fmt: skip
    assert judge(lake, "own-device", own=("2001:db8::1/128",)) == []
    assert one(lake, "own-device", own=("2001:db8::2/127",)).subject.value == "2001:db8::2"


def test_without_own_networks_nothing_is_asked(lake: Lake) -> None:
    assert judge(lake, "own-device") == []
