"""Reading without blocking: one snapshot all requests share, what each recipient sees of it, and their answers.

The lake is looked at most once a second; whoever looks first makes the new snapshot while the others go on with the
old.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, TypeVar, cast

from noroshi.lake.answers import Answers
from noroshi.model.errors import NoroshiError
from noroshi.model.tlp import DEFAULT
from noroshi.share.gate import View
from noroshi.web.errors import Forbidden
from noroshi.web.known import Known

if TYPE_CHECKING:
    from noroshi.ask.pivot import Own, Pivots
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.snapshot import Snapshot
    from noroshi.lake.state import State
    from noroshi.model.finding import Finding
    from noroshi.share.marking import Recipient

T = TypeVar("T")
EVERY_S = 1.0
"""How often the lake is looked at."""
_TICK_NS = 50_000_000
"""Two commits so close may bear one time in a file system: such a time does not count as known."""
KEPT_BYTES = 64 << 20
"""Answers kept of one moment and recipient."""
KEPT_ONE = 4 << 20
"""The longest answer that is kept."""
CARRIED = 16
"""Recipients whose findings are carried to the next moment: ten thousand of them are 20 MB."""
LATELY_S = 60.0
"""How old a ranking may be that reads all rows of its time (`Seen.lately`): runs come every few seconds, and of a
month's sum each of them is nothing."""
KEPT_THINGS = 200
"""What pages worked out for one moment and recipient, of those that come in many ways (`recall`)."""


@dataclass(frozen=True)
class Answer:
    """Bytes made once for a question at one moment, with the tag that is theirs alone."""

    body: bytes
    type: str
    etag: str
    headers: tuple[tuple[str, str], ...] = ()


def answer(body: bytes, media: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """With its tag: a digest of what is told and nothing else, so that it tells of nothing that is hidden."""
    return Answer(body, media, '"' + hashlib.sha256(body).hexdigest()[:32] + '"', headers)


@dataclass(frozen=True)
class KeptView(View):
    """The gate's view of one moment, whose findings are read from the lake once."""

    kept: dict[str, Known] = field(default_factory=dict, compare=False, repr=False)
    stamp: int = field(default=0, compare=False)
    """Names the findings they see: the same at another moment when those are."""

    @classmethod
    def of(cls, view: View) -> KeptView:
        """From a view."""
        return cls(**{one.name: getattr(view, one.name) for one in fields(View)})

    def findings(
        self,
        *,
        kinds: Sequence[str] = (),
        since: datetime | None = None,
        wanted: bool = True,
        mine: bool = False,
    ) -> list[Finding]:
        """See View.findings."""
        if mine or (since and not self.plain):
            # Masked times and subjects are not what `since` and `mine` are about.
            return super().findings(kinds=kinds, since=since, wanted=wanted, mine=mine)
        asked, own = set(kinds), set(self.recipient.kinds) if wanted else set()
        return [
            f for f in self.known.oldest
            if (not asked or f.kind in asked) and (not own or f.kind in own) and (not since or f.last_seen >= since)
        ]  # fmt: skip

    @property
    def known(self) -> Known:
        """All they may see, masked, wanted or not."""
        found = self.kept.get("all")
        if found is None:
            found = self.kept.setdefault("all", Known(super().findings(wanted=False)))
        return found


@dataclass(frozen=True)
class _Runs:
    """Which runs a view tells of, to compare two moments."""

    told: frozenset[str]
    newest: datetime | None

    @classmethod
    def of(cls, shot: Snapshot) -> _Runs:
        """Of a snapshot."""
        runs = shot.runs()
        return cls(frozenset(r.run_id for r in runs), max((r.at for r in runs), default=None))

    def grew(self, shot: Snapshot) -> bool:
        """True when nothing has happened since but that runs came which were closed later: none was forgotten, and of
        none more or less is told."""
        runs = shot.runs()
        later = {r.run_id for r in runs if self.newest is None or r.at > self.newest}
        now = {r.run_id for r in runs}
        return self.told <= now and now - self.told <= later


@dataclass(frozen=True)
class _Carried:
    """What one recipient's findings were read from at a moment, and what was made of them: at the next moment both are
    the same unless one of these has changed, and to read them costs a second for each ten thousand."""

    files: tuple[str, ...]
    plain: bool
    all_told: bool
    runs: _Runs
    telescopes: object
    kept: dict[str, Known]
    stamp: int

    @classmethod
    def of(cls, view: KeptView) -> _Carried:
        """From a view."""
        shot = view.shot
        files, all_told = tuple(shot.files("findings")), shot.told_runs is None
        return cls(files, view.plain, all_told, _Runs.of(shot), view.telescopes, view.kept, view.stamp)

    def holds(self, view: KeptView) -> bool:
        """True when nothing has come but runs closed later, of which no finding stored before can tell."""
        shot = view.shot
        if tuple(shot.files("findings")) != self.files or view.telescopes != self.telescopes:
            return False
        if self.all_told or shot.told_runs is None:
            return self.all_told and shot.told_runs is None
        return self.runs.grew(shot)


@dataclass
class Seen:
    """What one recipient sees of one moment; shared by all who have that view."""

    view: KeptView
    config: Config
    _pivots: Pivots | None = None
    _days: tuple[date, date] | bool | None = False
    _answers: OrderedDict[tuple[str, ...], Answer] = field(default_factory=OrderedDict)
    _kept: int = 0
    _things: dict[str, object] = field(default_factory=dict)
    _many: OrderedDict[tuple[object, ...], object] = field(default_factory=OrderedDict)
    _late: dict[tuple[object, ...], tuple[float, _Runs, object]] = field(default_factory=dict)
    """Shared with the moments before."""
    _clock: Callable[[], float] = time.monotonic
    _making: dict[tuple[str, ...], threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def shot(self) -> Snapshot:
        """For questions whose answers are not masked. Raises Forbidden when this view is masked."""
        if not self.view.plain:
            raise Forbidden(
                f"the view of {self.view.recipient.name} is anonymised, which this question cannot be",
                todo="Ask for findings, or ask an administrator for another view.",
            )
        return self.view.shot

    def pivots(self) -> Pivots:
        """Answers to `pivot`; what many of them share is kept. Raises Forbidden when this view is masked."""
        from noroshi.ask.pivot import Pivots

        shot = self.shot
        with self._lock:
            if self._pivots is None:
                outside = not self.view.recipient.may_see(DEFAULT)
                self._pivots = Pivots(
                    shot,
                    _own(self.config, outside),
                    restricted=outside,
                    unseen=self.view.telescopes,
                    judged=lambda kind, value: self.known.by_subject.get((kind, value), ()),
                )
            return self._pivots

    @property
    def known(self) -> Known:
        """The findings they may see, masked."""
        return self.view.known

    def days(self) -> tuple[date, date] | None:
        """First and last UTC day with anything they see; None when there is nothing."""
        if isinstance(self._days, bool):
            # Findings may be of days whose rows are gone.
            row = self.view.shot.sql(
                "SELECT min(first) AS first, max(last) AS last FROM"
                " (SELECT min(day) AS first, max(day) AS last FROM links"
                " UNION ALL SELECT min(first_seen)::DATE, max(last_seen)::DATE FROM findings)"
            ).to_pylist()[0]
            self._days = (row["first"], row["last"]) if row["first"] else None
        return self._days

    def once(self, key: str, make: Callable[[], T]) -> T:
        """What `make` gives from this view alone, made once for this moment; small things, for pages."""
        with self._lock:
            if key in self._things:
                return cast("T", self._things[key])
            making = self._making.setdefault(("once", key), threading.Lock())
        with making:
            if key not in self._things:
                self._things[key] = make()
            with self._lock:
                self._making.pop(("once", key), None)
            return cast("T", self._things[key])

    def recall(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """The same for what also depends on the question, which `key` says in full; the KEPT_THINGS last asked for."""
        with self._lock:
            if key in self._many:
                self._many.move_to_end(key)
                return cast("T", self._many[key])
            making = self._making.setdefault(("recall", *map(str, key)), threading.Lock())
        with making:
            with self._lock:
                if key in self._many:
                    return cast("T", self._many[key])
            try:
                made = make()
                with self._lock:
                    self._many[key] = made
                    while len(self._many) > KEPT_THINGS:
                        self._many.popitem(last=False)
                return made
            finally:
                with self._lock:
                    self._making.pop(("recall", *map(str, key)), None)

    def lately(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """As `recall`, or what was made LATELY_S ago at most at a moment since which only runs came."""

        def found() -> T:
            with self._lock:
                late = self._late.get(key)
            if late and self._clock() - late[0] <= LATELY_S and late[1].grew(self.view.shot):
                return cast("T", late[2])
            made = make()
            with self._lock:
                self._late[key] = (self._clock(), _Runs.of(self.view.shot), made)
                while len(self._late) > KEPT_THINGS:
                    # Other moments have locks of their own, and the same dictionary.
                    self._late.pop(next(iter(self._late), key), None)
            return made

        return self.recall(key, found)

    def remember(self, key: tuple[str, ...], make: Callable[[], Answer]) -> Answer:
        """The answer to a question at this moment, made once."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:  # of fifty who ask the same at once, one works and the others wait for it
            with self._lock:
                found = self._answers.get(key)
            return found or self._made(key, make)

    def _made(self, key: tuple[str, ...], make: Callable[[], Answer]) -> Answer:
        try:
            made = make()
            if len(made.body) <= KEPT_ONE:
                with self._lock:
                    self._answers[key] = made
                    self._kept += len(made.body)
                    while self._kept > KEPT_BYTES:
                        self._kept -= len(self._answers.popitem(last=False)[1].body)
            return made
        finally:
            with self._lock:
                self._making.pop(key, None)


class Reader:
    """The lake as it is now, for those who ask. Safe to share between threads."""

    def __init__(
        self, lake: Lake, config: Config, state: State, seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.lake, self.config, self.state = lake, config, state
        self._clock, self.seconds = clock, seconds
        self._looked = float("-inf")
        self._known: tuple[int, ...] = (-1,)
        self._shot: Snapshot | None = None
        self._seen: dict[Recipient, Seen] = {}
        self._carried: dict[Recipient, _Carried] = {}
        self._late: dict[Recipient, dict[tuple[object, ...], tuple[float, _Runs, object]]] = {}
        self._answers = Answers()
        self._stamps = itertools.count(1)
        self._lasting: OrderedDict[tuple[object, ...], object] = OrderedDict()
        self.generation = 0
        """Counts the snapshots taken: two equal numbers are one moment."""
        self._lock, self._looking = threading.Lock(), threading.Lock()

    def shot(self) -> Snapshot:
        """The newest snapshot, unrestricted: for this class and the events it makes, never for an answer."""
        due = self._shot is None or self._clock() - self._looked >= EVERY_S
        # Whoever comes while another looks goes on with what there is; at the very first all wait.
        if due and self._looking.acquire(blocking=self._shot is None):
            try:
                self._look()
            finally:
                self._looking.release()
        assert self._shot is not None
        return self._shot

    def renew(self) -> None:
        """Looks now: called by who has just written, so that they read what they wrote."""
        with self._looking:
            self._look(always=True)

    def _look(self, *, always: bool = False) -> None:
        from noroshi.lake.version import version

        if not always and self._shot is not None and self._clock() - self._looked < EVERY_S:
            return
        found = version(self.lake)
        if found != self._known or self._shot is None or always:
            try:
                shot = self.lake.snapshot()
            except NoroshiError:
                if self._shot is None:
                    raise
                self._looked = self._clock()  # what there was is still right; it is tried again in a second
                return
            shot.answers = self._answers
            with self._lock:
                before = dict(self._seen)
            carried = self._carried | {to: _Carried.of(seen.view) for to, seen in before.items()}
            with self._lock:
                self._shot, self._seen = shot, {}
                self._carried = dict(list(carried.items())[-CARRIED:])
                self.generation += 1
            fresh = max(found) > time.time_ns() - _TICK_NS
            self._known = (-1,) if fresh else found
        self._looked = self._clock()

    def seen(self, to: Recipient) -> Seen:
        """What a recipient sees now."""
        from noroshi.work.gate import open_view

        shot = self.shot()
        with self._lock:
            found = self._seen.get(to) if shot is self._shot else None
        if found is None:
            plain = open_view(self.lake, self.config, to, shot=shot)
            plain.shot.patience = self.seconds
            view = KeptView.of(plain)
            carried = self._carried.get(to)
            # A mask may be another by now (its profile's file, its epoch): what is masked is masked anew.
            held = carried if carried and carried.plain and view.plain and carried.holds(view) else None
            view = replace(
                view, kept=held.kept if held else {}, stamp=held.stamp if held else next(self._stamps)
            )
            late = self._late.setdefault(to, {}) if len(self._late) < CARRIED or to in self._late else {}
            made = Seen(view, self.config, _late=late, _clock=self._clock)
            with self._lock:
                found = self._seen.setdefault(to, made) if shot is self._shot else made
        return found

    def lasting(self, key: str, views: Sequence[View], make: Callable[[], T]) -> T:
        """What `make` gives from the findings of these views alone, made once for as long as those stay the same; the
        KEPT_THINGS last asked for."""
        if not all(isinstance(v, KeptView) for v in views):
            return make()
        name = (key, *(v.stamp for v in views if isinstance(v, KeptView)))
        with self._lock:
            if name in self._lasting:
                self._lasting.move_to_end(name)
                return cast("T", self._lasting[name])
        made = make()
        with self._lock:
            self._lasting[name] = made
            while len(self._lasting) > KEPT_THINGS:
                self._lasting.popitem(last=False)
        return made

    def view(self, to: Recipient, now: datetime | None = None) -> View:
        """The same as a view with the clock of this request."""
        return replace(self.seen(to).view, now=now or datetime.now(UTC))


def _own(config: Config, outside: bool) -> Own:
    from pathlib import Path

    from noroshi.ask.pivot import Own

    where = config.path.parent if config.path else Path()
    country, network = (str(where / p) if p else "" for p in (config.context.country, config.context.network))
    if outside:
        return Own(country=country, network=network)
    telescopes = tuple((t.name, tuple(t.prefixes)) for t in config.telescopes)
    return Own(config.own, telescopes, country, network)
