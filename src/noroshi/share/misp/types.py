"""Observables and findings in MISP's words: attribute types, categories, tags.

Types and categories: describeTypes.json of PyMISP. Tags: MISP's taxonomies tlp, misp, rsit and its ATT&CK galaxy.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from noroshi.model.tlp import Tlp

Tag = dict[str, Any]

_TYPES: Final = {
    "ip": "ip-dst", "prefix": "ip-dst", "asn": "AS", "domain": "domain", "url": "url", "email": "email-src",
    "md5": "md5", "sha1": "sha1", "sha256": "sha256", "sha512": "sha512", "ssdeep": "ssdeep", "tlsh": "tlsh",
    "imphash": "imphash", "cve": "vulnerability", "cpe": "cpe", "hassh": "hassh-md5", "ja3": "ja3-fingerprint-md5",
    "ja3s": "ja3-fingerprint-md5", "ssh-key": "ssh-fingerprint", "actor": "threat-actor", "port": "port",
}  # fmt: skip
"""Kinds of observables that have a type of their own; others are text."""
_SOURCES: Final = frozenset({"src", "scanner", "attacker", "sender"})
NEVER: Final = frozenset({"credential"})
"""Kinds that are never written: a token nobody else can compute tells a reader nothing."""


def type_of(kind: str, value: str, role: str = "") -> str:
    """The attribute type of an observable. role: where it stood; `src` makes an address a source."""
    if kind in ("ip", "prefix") and role in _SOURCES:
        return "ip-src"
    if kind == "certificate":
        return "x509-fingerprint-sha256" if len(value) == 64 else "x509-fingerprint-sha1"
    if kind == "wallet":
        return "xmr" if len(value) > 90 else "btc"
    return _TYPES.get(kind, "text")


def shown(kind: str, value: str) -> str:
    """The value as MISP writes it: AS numbers and ports are bare."""
    if kind == "asn":
        return value.removeprefix("AS")
    return value.partition("/")[2] or value if kind == "port" else value


@cache
def _categories() -> dict[str, str]:
    text = files("noroshi.share.misp").joinpath("categories.toml").read_text(encoding="utf-8")
    return {t: category for category, types in tomllib.loads(text).items() for t in types}


@cache
def _pairs() -> dict[str, frozenset[str]]:
    text = files("noroshi.share.misp").joinpath("pairs.toml").read_text(encoding="utf-8")
    return {category: frozenset(types) for category, types in tomllib.loads(text).items()}


def category_of(type: str, said: str = "") -> str:
    """The category somebody gave an attribute of that type, where MISP allows the pair: readers refuse others. Else
    the one MISP gives the type; `Other` for a type it does not know."""
    return said if type in _pairs().get(said, ()) else _categories().get(type, "Other")


def is_known(type: str) -> bool:
    """True for a type MISP has."""
    return type in _categories()


@dataclass(frozen=True)
class Words:
    """What a kind of finding is in MISP."""

    title: str
    role: str
    """Role of its subject."""
    to_ids: bool
    """Meant for detection."""
    threat: str = "3"
    """threat_level_id: 1 high, 2 medium, 3 low, 4 undefined."""
    rsit: str = ""
    """Class and type of the Reference Security Incident Taxonomy (ENISA, TF-CSIRT)."""
    technique: str = ""
    """ATT&CK's name and id."""


_SCAN: Final = "Active Scanning - T1595"
KINDS: Final = {
    "scanner": Words("Scanners", "src", True, "3", 'information-gathering="scanner"', _SCAN),
    "investigation-scanner": Words("Investigation scanners (benign)", "src", False, "4", "", _SCAN),
    "infected-host": Words("Infected hosts", "src", True, "2", 'malicious-code="infected-system"'),
    "known-attacker": Words("Values seen that others name", "src", True, "2"),
    "decoy-intrusion": Words("Intrusions into decoys", "src", True, "2", 'intrusion-attempts="brute-force"',
                             "Brute Force - T1110"),
    "dos-victim": Words("Victims of denial of service", "victim", False, "2", 'availability="ddos"',
                        "Network Denial of Service - T1498"),
    "reflection-abuse": Words("Victims of reflection attacks", "victim", False, "2", 'availability="ddos"',
                              "Reflection Amplification - T1498.002"),
    "c2-candidate": Words("Possible command and control servers", "c2", True, "2", 'malicious-code="c2-server"'),
    "vulnerable-service": Words("Vulnerable services", "host", False, "2", 'vulnerable="vulnerable-system"'),
    "exposed-service": Words("Exposed services", "host", False, "3", 'vulnerable="vulnerable-system"'),
    "weak-credential": Words("Weak credentials", "host", False, "2", 'vulnerable="vulnerable-system"'),
    "exploitation-wave": Words("Waves of exploitation", "", False, "2", 'intrusion-attempts="ids-alert"',
                               "Exploit Public-Facing Application - T1190"),
    "port-surge": Words("Surges of ports", "", False, "3", "", _SCAN),
    "misconfiguration": Words("Misconfigured hosts", "src", False, "4"),
    "affected-product": Words("Affected products", "", False, "3", 'vulnerable="vulnerable-system"'),
}  # fmt: skip


def words(kind: str) -> Words:
    """The words for a kind of finding; plain ones for a kind without an entry."""
    return KINDS.get(kind) or Words(kind.replace("-", " ").capitalize(), "", False, "4")


_COLOURS: Final = {
    Tlp.CLEAR: "#ffffff", Tlp.GREEN: "#33ff00", Tlp.AMBER: "#ffc000", Tlp.AMBER_STRICT: "#ffc000", Tlp.RED: "#ff2b2b",
}  # fmt: skip
"""Of FIRST's TLP 2.0."""
_PLAIN: Final = "#607d8b"
_LEVELS: Final = (
    (88, "completely-confident"), (63, "usually-confident"), (38, "fairly-confident"), (13, "rarely-confident"),
    (0, "unconfident"),
)  # fmt: skip
"""Bounds half way between the numbers the taxonomy itself gives: 100, 75, 50, 25, 0."""


def tag(name: str, colour: str = _PLAIN) -> Tag:
    """A tag."""
    return {"colour": colour, "name": name}


def tlp_tag(tlp: Tlp) -> Tag:
    """The marking as a tag, by the names of TLP 2.0: `tlp:clear`, `tlp:amber+strict`."""
    return tag(f"tlp:{tlp.value}", _COLOURS[tlp])


def confidence_tag(confidence: int) -> Tag:
    """The level of MISP's own scale nearest to a confidence of 0-100."""
    level = next(word for least, word in _LEVELS if confidence >= least)
    return tag(f'misp:confidence-level="{level}"')


def kind_tags(kind: str) -> list[Tag]:
    """What a kind of finding is in taxonomies others know."""
    said = words(kind)
    out = [tag(f'noroshi:kind="{kind}"')]
    if said.rsit:
        out.append(tag(f"rsit:{said.rsit}"))
    if said.technique:
        out.append(technique_tag(said.technique))
    return out


def technique_tag(name: str) -> Tag:
    """An ATT&CK technique, `Name - T1234`, as MISP's galaxy names it."""
    return tag(f'misp-galaxy:mitre-attack-pattern="{name}"', "#0088cc")
