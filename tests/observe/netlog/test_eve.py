"""Suricata's EVE log: every stored event type, all versions of DNS events, and what cannot be read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.observe.netlog.eve import EveSensor
from tests.observe.netlog.support import DATA, all_rows, read, reading

LOG = (DATA / "eve.json").read_bytes()
EVENTS = [json.loads(line) for line in LOG.splitlines()]


def lines(*events: Any) -> bytes:
    return b"".join((e if isinstance(e, bytes) else json.dumps(e).encode()) + b"\n" for e in events)


def event(kind: str, **body: Any) -> dict[str, Any]:
    """An event of the sample, its body changed."""
    found: dict[str, Any] = next(e for e in EVENTS if e["event_type"] == kind)
    return found | {kind: found[kind] | body}


def rows_of(table: str, data: bytes = LOG) -> list[dict[str, Any]]:
    return read(EveSensor(), data)[0][table]


def test_every_event_goes_to_its_table() -> None:
    into = reading(LOG)
    rows, rejects = read(EveSensor(), LOG, into=into)
    assert {t: len(r) for t, r in rows.items()} == {
        "alerts": 3, "connections": 3, "dns": 4, "http": 3, "tls": 2, "certificates": 1, "ssh": 1, "network_files": 1,
    }  # fmt: skip
    assert {(r.reason, r.count) for r in rejects} == {("not-stored", 1), ("not-stored", 2)}
    assert into.counts == {
        "not_stored.fileinfo without a hash": 1,
        "not_stored.smtp": 1,
        "not_stored.stats": 2,
    }
    for row in all_rows(rows):
        assert LOG[row["offset"] : row["offset"] + 13] == b'{"timestamp":'


def test_alerts() -> None:
    log4j, tmg, anomaly = rows_of("alerts")
    assert (log4j["signature_id"], log4j["severity"], log4j["action"]) == ("2034647", 1, "allowed")
    assert log4j["cves"] == ["CVE-2021-44228"]
    assert log4j["ts"] == datetime(2026, 11, 1, 0, 0, 0, 250, UTC)
    assert (tmg["signature_id"], tmg["category"], tmg["src_ip"]) == ("3:19187", None, "2001:db8::9")
    assert (anomaly["engine"], anomaly["signature"]) == ("suricata-anomaly", "INVALID_RECORD_TYPE")


def test_flows() -> None:
    tls, ping, half = rows_of("connections")
    assert (tls["first_seen"], tls["last_seen"]) == (
        datetime(2026, 10, 31, 23, 59, tzinfo=UTC), datetime(2026, 10, 31, 23, 59, 30, 500000, UTC),
    )  # fmt: skip
    assert (tls["src_byte_count"], tls["dst_byte_count"], tls["service"], tls["state"]) == (
        1500,
        9000,
        "tls",
        "closed",
    )
    assert (ping["protocol"], ping["src_port"], ping["service"]) == (1, 0, None)
    assert (half["src_ip"], half["src_packet_count"], half["dst_packet_count"]) == ("203.0.113.7", 8, None)


def test_dns_of_every_version() -> None:
    query, v1, v2, v3 = rows_of("dns")
    assert (query["query"], query["answers"], query["rcode"]) == ("v1.example.net", None, None)
    assert (v1["answers"], v1["src_ip"], v1["dst_port"]) == (["203.0.113.7"], "192.0.2.10", 53), (
        "the source asked"
    )
    assert v2["answers"] == ["cdn.example.net", "203.0.113.8"]
    assert (v3["query"], v3["qtype"], v3["rcode"], v3["answers"]) == (
        "v3.example.net",
        "AAAA",
        "NXDOMAIN",
        None,
    )


def test_web_requests() -> None:
    plain, other_port, proxied = rows_of("http")
    assert plain["url"] == "http://www.example.net/bin/a.sh?x=1"
    assert (other_port["url"], other_port["status_code"]) == ("http://www.example.net:1337/t", 404)
    assert proxied["url"] == "http://h.example.org/p", "passwords stand in logins only"


def test_handshakes_certificates_and_files() -> None:
    rows = read(EveSensor(), LOG)[0]
    full, quiet = rows["tls"]
    assert (full["certificate"], full["ja3"]) == ("aa" * 20, "456523fc94726331a4d5a2e1d40b2cd7")
    assert (quiet["certificate"], quiet["ja3"], quiet["server_name"]) == (None, None, "quiet.example.net")
    (certificate,) = rows["certificates"]
    assert (certificate["serial"], certificate["not_after"].year) == ("0a1b2c", 2026)
    (ssh,) = rows["ssh"]
    assert (ssh["client"], ssh["hassh"]) == ("SSH-2.0-libssh2_1.10.0", "ec7378c1a92f5a8dde7e8b7a1ddf33d1")
    (file,) = rows["network_files"]
    assert (file["filename"], file["sha256"], file["complete"]) == ("a.sh", "0" * 63 + "1", True)
    assert (file["src_ip"], file["dst_ip"], file["service"]) == ("203.0.113.7", "192.0.2.10", "http")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (EVENTS[3] | {"src_ip": "x"}, "address"),
        (EVENTS[3] | {"src_port": 70000}, "port"),
        (EVENTS[3] | {"proto": "x"}, "protocol"),
        (EVENTS[3] | {"timestamp": "1969-12-31T16:04:21.000000-0800"}, "time"),
        (EVENTS[3] | {"timestamp": "soon"}, "time"),
        (event("flow", start="2030-01-01T00:00:00.000000+0000"), "time"),
        (event("flow", pkts_toserver=-1), "count"),
        (event("flow", bytes_toserver=1 << 70), "count"),
        (event("flow", pkts_toserver="many"), "value"),
        (event("alert", signature=None), "value"),
        (event("http", status="never"), "value"),
        ({"event_type": "flow"}, "value"),
        ([], "value"),
        (b"{", "json"),
        (b'{"timestamp":"\xff"}', "json"),
        (
            b'{"timestamp":"2026-11-01T00:00:00","event_type":"alert","alert":{"metadata":' + b"[" * 99999,
            "json",
        ),
    ],
)
def test_what_does_not_fit_is_rejected(bad: Any, reason: str) -> None:
    rows, rejects = read(EveSensor(), lines(EVENTS[3], bad, EVENTS[3]))
    assert len(rows["connections"]) == 2
    assert [r.reason for r in rejects] == [reason]
    assert rejects[0].position == len(lines(EVENTS[3]))
    assert rejects[0].sample


def test_sniff() -> None:
    assert EveSensor().sniff(LOG[:4096])
    for other in (
        b'{"ts":1,"_path":"conn"}',
        b'{"eventid":"cowrie","timestamp":"x"}',
        b"",
        b"[]",
        b"event_type timestamp",
    ):
        assert not EveSensor().sniff(other)


def test_truncated_anywhere() -> None:
    for cut in range(0, len(LOG), 211):
        read(EveSensor(), LOG[:cut])


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=8), v, max_size=3)
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_bytes_give_rows_or_rejects(data: st.DataObject) -> None:
    read(EveSensor(), data.draw(st.binary(max_size=200)))
    found = dict(data.draw(st.sampled_from(EVENTS)))
    kind = found["event_type"]
    key = data.draw(st.sampled_from([*found, "proto"]))
    found[key] = data.draw(VALUES)
    if kind in found and isinstance(found[kind], dict) and found[kind]:
        inner = data.draw(st.sampled_from([*found[kind], "answers", "grouped", "queries"]))
        found[kind] = found[kind] | {inner: data.draw(VALUES)}
    read(EveSensor(), lines(found))
    mutated = bytearray(LOG)
    at = data.draw(st.integers(0, len(mutated) - 1))
    mutated[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    read(EveSensor(), bytes(mutated))
