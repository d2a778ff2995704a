"""Vulnerability to component to product, on rows written by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from noroshi.lake.handle import Lake
from tests.analyse.cross.support import judge, one
from tests.ask.support import ATTACKER, BARE, CPE, CVE, PURL, at, batch, store

GHSA = "GHSA-aaaa-bbbb-cccc"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def product(lake: Lake, **more: Any) -> None:
    row = {"ts": at(40), "document": "urn:sbom:1", "product": "Router X", "product_version": "9", "name": "gateway",
           "purl": f"{PURL}@1.2", "version": "1.2"} | more  # fmt: skip
    store(lake, "sbom", batch("components", row, row | {"document": "urn:sbom:2", "product": "Router Y"}))


def database(lake: Lake, row: dict[str, Any], **about: Any) -> None:
    store(
        lake, "cves", batch("affected", {"ts": at(), "id": CVE, "origin": "osv", "status": "affected"} | row),
        batch("vulnerabilities", {"ts": at(), "id": CVE, "origin": "kev"} | about),
    )  # fmt: skip


def test_an_exploited_hole_in_two_products(lake: Lake) -> None:
    product(lake)
    database(
        lake, {"purl": PURL, "below_version": "1.3", "ecosystem": "PyPI"}, kev=True, kev_date=date(2024, 4, 2)
    )
    found = one(lake, "affected-product")
    assert (found.subject.kind, found.subject.value) == ("purl", f"{PURL}@1.2")
    assert found.confidence == 85
    assert found.evidence["products"] == ["Router X 9", "Router Y 9"]
    assert found.evidence["vulnerabilities"] == [
        {"id": CVE, "match": "exact-version", "kev": True, "kev_date": "2024-04-02", "fixed_version": "1.3"}
    ]
    assert "2024-04-02" in found.summary["en"]


@pytest.mark.parametrize(
    ("row", "about", "told"),
    [
        ({"purl": PURL, "below_version": "1.3"}, {"epss": 0.2}, 1),
        ({"purl": PURL, "below_version": "1.3"}, {"epss": 0.05}, 0),
        ({"purl": PURL, "below_version": "1.3"}, {"cvss_score": 10.0}, 0),
        ({"purl": PURL, "below_version": "1.2"}, {"kev": True}, 0),
        ({"purl": PURL}, {"kev": True}, 1),
        ({"purl": PURL}, {"epss": 0.9}, 0),
        ({"purl": "pkg:pypi/other", "below_version": "9"}, {"kev": True}, 0),
    ],
)
def test_what_is_told(lake: Lake, row: dict[str, Any], about: dict[str, Any], told: int) -> None:
    product(lake)
    database(lake, row, **about)
    assert len(judge(lake, "affected-product")) == told


def test_by_cpe(lake: Lake) -> None:
    product(lake, purl=None, cpes=[CPE])
    database(lake, {"cpe": BARE, "below_version": "1.3"}, kev=True)
    found = one(lake, "affected-product")
    assert (found.subject.kind, found.subject.value) == ("cpe", CPE)


def test_seen_used_here(lake: Lake) -> None:
    product(lake)
    database(lake, {"purl": PURL, "below_version": "1.3"}, cvss_score=9.0)
    store(lake, "ids", batch("alerts", {"ts": at(5), "src_ip": ATTACKER, "engine": "x", "signature": "x",
                                        "cves": [CVE]}))  # fmt: skip
    assert one(lake, "affected-product").evidence["vulnerabilities"][0]["alerts"] == 1


def test_an_advisory_is_known_by_its_cve(lake: Lake) -> None:
    product(lake)
    store(
        lake, "osv",
        batch("affected", {"ts": at(), "id": GHSA, "origin": "osv", "status": "affected", "purl": PURL,
                           "below_version": "1.3"}),
        batch("vulnerabilities", {"ts": at(), "id": GHSA, "origin": "osv", "aliases": [CVE]},
              {"ts": at(), "id": CVE, "origin": "kev", "kev": True}),
    )  # fmt: skip
    assert [v["id"] for v in one(lake, "affected-product").evidence["vulnerabilities"]] == [CVE]


def test_a_name_alone_says_so(lake: Lake) -> None:
    product(lake, purl=PURL, version=None)
    database(lake, {"purl": PURL, "below_version": "1.3"}, kev=True)
    found = one(lake, "affected-product")
    assert found.confidence == 30
    assert "not known" in found.summary["en"]
