"""Questions to `links` by key: rows of one value, of a range of addresses, and how common many values are.

How common many values are at once (33 prefixes over an address, a hundred related values) is answered by heads: per
sorted file of links a sorted list of its keys, with the rows, the sources and the tables of each. Heads are
derived: a file never changes, so heads kept under its name cannot be stale; where there are none, or the reader may
not see all of a file, the links themselves are read. `build` makes those that are missing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from noroshi.lake.delta import DataFile
from noroshi.lake.encoding import is_sorted
from noroshi.lake.points import rows_between
from noroshi.model.observable import canonical, key64
from noroshi.model.tables import TABLES
from noroshi.model.tlp import DEFAULT

if TYPE_CHECKING:
    import numpy.typing as npt

    from noroshi.lake.handle import Lake
    from noroshi.lake.snapshot import Snapshot

FOLDER = ".heads"
VERSION = 1
FRESH_ROWS = 50_000
"""Rows of small files, together, that are held sorted in memory: 5 MB. Each run leaves a file until they are compacted,
and to look into each of twenty for each of forty keys takes longer than to read them all once."""
LEAST_ROWS = 100_000
"""Rows of a sorted file from which heads pay: reading a smaller one costs a few row groups."""

HEAD = np.dtype([("key", "<i8"), ("rows", "<i4"), ("sources", "<i4"), ("tables", "<i8")])
TABLE_BITS = {name: 1 << i for i, name in enumerate(sorted(TABLES))}
"""The bit of each table in `tables`; part of VERSION's meaning through the file's name."""

_LINKS = TABLES["links"]
_KEEP = 64
STEP_ROWS = 1 << 18
"""Rows of links read at a time while heads are made: some 50 MB of memory."""


@dataclass(frozen=True)
class Common:
    """How common a value is among what the reader may see."""

    rows: int = 0
    """Rows of `links`."""
    sources: int = 0
    """Sources that name it; one that was compacted in two parts may count twice."""
    tables: int = 0
    """Tables it stands in, as TABLE_BITS."""

    def stands_in(self, table: str) -> bool:
        """True when a row of that table holds it."""
        return bool(self.tables & TABLE_BITS[table])


class Links:
    """The links a snapshot may see. Safe to share between threads."""

    def __init__(self, shot: Snapshot) -> None:
        self._shot = shot
        self._lake: Lake = shot._lake
        self._files = shot._live("links")
        self._seen = shot.sees("links")
        self._sources = {r.run_id: r.source for r in shot.runs()}
        self.sources = len(set(self._sources.values()))
        """Distinct sources of all visible runs."""
        self._heads: list[npt.NDArray[Any]] = []
        self._unread: list[DataFile] = []
        """Files without heads, or of which the reader may not see all."""
        self._told = shot._limits.tlp is not None
        self._lock = threading.Lock()
        self._fresh: _Fresh | None = None
        whole = _wholly_seen(shot)
        for file in self._files:
            head = None if whole is None else _CACHE.get(self._lake, file)
            if head is None or whole is None or not head.runs <= whole:
                self._unread.append(file)
            else:
                self._heads.append(head.keys)
        self._small = _smallest(self._unread)
        small = {f.path for f in self._small}
        self._unread = [f for f in self._unread if f.path not in small]
        self._files = [f for f in self._files if f.path not in small]

    @property
    def quick(self) -> bool:
        """True when heads tell how common a value is, or little must be read for it; for a recipient never, because
        how much must be read depends on rows they may not see."""
        return not self._told and not any(is_sorted(f.path) and f.rows >= LEAST_ROWS for f in self._unread)

    def of(self, kind: str, value: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Visible rows of an observable, in no order; of all columns, or of these."""
        value = canonical(kind, value)
        key = key64(kind, value)
        if kind == "ip" and "." in value:
            return self.between(key, key, columns)  # nothing else has the key of an IPv4 address
        found = self.between(key, key, {*columns, "kind", "value"} if columns is not None else None)
        if not found.num_rows:
            return found
        same: Any = pc.and_(
            pc.equal(found["kind"], pa.scalar(kind)), pc.equal(found["value"], pa.scalar(value))
        )
        return found.filter(same)

    def between(self, low: int, high: int, columns: Iterable[str] | None = None) -> pa.Table:
        """Visible rows with a key in `low`..`high`: all addresses of a network (`observable.prefix_keys`)."""
        files = [f for f in self._files if f.key is None or (f.key[0] <= high and low <= f.key[1])]
        names = sorted(columns) if columns is not None else None
        found = rows_between(self._lake, _LINKS, files, self._seen, "key", low, high, names)
        fresh = self._freshly()
        if fresh is None:
            return found
        near = fresh.between(low, high).select(found.column_names)
        return pa.concat_tables([found, near]) if near.num_rows else found

    def common(self, keys: Sequence[int]) -> dict[int, Common]:
        """How common each key is; keys nobody links are left out."""
        wanted = np.unique(np.array(keys, np.int64))
        out: dict[int, Common] = {}
        for head in self._heads:
            _gather(out, *_look(head, wanted))
        if self._unread or self._small:
            _gather(out, *self._read(self._unread, wanted))
        return out

    def spread(self, low: int, high: int) -> tuple[int, int]:
        """(distinct keys, rows) in a range by the heads alone: a lower bound where files have none."""
        keys: list[npt.NDArray[np.int64]] = []
        rows = 0
        for head in self._heads:
            a, b = np.searchsorted(head["key"], [low, high + 1])
            keys.append(head["key"][a:b])
            rows += int(head["rows"][a:b].sum())
        return (len(np.unique(np.concatenate(keys))) if keys else 0), rows

    def _freshly(self) -> _Fresh | None:
        """The small files, read once."""
        if self._fresh is None and self._small:
            with self._lock:
                if self._fresh is None:
                    every = np.iinfo(np.int64)
                    rows = rows_between(
                        self._lake,
                        _LINKS,
                        self._small,
                        self._seen,
                        "key",
                        int(every.min),
                        int(every.max),
                        None,
                    )
                    self._fresh = _Fresh.of(rows)
        return self._fresh

    def _read(self, files: Sequence[DataFile], wanted: npt.NDArray[np.int64]) -> tuple[Any, ...]:
        """The same from the links: rows of all the keys, read a key at a time where they are few.

        Small files together with the others: a source counts once, whichever files are small.
        """
        fresh = self._freshly()
        parts = [] if fresh is None else [fresh.of_keys(wanted)]
        for key in wanted.tolist():
            near = [f for f in files if f.key is None or f.key[0] <= key <= f.key[1]]
            if not near:
                continue
            part = rows_between(
                self._lake, _LINKS, near, self._seen, "key", key, key, ("key", "run_id", "table")
            )
            parts.append(part)
        rows = pa.concat_tables(parts).combine_chunks() if parts else None
        if rows is None or not rows.num_rows:
            return (np.empty(0, np.int64),) * 4
        return _counted(rows, self._sources)


@dataclass(frozen=True)
class _Fresh:
    """Links of small files, by key."""

    rows: pa.Table
    keys: npt.NDArray[np.int64]

    @classmethod
    def of(cls, rows: pa.Table) -> _Fresh:
        """From rows as they come."""
        rows = rows.sort_by("key").combine_chunks()
        return cls(rows, rows["key"].to_numpy())

    def between(self, low: int, high: int) -> pa.Table:
        """Rows with a key in the range."""
        a, b = np.searchsorted(self.keys, low, "left"), np.searchsorted(self.keys, high, "right")
        return self.rows.slice(int(a), int(b - a))

    def of_keys(self, wanted: npt.NDArray[np.int64]) -> pa.Table:
        """Rows of these keys, as `_counted` takes them."""
        at = np.flatnonzero(np.isin(self.keys, wanted))
        return self.rows.select(["key", "table", "run_id"]).take(at)


def _smallest(files: Iterable[DataFile]) -> list[DataFile]:
    """The smallest files that have FRESH_ROWS together, or fewer."""
    out, rows = [], 0
    for file in sorted(files, key=lambda f: (f.rows, f.path)):
        rows += file.rows
        if rows > FRESH_ROWS:
            break
        out.append(file)
    return out


def _wholly_seen(shot: Snapshot) -> frozenset[str] | None:
    """Runs all of whose links may be seen, so that heads say what reading them would; None when heads are not used.

    Others than the own organisation are never answered from heads: how long an answer takes would tell whether a file
    holds rows they may not see.
    """
    limits = shot._limits
    if limits.runs is not None or shot._horizon.tables or not limits.allows(DEFAULT):
        return None
    if limits.tlp is None:
        return shot.sees("links").seen
    runs = (shot._runs[i] for i in shot._visible)
    return frozenset(r.run_id for r in runs if r.rows_up_to("links", limits.tlp) == r.rows("links"))


def _look(head: npt.NDArray[Any], wanted: npt.NDArray[np.int64]) -> tuple[Any, ...]:
    at = np.searchsorted(head["key"], wanted)
    at[at == len(head)] = 0
    found = head[at[head["key"][at] == wanted]] if len(head) else head
    return found["key"], found["rows"], found["sources"], found["tables"]


def _gather(out: dict[int, Common], keys: Any, rows: Any, sources: Any, tables: Any) -> None:
    for key, n, s, t in zip(keys.tolist(), rows.tolist(), sources.tolist(), tables.tolist(), strict=True):
        old = out.get(key, Common())
        out[key] = Common(old.rows + n, old.sources + s, old.tables | t)


def _counted(rows: pa.Table, sources: dict[str, str]) -> tuple[Any, ...]:
    """(keys, rows, distinct sources, tables) of link rows; keys ascending."""
    keys = rows["key"].to_numpy()
    runs = _coded(rows["run_id"])
    numbers: dict[str, int] = {}
    source = np.array([numbers.setdefault(sources.get(r, r), len(numbers)) for r in runs[1]], np.int64)[
        runs[0]
    ]
    tables = _coded(rows["table"])
    bits = np.array([TABLE_BITS.get(t, 0) for t in tables[1]], np.int64)[tables[0]]
    order = np.argsort(keys, kind="stable")
    keys, source, bits = keys[order], source[order], bits[order]
    distinct, starts, counts = np.unique(keys, return_index=True, return_counts=True)
    group = np.repeat(np.arange(len(distinct), dtype=np.int64), counts)
    pairs = np.unique(group * max(1, len(numbers)) + source)
    n_sources = np.bincount(pairs // max(1, len(numbers)), minlength=len(distinct))
    return distinct, counts, n_sources, np.bitwise_or.reduceat(bits, starts)


def _coded(column: Any) -> tuple[npt.NDArray[np.int64], list[str]]:
    coded = column.combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.chunk(0) if coded.num_chunks else pa.array([], pa.string())
    if not pa.types.is_dictionary(coded.type):
        coded = coded.dictionary_encode()
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), coded.dictionary.to_pylist()


@dataclass(frozen=True)
class _Head:
    """The heads of a file, mapped into memory, and the runs that have rows in it."""

    keys: npt.NDArray[Any]
    runs: frozenset[str]


class _Cache:
    """Heads by path; that there are none is kept too, until `build` makes them."""

    def __init__(self) -> None:
        self._kept: dict[Path, _Head | None] = {}
        self._lock = threading.Lock()

    def get(self, lake: Lake, file: DataFile) -> _Head | None:
        """The heads of a file, if there are."""
        if not is_sorted(file.path):
            return None
        path = _path(lake, file)
        with self._lock:
            if path in self._kept:
                return self._kept[path]
        head = _load(path, file)
        with self._lock:
            self._kept[path] = head
            while len(self._kept) > _KEEP:
                del self._kept[next(iter(self._kept))]
        return head

    def forget(self, path: Path) -> None:
        """Looks at the disk again next time."""
        with self._lock:
            self._kept.pop(path, None)


_CACHE = _Cache()


def _load(path: Path, file: DataFile) -> _Head | None:
    """None when there are none, or they are not what `build` writes."""
    try:
        keys = np.load(path, mmap_mode="r", allow_pickle=False)
        runs = frozenset(path.with_suffix(".runs").read_text("ascii").split())
    except (OSError, ValueError, EOFError):
        return None
    if keys.dtype != HEAD or keys.ndim != 1 or int(keys["rows"].sum()) != file.rows:
        return None
    return _Head(keys, runs)


def _path(lake: Lake, file: DataFile) -> Path:
    name = file.path.rpartition("/")[2].removesuffix(".parquet")
    return lake.path / FOLDER / f"{name}.v{VERSION}-{len(TABLES)}.npy"


def build(lake: Lake, *, again: bool = False) -> int:
    """Makes the heads that are missing (all with `again`) and takes away those of files that are gone; how many made.

    The links are read in the order of their keys, some at a time: 28 bytes of memory a key of the largest file.
    """
    sources = {i: r.source for i, r in lake.log.load().items()}
    live = {
        _path(lake, f): f for f in lake.stores["links"].files() if is_sorted(f.path) and f.rows >= LEAST_ROWS
    }
    made = 0
    for path, file in live.items():
        if again or not path.is_file():
            keys, runs = _heads(lake, file, sources)
            _write(path.with_suffix(".runs"), "\n".join(runs).encode("ascii"))
            _write(path, keys)  # last: what is there is whole
            _CACHE.forget(path)
            made += 1
    for path in (lake.path / FOLDER).glob("*.npy"):
        if path not in live:
            path.unlink(missing_ok=True)
            path.with_suffix(".runs").unlink(missing_ok=True)
            _CACHE.forget(path)
    return made


def _heads(lake: Lake, file: DataFile, sources: dict[str, str]) -> tuple[npt.NDArray[Any], list[str]]:
    """(heads, runs) of a sorted file, whose rows of one key stand together: what is held back is the last key's."""
    parts, runs, held = [np.empty(0, HEAD)], set(), None
    with pq.ParquetFile(lake.stores["links"].root / file.path) as source:
        for batch in source.iter_batches(STEP_ROWS, columns=["key", "run_id", "table"], use_threads=False):
            rows = _encoded(pa.Table.from_batches([batch]))
            runs |= set(_coded(rows["run_id"])[1])
            if held is not None:
                rows = pa.concat_tables([held, rows]).unify_dictionaries().combine_chunks()
            keys = rows["key"].to_numpy()
            cut = int(np.searchsorted(keys, keys[-1]))
            parts.append(_head(rows.slice(0, cut), sources))
            held = rows.slice(cut)
    if held is not None:
        parts.append(_head(held, sources))
    return np.concatenate(parts), sorted(runs)


def _encoded(rows: pa.Table) -> pa.Table:
    # Not by `read_dictionary`: pyarrow cannot for columns written as lengths and bytes.
    for name in ("run_id", "table"):
        if not pa.types.is_dictionary(rows[name].type):
            rows = rows.set_column(rows.column_names.index(name), name, rows[name].dictionary_encode())
    return rows.unify_dictionaries().combine_chunks()


def _head(rows: pa.Table, sources: dict[str, str]) -> npt.NDArray[Any]:
    if not rows.num_rows:
        return np.empty(0, HEAD)
    keys, counts, n_sources, tables = _counted(rows, sources)
    head = np.empty(len(keys), HEAD)
    head["key"], head["rows"], head["sources"], head["tables"] = keys, counts, n_sources, tables
    return head


def _write(path: Path, content: npt.NDArray[Any] | bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as out:
            if isinstance(content, bytes):
                out.write(content)
            else:
                np.save(out, content, allow_pickle=False)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
