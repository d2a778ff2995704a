"""Shadowserver's reports by columns and name; every type of their schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.model.errors import SourceError
from noroshi.observe.survey.shadowserver import ShadowserverSensor
from noroshi.observe.survey.shadowserver_types import from_file_name, load, report
from tests.observe.survey.support import HERE, outside, read, sample

TELNET = "2024-05-15-scan_telnet-example-asn.csv"
BRUTE = "2024-05-15-event4_honeypot_brute_force-example.csv"

COLUMNS = (
    "timestamp",
    "ip",
    "port",
    "src_ip",
    "password",
    "2024-05-14 00:00:00",
    "192.0.2.1",
    "\n",
    "sha256",
)


def test_a_scan() -> None:
    got = read(ShadowserverSensor(), sample(TELNET), f"/in/{TELNET}.gz")
    first, second = got.rows
    assert not got.rejects
    assert (first["table"], first["ip"], first["port"], first["protocol"]) == (
        "services",
        "192.0.2.40",
        23,
        6,
    )
    assert (first["service"], first["scanner"]) == ("telnet", "shadowserver:scan_telnet")
    assert (first["asn"], first["country"], first["severity"]) == ("AS64500", "JP", 3)
    assert (first["cves"], first["tags"]) == (["CVE-2020-10188"], ["telnet", "cve-2020-10188"])
    assert first["hostnames"] == ["node40.example.net"]
    assert second["banner"] == "line one\nline two"


def test_attempts_at_a_honeypot_are_logins_and_the_password_stands_there_only() -> None:
    got = read(ShadowserverSensor(), sample(BRUTE), BRUTE)
    (event,), (login,) = got.of("events"), got.of("logins")
    assert (event["ip"], event["dst_ip"], event["type"]) == ("192.0.2.50", "198.51.100.9", "brute-force")
    assert (event["url"], event["techniques"], event["severity"]) == ("http://203.0.113.5/x.sh", ["T1110"], 1)
    assert event["hashes"] == ["md5 0123456789abcdef0123456789abcdef"]
    assert "malware" not in event  # `infection` names what was probed
    extra = json.loads(event["extra"])
    assert extra["username"] == "root"
    assert "s3cret" not in json.dumps({k: str(v) for k, v in event.items()})
    assert (login["username"], login["password"], login["service"]) == ("root", "s3cret-Pa55", "ssh")
    assert (login["session_id"], login["src_ip"]) == ("ev-1", "192.0.2.50")


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("/a/b/2024-05-15-scan_telnet-example-asn.csv", "scan_telnet"), ("2024-05-15-blocklist-x.csv.zst", "blocklist"),
        ("2020-04-03-scan_ics-sample-asn-delayed.csv", "scan_ics"), ("2024-05-15-device_id.csv", "device_id"),
        ("scan_telnet.csv", ""), ("-", ""), ("2024-05-15.csv", ""),
    ],
)  # fmt: skip
def test_the_rule_of_file_names(name: str, want: str) -> None:
    assert from_file_name(name) == want


def test_a_type_nobody_knows_yet_goes_by_its_prefix_or_columns() -> None:
    assert report("scan7_x", ["ip", "port"], {}).services
    assert report("scan_brand_new", [], {}).service == "brand_new"
    assert report("event4_honeypot_new_scan", [], {}).type == "scanner"
    assert report("event6_sinkhole_new", [], {}).taxonomy == "malicious-code"
    assert report("", ["timestamp", "ip", "port", "tag"], {}).services
    assert report("", ["timestamp", "src_ip", "dst_ip"], {}).events
    both = report("scan_post_exploitation_framework", [], {})
    assert both.services
    assert both.events


def test_what_is_rejected() -> None:
    head, body = sample(TELNET).split(b"\n", 1)
    one = body.split(b"\n")[0]
    data = b"\n".join(
        [head, one.replace(b"192.0.2.40", b"192.0.2.400"), one.replace(b"192.0.2.40", b""),
         one.replace(b"2024-05-14", b"1970-01-01"), one.replace(b'"tcp",23', b'"tcp",-23'), one[:60]]
    )  # fmt: skip
    got = read(ShadowserverSensor(), data, TELNET)
    assert [r.reason for r in got.rejects] == ["address", "address", "time", "port", "quote"]
    assert not got.rows


def value(column: str, ip6: bool) -> str:
    """A plausible value of a column; one that names itself where any text will do."""
    ends = {
        "ip": "2001:db8::77" if ip6 else "192.0.2.77", "port": "4444", "asn": "64500", "geo": "JP",
        "timestamp": "2024-05-14 00:15:28", "protocol": "udp", "severity": "high", "tag": "one;two",
        "sha256": "ab" * 32, "sha1": "ab" * 20, "md5": "ab" * 16, "sha512": "ab" * 64,
        "url": "http://a.example/" + column, "fingerprint": "cd" * 32,
    }  # fmt: skip
    if column == "sha1_fingerprint":
        return "cd" * 20
    return ends.get(column) or ends.get(column.rpartition("_")[2]) or f"word of {column}"


def schema_types() -> list[str]:
    try:
        return sorted(json.loads(outside("survey", "shadowserver", "reports.json").read_bytes()))
    except pytest.skip.Exception:
        return ["(set NOROSHI_DATA)"]


@pytest.mark.parametrize("kind", schema_types())
@pytest.mark.parametrize("schema", ["", "reports.json", "intelmq.json"])
def test_every_published_type_goes_round(kind: str, schema: str) -> None:
    path = outside("survey", "shadowserver", "reports.json")
    entry = json.loads(path.read_bytes())[kind]
    fields: list[str] = entry["fields"]
    row = {f: value(f, "6_" in kind or kind.endswith("6")) for f in fields}
    data = ",".join(f'"{f}"' for f in fields) + "\n" + ",".join(f'"{v}"' for v in row.values()) + "\n"
    sensor = ShadowserverSensor()
    assert sensor.sniff(data.encode()[:4096])
    name = f"2024-05-15-{kind}-example.csv"
    got = read(sensor, data.encode(), name, path.with_name(schema) if schema else None)
    assert not got.rejects
    services, events = got.of("services"), got.of("events")
    scan = kind.startswith(("scan", "population", "device_id"))
    assert len(services) == (1 if scan else 0)
    assert len(events) == (
        0 if scan and kind not in ("scan_post_exploitation_framework", "scan_synfulknock") else 1
    )
    for one in got.of("services") + got.of("events"):
        check(one, row)
    if schema == "reports.json" and events and "classification.type" in entry and not scan:
        assert (events[0]["taxonomy"], events[0]["type"]) == (
            entry["classification.taxonomy"], entry["classification.type"],
        )  # fmt: skip
    if schema == "reports.json":
        assert got.reading is not None
        assert got.reading.counts == {"columns_not_in_schema": 0, "columns_missing": 0}


def check(got: dict[str, Any], row: dict[str, str]) -> None:
    """What stands in the record stands in the row, and in an event nothing is lost."""
    ip = row.get("src_ip") or row.get("ip") or row.get("http_referer_ip")
    assert got.get("ip") == ip
    assert got["severity"] == 2
    assert got["ts"].isoformat() == "2024-05-14T00:15:28+00:00"
    if "asn" in row:
        assert (got["asn"], got["country"]) == ("AS64500", "JP")
    if "tag" in row:
        assert got["tags"] == ["one", "two"]
    if got["table"] == "events":
        extra = json.loads(got.get("extra", "{}"))
        flat = json.dumps({k: str(v) for k, v in got.items() if k != "extra"})
        for column, text in row.items():
            if column in ("timestamp", "protocol", "severity", "tag", "asn", "src_asn", "password"):
                continue
            assert extra.get(column) == text or text in flat, column


def test_a_schema_tells_the_type_where_the_name_does_not() -> None:
    path = outside("survey", "shadowserver", "reports.json")
    schema = load(path)
    assert len(schema) == 170
    assert report("", list(schema["scan_snmp"].mapping), schema).service == "snmp"
    assert len(load(path.with_name("intelmq.json"))) == 170


def test_a_file_that_is_no_schema(tmp_path: Path) -> None:
    for text in ("", "[]", "{}", '{"a": 1}', "{" * 10_000):
        (tmp_path / "s.json").write_text(text)
        with pytest.raises(SourceError):
            load(tmp_path / "s.json")
    with pytest.raises(SourceError):
        load(tmp_path / "missing.json")


@pytest.mark.parametrize(("name", "rows"), [("test_smb.csv", 3), ("test_telnet.csv", 2)])
def test_intelmqs_fixtures(name: str, rows: int) -> None:
    """An older set of columns: `sic`, no `severity`, no date in the file's name."""
    data = outside("intel", "intelmq_tests", f"shadowserver__testdata__{name}").read_bytes()
    assert ShadowserverSensor().sniff(data[:4096])
    got = read(ShadowserverSensor(), data, name)
    assert not got.rejects
    assert len(got.of("services")) == rows
    if name == "test_telnet.csv":
        assert [r["banner"] for r in got.rows] == [
            "|MikroTik v6.5|Login:",
            "|MikroTik v6.45.3 (stable)|Login:",
        ]


def test_what_is_no_report() -> None:
    sensor = ShadowserverSensor()
    assert not sensor.sniff(b"timestamp,ip,port\n2024,1.2.3.4,5\n")
    assert not sensor.sniff((HERE / "zmap.csv").read_bytes())
    assert not sensor.sniff(b'{"timestamp": 1, "severity": 2, "tag": 3, "geo": 4}')


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 900))
def test_any_bytes(noise: bytes, at: int) -> None:
    for name in (TELNET, BRUTE):
        data = sample(name)
        read(ShadowserverSensor(), data + noise, name)
        read(ShadowserverSensor(), data[:at] + noise + data[at:], name)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(',\n"a1.', max_size=12) | st.sampled_from(COLUMNS), max_size=12))
def test_any_table(cells: list[str]) -> None:
    """Whatever columns there are: `--as` may be said of any file."""
    read(ShadowserverSensor(), ",".join(cells).encode(), "2024-05-15-scan_x.csv")
