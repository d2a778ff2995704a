"""Heralding: sessions with their attempts, and its CSV logs."""

from __future__ import annotations

import json
import tarfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.decoy.heralding import HeraldingCsvSensor, HeraldingSensor
from tests.observe.decoy.support import DATA, decoy_data, rows

REAL = (DATA / "heralding_2025.json").read_bytes()
AUTH = (DATA / "heralding_auth.csv").read_bytes()
SESSION = (DATA / "heralding_session.csv").read_bytes()


def line(**more: Any) -> bytes:
    """A session as Heralding writes it."""
    base = {
        "timestamp": "2019-04-13 08:29:09.019394", "duration": 9, "session_id": "4ba1fc0a", "source_ip": "192.0.2.1",
        "source_port": 52192, "destination_ip": "198.51.100.1", "destination_port": 2222, "protocol": "ssh",
        "num_auth_attempts": 1, "session_ended": True,
        "auth_attempts": [{"timestamp": "2019-04-13 08:29:12.732530", "username": "rewt", "password": "PASSWORD"}],
        "auxiliary_data": {"client_version": "SSH-2.0-OpenSSH_7.7p1"},
    }  # fmt: skip
    return json.dumps({**base, **more}).encode() + b"\n"


def test_sniff() -> None:
    assert HeraldingSensor().sniff(REAL[:300])
    assert HeraldingSensor().sniff(line())
    assert not HeraldingSensor().sniff(AUTH)
    assert HeraldingCsvSensor().sniff(AUTH)
    assert HeraldingCsvSensor().sniff(SESSION)
    assert not HeraldingCsvSensor().sniff(b"timestamp,username,password\n")


def test_a_session() -> None:
    found, rejects = rows(HeraldingSensor(), line())
    assert rejects == []
    (session,), (login,) = found["sessions"], found["logins"]
    assert str(session["last_seen"]) == "2019-04-13 08:29:18.019394+00:00"
    assert (session["client"], session["service"], session["login_count"]) == (
        "SSH-2.0-OpenSSH_7.7p1",
        "ssh",
        1,
    )
    assert (login["username"], login["password"], login["method"]) == ("rewt", "PASSWORD", "password")
    assert str(login["ts"]) == "2019-04-13 08:29:12.732530+00:00"
    assert login["session_id"] == session["session_id"] == "4ba1fc0a"


def test_a_real_log() -> None:
    found, rejects = rows(HeraldingSensor(), REAL)
    assert rejects == []
    sessions = [
        json.loads(s) for s in (x.strip().strip(b",") for x in REAL[1:].splitlines()) if s not in (b"]", b"")
    ]
    assert len(found["sessions"]) == len(sessions)
    assert len(found["logins"]) == sum(len(s["auth_attempts"]) for s in sessions) == 9
    assert all((r["password"] is None) == (r["method"] is None) for r in found["logins"])


def test_csv() -> None:
    found, rejects = rows(HeraldingCsvSensor(), AUTH)
    assert rejects == []
    assert [(r["username"], r["password"], r["dst_ip"]) for r in found["logins"]] == [
        ("bond", "ja,mes", "198.51.100.5"), ("clark", "P@SSw0rd123", None),
    ]  # fmt: skip
    found, rejects = rows(HeraldingCsvSensor(), SESSION)
    assert rejects == []
    assert [(s["login_count"], s["service"]) for s in found["sessions"]] == [(3, "telnet"), (1, "ftp")]
    _, rejects = rows(
        HeraldingCsvSensor(), AUTH + b"2016-03-12 20:35:02,192.0.2.1,5,23,telnet,bond,hunter2\nhunter2\n"
    )
    assert len(rejects) == 2
    assert all(b"hunter2" not in r.sample for r in rejects)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"timestamp": "soon"}, "time"),
        ({"source_ip": "x"}, "address"),
        ({"auth_attempts": {"a": 1}}, "json-shape"),
        ({"session_id": None}, "json-shape"),
    ],
)
def test_rejects(more: dict[str, Any], reason: str) -> None:
    found, rejects = rows(HeraldingSensor(), line(**more))
    assert found == {}
    assert [r.reason for r in rejects] == [reason]
    assert all(b"PASSWORD" not in r.sample for r in rejects)


def test_odd_values() -> None:
    odd = line(duration=1e300, source_port=-1, destination_port=None, num_auth_attempts=-7, auxiliary_data=[],
               auth_attempts=[{"username": 5, "password": True, "timestamp": "bad"}])  # fmt: skip
    found, rejects = rows(HeraldingSensor(), odd)
    assert rejects == []
    assert found["sessions"][0]["first_seen"] == found["sessions"][0]["last_seen"] == found["logins"][0]["ts"]
    assert (found["logins"][0]["username"], found["logins"][0]["password"]) == ("5", "True")
    assert rows(HeraldingSensor(), line(session_ended=False)) == ({}, [])
    assert rows(HeraldingSensor(), line(num_auth_attempts=10**30))[0]["sessions"][0]["login_count"] < 1 << 31


def test_a_line_with_too_many_attempts() -> None:
    found, rejects = rows(HeraldingSensor(), line(auth_attempts=[{"username": "a"}] * 10_003))
    assert len(found["logins"]) == 10_000
    assert [(r.reason, r.count) for r in rejects] == [("too-many", 3)]


@pytest.mark.parametrize("cut", [0, 100, 1_000, 5_000])
def test_a_cut_log(cut: int) -> None:
    assert len(rows(HeraldingSensor(), REAL[:cut])[1]) <= 1
    assert len(rows(HeraldingCsvSensor(), AUTH[:cut])[1]) <= 1


VALUE = st.none() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.integers(), max_size=2)


@given(
    st.dictionaries(st.sampled_from(sorted(json.loads(line()))), VALUE),
    st.lists(st.text(max_size=9), max_size=12),
    st.binary(max_size=60),
)
def test_anything_gives_rows_or_rejects(more: dict[str, Any], cells: list[str], rubbish: bytes) -> None:
    rows(HeraldingSensor(), line(**more) + rubbish)
    rows(HeraldingCsvSensor(), AUTH + ",".join(cells).encode("utf-8", "replace") + b"\n" + rubbish)
    rows(HeraldingCsvSensor(), SESSION + ",".join(cells).encode("utf-8", "replace") + b"\n" + rubbish)


def test_82_393_real_sessions_beside_an_independent_count() -> None:
    with tarfile.open(decoy_data("multi_honeypot", "heralding_82k.json.tar.gz")) as tar:
        member = tar.extractfile(tar.getmembers()[0])
        assert member is not None
        data = member.read()
    events = json.loads(data)
    found, rejects = rows(HeraldingSensor(), data)
    assert rejects == []
    assert len(found["sessions"]) == len(events) == 82_393
    assert len(found["logins"]) == sum(len(e["auth_attempts"]) for e in events) == 1_261
    assert len({s["src_ip"] for s in found["sessions"]}) == len({e["source_ip"] for e in events}) == 1_101
