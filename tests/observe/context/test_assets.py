"""Own ranges and assets: CSV, TOML, JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.context.assets import AssetsCsvSensor, AssetsJsonSensor, AssetsTomlSensor, values
from tests.observe.supply.support import rows

CSV = b"""value,name,owner,contact,criticality
192.0.2.7/24,Campus,IT centre,noc@example.org,high
www.Example.org,Web,"Press, office",,
2001:db8::1,,,,
AS64500,,,,
cpe:2.3:a:Vendor:Product:*:*:*:*:*:*:*:*,,Products,,
pkg:pypi/Requests,,,,
"""
TOML = b"""# ours
[[asset]]
value = "192.0.2.0/24"
owner = "IT centre"

[[asset]]
domain = "example.org"
ip = "192.0.2.1"
contact = "noc@example.org"
"""
JSON = (
    b'{"assets": [{"value": "192.0.2.0/24", "owner": "IT"}, '
    b'{"kind": "domain", "value": "example.org", "owner": "x"}]}'
)


def test_sniff() -> None:
    assert AssetsCsvSensor().sniff(CSV)
    assert AssetsCsvSensor().sniff(b"ip;owner\n192.0.2.1;x\n")
    assert AssetsTomlSensor().sniff(TOML)
    assert AssetsJsonSensor().sniff(JSON)
    assert AssetsJsonSensor().sniff(b'[{"ip": "192.0.2.1", "contact": "a@b.c"}]')
    assert not AssetsCsvSensor().sniff(b"ip,port,asn,geo\n192.0.2.1,1,2,JP\n")
    assert not AssetsTomlSensor().sniff(b"[asset]\n")
    assert not AssetsJsonSensor().sniff(b'{"type": "bundle", "owner": "x"}')


def test_csv() -> None:
    found, rejects = rows(AssetsCsvSensor(), CSV)
    assert rejects == []
    assert [(r["kind"], r["value"]) for r in found["assets"]] == [
        ("prefix", "192.0.2.0/24"), ("domain", "www.example.org"), ("ip", "2001:db8::1"), ("asn", "AS64500"),
        ("cpe", "cpe:2.3:a:vendor:product:*:*:*:*:*:*:*:*"), ("purl", "pkg:pypi/requests"),
    ]  # fmt: skip
    one, two = found["assets"][:2]
    assert (one["name"], one["owner"], one["contact"], one["criticality"]) == (
        "Campus", "IT centre", "noc@example.org", "high",
    )  # fmt: skip
    assert two["owner"] == "Press, office"
    assert CSV[two["offset"] :].startswith(b"www.Example.org")


def test_toml_and_json() -> None:
    found, rejects = rows(AssetsTomlSensor(), TOML)
    assert rejects == []
    assert [(r["kind"], r["value"]) for r in found["assets"]] == [
        ("prefix", "192.0.2.0/24"), ("ip", "192.0.2.1"), ("domain", "example.org"),
    ]  # fmt: skip
    assert TOML[found["assets"][1]["offset"] :].startswith(b'[[asset]]\ndomain = "example.org"')
    found, rejects = rows(AssetsJsonSensor(), JSON)
    assert rejects == []
    assert [(r["kind"], r["value"]) for r in found["assets"]] == [
        ("prefix", "192.0.2.0/24"),
        ("domain", "example.org"),
    ]


def test_a_long_list_is_taken_whole() -> None:
    given = [{"ip": f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", "owner": "x"} for i in range(30_000)]
    found, rejects = rows(AssetsJsonSensor(), json.dumps({"assets": given}).encode())
    assert rejects == []
    assert [r["value"] for r in found["assets"]] == [g["ip"] for g in given]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("", "192.0.2.0-192.0.2.127", [("prefix", "192.0.2.0/25")]),
        ("ip", "192.0.2.1 - 192.0.2.2", [("prefix", "192.0.2.1/32"), ("prefix", "192.0.2.2/32")]),
        ("", "2001:db8::1-2001:db8:ffff::fffe", []),
        ("prefix", "192.0.2.1", [("prefix", "192.0.2.1/32")]),
        ("ip", "192.0.2.0/28", [("prefix", "192.0.2.0/28")]),
        ("domain", "192.0.2.1", [("ip", "192.0.2.1")]),
        ("asn", "64500", [("asn", "AS64500")]),
        ("", "64500", []),
        ("", "a@example.org", [("email", "a@example.org")]),
        ("", "my-host.example.org", [("domain", "my-host.example.org")]),
        ("", "printer", []),
        ("cpe", "x", []),
    ],
)
def test_values(kind: str, value: str, expected: list[tuple[str, str]]) -> None:
    assert list(values(kind, value)) == expected


def test_what_is_no_value_is_told() -> None:
    found, rejects = rows(AssetsCsvSensor(), CSV + b"printer,,x,,\n,,x,,\n1,2\n")
    assert [r.reason for r in rejects] == ["value", "value", "columns"]
    assert len(found["assets"]) == 6
    assert [r.reason for r in rows(AssetsTomlSensor(), TOML[:-4])[1]] == ["toml"]
    assert [r.reason for r in rows(AssetsTomlSensor(), TOML + b"x = " + b"[" * 5_000)[1]] == ["toml"]


@given(st.binary(max_size=60), st.integers(0, 300), st.integers(0, 30))
def test_any_bytes_give_rows_or_rejects(junk: bytes, at: int, cut: int) -> None:
    for sensor, data in ((AssetsCsvSensor(), CSV), (AssetsTomlSensor(), TOML), (AssetsJsonSensor(), JSON)):
        rows(sensor, data[:at] + junk + data[at + cut :])


VALUES: Any = st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["ip", "value", "kind", "owner"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_members_of_any_type(value: Any) -> None:
    rows(AssetsJsonSensor(), json.dumps({"assets": [value]}).encode())
    rows(AssetsJsonSensor(), json.dumps({"assets": value}).encode())
