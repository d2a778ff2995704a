"""The STIX objects many others refer to: markings, identities, our extensions."""

from __future__ import annotations

from typing import Any

from noroshi.model.tlp import Tlp
from noroshi.share.stix.ids import object_id

Object = dict[str, Any]

SINCE = "2026-11-20T00:00:00.000Z"
"""When the objects below were first defined; raised when one of them changes."""
EXTENSION = object_id("extension-definition", "finding")
OBSERVATION = object_id("extension-definition", "observation")

TLP_IDS = {
    Tlp.CLEAR: "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    Tlp.GREEN: "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    Tlp.AMBER: "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    Tlp.AMBER_STRICT: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    Tlp.RED: "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
"""TLP 2.0 as published by OASIS, 2022-10-01."""
TLP_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
_RED = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"
TLP1_IDS = {
    Tlp.CLEAR: "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    Tlp.GREEN: "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    Tlp.AMBER: "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    Tlp.AMBER_STRICT: _RED,
    Tlp.RED: _RED,
}
"""TLP 1 (STIX 2.1, section 7.2.1.4). It has no AMBER+STRICT, and AMBER would say too much: so RED."""
_OLD_WORDS = {
    TLP1_IDS[t]: w
    for t, w in ((Tlp.CLEAR, "white"), (Tlp.GREEN, "green"), (Tlp.AMBER, "amber"), (Tlp.RED, "red"))
}
_BY_ID = {v: k for k, v in TLP_IDS.items()}
STANDARD = frozenset((*TLP_IDS.values(), *TLP1_IDS.values()))
"""Ids of the markings whose definition is everybody's; nobody else's word about them counts."""


def standard_marking(ref: str) -> Object:
    """The TLP marking of that id, of 2.0 word for word as OASIS publishes it, of 1 as in the standard."""
    if ref in _OLD_WORDS:
        return {
            "type": "marking-definition", "spec_version": "2.1", "id": ref,
            "created": "2017-01-20T00:00:00.000Z", "definition_type": "tlp",
            "name": f"TLP:{_OLD_WORDS[ref].upper()}", "definition": {"tlp": _OLD_WORDS[ref]},
        }  # fmt: skip
    tlp = _BY_ID[ref]
    return {
        "type": "marking-definition", "spec_version": "2.1", "id": ref,
        "created": "2022-10-01T00:00:00.000Z", "name": tlp.label,
        "extensions": {TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": tlp.value}},
    }  # fmt: skip


def to_tlp1(ref: str) -> str:
    """The marking of TLP 1 that stands for one of TLP 2.0; any other as it is."""
    tlp = _BY_ID.get(ref)
    return TLP1_IDS[tlp] if tlp else ref


def producer_identity(name: str) -> Object:
    """Who made the bundle: the organisation of that name, or Noroshi as a system."""
    shown = name or "Noroshi"
    return {
        "type": "identity", "spec_version": "2.1", "id": object_id("identity", "producer", shown),
        "created": SINCE, "modified": SINCE, "name": shown,
        "identity_class": "organization" if name else "system",
    }  # fmt: skip


def sensor_identity(what: str, name: str, producer_id: str, marking_ref: str) -> Object:
    """The sensor that saw it: a telescope or decoy by its name, or just "a network telescope"."""
    thing: Object = {
        "type": "identity", "spec_version": "2.1", "id": object_id("identity", what, producer_id, name),
        "created": SINCE, "modified": SINCE, "created_by_ref": producer_id,
        "name": _SENSORS[what].format(name) if name else _UNNAMED[what], "identity_class": "system",
    }  # fmt: skip
    return thing | {"object_marking_refs": [marking_ref]} if name else thing


_SENSORS = {"telescope": "Network telescope {}", "decoy": "Decoy {}", "sensors": "Sensors {}"}
_UNNAMED = {"telescope": "A network telescope", "decoy": "A decoy (honeypot)", "sensors": "Own sensors"}


def extension_definition(producer_id: str) -> Object:
    """The declared extension that carries what STIX has no word for: our rule and its evidence."""
    return {
        "type": "extension-definition", "spec_version": "2.1", "id": EXTENSION,
        "created": SINCE, "modified": SINCE, "created_by_ref": producer_id, "name": "noroshi-finding",
        "description": "The judgement behind an object: the kind of finding, the rule and its version, and "
        "the numbers it was judged from, enough to recompute it.",
        "schema": "finding_id: UUID of the finding. kind: its kind. rule: {name: string, version: integer}. "
        "evidence: dictionary of numbers, strings and lists of them; names and units as in docs/findings.md.",
        "version": "1.0.0", "extension_types": ["property-extension"],
    }  # fmt: skip


def observation_definition(producer_id: str) -> Object:
    """The declared extension of what was observed: fingerprints, banners, and ports of many packets."""
    return {
        "type": "extension-definition", "spec_version": "2.1", "id": OBSERVATION,
        "created": SINCE, "modified": SINCE, "created_by_ref": producer_id, "name": "noroshi-observation",
        "description": "What STIX has no word for in an observation: fingerprints of clients and servers, "
        "banners, ports, purl.",
        "schema": "table: string, as in docs/tables.md. ja4, ja4s, hassh, ssh_key, certificate, client, banner, "
        "product, version, service, tool, class, state: string. ports: list of strings as tcp/23, the busiest "
        "first. packets, bytes, logins, commands: integer. login_success: boolean. purl: package URL.",
        "version": "1.0.0", "extension_types": ["property-extension"],
    }  # fmt: skip
