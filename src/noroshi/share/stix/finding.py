"""One finding as STIX objects: what was seen, by whom, and what that means.

Every id is a hash: of observables as the standard tells (section 2.9), of all else over the finding's id and
marking. `created` comes from the day in the finding's id, `modified` from the revision, so a consumer that
knows the object already sees whether it is newer. Nothing here is random and no clock is read.
Source: OASIS, STIX Version 2.1 (2021-06-10); TLP 2.0 objects as published by OASIS (2022-10-01).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from noroshi.model.finding import Finding
from noroshi.model.tlp import Tlp
from noroshi.share.stix import known
from noroshi.share.stix.ids import object_id, sco_id
from noroshi.share.stix.observables import observable, pattern
from noroshi.share.stix.shared import (
    EXTENSION,
    OBSERVATION,
    TLP1_IDS,
    TLP_IDS,
    producer_identity,
    sensor_identity,
)
from noroshi.share.stix.techniques import MITRE, reference, techniques
from noroshi.share.stix.text import clean, dictionary, stamp

Object = dict[str, Any]

HALF_LIVES = {
    kind: timedelta(days=days)
    for kind, days in (
        ("ip", 14), ("prefix", 14), ("domain", 60), ("url", 60), ("email", 60), ("certificate", 365),
    )
}  # fmt: skip
"""How long a value is worth looking at after it was last seen. Addresses: half of those seen scanning have changed
hands or been cleaned after about two weeks (dynamic pools); names live longer; hashes never change, and have no end."""
COUNT_LIMIT = 999_999_999
"""The largest number_observed and count the standard allows."""
MEMBERS = 200
"""Members of a campaign and servers of a host that go out."""

# The kinds that say "watch for this value", and what STIX calls it (indicator-type-ov).
INDICATORS = {
    "scanner": ("anomalous-activity", "Scanner"),
    "investigation-scanner": ("benign", "Investigation scanner"),
    "infected-host": ("compromised", "Infected host"),
    "known-attacker": ("malicious-activity", "Known attacker"),
    "decoy-intrusion": ("malicious-activity", "Intruder at decoys"),
    "c2-candidate": ("malicious-activity", "Possible command and control server"),
    "shared-value": ("malicious-activity", "Value of several makers"),
}
# The kinds that are an event that befell somebody.
INCIDENTS = {
    "dos-victim": "Denial of service against",
    "reflection-abuse": "Reflection attack involving",
}
_MEMBERS_OF = ("members", "sources", "hosts", "addresses")
_VISITED = ("decoy-intrusion",)
_FIRST_TOLD = ("indicator", "incident", "note", "campaign")
"""Types whose translation keeps the id it always had: a finding has one of them, and at most one besides."""
_RECONNAISSANCE = [{"kill_chain_name": "mitre-attack", "phase_name": "reconnaissance"}]


@dataclass
class Names:
    """What the objects of one export share: who made them, how they are marked, whose patterns are known."""

    producer: str = ""
    name_sensors: bool = False
    """Whether configured names of telescopes are told. They stand in the configuration, which carries no marking
    and so is for the own organisation only."""
    tlp1: bool = False
    patterns: Mapping[str, str] = field(default_factory=lambda: MITRE)
    """Id of the attack-pattern of each technique."""

    def __post_init__(self) -> None:
        self.identity = producer_identity(clean(self.producer, 200))
        self.creator: str = self.identity["id"]
        self.marks = TLP1_IDS if self.tlp1 else TLP_IDS
        self.clear = self.marks[Tlp.CLEAR]
        # Two organisations judge alike, so what they make of it must not have one id; unnamed ones share theirs.
        self.salt = (self.creator,) if self.producer else ()
        self._sensors: dict[tuple[str, str], Object] = {}

    def sensor(self, what: str, name: str = "") -> Object:
        """The identity of a sensor: by name where names are told."""
        key = what, name if self.name_sensors else ""
        if key not in self._sensors:
            self._sensors[key] = sensor_identity(
                what, clean(key[1], 200), self.creator, self.marks[Tlp.AMBER_STRICT]
            )
        return self._sensors[key]


class Told:
    """One finding as STIX objects; `revoked`: it was taken back."""

    def __init__(
        self, finding: Finding, names: Names, revoked: bool = False, subject_tlp: Tlp | None = None
    ) -> None:
        """subject_tlp: marking of the subject itself, the least strict of the findings about it: the value is no
        secret once one finding may tell it."""
        f = self.f = finding
        self.names, self.out = names, list[Object]()
        self.subject_marks = [names.marks[subject_tlp or f.tlp]]
        begun = f.first_seen
        if f.recurs_daily:
            begun = begun.replace(hour=0, minute=0, second=0, microsecond=0)
        self.first, self.last = stamp(f.first_seen), stamp(f.last_seen)
        self.marks = [names.marks[f.tlp]]
        self.modified = stamp(max(f.modified or f.last_seen, begun))
        self.base: Object = {
            "created": stamp(begun), "modified": self.modified, "created_by_ref": names.creator,
            "object_marking_refs": self.marks,
        }  # fmt: skip
        if revoked:
            self.base["revoked"] = True
        self.text = clean(f.summary.get("en") or next(iter(f.summary.values()), f.kind))
        self.key = "\0".join((f.id, f.tlp.value, *names.salt))
        self.sensor = names.sensor("decoy" if f.kind in _VISITED else "telescope", f.scope)
        self.techniques = techniques(f)
        self.count = packets(f)

    def objects(self) -> list[Object]:
        """The observables, what was observed, and what that means."""
        f, out = self.f, self.out
        out.append(self.sensor)
        main = observable(f.subject.kind, f.subject.value)
        if main:
            main["object_marking_refs"] = self.subject_marks
        if f.kind == "campaign":
            self._campaign([main] if main else [])
        elif f.kind == "affected-product":
            self._product(main)
        elif f.subject.kind in ("cve", "advisory"):
            self._vulnerability()
        elif main is None:
            self._note([self.sensor["id"]])
        else:
            self._seen(main, self._observed([main]))
        return out

    def _seen(self, main: Object, observed: Object) -> None:
        f = self.f
        if f.kind in INCIDENTS:
            self._incident(observed, main)
        elif f.kind in INDICATORS and (match := pattern(f.subject.kind, f.subject.value)):
            self._indicator(observed, main, match)
        elif f.kind == "vulnerable-service":
            self._host(observed, main)
        else:
            self._note([observed["id"]])

    # Building blocks ----------------------------------------------------------------------------------------
    def _add(self, kind: str, more: Object, *parts: str) -> Object:
        """One of our objects about the finding; `parts` tell it from others of its type."""
        made = {
            "type": kind,
            "spec_version": "2.1",
            "id": object_id(kind, self.key, *parts),
            **self.base,
            **more,
        }
        self.out.append(made)
        return made

    def _judged(self, kind: str, text: str, more: Object) -> Object:
        """An object that carries the judgement: confidence, label, words, and the evidence as our extension.

        text: the property that takes the words.
        """
        f = self.f
        judged = {
            "confidence": f.confidence, "labels": [f.kind], "lang": "en", text: self.text,
            "extensions": {EXTENSION: {
                "extension_type": "property-extension", "finding_id": f.id, "kind": f.kind,
                "rule": {"name": f.rule.name, "version": f.rule.version}, "evidence": dictionary(f.evidence),
            }},
        }  # fmt: skip
        if self.techniques:
            judged["external_references"] = [reference(t) for t in self.techniques]
        made = self._add(kind, judged | more)
        if words := f.summary.get("ja"):
            self._add("language-content", {
                "object_ref": made["id"], "object_modified": self.modified, "contents": {"ja": {text: clean(words)}},
            }, *(() if kind in _FIRST_TOLD else (kind,)))  # fmt: skip
        return made

    def _marked(self, thing: Object) -> Object:
        return thing | {"object_marking_refs": self.marks}

    def _observed(self, scos: list[Object]) -> Object:
        f, out = self.f, self.out
        out += scos
        refs = [s["id"] for s in scos]
        if traffic := network_traffic(f, scos[0], self.first, self.last):
            out.append(self._marked(traffic))
            refs.append(traffic["id"])
        if servers := f.evidence.get("servers"):
            also = self._listed(servers, refs)
            out += also
            refs += [s["id"] for s in also]
        return self._add("observed-data", {
            "first_observed": self.first, "last_observed": self.last, "number_observed": self.count,
            "object_refs": refs,
        })  # fmt: skip

    def _listed(self, values: Any, known_refs: list[str]) -> list[Object]:
        """The observables a list of evidence names, but for those known."""
        found = {}
        for one in values[:MEMBERS] if isinstance(values, list) else ():
            if (also := _told(one)) and also["id"] not in known_refs:
                found[also["id"]] = self._marked(also)
        return list(found.values())

    def _relate(self, source: Object, relation: str, target: str) -> None:
        # One of a kind between the two of a finding; the first of them (based-on) keeps the id it always had.
        self._add(
            "relationship", {"relationship_type": relation, "source_ref": source["id"], "target_ref": target},
            *(() if relation == "based-on" else (relation, source["id"], target)),
        )  # fmt: skip

    def _uses(self, source: Object, relation: str) -> None:
        """Relations to MITRE's own objects for the techniques shown."""
        for technique in self.techniques:
            if target := self.names.patterns.get(technique):
                self._relate(source, relation, target)

    # What it means ------------------------------------------------------------------------------------------
    def _indicator(self, observed: Object, main: Object, match: str) -> None:
        f, names = self.f, self.names
        kind, words = INDICATORS[f.kind]
        name = f"{words} {f.subject.value}"
        told: Object = {
            "name": name, "indicator_types": [kind], "pattern": match, "pattern_type": "stix",
            "pattern_version": "2.1", "valid_from": self.first,
        }  # fmt: skip
        if life := HALF_LIVES.get(f.subject.kind):
            told["valid_until"] = stamp(f.last_seen + life)
        if f.kind == "scanner":
            told["kill_chain_phases"] = _RECONNAISSANCE
        indicator = self._judged("indicator", "description", told)
        self._relate(indicator, "based-on", observed["id"])
        self._uses(indicator, "indicates")
        if family := known.malware(f.evidence.get("class"), names.creator, names.clear):
            self.out.append(family)
            self._relate(indicator, "indicates", family["id"])
        if f.kind == "c2-candidate":
            server = self._add("infrastructure", {
                "name": name, "infrastructure_types": ["command-and-control"], "first_seen": self.first,
                "last_seen": self.last,
            })  # fmt: skip
            self._relate(server, "consists-of", main["id"])
            self._relate(indicator, "indicates", server["id"])
        self._add("sighting", {
            "first_seen": self.first, "last_seen": self.last, "count": self.count,
            "sighting_of_ref": indicator["id"], "observed_data_refs": [observed["id"]],
            "where_sighted_refs": [self.sensor["id"]],
        })  # fmt: skip

    def _group(self, name: str, refs: list[str], context: str = "suspicious-activity") -> None:
        self._add("grouping", {"name": name, "context": context, "object_refs": refs})

    def _incident(self, observed: Object, main: Object) -> None:
        name = f"{INCIDENTS[self.f.kind]} {self.f.subject.value}"
        incident = self._judged("incident", "description", {"name": name})
        self._uses(incident, "related-to")
        self._group(name, [incident["id"], observed["id"], main["id"], *observed["object_refs"][1:]])

    def _campaign(self, scos: list[Object]) -> None:
        """A campaign, what its members sent, and all of it as a group."""
        refs = [s["id"] for s in scos]
        for where in _MEMBERS_OF:
            also = self._listed(self.f.evidence.get(where), refs)
            scos += also
            refs += [s["id"] for s in also]
        if scos:
            observed = self._observed(scos)
            refs = [observed["id"], *observed["object_refs"]]
        name = f"Campaign {clean(self.f.subject.value, 200)}"
        campaign = self._judged(
            "campaign", "description", {"name": name, "first_seen": self.first, "last_seen": self.last}
        )
        self._uses(campaign, "uses")
        self._group(name, [campaign["id"], *refs])

    def _note(self, refs: list[str]) -> None:
        f = self.f
        note = self._judged(
            "note", "content", {"abstract": f"{f.kind}: {clean(f.subject.value)}", "object_refs": refs}
        )
        self._uses(note, "related-to")

    def _known(self) -> list[Object]:
        """The vulnerabilities the evidence names."""
        names = self.names
        made = (
            known.vulnerability(n, names.creator, names.clear) for n in known.vulnerabilities(self.f.evidence)
        )
        things = [t for t in made if t]
        self.out += things
        return things

    def _host(self, observed: Object, main: Object) -> None:
        """A host with vulnerable services: what it consists of, and what it has."""
        host = self._judged("infrastructure", "description", {
            "name": f"Vulnerable host {self.f.subject.value}", "infrastructure_types": ["unknown"],
            "first_seen": self.first, "last_seen": self.last,
        })  # fmt: skip
        self._relate(host, "consists-of", main["id"])
        for name in known.products(self.f.evidence):
            if (product := observable("cpe", name)) and product["id"] != main["id"]:
                self.out.append(self._marked(product))
                self._relate(host, "consists-of", product["id"])
        for thing in self._known():
            self._relate(host, "has", thing["id"])
        self._note([host["id"], observed["id"]])

    def _product(self, main: Object | None) -> None:
        """A component and the vulnerabilities that affect it."""
        things = self._known()
        refs = [t["id"] for t in things]
        if main:
            if self.f.subject.kind == "purl":
                main["extensions"] = purl_extension(self.f.subject.value)
            self.out.append(main)
            for thing in things:
                self._relate(main, "related-to", thing["id"])
            refs = [main["id"], *refs]
        self._note(refs or [self.sensor["id"]])
        if len(refs) > 1:
            self._group(f"Affected product {clean(self.f.subject.value, 500)}", refs, "unspecified")

    def _vulnerability(self) -> None:
        """A judgement about a vulnerability: a note on it, for none of STIX's relations says "may be used now"."""
        thing = known.vulnerability(self.f.subject.value, self.names.creator, self.names.clear)
        if thing:
            self.out.append(thing)
        self._note([(thing or self.sensor)["id"]])


def _told(one: Any) -> Object | None:
    """The observable a piece of evidence tells as {kind, value}, or as the text of an address."""
    if isinstance(one, str):
        return observable("prefix" if "/" in one else "ip", one)
    if (
        not isinstance(one, dict)
        or not isinstance(one.get("value"), str)
        or not isinstance(one.get("kind"), str)
    ):
        return None
    return observable(one["kind"], one["value"])


def network_traffic(finding: Finding, source: Object, first: str, last: str) -> Object | None:
    """The traffic a finding was judged from: what its subject sent to the telescope; never the telescope's
    address. None unless the evidence names both ports, which validators ask for; where many ports are meant
    they stand in the evidence.
    """
    known_ = finding.evidence
    ports = {"src_port": known_.get("src_port"), "dst_port": known_.get("dst_port")}
    if not all(type(p) is int and 0 <= p <= 65535 for p in ports.values()) or "value" not in source:
        return None
    if source["type"] not in ("ipv4-addr", "ipv6-addr"):
        return None
    protocol = str(known_.get("protocol") or "").lower()
    ip = "ipv6" if source["type"] == "ipv6-addr" else "ipv4"
    what: Object = {
        "start": first, "end": last, "src_ref": source["id"],
        "protocols": [ip, protocol] if protocol in ("tcp", "udp", "icmp") else [ip], **ports,
    }  # fmt: skip
    return {
        "type": "network-traffic", "spec_version": "2.1", "id": sco_id("network-traffic", what),
        "is_active": False, **what,
    }  # fmt: skip


def packet_count(finding: Finding) -> int:
    """Packets the finding was judged from, 0 when its evidence does not say."""
    for name in ("packet_count", "packets", "n_raw", "seen_count", "sessions"):
        value = finding.evidence.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return max(0, int(value))
    return 0


def packets(finding: Finding) -> int:
    """The same within what the standard allows as a count of observations."""
    return min(max(packet_count(finding), 1), COUNT_LIMIT)


def purl_extension(purl: str) -> Object:
    """A package URL in our extension, for software has no property for it."""
    return {OBSERVATION: {"extension_type": "property-extension", "purl": clean(purl, 1000)}}
