"""What intelligence names and own sensors saw, on rows written by hand and on a labelled capture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from noroshi.analyse.cross.common import together
from noroshi.config import load
from noroshi.lake.handle import Lake
from noroshi.work.ingest import ingest
from tests.analyse.cross.support import judge, one
from tests.ask.support import ATTACKER, OTHER, SERVER, at, batch, flows, scan, store

OWN = ("198.51.100.0/24",)
C2 = "45.76.10.20"
"""A global address: those of documentation are in no real list."""
NAME = "c2.evil-example.net"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def stated(value: str, kind: str = "ip", **more: Any) -> dict[str, Any]:
    return {"ts": at(100), "kind": kind, "value": value, "role": "c2", "document": "d1", "origin": "CERT A",
            "tlp": "green"} | more  # fmt: skip


def contact(src: str, dst: str, after: float = 0) -> dict[str, Any]:
    return {"first_seen": at(after), "last_seen": at(after + 1), "src_ip": src, "dst_ip": dst, "dst_port": 443,
            "protocol": 6, "src_byte_count": 10, "dst_byte_count": 20}  # fmt: skip


def test_a_source_in_the_darknet_that_two_makers_name(lake: Lake) -> None:
    store(lake, "telescope", *flows(*scan(C2, 3)))
    store(lake, "feed", batch("indicators", stated(C2), stated(C2, document="d2"),
                              stated(C2, origin="CERT B", document="d3", confidence=80)))  # fmt: skip
    found = one(lake, "known-attacker")
    assert (found.kind, found.subject.value) == ("known-attacker", C2)
    # two statements of one maker count once: 1 - (1 - 0.5)(1 - 0.8)
    assert found.confidence == 90
    assert found.evidence["makers"] == ["CERT A", "CERT B"]
    assert found.evidence["documents"] == 3
    assert found.evidence["seen"] == {"flows src": 6}
    assert "CERT A, CERT B" in found.summary["en"]


def test_a_listed_file_that_passed_by_on_the_network(lake: Lake) -> None:
    sha256 = "7f" * 32
    store(
        lake, "zeek", batch("network_files", {"ts": at(), "src_ip": C2, "dst_ip": SERVER, "sha256": sha256})
    )
    assert judge(lake, "known-attacker") == [], "that a sensor saw a file is nobody's statement about it"
    store(lake, "feed", batch("indicators", stated(sha256, "sha256", role="payload")))
    found = one(lake, "known-attacker")
    assert (found.subject.kind, found.subject.value) == ("sha256", sha256)
    assert found.evidence["seen"] == {"network_files file": 1}


def test_statements_fade(lake: Lake) -> None:
    store(lake, "telescope", *flows(*scan(C2, 1, day=15)))
    store(lake, "feed", batch("indicators", stated(C2, ts=at(days=1))))
    found = one(lake, "known-attacker")
    assert found.confidence == 25
    assert "14 days" in found.evidence["confidence_reason"]
    assert judge(lake, "known-attacker", min_confidence=30) == []


@pytest.mark.parametrize(
    ("role", "to_ids", "told"),
    [("c2", None, 1), ("src", None, 1), ("mentions", None, 0), ("mentions", True, 1), ("victim", True, 0),
     ("reference", True, 0)],
)  # fmt: skip
def test_which_statements_count(lake: Lake, role: str, to_ids: bool | None, told: int) -> None:
    store(lake, "pot", batch("logins", {"ts": at(), "src_ip": C2, "session_id": "s", "username": "root"}))
    store(lake, "feed", batch("indicators", stated(C2, role=role, to_ids=to_ids)))
    assert len(judge(lake, "known-attacker")) == told


@pytest.mark.parametrize(
    ("listed", "kind", "match", "value", "what"),
    [
        ("45.76.10.20", "ip", "exact", C2, "ip"),
        ("45.76.0.0/16", "prefix", "prefix", C2, "ip"),
        ("evil-example.net", "domain", "below", NAME, "domain"),
        ("evil-example.net", "domain", "exact", NAME, ""),
        ("45.76.11.0/24", "prefix", "prefix", C2, ""),
    ],
)
def test_warninglists(lake: Lake, listed: str, kind: str, match: str, value: str, what: str) -> None:
    query = {"ts": at(), "src_ip": ATTACKER, "dst_ip": "192.0.2.53", "query": NAME, "protocol": 17}
    store(lake, "telescope", *flows(*scan(C2, 1)))
    store(lake, "zeek", batch("dns", query))
    store(lake, "feed", batch("indicators", stated(value, "ip" if value == C2 else "domain")))
    store(lake, "lists", batch("warnings", {"ts": at(), "list": "l", "kind": kind, "value": listed, "match": match,
                                            "category": "false-positive"}))  # fmt: skip
    assert [f.subject.value for f in judge(lake, "known-attacker")] == ([] if what else [value])


@pytest.mark.parametrize(("listed", "kind"), [("45.76.10.20", "ip"), ("45.76.0.0/16", "prefix")])
def test_lists_of_known_things_weaken(lake: Lake, listed: str, kind: str) -> None:
    store(lake, "telescope", *flows(*scan(C2, 1)))
    store(lake, "feed", batch("indicators", stated(C2, confidence=80)))
    before = one(lake, "known-attacker")
    row = {"ts": at(), "list": "vpns", "kind": kind, "value": listed, "match": "prefix", "category": "known"}
    store(lake, "lists", batch("warnings", row))
    found = one(lake, "known-attacker")
    assert (before.confidence, found.confidence) == (80, 40)
    assert found.evidence["warninglist"] == "vpns"
    assert "'vpns'" in found.evidence["confidence_reason"]
    store(lake, "more", batch("warnings", row | {"list": "resolvers", "category": "false-positive"}))
    assert judge(lake, "known-attacker") == [], "a list of false positives vetoes all the same"


def test_the_host_in_a_listed_url_is_not_listed(lake: Lake) -> None:
    store(lake, "zeek", batch("dns", {"ts": at(), "src_ip": ATTACKER, "dst_ip": SERVER, "query": NAME}))
    store(lake, "feed", batch("indicators", stated(f"http://{NAME}/x", "url", role="download")))
    assert judge(lake, "known-attacker") == []


def test_own_hosts_that_contact_listed_servers(lake: Lake) -> None:
    store(
        lake,
        "zeek",
        batch(
            "connections",
            contact(SERVER, C2),
            contact(SERVER, C2, 5),
            contact("10.1.2.3", C2),
            contact(OTHER, C2),
        ),
        batch("dns", {"ts": at(3), "src_ip": SERVER, "dst_ip": "192.0.2.53", "query": NAME, "protocol": 17}),
    )
    store(lake, "feed", batch("indicators", stated(C2), stated(NAME, "domain")))
    store(lake, "assets", batch("assets", {"ts": at(), "kind": "ip", "value": SERVER, "owner": "Library",
                                           "contact": "lib@example.org"}))  # fmt: skip
    found = {f.subject.value: f for f in judge(lake, "known-attacker", own=OWN)}
    assert {v: f.kind for v, f in found.items()} == {
        SERVER: "infected-host", "10.1.2.3": "infected-host", C2: "known-attacker", NAME: "known-attacker",
    }  # fmt: skip
    server = found[SERVER]
    assert server.evidence["owner"] == "Library"
    assert server.evidence["servers_nunique"] == 2
    assert [(s["value"], s["count"], s["bytes"]) for s in server.evidence["servers"]] == [
        (C2, 2, 60),
        (NAME, 1, 0),
    ]
    assert found["10.1.2.3"].evidence["network"] == "private"
    # a mere scanner that is listed is no server whose contact infects
    assert server.first_seen == at(0)


def test_an_own_address_is_no_attacker(lake: Lake) -> None:
    store(lake, "telescope", *flows(*scan(SERVER, 3)))
    store(lake, "feed", batch("indicators", stated(SERVER)))
    assert judge(lake, "known-attacker", own=OWN) == []


def test_fingerprints_weigh_little(lake: Lake) -> None:
    ja3 = "6734f37431670b3ab4292b8f60f29984"
    store(
        lake,
        "zeek",
        batch("tls", {"ts": at(), "src_ip": ATTACKER, "dst_ip": OTHER, "dst_port": 443, "ja3": ja3}),
    )
    store(lake, "feed", batch("indicators", stated(ja3, "ja3", to_ids=True, confidence=90)))
    found = one(lake, "known-attacker")
    assert found.confidence == 27
    assert "fingerprint" in found.evidence["confidence_reason"]


def test_together() -> None:
    assert together([]) == 0
    assert together([0.5, 0.5]) == 75
    assert together([2.0, -1.0]) == 95


def test_private_addresses_are_nobody(lake: Lake) -> None:
    store(lake, "telescope", *flows(*scan("10.0.0.2", 3)))
    store(lake, "feed", batch("indicators", stated("10.0.0.2")))
    assert judge(lake, "known-attacker") == []


def test_the_host_that_remcos_ran_on(lake: Lake) -> None:
    """CTU-SME-11: labels name the two servers of RemcosRAT; a feed that lists them finds the host."""
    root = Path(os.environ.get("NOROSHI_DATA", "/nonexistent"))
    folder = root / "analysis/c2/slips/dataset/test18-malicious-ctu-sme-11-win/zeek-labeled"
    if not folder.is_dir():
        pytest.skip("set NOROSHI_DATA to a folder with analysis/c2/slips")
    ingest(lake, [folder], config=load(None))
    seen = lake.snapshot().sql("SELECT max(first_seen) AS t FROM connections").to_pylist()[0]["t"]
    servers = ("178.237.33.50", "66.63.168.35")
    store(lake, "feed", *(batch("indicators", stated(v, ts=seen)) for v in servers))
    found = judge(lake, "known-attacker")
    infected = [f for f in found if f.kind == "infected-host"]
    assert [f.subject.value for f in infected] == ["192.168.1.107"]
    assert {s["value"] for s in infected[0].evidence["servers"]} <= set(servers)
