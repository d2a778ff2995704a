"""Intelligence that came in, as MISP events: MISP's own as they were, what else was read by source and day.

What nothing was taken from and nothing was masked in keeps its ids. An event is the newest version that was read;
of an object only those attributes are told whose own rows may be seen.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec

from noroshi.model.tlp import DEFAULT, Tlp, parse, strictest
from noroshi.share.beside import beside, dicts, unmasked
from noroshi.share.gate import View
from noroshi.share.misp import types
from noroshi.share.misp.make import TEXT, Maker, Thing, clean, seconds, stamp

Marks = dict[str, str]
"""Default marking by run."""
VALUE: Final = 64 << 10
"""Characters of a value at most, as the lake keeps them."""
CHUNK: Final = 100_000
"""Rows of statements looked at together: a feed of ten million does not fit into memory as Python's objects."""
_TEXT: Final = re.compile(r".{0,4000}", re.S)
_NUMBER: Final = re.compile(r"\d{1,12}")
UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]{5,15}(Z|[+-]\d\d:?\d\d)?")
_EVENT: Final = {
    "uuid": UUID, "info": _TEXT, "date": re.compile(r"(19|20)\d\d-(0[1-9]|1[0-2])-([01][1-9]|10|2\d|3[01])"),
    "threat_level_id": re.compile("[1-4]"), "analysis": re.compile("[0-2]"), "timestamp": _NUMBER,
    "publish_timestamp": _NUMBER, "extends_uuid": UUID,
}  # fmt: skip
"""What MISP's feeds tell of an event, and what it looks like; ids, mail addresses and sharing groups of the instance
it came from are not told."""
_OBJECT: Final = {
    "uuid": UUID, "name": re.compile(r"[\w .-]{1,130}"), "meta-category": re.compile(r"[\w .-]{1,130}"),
    "description": _TEXT, "template_uuid": UUID, "template_version": _NUMBER, "timestamp": _NUMBER, "comment": _TEXT,
    "first_seen": _TIME, "last_seen": _TIME,
}  # fmt: skip
_ORG: Final = {"name": re.compile(r".{1,250}", re.S), "uuid": UUID}
_WITHIN: Final = {"category": re.compile(r"[\w ]{1,60}"), "object_relation": re.compile(r"[\w .-]{1,130}")}
_ROW: Final = ("ts", "kind", "value", "raw", "role", "type", "first_seen", "last_seen", "document", "origin",
               "object_id", "labels", "to_ids", "confidence", "comment", "tlp", "run_id", "offset",
               "category")  # fmt: skip
_SIGHTINGS: Final = {"sighting-of": "0", "false-positive-of": "1", "expiration-of": "2"}


def events(view: View, maker: Maker, since: datetime | None = None) -> Iterator[Thing]:
    """Events of what others stated, as far as the view holds it; each with its marking as tags.

    since: only events, and statements outside of events, of that time or later.
    """
    since = since or datetime(1970, 1, 1, tzinfo=UTC)
    marks = {r["run_id"]: r["tlp"] for r in dicts(unmasked(view).rows("runs", ("run_id", "tlp")))}
    heads = _heads(view, marks, since)
    for documents in _chunks(view, list(heads)):
        yield from _Documents(view, maker, {d: heads[d] for d in documents}, marks).made()
    yield from _others(view, maker, heads, marks, since)


class _Head:
    """An event as read, and as the recipient is told of it."""

    def __init__(self, row: dict[str, Any], raw: Thing, told: Thing, marks: Marks) -> None:
        self.run: str = row["run_id"]
        self.document: str = row["document"]
        self.tlp = _tlp(row, marks)
        self.ts: datetime = row["ts"]
        self.same = told == raw
        self.told = told


def _heads(view: View, marks: Marks, since: datetime) -> dict[str, _Head]:
    """The newest version of each MISP event, by its id."""
    rows = unmasked(view).rows(
        "objects", ("object_id", "document", "json", "tlp", "run_id", "ts"), "type = 'misp-event'",
        order="object_id, ts DESC, json, run_id",
    )  # fmt: skip
    out: dict[str, _Head] = {}
    for row in dicts(rows):
        if row["document"] in out or row["object_id"] != row["document"]:
            continue
        if row["ts"] < since:
            continue
        raw = _decoded(row["json"])
        told = view.mask.object(raw) if raw is not None else None
        if raw is not None and told is not None:
            out[row["document"]] = _Head(row, raw, told, marks)
    return out


def _chunks(view: View, documents: list[str]) -> Iterator[list[str]]:
    """The documents in groups of about CHUNK statements."""
    if not documents:
        return
    found = unmasked(view).rows(
        "indicators", ("document",), "document IN (SELECT unnest($d))", {"d": documents}
    )
    n = Counter(found["document"].to_pylist())
    held: list[str] = []
    total = 0
    for document in sorted(documents):
        if held and total + n[document] > CHUNK:
            yield held
            held, total = [], 0
        held.append(document)
        total += n[document]
    yield held


class _Documents:
    """Some events with all that is told of them."""

    def __init__(self, view: View, maker: Maker, heads: dict[str, _Head], marks: Marks) -> None:
        self.view, self.maker, self.heads = view, maker, heads
        asked = "document IN (SELECT unnest($d))"
        self.statements = list(_statements(view, marks, asked, {"d": list(heads)}))
        ids = sorted({s["object_id"] for s in self.statements if s["same"] and s["object_id"]})
        self.sightings = _sightings(view, ids)

    def made(self) -> Iterator[Thing]:
        by_document: dict[str, list[dict[str, Any]]] = {}
        for s in self.statements:
            document = s["stored"]["document"]
            if s["stored"]["run_id"] == self.heads[document].run:
                by_document.setdefault(document, []).append(s)
        things = self._objects()
        for document in sorted(self.heads):
            yield self._event(self.heads[document], by_document.get(document, []), things.get(document, []))

    def _objects(self) -> dict[str, list[Thing]]:
        """Objects as read, by event; only untouched ones keep their form."""
        rows = unmasked(self.view).rows(
            "objects", ("object_id", "document", "json", "run_id", "revoked"),
            "starts_with(type, 'misp-object:') AND document IN (SELECT unnest($d))", {"d": list(self.heads)},
            order="document, object_id, \"offset\"",
        )  # fmt: skip
        out: dict[str, list[Thing]] = {}
        for row in dicts(rows):
            raw = _decoded(row["json"])
            if raw is None or row["revoked"] or row["run_id"] != self.heads[row["document"]].run:
                continue
            if self.view.mask.object(raw) == raw and {"uuid", "name"} <= tidy(raw, _OBJECT).keys():
                out.setdefault(row["document"], []).append(raw)
        return out

    def _event(self, head: _Head, statements: list[dict[str, Any]], things: list[Thing]) -> Thing:
        mine = {a["uuid"]: a for a in attributes(statements, head.document if head.same else "", self.maker)}
        for one in mine.values():
            one["Sighting"] = self.sightings.get(one["uuid"], [])
        kept = {s["object_id"] for s in statements if s["same"]}
        objects = []
        for thing in things:
            inner = [
                _whole(a, mine.pop(a["uuid"])) for a in _list(thing, "Attribute")
                if a.get("uuid") in mine and a["uuid"] in kept
            ]  # fmt: skip
            if inner:
                objects.append(tidy(thing, _OBJECT) | {"Attribute": inner, "Tag": _tags(thing)})
        given = (
            {o["uuid"] for o in objects} | {a["uuid"] for o in objects for a in o["Attribute"]} | set(mine)
        )
        for thing, made in ((t, o) for t in things for o in objects if o["uuid"] == t["uuid"]):
            made["ObjectReference"] = [
                {k: r[k] for k in ("uuid", "object_uuid", "referenced_uuid", "relationship_type", "comment") if k in r}
                for r in _list(thing, "ObjectReference") if r.get("referenced_uuid") in given
            ]  # fmt: skip
        return self._told(head, sorted(mine.values(), key=_order), sorted(objects, key=lambda o: o["uuid"]))

    def _told(self, head: _Head, loose: list[Thing], objects: list[Thing]) -> Thing:
        """The event around them."""
        out = tidy(head.told, _EVENT)
        tags = _tags(head.told)
        if not any(t["name"].lower().startswith("tlp:") for t in tags):
            tags.insert(0, types.tlp_tag(head.tlp))
        orgc = head.told.get("Orgc") or head.told.get("Org")
        known = head.same and isinstance(orgc, dict) and bool(tidy(orgc, _ORG).get("name"))
        out["Orgc"] = tidy(orgc, _ORG) if known and isinstance(orgc, dict) else self.maker.orgc
        if not head.same or not UUID.fullmatch(str(out.get("uuid"))):
            # What was changed is no longer its maker's; what is no uuid would name a file anywhere.
            out["uuid"] = self.maker.uuid(
                "masked-event", str(head.told.get("uuid")), str(head.told.get("info"))
            )
        out |= {"Tag": tags, "Attribute": loose, "Object": objects, "info": out.get("info", "(untitled)"),
                "uuid": out["uuid"].lower(), "published": True}  # fmt: skip
        usual = {"analysis": "0", "threat_level_id": "4", "timestamp": str(seconds(head.ts)),
                 "date": head.ts.date().isoformat()}  # fmt: skip
        return usual | out


def _others(
    view: View, maker: Maker, heads: dict[str, _Head], marks: Marks, since: datetime
) -> Iterator[Thing]:
    """Statements that stand in no MISP event that is told, by source and day of the statement."""
    where = "NOT list_contains($d::VARCHAR[], document) AND ts >= $since::TIMESTAMPTZ"
    limits = {"d": list(heads), "since": since}
    plain = unmasked(view)
    days = {r["ts"].date() for r in dicts(plain.rows("indicators", ("ts",), where, limits))}
    for day in sorted(days):
        asked = f"{where} AND ts >= $day::DATE AND ts < $day::DATE + 1"
        by_source: dict[str, list[dict[str, Any]]] = {}
        for row in _statements(view, marks, asked, limits | {"day": day}):
            source = row["origin"] or row["document"] or "a source that is not named"
            by_source.setdefault(source, []).append(row)
        for source, rows in sorted(by_source.items()):
            event = _gathered(rows, source, day, maker)
            if event["Attribute"]:
                yield event


def _gathered(rows: list[dict[str, Any]], origin: str, day: date, maker: Maker) -> Thing:
    uuid = maker.uuid("source", origin, day.isoformat())
    found = {a["uuid"]: a for a in attributes([r | {"object_id": None} for r in rows], uuid, maker)}
    tlp = strictest(parse(r["tlp"]) for r in rows)
    newest = str(max((seconds(r["ts"]) for r in rows), default=0))
    return {
        "uuid": uuid, "info": clean(f"Stated by {origin} on {day.isoformat()}", TEXT), "date": day.isoformat(),
        "threat_level_id": "4", "analysis": "2", "timestamp": newest, "publish_timestamp": newest, "published": True,
        "Orgc": maker.orgc, "Tag": [types.tlp_tag(tlp)], "Attribute": sorted(found.values(), key=_order), "Object": [],
    }  # fmt: skip


def attributes(rows: list[dict[str, Any]], around: str, maker: Maker) -> Iterator[Thing]:
    """Attributes of statements: the rows of a composite one (`ip-dst|port`) are one attribute again.

    around: id of the event, from which ids are made for what has none or was masked.
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for r in rows:
        key = (
            (r["object_id"], r["run_id"], r["offset"])
            if r["object_id"]
            else (r["type"], r["kind"], r["value"])
        )
        groups.setdefault(key, []).append(r)
    for group in groups.values():
        made = _attribute(group, around, maker)
        if made is not None:
            yield made


def _attribute(group: list[dict[str, Any]], around: str, maker: Maker) -> Thing | None:
    first = group[0]
    type = (first["type"] or "").rpartition(":")[2]
    misp = types.is_known(type)
    composite = misp and "|" in type and len(group) > 1
    if first["kind"] in types.NEVER or (not misp and first["kind"] not in _SHARED):
        return None
    if composite:
        value = "|".join(_written(r) for r in sorted(group, key=lambda r: _place(type, r["kind"])))
    elif misp and "|" not in type:
        value = _written(first)
    else:
        value = types.shown(first["kind"], first["value"])
        type = types.type_of(first["kind"], first["value"], first["role"] or "")
    value = clean(value, VALUE)
    tlp = strictest(parse(r["tlp"]) for r in group)
    own = (
        first["object_id"]
        if all(r["same"] for r in group) and UUID.fullmatch(first["object_id"] or "")
        else None
    )
    tags = [types.tag(clean(t, 250)) for t in first["labels"] or () if t]
    if not any(t["name"].lower().startswith("tlp:") for t in tags):
        tags.insert(0, types.tlp_tag(tlp))
    if not misp and first["confidence"] is not None:
        tags.append(types.confidence_tag(first["confidence"]))
    out: Thing = {
        "uuid": own or maker.uuid("statement", around, type, value), "type": type,
        "category": types.category_of(type, first["category"] or ""), "value": value, "to_ids": bool(first["to_ids"]),
        "comment": clean(first["comment"] or "", TEXT), "timestamp": str(seconds(first["ts"])), "deleted": False,
        "Tag": tags,
    }  # fmt: skip
    return out | {k: stamp(first[k]) for k in ("first_seen", "last_seen") if first[k] is not None}


_SHARED: Final = frozenset((
    "ip", "prefix", "asn", "domain", "url", "email", "md5", "sha1", "sha256", "sha512", "ssdeep", "tlsh", "imphash",
    "cve", "cpe", "hassh", "ja3", "ja3s", "ja4", "ja4s", "ssh-key", "certificate", "wallet", "actor", "malware",
))  # fmt: skip
"""Kinds of statements of other formats that MISP readers can use."""


def _place(type: str, kind: str) -> int:
    """Where a value of that kind stands in a composite type."""
    if type == "malware-sample":
        return 0 if kind == "filename" else 1
    parts = type.split("|")
    same = [i for i, p in enumerate(parts) if p == kind or (kind == "ip" and p.startswith("ip"))
            or (kind == "domain" and p in ("domain", "hostname"))]  # fmt: skip
    return same[0] if same else len(parts)


def _written(row: dict[str, Any]) -> str:
    """The value as its source wrote it, where that is kept and was not masked."""
    return (row["raw"] if row["same"] and row["raw"] else None) or types.shown(row["kind"], row["value"])


def _statements(view: View, marks: Marks, where: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of `indicators` as the recipient sees them; `same` where nothing in one was masked, `stored` the row as it
    stands, for what belongs together."""
    order = 'document, "offset", kind, value, object_id, run_id'
    for was, row in beside(view, "indicators", _ROW, where, params, order):
        if row["value"]:
            same = all(was[k] == row[k] for k in ("value", "raw", "comment", "labels", "object_id"))
            yield row | {"same": same, "tlp": _tlp(was, marks).value, "stored": was}


def _sightings(view: View, ids: list[str]) -> dict[str, list[Thing]]:
    """Sightings of attributes, by attribute."""
    if not ids:
        return {}
    rows = view.rows(
        "relations", ("ts", "object_id", "source_ref", "relation", "target_ref"),
        "relation IN ('sighting-of', 'false-positive-of', 'expiration-of') AND target_ref IN (SELECT unnest($ids))",
        {"ids": ids}, order="target_ref, ts, object_id, source_ref",
    )  # fmt: skip
    out: dict[str, list[Thing]] = {}
    for row in dicts(rows):
        if not (row["object_id"] and row["source_ref"] and row["target_ref"]):
            continue
        one = {"uuid": row["object_id"], "type": _SIGHTINGS[row["relation"]],
               "source": clean(row["source_ref"], 255), "date_sighting": str(seconds(row["ts"]))}  # fmt: skip
        held = out.setdefault(row["target_ref"], [])
        if one not in held:
            held.append(one)
    return out


def _tlp(row: dict[str, Any], marks: Marks) -> Tlp:
    """The row's own marking, else its run's."""
    word = row["tlp"] or marks.get(row["run_id"])
    return parse(word) if word else DEFAULT


def _whole(read: Thing, made: Thing) -> Thing:
    """An attribute of an object: as its row gives it, with the category and relation that were read."""
    out = made | {"object_relation": made["type"]} | tidy(read, _WITHIN)
    out["category"] = types.category_of(made["type"], str(out.get("category", "")))
    if made["type"] == read.get("type") and isinstance(read.get("value"), str):
        out["value"] = clean(read["value"], VALUE)
    if isinstance(read.get("disable_correlation"), bool):
        out["disable_correlation"] = read["disable_correlation"]
    return out


def tidy(thing: Thing, wanted: dict[str, re.Pattern[str]]) -> Thing:
    """The members that are what MISP says they are, as text."""
    out = {}
    for key, form in wanted.items():
        value = thing.get(key)
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if text and form.fullmatch(text):
            out[key] = clean(text, TEXT)
    return out


def _list(thing: Thing, name: str) -> list[Thing]:
    found = thing.get(name)
    return [t for t in found if isinstance(t, dict)] if isinstance(found, list) else []


def _tags(thing: Thing) -> list[Thing]:
    return [
        types.tag(clean(t["name"], 250), str(t.get("colour") or "#607d8b")[:16])
        for t in _list(thing, "Tag")
        if isinstance(t.get("name"), str)
    ]


def _order(attribute: Thing) -> tuple[str, str, str]:
    return attribute["type"], attribute["value"], attribute["uuid"]


def _decoded(text: str) -> Thing | None:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
