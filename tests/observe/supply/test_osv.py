"""OSV: events into ranges, purls, aliases; two real databases against plain counts."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.supply.osv import OsvSensor, bare
from tests.observe.supply.support import DATA, archived, rows

GO = (DATA / "osv_go.json").read_bytes()
BITNAMI = (DATA / "osv_bitnami.json").read_bytes()


def spans(
    events: list[dict[str, str]], kind: str = "SEMVER", ecosystem: str = "npm"
) -> list[tuple[str | None, ...]]:
    """(from, below, to) of the rows of a package with one range."""
    package = {"package": {"ecosystem": ecosystem, "name": "x"}, "ranges": [{"type": kind, "events": events}]}
    found, rejects = rows(OsvSensor(), json.dumps({"id": "T-1", "affected": [package]}).encode())
    assert rejects == []
    return [(r.get("from_version"), r.get("below_version"), r.get("to_version")) for r in found["affected"]]


def test_sniff() -> None:
    sensor = OsvSensor()
    assert sensor.sniff(GO[:4096])
    assert sensor.sniff(BITNAMI[:4096])
    assert sensor.sniff(b'{"id":"GHSA-2222-3333-4444","summary":"x","details":"' + b"y" * 4000)
    assert not sensor.sniff(b'{"type": "indicator", "id": "indicator--1", "modified": "x"}')
    assert not sensor.sniff(b'{"id": 5, "modified": ""}')
    assert not sensor.sniff(b'{"id": "GHSA-2222-3333-4444"}')


def test_a_go_advisory() -> None:
    found, rejects = rows(OsvSensor(), GO)
    assert rejects == []
    (one,) = found["vulnerabilities"]
    assert (one["id"], one["aliases"]) == ("GO-2022-0236", ["CVE-2021-31525", "GHSA-h86h-8ppg-mxmh"])
    assert one["ts"] == one["published"], "modified is 0001-01-01: it is not given"
    stdlib = [r for r in found["affected"] if r["product"] == "stdlib"]
    assert [(r.get("from_version"), r["below_version"]) for r in stdlib] == [
        (None, "1.15.12"),
        ("1.16.0-0", "1.16.4"),
    ]
    assert {r["purl"] for r in found["affected"]} == {"pkg:golang/stdlib", "pkg:golang/golang.org/x/net"}
    assert {r["version_type"] for r in found["affected"]} == {"semver"}


def test_a_score_stands_with_the_package() -> None:
    found, _ = rows(OsvSensor(), BITNAMI)
    assert found["vulnerabilities"][0]["cvss_score"] == 9.8
    (one,) = found["affected"]
    assert (one["from_version"], one["to_version"]) == ("5.15.12", "5.15.12")
    assert (one["purl"], one["cpe"]) == ("pkg:bitnami/activemq", "cpe:2.3:a:apache:activemq:*:*:*:*:*:*:*:*")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([{"introduced": "0"}], [(None, None, None)]),
        ([{"introduced": "0"}, {"fixed": "2"}, {"introduced": "3"}], [(None, "2", None), ("3", None, None)]),
        ([{"introduced": "1"}, {"last_affected": "2"}], [("1", None, "2")]),
        ([{"introduced": "1"}, {"limit": "2"}], [("1", "2", None)]),
        ([{"introduced": "1"}, {"limit": "*"}], [("1", None, None)]),
        ([{"fixed": "2"}, {"introduced": "1"}], [("1", "2", None)]),
        ([{"introduced": "3.10"}, {"introduced": "1"}, {"fixed": "3.9"}, {"fixed": "3.11"}],
         [("1", "3.9", None), ("3.10", "3.11", None)]),
        ([{"introduced": "1"}, {"introduced": "2"}, {"fixed": "3"}], [("1", "3", None)]),
    ],
)  # fmt: skip
def test_events(events: list[dict[str, str]], expected: list[tuple[str | None, ...]]) -> None:
    assert spans(events) == expected


def test_related_is_no_alias_and_withdrawn_is_kept() -> None:
    given = {"id": "PYSEC-2024-1", "aliases": ["CVE-2024-1000", "PYSEC-2024-1"], "related": ["CVE-2024-9999"],
             "upstream": ["CVE-2024-8888"], "withdrawn": "2024-05-06T00:00:00Z", "modified": "2024-05-07T00:00:00Z",
             "affected": [{"package": {"ecosystem": "PyPI", "name": "A_b.C"}, "versions": ["1.0", "1.1"]}],
             "database_specific": {"cwe_ids": ["CWE-79"]}}  # fmt: skip
    found, _ = rows(OsvSensor(), json.dumps(given).encode())
    (one,), (two,) = found["vulnerabilities"], found["affected"]
    assert (one["aliases"], one["cwes"], one["withdrawn_at"].day) == (["CVE-2024-1000"], ["CWE-79"], 6)
    assert (two["versions"], two["purl"], two["version_type"]) == (["1.0", "1.1"], "pkg:pypi/a-b-c", "PyPI")
    assert "CVE-2024-9999" not in str(found)


@pytest.mark.parametrize(
    ("ecosystem", "name", "purl"),
    [
        ("npm", "@a/b", "pkg:npm/%40a/b"), ("Maven", "org.a:b", "pkg:maven/org.a/b"),
        ("Debian:12", "curl", "pkg:deb/debian/curl"), ("Packagist", "a/b", "pkg:composer/a/b"),
        ("crates.io", "serde", "pkg:cargo/serde"), ("Android", "x", None), (None, "x", None), ("npm", None, None),
    ],
)  # fmt: skip
def test_purls(ecosystem: str | None, name: str | None, purl: str | None) -> None:
    assert bare(None, ecosystem, name) == purl


@pytest.mark.parametrize(
    ("given", "purl"),
    [
        ("pkg:npm/%40a/b@1.0", "pkg:npm/%40a/b"),
        ("pkg:deb/debian/curl?arch=source", "pkg:deb/debian/curl?arch=source"),
        ("pkg:deb/debian/curl@7?arch=source", "pkg:deb/debian/curl"),
    ],
)
def test_a_given_purl_loses_its_version(given: str, purl: str) -> None:
    assert bare(given, "npm", "z") == purl


def test_git_ranges_name_the_repository() -> None:
    affected = {"ranges": [{"type": "GIT", "repo": "https://example.com/x.git",
                            "events": [{"introduced": "0"}, {"fixed": "a" * 40}]}]}  # fmt: skip
    found, _ = rows(OsvSensor(), json.dumps({"id": "OSV-1", "affected": [affected]}).encode())
    (one,) = found["affected"]
    assert (one["product"], one["version_type"]) == ("https://example.com/x.git", "git")


def test_what_cannot_be_read_is_told() -> None:
    bad = b'{"modified": "2024-01-01T00:00:00Z"}\n{"id": "X-1", "modified": "2924-01-01T00:00:00Z"}\n5\n'
    found, rejects = rows(OsvSensor(), json.dumps(json.loads(GO)).encode() + b"\n" + bad)
    assert len(found["vulnerabilities"]) == 1
    assert [r.reason for r in rejects] == ["no-id", "time", "shape"]
    assert [r.reason for r in rows(OsvSensor(), GO[:1500])[1]] == ["cut-short"]


@given(st.binary(max_size=200), st.integers(0, 2_900), st.integers(0, 40))
def test_any_bytes_give_rows_or_rejects(junk: bytes, at: int, cut: int) -> None:
    rows(OsvSensor(), GO[:at] + junk + GO[at + cut :])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.sampled_from(["0", "1.0", "GIT"]),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["package", "name", "ecosystem", "purl", "ranges", "type", "events", "introduced", "fixed",
                             "limit", "last_affected", "versions", "severity", "score", "repo"]), inner, max_size=4),
        max_leaves=15,
    )
)  # fmt: skip
def test_members_of_any_type(value: Any) -> None:
    for record in (
        {"id": "X-1", "affected": value},
        {"id": "X-1", "affected": [value]},
        {"id": "X-1", "severity": value},
    ):
        rows(OsvSensor(), json.dumps(record).encode())


@pytest.mark.parametrize("name", ["govulndb-osv", "bitnami-vulndb"])
def test_a_whole_database(name: str) -> None:
    """Every record of the database, in one array; events, aliases and offsets counted by json alone."""
    given = [
        data for path, data in archived("supply", "advisories", f"{name}.tar.zst") if path.endswith(".json")
    ]
    sensor = OsvSensor()
    assert all(sensor.sniff(data[:4096]) for data in given)
    plain = [json.loads(data) for data in given]
    source = b"[" + b",\n".join(given) + b"]"
    found, rejects = rows(sensor, source)
    assert rejects == []
    assert [r["id"] for r in found["vulnerabilities"]] == [p["id"] for p in plain]
    events = Counter(
        what for p in plain for a in p["affected"] for r in a["ranges"] for e in r["events"] for what in e
    )
    affected = found["affected"]
    assert len(affected) == events["introduced"]
    assert sum("below_version" in r for r in affected) == events["fixed"]
    assert sum("to_version" in r for r in affected) == events["last_affected"]
    aliases = {(p["id"], a) for p in plain for a in p.get("aliases", ())}
    assert {(r["id"], a) for r in found["vulnerabilities"] for a in r.get("aliases", ())} == aliases
    assert sum("withdrawn" in p for p in plain) == sum("withdrawn_at" in r for r in found["vulnerabilities"])
    for row in found["vulnerabilities"][::500]:
        assert (
            json.JSONDecoder().raw_decode(source[row["offset"] : row["offset"] + 200_000].decode())[0]["id"]
            == row["id"]
        )
