"""Plain lists of indicators."""

# ruff: noqa: E501

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.model.observable import canonical
from noroshi.observe.intel.entries import entry
from noroshi.observe.intel.iocs import IocListSensor, parsed
from tests.observe.intel.listing import LISTS, read

SENSOR = IocListSensor()


def test_all_forms() -> None:
    tables, rejects = read(SENSOR, (LISTS / "plain.txt").read_bytes())
    rows = tables["indicators"]
    assert [(r["kind"], r["value"]) for r in rows] == [
        ("ip", "192.0.2.1"), ("prefix", "198.51.100.0/24"), ("ip", "203.0.113.7"), ("ip", "2001:db8::1"),
        ("prefix", "2001:db8:1::/48"), ("url", "http://evil.example.com/a.php"), ("domain", "bad.example.org"),
        ("domain", "ads.example.net"), ("md5", "d41d8cd98f00b204e9800998ecf8427e"), ("email", "name@evil.example.com"),
        ("cve", "CVE-2021-44228"), ("ip", "198.51.100.9"),
    ]  # fmt: skip
    assert rows[1]["comment"] == "SBL000001"
    assert rows[2]["raw"] == "203.0.113.7:8080"
    assert rows[6]["type"] == "below"
    assert rows[11]["comment"] == "12"
    assert all(r["document"] == "list.txt" for r in rows)
    assert [(r.reason, r.sample[:7]) for r in rejects] == [("entry", b"AS64500")]  # words behind it
    data = (LISTS / "plain.txt").read_bytes()
    assert data[rows[2]["offset"] :].startswith(b"203.0.113.7")


def test_hosts_file() -> None:
    tables, rejects = read(SENSOR, (LISTS / "hosts.txt").read_bytes())
    assert [r["value"] for r in tables["indicators"]] == [
        "ads.example.com", "evil.example.net", "www.evil.example.net",
    ]  # fmt: skip
    assert len({r["offset"] for r in tables["indicators"]}) == 3
    assert rejects == []


@pytest.mark.parametrize("name", ["plain.txt", "hosts.txt"])
def test_sniff(name: str) -> None:
    assert SENSOR.sniff((LISTS / name).read_bytes())
    assert SENSOR.sniff(b"192.0.2.0/24\n")


@pytest.mark.parametrize(
    "head",
    [
        b'192.0.2.1 - - [10/Oct/2024:13:55:36 +0000] "GET / HTTP/1.1" 200 5\n',
        b"2024-05-01 12:00:00 192.0.2.1 connected\n", b"This is a report.\n\nIt is about 192.0.2.1.\n",
        b"May  1 00:00:01 host sshd[1]: Failed password for root from 192.0.2.1 port 1 ssh2\n",
        b"ip,class\n192.0.2.1,censys\n", b'{"a": 1}\n', b"#!/bin/sh\necho 1\n", b"[section]\nkey = value\n", b"", b"\0" * 99,
        b"numpy>=1.26\npyarrow>=17\n", b"import os\nimport sys\n", b"a.py\nb.py\nREADME.md\nsetup.cfg\n", b"1.2\n3.4\n", b"12345\n67890\n",
        b"<!DOCTYPE html>\n", b'{\n "list": [\n  "192.0.2.1",\n  "192.0.2.2"\n', b"root:x:0:0:root:/root:/bin/bash\n",
        b"192.0.2.1\t443\ttcp\topen\n",
    ],
)  # fmt: skip
def test_no_list(head: bytes) -> None:
    assert not SENSOR.sniff(head)


def test_words_with_dots_are_no_names() -> None:
    assert entry("setup.exe") is None
    assert entry("evil.example.com") is not None
    assert parsed("evil [.] example [.] com") is not None
    assert parsed("x" * 100_000) is None


def test_truncated_and_long_lines() -> None:
    data = b"192.0.2.1\n192.0.2.2\n" + b"A" * 200_000 + b"\n192.0.2"
    tables, rejects = read(SENSOR, data)
    assert len(tables["indicators"]) == 2
    assert [r.reason for r in rejects] == ["entry", "entry"]


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300), st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass"))
    )
)
def test_any_bytes(data: bytes) -> None:
    SENSOR.sniff(data)
    tables, _ = read(SENSOR, data)
    for row in tables.get("indicators", []):
        assert canonical(row["kind"], row["value"]) == row["value"]


def test_real_lists_are_known_by_content() -> None:
    place = Path(os.environ.get("NOROSHI_DATA", "")) / "darknet/lists/openfilters-cidr"
    if not os.environ.get("NOROSHI_DATA") or not place.is_dir():
        pytest.skip("set NOROSHI_DATA to a folder with darknet/lists/openfilters-cidr")
    for path in sorted(place.iterdir()):
        data = path.read_bytes()
        assert SENSOR.sniff(data[:4096]), path.name
        tables, rejects = read(SENSOR, data)
        assert len(tables["indicators"]) == len(data.split()), path.name
        assert rejects == []
