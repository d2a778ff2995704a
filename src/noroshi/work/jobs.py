"""What the `[[job]]` entries say, done when they say it: one after another, `follow` each in a thread of its own.

A job that fails is told and tried again at its next time; it never stops the others. When the program was not
running at a time of day, the job is done once when it starts again.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from noroshi.config import JobEntry, seconds
from noroshi.model.errors import NoroshiError
from noroshi.work.tasks import TASKS, Context

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import JobState, State

Tell = Callable[[str, str], None]
"""Called with a job's name and what it did or why it failed."""
LONGEST_WAIT_S = 60.0
"""The clock may be set meanwhile: due times are looked at again at least this often."""


def name(entry: JobEntry) -> str:
    """What a job is called: its own name, else what it does."""
    return entry.name or entry.do


def due(entry: JobEntry, last: datetime | None, now: datetime, zone: tzinfo) -> datetime:
    """When a job is to be done next, UTC; in the past when it is due. last: when it last began, None for never."""
    if entry.every:
        return now if last is None else last + timedelta(seconds=seconds(entry.every))
    hour, minute = map(int, entry.at.split(":"))
    local = now.astimezone(zone)
    today = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    latest = (today if today <= local else today - timedelta(days=1)).astimezone(UTC)
    if last is None or last < latest:
        # Never done: the next time counts, so that a first start does not do everything at once.
        return latest if last is not None else latest + timedelta(days=1)
    return latest + timedelta(days=1)


@dataclass
class Runner:
    """Runs the jobs of a configuration until `stop` is set."""

    lake: Lake
    config: Config
    state: State
    tell: Tell
    stop: threading.Event = field(default_factory=threading.Event)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, *, once: bool = False) -> int:
        """Does what is due, then waits for the next; with `once`, everything once. How many jobs failed."""
        contexts = {name(e): Context(self.lake, self.config, self.state, self.stop) for e in self.config.jobs}
        follows = [e for e in self.config.jobs if e.do == "follow" and not once]
        threads = [
            threading.Thread(target=self._follow, args=(e, contexts[name(e)]), daemon=True) for e in follows
        ]
        for thread in threads:
            thread.start()
        failed = 0
        timed = [e for e in self.config.jobs if once or e.do != "follow"]
        while not self.stop.is_set():
            known = self.state.jobs.all()
            ready = timed if once else [e for e in timed if self._due(e, known) <= self.now()]
            for entry in ready:
                if not self.stop.is_set():
                    failed += not self._do(entry, contexts[name(entry)], once=once)
            if once:
                break
            self.stop.wait(self._pause(timed))
        self.stop.set()
        for thread in threads:
            thread.join()
        return failed

    def _due(self, entry: JobEntry, known: Mapping[str, JobState]) -> datetime:
        was = known.get(name(entry))
        return due(entry, was.started if was else None, self.now(), self.config.timezone)

    def _pause(self, timed: list[JobEntry]) -> float:
        """Seconds until the next job, at most LONGEST_WAIT_S."""
        known = self.state.jobs.all()
        waits = [(self._due(e, known) - self.now()).total_seconds() for e in timed]
        return max(0.0, min([LONGEST_WAIT_S, *waits]))

    def _do(self, entry: JobEntry, context: Context, *, once: bool = False) -> bool:
        """Does one job; false when it failed."""
        self.state.jobs.started(name(entry))
        began = time.monotonic()
        problem = summary = ""
        try:
            summary = TASKS[entry.do](entry, context, once)
        except NoroshiError as e:
            problem = str(e)
        except Exception:  # noqa: BLE001 - a fault in one job must not end the others; it is told in full
            problem = f"a fault in Noroshi, please report it:\n{traceback.format_exc()}"
        self.state.jobs.ended(name(entry), problem, summary)
        took = f"{time.monotonic() - began:.1f} s"
        self.tell(name(entry), f"failed after {took}: {problem}" if problem else f"{summary} ({took})")
        return not problem

    def _follow(self, entry: JobEntry, context: Context) -> None:
        """Follows a folder; begins again a while after a failure."""
        pause = 5.0
        while not self.stop.is_set():
            if self._do(entry, context):
                pause = 5.0
            self.stop.wait(pause)
            pause = min(300.0, pause * 2)
