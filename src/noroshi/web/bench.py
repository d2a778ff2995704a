"""Long work asked for by pages and API: done in threads of its own, looked at meanwhile, its files kept for an hour.

What is made for somebody is theirs: whoever asks with another view finds nothing. Nothing of it outlives the server.
"""

from __future__ import annotations

import logging
import queue
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noroshi.model.errors import LakeError, NoroshiError
from noroshi.web.errors import NotFound, TooMany, problem

if TYPE_CHECKING:
    from noroshi.web.viewer import Viewer

LOG = logging.getLogger("noroshi.bench")
THREADS = 2
"""Long work at once: with more, pages would wait for the machine."""
WAITING = 5
"""Pieces of work somebody may have unfinished."""
KEPT = 100
"""Finished ones that are remembered."""
KEPT_FOR = timedelta(hours=1)
KEPT_BYTES = 2 << 30
"""Bytes of files kept; the oldest go first."""
WAIT, RUN, DONE, FAILED = "waiting", "running", "done", "failed"


@dataclass
class Work:
    """One piece of it."""

    id: str
    owner: tuple[str, ...]
    kind: str
    """export, report, notices, publish or check."""
    about: dict[str, Any]
    """What was asked for: recipient, format, period, ..."""
    asked: datetime
    state: str = WAIT
    begun: datetime | None = None
    ended: datetime | None = None
    count: int | None = None
    """Things looked at so far; when it is done, things made."""
    result: dict[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    problem: dict[str, Any] | None = None

    @property
    def over(self) -> bool:
        """True when nothing more comes of it."""
        return self.state in (DONE, FAILED)

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(f.stat().st_size for f in self.files if f.is_file())


Do = Callable[[Work, Path], None]
"""Does it, with a folder of its own; sets count, result and files."""


class Bench:
    """Where long work is done. Safe to share between threads."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._works: dict[str, Work] = {}
        self._queue: queue.SimpleQueue[tuple[Work, Do]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._folder: Path | None = None
        self._closed = False

    def begin(self, viewer: Viewer, kind: str, do: Do, **about: Any) -> Work:
        """Work that is done as soon as there is a thread for it. Raises TooMany."""
        with self._lock:
            self._tidy()
            owner = owner_of(viewer)
            if sum(w.owner == owner and not w.over for w in self._works.values()) >= WAITING:
                raise TooMany("your other work is not done yet", todo="Wait until some of it is.",
                              headers={"retry-after": "10"})  # fmt: skip
            work = Work(secrets.token_urlsafe(12), owner, kind, about, self._clock())
            self._works[work.id] = work
            if len(self._threads) < THREADS:
                # They end with the process: nothing they do must be finished (an export is told before it is had).
                thread = threading.Thread(target=self._run, name=f"bench-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._queue.put((work, do))
        return work

    def get(self, viewer: Viewer, number: str) -> Work:
        """The work of that id. Raises NotFound when there is none that is theirs."""
        with self._lock:
            self._tidy()
            found = self._works.get(number)
        if found is None or found.owner != owner_of(viewer):
            raise NotFound(
                "there is no such work", where=number[:40], todo="It is kept for an hour; ask again."
            )
        return found

    def file(self, viewer: Viewer, number: str, name: str) -> Path:
        """A file some work has made. Raises NotFound."""
        for path in self.get(viewer, number).files:
            if path.name == name and path.is_file():
                return path
        raise NotFound("there is no such file", where=name[:100], todo="It is kept for an hour; ask again.")

    def all(self, viewer: Viewer) -> list[Work]:
        """Theirs, the newest first."""
        owner = owner_of(viewer)
        with self._lock:
            self._tidy()
            return [w for w in reversed(self._works.values()) if w.owner == owner]

    def close(self) -> None:
        """Removes all files; what is not begun is not done, and nobody is told of what ends in between."""
        with self._lock:
            self._closed = True
            self._works.clear()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    def _tidy(self) -> None:
        """What is old, or more than is kept, goes. Called with the lock held."""
        late = self._clock() - KEPT_FOR
        over = [w for w in self._works.values() if w.over]
        size = sum(w.size for w in over)
        for n, w in enumerate(over):
            if w.ended is None or (w.ended >= late and len(over) - n <= KEPT and size <= KEPT_BYTES):
                continue
            size -= w.size
            del self._works[w.id]
            if self._folder is not None:
                shutil.rmtree(self._folder / w.id, ignore_errors=True)

    def _place(self, work: Work) -> Path:
        with self._lock:
            if self._closed:
                raise LakeError("the server is ending", todo="Ask again when it is back.")
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="noroshi-work-"))  # for this user alone
            place = self._folder / work.id
            place.mkdir()
        return place

    def _run(self) -> None:
        while True:
            work, do = self._queue.get()
            if self._closed:
                return
            work.begun, work.state = self._clock(), RUN
            try:
                do(work, self._place(work))
                work.ended, work.state = self._clock(), DONE
            except NoroshiError as e:
                where = "" if e.where.startswith("/") else e.where
                work.problem = problem(e.what, where, e.todo)
                work.ended, work.state = self._clock(), FAILED
            except Exception:
                if self._closed:  # its folder is gone
                    return
                LOG.exception("a fault in Noroshi at %s", work.kind)
                work.problem = problem(
                    "a fault in Noroshi", todo="The server's log says more; please report it."
                )
                work.ended, work.state = self._clock(), FAILED


def owner_of(viewer: Viewer) -> tuple[str, ...]:
    """Who may look at what was made for a viewer: themselves, as long as they see no less than then."""
    to = viewer.recipient
    return viewer.kind, viewer.name, to.name, to.ceiling.value, to.profile
