"""JSON lists of indicators and files by the names of their members."""

# ruff: noqa: E501

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.observe.intel.iocs_json import IocJsonSensor
from tests.observe.intel.listing import read

SENSOR = IocJsonSensor()
# After the answers of ThreatFox's and MalwareBazaar's interfaces.
THREATFOX = b"""{"query_status": "ok", "data": [
 {"id": "1264001", "ioc": "192.0.2.20:4444", "threat_type": "botnet_cc", "ioc_type": "ip:port",
  "malware_printable": "Cobalt Strike", "confidence_level": 75, "first_seen": "2024-05-01 06:12:08 UTC", "tags": ["cs", "x"]},
 {"id": "1264002", "ioc": "c2.evil.example.net", "threat_type": "botnet_cc", "ioc_type": "domain", "tags": null},
 {"id": "1264003", "ioc": null, "ioc_type": "domain", "threat_type": "x"}, 5]}
"""
BAZAAR = (
    b'{"sha256_hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "file_name": "a.exe", '
    b'"file_size": 12, "file_type": "exe", "signature": "AgentTesla", "first_seen": "2024-05-02 08:00:00"}\n'
)


def test_threatfox() -> None:
    assert SENSOR.sniff(THREATFOX)
    tables, rejects = read(SENSOR, THREATFOX)
    rows = [r for r in tables["indicators"] if r["kind"] != "malware"]
    assert [(r["kind"], r["value"], r["role"]) for r in rows] == [
        ("ip", "192.0.2.20", "c2"), ("domain", "c2.evil.example.net", "c2"),
    ]  # fmt: skip
    assert rows[0]["labels"] == ["Cobalt Strike", "cs", "x"]
    assert rows[0]["confidence"] == 75
    assert str(rows[0]["first_seen"]) == "2024-05-01 06:12:08+00:00"
    assert sorted(r.reason for r in rejects) == ["record", "value"]
    assert THREATFOX[rows[0]["offset"] :].startswith(b'{"id": "1264001"')


@pytest.mark.parametrize("data", [BAZAAR, b"[" + BAZAAR + b"]", b'{"data": [' + BAZAAR + b"]}"])
def test_files(data: bytes) -> None:
    assert SENSOR.sniff(data)
    tables, rejects = read(SENSOR, data)
    (row,) = tables["files"]
    assert (row["names"], row["size"], row["type"], row["families"]) == (["a.exe"], 12, "exe", ["AgentTesla"])
    assert rejects == []


@pytest.mark.parametrize(
    "head",
    [b"", b"\0" * 9, b"{}", b"[]", b"[1]", b'{"ip": "192.0.2.1", "port": 80}', b'{"type": "bundle", "objects": []}', b"ioc,type\n",
     b'{"eventid": "cowrie.session.connect", "src_ip": "192.0.2.1", "timestamp": "2024"}', b'{"data": [{"a": 1}]}'],
)  # fmt: skip
def test_other_json_is_none(head: bytes) -> None:
    assert not SENSOR.sniff(head)


def test_truncated() -> None:
    for cut in range(0, len(THREATFOX), 13):
        read(SENSOR, THREATFOX[:cut])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    SENSOR.sniff(data)
    read(SENSOR, data)
    read(SENSOR, BAZAAR + data)
    read(SENSOR, b'{"data": [' + BAZAAR + b"," + data)
