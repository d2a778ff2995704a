"""Long work asked for by pages and API: done in threads of its own, looked at meanwhile, its files kept for an hour.

What is made for somebody is theirs: whoever asks with another view finds nothing. Nothing of it outlives the server:
when that ends, nothing is begun any more, and what is being done is asked to end and waited for. A thread that still
reads the lake while the interpreter goes away under it would abort the process.
"""

from __future__ import annotations

import ctypes
import logging
import queue
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noroshi.model.errors import LakeError, NoroshiError
from noroshi.web.errors import NotFound, TooMany, problem

if TYPE_CHECKING:
    from noroshi.web.viewer import Viewer

LOG = logging.getLogger("noroshi.longwork")
THREADS = 2
"""Long work at once: with more, pages would wait for the machine."""
WAITING = 5
"""Pieces of work somebody may have unfinished."""
KEPT = 100
"""Finished ones that are remembered."""
KEPT_FOR = timedelta(hours=1)
KEPT_BYTES = 2 << 30
"""Bytes of files kept; the oldest go first."""
ENDING_S = 20.0
"""Seconds work has to end when the server does: a query over a large lake is not interrupted, and init systems kill
after 90."""
WAIT, RUN, DONE, FAILED = "waiting", "running", "done", "failed"


class Ending(BaseException):
    """Raised in work that is to end because the server does; no `except Exception` on the way keeps it."""


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
    ending: threading.Event = field(default_factory=threading.Event)
    """Set when the server ends: begin nothing more."""

    def step(self, count: int) -> None:
        """So many things are looked at. Raises Ending between two of them when the server ends."""
        self.count = count
        if self.ending.is_set():
            raise Ending

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


@dataclass
class _Task:
    """Work, how it is done, and the thread that does it."""

    work: Work
    do: Do
    own: bool
    thread: int | None = None


class LongWork:
    """Where long work is done. Safe to share between threads."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._works: dict[str, Work] = {}
        self._queue: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._doing: list[_Task] = []
        self._threads: list[threading.Thread] = []
        self._folder: Path | None = None
        self._closed = False

    def begin(self, viewer: Viewer, kind: str, do: Do, *, own: bool = False, **about: Any) -> Work:
        """Work that is done as soon as there is a thread for it. Raises TooMany, LakeError when the server ends.

        own: it writes its own files and nothing else, so that it may be left anywhere when the server ends. Other work
        calls `Work.step`, or looks at `Work.ending`, where it may be left.
        """
        with self._lock:
            if self._closed:
                raise _gone()
            self._tidy()
            owner = owner_of(viewer)
            if sum(w.owner == owner and not w.over for w in self._works.values()) >= WAITING:
                raise TooMany("your other work is not done yet", todo="Wait until some of it is.",
                              headers={"retry-after": "10"})  # fmt: skip
            work = Work(secrets.token_urlsafe(12), owner, kind, about, self._clock())
            self._works[work.id] = work
            if len(self._threads) < THREADS:
                # Daemons: one that does not end in time must not keep the process; `close` tells of it.
                name = f"longwork-{len(self._threads)}"
                thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
        self._queue.put(_Task(work, do, own))
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

    def stop(self) -> None:
        """Begins nothing more and asks what is being done to end; does not wait. To be called once or more."""
        with self._lock:
            first, self._closed = not self._closed, True
            for task in self._doing:
                task.work.ending.set()
                if task.own and task.thread is not None and first:
                    _raise_in(task.thread)
            for _ in self._threads:
                self._queue.put(None)

    def close(self, seconds: float = ENDING_S) -> bool:
        """Stops, waits so many seconds at most for what is being done, and removes all files.

        False when some of it has not ended: the process is to be left without ending the interpreter.
        """
        self.stop()
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        with self._lock:
            self._works.clear()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None
        return not any(t.is_alive() for t in self._threads)

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
                raise _gone()
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="noroshi-work-"))  # for this user alone
            place = self._folder / work.id
            place.mkdir()
        return place

    def _run(self) -> None:
        try:
            while task := self._queue.get():
                self._one(task)
        except Ending:  # raised a moment after the work was over
            return

    def _one(self, task: _Task) -> None:
        work = task.work
        with self._lock:
            if self._closed:
                return
            task.thread = threading.get_ident()
            self._doing.append(task)
        work.begun, work.state = self._clock(), RUN
        try:
            task.do(work, self._place(work))
            work.ended, work.state = self._clock(), DONE
        except NoroshiError as e:
            where = "" if e.where.startswith("/") else e.where
            self._failed(work, problem(e.what, where, e.todo))
        except Ending:
            LOG.info("%s was left: the server ends", work.kind)
            self._failed(work, problem("the server has ended", todo="Ask again when it is back."))
        except Exception:
            if self._closed:  # its folder is gone
                return
            LOG.exception("a fault in Noroshi at %s", work.kind)
            todo = "The server's log says more; please report it."
            self._failed(work, problem("a fault in Noroshi", todo=todo))
        finally:
            with self._lock:
                self._doing.remove(task)

    def _failed(self, work: Work, told: dict[str, Any]) -> None:
        work.problem = told
        work.ended, work.state = self._clock(), FAILED


def _gone() -> LakeError:
    return LakeError("the server is ending", todo="Ask again when it is back.")


def _raise_in(thread: int) -> None:
    """Raises Ending in a thread, as soon as it is back in Python: what writes a file is nowhere asked whether to go
    on, and cleans up behind itself whatever is raised."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Ending))


def owner_of(viewer: Viewer) -> tuple[str, ...]:
    """Who may look at what was made for a viewer: themselves, as long as they see no less than then."""
    to = viewer.recipient
    return viewer.kind, viewer.name, to.name, to.ceiling.value, to.profile
