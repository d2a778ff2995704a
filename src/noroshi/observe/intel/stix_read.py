"""STIX objects to rows, one at a time; what stands in other objects is remembered within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from typing import Any, Final

import msgspec

from noroshi.model.observable import typed
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.model.tlp import Tlp, strictest
from noroshi.observe.intel.pattern import PatternError, compared, plain_path
from noroshi.observe.intel.statements import HASHES, MANY, NAME, Clock, Statements, batch, kept_json, names
from noroshi.observe.intel.stix_paths import SCO, hash_name, kind_of, values
from noroshi.observe.rows import TEXT
from noroshi.wire.jsonsplit import Closed, Elements, Scope, split

REMEMBERED: Final = 200_000
"""Ids of which something is remembered (who, which marking, which report): about 30 MB."""
WAITING: Final = 16 << 20
"""Bytes of objects that wait for a marking definition that has not come yet."""
_TLP: Final = {
    f"marking-definition--{uuid}": tlp
    for uuid, tlp in (
        # STIX 2.1, section 7.2.1.4 (TLP 1.0), and OASIS' extension for TLP 2.0
        ("613f2e26-407d-48c7-9eca-b8e91df99dc9", Tlp.CLEAR), ("34098fce-860f-48ae-8e50-ebd3cc5e41da", Tlp.GREEN),
        ("f88d31f6-486f-44da-b317-01333bde0b82", Tlp.AMBER), ("5e57c739-391a-4eb3-b6be-7d15ca92d5ed", Tlp.RED),
        ("94868c89-83c2-464b-929b-a1a8aa3c8487", Tlp.CLEAR), ("bab4a63c-aed9-4cf5-a766-dfca5abac2bb", Tlp.GREEN),
        ("55d920b0-5e8b-4f79-9ee9-91f868d9b421", Tlp.AMBER),
        ("939a9414-2ddd-4d32-a0cd-375ea402b003", Tlp.AMBER_STRICT),
        ("e828b379-4e03-4974-9ac4-e53a884c97c1", Tlp.RED),
    )
}  # fmt: skip
_TLP_WORDS: Final = {"white": Tlp.CLEAR} | {t.value: t for t in Tlp} | {"amber-strict": Tlp.AMBER_STRICT}
_NAMED: Final = {"malware": "malware", "tool": "malware", "intrusion-set": "actor", "threat-actor": "actor",
                 "campaign": "actor"}  # fmt: skip
_TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?|TA\d{4}|[GSCM]\d{4}|DET\d{4}")
_CVE = re.compile(r"(?i)CVE-\d{4}-\d{4,19}")
_C2 = frozenset(("command-and-control", "command-control", "command and control", "c2"))
_NONE: Final[frozenset[str]] = frozenset()
_REACHED = frozenset(("ip", "prefix", "domain", "url", "host"))


class Reference(msgspec.Struct, gc=False):
    """An external reference."""

    source_name: str = ""
    external_id: str = ""


class Phase(msgspec.Struct, gc=False):
    """A kill chain phase."""

    phase_name: str = ""


class Granular(msgspec.Struct, gc=False):
    """A granular marking."""

    marking_ref: str = ""


class Thing(msgspec.Struct, gc=False):
    """What we look at of any object; all else is in its JSON."""

    type: str = ""
    id: str = ""
    created: str | None = None
    modified: str | None = None
    published: str | None = None
    name: str | None = None
    description: str | None = None
    aliases: list[str] | None = None
    x_mitre_aliases: list[str] | None = None
    labels: list[str] | None = None
    indicator_types: list[str] | None = None
    pattern: str | None = None
    pattern_type: str | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    first_seen: str | None = None
    last_seen: str | None = None
    first_observed: str | None = None
    last_observed: str | None = None
    kill_chain_phases: list[Phase] | None = None
    confidence: int | None = None
    revoked: bool | None = None
    x_mitre_deprecated: bool | None = None
    created_by_ref: str | None = None
    object_marking_refs: list[str] | None = None
    granular_markings: list[Granular] | None = None
    external_references: list[Reference] | None = None
    object_refs: list[str] | None = None
    relationship_type: str | None = None
    source_ref: str | None = None
    target_ref: str | None = None
    sighting_of_ref: str | None = None
    where_sighted_refs: list[str] | None = None
    count: int | None = None
    objects: dict[str, dict[str, Any]] | None = None
    definition: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


_DECODE = msgspec.json.Decoder(Thing).decode
_FIELDS: Final = {f.name: f for f in msgspec.structs.fields(Thing)}


def read(reading: Reading) -> Iterator[Batch | Reject]:
    """The rows of all objects of the source."""
    reader = _Reader(reading)
    for item in split(reading.stream, ("objects[]", "[]"), start=reading.start):
        if isinstance(item, Reject):
            yield item
            continue
        if isinstance(item, Elements):
            reader.bundle(item.scope)
            for offset, raw in zip(item.offsets, item.data, strict=True):
                reader.take(offset, raw)
        elif "objects" in item.scope.members:
            reader.settle()
        else:
            yield from _alone(reader, item)
        yield from reader.given()
    reader.settle()
    yield from reader.given()
    for name, rows in reader.statements.rest():
        yield batch(name, rows)
    reading.counts |= reader.counts


def _alone(reader: _Reader, item: Closed) -> Iterator[Reject]:
    """A document without `objects`: one object of its own, or nothing."""
    if not item.cut and "type" in item.scope.members and item.scope.members.get("type") != b'"bundle"':
        reader.document = reader.reading.name
        reader.take(item.scope.offset, item.scope.envelope())
        reader.settle()
    elif not item.cut and item.scope.members.get("type") != b'"bundle"':
        yield Reject(item.scope.offset, "shape", "a document without `objects` that is no STIX object either")


def lenient(raw: bytes) -> tuple[Thing, list[str]]:
    """The object without the members that are not what the standard says, and their names.

    Raises msgspec.DecodeError or UnicodeDecodeError for what is no JSON object.
    """
    whole = msgspec.json.decode(raw)
    if not isinstance(whole, dict):
        raise msgspec.DecodeError("not an object")
    thing, wrong = Thing(), []
    for key, field in _FIELDS.items():
        if key in whole:
            try:
                setattr(thing, key, msgspec.convert(whole[key], field.type))
            except msgspec.ValidationError:
                wrong.append(key)
    return thing, wrong


class _Reader:
    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.clock = Clock(reading)
        self.statements = Statements()
        self.rejects: list[Reject] = []
        self.counts: dict[str, int] = {"objects": 0}
        self.document = reading.name[:NAME]
        self.scope = -1
        self.makers: dict[str, str] = {}
        self.markings: dict[str, Tlp | None] = dict(_TLP)
        self.reports: dict[str, tuple[str, str | None]] = {}
        self.waiting: list[tuple[int, Thing, bytes]] = []
        self.waits = 0

    def bundle(self, scope: Scope | None) -> None:
        """Sets the document to the bundle's id, where that is known by now."""
        if scope is None or scope.number == self.scope:
            return
        self.settle()
        self.scope = scope.number
        try:
            self.document = msgspec.json.decode(scope.members.get("id", b'""'), type=str)[:NAME]
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self.document = ""
        self.document = self.document or self.reading.name[:NAME]

    def given(self) -> Iterator[Batch | Reject]:
        """Batches that are full, and rejects."""
        for name, rows in self.statements.ready():
            yield batch(name, rows)
        rejects, self.rejects = self.rejects, []
        yield from rejects

    def reject(self, offset: int, reason: str, detail: str, raw: bytes = b"") -> None:
        """Tells a piece that could not be read."""
        self.rejects.append(Reject(offset, reason, detail[:500], raw[:64]))

    # Objects ----------------------------------------------------------------------------------------------
    def take(self, offset: int, raw: bytes) -> None:
        """One object: decoded, and written or kept waiting for its marking."""
        try:
            thing = _DECODE(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            try:
                thing, wrong = lenient(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
                self.reject(offset, "object", f"no JSON object: {e}", raw)
                return
            if wrong:
                self.reject(offset, "field", f"not what the standard says, left out: {', '.join(wrong)}", raw)
        if not thing.type or not thing.id or len(thing.id) > NAME or len(thing.type) > NAME:
            self.reject(
                offset, "object", f"an object without a type and an id of at most {NAME} characters", raw
            )
            return
        if thing.type == "marking-definition" and thing.id not in _TLP:
            self.remember(self.markings, thing.id, _defined(thing))
        refs = thing.object_marking_refs
        if (refs or thing.granular_markings) and any(r not in self.markings for r in _refs(thing)):
            self.waiting.append((offset, thing, raw))
            self.waits += len(raw)
            if self.waits > WAITING:
                self.settle()
            return
        self.write(offset, thing, raw)

    def settle(self) -> None:
        """Writes what waited: markings that have not come count as none."""
        waiting, self.waiting, self.waits = self.waiting, [], 0
        for offset, thing, raw in waiting:
            self.write(offset, thing, raw)

    def remember(self, where: dict[str, Any], key: str, what: Any) -> None:
        """Remembers something of an id, as long as there is room."""
        if len(where) < REMEMBERED or key in where:
            where[key] = what

    def write(self, offset: int, thing: Thing, raw: bytes) -> None:
        """The rows of one object."""
        self.counts["objects"] += 1
        kind = thing.type
        try:
            text = kept_json(raw, offset, self.rejects)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
            self.reject(offset, "object", f"no JSON: {e}", raw)
            return
        if kind == "identity" and thing.name:
            self.remember(self.makers, thing.id, thing.name[:NAME])
        elif kind in ("report", "grouping") and thing.object_refs:
            about = (thing.id, thing.name[:NAME] if thing.name else None)
            for ref in thing.object_refs:
                if ref not in self.reports and len(ref) <= NAME:
                    self.remember(self.reports, ref, about)
        row = _Row(self, offset, thing)
        if kind == "relationship" or kind == "sighting":
            row.relation(text)
            return
        row.thing(text)
        if thing.revoked:
            return
        if kind == "indicator":
            row.indicator()
        elif kind in SCO:
            row.observable(msgspec.json.decode(raw))
        elif kind == "observed-data" and thing.objects:
            for inner in list(thing.objects.values())[: MANY * 2]:
                row.observable(inner)


class _Row:
    """What the rows of one object share."""

    def __init__(self, reader: _Reader, offset: int, thing: Thing) -> None:
        self.reader, self.offset, self.it = reader, offset, thing
        clock = reader.clock
        stated = thing.modified or thing.published or thing.created
        ts = clock.text(stated)
        if ts is None:
            ts = clock.now
            if stated:
                reader.reject(
                    offset, "time", f"{stated[:40]} is no time of this source; its own date stands instead"
                )
        self.ts = ts
        known = reader.reports.get(thing.id)
        self.document, self.document_name = known or (reader.document, None)
        maker = thing.created_by_ref
        self.origin = reader.makers.get(maker, maker[:NAME]) if maker else None
        confidence = thing.confidence
        self.confidence = confidence if confidence is not None and 0 <= confidence <= 100 else None
        self.tlp = None
        if thing.object_marking_refs or thing.granular_markings:
            marks = [t for r in _refs(thing) if (t := reader.markings.get(r)) is not None]
            self.tlp = strictest(marks).value if marks else None

    def thing(self, text: str) -> None:
        """Its row of `objects`."""
        it = self.it
        self.reader.statements.held["objects"].append((
            self.ts, it.id, it.type, names((it.aliases or []) + (it.x_mitre_aliases or []), it.name),
            _NAMED.get(it.type, ""), _references(it), self.reader.clock.text(it.created), self.document, self.origin,
            it.description[:TEXT] if it.description else None, bool(it.revoked or it.x_mitre_deprecated),
            self.confidence, text, self.tlp, self.offset,
        ))  # fmt: skip

    def relation(self, text: str) -> None:
        """Its row of `relations`."""
        it = self.it
        if it.type == "sighting":
            source, relation = (it.where_sighted_refs or [it.created_by_ref or it.id])[0], "sighting-of"
            target, count = it.sighting_of_ref, 1 if it.count is None else it.count
        else:
            source, relation, target, count = (
                it.source_ref or "",
                it.relationship_type or "",
                it.target_ref,
                None,
            )
        if not source or not relation or not target or len(source) + len(target) > 2 * NAME:
            self.reader.reject(
                self.offset, "object", f"a {it.type} that does not say between what", text.encode()
            )
            return
        if count is not None and not 0 <= count < 1 << 63:
            count = None
        self.reader.statements.held["relations"].append((
            self.ts, it.id, source, relation[:NAME], target, count, self.document, self.origin, self.confidence,
            text, self.tlp, self.offset,
        ))  # fmt: skip

    def value(self, path: str, kind: str, value: str, role: str, seen: tuple[Any, Any, Any]) -> None:
        """A row of `indicators`."""
        it = self.it
        labels = names((it.labels or []) + (it.indicator_types or []))
        self.reader.statements.held["indicators"].append((
            self.ts, kind, value[:TEXT], role, path[:NAME], *seen, self.document, self.document_name, self.origin,
            it.id, labels, it.type == "indicator", self.confidence, it.name[:TEXT] if it.name else None, self.tlp,
            self.offset, None,
        ))  # fmt: skip

    def indicator(self) -> None:
        """The values its pattern compares with; a pattern of another language is kept as its own kind."""
        it, clock = self.it, self.reader.clock
        seen = (clock.text(it.valid_from), None, clock.text(it.valid_until, future=True))
        if it.pattern is None:
            self.reader.reject(self.offset, "pattern", "an indicator without a pattern")
            return
        if (it.pattern_type or "stix") != "stix":
            self.value("pattern", str(it.pattern_type)[:64], it.pattern, "mentions", seen)
            return
        try:
            found = compared(it.pattern)
        except PatternError as e:
            self.reader.reject(self.offset, "pattern", e.what, it.pattern[:64].encode("utf-8", "replace"))
            return
        phases = {p.phase_name.lower() for p in it.kill_chain_phases} if it.kill_chain_phases else _NONE
        hashes: dict[str, Any] = {}
        for one in found:
            if one.negated or one.operator == "<":
                continue
            path = plain_path(one.path)
            kind = _kind(path, one.operator, one.value)
            self.value(path, kind, one.value, _role(kind, phases), seen)
            if path.startswith("file:"):
                _note(hashes, path, kind, one.value)
        if any(h in hashes for h in HASHES):
            self.file(hashes)

    def observable(self, thing: dict[str, Any]) -> None:
        """The values of a cyber observable, of its own or within observed data."""
        it, clock = self.it, self.reader.clock
        seen = (
            clock.text(it.first_observed or it.first_seen),
            clock.text(it.last_observed or it.last_seen),
            None,
        )
        hashes: dict[str, Any] = {}
        for path, value in values(thing):
            kind = kind_of(path)
            self.value(path, kind, value, "observed", seen)
            _note(hashes, path, kind, value)
        if thing.get("type") in ("file", "artifact") and any(h in hashes for h in HASHES):
            size = thing.get("size")
            hashes["size"] = size if isinstance(size, int) and 0 <= size < 1 << 63 else None
            mime = thing.get("mime_type")
            hashes["type"] = mime[:NAME] if isinstance(mime, str) else None
            self.file(hashes)

    def file(self, known: dict[str, Any]) -> None:
        """A row of `files`: several hashes of one kind in a pattern are several files."""
        lists = [known.get(h) or [None] for h in HASHES]
        for k in range(max(map(len, lists))):
            self.reader.statements.held["files"].append((
                self.ts, *(v[k] if k < len(v) else None for v in lists), names(known.get("names")),
                known.get("size"), known.get("type"), None, self.document, self.origin, self.tlp, self.offset,
            ))  # fmt: skip


def _refs(thing: Thing) -> list[str]:
    """Ids of the markings of an object and of its parts: the strictest of all holds for its rows."""
    refs = thing.object_marking_refs or []
    if thing.granular_markings:
        refs = refs + [g.marking_ref for g in thing.granular_markings if g.marking_ref]
    return refs


def _defined(thing: Thing) -> Tlp | None:
    """The TLP a marking definition stands for, in the way of 1.0 or 2.0; None for a statement."""
    words = [(thing.definition or {}).get("tlp"), (thing.definition or {}).get("tlp_2_0")]
    words += [e.get("tlp_2_0") for e in (thing.extensions or {}).values() if isinstance(e, dict)]
    found = [_TLP_WORDS[w.lower()] for w in words if isinstance(w, str) and w.lower() in _TLP_WORDS]
    return strictest(found) if found else None


def _kind(path: str, operator: str, value: str) -> str:
    if operator == "MATCHES":
        return "regex"
    if operator == "LIKE" and ("%" in value or "_" in value):
        return "wildcard"
    kind = kind_of(path)
    return "prefix" if kind == "ip" and "/" in value else kind


def _role(kind: str, phases: Set[str]) -> str:
    if phases & _C2 and kind in _REACHED:
        return "c2"
    return "download" if "delivery" in phases and kind == "url" else "mentions"


def _note(hashes: dict[str, Any], path: str, kind: str, value: str) -> None:
    if ":hashes." in path or kind == "imphash":
        hashes.setdefault(hash_name(kind), []).append(value[:NAME])
    elif kind == "filename":
        hashes.setdefault("names", []).append(value)


def _references(thing: Thing) -> list[str] | None:
    if not thing.external_references and thing.type != "vulnerability":
        return None
    found: dict[str, None] = {}
    for reference in (thing.external_references or ())[:MANY]:
        text = reference.external_id.strip()
        if _CVE.fullmatch(text):
            found[typed("cve", text.upper())] = None
        elif _TECHNIQUE.fullmatch(text) and "mitre" in reference.source_name.lower():
            found[typed("technique", text)] = None
    if thing.type == "vulnerability" and thing.name and _CVE.fullmatch(thing.name.strip()):
        found[typed("cve", thing.name.strip().upper())] = None
    return list(found) or None
