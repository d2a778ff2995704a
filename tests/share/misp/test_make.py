"""Findings as MISP events: what they say, how they are marked, and that nothing but them decides."""

from __future__ import annotations

import random
from datetime import timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.model.tlp import Tlp
from noroshi.share.misp import types
from noroshi.share.misp.make import Maker, Thing, events
from tests.support.findings import NOON, finding, one_of_each

MAKER = Maker.of("Example CSIRT", "community")


def names(thing: Thing) -> set[str]:
    return {t["name"] for t in thing["Tag"]}


def test_one_event_per_rule_and_utc_day() -> None:
    made = list(
        events(
            [
                finding("scanner", "198.51.100.7"),
                finding("scanner", "198.51.100.8", first_seen=NOON + timedelta(hours=11)),
                finding(
                    "scanner",
                    "198.51.100.9",
                    first_seen=NOON + timedelta(hours=12),
                    last_seen=NOON + timedelta(days=1),
                ),
                finding("dos-victim", "192.0.2.4"),
            ],
            MAKER,
        )
    )
    assert [(e["date"], e["info"], len(e["Attribute"]) + len(e["Object"])) for e in made] == [
        ("2024-04-01", "Victims of denial of service seen on 2024-04-01 (dos-victim)", 1),
        ("2024-04-01", "Scanners seen on 2024-04-01 (scanner)", 2),
        ("2024-04-02", "Scanners seen on 2024-04-02 (scanner)", 1),
    ]


def test_markings_stand_on_the_attributes_and_the_strictest_on_the_event() -> None:
    (event,) = events([finding(tlp="clear"), finding(value="198.51.100.8", tlp="amber+strict")], MAKER)
    assert "tlp:amber+strict" in names(event)
    marks = {a["value"]: [n for n in names(a) if n.startswith("tlp:")] for a in event["Attribute"]}
    assert marks == {"198.51.100.7": ["tlp:clear"], "198.51.100.8": ["tlp:amber+strict"]}


def test_an_attribute_says_what_it_means() -> None:
    (event,) = events([finding("scanner", confidence=80)], MAKER)
    (one,) = event["Attribute"]
    assert (one["type"], one["category"], one["value"], one["to_ids"]) == (
        "ip-src", "Network activity", "198.51.100.7", True,
    )  # fmt: skip
    assert names(one) == {
        "tlp:clear",
        'misp:confidence-level="usually-confident"',
        'noroshi:kind="scanner"',
        'rsit:information-gathering="scanner"',
        'misp-galaxy:mitre-attack-pattern="Active Scanning - T1595"',
    }
    assert one["first_seen"] == "2024-04-01T12:00:00.123456+00:00"
    assert one["Sighting"][0]["date_sighting"] == "1711980000"
    assert one["comment"] == "198.51.100.7 did it."


def test_the_confidence_scale_is_read_back_within_half_a_step() -> None:
    from noroshi.observe.intel.misp_types import meaning

    for confidence in range(101):
        back = meaning(types.confidence_tag(confidence)["name"]).confidence
        assert back is not None
        assert abs(back - confidence) <= 13


def test_tags_of_tlp_are_read_back() -> None:
    from noroshi.observe.intel.misp_types import meaning

    assert [meaning(types.tlp_tag(t)["name"]).tlp for t in Tlp] == list(Tlp)


def test_victims_are_objects_and_never_for_detection() -> None:
    evidence = {"ports": ["tcp/80", "tcp/443"], "rate_pps": 392594.0}
    (event,) = events([finding("dos-victim", "192.0.2.4", evidence=evidence)], MAKER)
    (ddos,) = event["Object"]
    assert ddos["name"] == "ddos"
    told = {(a["object_relation"], a["type"], a["value"]) for a in ddos["Attribute"]}
    assert told >= {
        ("ip-dst", "ip-dst", "192.0.2.4"), ("dst-port", "port", "80"), ("dst-port", "port", "443"),
        ("protocol", "text", "TCP"), ("total-pps", "integer", "392594"), ("type", "text", "flooding-attack"),
    }  # fmt: skip
    assert not any(a["to_ids"] for a in ddos["Attribute"])
    assert event["Attribute"] == []


def test_vulnerabilities_a_service_has_are_told_once() -> None:
    evidence = {
        "ports": ["tcp/443"],
        "vulnerabilities": [{"id": "CVE-2024-3400"}, {"id": "GHSA-x"}, "junk", 7],
    }
    (event,) = events(
        [finding("vulnerable-service", f"192.0.2.{n}", evidence=evidence) for n in (1, 2)], MAKER
    )
    assert [(a["type"], a["value"]) for a in event["Attribute"]] == [("vulnerability", "CVE-2024-3400")]
    assert [o["name"] for o in event["Object"]] == ["ip-port", "ip-port"]


def test_the_same_value_from_two_telescopes_is_one_attribute_of_the_stricter_marking() -> None:
    two = [finding(scope="a"), finding(scope="b", tlp="green", confidence=30)]
    (event,) = events(two, MAKER)
    (one,) = event["Attribute"]
    assert "tlp:green" in names(one)
    assert 'misp:confidence-level="usually-confident"' in names(one)


def test_credentials_never_leave() -> None:
    from noroshi.model.finding import Finding, Rule, Subject

    one = Finding(
        "watch-hit", Subject("credential", "ab" * 32), Rule("watch", 1), NOON, NOON, 50, {"en": "x"}, {}
    )
    assert list(events([one], MAKER)) == []


def test_ids_differ_between_recipients_and_hold_otherwise() -> None:
    mine, theirs = (list(events(one_of_each(), Maker.of("", to))) for to in ("own", "public"))
    again = list(events(one_of_each(), Maker.of("", "own")))
    assert mine == again
    assert not {e["uuid"] for e in mine} & {e["uuid"] for e in theirs}


@given(st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_order_of_findings_does_not_matter(chance: random.Random) -> None:
    mixed = one_of_each() * 2
    chance.shuffle(mixed)
    assert msgspec.json.encode(list(events(mixed, MAKER))) == msgspec.json.encode(
        list(events(one_of_each() * 2, MAKER))
    )


@given(
    st.text(max_size=40),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
)
@settings(max_examples=60, deadline=None)
def test_any_evidence_gives_an_event(text: str, junk: object) -> None:
    evidence = dict.fromkeys(("ports", "vulnerabilities", "files", "rate_pps", "attacks"), junk)
    for kind in ("dos-victim", "vulnerable-service", "decoy-intrusion", "scanner"):
        for event in events([finding(kind, "192.0.2.4", evidence=evidence, summary={"en": text})], MAKER):
            msgspec.json.encode(event)
