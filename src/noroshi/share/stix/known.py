"""Objects for what everybody knows by name: vulnerabilities, families of malware. The same in every finding."""

from __future__ import annotations

import re
from typing import Any

from noroshi.share.stix.ids import object_id
from noroshi.share.stix.shared import SINCE
from noroshi.share.stix.text import clean

Object = dict[str, Any]

_CVE = re.compile(r"CVE-\d{4}-\d{4,19}")
_ADVISORY = re.compile(r"([A-Za-z][A-Za-z0-9]{1,30})[-:][A-Za-z0-9._:-]{1,120}")
LIMIT = 50
"""Vulnerabilities of one finding that go out; our analysers list fewer."""

FAMILIES = {"mirai": ("Mirai", ["bot", "worm"])}
"""Classes of infected hosts that are a family of malware."""


def vulnerability(name: str, creator: str, marking: str) -> Object | None:
    """The vulnerability of that name; None for what is no name of one."""
    if _CVE.fullmatch(name):
        reference = {"source_name": "cve", "external_id": name}
    elif found := _ADVISORY.fullmatch(name):
        reference = {"source_name": found[1].lower(), "external_id": name}
    else:
        return None
    return _constant("vulnerability", creator, marking, name, external_references=[reference])


def malware(family: object, creator: str, marking: str) -> Object | None:
    """The family of malware a class of infected hosts stands for."""
    if not isinstance(family, str) or family not in FAMILIES:
        return None
    name, types = FAMILIES[family]
    return _constant("malware", creator, marking, name, is_family=True, malware_types=types)


def vulnerabilities(evidence: dict[str, Any]) -> list[str]:
    """Names of the vulnerabilities in a finding's evidence, each once."""
    listed = evidence.get("vulnerabilities")
    names: dict[str, None] = {}
    for one in listed[:LIMIT] if isinstance(listed, list) else ():
        name = one.get("id") if isinstance(one, dict) else one
        if isinstance(name, str):
            names[name] = None
    return list(names)


def products(evidence: dict[str, Any]) -> list[str]:
    """CPE names of the services in a finding's evidence, each once."""
    listed = evidence.get("vulnerabilities")
    rows = listed[:LIMIT] if isinstance(listed, list) else ()
    names = {r["cpe"]: None for r in rows if isinstance(r, dict) and isinstance(r.get("cpe"), str)}
    return list(names)


def _constant(kind: str, creator: str, marking: str, name: str, **more: Any) -> Object:
    return {
        "type": kind, "spec_version": "2.1", "id": object_id(kind, creator, name),
        "created": SINCE, "modified": SINCE, "created_by_ref": creator, "object_marking_refs": [marking],
        "name": clean(name), **more,
    }  # fmt: skip
