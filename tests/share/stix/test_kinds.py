"""Every kind of finding as STIX, whatever its evidence holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as given_
from hypothesis import strategies as st

from noroshi.model.finding import KINDS, Finding, Subject
from noroshi.share import stix
from noroshi.share.stix.text import dictionary, plain
from tests.support.findings import finding
from tests.support.stix import errors, parse

SUBJECTS = [
    ("ip", "198.51.100.7"), ("prefix", "2001:db8::/48"), ("asn", "AS64500"), ("port", "tcp/23"),
    ("domain", "c2.example.com"), ("url", "http://c2.example.com/x"), ("sha256", "a" * 64), ("hassh", "b" * 32),
    ("cve", "CVE-2021-44228"), ("advisory", "GHSA-jfh8-c2jp-5v3q"),
    ("cpe", "cpe:2.3:a:apache:log4j:2.14.1:*:*:*:*:*:*:*"),
    ("purl", "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"), ("ip", "masked-3f9a"), ("malware", "x\x00\ud800"),
]  # fmt: skip
EVIDENCE = {
    "vulnerabilities": [
        {"id": "CVE-2021-44228", "kev": True, "epss": None, "cpe": "cpe:2.3:a:apache:log4j:2.14.1:*:*:*:*:*:*:*"},
        {"id": "not one"}, "CVE-2024-3400", 7,
    ],
    "techniques": ["T1059.004", "T9999", "nonsense", {"id": "T1105"}], "class": "mirai", "logins": 3, "commands": 2,
    "servers": [{"kind": "ip", "value": "203.0.113.9"}, {"kind": "domain", "value": "x.example"}, 3],
    "members": ["198.51.100.8", "198.51.100.0/24", "?"], "seen_count": 9,
}  # fmt: skip


def of(kind: str, subject: tuple[str, str], evidence: dict[str, Any]) -> Finding:
    from dataclasses import replace

    return replace(finding(kind, evidence=evidence), subject=Subject(*subject), id="")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_about_everything_is_valid_strictly(kind: str) -> None:
    for subject in SUBJECTS:
        try:
            one = of(kind, subject, EVIDENCE)
        except UnicodeEncodeError:  # a finding has no id over what is no text
            continue
        body = stix.bundle([one], producer="Example CERT")
        parse(body)
        assert errors(body) == [], subject
        objects = json.loads(body)["objects"]
        assert len({o["id"] for o in objects}) == len(objects)
        assert any(kind in o.get("labels", []) for o in objects)


def by_type(kind: str, subject: tuple[str, str] = SUBJECTS[0]) -> dict[str, list[dict[str, Any]]]:
    out: dict[str, list[dict[str, Any]]] = {}
    for thing in json.loads(stix.bundle([of(kind, subject, EVIDENCE)]))["objects"]:
        out.setdefault(thing["type"], []).append(thing)
    return out


def test_a_vulnerable_host_has_vulnerabilities() -> None:
    found = by_type("vulnerable-service")
    assert {v["name"] for v in found["vulnerability"]} == {"CVE-2021-44228", "CVE-2024-3400"}
    assert found["vulnerability"][0]["external_references"] == [
        {"source_name": "cve", "external_id": found["vulnerability"][0]["name"]}
    ]
    has = {r["target_ref"] for r in found["relationship"] if r["relationship_type"] == "has"}
    assert has == {v["id"] for v in found["vulnerability"]}
    assert found["software"][0]["cpe"].startswith("cpe:2.3:a:apache:log4j")


def test_an_affected_product_is_software_with_its_purl() -> None:
    (software,) = by_type("affected-product", ("purl", SUBJECTS[11][1]))["software"]
    (extension,) = software["extensions"].values()
    assert extension["purl"] == SUBJECTS[11][1]
    assert software["version"] == "2.14.1"


def test_a_wave_is_a_note_on_the_vulnerability() -> None:
    found = by_type("exploitation-wave", ("cve", "CVE-2021-44228"))
    assert found["note"][0]["object_refs"] == [found["vulnerability"][0]["id"]]


def test_techniques_by_mitres_ids() -> None:
    found = by_type("decoy-intrusion")
    ids = {r["target_ref"] for r in found["relationship"] if r["relationship_type"] == "indicates"}
    assert "attack-pattern--a93494bb-4b80-4ea1-8695-3236a49916fd" in ids, "T1110"
    assert "attack-pattern" not in found, "its objects are MITRE's"
    named = {r["external_id"] for r in found["indicator"][0]["external_references"]}
    assert named == {"T1110", "T1059", "T1059.004", "T9999", "T1105"}


def test_a_family_of_malware_and_a_server_of_command() -> None:
    assert by_type("infected-host")["malware"][0]["name"] == "Mirai"
    assert by_type("c2-candidate")["infrastructure"][0]["infrastructure_types"] == ["command-and-control"]


def test_a_campaign_and_its_members() -> None:
    found = by_type("campaign")
    assert len(found["ipv4-addr"]) == 4, "the subject, two members, a server"
    refs = set(found["grouping"][0]["object_refs"])
    assert {found["campaign"][0]["id"], *(a["id"] for a in found["ipv4-addr"])} <= refs


def test_names_ages_by_what_they_are() -> None:
    (address,) = by_type("known-attacker")["indicator"]
    (name,) = by_type("known-attacker", ("domain", "c2.example.com"))["indicator"]
    (file,) = by_type("known-attacker", ("sha256", "a" * 64))["indicator"]
    assert address["valid_until"] < name["valid_until"]
    assert "valid_until" not in file


def test_producers_do_not_share_ids() -> None:
    one = [finding()]
    a, b = (json.loads(stix.bundle(one, producer=p))["objects"] for p in ("A", "B"))
    both = {o["id"] for o in a} & {o["id"] for o in b}
    assert {i.partition("--")[0] for i in both} == {
        "ipv4-addr",
        "marking-definition",
        "extension-definition",
    } or {i.partition("--")[0] for i in both} == {"ipv4-addr", "marking-definition"}


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given_(st.dictionaries(st.text(max_size=12), values, max_size=4))
def test_the_short_way_says_what_the_walk_says(evidence: dict[str, Any]) -> None:
    assert json.loads(bytes(dictionary(evidence))) == json.loads(json.dumps(plain(evidence)))


@pytest.mark.parametrize(
    "evidence", [{'a"b': 1}, {"\\": {'"c': 'd":'}}, {"a": 'x":'}, {"": 1}, {"k" * 300: 2}]
)
def test_keys_that_look_right(evidence: dict[str, Any]) -> None:
    assert json.loads(bytes(dictionary(evidence))) == json.loads(json.dumps(plain(evidence)))


def test_evidence_that_nests_without_end_is_cut() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    body = stix.bundle([finding(evidence={"deep": deep, "long": "x" * 65536})])
    parse(body)
    assert len(body) < 20_000
