"""What the footers of data files say, kept by file name: which row groups may hold a value.

Kept per column as arrays of smallest and largest value. A file never changes, so nothing here gets stale; it
is dropped when too much has gathered.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from noroshi.lake.errors import telling

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_KEEP_FILES = 4096
"""Footers kept open at most; a footer of 1,200 row groups and 32 columns takes some 10 MB."""
_KEEP_GROUPS = 20_000


@dataclass
class Footer:
    """An open data file and the ranges of its row groups."""

    reader: pq.ParquetFile
    names: dict[str, int]
    columns: frozenset[str]
    """Names of the columns; `names` has lists under the name of their elements."""
    ranges: dict[str, list[tuple[Any, Any] | None]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    numbers: dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = field(default_factory=dict)
    """Smallest and largest value of each row group, of columns of whole numbers."""
    leaves: dict[str, list[int]] = field(default_factory=dict)
    """Where each column is stored; a list as one too."""
    told: dict[int, dict[str, Any]] = field(default_factory=dict)
    """What `fixed` found."""

    def read(self, group: int, columns: Iterable[str]) -> pa.Table:
        """Columns of a row group: without what pyarrow spends on names, a fifth of the time of a small group."""
        indices = [i for name in columns for i in self.leaves[name]]
        return self.reader.reader.read_row_group(group, column_indices=indices, use_threads=False)

    def fixed(self, group: int) -> dict[str, Any]:
        """Columns that have one value in all rows of the group, or none (None): they need not be read.

        A list without elements anywhere is None, whether lists are null or empty.
        """
        found = self.told.get(group)
        if found is None:
            if group and not self.fixed(0):
                found = self.told[0]
            else:
                found = self._fixed(group, self.told[0] if group else self.leaves)
            self.told[group] = found
        return found

    def _fixed(self, group: int, names: Iterable[str]) -> dict[str, Any]:
        meta: Any = self.reader.metadata.row_group(group)
        out: dict[str, Any] = {}
        for name in names:
            stored = meta.column(self.leaves[name][0])
            stats = stored.statistics if stored.is_stats_set else None
            if stats is None or not stats.has_null_count:
                continue
            if stats.null_count == stored.num_values:
                out[name] = None
            elif not stats.null_count and stats.has_min_max and name in self.names and stats.min == stats.max:
                out[name] = stats.min
        return out

    def groups(self, column: str, value: Any) -> list[int]:
        """Row groups that may hold `value`, in order; all when the file has no statistics of the column."""
        return self.between(column, value, value)

    def between(self, column: str, low: Any, high: Any) -> list[int]:
        """Row groups that may hold a value of `low`..`high`, in order."""
        found = self.learn(column)
        if type(low) is int and column in self.numbers:
            lows, highs = self.numbers[column]
            return [int(i) for i in ((lows <= high) & (highs >= low)).nonzero()[0]]
        # Not by bisection: after rows were taken out, neighbours may be slightly out of order.
        return [i for i, r in enumerate(found) if r is None or (r[0] <= high and low <= r[1])]

    def learn(self, column: str) -> list[tuple[Any, Any] | None]:
        """Smallest and largest value of the column by row group, None where that is not told."""
        found = self.ranges.get(column)
        if found is None:
            found = self.ranges[column] = self._ranges(column)
        return found

    def _ranges(self, column: str) -> list[tuple[Any, Any] | None]:
        # Lists are stored one level deeper, under names of their own; their statistics tell nothing of order.
        meta, index = self.reader.metadata, self.names.get(column)
        if index is None:
            return [None] * meta.num_row_groups
        out: list[tuple[Any, Any] | None] = []
        for group in range(meta.num_row_groups):
            stats = meta.row_group(group).column(index).statistics
            out.append((stats.min, stats.max) if stats is not None and stats.has_min_max else None)
        if out and all(r is not None and type(r[0]) is int for r in out):
            import numpy as np

            lows, highs = zip(*(r for r in out if r is not None), strict=True)
            self.numbers[column] = np.array(lows, np.int64), np.array(highs, np.int64)
        return out


class Footers:
    """Footers by path."""

    def __init__(self) -> None:
        self._kept: dict[Path, Footer] = {}
        self._paths: dict[tuple[Path, str], Path] = {}
        self._groups = 0
        self._lock = threading.Lock()

    def path(self, root: Path, name: str) -> Path:
        """`root / name`, made once: making and comparing paths costs as much as a small column."""
        found = self._paths.get((root, name))
        if found is None:
            if len(self._paths) > 2 * _KEEP_FILES:
                self._paths.clear()
            found = self._paths[root, name] = root / name
        return found

    def get(self, path: Path) -> Footer:
        """The footer of a data file; raises LakeError when it cannot be read."""
        with self._lock:
            kept = self._kept.get(path)
        if kept:
            return kept
        with telling(path):
            meta = pq.read_metadata(path)
            # Texts and addresses stay codes until the few matching rows are known: a fifth of the time.
            texts = [c.path for c in map(meta.schema.column, range(meta.num_columns))
                     if c.physical_type == "BYTE_ARRAY" and c.max_repetition_level == 0]  # fmt: skip
            texts = [t for i, t in _stored(meta) if t in texts and _may_be_coded(meta, i)]
            reader = pq.ParquetFile(
                path, metadata=meta, memory_map=True, pre_buffer=False, read_dictionary=texts
            )
        names = {meta.schema.column(i).path: i for i in range(meta.num_columns)}
        footer = Footer(reader, names, frozenset(reader.schema_arrow.names))
        for path_, i in names.items():
            footer.leaves.setdefault(path_.partition(".")[0], []).append(i)
        with self._lock:
            self._kept[path] = footer
            self._groups += meta.num_row_groups
            while len(self._kept) > _KEEP_FILES or (self._groups > _KEEP_GROUPS and len(self._kept) > 1):
                oldest = next(iter(self._kept))
                self._groups -= self._kept.pop(oldest).reader.metadata.num_row_groups
        return footer


def _stored(meta: Any) -> list[tuple[int, str]]:
    return [(i, meta.schema.column(i).path) for i in range(meta.num_columns)]


def _may_be_coded(meta: Any, column: int) -> bool:
    """False for texts written as lengths and characters, which pyarrow cannot read as codes."""
    if not meta.num_row_groups:
        return False
    return not any(e.startswith("DELTA") for e in meta.row_group(0).column(column).encodings)
