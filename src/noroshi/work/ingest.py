"""Sources into the lake: find, open, sniff, read, store; what cannot be read leaves a run with a reject."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import gc
import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from noroshi import registry
from noroshi.lake import raw
from noroshi.lake.runs import OPTIONS
from noroshi.model.errors import LakeError, NoroshiError, SourceError, UsageError
from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading, Sensor
from noroshi.model.tlp import DEFAULT, Tlp, parse
from noroshi.observe.find import Found, find
from noroshi.observe.source import HEAD, STDIN, Opened
from noroshi.work.growing import Resume, resume

if TYPE_CHECKING:
    from noroshi.config import Config, SourceEntry
    from noroshi.lake.handle import Lake
    from noroshi.lake.runs import RunLog
    from noroshi.lake.writer import Run, RunResult, Writer

REJECTS_PER_REASON: Final = 1_000
"""Rejects of one reason a run keeps one by one; what follows is counted in one row. A capture of rubbish
would otherwise fill the lake with its own description; a thousand places are more than anyone looks at."""
UNTOLD: Final = ("not-stored", "no-evidence")
"""Reasons that are no trouble: a log of a kind that is known and of no use here, a list of words for machines."""
UNKNOWN: Final = "unknown"
"""Format of a run whose source no sensor knows."""
_LOOSE: Final = ("ioc-csv", "ioc-json", "ioc-list", "report")
"""Formats that know a text by its looks: a mapping, which somebody wrote for it, knows better."""
_KNOWN_OTHERWISE: Final = (
    (b"BZh", "bzip2 data"), (b"PK\x03\x04", "a zip archive"), (b"\x04\x22\x4d\x18", "lz4 data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"), (b"\x7fELF", "a program"), (b"MZ", "a program"),
    (b"%PDF", "a PDF document"), (b"SQLite format 3", "an SQLite database"), (b"PAR1", "a Parquet file"),
)  # fmt: skip
"""What people mistake for a capture; named in the message so that they know what to do."""


@dataclass(frozen=True)
class IngestResult:
    """What became of one source."""

    path: str
    format: str
    run_id: str
    sha256: str
    tables: dict[str, int] = field(default_factory=dict)
    """Rows stored, by table."""
    rejects: int = 0
    seconds: float = 0.0
    known: bool = False
    """The lake had these bytes already; nothing was added."""
    problem: str = ""
    """Why the source could not be read, or not to its end; empty when it was."""

    def to_json(self) -> dict[str, Any]:
        """One element of `runs` in the form of DESIGN.md."""
        return {
            "path": self.path, "format": self.format, "run_id": self.run_id, "sha256": self.sha256,
            "tables": dict(self.tables), "rejects": self.rejects, "seconds": round(self.seconds, 3),
            "known": self.known, "problem": self.problem,
        }  # fmt: skip


def ingest(
    lake: Lake,
    paths: Iterable[str | os.PathLike[str] | Found],
    *,
    config: Config,
    as_format: str | None = None,
    tlp: Tlp | None = None,
    source_name: str | None = None,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
    on_file: Callable[[str, int], None] | None = None,
    stdin: BinaryIO | None = None,
    options: Mapping[str, Path] | None = None,
    compact: bool = True,
) -> list[IngestResult]:
    """One result per source under `paths` (files, folders, `-`), in the order they were read.

    options: files that tell sensors what columns mean, see `Reading.options`.
    compact: sort what is in many small files afterwards, where that makes questions faster.
    tlp: default marking; else that of the first `[[source]]` entry whose path matches; else AMBER+STRICT.
    workers: threads that decode; as many as there are cores unless said.
    progress: called with the stored bytes consumed, from any thread. on_file: with each source's name and
    size before it is read.
    Raises UsageError when `as_format` is no format, LakeError when the lake cannot take rows (a full disk):
    runs finished before that stay, the one at hand leaves nothing visible.
    """
    if as_format is not None and as_format not in registry.SENSORS:
        todo = f"Known: {', '.join(registry.SENSORS)}."
        raise UsageError(f"there is no format {as_format!r}", todo=todo)
    job = _Job(
        config=config, as_format=as_format, tlp=tlp, source_name=source_name,
        workers=workers or os.cpu_count() or 1, progress=progress, stdin=stdin, log=lake.log,
        lake_path=lake.path,
        options=options or {},
    )  # fmt: skip
    results: list[IngestResult] = []
    try:
        with lake.writer() as writer, _seldom_collected():
            for found in find(paths, exclude=(lake.path,)):
                if on_file:
                    on_file(found.name, found.size)
                results.append(_one(writer, found, job))
    except OSError as e:
        if isinstance(e, NoroshiError) or e.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        raise LakeError(
            f"cannot be written to: {e.strerror}",
            where=str(lake.path),
            todo="Nothing of the source at hand is visible. Make room and run the same command again; "
            "what is stored already is not stored twice.",
        ) from e
    if compact:
        with contextlib.suppress(LakeError):  # everything is stored; it is tried again the next time
            lake.compact(only_needed=True)
    return results


@contextlib.contextmanager
def _seldom_collected() -> Iterator[None]:
    """Rows are gathered as tuples by the ten thousand, none of them in a cycle: looking for cycles after every 700
    took a tenth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def first_run() -> str:
    """What to tell a person who would otherwise wonder why nothing moves; empty when code is compiled already."""
    from noroshi.wire import jit  # chooses the folder that compiled code is kept in

    folder = os.environ.get("NUMBA_CACHE_DIR")
    if jit.CACHED and folder and any(Path(folder).rglob("*.nbi")):
        return ""
    return "Compiling for this machine, 10 to 20 s of CPU time" + (
        ", once." if jit.CACHED else "; it cannot be kept."
    )


@dataclass(frozen=True)
class _Job:
    """What holds for all sources of one call."""

    config: Config
    as_format: str | None
    tlp: Tlp | None
    source_name: str | None
    workers: int
    progress: Callable[[int], None] | None
    stdin: BinaryIO | None
    log: RunLog
    options: Mapping[str, Path]
    lake_path: Path

    def entry(self, path: str) -> SourceEntry | None:
        """The first `[[source]]` whose glob matches the path as given or in full."""
        full = os.path.abspath(path) if path != STDIN else STDIN
        for entry in self.config.sources:
            pattern = os.path.expanduser(entry.path)
            if fnmatch.fnmatchcase(full, pattern) or fnmatch.fnmatchcase(path, pattern):
                return entry
        return None


def _one(writer: Writer, found: Found, job: _Job) -> IngestResult:
    began = time.monotonic()
    entry = job.entry(found.path)
    marking = job.tlp or (parse(entry.tlp) if entry and entry.tlp else DEFAULT)
    named = job.source_name or (entry.name if entry else "") or found.name
    wanted = job.as_format or (entry.format if entry else "")

    def begin(format: str, version: int) -> Run:
        return writer.begin(path=found.name, source=named, format=format, parser_version=version, tlp=marking)

    if found.reason:
        result = _refused(begin, found.name, found.reason, found.problem)
    else:
        try:
            opened = Opened(found.path, stdin=job.stdin, advance=job.progress)
        except SourceError as e:  # vanished or changed its nature since it was found
            result = _refused(begin, found.name, "unreadable", e.what)
        else:
            with opened:
                result = _read(begin, opened, wanted, job, _options(entry, job))
    return replace(result, seconds=time.monotonic() - began)


def _refused(begin: Callable[[str, int], Run], name: str, reason: str, problem: str) -> IngestResult:
    run = begin(UNKNOWN, 0)
    with _dropped_on_failure(run):
        run.reject(Reject(0, reason, problem))
        done = run.finish(sha256="", size=0, counts={}, problem=problem)
    return _result(done, name, UNKNOWN, "", problem)


def _options(entry: SourceEntry | None, job: _Job) -> Mapping[str, Path]:
    """The files given along, that of the source's entry unless another was named."""
    named = {"mapping": entry.mapping, "schema": entry.schema} if entry else {}
    return {n: Path(os.path.expanduser(path)) for n, path in named.items() if path} | dict(job.options)


class _Asked(Mapping[str, Path]):
    """The files given along, and which of them the sensor wanted: others do not change what it reads."""

    def __init__(self, options: Mapping[str, Path]) -> None:
        self._options = options
        self._asked: set[str] = set()

    def __getitem__(self, name: str) -> Path:
        self._asked.add(name)
        return self._options[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)

    def counts(self) -> dict[str, str]:
        """What the run's counts keep: a digest of the files' bytes, so that a changed mapping is read again."""
        digest = hashlib.sha256()
        used = sorted(self._asked & self._options.keys())
        for name in used:
            with contextlib.suppress(OSError):  # the sensor has told already
                digest.update(
                    f"{name}\0".encode() + hashlib.sha256(self._options[name].read_bytes()).digest()
                )
        return {OPTIONS: digest.hexdigest()[:16]} if used else {}


def _chosen(head: bytes, wanted: str, options: Mapping[str, Path]) -> Sensor | None:
    """The sensor for a source: the one that is asked for, else the one that knows it, else its mapping's."""
    if wanted:
        return registry.sensor(wanted)
    found = sniff(head)
    if "mapping" in options and (found.name in _LOOSE if found else _is_text(head) and bool(head)):
        return registry.sensor("mapped")
    return found


def _read(
    begin: Callable[[str, int], Run], opened: Opened, wanted: str, job: _Job, options: Mapping[str, Path]
) -> IngestResult:
    sensor = _chosen(opened.head, wanted, options)
    if sensor is None:
        return _unknown(begin, opened)
    asked = _Asked(options)
    reading = Reading(
        stream=opened.stream, name=opened.name, source_date_us=opened.source_date_us,
        inside=job.config.telescope_prefixes, workers=job.workers, head=opened.head,
        options=asked,
    )  # fmt: skip
    gone_on = _gone_on(sensor, opened, job)
    if gone_on.known:
        return IngestResult(
            opened.name, sensor.name, gone_on.known, opened.sha256(), known=True, problem=opened.problem
        )
    if gone_on.start:
        opened.begin_at(gone_on.start)
        reading.start = gone_on.start
    run = begin(sensor.name, sensor.version)
    with _dropped_on_failure(run):
        gate = RejectGate(run.reject)
        try:
            with _raw_kept(job, sensor, run, reading):
                for item in sensor.read(reading):
                    if isinstance(item, Reject):
                        gate.reject(item)
                    else:
                        run.write(item)
        except SourceError as e:
            reading.problem = reading.problem or e.what
            gate.reject(Reject(0, "unreadable", e.what, opened.head))
        digest, size = opened.sha256(), opened.size()
        # A log that grew meanwhile is no problem: what came is read the next time.
        broken = "" if sensor.grows and opened.problem_reason == "changed" else opened.problem
        if broken:
            gate.reject(Reject(opened.position, opened.problem_reason, broken))
        gate.close()
        problem = "; ".join(p for p in (reading.problem, broken) if p)
        counts = reading.counts | gone_on.counts() | asked.counts()
        done = run.finish(sha256=digest, size=size, counts=counts, problem=problem)
        if done.known:
            raw.remove(job.lake_path, [run.run_id])
    # The source was read to its end, but not all of it: the run has no problem, the reader of this hears of it.
    return _result(done, opened.name, sensor.name, digest, problem or gate.told())


@contextlib.contextmanager
def _raw_kept(job: _Job, sensor: Sensor, run: Run, reading: Reading) -> Iterator[None]:
    """Keeps the text a run is read from when `keep_raw` says so; captures are not text."""
    if not job.config.keep_raw or "flows" in sensor.tables:
        yield
        return
    keeper = raw.Keeper(job.lake_path, run.run_id)
    reading.stream = cast("BinaryIO", raw.Teed(reading.stream, keeper))
    try:
        yield
        keeper.close()
    except BaseException:
        keeper.abort()
        raise


def _gone_on(sensor: Sensor, opened: Opened, job: _Job) -> Resume:
    """Where to begin in a log that was read before when it was shorter; the beginning otherwise."""
    if not sensor.grows or opened.compression or opened.path == STDIN:
        return Resume()
    try:
        size = os.path.getsize(opened.path)
        runs = [r for r in job.log.load().values() if r.state == "closed"]
        return resume(opened.path, size, sensor.name, sensor.version, runs)
    except OSError:  # vanished meanwhile: reading it will say so
        return Resume()


def _unknown(begin: Callable[[str, int], Run], opened: Opened) -> IngestResult:
    """A run that holds nothing but the reject that says what stood there."""
    head = opened.head
    reason, problem = "unknown-format", _what_instead(head)
    if not head:
        reason, problem = "empty", "is empty: 0 bytes"
    if opened.problem:
        reason, problem = opened.problem_reason, opened.problem
    # Standard input may never end: what is no capture is not waited for.
    digest, size = ("", 0) if opened.path == STDIN else (opened.sha256(), opened.size())
    run = begin(UNKNOWN, 0)
    with _dropped_on_failure(run):
        run.reject(Reject(0, reason, problem, head))
        done = run.finish(sha256=digest, size=size, counts={}, problem=problem)
    return _result(done, opened.name, UNKNOWN, digest, problem)


def _what_instead(head: bytes) -> str:
    what = next((text for magic, text in _KNOWN_OTHERWISE if head.startswith(magic)), "")
    if not what and _is_text(head):
        what = "plain text"  # a README or licence beside the captures: no reason to suggest --as
    if what:
        return f"is {what}, which is no format Noroshi reads"
    begins = f"begins with {head[:8].hex(' ')}"
    return f"{begins}, which is no format Noroshi reads; if it is one all the same, say --as"


def _is_text(head: bytes) -> bool:
    """UTF-8 without control characters; the last character may be cut in two."""
    text = head.decode("utf-8", "ignore")
    return len(head) - len(text.encode()) < 4 and not any(c < " " and c not in "\t\r\n\f" for c in text)


def sniff(head: bytes) -> Sensor | None:
    """The first sensor that knows a source beginning with `head`, or None."""
    if not head:
        return None
    return next((s for s in map(registry.sensor, registry.SENSORS) if s.sniff(head[:HEAD])), None)


def _result(done: RunResult, name: str, format: str, digest: str, problem: str) -> IngestResult:
    return IngestResult(
        path=name, format=format, run_id=done.run_id, sha256=digest, tables=dict(done.rows),
        rejects=done.rejects, known=done.known, problem=problem,
    )  # fmt: skip


@contextlib.contextmanager
def _dropped_on_failure(run: Run) -> Iterator[None]:
    """Takes a run back when its block fails, so that nothing of it becomes visible."""
    try:
        yield
    except BaseException:
        # The first failure is the one to tell; a run that could not be dropped stays open and is swept.
        with contextlib.suppress(Exception):
            run.drop()
        raise


class RejectGate:
    """Hands rejects on one by one up to `limit` of each reason, then counts them and hands on the sum."""

    def __init__(self, hand_on: Callable[[Reject], None], limit: int = REJECTS_PER_REASON) -> None:
        self._hand_on, self._limit = hand_on, limit
        self._seen: dict[str, int] = {}
        self._rest: dict[str, Reject] = {}
        self._counts: Counter[str] = Counter()
        self._first: int | None = None

    def told(self) -> str:
        """What was rejected, in words: how many pieces, why, and where the first stands; empty for none."""
        if self._first is None:
            return ""
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in self._counts.most_common())
        total = self._counts.total()
        pieces = "1 piece" if total == 1 else f"{total:,} pieces"
        return f"{pieces} could not be read ({reasons}), the first at byte {self._first:,}; the rest is kept"

    def reject(self, reject: Reject) -> None:
        """Take one in."""
        if reject.reason not in UNTOLD:
            self._counts[reject.reason] += reject.count
            self._first = reject.position if self._first is None else min(self._first, reject.position)
        seen = self._seen.get(reject.reason, 0)
        if seen < self._limit:
            self._seen[reject.reason] = seen + 1
            self._hand_on(reject)
            return
        first = self._rest.get(reject.reason)
        if first is None:
            self._rest[reject.reason] = reject
        else:
            self._rest[reject.reason] = replace(first, count=first.count + reject.count)

    def close(self) -> None:
        """Hand on what was only counted, one reject per reason at the place of the first of them."""
        for rest in self._rest.values():
            text = f"{rest.count:,} more of this reason from here on; the first: {rest.detail}"
            self._hand_on(replace(rest, detail=text))
        self._rest.clear()
