"""Data files written by threads, while the source is still being decoded."""

from __future__ import annotations

import itertools
import threading
from collections import Counter, deque
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from noroshi.lake import encoding
from noroshi.lake.delta import Written
from noroshi.lake.disk import synced
from noroshi.lake.errors import disk
from noroshi.lake.shape import by_day, day_numbers, plain, shaped, span
from noroshi.model.errors import LakeError
from noroshi.model.schema import Table
from noroshi.model.tables import TABLES
from noroshi.model.tables.rollups import ROLLUPS

QUEUE_BYTES = 48 << 20
"""Decoded rows waiting for a writer thread; write() blocks beyond this, which bounds memory."""
OPEN_FILES = 8
"""Files one thread keeps open for one run: the days a batch of any sane capture touches at a time."""
LATE_BYTES = 64 << 20
"""Rows of batches that touch more days than that, kept back by a run until there are so many."""
_GATHER_BYTES = 16 << 20

# Kept in the log: what chooses files, and what other engines prune by.
_LOGGED = ("run_id", "key", "first_seen", "last_seen", "modified", "at")


class DataWriter:
    """One data file being written."""

    def __init__(
        self,
        lake: Path,
        table: Table,
        day: date | None,
        name: str,
        first: pa.Table,
        *,
        fresh: bool = True,
        ordered: bool = False,
    ) -> None:
        folder = f"day={day.isoformat()}/" if day else ""
        self.table, self.day, self.rel, self.schema = (
            table,
            day,
            folder + encoding.versioned(name, table.version),
            first.schema,
        )
        self.path = lake / table.name / self.rel
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.rows = 0
        self._footer: list[Any] = []
        self._runs: tuple[str, str] | None = None
        self._gathered: list[pa.Table] = []
        self._group = encoding.FRESH_SORTED_GROUP if fresh else encoding.SORTED_GROUP
        self._ordered = ordered or not fresh
        how = encoding.options(first, ordered=self._ordered)
        self._out = pq.ParquetWriter(self.path, first.schema, metadata_collector=self._footer, **how)

    def write(self, rows: pa.Table) -> None:
        """Adds rows; small batches are gathered into one row group. Raises OSError."""
        rows = _like(rows, self.schema)
        self.rows += rows.num_rows
        self._note_runs(rows)
        self._gathered.append(rows)
        count = sum(r.num_rows for r in self._gathered)
        if count >= encoding.FRESH_GROUP or sum(r.nbytes for r in self._gathered) > _GATHER_BYTES:
            self._flush()

    def _note_runs(self, rows: pa.Table) -> None:
        """Widens the range of run ids, which fresh files have no statistics of: compaction and forget rest on it."""
        if "run_id" not in rows.column_names or not rows.num_rows:
            return
        chunks: list[Any] = rows["run_id"].chunks
        for chunk in chunks:
            ends: Any = pc.min_max(chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk).as_py()
            if ends["min"] is not None:
                low, high = self._runs or (ends["min"], ends["max"])
                self._runs = min(low, ends["min"]), max(high, ends["max"])

    def _flush(self, *, last: bool = False) -> None:
        if not self._gathered:
            return
        whole = self._gathered[0]
        if len(self._gathered) > 1:
            whole = pa.concat_tables(self._gathered).unify_dictionaries().combine_chunks()
        self._gathered = []
        if not self._ordered:
            self._out.write_table(whole, row_group_size=whole.num_rows)
            return
        full = whole.num_rows if last else whole.num_rows // self._group * self._group
        if full:
            self._out.write_table(whole.slice(0, full), row_group_size=self._group)
        if full < whole.num_rows:
            self._gathered = [whole.slice(full)]

    def close(self) -> Written:
        """Ends the file; what a commit needs to know of it. Raises OSError."""
        self._flush(last=True)
        self._out.close()
        # On the disk before a commit names it: after a power loss the log must not know files that are empty.
        synced(self.path)
        synced(self.path.parent)
        stats = _statistics(self._footer[0])
        if self._runs:
            stats.setdefault("run_id", (*self._runs, 0))
        return Written(self.rel, self.path.stat().st_size, self.rows, self.day, stats)

    def abort(self) -> None:
        """Deletes the file, whatever state it is in."""
        self._gathered = []
        try:
            self._out.close()
        except (OSError, RuntimeError):
            # It is deleted next; its content does not matter. RuntimeError: pyarrow, on a full disk, has no footer.
            pass
        finally:
            self.path.unlink(missing_ok=True)


def _like(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """`rows` with dictionaries where the file's first batch had them."""
    return rows if rows.schema.equals(schema) else rows.cast(schema)


def _statistics(footer: Any) -> dict[str, tuple[Any, Any, int]]:
    """Smallest, largest and nulls of the logged columns over all row groups."""
    out: dict[str, tuple[Any, Any, int]] = {}
    names = {footer.schema.column(i).path: i for i in range(footer.num_columns)}
    for name in _LOGGED:
        if name not in names or not footer.num_row_groups:
            continue
        stats = [footer.row_group(g).column(names[name]).statistics for g in range(footer.num_row_groups)]
        known = [s for s in stats if s is not None and s.has_min_max]
        if len(known) == len(stats):
            nulls = sum(s.null_count or 0 for s in known)
            out[name] = (min(s.min for s in known), max(s.max for s in known), nulls)
    return out


class Sink:
    """The files of one run, or of one group of small ones."""

    def __init__(self, lake: Path, name: str) -> None:
        self.lake, self.name = lake, name
        self.written: dict[str, list[Written]] = {}
        self.rows: Counter[str] = Counter()
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.error: BaseException | None = None
        self.pending = 0
        self.dead = False
        self._open: dict[tuple[int, str, date | None], DataWriter] = {}
        self._late: dict[str, list[pa.Table]] = {}
        self._late_bytes = 0
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def take(self, table: Table, rows: pa.Table, run_id: str, thread: int) -> None:
        """Writes a batch into this thread's files."""
        rows = shaped(table, rows, run_id)
        self.note(table, rows)
        if table.partitioned and len(np.unique(day_numbers(table, rows))) > OPEN_FILES:
            self._gather(table, rows)
            return
        for day, part in by_day(table, rows):
            self._writer(table, day, part, thread).write(part)

    def _gather(self, table: Table, rows: pa.Table) -> None:
        """Keeps rows of many days back: written a batch at a time, each would leave as many small files."""
        with self._lock:
            self._late.setdefault(table.name, []).append(rows)
            self._late_bytes += rows.nbytes
            if self._late_bytes <= LATE_BYTES:
                return
        self.scatter()

    def scatter(self) -> None:
        """Writes the rows kept back, a file for each day, one after the other."""
        with self._lock:
            late, self._late, self._late_bytes = self._late, {}, 0
        for name, parts in late.items():
            self._days(TABLES[name], pa.concat_tables([plain(p) for p in parts]), ordered=False)

    def note(self, table: Table, rows: pa.Table) -> None:
        """Counts rows and widens the time span."""
        # Sums begin with their hour or day, not with what they sum up.
        ends = None if table in ROLLUPS else span(table, rows)
        with self._lock:
            self.rows[table.name] += rows.num_rows
            if ends:
                self.first = min(self.first or ends[0], ends[0])
                self.last = max(self.last or ends[1], ends[1])

    def _writer(self, table: Table, day: date | None, first: pa.Table, thread: int) -> DataWriter:
        key = (thread, table.name, day)
        with self._lock:
            if key in self._open:
                return self._open[key]
            mine = [k for k in self._open if k[0] == thread]
        if len(mine) >= OPEN_FILES:
            self.end(mine[0])
        name = f"f-{self.name}-{next(self._numbers)}"
        ordered = table.name == "links"  # LinkBuffer gives them in order
        writer = DataWriter(self.lake, table, day, name, first, ordered=ordered)
        with self._lock:
            self._open[key] = writer
        return writer

    def whole(self, table: Table, rows: pa.Table) -> None:
        """Writes shaped rows as files of their own, in the table's order."""
        self._days(table, rows, ordered=True)

    def _days(self, table: Table, rows: pa.Table, *, ordered: bool) -> None:
        for day, part in by_day(table, rows):
            if ordered and table.sort:
                part = part.sort_by([(name, "ascending") for name in table.sort])
            name = f"f-{self.name}-{next(self._numbers)}"
            writer = DataWriter(self.lake, table, day, name, part, ordered=ordered)
            with self._lock:
                self._open[(-1, writer.rel, day)] = writer
            writer.write(part)
            self.end((-1, writer.rel, day))

    def opened(self) -> list[tuple[int, str, date | None]]:
        """Keys of the files still open."""
        with self._lock:
            return list(self._open)

    def end(self, key: tuple[int, str, date | None]) -> None:
        """Ends one file."""
        with self._lock:
            writer = self._open[key]
        done = writer.close()
        with self._lock:
            del self._open[key]
            self.written.setdefault(writer.table.name, []).append(done)

    def abort(self) -> None:
        """Deletes every file of the sink; only when none was committed."""
        self.dead = True
        self._late = {}
        for writer in self._open.values():
            writer.abort()
        for table, files in self.written.items():
            for file in files:
                (self.lake / table / file.path).unlink(missing_ok=True)
        self._open, self.written = {}, {}

    def check(self) -> None:
        """Raises LakeError when a thread failed."""
        if isinstance(self.error, LakeError):
            raise self.error
        if self.error is not None:
            raise disk(self.error, self.lake) from self.error


class Pool:
    """Writer threads that share a bounded queue."""

    def __init__(self, threads: int = 2) -> None:
        self._ready = threading.Condition()
        self._tasks: deque[tuple[Sink, int, Callable[[int], None]]] = deque()
        self._bytes = 0
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, args=(i,), name=f"lake-writer-{i}", daemon=True)
            for i in range(max(1, threads))
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, sink: Sink, table: str, rows: pa.Table, run_id: str) -> None:
        """Hands a batch over; blocks while more than QUEUE_BYTES wait. Raises what an earlier batch met."""
        size = rows.nbytes
        self._put(sink, size, lambda thread: sink.take(TABLES[table], rows, run_id, thread))

    def _put(self, sink: Sink, size: int, work: Callable[[int], None]) -> None:
        with self._ready:
            self._ready.wait_for(lambda: sink.error or not self._bytes or self._bytes + size <= QUEUE_BYTES)
            if not sink.error:
                self._tasks.append((sink, size, work))
                self._bytes += size
                sink.pending += 1
                self._ready.notify_all()
        sink.check()

    def drain(self, sink: Sink) -> None:
        """Waits until the sink's batches are written and its files ended; raises LakeError if one failed."""
        self._wait(sink)
        sink.check()
        self._put(sink, 0, lambda _thread: sink.scatter())
        self._wait(sink)
        sink.check()
        for key in sink.opened():
            self._put(sink, 0, lambda _thread, key=key: sink.end(key))  # type: ignore[misc]
        self._wait(sink)
        sink.check()

    def drop(self, sink: Sink) -> None:
        """Deletes what the sink has written."""
        sink.dead = True
        self._wait(sink)
        sink.abort()

    def _wait(self, sink: Sink) -> None:
        with self._ready:
            self._ready.wait_for(lambda: not sink.pending)

    def _work(self, index: int) -> None:
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._tasks or self._closing)
                if not self._tasks:
                    return
                sink, size, work = self._tasks.popleft()
            try:
                if not sink.error and not sink.dead:
                    work(index)
            except BaseException as e:  # noqa: BLE001 - handed to the caller's next call
                sink.error = e
            del work
            with self._ready:
                self._bytes -= size
                sink.pending -= 1
                self._ready.notify_all()

    def close(self) -> None:
        """Ends the threads after the work that waits."""
        with self._ready:
            self._closing = True
            self._ready.notify_all()
        for thread in self._threads:
            thread.join()


def write_rows(lake: Path, table: Table, rows: pa.Table, name: str) -> Written:
    """Writes one data file of an unpartitioned table; raises OSError."""
    rows = plain(rows)
    writer = DataWriter(lake, table, None, name, rows)
    try:
        writer.write(rows)
        return writer.close()
    except BaseException:
        writer.abort()
        raise
