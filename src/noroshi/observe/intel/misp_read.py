"""MISP events to rows: attributes one at a time, completed when their event has ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.model.tlp import Tlp, parse, strictest
from noroshi.observe.intel.galaxy_read import cluster_rows
from noroshi.observe.intel.misp_spool import AT_LEAST, ORG_ONLY, Spool, completed
from noroshi.observe.intel.misp_types import CATEGORIES, is_detection, meaning, plan, split_value
from noroshi.observe.intel.statements import HASHES, MANY, NAME, Clock, Statements, batch, kept_json, names
from noroshi.observe.rows import TEXT
from noroshi.wire.jsonsplit import Closed, Elements, Scope, split

ELEMENT: Final = 32 << 20
"""Bytes of an attribute or object: samples stand in them as base64, and their hashes are wanted."""
DATA: Final = frozenset(("data",))
"""Members that are never kept: files as base64."""
HOLDERS: Final = (
    "Event",
    "response[].Event",
    "[].Event",
    "response.Event",
    "response[]",
    "response",
    "[]",
    "",
)
LISTS: Final = ("Attribute", "Object", "ShadowAttribute", "EventReport", "Galaxy", "RelatedEvent")
PATHS: Final = tuple(f"{h}.{name}[]".lstrip(".") for h in HOLDERS for name in LISTS)
_SIGHTINGS: Final = {"0": "sighting-of", "1": "false-positive-of", "2": "expiration-of"}

_DETECTED: Final = ("malware",)

Loose = str | int | float | bool | None


class Tag(msgspec.Struct, gc=False):
    """A tag."""

    name: str | None = None


class Sighting(msgspec.Struct, gc=False):
    """A sighting of an attribute."""

    uuid: str | None = None
    date_sighting: Loose = None
    type: Loose = None
    source: str | None = None


class Head(msgspec.Struct, gc=False):
    """The event as it stands within an attribute of a search result."""

    uuid: str | None = None
    id: Loose = None


class Attribute(msgspec.Struct, gc=False):
    """What we look at of an attribute or proposal."""

    type: str = ""
    value: Loose = None
    category: str = ""
    uuid: str | None = None
    to_ids: Loose = None
    comment: str | None = None
    timestamp: Loose = None
    distribution: Loose = None
    deleted: Loose = None
    first_seen: str | None = None
    last_seen: str | None = None
    Tag: list[Tag] | None = None
    Sighting: list[Sighting] | None = None
    ShadowAttribute: list[msgspec.Raw] | None = None
    Event: Head | None = None
    event_uuid: str | None = None


class Referred(msgspec.Struct, gc=False):
    """A reference of an object to another."""

    uuid: str | None = None
    object_uuid: str | None = None
    referenced_uuid: str | None = None
    relationship_type: str | None = None


class Thing(msgspec.Struct, gc=False, rename={"meta_category": "meta-category"}):
    """What we look at of an object or event report."""

    name: str | None = None
    uuid: str | None = None
    description: str | None = None
    content: str | None = None
    comment: str | None = None
    timestamp: Loose = None
    distribution: Loose = None
    deleted: Loose = None
    meta_category: str | None = None
    Attribute: list[msgspec.Raw] | None = None
    ObjectReference: list[Referred] | None = None
    Tag: list[Tag] | None = None


class Org(msgspec.Struct, gc=False):
    """An organisation."""

    name: str | None = None


class Event(msgspec.Struct, gc=False):
    """What we look at of an event."""

    uuid: str | None = None
    id: Loose = None
    info: str | None = None
    date: str | None = None
    timestamp: Loose = None
    publish_timestamp: Loose = None
    distribution: Loose = None
    Orgc: Org | None = None
    Org: Org | None = None
    Tag: list[Tag] | None = None


def lenient(raw: bytes, kind: type[Any]) -> tuple[Any, list[str]]:
    """The Struct without the members that are not what MISP says, and their names.

    Raises msgspec.MsgspecError or UnicodeDecodeError for what is no JSON object.
    """
    try:
        return msgspec.json.decode(raw, type=kind), []
    except msgspec.ValidationError:
        whole = msgspec.json.decode(raw)
    if not isinstance(whole, dict):
        raise msgspec.DecodeError("not an object")
    made, wrong = kind(), []
    for field in msgspec.structs.fields(kind):
        if field.encode_name not in whole:
            continue
        value = whole[field.encode_name]
        try:
            if "Raw" in str(field.type):
                value = [msgspec.Raw(msgspec.json.encode(v)) for v in value]
                setattr(made, field.name, value)
            else:
                setattr(made, field.name, msgspec.convert(value, field.type))
        except (msgspec.ValidationError, TypeError):
            wrong.append(field.encode_name)
    return made, wrong


def true(value: Loose) -> bool:
    """True for true, 1, "1" and "true"."""
    return value in (True, 1, "1", "true", "True")


def read(reading: Reading) -> Iterator[Batch | Reject]:
    """The rows of all events of the source."""
    reader = _Reader(reading)
    for item in split(reading.stream, PATHS, element=ELEMENT, start=reading.start):
        if isinstance(item, Reject):
            yield item
            continue
        if isinstance(item, Elements):
            scope = item.scope
            if scope is not None:
                event = reader.event(scope)
                take = event.taker(LISTS[item.path % len(LISTS)])
                for offset, raw in zip(item.offsets, item.data, strict=True):
                    take(offset, raw)
                event.gather()
        else:
            yield from reader.close(item)
        yield from reader.given()
    reading.counts |= reader.counts


class _Reader:
    def __init__(self, reading: Reading) -> None:
        self.reading, self.clock = reading, Clock(reading)
        self.events: dict[int, _Event] = {}
        self.rejects: list[Reject] = []
        self.counts = {"events": 0, "attributes": 0, "deleted": 0, "proposals": 0}

    def event(self, scope: Scope) -> _Event:
        """What has been read of the event at hand."""
        found = self.events.get(scope.number)
        if found is None:
            found = self.events[scope.number] = _Event(self)
        return found

    def given(self) -> Iterator[Reject]:
        """Rejects."""
        rejects, self.rejects = self.rejects, []
        yield from rejects

    def reject(self, offset: int, reason: str, detail: str, raw: bytes = b"") -> None:
        """Tells a piece that could not be read."""
        self.rejects.append(Reject(offset, reason, detail[:500], raw[:64]))

    def close(self, item: Closed) -> Iterator[Batch]:
        """The rows of an event that has ended."""
        scope = item.scope
        event = self.events.pop(scope.number, None)
        members = scope.members
        if event is None and not (scope.place.endswith("Event") or "info" in members):
            if not item.cut and not members.keys() & {"Event", "response", "errors"} and members:
                self.reject(scope.offset, "shape", f"no MISP event: {', '.join(list(members)[:5])}"[:200])
            return
        event = event or _Event(self)
        for name in LISTS:  # one alone, not in a list
            if members.get(name, b"[").startswith(b"{"):
                event.taker(name)(scope.offset, members[name])
        yield from event.end(scope)


class _Event:
    """An event being read: its rows wait in a spool."""

    def __init__(self, reader: _Reader) -> None:
        self.reader = reader
        self.statements = Statements()
        self.spool = Spool()
        self.decode = msgspec.json.Decoder(Attribute).decode
        self.inside: list[str | None] = []
        """Markings of the attributes of the object that is being read, deleted ones too: its JSON holds them all."""

    def gather(self) -> None:
        """Hands full tables to the spool."""
        for name, rows in self.statements.ready():
            self.spool.add(name, rows)

    def taker(self, name: str) -> Any:
        """What takes the elements of that list."""
        takers = {"Attribute": self.attribute, "Object": self.object, "ShadowAttribute": self.proposal,
                  "EventReport": self.report, "Galaxy": self.galaxy}  # fmt: skip
        return takers.get(name, lambda offset, raw: None)  # related events are other documents

    # Attributes -------------------------------------------------------------------------------------------
    def attribute(self, offset: int, raw: bytes, within: Thing | None = None) -> Attribute | None:
        """An attribute of the event or of an object of it; None when it is no statement."""
        reader = self.reader
        try:
            it = self.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found = self._damaged(offset, raw, Attribute)
            if found is None:
                return None
            it = found
        if not it.type or it.value is None or it.value == "":
            reader.reject(offset, "attribute", "an attribute without a type or a value", raw)
            return None
        reader.counts["attributes"] += 1
        if within is not None:
            self.inside.append(
                marking(tags(it.Tag)[1] if it.Tag else None, it.distribution, within.distribution)
            )
        if it.ShadowAttribute:
            for shadow in it.ShadowAttribute[:MANY]:
                self.proposal(offset, bytes(shadow))
        if (it.deleted and true(it.deleted)) or (within is not None and true(within.deleted)):
            reader.counts["deleted"] += 1
            self.deleted(offset, raw, it)
            return None
        self.statement(offset, it, within)
        if it.Sighting:
            self.sightings(offset, it, within)
        return it

    def _damaged(self, offset: int, raw: bytes, kind: type[Any]) -> Any:
        try:
            it, wrong = lenient(raw, kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
            self.reader.reject(
                offset, "attribute" if kind is Attribute else "object", f"no JSON object: {e}", raw
            )
            return None
        if wrong:
            self.reader.reject(offset, "field", f"not what MISP says, left out: {', '.join(wrong)}", raw)
        return it

    def statement(self, offset: int, it: Attribute, within: Thing | None) -> None:
        """Its rows of `indicators`, and of `files` for a named file."""
        clock = self.reader.clock
        labels, mark, confidence = None, None, None
        if it.Tag:
            labels, mark, confidence, _ = tags(it.Tag)
        if mark is None and within is not None and within.Tag:
            mark = tags(within.Tag)[1]
        own = None
        if mark is not None or it.distribution != "5" or within is not None:
            own = marking(mark, it.distribution, within.distribution if within is not None else None)
        value = it.value if isinstance(it.value, str) else msgspec.json.encode(it.value).decode()
        ids = it.to_ids is True or true(it.to_ids)
        made = plan(it.type, it.category, ids)
        kinds = made.kinds
        if kinds[0] == "text" and is_detection(it.type, it.category, value):
            kinds = _DETECTED
        parts = split_value(value, len(kinds))
        document = it.event_uuid or (it.Event.uuid if it.Event else None)
        shown = f"{within.name[:64]}:{it.type}" if within is not None and within.name else it.type
        ts = clock.seconds(it.timestamp) if it.timestamp else None
        held = self.statements.held["indicators"]
        for k, v in zip(kinds, parts, strict=False):
            held.append((
                ts, k, v[:TEXT], made.role, shown[:NAME], clock.text(it.first_seen), clock.text(it.last_seen), None,
                document, None, None, it.uuid, labels, ids, confidence, it.comment[:TEXT] if it.comment else None,
                own, offset, it.category if it.category in CATEGORIES else None,
            ))  # fmt: skip
        if made.is_file and len(parts) == 2 and kinds[1] in HASHES:
            self.file(ts, {kinds[1]: parts[1], "names": [parts[0]]}, own, offset, document)

    def file(
        self, ts: int | None, known: dict[str, Any], own: str | None, offset: int, document: str | None = None
    ) -> None:
        """A row of `files`."""
        self.statements.held["files"].append((
            ts, *(known.get(h) for h in HASHES), names(known.get("names")), known.get("size"), known.get("type"),
            names(known.get("families")), document, None, own, offset,
        ))  # fmt: skip

    def sightings(self, offset: int, it: Attribute, within: Thing | None) -> None:
        """Rows of `relations`; the place of a sighting is the organisation or source that saw it."""
        own = marking(None, it.distribution, within.distribution if within is not None else None)
        for one in (it.Sighting or ())[:MANY]:
            relation = _SIGHTINGS.get(str(one.type if one.type is not None else 0), "sighting-of")
            ts = self.reader.clock.seconds(one.date_sighting) if one.date_sighting else None
            source = (one.source or one.uuid or "sighting")[:NAME]
            self.relation(ts, one.uuid, source, relation, it.uuid or "", 1, own, offset)

    def relation(
        self, ts: int | None, uuid: str | None, source: str, what: str, target: str, count: int | None,
        own: str | None, offset: int,
    ) -> None:  # fmt: skip
        """A row of `relations`."""
        if not source or not target or len(source) + len(target) > 2 * NAME:
            self.reader.reject(offset, "object", "a reference that does not say between what")
            return
        self.statements.held["relations"].append(
            (ts, uuid, source, what[:NAME], target, count, None, None, None, None, own, offset)
        )

    # Things -----------------------------------------------------------------------------------------------
    def thing(
        self, offset: int, raw: bytes, type: str, id: str | None, *, ts: int | None = None, name: str | None = None,
        kind: str = "", refs: list[str] | None = None, text: str | None = None, revoked: bool = False,
        own: str | None = None, document: str | None = None,
    ) -> None:  # fmt: skip
        """A row of `objects`, whole but for base64 data."""
        try:
            whole = kept_json(raw, offset, self.reader.rejects, DATA)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
            self.reader.reject(offset, "object", f"no JSON: {e}", raw)
            return
        self.statements.held["objects"].append((
            ts, (id or f"{self.reader.reading.name}:{offset}")[:NAME], type[:NAME], names(None, name), kind, refs, None,
            document, None, text[:TEXT] if text else None, revoked, None, whole, own, offset,
        ))  # fmt: skip

    def deleted(self, offset: int, raw: bytes, it: Attribute) -> None:
        """A deleted attribute is kept as a thing that was taken back."""
        own = marking(tags(it.Tag)[1] if it.Tag else None, it.distribution, None)
        self.thing(offset, raw, "misp-attribute", it.uuid, revoked=True, own=own)

    def proposal(self, offset: int, raw: bytes) -> None:
        """What others propose is kept, but is nobody's statement yet."""
        it = self._damaged(offset, raw, Attribute)
        if it is not None:
            self.reader.counts["proposals"] += 1
            ts = self.reader.clock.seconds(it.timestamp) if it.timestamp else None
            own = marking(tags(it.Tag)[1] if it.Tag else None, it.distribution, None)
            self.thing(
                offset,
                raw,
                "misp-proposal",
                it.uuid,
                ts=ts,
                text=it.comment,
                revoked=true(it.deleted),
                own=own,
            )

    def report(self, offset: int, raw: bytes) -> None:
        """An event report: its text is the description."""
        it = self._damaged(offset, raw, Thing)
        if it is not None:
            ts = self.reader.clock.seconds(it.timestamp) if it.timestamp else None
            own = marking(tags(it.Tag)[1] if it.Tag else None, it.distribution, None)
            self.thing(offset, raw, "misp-report", it.uuid, ts=ts, name=it.name, text=it.content,
                       revoked=true(it.deleted), own=own)  # fmt: skip

    def galaxy(self, offset: int, raw: bytes) -> None:
        """The clusters an event is tagged with."""
        try:
            rows = cluster_rows(raw, offset, self.reader.clock, self.reader.rejects)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
            self.reader.reject(offset, "object", f"no galaxy: {e}", raw)
            return
        self.statements.held["objects"] += rows

    def object(self, offset: int, raw: bytes) -> None:
        """An object with its attributes; each stands at its own place in the source."""
        it = self._damaged(offset, raw, Thing)
        if it is None:
            return
        clock = self.reader.clock
        ts = clock.seconds(it.timestamp) if it.timestamp else None
        mark = tags(it.Tag)[1] if it.Tag else None
        own = marking(mark, it.distribution, None)
        found: list[Attribute] = []
        self.inside = []
        at = 0
        for part in it.Attribute or ():
            data = bytes(part)
            place = raw.find(data, at)
            at = place + len(data) if place >= 0 else at
            one = self.attribute(offset + max(place, 0), data, it)
            if one is not None:
                found.append(one)
        whole = holding(own, self.inside)
        self.thing(offset, raw, f"misp-object:{it.name or 'unnamed'}", it.uuid, ts=ts, own=whole,
                   text=it.comment or it.description, revoked=true(it.deleted))  # fmt: skip
        for n, ref in enumerate(it.ObjectReference or ()):
            if n < MANY:
                self.relation(ts, ref.uuid, it.uuid or ref.object_uuid or "", ref.relationship_type or "related-to",
                              ref.referenced_uuid or "", None, own, offset)  # fmt: skip
        if it.name == "file":
            self.described(offset, ts, found, whole)

    def described(self, offset: int, ts: int | None, found: Sequence[Attribute], own: str | None) -> None:
        """The file an object of the template `file` describes."""
        known: dict[str, Any] = {}
        for one in found:
            value = str(one.value)
            if one.type in HASHES:
                known[one.type] = value[:NAME]
            elif one.type == "filename":
                known.setdefault("names", []).append(value)
            elif one.type == "size-in-bytes" and value.isdigit() and len(value) < 19:
                known["size"] = int(value)
            elif one.type == "mime-type":
                known["type"] = value[:NAME]
            for tag in one.Tag or ():
                ref = meaning(tag.name[:NAME]).ref if tag.name else None
                if ref and ref.startswith("malware "):
                    known.setdefault("families", []).append(ref.partition(" ")[2])
        if any(h in known for h in HASHES):
            self.file(ts, known, own, offset)

    # The end ----------------------------------------------------------------------------------------------
    def end(self, scope: Scope) -> Iterator[Batch]:
        """The event itself, then all its rows with what it says of them."""
        raw = scope.envelope()
        it: Event = self._damaged(scope.offset, raw, Event) or Event()
        reader, clock = self.reader, self.reader.clock
        _, mark, confidence, refs = tags(it.Tag) if it.Tag else (None, None, None, None)
        ts = next((t for s in (it.timestamp, it.publish_timestamp) if s and (t := clock.seconds(s))), None)
        ts = ts or clock.text(it.date) or clock.now
        uuid = it.uuid[:NAME] if it.uuid else None
        if uuid or it.info or "Attribute" in scope.members:
            reader.counts["events"] += 1
            self.thing(scope.offset, raw, "misp-event", uuid, ts=ts, refs=refs, text=it.info, document=uuid)
        maker = it.Orgc or it.Org
        org_only = str(it.distribution) in ("0", "4")
        for name, rows in self.statements.rest():
            self.spool.add(name, rows)
        for name, rows in self.spool.take():
            done = completed(
                rows, ts=ts, document=uuid or reader.reading.name[:NAME],
                document_name=it.info[:NAME] if it.info else None,
                origin=maker.name[:NAME] if maker and maker.name else None, confidence=confidence, tlp=mark,
                org_only=org_only,
            )  # fmt: skip
            yield batch(name, done)


def tags(found: Sequence[Tag]) -> tuple[list[str] | None, Tlp | None, int | None, list[str] | None]:
    """(labels, strictest TLP, confidence, references) of tags."""
    labels = names([t.name for t in found[:MANY]])
    said = [meaning(t) for t in labels or ()]
    marks = [m.tlp for m in said if m.tlp is not None]
    sure = [m.confidence for m in said if m.confidence is not None]
    refs = list(dict.fromkeys(m.ref for m in said if m.ref))
    return labels, strictest(marks) if marks else None, min(sure) if sure else None, refs or None


def holding(own: str | None, inside: Iterable[str | None]) -> str | None:
    """The marking, while it waits, of an object that is kept whole: no milder than any attribute in it."""
    said = [m for m in (own, *inside) if m]
    marks = [parse(m.removesuffix(ORG_ONLY)) for m in said if m != ORG_ONLY]
    most = strictest(marks) if marks else None
    org = ORG_ONLY if any(m.endswith(ORG_ONLY) for m in said) else ""
    plain = own.removesuffix(ORG_ONLY) if own else ""
    if most is None or (plain and parse(plain) is most):
        return (plain + org) or None
    # Its own marking, if any, overrules its event's; without one the event's still holds.
    return f"{most.value}{'' if plain else AT_LEAST}{org}"


def marking(mark: Tlp | None, distribution: Loose, around: Loose) -> str | None:
    """A row's own marking while it waits: its TLP, and ORG_ONLY when it may not leave the organisation.

    Distribution 0 is the own organisation, 4 a sharing group; 5 is that of the object or event around it.
    """
    strict = str(around if str(distribution) in ("5", "None") else distribution) in ("0", "4")
    if not strict:
        return mark.value if mark else None
    return f"{mark.value}{ORG_ONLY}" if mark else ORG_ONLY
