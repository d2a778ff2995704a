"""What others made, as they made it: checked, brought to STIX 2.1 where it is 2.0, marked as its row is."""

from __future__ import annotations

import re
from typing import Any

from noroshi.model.tlp import Tlp
from noroshi.share.stix.shared import STANDARD, TLP1_IDS, TLP_IDS, to_tlp1

Object = dict[str, Any]

ID = re.compile(r"([a-z][a-z0-9-]{1,248}[a-z0-9])--[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
OBSERVABLES = frozenset((
    "artifact", "autonomous-system", "directory", "domain-name", "email-addr", "email-message", "file", "ipv4-addr",
    "ipv6-addr", "mac-addr", "mutex", "network-traffic", "process", "software", "url", "user-account",
    "windows-registry-key", "x509-certificate",
))  # fmt: skip
"""Types of cyber observables, which need neither `spec_version` nor times."""
FIRST = ("extension-definition", "marking-definition", "identity")
"""Types that others refer to; they go first."""
CUT = "noroshi_left_out"
"""What stands in an object that was too large to be kept whole."""
_TYPES_FROM_LABELS = {
    "indicator": "indicator_types", "malware": "malware_types", "tool": "tool_types", "report": "report_types",
    "threat-actor": "threat_actor_types",
}  # fmt: skip


class NoStixError(Exception):
    """Why an imported object cannot go out, for the person at the keyboard."""


def prepare(thing: Object, tlp: Tlp, tlp1: bool = False) -> tuple[Object, bool]:
    """The object as it goes out, and whether it was brought from STIX 2.0 to 2.1.

    The object itself, unchanged, when it is STIX 2.1 and says how it may be shared. One without any TLP gets that
    of its row when it is stricter than CLEAR, so that what was told about its source is not lost on the way.
    Raises NoStixError.
    """
    kind, upgraded = _checked(thing), False
    if kind not in OBSERVABLES and "created" in thing and "spec_version" not in thing:
        thing, upgraded = upgrade(thing), True
    return _marked(thing, kind, tlp, tlp1), upgraded


def version(thing: Object) -> str:
    """What tells revisions apart: `modified`, else `created`, else nothing."""
    return str(thing.get("modified") or thing.get("created") or "")


def _checked(thing: Object) -> str:
    """Its type. Raises NoStixError for what no reader would take."""
    kind, id_ = thing.get("type"), thing.get("id")
    if CUT in thing:
        raise NoStixError("too large to have been kept whole")
    if not isinstance(id_, str) or not (found := ID.fullmatch(id_)) or found[1] != kind:
        raise NoStixError("no STIX id of its type")
    if found[1] in OBSERVABLES:
        return found[1]
    if any(not isinstance(thing.get(name, ""), str) for name in ("created", "modified", "spec_version")):
        raise NoStixError("times or version that are no text")
    if "created" not in thing and "modified" not in thing and "spec_version" in thing:
        return found[1]  # a custom observable
    if "created" not in thing or ("modified" not in thing and kind != "marking-definition"):
        raise NoStixError("no `created` or `modified`")
    return found[1]


def upgrade(thing: Object) -> Object:
    """A STIX 2.0 object with what 2.1 asks for and 2.0 did not have; everything it had stays.

    Source: STIX 2.1, appendix "Differences from 2.0": labels of some types became vocabularies of their own,
    patterns name their language, malware says whether it is a family (as MITRE's own move of ATT&CK did: it is).
    """
    kind = thing["type"]
    out: Object = {"type": kind, "spec_version": "2.1"} | thing
    name, labels = _TYPES_FROM_LABELS.get(kind), thing.get("labels")
    if name and isinstance(labels, list) and labels and name not in out:
        out[name] = labels
    if kind == "indicator":
        out.setdefault("pattern_type", "stix")
        out.setdefault("valid_from", thing["created"])
    elif kind == "malware":
        out.setdefault("is_family", True)
    return out


def _marked(thing: Object, kind: str, tlp: Tlp, tlp1: bool) -> Object:
    refs, granular = thing.get("object_marking_refs"), thing.get("granular_markings")
    refs = [r for r in refs if isinstance(r, str)] if isinstance(refs, list) else []
    parts = [g for g in granular if isinstance(g, dict)] if isinstance(granular, list) else []
    known = [*refs, *(g.get("marking_ref") for g in parts)]
    if tlp is not Tlp.CLEAR and kind != "marking-definition" and not any(r in STANDARD for r in known):
        ref = (TLP1_IDS if tlp1 else TLP_IDS)[tlp]
        return thing | {"object_marking_refs": [*map(to_tlp1, refs), ref] if tlp1 else [*refs, ref]}
    if tlp1 and any(isinstance(r, str) and to_tlp1(r) != r for r in known):
        out = dict(thing)
        if refs:
            out["object_marking_refs"] = list(dict.fromkeys(map(to_tlp1, refs)))
        if parts:
            out["granular_markings"] = [
                g | {"marking_ref": to_tlp1(g["marking_ref"])} if isinstance(g.get("marking_ref"), str) else g
                for g in parts
            ]
        return out
    return thing


def markings(thing: Object) -> list[str]:
    """Standard markings an object refers to, whose definitions go out with it."""
    refs = thing.get("object_marking_refs")
    found = [r for r in refs if isinstance(r, str) and r in STANDARD] if isinstance(refs, list) else []
    granular = thing.get("granular_markings")
    for part in granular if isinstance(granular, list) else ():
        ref = part.get("marking_ref") if isinstance(part, dict) else None
        if isinstance(ref, str) and ref in STANDARD:
            found.append(ref)
    return found
