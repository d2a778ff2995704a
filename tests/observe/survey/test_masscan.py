"""masscan's XML, JSON of every age, and NDJSON."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.observe.survey.masscan import MasscanSensor
from tests.observe.survey.support import NOW, read, sample

XML = b"""<?xml version="1.0"?>
<!-- masscan v1.0 scan -->
<nmaprun scanner="masscan" start="1600000000" version="1.0-BETA"  xmloutputversion="1.03">
<host endtime="1600000001"><address addr="192.0.2.1" addrtype="ipv4"/><ports><port protocol="tcp" portid="23">\
<state state="open" reason="syn-ack" reason_ttl="54"/></port></ports></host>
<host endtime="1600000002"><address addr="192.0.2.1" addrtype="ipv4"/><ports><port protocol="tcp" portid="23">\
<state state="open" reason="response" reason_ttl="54"/>\
<service name="telnet" banner="login:\\x0d\\x0a"></service></port></ports></host>
<host endtime="1600000003"><address addr="192.0.2.2" addrtype="ipv4"/><ports><port protocol="tcp" portid="443">\
<state state="open" reason="response"/><service name="X509" banner="CERT"></service></port></ports></host>
</nmaprun>
"""  # fmt: skip


def test_xml_rows_of_status_and_banner() -> None:
    der = b"\x30\x03\x02\x01\x05"
    got = read(MasscanSensor(), XML.replace(b"CERT", base64.b64encode(der)))
    plain, banner, cert = got.rows
    assert not got.rejects
    assert (plain["ip"], plain["port"], plain["protocol"], plain["state"]) == ("192.0.2.1", 23, 6, "open")
    assert (banner["service"], banner["banner"]) == ("telnet", "login:\\x0d\\x0a")
    assert cert["certificate"] == hashlib.sha256(der).hexdigest()
    assert cert["fingerprints"] == [f"certificate {hashlib.sha1(der).hexdigest()}"]
    assert "banner" not in cert
    assert plain["ts"].timestamp() == 1_600_000_001


def test_json() -> None:
    got = read(MasscanSensor(), sample("masscan.json"))
    assert not got.rejects
    assert [(r["ip"], r["port"], r["protocol"]) for r in got.rows] == [
        ("192.0.2.10", 22, 6), ("192.0.2.10", 22, 6), ("192.0.2.11", 80, 6), ("2001:db8::5", 161, 17),
    ]  # fmt: skip
    assert got.rows[1]["banner"] == "SSH-2.0-dropbear_2019.78"
    assert got.rows[2]["title"] == "RouterOS router configuration page"


def test_json_with_a_comma_too_many() -> None:
    got = read(MasscanSensor(), sample("masscan_comma.json"))
    assert not got.rejects
    assert len(got.rows) == 2


def test_json_before_it_was_json() -> None:
    got = read(MasscanSensor(), sample("masscan_old.json"))
    assert not got.rejects
    assert [(r["port"], r["state"]) for r in got.rows] == [(514, "open"), (22, "closed")]
    assert {r["ts"].timestamp() for r in got.rows} == {NOW / 1e6}  # it had no times: the file's own date


def test_ndjson() -> None:
    got = read(MasscanSensor(), sample("masscan.ndjson"))
    assert not got.rejects
    assert [(r["state"], r.get("service")) for r in got.rows] == [("open", None), ("open", "tls")]


def test_pretty_printed_and_on_one_line() -> None:
    one = b'{"ip": "192.0.2.1", "timestamp": "1600000000", "ports": [{"port": 1, "proto": "tcp", "status": "open"}]}'
    pretty = json.dumps([json.loads(one), json.loads(one)], indent=2).encode()
    got = read(MasscanSensor(), pretty)
    assert (len(got.rows), got.rejects) == (2, [])
    got = read(MasscanSensor(), b"[" + one + b"," + one + b"]")
    assert (len(got.rows), got.rejects) == (2, [])


@pytest.mark.parametrize("name", ["masscan.json", "masscan_old.json", "masscan_comma.json", "masscan.ndjson"])
def test_sniffing_and_cuts(name: str) -> None:
    data = sample(name)
    assert MasscanSensor().sniff(data)
    whole = len(read(MasscanSensor(), data).rows)
    got = read(MasscanSensor(), data[: len(data) * 2 // 3])
    assert 0 < len(got.rows) < whole
    assert len(got.rejects) <= 1


def test_hostile_records() -> None:
    bad = (
        b"""{"ip":"192.0.2.1%eth0","timestamp":"1600000000","port":1,"proto":"tcp","rec_type":"status","data":{}}
{"ip":"192.0.2.1","timestamp":"1600000000","port":-1,"proto":"tcp","rec_type":"status","data":{}}
{"ip":"192.0.2.1","timestamp":"1600000000","port":"1e9","proto":"tcp","rec_type":"status","data":{}}
{"ip":"192.0.2.1","timestamp":"99999999999","port":1,"proto":"tcp","rec_type":"status","data":{}}
{"ip":["192.0.2.1"],"timestamp":{},"port":[],"proto":7,"rec_type":"status","data":[]}
{"ip":"192.0.2.1","timestamp":"1600000000","ports":[1,null,[]]}
{"a":"""
        + b"[" * 100_000
        + b"""
"""
    )
    got = read(MasscanSensor(), bad)
    assert not got.rows
    assert [r.reason for r in got.rejects][:4] == ["address", "port", "port", "time"]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_bytes(noise: bytes, at: int) -> None:
    data = sample("masscan.json")
    read(MasscanSensor(), noise)
    read(MasscanSensor(), data[:at] + noise + data[at:])
    read(MasscanSensor(), XML[:at] + noise + XML[at:])
