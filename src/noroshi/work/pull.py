"""Polling in: what a TAXII server or MISP feed has that is new goes through `ingest`, then the mark is kept.

A server that is dead, slow or lying costs a message and a longer wait: marks move only when what they stand for is
stored, and everything a server can make us do is bounded (`share.pull`).
"""

from __future__ import annotations

import base64
import io
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from noroshi.config import JobEntry
from noroshi.model.errors import ConfigError, LakeError, UsageError
from noroshi.model.tlp import parse
from noroshi.observe.find import Found
from noroshi.observe.source import STDIN
from noroshi.share.pull import misp, taxii
from noroshi.share.pull.http import Access, Client, Limits, PullError, is_loopback, parsed

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import State
    from noroshi.lake.state.pulls import PullState

FIRST_WAIT: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = timedelta(days=1)
"""Waits after failures: doubled from the first up to the longest, each shortened by up to half at random, so that many
sites do not come back to a server at the same moment."""
PROBLEMS: Final = 20
"""Problems told of one time."""


@dataclass
class Pulled:
    """What came of one time."""

    name: str
    objects: int = 0
    """Objects or events taken in; what was known already is among them."""
    runs: int = 0
    """Runs stored."""
    rows: int = 0
    problems: list[str] = field(default_factory=list)
    """What was wrong although the rest was taken."""
    error: str = ""
    """Why it ended before its end."""
    waits_until: datetime | None = None
    """Nothing was asked because of earlier failures, or when it is tried again."""

    def told(self) -> str:
        """In one line."""
        if not self.objects and not self.error and self.waits_until:
            return f"waits until {self.waits_until:%Y-%m-%dT%H:%M:%SZ}"
        told = f"{self.objects:,} objects, {self.rows:,} rows"
        if not self.problems:
            return told
        more = f" and {len(self.problems) - 1} more" if self.problems[1:] else ""
        return f"{told}; {self.problems[0]}{more}"


@dataclass(frozen=True)
class _Origin(Found):
    """Something that came from a server: read from memory, named by where it came from."""

    origin: str = ""

    @property
    def name(self) -> str:
        return self.origin


def entry_of(url: str, kind: str, config: Config, **more: Any) -> JobEntry:
    """The job for an address: the configured one when there is one, else one of its own.

    Raises UsageError for what is no address.
    """
    at = parsed(url)
    for job in config.jobs:
        if job.do == "pull" and job.url == url and not any(more.values()):
            return job
    return JobEntry(do="pull", name=f"{at.host}{at.path}"[:200], url=url, kind=kind, **more)  # type: ignore[arg-type]


def named(name: str, config: Config) -> JobEntry:
    """The job to pull of that name. Raises UsageError."""
    jobs = [j for j in config.jobs if j.do == "pull"]
    for job in jobs:
        if (job.name or job.do) == name:
            return job
    known = ", ".join(j.name or j.do for j in jobs)
    raise UsageError(
        f"there is no job to pull called {name!r}",
        todo=f"Known: {known}." if known else 'Write a [[job]] with do = "pull", or give an address.',
    )


def pull(
    lake: Lake, config: Config, state: State, entry: JobEntry, *, force: bool = False,
    stopped: Callable[[], bool] = lambda: False, now: datetime | None = None, limits: Limits | None = None,
    environ: Mapping[str, str] = os.environ, chance: Callable[[], float] = random.random,
) -> Pulled:  # fmt: skip
    """Takes in what is new. force: ask now, whatever failed before.

    Raises ConfigError when the entry cannot be followed, LakeError when the lake cannot take it; what the server does
    wrong is told in the result.
    """
    now = now or datetime.now(UTC)
    name = entry.name or entry.do
    known = state.pulls.begin(name, entry.url, entry.kind)
    if known.next_try and known.next_try > now and not force:
        return Pulled(name, waits_until=known.next_try)
    work = _Pull(lake, config, state, entry, known, now, stopped)
    try:
        with Client(entry.url, access(entry, config, environ), limits or _limits(entry)) as client:
            (work.taxii if entry.kind == "taxii" else work.misp)(client)
    except PullError as e:
        wait = backed_off(known.tries, e.wait_s, chance())
        work.done.error, work.done.waits_until = str(e), now + wait
    finally:
        if work.done.runs:
            lake.compact(only_needed=True)
    state.pulls.ended(name, work.done.error, work.done.waits_until)
    return work.done


def backed_off(tries: int, asked_s: float = 0, chance: float = 0.0) -> timedelta:
    """How long to wait after a failure. tries: failures before it. asked_s: what the server asks for, within a day.
    chance: 0 to 1."""
    wait = min(FIRST_WAIT * (1 << min(tries, 20)), LONGEST_WAIT) * (1 - chance / 2)
    return max(wait, min(timedelta(seconds=asked_s), LONGEST_WAIT))


def access(entry: JobEntry, config: Config, environ: Mapping[str, str]) -> Access:
    """Keys and passwords from the environment variables the entry names. Raises ConfigError when one is missing."""
    where = f"[[job]] {entry.name or entry.do}"
    headers: dict[str, str] = {}

    def secret(variable: str) -> str:
        value = environ.get(variable, "")
        if not value or not value.isascii() or not value.isprintable():
            todo = "Set it in the environment of the program, for example in its systemd unit."
            raise ConfigError(
                f"the environment variable {variable} is missing or no plain text", where=where, todo=todo
            )
        return value

    if entry.user_env:
        pair = f"{secret(entry.user_env)}:{secret(entry.password_env)}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    if entry.api_key_env:
        usual = "Bearer " if entry.kind == "taxii" and not entry.api_key_header else ""
        headers[entry.api_key_header or "Authorization"] = usual + secret(entry.api_key_env)
    if headers and entry.url.startswith("http:") and not is_loopback(entry.url):
        raise ConfigError("a key or password would be sent without TLS", where=where, todo="Use https.")
    base = config.path.parent if config.path else None
    ca = str(base / os.path.expanduser(entry.ca)) if entry.ca and base else entry.ca
    return Access(headers, tuple(entry.hosts), ca)


def _limits(entry: JobEntry) -> Limits:
    total = entry.max_mb << 20
    return Limits(total=total, answer=min(total, Limits.answer))


class _Pull:
    def __init__(
        self, lake: Lake, config: Config, state: State, entry: JobEntry, known: PullState, now: datetime,
        stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.lake, self.config, self.state, self.entry = lake, config, state, entry
        self.now, self.stopped, self.mark = now, stopped, dict(known.mark)
        self.done = Pulled(known.name)

    def taxii(self, client: Client) -> None:
        """Every collection from its mark on; one that fails does not keep the others from being read."""
        failed: list[PullError] = []
        for one in taxii.collections(client, tuple(self.entry.collections)):
            if self.stopped():
                return
            try:
                for page in taxii.pages(client, one, taxii.Mark.of(self.mark.get(one.url)), self.now):
                    if page.bundle:
                        self._store(page.bundle, "stix", one.url)
                    if page.problem:
                        self._problem(f"{one.title or one.id}: {page.problem}")
                    self.mark[one.url] = page.mark.kept()
                    self.state.pulls.stored(self.done.name, self.mark, page.objects)
                    self.done.objects += page.objects
                    if self.stopped():
                        return
            except PullError as e:
                failed.append(e)
        if failed:
            raise failed[0]

    def misp(self, client: Client) -> None:
        """The events that are new by the manifest."""
        wanted, _, problems = misp.changed(client, self.state.pulls.items(self.done.name))
        for problem in problems:
            self._problem(problem)
        for batch in misp.batches(client, wanted, self.stopped):
            for problem in batch.problems:
                self._problem(problem)
            if batch.document:
                self._store(batch.document, "misp", self.entry.url)
                self.state.pulls.took(self.done.name, batch.items)
                self.state.pulls.stored(self.done.name, self.mark, len(batch.items))
                self.done.objects += len(batch.items)

    def _store(self, body: bytes, format: str, origin: str) -> None:
        """Into the lake, as a run of its own; raises LakeError, and then no mark moves."""
        from noroshi.work.ingest import ingest

        (result,) = ingest(
            self.lake, [_Origin(STDIN, origin=origin)], config=self.config, as_format=format,
            tlp=parse(self.entry.tlp) if self.entry.tlp else None,
            source_name=self.entry.source or self.done.name, stdin=io.BytesIO(body), compact=False,
        )  # fmt: skip
        if result.known:
            return
        if not result.run_id:
            raise LakeError("what was pulled could not be stored", where=origin,
                            todo="Check the disk; it is pulled again at the next time.")  # fmt: skip
        self.done.runs += 1
        self.done.rows += sum(result.tables.values())
        if result.problem:
            self._problem(result.problem)

    def _problem(self, text: str) -> None:
        if len(self.done.problems) < PROBLEMS:
            self.done.problems.append(text[:500])
