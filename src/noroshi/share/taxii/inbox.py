"""What a recipient sends in: checked within bounds, kept in their inbox, and handed on to the lake from there."""

from __future__ import annotations

import re
import sqlite3
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from noroshi.model.errors import LakeError, UsageError
from noroshi.share.taxii import schema, times
from noroshi.share.taxii.append import Appender, Entry, digest_of, spec_of
from noroshi.share.taxii.filters import Filters
from noroshi.share.taxii.store import UNVERSIONED, key_of, page

BYTES: Final = 10 << 20
"""Bytes of a request: `max_content_length` of the API root."""
OBJECTS: Final = 10_000
"""Objects of a request: each becomes a row and a line of its status."""
OBJECT: Final = 1 << 20
"""Bytes of an object: what the lake keeps of one."""
DEPTH: Final = 64
"""Levels of brackets: what the lake reads; real intelligence has fewer than 15."""
ROOM: Final = 1_000_000
"""Objects an inbox holds."""
SORTS: Final = 200
"""Different types an inbox holds: each costs every page a little."""
STATUSES: Final = 10_000
"""Answers kept for `status`; the oldest go."""
_ID: Final = re.compile(
    r"([a-z][a-z0-9-]{1,249})--[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII
)
_RED: Final = frozenset((
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
))  # fmt: skip
"""RED of TLP 2.0 and 1.0 (STIX 2.1, section 7.2.1.4, and OASIS' extension)."""
_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS posts (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, status BLOB NOT NULL,"
    " waits INTEGER NOT NULL, run TEXT NOT NULL DEFAULT '')",
    "CREATE TABLE IF NOT EXISTS members (seq INTEGER PRIMARY KEY, post INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS by_post ON members (post, seq)",
    "CREATE INDEX IF NOT EXISTS by_waits ON posts (waits) WHERE waits",
)


class TooLarge(UsageError):
    """More than is taken at once."""


class Unprocessable(UsageError):
    """Right JSON that is no envelope."""


class _Envelope(msgspec.Struct):
    objects: list[msgspec.Raw] = []


@dataclass(frozen=True)
class Post:
    """What one request has added and what is still there of it."""

    n: int
    id: str
    run: str
    """The run it was stored as; empty when it is new."""
    objects: list[bytes]

    def bundle(self) -> bytes:
        """As a STIX bundle; the same objects give the same bytes."""
        return (
            b'{"type":"bundle","id":"bundle--'
            + self.id.encode()
            + b'","objects":['
            + b",".join(self.objects)
            + b"]}"
        )


def envelope(body: bytes) -> list[bytes]:
    """The objects of an envelope, as sent. Raises UsageError (its children) for what is none, or too large."""
    if len(body) > BYTES:
        raise TooLarge(f"more than {BYTES:,} bytes", todo="Send fewer objects at once.")
    try:
        whole = msgspec.json.decode(body, type=_Envelope)
    except msgspec.ValidationError:
        raise Unprocessable(
            "no envelope: `objects` must be a list", todo='Send {"objects": [...]}.'
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UsageError(
            "the body is no JSON, or nested too deeply", todo='Send {"objects": [...]}.'
        ) from None
    if not whole.objects and b'"objects"' not in body:
        raise Unprocessable("an envelope without objects", todo='Send {"objects": [...]}.')
    if len(whole.objects) > OBJECTS:
        raise TooLarge(f"{len(whole.objects):,} objects", todo=f"Send at most {OBJECTS:,} at once.")
    return [bytes(o) for o in whole.objects]


def receive(con: sqlite3.Connection, objects: list[bytes], now_us: int) -> dict[str, Any]:
    """Keeps what is right and new; the status resource that says what became of each (TAXII 2.1, section 4.3.1)."""
    for statement in _TABLES:
        con.execute(statement)
    (held,) = con.execute("SELECT count(*) FROM members").fetchone()
    if held + len(objects) > ROOM:
        raise TooLarge(f"the inbox holds {held:,} objects of at most {ROOM:,}", todo="Delete some first.")
    appender = Appender(con, now_us)
    (last,) = con.execute("SELECT coalesce(max(n), 0) FROM posts").fetchone()
    taken = _Taken(con, appender, last + 1, {t for t, _, _ in appender.kinds}, times.text(now_us))
    things = [_read(o) for o in objects]
    taken.red = _RED | {str(t["id"]) for t in things if isinstance(t, dict) and _is_red(t)}
    for n, (thing, json) in enumerate(zip(things, objects, strict=True), 1):
        taken.take(n, thing, json)
    appender.close()
    status: dict[str, Any] = {
        "id": str(uuid.uuid4()), "status": "complete", "request_timestamp": times.text(now_us),
        "total_count": len(objects), "success_count": len(taken.good), "failure_count": len(taken.bad),
        "pending_count": 0,
    }  # fmt: skip
    status |= {k: v for k, v in (("successes", taken.good), ("failures", taken.bad)) if v}
    con.execute(
        "INSERT INTO posts (n, id, status, waits) VALUES (?, ?, ?, ?)",
        (last + 1, status["id"], msgspec.json.encode(status), int(taken.kept > 0)),
    )
    con.execute("UPDATE posts SET status = x'' WHERE n = ?", (last + 1 - STATUSES,))
    return status


def _read(json: bytes) -> dict[str, Any] | str:
    """The object, or why it is none."""
    if len(json) > OBJECT:
        return f"more than {OBJECT:,} bytes"
    try:
        thing = msgspec.json.decode(json)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "no JSON, or nested too deeply"
    if not isinstance(thing, dict):
        return "no object"
    return thing if _shallow(thing) else f"nested deeper than {DEPTH} levels"


def _shallow(thing: Any) -> bool:
    level: list[Any] = [thing]
    for _ in range(DEPTH):
        level = [
            v for t in level for v in (t.values() if isinstance(t, dict) else t) if isinstance(v, dict | list)
        ]
        if not level:
            return True
    return False


def _is_red(thing: dict[str, Any]) -> bool:
    """True for a marking definition that says RED."""
    if thing.get("type") != "marking-definition" or not isinstance(thing.get("id"), str):
        return False
    said = thing.get("definition")
    extended = thing.get("extensions")
    words = [said.get("tlp")] if isinstance(said, dict) else []
    words += (
        [e.get("tlp_2_0") for e in extended.values() if isinstance(e, dict)]
        if isinstance(extended, dict)
        else []
    )
    return any(isinstance(w, str) and w.strip().lower().removeprefix("tlp:") == "red" for w in words)


class _Taken:
    """What became of the objects of one request."""

    def __init__(
        self, con: sqlite3.Connection, appender: Appender, post: int, types: set[str], now: str
    ) -> None:
        self.con, self.appender, self.post, self.types, self.now = con, appender, post, types, now
        self.good: list[dict[str, str]] = []
        self.bad: list[dict[str, str]] = []
        self.red: frozenset[str] | set[str] = frozenset()
        self.kept = 0

    def take(self, n: int, thing: dict[str, Any] | str, json: bytes) -> None:
        """One object of the request, the `n`th."""
        why = thing if isinstance(thing, str) else self._wrong(thing)
        if why:
            self.bad.append({"id": _named(thing, n), "version": _stated(thing) or self.now, "message": why})
            return
        assert isinstance(thing, dict)
        entry = Entry(thing["id"], thing["type"], _stated(thing), json, spec_of(json))
        digest = digest_of(msgspec.json.encode(thing, order="sorted"))
        found = self._like(entry)
        if found is None:
            seq = self.appender.add(entry, digest, alone=False)
            self.con.execute("INSERT INTO members VALUES (?, ?)", (seq, self.post))
            self.types.add(entry.type)
            self.kept += 1
            self.good.append({"id": entry.id, "version": entry.version or times.text(seq)})
        elif found[1] == digest:
            version = entry.version or times.text(found[0])
            self.good.append({"id": entry.id, "version": version, "message": "It was there already."})
        else:
            self.bad.append({
                "id": entry.id, "version": entry.version or times.text(found[0]),
                "message": "Another object of this id and version is there already; a change needs a new `modified`.",
            })  # fmt: skip

    def _like(self, entry: Entry) -> tuple[int, bytes] | None:
        """(time, digest) of the row of the same id, version and spec version."""
        text = "SELECT seq, version, digits, digest, spec FROM log JOIN kinds USING (kind) WHERE key = ? AND id = ?"
        at = times.parse(entry.version)
        for seq, version, digits, digest, spec in self.con.execute(text, (key_of(entry.id), entry.id)):
            same = digits == UNVERSIONED if at is None else digits != UNVERSIONED and version == at[0]
            if same and spec == entry.spec:
                return seq, digest
        return None

    def _wrong(self, thing: dict[str, Any]) -> str:
        """Why an object is not taken; empty when it is."""
        type_, object_id = thing.get("type"), thing.get("id")
        if not isinstance(type_, str) or not isinstance(object_id, str):
            return "An object needs a type and an id."
        found = _ID.fullmatch(object_id)
        if not found or found[1] != type_:
            return "The id is not the type, two hyphens and a UUID."
        if thing.get("spec_version", "2.1") not in ("2.0", "2.1"):
            return "Its spec_version is neither 2.0 nor 2.1."
        for name in ("created", "modified"):
            value = thing.get(name)
            if value is not None and (not isinstance(value, str) or times.parse(value) is None):
                return f"Its {name} is no timestamp in UTC."
        if "modified" in thing and "created" not in thing:
            return "It has modified and no created."
        if self._red(thing):
            return "TLP:RED is for the persons it is given to; it is not taken by a machine."
        if type_ not in self.types and len(self.types) >= SORTS:
            return f"The inbox holds objects of {SORTS} types, and no more."
        return ""

    def _red(self, thing: dict[str, Any]) -> bool:
        refs = thing.get("object_marking_refs")
        parts = thing.get("granular_markings")
        named = [*(refs if isinstance(refs, list) else []), thing["id"]]
        named += (
            [p.get("marking_ref") for p in parts if isinstance(p, dict)] if isinstance(parts, list) else []
        )
        return any(isinstance(r, str) and r in self.red for r in named)


def _named(thing: dict[str, Any] | str, n: int) -> str:
    """Its id, else its place in the request: the standard wants one in any case."""
    given = thing.get("id") if isinstance(thing, dict) else None
    return given[:300] if isinstance(given, str) and given else f"#{n}"


def _stated(thing: dict[str, Any] | str) -> str:
    """Its version where it says one that is a timestamp."""
    given = (thing.get("modified") or thing.get("created")) if isinstance(thing, dict) else None
    return given if isinstance(given, str) and times.parse(given) else ""


def status(con: sqlite3.Connection, named: str) -> bytes | None:
    """The status resource of a post, None when there is none."""
    if not _posted(con):
        return None
    row = con.execute("SELECT status FROM posts WHERE id = ?", (named,)).fetchone()
    return row[0] or None if row else None


def delete(con: sqlite3.Connection, object_id: str, filters: Filters) -> int:
    """Takes versions of an object out of the inbox; how many. What came of them in the lake goes with them."""
    for statement in _TABLES:
        con.execute(statement)
    n = 0
    while True:
        found = page(con, filters, None)
        for seq in found.seqs:
            con.execute("DELETE FROM log WHERE seq = ?", (seq,))
            con.execute("DELETE FROM bodies WHERE seq = ?", (seq,))
            con.execute(
                "UPDATE posts SET waits = 1 WHERE n = (SELECT post FROM members WHERE seq = ?)", (seq,)
            )
            con.execute("DELETE FROM members WHERE seq = ?", (seq,))
        n += len(found.seqs)
        if not found.more:
            break
    Appender(con, 0).settle(object_id)
    return n


def has_posts(path: Path) -> bool:
    """True for the log of an inbox, or one that cannot be read: nobody makes it again."""
    try:
        with schema.reading(path) as con:
            return con is not None and _posted(con)
    except LakeError:
        return True


def _posted(con: sqlite3.Connection) -> bool:
    return con.execute("SELECT 1 FROM sqlite_master WHERE name = 'posts'").fetchone() is not None


def waiting(path: Path) -> Post | None:
    """The oldest post the lake does not have as it is; None when it has all."""
    with schema.reading(path) as con:
        if con is None or not _posted(con):
            return None
        row = con.execute("SELECT n, id, run FROM posts WHERE waits ORDER BY n LIMIT 1").fetchone()
        if row is None:
            return None
        text = "SELECT json FROM members JOIN bodies USING (seq) WHERE post = ? ORDER BY seq"
        return Post(row[0], row[1], row[2], [json for (json,) in con.execute(text, (row[0],))])


def stored(path: Path, post: Post, run: str) -> None:
    """Keeps that the lake has a post as it was read; when it has changed meanwhile, it waits again."""
    with schema.writing(path, durable=True) as con:
        (now,) = con.execute("SELECT count(*) FROM members WHERE post = ?", (post.n,)).fetchone()
        con.execute(
            "UPDATE posts SET run = ?, waits = ? WHERE n = ?", (run, int(now != len(post.objects)), post.n)
        )
