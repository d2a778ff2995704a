"""What the footers of data files say, kept by file name: which row groups may hold a value.

Kept per column as arrays of smallest and largest value. A file never changes, so nothing here gets stale; it
is dropped when too much has gathered.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from noroshi.lake.errors import telling

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

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
        self._groups = 0
        self._lock = threading.Lock()

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
            reader = pq.ParquetFile(
                path, metadata=meta, memory_map=True, pre_buffer=False, read_dictionary=texts
            )
        names = {meta.schema.column(i).path: i for i in range(meta.num_columns)}
        footer = Footer(reader, names, frozenset(reader.schema_arrow.names))
        with self._lock:
            self._kept[path] = footer
            self._groups += meta.num_row_groups
            while len(self._kept) > _KEEP_FILES or (self._groups > _KEEP_GROUPS and len(self._kept) > 1):
                oldest = next(iter(self._kept))
                self._groups -= self._kept.pop(oldest).reader.metadata.num_row_groups
        return footer
