"""Runs being written: announced, streamed or gathered, committed, closed."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from noroshi.lake.errors import Conflict, telling
from noroshi.lake.files import Pool, Sink
from noroshi.lake.links import LinkBuffer
from noroshi.lake.owner import me
from noroshi.lake.rollup import Rollup
from noroshi.lake.runs import PENDING, RunInfo, ids, replaced, twins
from noroshi.lake.shape import marked, plain, shaped
from noroshi.model.errors import LakeError
from noroshi.model.reject import Reject
from noroshi.model.schema import Table
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tables.rollups import ROLLUPS
from noroshi.model.tlp import Tlp

if TYPE_CHECKING:
    from noroshi.lake.derive import Deriver
    from noroshi.lake.handle import Lake

SMALL_RUN_BYTES = 8 << 20
"""A run beyond this is streamed to files of its own; smaller ones wait, and share files and commits."""
GROUP_BYTES = 64 << 20
GROUP_SECONDS = 30.0
"""A group of small runs is committed beyond either: three commits cost some 50 ms whatever they hold."""
_REJECT_ROWS = 50_000


INTERNAL = ("runs", "rejects", "findings", "hourly", "daily")
"""Tables the lake writes itself."""


@dataclass(frozen=True)
class RunResult:
    """What became of a run."""

    run_id: str
    known: bool
    """The same bytes were stored before; nothing of this run was kept."""
    rows: dict[str, int] = field(default_factory=dict)
    """Rows by table, sums aside."""
    rejects: int = 0


class Run:
    """One source being stored. Made by Writer.begin()."""

    def __init__(self, writer: Writer, info: RunInfo) -> None:
        self.info = info
        self.run_id = info.run_id
        self.rejects = 0
        self.started = time.monotonic()
        self.sink = Sink(writer.lake.path, info.run_id)
        self.held: list[tuple[str, pa.Table]] = []
        self.bytes = 0
        self.streaming = False
        self.ended = False
        self._writer = writer
        self._links = LinkBuffer()
        self._deriver: Deriver | None = None
        self._rollup = Rollup()
        self._rejected: list[dict[str, Any]] = []
        self._marks: dict[str, Counter[str]] = {}

    def write(self, batch: Batch) -> None:
        """Takes a batch; blocks while the writer threads lag. Raises LakeError, also for earlier batches."""
        if batch.table not in TABLES or batch.table in INTERNAL:
            raise LakeError(f"a sensor cannot write the table {batch.table}", todo="Mend the sensor.")
        rows: pa.Table | None = batch.rows
        table = TABLES[batch.table]
        if batch.table == "links":
            rows = self._links.add(batch.rows)
        elif table.marked:
            rows = marked(batch.rows, self.info.tlp)
        if rows is None or not rows.num_rows:
            return
        if table.links:
            self._derive(table, rows)
        self._put(batch.table, rows)

    def _derive(self, table: Table, rows: pa.Table) -> None:
        """Links of the rows; most wait until the run ends."""
        if self._deriver is None:
            # Compiled code is loaded only when there are links to make.
            from noroshi.lake.derive import Deriver

            self._deriver = Deriver(self._writer.lake.credential)
        full = self._deriver.add(table, rows)
        while (links := _next(full, table)) is not None:
            self._put("links", links)

    def _put(self, table: str, rows: pa.Table) -> None:
        if TABLES[table].marked:
            self._count_marks(table, rows)
        if table == "links":
            # Sums stand under the run's marking: rows with one of their own must not show in them.
            unmarked = rows["tlp"].null_count == rows.num_rows
            self._rollup.links(rows if unmarked else rows.filter(rows["tlp"].is_null()))
        else:
            self._rollup.facts(table, rows)
        self._hold(table, rows)

    def _count_marks(self, table: str, rows: pa.Table) -> None:
        """Rows by marking, so that a count for a recipient needs no look at the rows."""
        held = self._marks.setdefault(table, Counter())
        found: Any = rows["tlp"].value_counts()
        for entry in found.to_pylist():
            held[entry["values"] or ""] += entry["counts"]

    def _hold(self, table: str, rows: pa.Table) -> None:
        if not self.streaming:
            self.held.append((table, rows))
            self.bytes += rows.nbytes
            if self.bytes <= SMALL_RUN_BYTES:
                return
            self._writer.announce([self])
            self.streaming = True
            held, self.held = self.held, []
        else:
            held = [(table, rows)]
        for name, part in held:
            self._writer.pool.submit(self.sink, name, part, self.run_id)

    def reject(self, reject: Reject) -> None:
        """Keeps a piece that could not be read."""
        self.rejects += reject.count
        row = {
            "path": self.info.path, "position": reject.position, "reason": reject.reason,
            "detail": reject.detail, "sample": reject.sample.hex(), "count": reject.count,
        }  # fmt: skip
        self._rejected.append(row)
        if len(self._rejected) >= _REJECT_ROWS:
            self._spill_rejects()

    def _spill_rejects(self) -> None:
        if self._rejected:
            schema = TABLES["rejects"].arrow()
            schema = schema.remove(schema.get_field_index("run_id"))
            self._put("rejects", pa.Table.from_pylist(self._rejected, schema=schema))
            self._rejected = []

    def finish(
        self, *, sha256: str, size: int, counts: dict[str, Any] | None = None, problem: str = ""
    ) -> RunResult:
        """Ends the run: `sha256` and `size` of the source as stored, what the sensor counted, why it stopped.

        A large run is visible on return; a small one when its group is committed, at the latest when the
        writer closes. Raises LakeError; then nothing of the run becomes visible.
        """
        self._end()
        try:
            links = self._links.rest()
            if links is not None:
                self._put("links", links)
            for derived in self._deriver.rest() if self._deriver else ():
                self._put("links", derived)
            for name, sums in self._rollup.rest():
                self._hold(name, sums)
            self._spill_rejects()
            if self.streaming:
                self._writer.pool.drain(self.sink)
            else:
                self._shape_held()
        except BaseException:
            self._discard()
            raise
        self.info = replace(
            self.info, sha256=sha256 or None, size=size, problem=problem or None, state="closed",
            first_seen=self.sink.first, last_seen=self.sink.last, seconds=time.monotonic() - self.started,
            counts=dict(counts or {})
            | {"tables": dict(self.sink.rows), "rejects": self.rejects} | self._marks_told(),
        )  # fmt: skip
        return self._writer.close_run(self)

    def _marks_told(self) -> dict[str, dict[str, dict[str, int]]]:
        told = {table: dict(held) for table, held in self._marks.items() if held.keys() != {""}}
        return {"tlp": told} if told else {}

    def _shape_held(self) -> None:
        self.held = [(name, plain(shaped(TABLES[name], rows, self.run_id))) for name, rows in self.held]
        for name, rows in self.held:
            self.sink.note(TABLES[name], rows)

    def drop(self) -> None:
        """Forgets the run: nothing of it is kept."""
        if not self.ended:
            self._end()
            self._discard()

    def _end(self) -> None:
        if self.ended:
            raise LakeError(f"run {self.run_id} has ended already")
        self.ended = True
        self._writer.running.discard(self)

    def _discard(self) -> None:
        self._writer.pool.drop(self.sink)
        self.held = []
        if self.streaming:
            # A full disk refuses this row too; the next writer sweeps the run then.
            self._writer.mark_dropped(self)


def _next(made: Iterator[pa.Table], table: Table) -> pa.Table | None:
    try:
        return next(made, None)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, KeyError) as e:
        raise LakeError(f"a batch of {table.name} is not of its schema: {e}", todo="Mend the sensor.") from e


class Writer:
    """Writes runs; a context manager. One thread at a time calls it."""

    def __init__(self, lake: Lake, threads: int = 2) -> None:
        self.lake = lake
        self.pool = Pool(threads)
        self.running: set[Run] = set()
        self._group: list[Run] = []
        self._group_bytes = 0
        self._group_since = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for run in list(self.running):
            run.drop()
        try:
            # Runs that were finished count, whatever happened to a later one.
            self.flush()
        finally:
            self.pool.close()

    def close(self) -> None:
        """Commits what waits and ends the threads."""
        self.__exit__(None, None, None)

    def begin(self, *, path: str, source: str = "", format: str, parser_version: int, tlp: Tlp) -> Run:
        """A new run; `source` names where it comes from, by default its path."""
        info = RunInfo(
            run_id=secrets.token_hex(8), state="open", path=path, source=source or path, format=format,
            parser_version=parser_version, tlp=tlp, owner=me(),
        )  # fmt: skip
        run = Run(self, info)
        self.running.add(run)
        return run

    def announce(self, runs: list[Run]) -> None:
        """Stores that runs are open, before anything of them can be seen in a table."""
        self.lake.log.append([replace(r.info, state="open") for r in runs])

    def mark_dropped(self, run: Run) -> None:
        """Stores that an announced run of which nothing was committed is over."""
        try:
            self.lake.log.append([replace(run.info, state="dropped")])
        except LakeError:
            return  # it stays open, hidden, and is swept when this process is gone

    def close_run(self, run: Run) -> RunResult:
        """Closes a finished run, or puts it into the group."""
        shown = {name: n for name, n in run.sink.rows.items() if TABLES[name] not in ROLLUPS}
        result = RunResult(run.run_id, False, shown, run.rejects)
        if self._is_known(run):
            run._discard()
            return RunResult(run.run_id, True)
        if run.streaming:
            late = self._commit([run], run.sink)
            return RunResult(run.run_id, True) if late else result
        self._group.append(run)
        self._group_bytes += run.bytes
        self._group_since = self._group_since or time.monotonic()
        if self._group_bytes > GROUP_BYTES or time.monotonic() - self._group_since > GROUP_SECONDS:
            self.flush()
        return result

    def _is_known(self, run: Run) -> bool:
        waiting = [r for r in self._group if r.info.identity and r.info.identity == run.info.identity]
        if any(r.info.stands_for(run.info) for r in waiting):
            return True
        for older in waiting:
            self._group.remove(older)
        return bool(twins(self.lake.log.load(), run.info)[0])

    def flush(self) -> None:
        """Commits the small runs that wait. Raises LakeError; then none of them becomes visible."""
        group, self._group = self._group, []
        self._group_bytes, self._group_since = 0, 0.0
        newest = self.lake.log.load()
        group = [r for r in group if not twins(newest, r.info)[0]]
        if not group:
            return
        sink = Sink(self.lake.path, group[0].run_id)
        self.announce(group)
        try:
            parts: dict[str, list[pa.Table]] = {}
            for run in group:
                for name, rows in run.held:
                    parts.setdefault(name, []).append(rows)
                run.held = []
            with telling(self.lake.path):
                for name, tables in parts.items():
                    sink.whole(TABLES[name], pa.concat_tables(tables))
        except BaseException:
            sink.abort()
            for run in group:
                self.mark_dropped(run)
            raise
        self._commit(group, sink)

    def _commit(self, runs: list[Run], sink: Sink) -> set[str]:
        """Commits files, facts first, then closes the runs; ids of those found known at the last moment."""
        counted = Counter(sink.written.keys())
        order = sorted(counted, key=lambda name: {"links": 1, "rejects": 2}.get(name, 0))
        try:
            for name in order:
                self.lake.stores[name].commit(sink.written[name])
            late, gone = self._close([r.info for r in runs])
        except BaseException:
            # What was committed stays hidden: the runs are not closed. Take it out now if that can be done.
            self._withdraw([r.info for r in runs])
            raise
        self.lake.purge([*late, *gone])
        return ids(late)

    def _close(self, infos: list[RunInfo]) -> tuple[list[RunInfo], list[RunInfo]]:
        """Appends the closing rows, together with those that mark what they replace."""
        while True:
            mutex = self.lake.log.mutex()
            newest = self.lake.log.load()
            rows, late, gone = [], [], []
            for info in infos:
                known, older = twins(newest, info)
                if known:
                    late.append(replace(info, state="dropped", problem=PENDING))
                    continue
                rows.append(info)
                gone += [
                    replace(o, state="forgotten", problem=PENDING) for o in replaced(newest, info, older)
                ]
            try:
                self.lake.log.append([*rows, *late, *gone], mutex=mutex)
                return late, gone
            except Conflict:
                continue

    def _withdraw(self, infos: list[RunInfo]) -> None:
        try:
            gone = [replace(i, state="dropped", problem=PENDING) for i in infos]
            self.lake.log.append(gone)
            self.lake.purge(gone)
        except LakeError:
            return  # swept when this process is gone; hidden until then
