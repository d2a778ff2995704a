"""What a collection's log was made from, and whether it may still be shown: asked before every page.

A log is not made anew for every change of the lake. What is only new may wait for the next publication. What a
recipient may see no longer must not come out even before that:

- its rights, its profile (the words in the file, not its name) or what the configuration calls own changed, a run was
  forgotten, retention took intelligence out: the log is shown no more until it is made anew;
- findings were taken back, as they are when they are judged more strictly: their objects are replaced by what says
  that they are revoked, at once.

All of it is a function of what the recipient may see: nothing hidden can close a collection or change it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from noroshi import __version__
from noroshi.lake import horizon, version
from noroshi.model.errors import ConfigError, UsageError
from noroshi.share.anonymise.site import Site
from noroshi.share.profile import for_recipient
from noroshi.share.stix.emit import Options, revoked
from noroshi.share.taxii import append, collections, schema, times
from noroshi.work.gate import PLAIN, open_view
from noroshi.work.masks import folder

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.snapshot import Snapshot
    from noroshi.lake.state import State
    from noroshi.share.gate import View
    from noroshi.share.marking import Recipient
    from noroshi.share.taxii.collections import Collection

TABLES: Final = {
    "findings": ("findings",),
    "intelligence": ("objects", "relations", "indicators", "links", "runs"),
}
"""Tables that the objects of a collection are made from; `links` and `runs` for sightings."""
_INTELLIGENCE: Final = ("objects", "relations", "indicators")
_BACK: Final = timedelta(hours=1)
"""A revision is dated before it is stored: those dated up to so long before the last look are looked at again."""


class Made(msgspec.Struct, frozen=True):
    """What a log was made from."""

    gate: str
    """Digest of what decides who sees what and how it is masked."""
    epoch: str
    """Digest of what changes contents alone: the program, the epoch of masks."""
    tables: dict[str, int]
    """Newest commits of the collection's tables, as of before the snapshot was taken."""
    runs: bytes = b""
    """Of runs the recipient was told of: 8 bytes each, sorted; for intelligence."""
    horizon: int = 0
    at: int = 0
    """When it was last brought up to date, in microseconds: revisions of findings since are new to it."""


def made(lake: Lake, config: Config, to: Recipient, sort: str, now: datetime) -> Made:
    """What a log that is made now is made from, without its runs. To be asked before the snapshot is taken, so that
    what is committed in between is looked at again. Raises as the profile does."""
    profile = None if to.profile == PLAIN else for_recipient(to, folder(config))
    epoch = profile.at(now) if profile else ""
    return Made(
        gate(config, to), _digest(__version__, epoch, lake.keys.newest.id),
        {name: lake.stores[name].version() for name in TABLES[sort]},
        horizon=horizon.load(lake.path).generation, at=times.micros(now),
    )  # fmt: skip


def gate(config: Config, to: Recipient) -> str:
    """A digest of what decides who sees what, and what is masked: rights, the profile's words, what is our own."""
    profile = None if to.profile == PLAIN else for_recipient(to, folder(config))
    said = (profile.epoch, sorted((k, str(r)) for k, r in profile.rules.items())) if profile else ()
    site = Site.of(config)
    own = [sorted(s) for s in (site.own, site.telescopes, site.domains, site.sensors, site.words)]
    return _digest(collections.rights(to), said, own)


def with_runs(one: Made, sort: str, shot: Snapshot) -> Made:
    """The same with the runs a restricted snapshot tells of."""
    return msgspec.structs.replace(one, runs=_runs(shot)) if sort == "intelligence" else one


def keep(con: Any, one: Made) -> None:
    """Keeps beside a log what it was made from."""
    schema.put(con, "made", msgspec.json.encode(one).decode())


def kept(con: Any) -> Made | None:
    """What a log was made from; None when nobody knows (another version of the program made it)."""
    raw = schema.get(con, "made")
    try:
        return msgspec.json.decode(raw, type=Made) if isinstance(raw, str) else None
    except msgspec.MsgspecError:
        return None


def same(before: Made | None, now: Made) -> bool:
    """True when a log made now would be the one there is: nothing needs to be compared."""
    parts = ("gate", "epoch", "tables", "horizon")
    return before is not None and all(getattr(before, p) == getattr(now, p) for p in parts)


class Freshness:
    """Says of each collection whether it may be shown. Safe to share between threads."""

    def __init__(self, lake: Lake, config: Config, state: State) -> None:
        self.lake, self.config, self.state = lake, config, state
        self._lock = threading.Lock()
        self._good: dict[str, tuple[str, tuple[int, ...], Any]] = {}
        """What was found to hold: (digest of the gate, version of the lake, mark of the log) by collection."""

    def holds(self, to: Recipient, collection: Collection) -> bool:
        """True when nothing in the log is hidden from its recipient by now; after taking out what can be taken out."""
        path = collection.path(self.lake.path)
        if collection.writes or not path.is_file():
            return True
        at = version.version(self.lake)
        try:
            rules = gate(self.config, to)
        except (UsageError, ConfigError):
            return (
                False  # its profile is gone or broken: for the operator to mend, not for a client to read of
            )
        with schema.reading(path) as con:
            if con is None:
                return True
            mark = schema.get(con, "made")
            if self._good.get(collection.id) == (rules, at, mark):
                return True
            before = kept(con)
        if before is None or before.gate != rules:
            return False
        now = made(self.lake, self.config, to, collection.sort, datetime.now(UTC))
        if (before.tables, before.horizon) != (now.tables, now.horizon):
            with self._lock:  # the first who asks does it for all
                if not self._changed(to, collection, before, now):
                    return False
        self._good[collection.id] = (rules, at, mark)
        return True

    def _changed(self, to: Recipient, collection: Collection, before: Made, now: Made) -> bool:
        """The lake has changed since: False when what was there is no more."""
        if collection.sort == "findings":
            if before.tables != now.tables:
                self._take_back(to, collection, before, now)
            return True
        moved = [t for t in _INTELLIGENCE if before.tables.get(t) != now.tables.get(t)]
        going = horizon.load(self.lake.path).tables.keys() & set(_INTELLIGENCE)
        if before.horizon != now.horizon and (moved or going):
            return False
        view = open_view(self.lake, self.config, replace(to, profile=PLAIN))
        return not _missing(before.runs, _runs(view.shot))

    def _take_back(self, to: Recipient, collection: Collection, before: Made, now: Made) -> None:
        """Puts what says that a finding is revoked in the place of its objects, where they still stand as they were."""
        view = open_view(self.lake, self.config, to)
        since = datetime.fromtimestamp(before.at / 1e6, UTC) - _BACK
        entries = list(revocations(view, since))
        with schema.reading(collection.path(self.lake.path)) as con:
            if con is None or not append.stale(con, entries):
                return
        with schema.writing(collection.path(self.lake.path)) as con:
            if kept(con) != before:  # a publication was faster, and knows more
                return
            gone = append.replaced(con, entries, times.micros(view.now))
            self.state.audit.tell(
                "server", "publish", recipient=to.name, count=gone, format="taxii", collection=collection.sort,
                removed=gone, profile=view.mask.profile,
            )  # fmt: skip


def revocations(view: View, since: datetime) -> list[append.Entry]:
    """What says that findings taken back since then are revoked, as a publication writes it."""
    options = Options(tlp1=view.recipient.tlp1, imported=False)
    return [append.Entry(e.id, e.type, e.version, e.json) for e in revoked(view, options, since)]


def _runs(shot: Snapshot) -> bytes:
    names = (hashlib.blake2b(r.run_id.encode(), digest_size=8).digest() for r in shot.runs())
    return b"".join(sorted(names))


def _missing(before: bytes, now: bytes) -> set[bytes]:
    return _eights(before) - _eights(now)


def _eights(raw: bytes) -> set[bytes]:
    return {raw[i : i + 8] for i in range(0, len(raw), 8)}


def _digest(*parts: str | Sequence[Any]) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()
