"""Shodan's banners: by the documentation, and IntelMQ's fixture."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.observe.survey.shodan import ShodanSensor
from tests.observe.survey.support import outside, read, sample


def test_two_banners() -> None:
    got = read(ShodanSensor(), sample("shodan.jsonl"))
    ssh, web = got.rows
    assert not got.rejects
    assert (ssh["ip"], ssh["port"], ssh["service"], ssh["product"]) == (
        "192.0.2.30",
        22,
        "ssh",
        "Dropbear sshd",
    )
    assert ssh["cpes"] == ["cpe:2.3:a:matt_johnston:dropbear_ssh_server:2012.55:*:*:*:*:*:*:*"]
    assert (ssh["cves"], ssh["asn"], ssh["country"]) == (["CVE-2012-0920"], "AS64500", "JP")
    assert ssh["ssh_key"] == "aabbccddeeff00112233445566778899"
    assert ssh["hassh"] == "0123456789abcdef0123456789abcdef"
    assert (web["ip"], web["service"], web["title"], web["org"]) == (
        "2001:db8::30",
        "https",
        "Login",
        "Example ISP",
    )
    assert web["cves"] == ["CVE-2014-3566"]  # the one with ! was ruled out
    assert web["cpes"] == ["cpe:2.3:a:apache:http_server:2.4.6:*:*:*:*:*:*:*"]
    assert web["certificate"] == "0123456789abcdef" * 4
    assert web["fingerprints"] == ["certificate " + "0123456789abcdef0123456789abcdef01234567"]


def test_intelmqs_fixture() -> None:
    data = outside("intel", "intelmq_tests", "shodan__tests.json").read_bytes()
    assert ShodanSensor().sniff(data[:4096])
    got = read(ShodanSensor(), data)
    assert not got.rejects
    want = [json.loads(line) for line in data.splitlines() if line.strip()]
    assert [(r["ip"], r["port"]) for r in got.rows] == [(w["ip_str"], w["port"]) for w in want]
    assert got.rows[-1]["cves"] == ["CVE-2017-15906", "CVE-2018-15919"]
    assert {r["protocol"] for r in got.rows} == {6, 17}


def test_a_banner_whose_first_field_fills_the_head() -> None:
    record = json.loads(sample("shodan.jsonl").splitlines()[0])
    late = {
        **{k: record[k] for k in ("ip_str", "port", "transport", "hostnames")},
        "data": "x" * 9000,
        **record,
    }
    assert ShodanSensor().sniff(json.dumps(late).encode()[:4096])
    assert not ShodanSensor().sniff(b'{"ip_str": "192.0.2.1"}')
    assert not ShodanSensor().sniff(b'{"ip": "192.0.2.1", "port": 4}')


def test_what_is_rejected() -> None:
    base = {"ip_str": "192.0.2.1", "port": 1, "transport": "tcp", "timestamp": "2024-05-15T00:00:00"}
    bad = [{**base, "ip_str": None}, {**base, "port": -1}, {**base, "port": 10**30},
           {**base, "timestamp": "3024-01-01"}, {**base, "transport": "carrier pigeon"},
           {**base, "timestamp": 5}]  # fmt: skip
    got = read(ShodanSensor(), b"\n".join(json.dumps(b).encode() for b in bad) + b'\n{"ip_str"')
    assert [r.reason for r in got.rejects] == ["address", "port", "port", "time", "port", "time", "json"]
    assert not got.rows


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2000))
def test_any_bytes(noise: bytes, at: int) -> None:
    data = sample("shodan.jsonl")
    read(ShodanSensor(), data[:at] + noise + data[at:])
