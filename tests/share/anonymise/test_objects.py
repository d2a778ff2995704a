"""Imported objects: untouched ones are themselves, ids made from hidden values are remade wherever they stand."""

from __future__ import annotations

import uuid
from typing import Any

from tests.share.anonymise.support import masking

NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")


def _id(value: str) -> str:
    """The standard's id of an IPv4 address: version 5 over its value."""
    return "ipv4-addr--" + str(uuid.uuid5(NAMESPACE, '{"value":"' + value + '"}'))


OWN, THEIRS = _id("203.0.113.7"), _id("198.51.100.9")
KNOWN = ((OWN, "ip", "203.0.113.7"), (THEIRS, "ip", "198.51.100.9"))


def test_what_holds_nothing_hidden_is_itself() -> None:
    thing: dict[str, Any] = {
        "type": "indicator", "id": "indicator--0", "x_custom": [1, None],
        "pattern": "[ipv4-addr:value = '198.51.100.9']",
        "deep": {"a": [{"b": "http://evil.example/"}]},
    }  # fmt: skip
    for name in ("public", "community", "sector"):
        assert masking(name).object(thing) is thing


def test_ids_of_hidden_values_are_remade_alike_everywhere() -> None:
    mask = masking("community", known=KNOWN)
    sco = mask.object({"type": "ipv4-addr", "id": OWN, "value": "203.0.113.7"})
    seen = mask.object({"type": "observed-data", "id": "observed-data--1", "object_refs": [OWN, THEIRS]})
    assert sco is not None
    assert seen is not None
    assert sco["value"].startswith("100::")
    assert sco["id"] != OWN
    assert seen["object_refs"] == [sco["id"], THEIRS]
    assert sco["id"] != masking("community", known=KNOWN, recipient="x").ids.remade(OWN)
    assert mask.object({"type": "ipv4-addr", "id": THEIRS, "value": "198.51.100.9"})["id"] == THEIRS  # type: ignore[index]


def test_patterns_are_masked_and_go_when_their_value_is_dropped() -> None:
    thing = {"type": "indicator", "id": "indicator--0", "pattern": "[ipv4-addr:value = '203.0.113.7']"}
    new = masking("community").object(thing)
    assert new is not None
    assert "'100::" in new["pattern"]
    assert masking("public").object(thing) is None


def test_persons_and_keys() -> None:
    mask = masking("community")
    person = {
        "type": "identity",
        "identity_class": "individual",
        "name": "Who Ever",
        "contact_information": "a@b.example",
    }
    new = mask.object(person)
    assert "Who Ever" not in str(new)
    assert "a@b.example" not in str(new)
    maker = {"type": "identity", "identity_class": "organization", "name": "Example CERT"}
    assert mask.object(maker) is maker
    assert mask.object({"203.0.113.7": 1}) != {"203.0.113.7": 1}
    event = {"type": "target-user", "value": "Who Ever", "Event": {"event_creator_email": "a@b.example"}}
    assert "Who" not in str(mask.object(event))


def test_depth_is_bounded() -> None:
    thing: dict[str, Any] = {"x": "203.0.113.7"}
    for _ in range(300):
        thing = {"d": thing}
    assert "203.0.113.7" not in str(masking("community").object(thing))
