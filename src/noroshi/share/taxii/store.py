"""The log of a collection, read: pages in the order objects were added, each one a few ranges of an index."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from noroshi.share.taxii import times
from noroshi.share.taxii.filters import ALL, FIRST, LAST, Filters

IS_LAST, IS_FIRST, LAST_IN_SPEC, FIRST_IN_SPEC, NEWEST_SPEC = 1, 2, 4, 8, 16
"""Bits of `kinds.state`: which of its object's versions a row is, over all and within its spec version."""
ALONE: Final = IS_LAST | IS_FIRST | LAST_IN_SPEC | FIRST_IN_SPEC | NEWEST_SPEC
"""The state of the only version of an object."""
BYTES: Final = 16 << 20
"""Bytes of a page, above which it ends early: objects may have a MiB each, and a page is held in memory."""
UNVERSIONED: Final = -1
"""`digits` of a row whose object says no version: the time it was added stands for one."""


@dataclass(frozen=True)
class Row:
    """One object of a page, without its body."""

    seq: int
    id: str
    version: int
    digits: int
    spec: str

    @property
    def added(self) -> str:
        """When it was added."""
        return times.text(self.seq)

    @property
    def said(self) -> str:
        """Its version as the object writes it."""
        return times.text(self.version, self.digits if self.digits >= 0 else times.WHOLE)


@dataclass(frozen=True)
class Page:
    """A page: its objects in the order they were added, and whether there are more."""

    seqs: tuple[int, ...] = ()
    more: bool = False


def key_of(object_id: str) -> int:
    """The hash rows are found by; ids are compared after it."""
    digest = hashlib.blake2b(object_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def page(con: sqlite3.Connection, filters: Filters, after: int | None) -> Page:
    """The first objects of a question that were added after `after`; at most `filters.limit`."""
    start = max(-(1 << 62) if at is None else at for at in (after, filters.after))
    wanted = filters.limit + 1
    found = list(itertools.islice(_merged(_streams(con, filters, start, wanted)), wanted))
    return Page(tuple(found[: filters.limit]), len(found) > filters.limit)


def bodies(con: sqlite3.Connection, seqs: Iterable[int]) -> list[bytes]:
    """The objects as they are sent, up to BYTES and at least one: fewer than asked for where they are large."""
    out: list[bytes] = []
    size = 0
    for seq in seqs:
        (json,) = con.execute("SELECT json FROM bodies WHERE seq = ?", (seq,)).fetchone()
        size += len(json)
        if out and size > BYTES:
            break
        out.append(json)
    return out


def rows(con: sqlite3.Connection, seqs: Iterable[int]) -> list[Row]:
    """What a manifest tells of the objects."""
    text = "SELECT seq, id, version, digits, spec FROM log JOIN kinds USING (kind) WHERE seq = ?"
    return [Row(*con.execute(text, (seq,)).fetchone()) for seq in seqs]


def holds(con: sqlite3.Connection, object_id: str) -> bool:
    """True when any version of the object is there."""
    text = "SELECT 1 FROM log WHERE key = ? AND id = ? LIMIT 1"
    return con.execute(text, (key_of(object_id), object_id)).fetchone() is not None


def count(con: sqlite3.Connection) -> int:
    """Versions in the log."""
    return int(con.execute("SELECT count(*) FROM log").fetchone()[0])


def _merged(streams: list[Iterator[tuple[int]]]) -> Iterator[int]:
    if len(streams) == 1:
        return (seq for (seq,) in streams[0])
    return (seq for (seq,) in heapq.merge(*streams))


def _streams(con: sqlite3.Connection, f: Filters, start: int, wanted: int) -> list[Iterator[tuple[int]]]:
    """Ascending times of what is asked for; no time stands in two of them."""
    whole, timed, every = _kinds(con, f)
    if f.ids:
        return [_of_id(con, i, whole, timed, f, start) for i in f.ids]
    if every:
        return [con.execute("SELECT seq FROM log WHERE seq > ? ORDER BY seq LIMIT ?", (start, wanted))]
    text = "SELECT seq FROM log WHERE kind = ? AND seq > ? ORDER BY seq LIMIT ?"
    streams: list[Iterator[tuple[int]]] = [con.execute(text, (kind, start, wanted)) for kind in sorted(whole)]
    text = "SELECT seq FROM log WHERE version = ? AND kind = ? AND seq > ? ORDER BY seq LIMIT ?"
    return streams + [con.execute(text, (at, k, start, wanted)) for at in f.moments for k in sorted(timed)]


def _of_id(
    con: sqlite3.Connection, object_id: str, whole: set[int], timed: set[int], f: Filters, start: int
) -> Iterator[tuple[int]]:
    """Of one object; as many rows are read as it has versions, which are bounded."""
    text = "SELECT seq, kind, version FROM log WHERE key = ? AND id = ? AND seq > ? ORDER BY seq"
    for seq, kind, version in con.execute(text, (key_of(object_id), object_id, start)):
        if kind in whole or (kind in timed and version in f.moments):
            yield (seq,)


def _kinds(con: sqlite3.Connection, f: Filters) -> tuple[set[int], set[int], bool]:
    """(kinds asked for whole, kinds of which some versions are asked for, whether the whole ones are all there are).

    As the reference server: type and id first, then the spec version, then first and last among what is left;
    `first` and `last` are told of the object as the collection holds it, whatever `added_after` says.
    """
    whole, timed, n = set(), set(), 0
    for kind, type_, spec, state in con.execute("SELECT kind, type, spec, state FROM kinds"):
        n += 1
        if (f.types and type_ not in f.types) or (
            spec not in f.specs if f.specs else not state & NEWEST_SPEC
        ):
            continue
        over_all = {"2.0", "2.1"} <= set(f.specs)
        last, first = (IS_LAST, IS_FIRST) if over_all else (LAST_IN_SPEC, FIRST_IN_SPEC)
        if ALL in f.words or (LAST in f.words and state & last) or (FIRST in f.words and state & first):
            whole.add(kind)
        else:
            timed.add(kind)
    return whole, timed, len(whole) == n


def manifest(entries: Iterable[Row]) -> list[dict[str, str]]:
    """The records of a manifest (TAXII 2.1, section 5.3.1)."""
    return [
        {
            "id": r.id, "date_added": r.added, "version": r.said,
            "media_type": f"application/stix+json;version={r.spec}",
        }
        for r in entries
    ]  # fmt: skip


def envelope(name: str, items: list[bytes], next_: str | None) -> bytes:
    """`{"more", "next", NAME: [...]}`, joined; `{}` when there is nothing, as the standard says."""
    if not items:
        return b"{}"
    head = b'{"more":false,' if next_ is None else b'{"more":true,"next":"' + next_.encode() + b'",'
    return head + f'"{name}":['.encode() + b",".join(items) + b"]}"


def encoded(items: Iterable[object]) -> list[bytes]:
    """Each as JSON."""
    return [msgspec.json.encode(item) for item in items]
