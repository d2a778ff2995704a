"""STIX bundles: valid to the strictest reader, the same every time, and telling only what is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
import stix2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noroshi.model.tlp import Tlp
from noroshi.share import stix
from noroshi.share.stix.ids import sco_id
from noroshi.share.stix.observables import pattern
from noroshi.share.stix.shared import TLP_IDS
from tests.support.findings import NOON, finding, one_of_each
from tests.support.stix import errors, parse


def objects(body: bytes, kind: str = "") -> list[dict[str, Any]]:
    return [o for o in json.loads(body).get("objects", []) if not kind or o["type"] == kind]


def test_every_kind_is_valid_strictly() -> None:
    body = stix.bundle(one_of_each(), producer="Example CERT", name_telescopes=True)
    parse(body)
    assert errors(body) == []


def test_every_finding_alone_is_valid_strictly() -> None:
    for one in one_of_each():
        body = stix.bundle([one])
        parse(body)
        assert errors(body) == [], one.kind


def test_nothing_to_tell_is_an_empty_bundle() -> None:
    body = stix.bundle([])
    assert [o["type"] for o in objects(body)] == ["identity"]
    parse(body)
    assert errors(body) == []


def test_ids_of_observables_follow_the_standard() -> None:
    known = "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db"  # 198.51.100.7, as other programs compute it
    assert sco_id("ipv4-addr", {"value": "198.51.100.7"}) == known
    for thing in parse(stix.bundle(one_of_each())).objects:
        if thing["type"] in ("ipv4-addr", "ipv6-addr", "autonomous-system", "network-traffic"):
            own = {k: v for k, v in thing.items() if k not in ("id", "object_marking_refs")}
            assert stix2.parse(own, version="2.1")["id"] == thing["id"]


def test_the_same_findings_in_any_order_give_the_same_bytes() -> None:
    all_ = one_of_each()
    assert stix.bundle(all_) == stix.bundle(all_[::-1])


def test_a_new_revision_keeps_ids_and_created() -> None:
    old = objects(stix.bundle([finding()]), "indicator")[0]
    later = NOON.replace(year=2027)
    new = objects(stix.bundle([finding(modified=later, confidence=90)]), "indicator")[0]
    assert (old["id"], old["created"]) == (new["id"], new["created"])
    assert old["modified"] < new["modified"]


def test_an_earlier_first_packet_of_the_day_keeps_the_id() -> None:
    a = objects(stix.bundle([finding()]), "indicator")[0]
    b = objects(stix.bundle([finding(first_seen=NOON.replace(hour=1))]), "indicator")[0]
    assert (a["id"], a["created"]) == (b["id"], b["created"])


def test_what_each_marking_level_says_is_its_own_object() -> None:
    clear, amber = finding(tlp="clear"), finding(tlp="amber", confidence=95)
    assert clear.id == amber.id
    assert len(objects(stix.bundle([clear, amber]), "indicator")) == 2


def test_markings_stand_on_every_object_and_are_defined() -> None:
    body = stix.bundle(one_of_each())
    marked = {r for o in objects(body) for r in o.get("object_marking_refs", [])}
    assert marked == {o["id"] for o in objects(body, "marking-definition")}
    bare = {o["type"] for o in objects(body) if "object_marking_refs" not in o}
    assert bare == {"identity", "extension-definition", "marking-definition"}
    amber = next(o for o in objects(body, "marking-definition") if o["name"] == "TLP:AMBER")
    assert amber["id"] == "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
    assert next(iter(amber["extensions"].values()))["tlp_2_0"] == "amber"


def test_an_observable_told_in_clear_is_clear() -> None:
    body = stix.bundle([finding(tlp="amber"), finding("dos-victim", "198.51.100.7", tlp="clear")])
    (sco,) = objects(body, "ipv4-addr")
    assert sco["object_marking_refs"] == [TLP_IDS[Tlp.CLEAR]]


def test_the_name_of_a_telescope_is_told_only_when_asked() -> None:
    assert b"campus" not in stix.bundle(one_of_each())
    assert b"campus" in stix.bundle(one_of_each(), name_telescopes=True)


def test_run_ids_never_leave() -> None:
    assert b"0123abcd" not in stix.bundle([finding(runs=("0123abcd",))])


def test_indicator_ages() -> None:
    (indicator,) = objects(stix.bundle([finding()]), "indicator")
    assert indicator["pattern"] == "[ipv4-addr:value = '198.51.100.7']"
    assert indicator["valid_from"] == "2024-04-01T12:00:00.123Z"
    assert indicator["valid_until"] == "2024-04-15T14:00:00.123Z"
    assert indicator["confidence"] == 80


def test_prefix_pattern() -> None:
    assert pattern("prefix", "192.0.2.0/24") == "[ipv4-addr:value ISSUBSET '192.0.2.0/24']"


@pytest.mark.parametrize("packets", [0, -3, 10**18, float("inf"), True, "many", None])
def test_counts_stay_within_the_standard(packets: Any) -> None:
    body = stix.bundle([finding(evidence={"packets": packets})])
    assert 1 <= objects(body, "observed-data")[0]["number_observed"] <= 999_999_999
    assert errors(body) == []


HOSTILE = "\x1b[31m\x00'\\\"] OR [file:name = 'x'\u202e\ud800\r\n<script>"


def test_hostile_text_is_carried_but_harmless() -> None:
    one = finding(
        summary={"en": HOSTILE * 1000, "ja": HOSTILE}, evidence={HOSTILE: [HOSTILE, {"k": HOSTILE}]}
    )
    body = stix.bundle([one], producer=HOSTILE)
    parse(body)
    assert errors(body) == []
    assert b"\x1b" not in body
    assert b"\\u001b" not in body


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(max_size=12), json_values, max_size=4), st.text(max_size=50))
def test_any_evidence_and_any_words_are_valid(evidence: dict[str, Any], words: str) -> None:
    body = stix.bundle([finding(evidence=evidence, summary={"en": words or "x"})])
    parse(body)
    assert errors(body) == []
