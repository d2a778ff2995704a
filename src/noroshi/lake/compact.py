"""Compaction: many small files of a partition become few sorted ones, swapped in one commit.

Engines that offer an `optimize` of their own lose the order of rows, and two of them that meet double every
row without an error; here the exchange carries a mutex, and the one that comes second plans again.
Sorted files of one pass form a set and do not overlap; a partition may hold several sets, so that adding a
little to a lot does not rewrite the lot each time.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from noroshi.lake.delta import SWAP, DataFile, Store, Written
from noroshi.lake.encoding import FRESH_GROUP, is_sorted
from noroshi.lake.errors import Conflict, disk, telling
from noroshi.lake.files import DataWriter
from noroshi.lake.runs import PENDING, RunInfo
from noroshi.lake.shape import completed
from noroshi.lake.sql import connect, quoted, ram, scan
from noroshi.lake.swap import ATTEMPTS
from noroshi.model.errors import LakeError
from noroshi.model.schema import Table

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake

FRESH_FILES = 8
"""Unsorted files of a day beyond which it is worth sorting: each costs a point query about a millisecond."""
FRESH_LINK_FILES = 32
FRESH_LINK_ROWS = 1_000_000
SMALL_FILES = 32
"""Files of a table without partitions, such as runs."""
SETS = 4
"""Sorted sets a partition may keep; beyond, they are merged."""

FILE_ROWS = 4_000_000
"""Rows of one sorted file at most: bounds what taking one run out must copy."""
MEMORY = 256_000_000
"""Bytes the engine may use while sorting; the rest is spilled to the lake's folder. With 4 M rows of links that costs
no processor time against 1 GB, and the process peaks at 0.55 GB in place of 1.2 GB."""

AT_ONCE = 200
"""Partitions that are compacted because it is needed, at most: a log of ten thousand days must not hold up those who
ingest. The rest comes next time, or by `noroshi lake compact`."""

COMMIT_ROWS = 4_000_000
COMMIT_FILES = 1000
"""Rows and files taken out by one commit, about: what is lost when another process is first, or this one dies."""

MEMORY_ROWS = 100_000
"""Rows sorted without the engine, whose start costs more than sorting them."""

_STEP_ROWS = FRESH_GROUP
"""Rows taken from the engine at a time."""


def needed(lake: Lake) -> list[tuple[str, date | None]]:
    """Partitions (table, day) with too many files, or of a day that is over and not yet one sorted set; those with
    the most files first."""
    today = datetime.now(UTC).date()
    out: list[tuple[int, str, date | None]] = []
    for name, store in lake.stores.items():
        for day, files in _partitions(store.files()).items():
            if _worth(name, day, files, today):
                out.append((-len(files), name, day))
    out.sort(key=lambda entry: entry[0])
    return [(name, day) for _, name, day in out]


def _worth(name: str, day: date | None, files: Sequence[DataFile], today: date) -> bool:
    fresh = [f for f in files if not is_sorted(f.path)]
    if name == "links":
        return len(fresh) > FRESH_LINK_FILES or sum(f.rows for f in fresh) > FRESH_LINK_ROWS
    if day is None:
        return len(fresh) > SMALL_FILES
    # A day that is over gets few more rows: now is the time, unless a single file holds hardly anything.
    closed = day < today and (len(fresh) > 1 or sum(f.rows for f in fresh) > FRESH_LINK_ROWS // 10)
    return len(fresh) > FRESH_FILES or closed


def compact(lake: Lake, table: str | None, *, only_needed: bool) -> dict[str, int]:
    """Compacts one table or all; rows rewritten by table. See Lake.compact."""
    wanted = set(needed(lake)[:AT_ONCE]) if only_needed else None
    out: dict[str, int] = {}
    for name, store in lake.stores.items():
        if table not in (None, name):
            continue
        days = [d for d in _partitions(store.files()) if wanted is None or (name, d) in wanted]
        while days:
            rows, days = _some(lake, store, days, full=wanted is None)
            out[name] = out.get(name, 0) + rows
    return {name: rows for name, rows in out.items() if rows}


def _some(
    lake: Lake, store: Store, days: Sequence[date | None], *, full: bool
) -> tuple[int, list[date | None]]:
    """Compacts the first of these partitions in one commit, as many as fit into it: (rows rewritten, the others).

    A commit for each would cost more than the sorting where days are many and small: the log grows with each.
    """
    for _ in range(ATTEMPTS):
        mutex = store.mutex(SWAP)
        # Files before runs: a run is announced before its first file, so none of these can be of an unknown one.
        files = _partitions(store.files())
        runs = lake.log.load()
        taken: list[DataFile] = []
        written: list[Written] = []
        rows, at = 0, 0
        try:
            for at, day in enumerate(days, 1):  # noqa: B007 - where it stopped
                inputs = _inputs([f for f in files.get(day, []) if _settled(f, runs)], full=full)
                if inputs:
                    written += _sorted(lake, store, day, inputs)
                    taken += inputs
                    rows += sum(f.rows for f in inputs)
                if rows >= COMMIT_ROWS or len(taken) >= COMMIT_FILES:
                    break
            if taken:
                store.commit(written, taken, mutex=mutex, data_change=False)
        except BaseException as e:
            store.discard(written)
            if isinstance(e, Conflict):
                continue
            raise
        return rows, list(days[at:])
    raise LakeError("other processes keep changing the same files", where=str(store.root),
                    todo="Run `noroshi lake compact` again.")  # fmt: skip


def _partitions(files: Sequence[DataFile]) -> dict[date | None, list[DataFile]]:
    out: dict[date | None, list[DataFile]] = {}
    for file in sorted(files, key=lambda f: (f.day or date.min, f.path)):
        out.setdefault(file.day, []).append(file)
    return out


def _settled(file: DataFile, runs: dict[str, RunInfo]) -> bool:
    """True when all runs that may have rows in a fresh file are closed; sorted files always are."""
    if is_sorted(file.path):
        return True
    # Files of 0.1 do not tell their runs: nothing may be under way then.
    low, high = file.runs or ("", "~")
    if low == high:
        return low in runs and runs[low].state == "closed"
    return not any(r.state == "open" or r.problem == PENDING for i, r in runs.items() if low <= i <= high)


def _set_of(file: DataFile) -> str:
    return file.path.rpartition("/")[2].split("-")[1]


def _inputs(files: Sequence[DataFile], *, full: bool) -> list[DataFile]:
    """The files to merge: everything when `full`, else the fresh ones and sets not much larger than them."""
    sets: dict[str, list[DataFile]] = {}
    for file in files:
        if is_sorted(file.path):
            sets.setdefault(_set_of(file), []).append(file)
    fresh = [f for f in files if not is_sorted(f.path)]
    if full or len(sets) > SETS:
        return list(files) if fresh or len(sets) > 1 else []
    taken = list(fresh)
    for members in sorted(sets.values(), key=lambda m: sum(f.rows for f in m)):
        # Merging like with like: each row is rewritten a logarithmic number of times.
        if taken and sum(f.rows for f in members) <= 2 * sum(f.rows for f in taken):
            taken += members
    return taken


def _sorted(lake: Lake, store: Store, day: date | None, inputs: Sequence[DataFile]) -> list[Written]:
    """Writes the rows of `inputs` as one sorted set of files; what does not fit into memory is spilled."""
    table = store.table
    if sum(f.rows for f in inputs) <= min(MEMORY_ROWS, FILE_ROWS) and table.sort:
        return _sorted_here(lake, store, day, inputs)
    rows = scan(table, [store.root / f.path for f in inputs], day=False)
    order = ", ".join(quoted(c) for c in table.sort) or "ALL"
    query = f"FROM ({rows}) ORDER BY {order}"
    con = connect(lake.temporary, memory=min(MEMORY, ram() // 3))
    out = _Files(lake.path, table, day)
    try:
        with con.sql(query).to_arrow_reader(_STEP_ROWS) as reader:
            for batch in reader:
                out.write(pa.Table.from_batches([batch]).cast(table.arrow()))
        return out.close()
    except BaseException as e:
        out.abort()
        if isinstance(e, (duckdb.Error, OSError)) and not isinstance(e, LakeError):
            raise disk(e, store.root) from e
        raise
    finally:
        con.close()


def _sorted_here(lake: Lake, store: Store, day: date | None, inputs: Sequence[DataFile]) -> list[Written]:
    """The same for few rows, in memory."""
    out, schema = _Files(lake.path, store.table, day), store.table.arrow()
    try:
        with telling(store.root):
            parts = [completed(pq.read_table(store.root / f.path, partitioning=None), schema) for f in inputs]
            order: Any = [(c, "ascending") for c in store.table.sort]
            out.write(pa.concat_tables(parts).sort_by(order).combine_chunks())
            return out.close()
    except BaseException:
        out.abort()
        raise


class _Files:
    """A sorted set being written: a new file whenever the last one is full."""

    def __init__(self, lake: Path, table: Table, day: date | None) -> None:
        self._lake, self._table, self._day = lake, table, day
        self._name = f"c-{uuid.uuid4().hex[:16]}"
        self._done: list[Written] = []
        self._open: DataWriter | None = None

    def write(self, rows: pa.Table) -> None:
        """Adds rows that sort after all before them."""
        if self._open is None:
            name = f"{self._name}-{len(self._done)}"
            self._open = DataWriter(self._lake, self._table, self._day, name, rows, fresh=False)
        self._open.write(rows)
        if self._open.rows >= FILE_ROWS:
            self._end()

    def _end(self) -> None:
        if self._open:
            self._done.append(self._open.close())
            self._open = None

    def close(self) -> list[Written]:
        """Ends the last file; all of them."""
        self._end()
        return self._done

    def abort(self) -> None:
        """Deletes all of them."""
        if self._open:
            self._open.abort()
        for file in self._done:
            (self._lake / self._table.name / file.path).unlink(missing_ok=True)
