"""How data files are encoded, per table and column: the one place to tune size against speed.

Fresh files are written while a source is being read, so they must be cheap to write; compacted files are
written once and read often, so they are small, sorted and cut into row groups a point query can pick from.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from noroshi.model.schema import Table

FRESH_GROUP = 131_072
"""Rows gathered before a row group of a fresh file is written; a larger batch is one group of its own,
because every row group repeats its dictionaries."""

SORTED_GROUP = 16_384
"""Rows in a row group of a sorted file: what one point query must decode (measured in notes on layouts:
122 k rows cost p99 129 ms where 16 k cost 33 ms; size differs by 2 %)."""

COMPACT_SQL = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {SORTED_GROUP}, PARQUET_VERSION v2"
"""Options of DuckDB's COPY for compacted files."""

# Values that hardly repeat inside a file and are close to their neighbours: deltas beat a dictionary.
_DELTA = {"first_seen", "last_seen", "offset", "key", "position"}
# Read by the lake itself to choose files and row groups, or by people to restrict a query.
_STATISTICS = {
    "src_ip", "dst_ip", "inner_dst_ip", "dst_port", "first_seen", "last_seen", "run_id", "rules_version",
    "key", "day", "id", "subject_value", "modified", "position", "at", "tool", "class",
}  # fmt: skip


def options(table: Table, schema: pa.Schema, *, fresh: bool) -> dict[str, Any]:
    """Arguments of pyarrow's ParquetWriter for a data file of `table` with the columns of `schema`."""
    names = [field.name for field in schema]
    delta = [n for n in names if n in _DELTA]
    lists = [f.name for f in schema if pa.types.is_list(f.type)]
    return {
        "version": "2.6",
        "data_page_version": "2.0",
        "compression": "zstd",
        "compression_level": 1 if fresh else 3,
        "use_dictionary": [n for n in names if n not in delta] + [f"{n}.list.element" for n in lists],
        "column_encoding": dict.fromkeys(delta, "DELTA_BINARY_PACKED"),
        "write_statistics": [n for n in names if n in _STATISTICS],
        # An address dictionary of a 400 k row batch may hold 400 k x 9 bytes; past the limit the column falls
        # back to plain values, which is both slower and larger.
        "dictionary_pagesize_limit": 16 << 20,
        "store_schema": False,  # dictionary columns read back as plain strings and blobs
    }


def group_rows(name: str) -> int:
    """Rows in a row group when the data file `name` is written again."""
    return SORTED_GROUP if is_sorted(name) else 8 * FRESH_GROUP


def is_sorted(name: str) -> bool:
    """True when the data file of that path was written by compaction, in the table's order."""
    return name.rpartition("/")[2].startswith("c-")
