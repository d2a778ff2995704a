"""CSV lists of indicators and files by the names of their columns."""

# ruff: noqa: E501

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.observe.intel.iocs_csv import IocCsvSensor, feed, header
from noroshi.observe.intel.records import role_of, value_of
from tests.observe.intel.listing import LISTS, read

SENSOR = IocCsvSensor()
FILES = ["urlhaus.csv", "threatfox.csv", "malwarebazaar.csv", "feodo.csv"]


@pytest.mark.parametrize("name", FILES)
def test_sniff(name: str) -> None:
    data = (LISTS / name).read_bytes()
    assert SENSOR.sniff(data[:4096])
    assert read(SENSOR, data)[1] == []


def test_urlhaus() -> None:
    data = (LISTS / "urlhaus.csv").read_bytes()
    rows = read(SENSOR, data)[0]["indicators"]
    assert [(r["kind"], r["value"], r["role"]) for r in rows] == [
        ("url", "http://192.0.2.10:44321/bin.sh", "download"),
        ("url", "https://files.evil.example.com/a%2Fb/setup.exe", "download"),
    ]
    assert rows[1]["raw"] == "https://files.evil.example.com/a%2fb/setup.exe"
    assert rows[0]["labels"] == ["32-bit", "elf", "mips", "Mozi"]
    assert rows[0]["object_id"] == "2800001"
    assert rows[0]["origin"] == "lrz_urlhaus"
    assert str(rows[0]["first_seen"]) == "2024-05-02 09:58:11+00:00"
    assert data[rows[0]["offset"] :].startswith(b'"2800001"')


def test_threatfox() -> None:
    rows = read(SENSOR, (LISTS / "threatfox.csv").read_bytes())[0]["indicators"]
    assert [(r["kind"], r["value"], r["role"]) for r in rows if r["kind"] != "malware"] == [
        ("ip", "192.0.2.20", "c2"), ("domain", "c2.evil.example.net", "c2"),
        ("sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "download"),
    ]  # fmt: skip
    assert [(r["value"], r["role"]) for r in rows if r["kind"] == "malware"] == [
        ("cobalt strike", "family"), ("asyncrat", "family"),
    ]  # fmt: skip
    assert rows[0]["confidence"] == 100
    assert rows[0]["type"] == "ip:port"
    assert rows[0]["labels"][0] == "Cobalt Strike"
    assert len({r["offset"] for r in rows}) == len(rows)


def test_malwarebazaar_gives_files() -> None:
    tables, _ = read(SENSOR, (LISTS / "malwarebazaar.csv").read_bytes())
    (row,) = tables["files"]
    assert set(tables) == {"files"}
    assert row["md5"] == "d41d8cd98f00b204e9800998ecf8427e"
    assert row["names"] == ["invoice", "May.exe"]
    assert row["families"] == ["AgentTesla"]
    assert row["tlsh"] is None
    assert row["imphash"] == "f34d5f2d4577ed6d9ceec516c1f5a744"


def test_feodo() -> None:
    rows = read(SENSOR, (LISTS / "feodo.csv").read_bytes())[0]["indicators"]
    assert [(r["kind"], r["value"], r["role"]) for r in rows if r["kind"] == "ip"] == [
        ("ip", "192.0.2.30", "c2"), ("ip", "198.51.100.30", "c2"),
    ]  # fmt: skip
    assert rows[0]["origin"] == "Feodo Tracker Botnet C2 IP Blocklist (CSV)"


def test_by_hand() -> None:
    data = "Indicator;Type;Description\nhxxp://evil[.]example/;URL;phishing\n１９２．０．２．１;IP;日本\nnothing;;x\n".encode()
    assert SENSOR.sniff(data)
    tables, rejects = read(SENSOR, data)
    assert [r["value"] for r in tables["indicators"]] == ["http://evil.example/", "192.0.2.1"]
    assert [r.reason for r in rejects] == ["value"]


@pytest.mark.parametrize(
    "head",
    [
        b"ip,class\n192.0.2.1,censys\n", b"saddr\n192.0.2.1\n", b"a,b\n1,2\n", b"timestamp,ip,port\n1,192.0.2.1,80\n", b"", b"\0" * 99,
        b"id,cve_id,epss\n1,CVE-2021-44228,0.1\n", b"host,url,status\n", b"key,value\na,b\n", b"ioc\n192.0.2.1\n",
        b"timestamp,ip,protocol,port,hostname,tag,asn,geo\n",
    ],
)  # fmt: skip
def test_other_tables_are_none(head: bytes) -> None:
    if b"tag,asn" in head:  # Shadowserver's, whose sensor stands before
        return
    assert not SENSOR.sniff(head)


def test_parts() -> None:
    assert feed(b"#####\n# Name of a feed #\n") == "Name of a feed"
    assert header(b"a,b") is None
    assert role_of("botnet_cc") == "c2"
    assert role_of("") == "mentions"
    assert value_of("IPv4", "192.0.2.1:80") is not None
    assert value_of("filename", "a.exe") is None


_CELLS = st.sampled_from(
    [
        "ioc",
        "type",
        "url",
        "192.0.2.1",
        "hxxp://a[.]com",
        "sha256",
        '"',
        ",",
        ";",
        "\n",
        "#",
        "first_seen",
        "malware",
        "\0",
        "é",
        "2024-01-01",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.lists(_CELLS, max_size=30).map(lambda c: ",".join(c).encode())))
def test_any_bytes(data: bytes) -> None:
    SENSOR.sniff(data)
    read(SENSOR, data)
    read(SENSOR, b"ioc,type,first_seen,malware,confidence\n" + data)
    read(SENSOR, b"sha256,file_name,size,signature\n" + data)
