"""IntelMQ's events in all three dresses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.observe.survey.intelmq import IntelmqSensor
from tests.observe.survey.support import outside, read, sample

COLUMNS = ("source.ip", "time.source", "extra", "2024-05-14 00:00:00", "192.0.2.1", "\n", "tlp")


def test_dotted_and_nested_events() -> None:
    data = sample("intelmq.jsonl")
    assert IntelmqSensor().sniff(data)
    first, second = read(IntelmqSensor(), data).rows
    assert (first["ip"], first["port"], first["dst_ip"], first["dst_port"]) == (
        "192.0.2.60",
        4444,
        "198.51.100.60",
        443,
    )
    assert (first["feed"], first["taxonomy"], first["type"]) == (
        "Example feed",
        "malicious-code",
        "infected-system",
    )
    assert (first["asn"], first["country"], first["protocol"]) == ("AS64500", "JP", 6)
    assert (first["domain"], first["malware"], first["confidence"]) == ("bot.example.net", "mirai", 80)
    assert first["hashes"] == ["md5 0123456789abcdef0123456789abcdef"]
    assert (first["cves"], first["tlp"]) == (["CVE-2023-1389"], "red")
    assert json.loads(first["extra"]) == {
        "time.observation": "2024-05-15T00:00:00+00:00", "extra.tag": "iot", "raw": "eHg=",
    }  # fmt: skip
    assert first["ts"].isoformat() == "2024-05-14T01:02:03+00:00"
    assert (second["url"], second["type"], second["tlp"]) == (
        "http://bad.example.net/x",
        "malware-distribution",
        "green",
    )
    assert "extra" not in second


def test_csv() -> None:
    data = sample("intelmq.csv")
    assert IntelmqSensor().sniff(data)
    (row,) = read(IntelmqSensor(), data).rows
    assert (row["ip"], row["port"], row["tlp"]) == ("192.0.2.61", 23, "amber")
    assert json.loads(row["extra"]) == {"extra.tag": "iot"}


def test_every_field_of_the_data_format_is_kept() -> None:
    """A value for each field of IntelMQ's own dictionary: it stands in a column or in `extra`."""
    fields = json.loads(outside("intel", "intelmq_tests", "harmonization.conf").read_bytes())["event"]
    values = {"IPAddress": "192.0.2.9", "ASN": 64500, "Integer": 7, "Float": 7.0, "Accuracy": 90.0, "Boolean": True,
              "DateTime": "2024-05-14T01:02:03+00:00", "TLP": "AMBER", "FQDN": "a.example.net",
              "URL": "http://a.example/"}  # fmt: skip
    event = {name: values.get(f["type"], f"word-of-{name}") for name, f in fields.items() if name != "extra"}
    event |= {
        "source.geolocation.cc": "JP",
        "protocol.transport": "udp",
        "extra.own": "mine",
        "source.account": "a@b.example",
    }
    (row,) = read(IntelmqSensor(), json.dumps(event).encode()).rows
    extra = json.loads(row["extra"])
    stored = set(event) - set(extra)
    assert stored == {
        "time.source", "source.ip", "destination.ip", "source.port", "destination.port", "protocol.transport",
        "source.asn", "source.geolocation.cc", "feed.name", "classification.taxonomy", "classification.type",
        "source.fqdn", "source.url", "malware.name", "source.account", "malware.hash.md5", "malware.hash.sha1",
        "malware.hash.sha256", "event_description.text", "feed.accuracy", "tlp",
    }  # fmt: skip
    assert all(extra[k] == event[k] for k in extra)


@pytest.mark.parametrize("name", ["json__data.json", "json__data2.json"])
def test_intelmqs_fixtures(name: str) -> None:
    data = outside("intel", "intelmq_tests", name).read_bytes()
    assert IntelmqSensor().sniff(data[:4096])
    got = read(IntelmqSensor(), data)
    assert not got.rejects
    assert {r["type"] for r in got.rows} == {"c2-server"}


def test_pretty_printed_events() -> None:
    events = [json.loads(line) for line in sample("intelmq.jsonl").splitlines()]
    data = json.dumps(events, indent=2).encode()
    assert IntelmqSensor().sniff(data)
    got = read(IntelmqSensor(), data)
    assert (len(got.rows), got.rejects) == (2, [])
    for row in got.rows:
        assert data[row["offset"] :].lstrip().startswith(b"{")


def test_passwords_stand_nowhere_but_in_logins() -> None:
    event = {"source.ip": "192.0.2.1", "classification.type": "brute-force", "extra.password": "s3cret-Pa55"}
    (row,) = read(IntelmqSensor(), json.dumps(event).encode()).rows
    assert json.loads(row["extra"]) == {"extra.password": "(withheld)"}


def test_what_is_rejected() -> None:
    base = {"source.ip": "192.0.2.1", "classification.type": "x", "time.source": "2024-05-14T01:02:03+00:00"}
    bad = [
        {**base, "source.ip": "fe80::1%eth0"},
        {**base, "time.source": "1970-01-01"},
        {**base, "destination.ip": "x"},
    ]
    got = read(IntelmqSensor(), b"\n".join(json.dumps(b).encode() for b in bad) + b'\n{"source.ip": "1')
    assert [r.reason for r in got.rejects] == ["address", "time", "address", "truncated"]
    deep: dict[str, object] = dict(base)
    for _ in range(500):
        deep = {"extra": deep}
    read(IntelmqSensor(), json.dumps({**base, **deep}).encode())


def test_what_is_too_long_is_cut_and_says_so() -> None:
    event = {"source.ip": "192.0.2.1", "classification.type": "x", "raw": "y" * 200_000, "comment": "z" * 500}
    event |= {f"extra.n{i}": "w" * 7_000 for i in range(20)}
    (row,) = read(IntelmqSensor(), json.dumps(event).encode()).rows
    extra = json.loads(row["extra"])
    assert len(row["extra"]) <= 64 << 10
    assert extra["comment"] == "z" * 500
    assert "_cut" in extra


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 900))
def test_any_bytes(noise: bytes, at: int) -> None:
    for name in ("intelmq.jsonl", "intelmq.csv"):
        data = sample(name)
        read(IntelmqSensor(), data[:at] + noise + data[at:])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(',\n"a1.', max_size=12) | st.sampled_from(COLUMNS), max_size=12))
def test_any_table(cells: list[str]) -> None:
    """Whatever columns there are: `--as` may be said of any file."""
    read(IntelmqSensor(), ",".join(cells).encode())
