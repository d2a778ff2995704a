"""STIX 2.1: findings as one bundle that is the same, byte for byte, whenever the findings are.

Every id is a hash: of observables as the standard tells (section 2.9), of all else over the finding's id and
marking. `created` comes from the day in the finding's id, `modified` from the revision, so a consumer that
knows the object already sees whether it is newer. Nothing here is random and no clock is read.
Source: OASIS, STIX Version 2.1 (2021-06-10); TLP 2.0 objects as published by OASIS (2022-10-01).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Generator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from noroshi.model.finding import Finding, Subject
from noroshi.model.tlp import Tlp
from noroshi.share.stix.shared import (
    EXTENSION,
    TLP_IDS,
    extension_definition,
    marking_definition,
    object_id,
    producer_identity,
    sco_id,
    telescope_identity,
)

Object = dict[str, Any]

HALF_LIFE = timedelta(days=14)
"""How long an address seen scanning is worth looking at: half of such addresses have changed hands or been
cleaned after about two weeks (dynamic pools), which is why feeds of addresses age them so."""
COUNT_LIMIT = 999_999_999
"""The largest number_observed and count the standard allows."""
TEXT_LIMIT = 5000

# The kinds that say "watch for this address", and what STIX calls it (indicator-type-ov).
INDICATORS = {
    "scanner": ("anomalous-activity", "Scanner"),
    "investigation-scanner": ("benign", "Investigation scanner"),
    "infected-host": ("compromised", "Infected host"),
}
# The kinds that are an event that befell somebody.
INCIDENTS = {
    "dos-victim": "Denial of service against",
    "reflection-abuse": "Reflection attack involving",
}
_ORDER = (
    "extension-definition", "marking-definition", "identity", "autonomous-system", "ipv4-addr", "ipv6-addr",
    "network-traffic", "observed-data", "indicator", "incident", "note", "sighting", "grouping",
    "relationship", "language-content",
)  # fmt: skip


def bundle(findings: Iterable[Finding], *, producer: str = "", name_telescopes: bool = False) -> bytes:
    """The findings as a STIX 2.1 bundle in JSON, with a newline at its end.

    findings: what the recipient may see; who that is has been settled before (`share.marking`).
    producer: name of the organisation that made them, else they are Noroshi's.
    name_telescopes: whether the configured names of telescopes are told. They stand in the configuration,
    which carries no marking and so is for the own organisation only.
    """
    return encode(objects(findings, producer=producer, name_telescopes=name_telescopes))


def objects(
    findings: Iterable[Finding], *, producer: str = "", name_telescopes: bool = False
) -> list[Object]:
    """The objects of `bundle`, in its order."""
    maker = _Maker(producer, name_telescopes)
    for finding in sorted(findings, key=lambda f: (f.id, f.tlp.rank)):
        maker.add(finding)
    return maker.sorted()


def encode(objects: list[Object]) -> bytes:
    """A bundle of these objects, with an id made from them."""
    body = msgspec.json.encode(objects, order="sorted")
    head = f'{{"type":"bundle","id":"{object_id("bundle", hashlib.sha256(body).hexdigest())}"'.encode()
    return head + b',"objects":' + body + b"}\n"


class _Maker:
    """Collects the objects of a bundle, each once."""

    def __init__(self, producer: str, name_telescopes: bool) -> None:
        self.objects: dict[str, Object] = {}
        self.name_telescopes = name_telescopes
        self.producer = producer_identity(clean(producer))
        # Always there, so that a bundle with nothing to tell is one that every reader accepts.
        self._once(self.producer)

    def add(self, finding: Finding) -> None:
        """Adds the objects one finding becomes."""
        self._once(extension_definition(self.producer["id"]))
        self._once(marking_definition(finding.tlp))
        telescope = telescope_identity(
            finding.scope if self.name_telescopes else "", self.producer["id"], TLP_IDS[Tlp.AMBER_STRICT]
        )
        if self.name_telescopes and finding.scope:
            self._once(marking_definition(Tlp.AMBER_STRICT))
        self._once(telescope)
        for thing in _Mapping(finding, self.producer["id"], telescope["id"]).objects():
            self._once(thing, finding.tlp)

    def _once(self, thing: Object, tlp: Tlp | None = None) -> None:
        """Adds an object; an observable in several findings carries the least strict of their markings,
        as the value is no secret once one finding may tell it."""
        known = self.objects.get(thing["id"])
        if known is None:
            self.objects[thing["id"]] = thing
        elif tlp and known.get("object_marking_refs"):
            rank = {v: k.rank for k, v in TLP_IDS.items()}
            if tlp.rank < rank[known["object_marking_refs"][0]]:
                known["object_marking_refs"] = [TLP_IDS[tlp]]

    def sorted(self) -> list[Object]:
        """The objects, by type and id."""
        place = {name: i for i, name in enumerate(_ORDER)}
        return sorted(self.objects.values(), key=lambda o: (place[o["type"]], o["id"]))


class _Mapping:
    """One finding as STIX objects."""

    def __init__(self, finding: Finding, producer_id: str, telescope_id: str) -> None:
        self.f, self.producer_id, self.telescope_id = finding, producer_id, telescope_id
        midnight = finding.first_seen.replace(hour=0, minute=0, second=0, microsecond=0)
        created = midnight if finding.recurs_daily else finding.first_seen
        self.created = stamp(created)
        self.modified = stamp(max(finding.modified or finding.last_seen, created))
        self.text = clean(finding.summary.get("en") or next(iter(finding.summary.values()), finding.kind))

    def objects(self) -> Iterator[Object]:
        """The observables, what was observed, and what that means."""
        scos = list(subject_scos(self.f.subject))
        observed = None
        if scos:
            observed = yield from self._observed(scos)
        if self.f.kind in INDICATORS and observed and scos[0]["type"] != "autonomous-system":
            yield from self._indicator(observed)
        elif self.f.kind in INCIDENTS and observed:
            yield from self._incident(observed, scos)
        else:
            yield from self._note([observed["id"]] if observed else [self.telescope_id])

    def _sdo(self, kind: str, **more: Any) -> Object:
        f = self.f
        return {
            "type": kind, "spec_version": "2.1",
            "id": object_id(kind, f.id, f.tlp.value),
            "created": self.created, "modified": self.modified, "created_by_ref": self.producer_id,
            "object_marking_refs": [TLP_IDS[f.tlp]], **more,
        }  # fmt: skip

    def _judged(self, kind: str, **more: Any) -> Object:
        """An object that carries the judgement: confidence, label, and the evidence as our extension."""
        f = self.f
        extension = {
            "extension_type": "property-extension", "finding_id": f.id, "kind": f.kind,
            "rule": {"name": f.rule.name, "version": f.rule.version}, "evidence": plain(f.evidence),
        }  # fmt: skip
        return self._sdo(
            kind,
            confidence=f.confidence,
            labels=[f.kind],
            lang="en",
            extensions={EXTENSION: extension},
            **more,
        )

    def _observed(self, scos: list[Object]) -> Generator[Object, None, Object]:
        f = self.f
        for sco in scos:
            yield sco | {"object_marking_refs": [TLP_IDS[f.tlp]]}
        refs = [s["id"] for s in scos]
        traffic = network_traffic(f, scos[0])
        if traffic:
            yield traffic | {"object_marking_refs": [TLP_IDS[f.tlp]]}
            refs.append(traffic["id"])
        observed = self._sdo(
            "observed-data", first_observed=stamp(f.first_seen), last_observed=stamp(f.last_seen),
            number_observed=packets(f), object_refs=refs,
        )  # fmt: skip
        yield observed
        return observed

    def _indicator(self, observed: Object) -> Iterator[Object]:
        f = self.f
        kind, words = INDICATORS[f.kind]
        indicator = self._judged(
            "indicator", name=f"{words} {f.subject.value}", description=self.text, indicator_types=[kind],
            pattern=pattern(f.subject), pattern_type="stix", pattern_version="2.1",
            valid_from=stamp(f.first_seen), valid_until=stamp(f.last_seen + HALF_LIFE),
        )  # fmt: skip
        if f.kind == "scanner":
            indicator["kill_chain_phases"] = [
                {"kill_chain_name": "mitre-attack", "phase_name": "reconnaissance"}
            ]
        yield indicator
        yield from self._translation(indicator, "description")
        yield self._sdo(
            "relationship",
            relationship_type="based-on",
            source_ref=indicator["id"],
            target_ref=observed["id"],
        )
        yield self._sdo(
            "sighting", first_seen=stamp(f.first_seen), last_seen=stamp(f.last_seen), count=packets(f),
            sighting_of_ref=indicator["id"], observed_data_refs=[observed["id"]],
            where_sighted_refs=[self.telescope_id],
        )  # fmt: skip

    def _incident(self, observed: Object, scos: list[Object]) -> Iterator[Object]:
        name = f"{INCIDENTS[self.f.kind]} {self.f.subject.value}"
        incident = self._judged("incident", name=name, description=self.text)
        yield incident
        yield from self._translation(incident, "description")
        yield self._sdo(
            "grouping", name=name, context="suspicious-activity",
            object_refs=[incident["id"], observed["id"], *(s["id"] for s in scos)],
        )  # fmt: skip

    def _note(self, refs: list[str]) -> Iterator[Object]:
        note = self._judged(
            "note",
            abstract=f"{self.f.kind}: {clean(self.f.subject.value)}",
            content=self.text,
            object_refs=refs,
        )
        yield note
        yield from self._translation(note, "content")

    def _translation(self, thing: Object, field: str) -> Iterator[Object]:
        if text := self.f.summary.get("ja"):
            yield self._sdo(
                "language-content", object_ref=thing["id"], object_modified=thing["modified"],
                contents={"ja": {field: clean(text)}},
            )  # fmt: skip


def subject_scos(subject: Subject) -> Iterator[Object]:
    """The observable a subject is: an address, a prefix (as the standard writes it, an address in CIDR
    notation) or an autonomous system; none for a port."""
    if subject.kind in ("ip", "prefix"):
        kind = "ipv6-addr" if ":" in subject.value else "ipv4-addr"
        yield {
            "type": kind,
            "spec_version": "2.1",
            "id": sco_id(kind, {"value": subject.value}),
            "value": subject.value,
        }
    elif subject.kind == "asn":
        number = int(subject.value.removeprefix("AS"))
        kind = "autonomous-system"
        yield {"type": kind, "spec_version": "2.1", "id": sco_id(kind, {"number": number}), "number": number}


def network_traffic(finding: Finding, source: Object) -> Object | None:
    """The traffic a finding was judged from: what its subject sent to the telescope; never the telescope's
    address. None unless the evidence names both ports, which validators ask for; where many ports are meant
    they stand in the evidence.
    """
    ports = {name: finding.evidence.get(name) for name in ("src_port", "dst_port")}
    if source["type"] == "autonomous-system" or not all(isinstance(p, int) for p in ports.values()):
        return None
    protocol = str(finding.evidence.get("protocol") or "").lower()
    ip = "ipv6" if source["type"] == "ipv6-addr" else "ipv4"
    what: Object = {
        "start": stamp(finding.first_seen), "end": stamp(finding.last_seen), "src_ref": source["id"],
        "protocols": [ip, protocol] if protocol in ("tcp", "udp", "icmp") else [ip], **ports,
    }  # fmt: skip
    return {
        "type": "network-traffic", "spec_version": "2.1", "id": sco_id("network-traffic", what),
        "is_active": False, **what,
    }  # fmt: skip


def packet_count(finding: Finding) -> int:
    """Packets the finding was judged from, 0 when its evidence does not say."""
    for name in ("packet_count", "packets", "n_raw"):
        value = finding.evidence.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return max(0, int(value))
    return 0


def packets(finding: Finding) -> int:
    """The same within what the standard allows as a count of observations."""
    return min(max(packet_count(finding), 1), COUNT_LIMIT)


def pattern(subject: Subject) -> str:
    """The STIX pattern that matches an address or prefix."""
    kind = "ipv6-addr" if ":" in subject.value else "ipv4-addr"
    operator = "ISSUBSET" if subject.kind == "prefix" else "="
    value = subject.value.replace("\\", "\\\\").replace("'", "\\'")
    return f"[{kind}:value {operator} '{value}']"


def stamp(ts: datetime) -> str:
    """A STIX timestamp, to the millisecond as `created` and `modified` demand."""
    return ts.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ts.microsecond // 1000:03d}Z"


def clean(text: str) -> str:
    """Text that may come from an attacker: bounded, without control characters or lone surrogates."""
    return re.sub("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", text[:TEXT_LIMIT])


def plain(value: Any) -> Any:
    """Evidence in what the standard calls a dictionary: keys of [A-Za-z0-9_-], no null, no NaN."""
    if isinstance(value, dict):
        kept = ((re.sub(r"[^A-Za-z0-9_-]", "_", str(k))[:250], plain(v)) for k, v in value.items())
        return {k: v for k, v in kept if v is not None}
    if isinstance(value, list | tuple):
        return [v for v in map(plain, value) if v is not None]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return clean(value) if isinstance(value, str) else value
