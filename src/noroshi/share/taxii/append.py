"""The log of a collection, written: what is new gets its time, what is seen no more goes, all in one transaction."""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from noroshi.share.taxii import schema, times
from noroshi.share.taxii.store import (
    ALONE,
    FIRST_IN_SPEC,
    IS_FIRST,
    IS_LAST,
    LAST_IN_SPEC,
    NEWEST_SPEC,
    UNVERSIONED,
    key_of,
)  # fmt: skip

VERSIONS: Final = 1_000
"""Versions kept of one object: a question about it reads them all. The oldest goes when there are more."""
_BATCH: Final = 10_000


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An object to be in the log."""

    id: str
    type: str
    version: str
    """Its `modified`, else its `created`; empty where it has neither."""
    json: bytes
    spec: str = ""
    """2.0 or 2.1; looked up in the object when empty."""


@dataclass
class Changes:
    """What a publication did."""

    added: int = 0
    changed: int = 0
    """New versions, or new contents, of objects that were there."""
    removed: int = 0
    kept: int = 0

    @property
    def any(self) -> bool:
        """True when the log is not as it was."""
        return bool(self.added or self.changed or self.removed)


class _Head(msgspec.Struct, gc=False):
    spec_version: str | None = None
    created: str | None = None


_HEAD = msgspec.json.Decoder(_Head).decode


def spec_of(json: bytes) -> str:
    """2.0 or 2.1: an object that has `created` and says nothing is of 2.0, observables are of 2.1."""
    try:
        head = _HEAD(json)
    except msgspec.DecodeError:
        return "2.1"
    if head.spec_version in ("2.0", "2.1"):
        return head.spec_version
    return "2.1" if head.created is None else "2.0"


class Appender:
    """Changes a log within the transaction of `schema.writing`."""

    def __init__(self, con: sqlite3.Connection, now_us: int) -> None:
        self.con = con
        self.high = int(schema.get(con, "high") or 0)
        self.now = now_us
        self.kinds: dict[tuple[str, str, int], int] = {
            (t, s, st): k for k, t, s, st in con.execute("SELECT kind, type, spec, state FROM kinds")
        }

    def close(self) -> None:
        """Keeps the highest time given: it is never given again, even when its object goes."""
        schema.put(self.con, "high", self.high)

    def kind(self, type_: str, spec: str, state: int) -> int:
        """The number of a kind, made when it is new."""
        known = self.kinds.get((type_, spec, state))
        if known is None:
            cursor = self.con.execute(
                "INSERT INTO kinds (type, spec, state) VALUES (?, ?, ?)", (type_, spec, state)
            )
            known = self.kinds[type_, spec, state] = int(cursor.lastrowid or 0)
        return known

    def add(self, entry: Entry, digest: bytes, *, alone: bool) -> int:
        """Appends an object; its time. alone: no other version of it is there; else call `settle` after it."""
        self.high = seq = max(self.high + 1, self.now)
        at = times.parse(entry.version)
        version, digits = at or (seq, UNVERSIONED)
        kind = self.kind(entry.type, entry.spec or spec_of(entry.json), ALONE)
        self.con.execute(
            "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)",
            (seq, key_of(entry.id), entry.id, kind, version, digits, digest),
        )
        self.con.execute("INSERT INTO bodies VALUES (?, ?)", (seq, entry.json))
        if not alone:
            self.settle(entry.id)
        return seq

    def delete(self, seq: int) -> None:
        """Takes a row out; call `settle` for its object when it had others."""
        self.con.execute("DELETE FROM log WHERE seq = ?", (seq,))
        self.con.execute("DELETE FROM bodies WHERE seq = ?", (seq,))

    def settle(self, object_id: str) -> None:
        """Makes the states of an object's versions right, and drops the oldest beyond VERSIONS."""
        text = (
            "SELECT seq, kind, type, spec, state FROM log JOIN kinds USING (kind) "
            "WHERE key = ? AND id = ? ORDER BY version, seq"
        )
        found = self.con.execute(text, (key_of(object_id), object_id)).fetchall()
        for row in found[:-VERSIONS]:
            self.delete(row[0])
        found = found[-VERSIONS:]
        specs = [row[3] for row in found]
        newest = max(specs, default="")
        for i, (seq, kind, type_, spec, _) in enumerate(found):
            state = (
                IS_FIRST * (i == 0) | IS_LAST * (i == len(found) - 1) | NEWEST_SPEC * (spec == newest)
                | FIRST_IN_SPEC * (spec not in specs[:i]) | LAST_IN_SPEC * (spec not in specs[i + 1 :])
            )  # fmt: skip
            right = self.kind(type_, spec, state)
            if right != kind:
                self.con.execute("UPDATE log SET kind = ? WHERE seq = ?", (right, seq))


def publish(
    con: sqlite3.Connection,
    entries: Iterable[Entry],
    now_us: int,
    *,
    progress: Callable[[int], None] | None = None,
) -> Changes:
    """Makes the log hold just what `entries` are; the times of what stays do not change.

    What is no more among them leaves no trace: its recipient may not see it any longer. What does not hold any more,
    though they may know of it, is among them as revoked. progress: called with how many were looked at.
    """
    done, appender = Changes(), Appender(con, now_us)
    con.execute("CREATE TEMP TABLE seen (seq INTEGER PRIMARY KEY)")
    batch: list[tuple[int]] = []
    for n, entry in enumerate(entries, 1):
        batch.append((_entered(con, appender, entry, done),))
        if len(batch) >= _BATCH:
            con.executemany("INSERT OR IGNORE INTO seen VALUES (?)", batch)
            batch.clear()
            if progress:
                progress(n)
    con.executemany("INSERT OR IGNORE INTO seen VALUES (?)", batch)
    _gone(con, appender, done)
    con.execute("DROP TABLE seen")
    appender.close()
    return done


def stale(con: sqlite3.Connection, entries: Iterable[Entry]) -> list[Entry]:
    """Those whose object is in the log, and not just as the entry has it. The last of an id counts."""
    text = "SELECT digest FROM log WHERE key = ? AND id = ?"
    out = []
    for entry in {e.id: e for e in entries}.values():
        held = con.execute(text, (key_of(entry.id), entry.id)).fetchall()
        if held and [d for (d,) in held] != [digest_of(entry.json)]:
            out.append(entry)
    return out


def replaced(con: sqlite3.Connection, entries: Iterable[Entry], now_us: int) -> int:
    """Puts entries in the place of all versions of their objects, where they are in the log; how many that were."""
    appender = Appender(con, now_us)
    found = stale(con, entries)
    for entry in found:
        seqs = con.execute("SELECT seq FROM log WHERE key = ? AND id = ?", (key_of(entry.id), entry.id))
        for (seq,) in seqs.fetchall():
            appender.delete(seq)
        appender.add(entry, digest_of(entry.json), alone=True)
    appender.close()
    return len(found)


def digest_of(json: bytes) -> bytes:
    """What two contents are compared by."""
    return hashlib.blake2b(json, digest_size=16).digest()


def _entered(con: sqlite3.Connection, appender: Appender, entry: Entry, done: Changes) -> int:
    """The time of an entry, which is appended when it is not there as it is."""
    digest = digest_of(entry.json)
    text = "SELECT seq, version, digits, digest FROM log WHERE key = ? AND id = ?"
    found = con.execute(text, (key_of(entry.id), entry.id)).fetchall()
    if not found:
        done.added += 1
        return appender.add(entry, digest, alone=True)
    at = times.parse(entry.version)
    for seq, version, digits, known in found:
        if known == digest and ((at is None) == (digits == UNVERSIONED)) and (at is None or at[0] == version):
            done.kept += 1
            return int(seq)
    done.changed += 1
    return appender.add(entry, digest, alone=False)


def _gone(con: sqlite3.Connection, appender: Appender, done: Changes) -> None:
    """What was not seen leaves."""
    con.execute(
        "CREATE TEMP TABLE gone AS SELECT seq, key, id FROM log WHERE seq NOT IN (SELECT seq FROM seen)"
    )
    cursor = con.execute("SELECT key, id, seq FROM gone ORDER BY key, id")
    for (key, object_id), rows in itertools.groupby(cursor, key=lambda row: row[:2]):
        for _, _, seq in rows:
            appender.delete(seq)
            done.removed += 1
        if con.execute("SELECT 1 FROM log WHERE key = ? AND id = ?", (key, object_id)).fetchone():
            appender.settle(object_id)
    con.execute("DROP TABLE gone")
