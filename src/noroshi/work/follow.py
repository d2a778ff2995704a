"""A folder that captures are written into: each file stored once it is finished, whatever happens between.

A file is finished when a newer one of its pattern exists (the name with its groups of digits generalised:
`tel-20240401-0100.pcap` and `tel-20240401-0200.pcap` are of one pattern), or when it has not changed for a
while. Nothing is moved, renamed or deleted.

What was stored is known from the lake's runs. So that a restart need not digest everything again, a small
file in the lake's folder remembers path, size and time of what was done; losing it costs time, never rows.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from noroshi import registry
from noroshi.model.errors import UsageError
from noroshi.observe.find import Found, find
from noroshi.observe.source import Opened, printable
from noroshi.observe.stored import CHUNK
from noroshi.work.ingest import UNKNOWN, IngestResult, ingest

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.runs import RunInfo
    from noroshi.model.tlp import Tlp

QUIET_S: Final = 1.0
"""With a newer file beside it, this much quiet is asked all the same: a writer may have bytes to flush."""
BATCH_FILES: Final = 256
BATCH_BYTES: Final = 1 << 30
SHARE_OF_A_CORE: Final = 0.02
"""Looking through a folder of many files takes longer; the pause grows with it so that this share holds."""
_DIGITS = re.compile(r"\d+")
_PACKED = (".gz", ".zst", ".xz")


@dataclass(frozen=True)
class Clock:
    """The times follow goes by; tests bring their own."""

    now: Callable[[], float] = time.time
    """Seconds since 1970, to compare with file times."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds that never jump, for what was watched."""


def follow(
    lake: Lake,
    folder: str | os.PathLike[str],
    *,
    config: Config,
    settle_s: float = 60.0,
    poll_s: float | None = None,
    once: bool = False,
    stop: threading.Event | None = None,
    on_result: Callable[[IngestResult], None] | None = None,
    clock: Clock | None = None,
    as_format: str | None = None,
    tlp: Tlp | None = None,
    source_name: str | None = None,
    workers: int | None = None,
    options: Mapping[str, Path] | None = None,
    compact: bool = True,
    progress: Callable[[int], None] | None = None,
) -> list[IngestResult]:
    """Store every finished file under `folder` until `stop` is set; with `once`, what is finished now.

    settle_s: a file unchanged for this long is finished. poll_s: pause between looks, by default a tenth of
    settle_s within 0.2 to 10 s.
    Returns the results; with `on_result` they are handed over as they come instead, and the list is empty,
    so that a year of files needs no memory.
    Raises UsageError when `folder` is none, LakeError when the lake cannot take rows; what was finished
    before stays and a restart goes on where this ended.
    """
    if not os.path.isdir(folder):
        raise UsageError(
            "is not a folder", where=printable(folder), todo="Name the folder captures arrive in."
        )
    stop = stop or threading.Event()
    results: list[IngestResult] = []
    hand_on = on_result or results.append
    watch = Follower(
        lake, os.fspath(folder), settle_s=settle_s, clock=clock or Clock(), source_name=source_name, once=once
    )
    pause_s = min(10.0, max(0.2, settle_s / 10)) if poll_s is None else poll_s
    while not stop.is_set():
        began = time.monotonic()
        ready = watch.look()
        took = time.monotonic() - began
        while ready and not stop.is_set():
            # One call for many files, so that small ones share commits; the sources stop when told to.
            batch = _batch(ready)
            ready = ready[len(batch) :]
            work = watch.unknown(batch, stop)
            done = ingest(
                lake, (f for f in work if not stop.is_set()), config=config, as_format=as_format,
                tlp=tlp, source_name=source_name, workers=workers, progress=progress, options=options,
                compact=compact,
            )  # fmt: skip
            watch.stored(work, done)
            for result in done:
                hand_on(result)
        if once:
            break
        stop.wait(max(pause_s, took / SHARE_OF_A_CORE))
    return results


def _batch(ready: list[Found]) -> list[Found]:
    """The first few files that are stored in one go: what a killed process has to do again."""
    total = 0
    for i, found in enumerate(ready):
        total += found.size
        if i == BATCH_FILES or total > BATCH_BYTES:
            return ready[: max(1, i)]
    return ready


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a file that was done: a line of the state file."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int = 0
    """Only of what could not be read, so that a change of rights is noticed; else 0."""

    def matches(self, found: Found) -> bool:
        """True when the file still looks as it did."""
        same = (self.size, self.mtime_ns) == (found.size, found.mtime_ns)
        return same and self.ctime_ns in (0, found.ctime_ns)


class Follower:
    """What is known of a folder between two looks."""

    def __init__(
        self, lake: Lake, folder: str, *, settle_s: float, clock: Clock, source_name: str | None = None,
        once: bool = False,
    ) -> None:  # fmt: skip
        self._lake, self._folder, self._settle_s, self._clock = lake, folder, settle_s, clock
        self._source_name, self._once = source_name, once
        self._done: dict[str, Entry] = {}
        self._watched: dict[str, tuple[int, int, float]] = {}
        """Size, time and since when both have been the same."""
        self._grew: dict[str, int] = {}
        """How often a file grew after it had been taken for finished."""
        self._distrusted: set[tuple[str, str]] = set()
        """Patterns in which a newer file does not mean that the older is finished (two at a time)."""
        self._replaces: dict[str, list[str]] = {}
        """Runs to forget once the file that continues what they hold is stored."""
        name = hashlib.sha256(os.fsencode(os.path.abspath(folder))).hexdigest()[:12]
        self._state = Path(lake.path) / f"follow-{name}.jsonl"
        self._load()

    # --- what is finished -----------------------------------------------------------------------------

    def look(self) -> list[Found]:
        """Files that are finished and not done, oldest first."""
        files = [f for f in find([self._folder], exclude=(self._lake.path,)) if f.reason != "vanished"]
        here = {f.path for f in files}
        for gone in [p for p in self._watched if p not in here]:
            del self._watched[gone]
        newest: dict[tuple[str, str], Found] = {}
        for f in files:
            best = newest.get(pattern(f.path))
            if best is None or _age(f) > _age(best):
                newest[pattern(f.path)] = f
        ready = [f for f in files if self._open(f) and self._finished(f, newest[pattern(f.path)])]
        return sorted(ready, key=_age)

    def _open(self, found: Found) -> bool:
        """True when the file is not done, or no longer what was done."""
        entry = self._done.get(found.path)
        if entry is None:
            return True
        if entry.matches(found):
            return False
        if found.path not in self._watched and found.size > entry.size:
            self._grew[found.path] = self._grew.get(found.path, 0) + 1
            self._distrusted.add(pattern(found.path))
        return True

    def _finished(self, found: Found, newest: Found) -> bool:
        size, mtime_ns, since = self._watched.get(found.path, (-1, -1, 0.0))
        now = self._clock.monotonic()
        if (size, mtime_ns) != (found.size, found.mtime_ns):
            since = now
            self._watched[found.path] = (found.size, found.mtime_ns, now)
        # A file time may be in the future on another machine's disk: then only watching counts.
        age = self._clock.now() - found.mtime_ns / 1e9
        unchanged = max(now - since, age)
        if newest is not found and pattern(found.path) not in self._distrusted:
            return self._once or unchanged >= min(QUIET_S, self._settle_s)
        return unchanged >= self._settle_s * (1 << min(6, self._grew.get(found.path, 0)))

    # --- what is known --------------------------------------------------------------------------------

    def unknown(self, ready: list[Found], stop: threading.Event) -> list[Found]:
        """Those whose bytes the lake does not have; the others are remembered as done."""
        runs = self._runs() if any(not f.reason for f in ready) else []
        by_size: dict[int, list[RunInfo]] = {}
        by_path: dict[str, list[RunInfo]] = {}
        for run in runs:
            by_size.setdefault(run.size or 0, []).append(run)
            by_path.setdefault(run.path, []).append(run)
        work = []
        for found in ready:
            if stop.is_set():
                break
            if found.reason:
                work.append(found)
                continue
            same = [r for r in by_size.get(found.size, []) if self._counts(r)]
            earlier = [r for r in by_path.get(found.name, []) if (r.size or 0) < found.size]
            try:
                known = self._known(found, same, earlier) or self._is_twin(found, by_path)
            except OSError:
                known = False  # reading it properly will tell why
            if known:
                self._forget(found)
                self._remember(found)
            else:
                work.append(found)
        return work

    def _runs(self) -> list[RunInfo]:
        return [r for r in self._lake.snapshot().runs() if r.sha256]

    def _counts(self, run: RunInfo) -> bool:
        """True when a run stands for its bytes today: a newer parser would read them again."""
        if self._source_name and run.source != self._source_name:
            return False
        return run.format in registry.SENSORS and run.parser_version >= registry.sensor(run.format).version

    def _known(self, found: Found, same: list[RunInfo], earlier: list[RunInfo]) -> bool:
        """True when a run has the same bytes; runs that have the first part of them are to be replaced."""
        if not same and not earlier:
            return False
        sizes = {found.size} | {r.size or 0 for r in earlier}
        digests = _digests(found.path, sizes)
        stale = [r.run_id for r in earlier if digests.get(r.size or 0) == r.sha256]
        if stale:
            self._replaces[found.path] = stale
        return any(digests.get(found.size) == r.sha256 for r in same)

    def _is_twin(self, found: Found, by_path: Mapping[str, list[RunInfo]]) -> bool:
        """True for `x.pcap.gz` when `x.pcap` was stored and holds the same (tcpdump -z packs behind us)."""
        stem, suffix = os.path.splitext(found.name)
        plain = [r for r in by_path.get(stem, []) if self._counts(r)] if suffix in _PACKED else []
        if not plain:
            return False
        digest, size, most = hashlib.sha256(), 0, max(r.size or 0 for r in plain)
        with Opened(found.path) as opened:
            while size <= most and (piece := opened.stream.read(CHUNK)):
                digest.update(piece)
                size += len(piece)
            if opened.problem:
                return False
        return any((r.size, r.sha256) == (size, digest.hexdigest()) for r in plain)

    # --- what was done --------------------------------------------------------------------------------

    def stored(self, work: list[Found], results: Iterable[IngestResult]) -> None:
        """Remember what `ingest` made of `work`."""
        by_name = {f.name: f for f in work}
        for result in results:
            found = by_name.get(result.path)
            if found is not None:
                if result.format != UNKNOWN:
                    self._forget(found)
                self._remember(found, failed=result.format == UNKNOWN)

    def _forget(self, found: Found) -> None:
        """Take back the runs this file continues: its rows hold theirs."""
        for run_id in self._replaces.pop(found.path, []):
            self._lake.forget(run_id)

    def _remember(self, found: Found, failed: bool = False) -> None:
        entry = Entry(found.name, found.size, found.mtime_ns, found.ctime_ns if failed else 0)
        self._done[found.path] = entry
        self._watched.pop(found.path, None)
        # A state that cannot be written only costs the next start time.
        with contextlib.suppress(OSError), self._state.open("ab") as f:
            f.write(msgspec.json.encode(entry) + b"\n")

    def _load(self) -> None:
        """Read the state file; a line that is damaged (a process killed while writing) is not believed."""
        try:
            lines = self._state.read_bytes().splitlines()
        except OSError:
            return
        for line in lines:
            with contextlib.suppress(msgspec.DecodeError, msgspec.ValidationError):
                entry = msgspec.json.decode(line, type=Entry)
                self._done[entry.path] = entry
        self._done = {p: e for p, e in self._done.items() if os.path.lexists(p)}
        with contextlib.suppress(OSError):
            fresh = self._state.with_suffix(".tmp")
            fresh.write_bytes(b"".join(msgspec.json.encode(e) + b"\n" for e in self._done.values()))
            fresh.replace(self._state)


def pattern(path: str) -> tuple[str, str]:
    """The folder of a file, and its name with every group of digits generalised."""
    folder, name = os.path.split(path)
    return folder, _DIGITS.sub("#", name)


def _age(found: Found) -> tuple[int, list[tuple[int, str]]]:
    """What files of a pattern are ordered by: time, then the numbers in their names."""
    numbers = [(int(d), d) for d in _DIGITS.findall(os.path.basename(found.path))]
    return found.mtime_ns, numbers


def _digests(path: str, sizes: set[int]) -> dict[int, str]:
    """The SHA-256 of the first n bytes of a file, for each n of `sizes` that it has."""
    digest, at, out = hashlib.sha256(), 0, {}
    with open(path, "rb", buffering=0) as f:
        for size in sorted(sizes):
            while at < size and (piece := f.read(min(CHUNK, size - at))):
                digest.update(piece)
                at += len(piece)
            if at == size:
                out[size] = digest.copy().hexdigest()
    return out
