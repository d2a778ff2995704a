"""MISP warninglists."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.observe.intel.warninglist import WarninglistSensor, category, settled
from tests.observe.intel.listing import LISTS, read

SENSOR = WarninglistSensor()
DATA = LISTS.parent / "warninglists"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rfc6598", [("prefix", "100.64.0.0/10", "prefix")]),
        ("common-contact-emails", [("regex", "/^(security|noc|soc|abuse)\\@.*\\..*$/i", "regex")]),
        ("dax30", [("domain", "bmw.de", "below"), ("domain", "deutsche-boerse.com", "below")]),
        ("empty-hashes", [("text", "3::", "exact")]),
    ],
)
def test_types(name: str, expected: list[tuple[str, str, str]]) -> None:
    data = (DATA / f"{name}.json").read_bytes()
    assert SENSOR.sniff(data[:4096])
    tables, rejects = read(SENSOR, data)
    rows = tables["warnings"]
    assert [(r["kind"], r["value"], r["match"]) for r in rows][: len(expected)] == expected
    assert rejects == []
    assert rows[0]["list"] == json.loads(data)["name"]
    assert rows[0]["category"] == "false-positive"
    assert all(data[r["offset"] : r["offset"] + 1] == b'"' for r in rows)
    assert len({r["offset"] for r in rows}) == len(json.loads(data)["list"])


@pytest.mark.parametrize(
    ("given", "type_", "words", "told"),
    [
        ("known", "string", "anything", "known"),
        ("known identifier", "cidr", "anything", "known"),
        ("false-positive", "cidr", "Addresses of a VPN", "false-positive"),
        ("", "cidr", "Addresses belonging to common VPN providers", "known"),
        ("", "cidr", "Some Cloud Platform: addresses", "known"),
        ("", "cidr", "Tor exits", "known"),
        ("", "cidr", "Torus Ltd, see https://tor.example/cloud", "false-positive"),
        ("", "cidr", "Cloud sensors used for scanning", "false-positive"),
        ("", "hostname", "Blogs of security providers", "false-positive"),
        ("", "cidr", "RFC 1918 blocks", "false-positive"),
    ],
)
def test_what_a_list_does(given: str, type_: str, words: str, told: str) -> None:
    assert category(given, type_, words) == told


def test_the_category_of_the_list_is_that_of_its_entries() -> None:
    about = {"list": ["192.0.2.0/24"], "name": "n", "description": "of a VPN", "type": "cidr", "version": 1}
    for more, told in (({}, "known"), ({"category": "false_positive"}, "false-positive")):
        tables, rejects = read(SENSOR, json.dumps(about | more).encode())
        assert [r["category"] for r in tables["warnings"]] == [told]
        assert not rejects


def test_entries() -> None:
    assert settled("cidr", "192.0.2.1") == ("ip", "192.0.2.1", "exact")
    assert settled("cidr", "FE80::/10") == ("prefix", "fe80::/10", "prefix")
    assert settled("cidr", "x") is None
    assert settled("string", ".google.ad") == ("domain", "google.ad", "below")
    assert settled("string", "AAA") == ("text", "AAA", "exact")
    assert settled("substring", "mail.example") == ("domain", "mail.example", "part")
    assert settled("hostname", "localhost") == ("text", "localhost", "exact")
    assert settled("string", "") is None


def test_a_list_of_no_known_type() -> None:
    tables, rejects = read(
        SENSOR, b'{"list": ["a"], "name": "x", "description": "", "type": "magic", "version": 1}'
    )
    assert tables == {}
    assert [r.reason for r in rejects] == ["list-type"]


def test_broken_entries() -> None:
    data = b'{"description": "", "list": ["192.0.2.1", 5, {"a": []}, "x"], "type": "cidr", "name": "n"}'
    tables, rejects = read(SENSOR, data)
    assert [r["value"] for r in tables["warnings"]] == ["192.0.2.1"]
    assert [r.reason for r in rejects] == ["entry"] * 3


def test_truncated() -> None:
    data = (DATA / "dax30.json").read_bytes()[:200]
    tables, rejects = read(SENSOR, data)
    assert tables == {}  # how entries match stands behind them
    assert rejects


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"[]",
        b'{"list": [1]}',
        b'{"objects": []}',
        b'{"list": ["a"], "other": 1}',
        b'{"Event": {"list": []}}',
        b"\0" * 100,
    ],
)
def test_no_list(head: bytes) -> None:
    assert not SENSOR.sniff(head)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["cidr", "string", "hostname", "regex", "x"]))
def test_any_bytes(data: bytes, type_: str) -> None:
    SENSOR.sniff(data)
    read(SENSOR, data)
    read(SENSOR, b'{"list": [' + data + b'], "type": "' + type_.encode() + b'"}')


def test_all_real_lists() -> None:
    place = Path(os.environ.get("NOROSHI_DATA", "")) / "intel/warninglists"
    if not os.environ.get("NOROSHI_DATA") or not place.is_dir():
        pytest.skip("set NOROSHI_DATA to a folder with intel/warninglists")
    matches: Counter[str] = Counter()
    for path in sorted(place.glob("*.json")):
        data = path.read_bytes()
        assert SENSOR.sniff(data[:4096]), path.name
        tables, rejects = read(SENSOR, data)
        assert len(tables["warnings"]) + len(rejects) == len(json.loads(data)["list"]), path.name
        assert not rejects, path.name
        matches.update(r["match"] for r in tables["warnings"])
    assert set(matches) == {"exact", "prefix", "below", "part", "regex"}
