"""The STIX objects every bundle shares: markings, identities, our extension, and ids of observables."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from noroshi.model.tlp import Tlp

Object = dict[str, Any]

NAMESPACE = uuid.UUID("0d1c9b1e-55f2-5a1f-8f0e-6f7368692d21")
"""UUIDv5 namespace of our own objects; never changes."""
SCO_NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""Namespace of observables' ids (STIX 2.1, section 2.9)."""


def object_id(kind: str, *parts: str) -> str:
    """The id of one of our own objects: a UUIDv5 over `parts`, with the version bits of UUIDv4.

    STIX 2.1 (section 2.9) asks for UUIDv4 outside observables, and strict validators count anything else as
    an error. A hash is as good as chance to whoever compares ids, and ours must be the same every time.
    """
    name = uuid.uuid5(NAMESPACE, chr(0).join((kind, *parts)))
    return f"{kind}--{uuid.UUID(bytes=name.bytes, version=4)}"


EXTENSION = object_id("extension-definition", "finding")
SINCE = "2026-11-20T00:00:00.000Z"
"""When the objects below were first defined; raised when one of them changes."""

TLP_IDS = {
    Tlp.CLEAR: "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    Tlp.GREEN: "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    Tlp.AMBER: "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    Tlp.AMBER_STRICT: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    Tlp.RED: "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
"""TLP 2.0 as published by OASIS, 2022-10-01."""
TLP_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"


def sco_id(kind: str, properties: Object) -> str:
    """The id of an observable from its id-contributing properties: UUIDv5 over their canonical JSON.

    RFC 8785 for what stands in ours: sorted ASCII keys, no spaces, texts and integers.
    """
    name = msgspec.json.encode(properties, order="sorted").decode()
    return f"{kind}--{uuid.uuid5(SCO_NAMESPACE, name)}"


def marking_definition(tlp: Tlp) -> Object:
    """The TLP 2.0 marking, word for word as OASIS publishes it."""
    return {
        "type": "marking-definition", "spec_version": "2.1", "id": TLP_IDS[tlp],
        "created": "2022-10-01T00:00:00.000Z", "name": tlp.label,
        "extensions": {TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": tlp.value}},
    }  # fmt: skip


def producer_identity(name: str) -> Object:
    """Who made the bundle: the organisation of that name, or Noroshi as a system."""
    shown = name or "Noroshi"
    return {
        "type": "identity", "spec_version": "2.1", "id": object_id("identity", "producer", shown),
        "created": SINCE, "modified": SINCE, "name": shown,
        "identity_class": "organization" if name else "system",
    }  # fmt: skip


def telescope_identity(name: str, producer_id: str, marking_ref: str) -> Object:
    """The sensor that saw it: a telescope by its name, or just "a network telescope"."""
    thing: Object = {
        "type": "identity", "spec_version": "2.1",
        "id": object_id("identity", "telescope", producer_id, name),
        "created": SINCE, "modified": SINCE, "created_by_ref": producer_id,
        "name": f"Network telescope {name}" if name else "A network telescope", "identity_class": "system",
    }  # fmt: skip
    return thing | {"object_marking_refs": [marking_ref]} if name else thing


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
