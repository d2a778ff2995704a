"""Each join holds where it should, and only there."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from noroshi.ask import crosslinks
from noroshi.lake.handle import Lake
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.tlp import Tlp
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
