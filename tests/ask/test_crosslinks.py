"""Each join holds where it should, and only there."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from noroshi.ask import crosslinks
from noroshi.lake.handle import Lake
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.tlp import Tlp
from tests.analyse.cross.support import judge
from tests.ask.support import (
    ATTACKER,
    BARE,
    CPE,
    CVE,
    HASSH,
    HOST,
    OTHER,
    PURL,
    SERVER,
    at,
    batch,
    flows,
    pivots,
    scan,
    store,
    story,
)

EXPECTED = {
    ATTACKER: ["darknet-and-decoy", "listed-and-seen"],
    OTHER: ["darknet-and-decoy"],
    HOST: ["listed-and-seen"],
    SERVER: ["exposed-and-vulnerable"],
    CPE: ["exposed-and-vulnerable"],
    CVE: ["contained-in-products"],
    PURL: ["contained-in-products"],
    HASSH: ["same-tool"],
    "192.0.2.77": [],
}


@pytest.mark.parametrize("value", EXPECTED)
def test_joins(told: Lake, value: str) -> None:
    links = pivots(told).ask(value).links
    assert [link.name for link in links] == EXPECTED[value]
    for link in links:
        assert link.name in crosslinks.JOINS
        assert all(link.text[lang] for lang in ("en", "ja"))
        json.dumps(link.to_json())


def test_the_whole_way_from_a_service_to_a_product(told: Lake) -> None:
    (link,) = pivots(told).ask(SERVER).links
    assert link.evidence["kev"] == [CVE]
    assert ("cve", CVE) in link.values
    (link,) = pivots(told).ask(CVE).links
    assert link.evidence == {"products": ["Router X 9"], "kev": True}


def test_own_device(tmp_path: Path) -> None:
    lake = story(tmp_path / "lake")
    store(lake, "more", *flows(*scan(SERVER, 5)))
    (link, *_) = pivots(lake).ask(SERVER).links
    assert link.name == "own-device"
    assert link.evidence["owners"] == ["Library"]
    assert "Library" in link.text["ja"]


def test_published_then_surged(tmp_path: Path) -> None:
    lake = story(tmp_path / "lake")
    for port, day in (("tcp/443", 3), ("tcp/22", 3), ("tcp/443", 300)):
        begin = at(days=day)
        finding = Finding("port-surge", Subject("port", port), Rule("port_surge", 1), begin,
                          begin + timedelta(hours=1), 80, {"en": "x", "ja": "x"}, {}, tlp=Tlp.GREEN)  # fmt: skip
        lake.put_findings([finding])
    names = [(link.name, link.evidence.get("port")) for link in pivots(lake).ask(CVE).links]
    assert names == [("contained-in-products", None), ("published-then-surged", "tcp/443")]


def test_exploited_here(tmp_path: Path) -> None:
    lake = story(tmp_path / "lake")
    alert = {"ts": at(5), "src_ip": ATTACKER, "engine": "suricata", "signature": "x", "cves": [CVE]}
    store(lake, "ids", batch("alerts", alert, {**alert, "ts": at(6), "src_ip": OTHER}))
    names = [link.name for link in pivots(lake).ask(CVE).links]
    assert names == ["contained-in-products", "exploited-here"]


def test_unaffected_is_no_vulnerability(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    store(
        lake, "x",
        batch("services", {"ts": at(), "ip": SERVER, "port": 1, "protocol": 6, "state": "open", "cpes": [CPE],
                           "scanner": "nmap"}),
        batch("affected", {"ts": at(), "id": CVE, "origin": "cve", "cpe": BARE, "status": "unaffected"}),
    )  # fmt: skip
    assert pivots(lake).ask(SERVER).links == ()


SYSTEM = "cpe:2.3:o:acme:gate-os:{}:*:*:*:*:*:*:*"
GHSA = "GHSA-jfh8-c2jp-5v3q"


def _exposing(
    path: Path, version: str, *affected: dict[str, Any], about: tuple[dict[str, Any], ...] = ()
) -> Lake:
    lake = Lake.open(path)
    store(
        lake, "x",
        batch("services", {"ts": at(), "ip": SERVER, "port": 443, "protocol": 6, "state": "open",
                           "cpes": [SYSTEM.format(version)], "scanner": "nmap"}),
        batch("affected", *({"ts": at(), "id": CVE, "origin": "adp", "status": "affected"} | a for a in affected)),
        batch("vulnerabilities", {"ts": at(), "id": CVE, "origin": "cve"}, *about),
    )  # fmt: skip
    return lake


@pytest.mark.parametrize(
    ("version", "holds"), [("10.2.7", True), ("10.2.9", False), ("10.1.0", False), ("11.0.3", True)]
)
def test_the_pivot_says_what_the_analyser_says(tmp_path: Path, version: str, holds: bool) -> None:
    """The record names its product with a version, as NVD does, and the survey another of the same branch."""
    lake = _exposing(
        tmp_path / "lake", version,
        {"cpe": SYSTEM.format("10.2.0"), "from_version": "10.2.0", "below_version": "10.2.9"},
        {"cpe": SYSTEM.format("11.0.0"), "from_version": "11.0.0", "below_version": "11.0.4"},
    )  # fmt: skip
    links = pivots(lake).ask(SERVER).links
    found = judge(lake, "vulnerable-service")
    assert bool(found) == holds
    assert [link.evidence["exact"] for link in links] == ([1] if holds else [])
    if holds:
        assert [v["id"] for v in found[0].evidence["vulnerabilities"]] == [CVE]
        assert ("cve", CVE) in links[0].values
        assert "a version that a known vulnerability affects: " in links[0].text["en"]


@pytest.mark.parametrize("kev", [True, False])
def test_a_product_alone_only_when_exploited_as_the_analyser(tmp_path: Path, kev: bool) -> None:
    lake = _exposing(
        tmp_path / "lake", "*", {"cpe": SYSTEM.format("*"), "below_version": "3"},
        about=({"ts": at(), "id": CVE, "origin": "kev", "kev": kev},),
    )  # fmt: skip
    links, found = pivots(lake).ask(SERVER).links, judge(lake, "vulnerable-service")
    assert (bool(links), bool(found)) == (kev, kev)
    if kev:
        assert "is not known" in links[0].text["en"]


def test_other_names_of_a_vulnerability_are_the_same_one(tmp_path: Path) -> None:
    """OSV and JVN write of it under their own names; KEV under the CVE."""
    lake = _exposing(
        tmp_path / "lake", "1.2", {"cpe": SYSTEM.format("*"), "below_version": "1.3"},
        {"cpe": SYSTEM.format("*"), "below_version": "1.4", "id": GHSA, "origin": "osv"},
        about=({"ts": at(), "id": GHSA, "origin": "osv", "aliases": [CVE]},
               {"ts": at(), "id": CVE, "origin": "kev", "kev": True}),
    )  # fmt: skip
    (link,) = pivots(lake).ask(SERVER).links
    assert (link.evidence["vulnerabilities"], link.evidence["kev"]) == (1, [CVE])
    (found,) = judge(lake, "vulnerable-service")
    assert found.evidence["vulnerability_count"] == 1
    assert found.evidence["kev_count"] == 1


def test_products_that_contain_it_under_another_name(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    store(
        lake, "x",
        batch("vulnerabilities", {"ts": at(), "id": GHSA, "origin": "osv", "aliases": [CVE]}),
        batch("affected", {"ts": at(), "id": GHSA, "origin": "osv", "purl": PURL, "status": "affected"}),
        batch("components", {"ts": at(), "document": "urn:sbom:1", "product": "Router X", "name": "gateway",
                             "purl": f"{PURL}@1.2"}),
    )  # fmt: skip
    for name in (CVE, GHSA):
        (link,) = pivots(lake).ask(name).links
        assert (link.name, link.evidence["products"]) == ("contained-in-products", ["Router X"])
