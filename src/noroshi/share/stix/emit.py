"""What a view holds, as STIX 2.1 objects already written: the one list that bundles and TAXII take from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from noroshi.model.finding import Finding
from noroshi.model.tlp import Tlp
from noroshi.share.stix import imported, stored
from noroshi.share.stix.finding import COUNT_LIMIT, Names, Told
from noroshi.share.stix.ids import object_id
from noroshi.share.stix.seen import Seen
from noroshi.share.stix.shared import (
    EXTENSION,
    OBSERVATION,
    STANDARD,
    extension_definition,
    observation_definition,
    standard_marking,
)
from noroshi.share.stix.techniques import MITRE
from noroshi.share.stix.text import stamp

if TYPE_CHECKING:
    from noroshi.share.gate import View

Object = dict[str, Any]

TOGETHER = 2000
"""Findings that are written together: one question about what others say of their subjects."""
_REPEATED = frozenset(("identity", "vulnerability", "malware")) | imported.OBSERVABLES
"""Types of objects that several findings share."""


class Emitted(msgspec.Struct, frozen=True, gc=False):
    """One object."""

    id: str
    type: str
    version: str
    """Its `modified`, else its `created`, as written in it; empty for observables, which have neither."""
    json: bytes
    """The object, UTF-8, without a newline."""


@dataclass(frozen=True)
class Options:
    """What goes out, beside what the view's recipient is given anyway."""

    producer: str = ""
    """Name of the producing organisation; else Noroshi made them."""
    kinds: tuple[str, ...] = ()
    """Kinds of finding; empty for all the recipient wants."""
    since: datetime | None = None
    """Only findings and facts that lasted until then."""
    tlp1: bool = False
    """Markings of TLP 1 (AMBER+STRICT becomes RED); also when the recipient is known to read no other."""
    facts: bool = False
    """What was observed as well: darknet sources, visits to decoys, services."""
    imported: bool = True
    """What others made, as they made it, and our sightings of it."""


@dataclass
class Tally:
    """What was written, and what could not be; for the person at the keyboard."""

    findings: int = 0
    objects: int = 0
    upgraded: int = 0
    """Imported objects that were STIX 2.0 and went out as 2.1."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Imported objects that went out not at all, by reason."""


def emit(view: View, options: Options | None = None, tally: Tally | None = None) -> Iterator[Emitted]:
    """The objects of a view, each (id, version) once: definitions before what they define, findings, facts, then
    what others made, relationships and sightings last.

    A function of the view alone: the same view gives the same objects in the same order, byte for byte. `tally`
    counts along. Memory is bounded by the findings, not by facts or imported objects. Raises LakeError when the
    store fails.
    """
    options, tally = options or Options(), tally if tally is not None else Tally()
    known = stored.patterns(view) if options.imported else {}
    names = Names(
        options.producer,
        not view.outside,
        options.tlp1 or view.recipient.tlp1,
        known | MITRE if known else MITRE,
    )
    stream = Stream(names, tally, remember=options.imported and stored.has_any(view))
    found = view.findings(kinds=options.kinds, since=options.since)
    tally.findings = len(found)
    # Under a mask our ids are of made-up values, and what others say of those is about somebody else.
    theirs = view if options.imported and view.plain and stored.has_observables(view) else None
    yield from stream.findings(found, theirs)
    yield from stream.revoked(stored.withdrawn(view, options.kinds, options.since))
    if options.facts:
        from noroshi.share.stix.facts import facts

        for thing in facts(view, names, options.since):
            yield from stream.put((thing,))
    if options.imported:
        yield from stream.imported(stored.objects(view))
        yield from stream.imported(stored.relations(view))
        yield from stream.sightings(view)


def revoked(view: View, options: Options, changed: datetime) -> Iterator[Emitted]:
    """What `emit` says of findings that were taken back, of those stored since `changed`."""
    names = Names(options.producer, not view.outside, options.tlp1 or view.recipient.tlp1, MITRE)
    for one in Stream(names, Tally()).revoked(
        stored.withdrawn(view, options.kinds, options.since, changed=changed)
    ):
        # What several findings share may still be told by another that holds.
        if one.id not in STANDARD and one.type not in _REPEATED:
            yield one


def from_findings(findings: Iterable[Finding], names: Names | None = None) -> Iterator[Emitted]:
    """The objects of findings alone."""
    yield from Stream(names or Names(), Tally()).findings(list(findings), None)


class Stream:
    """Writes objects, each once, with the definitions they refer to before them."""

    def __init__(self, names: Names, tally: Tally, remember: bool = False) -> None:
        """remember: keep the ids of all of ours, for what comes in may be what we once gave away."""
        self.names, self.tally, self.remember = names, tally, remember
        self.seen = Seen()
        self.markings: set[str] = set()
        self.declared: set[str] = set()
        self.encode = msgspec.json.Encoder().encode

    def findings(self, found: list[Finding], theirs: View | None) -> Iterator[Emitted]:
        """What findings become. theirs: the view, when others described observables in it."""
        # Always there, so that a bundle with nothing to tell is one that every reader accepts.
        yield from self.put([self.names.identity])
        least: dict[tuple[str, str], Tlp] = {}
        for f in found:
            key = f.subject.kind, f.subject.value
            if key not in least or f.tlp.rank < least[key].rank:
                least[key] = f.tlp
        if theirs is None:
            for f in found:
                yield from self.put(self._told(f, least))
            return
        for start in range(0, len(found), TOGETHER):
            some = [thing for f in found[start : start + TOGETHER] for thing in self._told(f, least)]
            yield from self.put(self._described(some, theirs))

    def _told(self, f: Finding, least: dict[tuple[str, str], Tlp]) -> list[Object]:
        return Told(f, self.names, False, least[f.subject.kind, f.subject.value]).objects()

    def revoked(self, found: Iterable[Finding]) -> Iterator[Emitted]:
        """What was made of findings that were taken back, as revoked; observables stay what they are."""
        for f in found:
            yield from self.put(t for t in Told(f, self.names, True).objects() if "revoked" in t)

    def put(self, things: Iterable[Object]) -> Iterable[Emitted]:
        """Our own objects."""
        out: list[Emitted] = []
        encode, markings, remember = self.encode, self.markings, self.remember
        for thing in things:
            kind, id_ = thing["type"], thing["id"]
            if (remember or kind in _REPEATED) and not self.seen.add(id_):
                continue
            if "extensions" in thing and not self.declared.issuperset(thing["extensions"]):
                out += self._declare(thing["extensions"])
            if (refs := thing.get("object_marking_refs")) and refs[0] not in markings:
                out += self._define(refs)
            out.append(Emitted(id_, kind, thing.get("modified", ""), encode(thing)))
        self.tally.objects += len(out)
        return out

    def imported(self, found: Iterable[stored.Stored]) -> Iterator[Emitted]:
        """What others made: each version once, and nothing under an id of ours."""
        last, versions, ours = "", set[str](), False
        for one in found:
            if one.id in STANDARD:
                definitions = self._define([one.id])
                self.tally.objects += len(definitions)
                yield from definitions
                continue
            if one.thing is None:
                self.tally.left_out["no JSON" if not one.readable else "masked away by the profile"] += 1
                continue
            try:
                thing, upgraded = imported.prepare(one.thing, one.tlp, self.names.tlp1)
                body = self.encode(thing)
            except (imported.NoStixError, UnicodeError, RecursionError) as e:
                self.tally.left_out[str(e) if isinstance(e, imported.NoStixError) else "no JSON"] += 1
                continue
            kind, version = thing["type"], imported.version(thing)
            id_ = thing["id"]
            if id_ != last:
                last, versions, ours = id_, set(), not self._theirs(id_, kind)
            # 12:00:00.000Z and 12:00:00Z are one time.
            mark = version.rstrip("Z").rstrip("0").rstrip(".") if "." in version else version.rstrip("Z")
            if ours or mark in versions:
                continue
            versions.add(mark)
            self.tally.upgraded += upgraded
            definitions = self._define(imported.markings(thing))
            self.tally.objects += 1 + len(definitions)
            yield from definitions
            yield Emitted(id_, kind, version, body)

    def _theirs(self, id_: str, kind: str) -> bool:
        """True when nothing of ours has that id."""
        return self.seen.add(id_) if kind in _REPEATED else id_ not in self.seen

    def sightings(self, view: View) -> Iterator[Emitted]:
        """That we saw what others warn of: under the id of their indicator."""
        from noroshi.share.stix.facts import revised

        sensor = self.names.sensor("sensors")
        for one in stored.seen(view):
            times = {"first_seen": stamp(one.first), "last_seen": stamp(one.last)}
            masked = view.mask.object({
                "type": "sighting", "spec_version": "2.1",
                "id": object_id("sighting", one.indicator, one.tlp.value, *self.names.salt),
                "created": times["first_seen"],
                "modified": stamp(revised(one.last, (one.at,), one.count, exact=view.plain)),
                "created_by_ref": self.names.creator, "object_marking_refs": [self.names.marks[one.tlp]], **times,
                "count": min(one.count, COUNT_LIMIT), "sighting_of_ref": one.indicator,
                "where_sighted_refs": [sensor["id"]],
            })  # fmt: skip
            if masked is not None:
                yield from self.put((sensor, masked))

    def _described(self, things: list[Object], view: View) -> Iterator[Object]:
        """The same, but observables as others described them, where they did: the same thing with more told."""
        ours = {t["id"]: t for t in things if t["type"] in imported.OBSERVABLES and t["id"] not in self.seen}
        found = stored.observables(view, ours) if ours else {}
        better: dict[str, Object] = {}
        for id_, one in found.items():
            own, theirs = ours[id_], one.thing or {}
            # Whoever writes another value under our id is not believed.
            if all(
                theirs.get(k) == v for k, v in own.items() if k not in ("object_marking_refs", "spec_version")
            ):
                try:
                    better[id_] = imported.prepare(theirs, one.tlp, self.names.tlp1)[0]
                except imported.NoStixError:
                    continue
        for thing in things:
            yield better.get(thing["id"], thing)

    def _define(self, refs: Iterable[str]) -> list[Emitted]:
        """Definitions of standard markings that have not been written yet."""
        out = []
        for ref in refs:
            if ref in STANDARD and ref not in self.markings:
                self.markings.add(ref)
                thing = standard_marking(ref)
                out.append(Emitted(ref, thing["type"], thing["created"], self.encode(thing)))
        return out

    def _declare(self, extensions: Object) -> list[Emitted]:
        """Definitions of our extensions that have not been written yet."""
        out = []
        for ref, made in ((EXTENSION, extension_definition), (OBSERVATION, observation_definition)):
            if ref in extensions and ref not in self.declared:
                self.declared.add(ref)
                self.seen.add(ref)
                thing = made(self.names.creator)
                out.append(Emitted(ref, thing["type"], thing["modified"], self.encode(thing)))
        return out
