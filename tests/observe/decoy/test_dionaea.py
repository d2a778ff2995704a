"""Dionaea: connections in a broken array, both forms of lists, incidents; no password outside of logins."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.decoy.dionaea import DionaeaIncidentSensor, DionaeaSensor
from tests.observe.decoy.support import DATA, decoy_data, rows

REAL = (DATA / "dionaea_2025.json").read_bytes()
INCIDENTS = (DATA / "dionaea_incidents.json").read_bytes()


def line(**more: Any) -> bytes:
    """A connection as `log_json` writes it."""
    base = {
        "connection": {"protocol": "ftpd", "transport": "tcp", "type": "accept"}, "dst_ip": "198.51.100.1",
        "dst_port": 21, "src_hostname": "", "src_ip": "192.0.2.1", "src_port": 999,
        "timestamp": "2025-02-12T08:28:02.472515",
    }  # fmt: skip
    return json.dumps({**base, **more}).encode() + b"\n"


def test_sniff() -> None:
    assert DionaeaSensor().sniff(REAL[:200])
    assert DionaeaSensor().sniff(line())
    assert not DionaeaSensor().sniff(INCIDENTS)
    assert DionaeaIncidentSensor().sniff(INCIDENTS[:150])
    assert not DionaeaIncidentSensor().sniff(REAL)


def test_a_real_log_that_is_no_valid_json() -> None:
    found, rejects = rows(DionaeaSensor(), REAL)
    assert rejects == []
    assert {t: len(r) for t, r in found.items()} == {
        "sessions": 44, "logins": 7, "commands": 11, "connections": 1,
    }  # fmt: skip
    first = found["sessions"][0]
    assert (first["src_ip"], first["dst_port"], first["service"]) == ("14.225.213.224", 445, "smb")
    (out,) = found["connections"]
    assert (out["dst_ip"], out["dst_port"], out["state"]) == ("35.203.210.216", 42, "connect")
    assert [c["text"] for c in found["commands"] if c["text"].startswith("PASS")] == ["PASS ***"] * 2
    assert ("anonymous", "anonymous@") in [(r["username"], r["password"]) for r in found["logins"]]


def test_lists_of_objects_and_objects_of_lists() -> None:
    flat = line(credentials={"username": ["a", "b"], "password": ["x", "y"]},
                ftp={"commands": {"command": ["USER", "PASS"], "arguments": ["a", "x"]}})  # fmt: skip
    commands = [{"command": "USER", "arguments": ["a"]}, {"command": "PASS", "arguments": ["x"]}]
    logins = [{"username": "a", "password": "x"}, {"username": "b", "password": "y"}]
    deep = line(credentials=logins, ftp={"commands": commands})
    one, two = rows(DionaeaSensor(), flat)[0], rows(DionaeaSensor(), deep)[0]
    assert one == two
    assert [(r["username"], r["password"]) for r in one["logins"]] == [("a", "x"), ("b", "y")]
    assert [r["text"] for r in one["commands"]] == ["USER a", "PASS ***"]
    assert (one["sessions"][0]["login_count"], one["sessions"][0]["command_count"]) == (2, 2)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"timestamp": "never"}, "time"),
        ({"timestamp": "1980-01-01T00:00:00"}, "time"),
        ({"src_ip": ""}, "address"),
        ({"src_ip": None}, "address"),
        ({"connection": []}, "json-shape"),
        ({"dst_ip": "?", "connection": {"type": "connect"}}, "address"),
    ],
)
def test_rejects(more: dict[str, Any], reason: str) -> None:
    found, rejects = rows(DionaeaSensor(), line(**more))
    assert found == {}
    assert [r.reason for r in rejects] == [reason]


def test_odd_values() -> None:
    odd = line(
        credentials=[1, {"username": 5}, {"username": ["x"]}], ftp={"commands": {"command": 7}}, src_port=-1
    )
    found, rejects = rows(DionaeaSensor(), odd)
    assert rejects == []
    assert [r["username"] for r in found["logins"]] == ["5", "['x']"]
    assert found["sessions"][0]["src_port"] == 0
    _, rejects = rows(DionaeaSensor(), line(credentials=[{"password": "hunter2"}], dst_port="no"))
    assert b"hunter2" not in rejects[0].sample


def test_a_line_with_too_many_logins() -> None:
    found, rejects = rows(DionaeaSensor(), line(credentials=[{"username": "a", "password": "b"}] * 10_002))
    assert len(found["logins"]) == 10_000
    assert found["sessions"][0]["login_count"] == 10_002
    assert [(r.reason, r.count) for r in rejects] == [("too-many", 2)]


def test_incidents() -> None:
    found, rejects = rows(DionaeaIncidentSensor(), INCIDENTS)
    assert rejects == []
    assert found["sessions"][0]["session_id"] == "c1"
    assert [(t["url"], t["md5"], t["success"]) for t in found["transfers"]] == [
        ("http://203.0.113.20/ssms.exe", None, False),
        ("http://203.0.113.20/ssms.exe", "d41d8cd98f00b204e9800998ecf8427e", True),
    ]
    assert [(r["username"], r["password"], r["service"]) for r in found["logins"]] == [
        ("root", "pw", "mysql")
    ]
    assert [c["text"] for c in found["commands"]] == ["PASS ***"]


@pytest.mark.parametrize("cut", [0, 10, 500, 5_000])
def test_a_cut_log(cut: int) -> None:
    assert len(rows(DionaeaSensor(), REAL[:cut])[1]) <= 1


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=8) | st.just("192.0.2.1"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["username", "password", "command", "arguments", "commands", "type", "connection"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(["credentials", "ftp", "src_ip", "timestamp", "src_port"]), JSON),
    st.binary(),
)
def test_anything_gives_rows_or_rejects(more: dict[str, Any], rubbish: bytes) -> None:
    rows(DionaeaSensor(), line(**more) + rubbish)
    rows(
        DionaeaIncidentSensor(),
        INCIDENTS[:300] + json.dumps({"origin": "x.login", **more}).encode() + rubbish,
    )


def test_20_000_real_connections_beside_an_independent_count() -> None:
    with tarfile.open(decoy_data("multi_honeypot", "dioneae_20k.json.tar.gz")) as tar:
        member = tar.extractfile(tar.getmembers()[0])
        assert member is not None
        data = member.read()
    events = [json.loads(s) for s in (x.strip().strip(b"[],").strip() for x in data.splitlines()) if s]
    found, rejects = rows(DionaeaSensor(), data)
    assert rejects == []
    types = Counter(e["connection"]["type"] for e in events)
    assert len(found["sessions"]) == types["accept"] == 20_739
    assert len(found["connections"]) == types["connect"] == 52
    assert len(found["logins"]) == sum(
        len(e["credentials"]["username"]) for e in events if "credentials" in e
    )
    assert len(found["commands"]) == sum(len(e["ftp"]["commands"]["command"]) for e in events if "ftp" in e)
