"""One finding as STIX objects: what was seen, by whom, and what that means.

Every id is a hash: of observables as the standard tells (section 2.9), of all else over the finding's id and
marking. `created` comes from the day in the finding's id, `modified` from the revision, so a consumer that
knows the object already sees whether it is newer. Nothing here is random and no clock is read.
Source: OASIS, STIX Version 2.1 (2021-06-10); TLP 2.0 objects as published by OASIS (2022-10-01).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping
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
    extension_definition,
    observation_definition,
    producer_identity,
    sensor_identity,
    standard_marking,
)
from noroshi.share.stix.techniques import MITRE, reference, techniques
from noroshi.share.stix.text import clean, dictionary, stamp

Object = dict[str, Any]

HALF_LIVES = {"ip": 14, "prefix": 14, "domain": 60, "url": 60, "email": 60, "certificate": 365}
"""Days a value is worth looking at after it was last seen. Addresses: half of those seen scanning have changed hands
or been cleaned after about two weeks (dynamic pools); names live longer; hashes never change, so theirs never end."""
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
        key = what, clean(name, 200) if self.name_sensors else ""
        if key not in self._sensors:
            self._sensors[key] = sensor_identity(*key, self.creator, self.marks[Tlp.AMBER_STRICT])
        return self._sensors[key]

    def definitions(self) -> list[Object]:
        """Both extensions, after who declares them."""
        return [self.identity, extension_definition(self.creator), observation_definition(self.creator)]

    def marking(self, ref: str) -> Object:
        """The definition of one of our markings."""
        return standard_marking(ref)


class Told:
    """One finding as STIX objects; `revoked`: it was taken back."""

    def __init__(
        self, finding: Finding, names: Names, revoked: bool = False, subject_tlp: Tlp | None = None
    ) -> None:
        """subject_tlp: marking of the subject itself, the least strict of the findings about it: the value is no
        secret once one finding may tell it."""
        self.f, self.names, self.revoked = finding, names, revoked
        self.subject_marks = [names.marks[subject_tlp or finding.tlp]]
        first = finding.first_seen
        if finding.recurs_daily:
            first = first.replace(hour=0, minute=0, second=0, microsecond=0)
        self.created = stamp(first)
        self.modified = stamp(max(finding.modified or finding.last_seen, first))
        self.first, self.last = stamp(finding.first_seen), stamp(finding.last_seen)
        self.marking = names.marks[finding.tlp]
        self.marks = [self.marking]
        self.text = clean(finding.summary.get("en") or next(iter(finding.summary.values()), finding.kind))
        self.key = (finding.id, finding.tlp.value, *names.salt)
        self.sensor = names.sensor("decoy" if finding.kind in _VISITED else "telescope", finding.scope)
        self.techniques = techniques(finding)

    def objects(self) -> Iterator[Object]:
        """The observables, what was observed, and what that means."""
        f = self.f
        yield self.sensor
        main = observable(f.subject.kind, f.subject.value)
        if main:
            main["object_marking_refs"] = self.subject_marks
        if f.kind == "campaign":
            yield from self._campaign([main] if main else [])
            return
        if f.kind == "affected-product":
            yield from self._product(main)
            return
        if f.subject.kind in ("cve", "advisory"):
            yield from self._vulnerability()
            return
        observed = (yield from self._observed([main])) if main else None
        if observed is None or main is None:
            yield from self._note([self.sensor["id"]])
        elif f.kind in INCIDENTS:
            yield from self._incident(observed, main)
        elif f.kind in INDICATORS and (match := pattern(f.subject.kind, f.subject.value)):
            yield from self._indicator(observed, main, match)
        elif f.kind == "vulnerable-service":
            yield from self._host(observed, main)
        else:
            yield from self._note([observed["id"]])

    # Building blocks ----------------------------------------------------------------------------------------
    def _sdo(self, kind: str, *parts: str, **more: Any) -> Object:
        made = {
            "type": kind, "spec_version": "2.1", "id": object_id(kind, *self.key, *parts),
            "created": self.created, "modified": self.modified, "created_by_ref": self.names.creator,
            "object_marking_refs": self.marks, **more,
        }  # fmt: skip
        if self.revoked:
            made["revoked"] = True
        return made

    def _judged(self, kind: str, **more: Any) -> Object:
        """An object that carries the judgement: confidence, label, and the evidence as our extension."""
        f = self.f
        extension = {
            "extension_type": "property-extension", "finding_id": f.id, "kind": f.kind,
            "rule": {"name": f.rule.name, "version": f.rule.version}, "evidence": dictionary(f.evidence),
        }  # fmt: skip
        if self.techniques:
            more["external_references"] = [reference(t) for t in self.techniques]
        return self._sdo(
            kind,
            confidence=f.confidence,
            labels=[f.kind],
            lang="en",
            extensions={EXTENSION: extension},
            **more,
        )

    def _marked(self, thing: Object) -> Object:
        return thing | {"object_marking_refs": self.marks}

    def _observed(self, scos: list[Object]) -> Generator[Object, None, Object]:
        f, main = self.f, scos[0]
        yield from scos
        refs = [s["id"] for s in scos]
        if traffic := network_traffic(f, main, self.first, self.last):
            yield self._marked(traffic)
            refs.append(traffic["id"])
        servers = f.evidence.get("servers")
        for also in self._listed(servers, refs):
            yield also
            refs.append(also["id"])
        observed = self._sdo(
            "observed-data", first_observed=self.first, last_observed=self.last, number_observed=packets(f),
            object_refs=refs,
        )  # fmt: skip
        yield observed
        return observed

    def _listed(self, values: Any, known_refs: list[str]) -> list[Object]:
        """The observables a list of evidence names, but for those known."""
        found = {}
        for one in values[:MEMBERS] if isinstance(values, list) else ():
            if (also := _told(one)) and also["id"] not in known_refs:
                found[also["id"]] = self._marked(also)
        return list(found.values())

    def _relation(self, source: str, relation: str, target: str) -> Object:
        # One of a kind between the two of a finding; the first of them (based-on) keeps the id it always had.
        parts = () if relation == "based-on" else (relation, source, target)
        return self._sdo(
            "relationship", *parts, relationship_type=relation, source_ref=source, target_ref=target
        )

    def _translation(self, thing: Object, name: str) -> Iterator[Object]:
        if text := self.f.summary.get("ja"):
            yield self._sdo(
                "language-content", object_ref=thing["id"], object_modified=thing["modified"],
                contents={"ja": {name: clean(text)}},
            )  # fmt: skip

    def _uses(self, source: str, relation: str) -> Iterator[Object]:
        """Relations to MITRE's own objects for the techniques shown."""
        for technique in self.techniques:
            if target := self.names.patterns.get(technique):
                yield self._relation(source, relation, target)

    # What it means ------------------------------------------------------------------------------------------
    def _indicator(self, observed: Object, main: Object, match: str) -> Iterator[Object]:
        f, names = self.f, self.names
        kind, words = INDICATORS[f.kind]
        more: Object = {"kill_chain_phases": _RECONNAISSANCE} if f.kind == "scanner" else {}
        days = HALF_LIVES.get(f.subject.kind)
        if days:
            more["valid_until"] = stamp(f.last_seen + timedelta(days=days))
        indicator = self._judged(
            "indicator", name=f"{words} {f.subject.value}", description=self.text, indicator_types=[kind],
            pattern=match, pattern_type="stix", pattern_version="2.1", valid_from=self.first, **more,
        )  # fmt: skip
        yield indicator
        yield from self._translation(indicator, "description")
        yield self._relation(indicator["id"], "based-on", observed["id"])
        yield from self._uses(indicator["id"], "indicates")
        if family := known.malware(str(f.evidence.get("class")), names.creator, names.clear):
            yield family
            yield self._relation(indicator["id"], "indicates", family["id"])
        if f.kind == "c2-candidate":
            server = self._sdo(
                "infrastructure", name=f"{words} {f.subject.value}",
                infrastructure_types=["command-and-control"], first_seen=self.first, last_seen=self.last,
            )  # fmt: skip
            yield server
            yield self._relation(server["id"], "consists-of", main["id"])
            yield self._relation(indicator["id"], "indicates", server["id"])
        yield self._sdo(
            "sighting", first_seen=self.first, last_seen=self.last, count=packets(f),
            sighting_of_ref=indicator["id"], observed_data_refs=[observed["id"]],
            where_sighted_refs=[self.sensor["id"]],
        )  # fmt: skip

    def _incident(self, observed: Object, main: Object) -> Iterator[Object]:
        name = f"{INCIDENTS[self.f.kind]} {self.f.subject.value}"
        incident = self._judged("incident", name=name, description=self.text)
        yield incident
        yield from self._translation(incident, "description")
        yield from self._uses(incident["id"], "related-to")
        yield self._sdo(
            "grouping", name=name, context="suspicious-activity",
            object_refs=[incident["id"], observed["id"], main["id"], *observed["object_refs"][1:]],
        )  # fmt: skip

    def _campaign(self, scos: list[Object]) -> Iterator[Object]:
        """A campaign, what its members sent, and all of it as a group."""
        refs = [s["id"] for s in scos]
        for name in _MEMBERS_OF:
            also = self._listed(self.f.evidence.get(name), refs)
            scos += also
            refs += [s["id"] for s in also]
        name = f"Campaign {clean(self.f.subject.value, 200)}"
        campaign = self._judged(
            "campaign", name=name, description=self.text, first_seen=self.first, last_seen=self.last
        )
        if scos:
            observed = yield from self._observed(scos)
            refs = [observed["id"], *observed["object_refs"]]
        yield campaign
        yield from self._translation(campaign, "description")
        yield from self._uses(campaign["id"], "uses")
        yield self._sdo(
            "grouping", name=name, context="suspicious-activity", object_refs=[campaign["id"], *refs]
        )

    def _note(self, refs: list[str]) -> Iterator[Object]:
        note = self._judged(
            "note",
            abstract=f"{self.f.kind}: {clean(self.f.subject.value)}",
            content=self.text,
            object_refs=refs,
        )
        yield note
        yield from self._translation(note, "content")
        yield from self._uses(note["id"], "related-to")

    def _known(self) -> Iterator[Object]:
        """The vulnerabilities the evidence names."""
        for name in known.vulnerabilities(self.f.evidence):
            if thing := known.vulnerability(name, self.names.creator, self.names.clear):
                yield thing

    def _host(self, observed: Object, main: Object) -> Iterator[Object]:
        """A host with vulnerable services: what it consists of, and what it has."""
        host = self._judged(
            "infrastructure", name=f"Vulnerable host {self.f.subject.value}", description=self.text,
            infrastructure_types=["unknown"], first_seen=self.first, last_seen=self.last,
        )  # fmt: skip
        yield host
        yield self._relation(host["id"], "consists-of", main["id"])
        for name in known.products(self.f.evidence):
            if product := observable("cpe", name):
                yield self._marked(product)
                yield self._relation(host["id"], "consists-of", product["id"])
        for thing in self._known():
            yield thing
            yield self._relation(host["id"], "has", thing["id"])
        yield from self._note([host["id"], observed["id"]])

    def _product(self, main: Object | None) -> Iterator[Object]:
        """A component and the vulnerabilities that affect it."""
        refs, things = [], list(self._known())
        yield from things
        if main:
            if self.f.subject.kind == "purl":
                main["extensions"] = purl_extension(self.f.subject.value)
            yield main
            refs = [main["id"]]
        refs += [t["id"] for t in things]
        yield from self._note(refs or [self.sensor["id"]])
        for thing in things if main else ():
            yield self._relation(refs[0], "related-to", thing["id"])
        if len(refs) > 1:
            yield self._sdo(
                "grouping", name=f"Affected product {clean(self.f.subject.value, 500)}", context="unspecified",
                object_refs=refs,
            )  # fmt: skip

    def _vulnerability(self) -> Iterator[Object]:
        """A judgement about a vulnerability: a note on it, for none of STIX's relations says "may be used now"."""
        thing = known.vulnerability(self.f.subject.value, self.names.creator, self.names.clear)
        if thing:
            yield thing
        yield from self._note([thing["id"]] if thing else [self.sensor["id"]])


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
