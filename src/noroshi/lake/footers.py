"""What the footers of data files say, kept by file name: which row groups may hold a value.

Kept per column as arrays of smallest and largest value. A file never changes, so nothing here gets stale; it
is dropped when too much has gathered.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from noroshi.lake.errors import telling

_KEEP_FILES = 4096
"""Footers kept open at most; a footer of 1,200 row groups and 32 columns takes some 10 MB."""
_KEEP_GROUPS = 20_000


@dataclass
class Footer:
    """An open data file and the ranges of its row groups."""

    reader: pq.ParquetFile
    names: dict[str, int]
    ranges: dict[str, list[tuple[Any, Any] | None]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def groups(self, column: str, value: Any) -> list[int]:
        """Row groups that may hold `value`, in order; all when the file has no statistics of the column."""
        found = self.ranges.get(column)
        if found is None:
            found = self.ranges[column] = self._ranges(column)
        # Not by bisection: after rows were taken out, neighbours may be slightly out of order.
        return [i for i, r in enumerate(found) if r is None or r[0] <= value <= r[1]]

    def _ranges(self, column: str) -> list[tuple[Any, Any] | None]:
        meta, index = self.reader.metadata, self.names[column]
        out: list[tuple[Any, Any] | None] = []
        for group in range(meta.num_row_groups):
            stats = meta.row_group(group).column(index).statistics
            out.append((stats.min, stats.max) if stats is not None and stats.has_min_max else None)
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
            # Texts stay codes until the few matching rows are known: a fifth of the time of such a column.
            texts = [c.path for c in map(meta.schema.column, range(meta.num_columns))
                     if c.logical_type.type == "STRING" and c.max_repetition_level == 0]  # fmt: skip
            reader = pq.ParquetFile(
                path, metadata=meta, memory_map=True, pre_buffer=False, read_dictionary=texts
            )
        names = {meta.schema.column(i).path: i for i in range(meta.num_columns)}
        footer = Footer(reader, names)
        with self._lock:
            self._kept[path] = footer
            self._groups += meta.num_row_groups
            while len(self._kept) > _KEEP_FILES or (self._groups > _KEEP_GROUPS and len(self._kept) > 1):
                oldest = next(iter(self._kept))
                self._groups -= self._kept.pop(oldest).reader.metadata.num_row_groups
        return footer
