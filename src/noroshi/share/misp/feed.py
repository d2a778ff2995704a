"""The directory of a MISP feed: `manifest.json`, `hashes.csv` and one file per event, brought up to date in place.

What did not change is not written again; a reader never meets a manifest that names a missing file, because events come
before the manifest and go after it. Format: MISP feed documentation and PyMISP's feed generator.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from noroshi.model.errors import LakeError, UsageError

Thing = dict[str, Any]

MANIFEST: Final = "manifest.json"
HASHES: Final = "hashes.csv"
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_READ: Final = 256 << 20
"""Bytes of a file of the feed that are read back at most; a longer one is written anew."""
_LATEST: Final = 4_102_444_800
"""2100: a timestamp beyond it, from a hand or an attacker, is not counted on."""


@dataclass(frozen=True)
class Written:
    """What became of the directory."""

    events: int = 0
    attributes: int = 0
    """With those of objects."""
    written: int = 0
    """Event files that are new or changed."""
    removed: int = 0
    """Event files of events that are no longer given."""
    size: int = 0
    """Bytes of all events."""


def write(
    folder: Path, events: Iterable[Thing], ready: Callable[[Written], None] = lambda done: None
) -> Written:
    """Brings `folder` up to date with `events`, each with an id of its own; they are read once.

    ready: called when all is prepared and before a reader can see any of it; when it raises, nothing has changed.
    Raises UsageError when the folder holds something else, LakeError when it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            feed = _Feed(folder)
            try:
                return feed.write(events, ready)
            finally:
                shutil.rmtree(feed.stage, ignore_errors=True)
    except OSError as e:
        raise LakeError(
            f"the feed cannot be written: {e.strerror or e}", where=str(folder),
            todo="Make room, or give this user the right to it, and run the same command again.",
        ) from e  # fmt: skip


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time; the next one waits."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class _Feed:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._check()
        self.stage = folder / ".new"
        shutil.rmtree(self.stage, ignore_errors=True)
        self.stage.mkdir()

    def _check(self) -> None:
        """Raises UsageError unless the folder is empty or a feed."""
        path = self.folder / MANIFEST
        found = _read(path)
        if found is None and path.exists():
            raise UsageError(
                "is no manifest of a MISP feed", where=str(path),
                todo="Name another folder, or delete the file if this folder is the feed's.",
            )  # fmt: skip
        if found is None and any(not p.name.startswith(".") for p in self.folder.glob("*")):
            names = {p.name for p in self.folder.glob("*") if not p.name.startswith(".")}
            # An export that was cut short leaves events without a manifest; anything else is not ours.
            if any(n != HASHES and not _UUID.fullmatch(n.removesuffix(".json")) for n in names):
                raise UsageError(
                    "holds files that are no MISP feed", where=str(self.folder), todo="Name an empty folder."
                )

    def write(self, events: Iterable[Thing], ready: Callable[[Written], None]) -> Written:
        """See the function of that name."""
        manifest: dict[str, Thing] = {}
        attributes = written = size = 0
        with (self.stage / HASHES).open("wb") as out:
            for fresh in events:
                event, body, changed = self._event(fresh)
                if event["uuid"] in manifest:  # one id, one event: the first holds
                    continue
                written += changed
                size += len(body)
                manifest[event["uuid"]] = entry(event)
                lines = sorted({f"{h},{event['uuid']}\n" for a in all_attributes(event) for h in digests(a)})
                attributes += sum(1 for _ in all_attributes(event))
                out.writelines(line.encode() for line in lines)
        gone = [p for p in self.folder.glob("*.json") if _UUID.fullmatch(p.stem) and p.stem not in manifest]
        done = Written(len(manifest), attributes, written, len(gone), size)
        body = msgspec.json.encode(dict(sorted(manifest.items())), order="sorted") + b"\n"
        _put(self.stage / MANIFEST, body)
        ready(done)
        for path in sorted(self.stage.glob("*.json")):
            if path.name != MANIFEST:
                os.replace(path, self.folder / path.name)
        for name in (HASHES, MANIFEST):
            if not _same(self.stage / name, self.folder / name):
                os.replace(self.stage / name, self.folder / name)
        for path in gone:
            path.unlink(missing_ok=True)
        return done

    def _event(self, fresh: Thing) -> tuple[Thing, bytes, bool]:
        """(the event as it stands in the feed now, its bytes, true when the file was written)."""
        if not _UUID.fullmatch(fresh["uuid"]):
            raise ValueError(f"an event without an id that names a file: {fresh['uuid'][:80]!r}")
        path = self.folder / f"{fresh['uuid']}.json"
        old = _read(path)
        before = old.get("Event") if old else None
        event = timed(fresh, before) if isinstance(before, dict) else fresh
        body = msgspec.json.encode({"Event": event}, order="sorted") + b"\n"
        if before is not None and _bytes(path) == body:
            return event, body, False
        _put(self.stage / path.name, body)
        return event, body, True


def entry(event: Thing) -> Thing:
    """What the manifest says of an event."""
    keys = ("Orgc", "info", "date", "analysis", "threat_level_id", "timestamp")
    return {k: event[k] for k in keys if k in event} | {
        "Tag": [{"name": t["name"], "colour": t.get("colour", "")} for t in event.get("Tag", ())]
    }


def all_attributes(event: Thing) -> Iterator[Thing]:
    """The attributes of an event and of its objects."""
    yield from event.get("Attribute", ())
    for thing in event.get("Object", ()):
        yield from thing.get("Attribute", ())


def digests(attribute: Thing) -> Iterator[str]:
    """MD5 of an attribute's value, or of each of its values: what MISP's caches compare."""
    value, type = attribute["value"], attribute["type"]
    for part in value.split("|") if "|" in type or type == "malware-sample" else (value,):
        yield hashlib.md5(part.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def timed(fresh: Thing, before: Thing) -> Thing:
    """The event with timestamps that a reader of the one before takes for news where, and only where, it changed.

    MISP takes an event or attribute only when its timestamp has grown; what was withdrawn or marked anew changes an
    event without giving it a later time.
    """
    if _content(fresh) == _content(before):
        return before
    times = {a["uuid"]: a for a in [*_things(before)] if isinstance(a.get("uuid"), str)}
    for thing in _things(fresh):
        old = times.get(thing["uuid"])
        if old is not None:
            then = _time(old)
            same = _content(thing) == _content(old)
            thing["timestamp"] = str(then if same else max(_time(thing), then + 1))
    newest = max([_time(fresh), _time(before) + 1, *(_time(t) for t in _things(fresh))])
    fresh["timestamp"] = str(newest)
    if "publish_timestamp" in fresh:
        fresh["publish_timestamp"] = str(newest)
    return fresh


def _things(event: Thing) -> Iterator[Thing]:
    for name in ("Attribute", "Object"):
        for thing in event.get(name) or ():
            if isinstance(thing, dict):
                yield thing
                yield from (t for t in thing.get("Attribute") or () if isinstance(t, dict))


_TIMES: Final = frozenset({"timestamp", "publish_timestamp"})


def _content(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _content(v) for k, v in value.items() if k not in _TIMES}
    return [_content(v) for v in value] if isinstance(value, list) else value


def _time(thing: Thing) -> int:
    try:
        return min(max(0, int(thing.get("timestamp", 0))), _LATEST)
    except (TypeError, ValueError):
        return 0


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON object; None when there is none, or something else."""
    body = _bytes(path)
    try:
        found = msgspec.json.decode(body) if body else None
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _bytes(path: Path) -> bytes | None:
    try:
        if path.stat().st_size > _READ:
            return None
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _put(path: Path, body: bytes) -> None:
    """Writes a file and sees it on the disk."""
    with path.open("wb") as out:
        out.write(body)
        out.flush()
        os.fsync(out.fileno())


def _same(a: Path, b: Path) -> bool:
    """True when both are there and hold the same bytes."""
    if not b.exists() or a.stat().st_size != b.stat().st_size:
        return False
    with a.open("rb") as one, b.open("rb") as two:
        while True:
            x, y = one.read(1 << 20), two.read(1 << 20)
            if x != y:
                return False
            if not x:
                return True
