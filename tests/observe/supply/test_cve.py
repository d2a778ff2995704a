"""CVE records: real ones, ranges and their changes, CPE applicability, hostile ones."""

from __future__ import annotations

import gzip
import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.supply.cve import CveSensor
from tests.observe.supply.support import DATA, real, rows

PAN = (DATA / "cve_2024_3400.json").read_bytes()
LINES = (DATA / "cve_lines.jsonl").read_bytes()


def record(**more: Any) -> bytes:
    """A published record with one product; `cna` members over it."""
    cna = {"descriptions": [{"lang": "de", "value": "nein"}, {"lang": "en-US", "value": "yes"}], **more}
    meta = {"cveId": "CVE-2026-1000", "state": "PUBLISHED", "dateUpdated": "2026-01-02T03:04:05Z"}
    return json.dumps({"dataType": "CVE_RECORD", "cveMetadata": meta, "containers": {"cna": cna}}).encode()


def spans(product: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of `affected` of a product, without what they all share."""
    found, rejects = rows(CveSensor(), record(affected=[product]))
    assert rejects == []
    shared = ("ts", "id", "origin", "offset")
    return [{k: v for k, v in r.items() if k not in shared} for r in found.get("affected", [])]


def test_sniff() -> None:
    sensor = CveSensor()
    assert sensor.sniff(PAN[:4096])
    assert sensor.sniff(PAN[:100])
    assert sensor.sniff(LINES[:4096])
    assert sensor.sniff(b'[\n{"containers": {"cna": {"title": "x"')
    assert not sensor.sniff(b'{"type": "bundle", "id": "bundle--1"}')
    assert not sensor.sniff(b'{"cve": "CVE-2024-1"}')


def test_a_real_record_with_ssvc_and_kev() -> None:
    found, rejects = rows(CveSensor(), PAN)
    assert rejects == []
    (one,) = found["vulnerabilities"]
    assert (one["id"], one["origin"], one["cvss_score"]) == ("CVE-2024-3400", "cve", 10.0)
    assert one["cvss_vector"] == "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"
    assert (one["kev"], one["kev_date"]) == (True, date(2024, 4, 12))
    assert (one["ssvc_exploitation"], one["ssvc_automatable"], one["ssvc_impact"]) == (
        "active",
        "yes",
        "total",
    )
    assert one["cwes"][:2] == ["CWE-77", "CWE-20"]
    cna = [r for r in found["affected"] if r["origin"] == "cve" and r.get("below_version") == "10.2.9-h1"]
    assert [(r["from_version"], r["status"], r["product"]) for r in cna] == [("10.2.0", "affected", "PAN-OS")]
    adp = [r for r in found["affected"] if r["origin"] == "adp"]
    assert all(r["cpe"].startswith("cpe:2.3:o:paloaltonetworks:pan-os:") for r in adp)
    assert {r["below_version"] for r in adp if "below_version" in r} >= {"10.2.9-h1", "11.0.4-h1"}


def test_lines_array_and_one_record_give_the_same() -> None:
    texts = [json.loads(line) for line in LINES.splitlines()]
    by_line, none = rows(CveSensor(), LINES)
    by_array, no = rows(CveSensor(), json.dumps(texts, indent=2).encode())
    each = [rows(CveSensor(), json.dumps(t).encode())[0] for t in texts]
    assert none == no == []

    def plain(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{k: v for k, v in r.items() if k != "offset"} for r in found]

    for table in ("vulnerabilities", "affected"):
        apart = [r for one in each for r in one.get(table, [])]
        assert plain(by_line[table]) == plain(by_array[table]) == plain(apart)
    second = by_line["vulnerabilities"][1]
    assert LINES[second["offset"] :].startswith(b'{"dataType":"CVE_RECORD"')
    assert second["cvss_vector"].startswith("CVSS:4.0/"), "the newest version wins"


def test_rejected_records_are_withdrawn() -> None:
    found, _ = rows(CveSensor(), LINES)
    gone = found["vulnerabilities"][0]
    assert gone["withdrawn_at"].year == 2024
    assert "withdrawn_at" not in found["vulnerabilities"][1]


def test_the_english_description_wins() -> None:
    found, _ = rows(CveSensor(), record())
    assert found["vulnerabilities"][0]["description"] == "yes"


def test_changes_split_a_range() -> None:
    entry = {"version": "0", "lessThan": "3.0", "status": "affected", "versionType": "semver",
             "changes": [{"at": "2.5", "status": "unaffected"}, {"at": "3.0", "status": "unaffected"}]}  # fmt: skip
    assert spans({"vendor": "v", "product": "p", "versions": [entry]}) == [
        {"vendor": "v", "product": "p", "status": "affected", "version_type": "semver", "below_version": "2.5"},
        {"vendor": "v", "product": "p", "status": "unaffected", "version_type": "semver",
         "from_version": "2.5", "below_version": "3.0"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        ({"versions": [{"version": "1", "status": "affected"}, {"version": "2", "status": "affected"}]},
         [{"status": "affected", "versions": ["1", "2"]}]),
        ({"versions": [{"version": "n/a", "status": "affected"}]}, [{"status": "affected", "versions": ["n/a"]}]),
        ({"versions": [{"version": "*", "status": "affected"}]}, [{"status": "affected"}]),
        ({"versions": [{"version": "1.0", "lessThan": "*", "status": "affected"}]},
         [{"status": "affected", "from_version": "1.0"}]),
        ({"versions": [{"version": "unspecified", "lessThanOrEqual": "2.1", "status": "affected"}]},
         [{"status": "affected", "to_version": "2.1"}]),
        ({"defaultStatus": "affected", "versions": [{"version": "5.1", "status": "unaffected"}]},
         [{"status": "unaffected", "versions": ["5.1"]}, {"status": "affected"}]),
        ({"defaultStatus": "unaffected"}, [{"status": "unaffected"}]),
        ({}, [{"status": "unknown"}]),
        ({"collectionURL": "https://www.rubygems.example/", "packageName": "x", "defaultStatus": "affected"},
         [{"product": "x", "purl": "pkg:gem/x", "status": "affected"}]),
        ({"packageURL": "pkg:npm/%40a/b", "defaultStatus": "affected"},
         [{"purl": "pkg:npm/%40a/b", "status": "affected"}]),
    ],
)  # fmt: skip
def test_versions(product: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    assert spans(product) == expected


def test_cpe_applicability() -> None:
    matches = [
        {"vulnerable": True, "criteria": "cpe:2.3:a:v\\:x:p:*:*:*:*:*:*:*:*", "versionStartExcluding": "1",
         "versionEndIncluding": "2"},
        {"vulnerable": True, "criteria": "cpe:2.3:a:v:p:1.5:*:*:*:*:*:*:*"},
        {"vulnerable": False, "criteria": "cpe:2.3:o:v:os:*:*:*:*:*:*:*:*"},
    ]  # fmt: skip
    nodes = [{"operator": "OR", "negate": False, "cpeMatch": matches},
             {"operator": "OR", "negate": True, "cpeMatch": matches}]  # fmt: skip
    found, _ = rows(CveSensor(), record(cpeApplicability=[{"nodes": nodes}]))
    one, two = found["affected"]
    assert (one["vendor"], one["after_version"], one["to_version"]) == ("v:x", "1", "2")
    assert (two["versions"], two["product"], two["cpe"]) == (["1.5"], "p", "cpe:2.3:a:v:p:1.5:*:*:*:*:*:*:*")


def test_a_score_is_computed_when_only_the_vector_is_given() -> None:
    metric = {"cvssV3_1": {"vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "baseScore": "x"}}
    found, _ = rows(CveSensor(), record(metrics=[metric]))
    assert found["vulnerabilities"][0]["cvss_score"] == 9.8


def test_what_cannot_be_read_is_told() -> None:
    future = record().replace(b"2026-01-02", b"2126-01-02")
    bad = [b"{}", future, b'{"cveMetadata": {"cveId": 5}}', b"5", b"{" * 3000, b"\x00\xff", record()]
    found, rejects = rows(CveSensor(), b"\n".join([record(), *bad]))
    assert len(found["vulnerabilities"]) == 2
    assert [r.reason for r in rejects].count("no-id") == 2
    assert {"time", "shape"} <= {r.reason for r in rejects}
    assert sum(r.count for r in rejects) == len(bad) - 1


def test_too_many_ranges_are_told() -> None:
    product = {"product": "p", "cpes": [f"cpe:2.3:a:v:p:{i}:*:*:*:*:*:*:*" for i in range(90)],
               "versions": [{"version": "1", "lessThan": str(i), "status": "affected"} for i in range(90)]}  # fmt: skip
    found, rejects = rows(CveSensor(), record(affected=[product]))
    assert len(found["affected"]) == 5_000
    assert [r.reason for r in rejects] == ["ranges"]


def test_a_cut_record_and_a_cut_array() -> None:
    assert rows(CveSensor(), PAN[:9000])[0] == {}
    assert [r.reason for r in rows(CveSensor(), PAN[:9000])[1]] == ["cut-short"]
    found, rejects = rows(CveSensor(), b"[" + record() + b"," + record()[:50])
    assert len(found["vulnerabilities"]) == 1
    assert [r.reason for r in rejects] == ["cut-short"]


def test_what_cisa_added_to_nineteen_thousand_records() -> None:
    """The affected products of vulnrichment, put back into containers: CPEs, ranges and flags as counted by json."""
    lines = gzip.decompress(
        real("survey", "vuln", "cve_cpe_vulnrichment_20241024.jsonl.gz").read_bytes()
    ).splitlines()
    plain = [json.loads(line) for line in lines]
    source = []
    for p in plain:
        metrics = [{k: {"baseScore": v[0], "vectorString": v[1]}} for k, v in (p.get("cvss") or {}).items()]
        options = [{k: v} for k, v in (p.get("ssvc") or {}).items()]
        metrics.append({"other": {"type": "ssvc", "content": {"options": options}}})
        if p["kev"]:
            metrics.append({"other": {"type": "kev", "content": {"dateAdded": "2024-01-01"}}})
        meta = {"cveId": p["cve"], "state": "PUBLISHED", "datePublished": p["published"]}
        adp = {"affected": p["affected"], "metrics": metrics}
        source.append(
            json.dumps({"dataType": "CVE_RECORD", "cveMetadata": meta, "containers": {"adp": [adp]}})
        )
    found, rejects = rows(CveSensor(), "\n".join(source).encode())
    assert [r.reason for r in rejects if r.reason not in ("time", "ranges")] == []
    assert len(found["vulnerabilities"]) == len(plain) - sum(r.reason == "time" for r in rejects)
    assert sum(r.get("kev", False) for r in found["vulnerabilities"]) == sum(bool(p["kev"]) for p in plain)
    cpes = {(p["cve"], c) for p in plain for a in p["affected"] for c in a.get("cpes", ())}
    assert {(r["id"], r["cpe"]) for r in found["affected"] if "cpe" in r} == cpes
    below = {(p["cve"], v["lessThan"].strip()) for p in plain for a in p["affected"] for v in a.get("versions", ())
             if v.get("lessThan", "*").strip() not in ("*", "")}  # fmt: skip
    assert {(r["id"], r["below_version"]) for r in found["affected"] if "below_version" in r} == below


@given(st.binary(max_size=300), st.integers(0, 16_000), st.integers(0, 40))
def test_any_bytes_give_rows_or_rejects(junk: bytes, at: int, cut: int) -> None:
    rows(CveSensor(), PAN[:at] + junk + PAN[at + cut :])
    rows(CveSensor(), junk)


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("CVE-2024-1234"),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["cveMetadata", "cveId", "containers", "cna", "adp", "affected", "versions", "version",
                         "status", "lessThan", "changes", "at", "metrics", "cvssV3_1", "other", "content", "options",
                         "cpes", "cpeApplicability", "nodes", "cpeMatch", "criteria", "dateUpdated", "source"]),
        inner, max_size=4,
    ),
    max_leaves=15,
)  # fmt: skip


@given(JSON)
def test_members_of_any_type(value: Any) -> None:
    meta = {"cveId": "CVE-2024-1234"}
    for record in (
        value,
        {"cveMetadata": meta, "containers": value},
        {"cveMetadata": meta, "containers": {"cna": value}},
    ):
        rows(CveSensor(), json.dumps(record).encode())
