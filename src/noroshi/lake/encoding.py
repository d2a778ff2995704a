"""How data files are encoded, per table and column: the one place to tune size against speed.

Fresh files are written while a source is being read, so they must be cheap to write; compacted files are
written once and read often, so they are small, sorted and cut into row groups a point query can pick from.
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from noroshi.model.tables import TABLES

FRESH_GROUP = 98_304
"""Rows gathered before a row group of a fresh file is written; a larger batch is one group of its own,
because every row group repeats its dictionaries."""

SORTED_GROUP = 16_384
"""Rows in a row group of a sorted file: what one point query must decode (measured in notes on layouts:
122 k rows cost p99 129 ms where 16 k cost 33 ms; size differs by 2 %)."""

FRESH_SORTED_GROUP = 4096
"""The same in fresh files that happen to be in order (links, small runs): a point query may have to look into
dozens of them."""

# Values that hardly repeat inside a file and are close to their neighbours: deltas beat a dictionary.
_DELTA = {"first_seen", "last_seen", "offset", "key", "position"}
# Only where rows are in order do ranges of addresses tell row groups apart; they cost 30 ns a value.
_ORDERED_STATISTICS = {"src_ip", "dst_ip", "inner_dst_ip"}
# Values so spread that a dictionary costs four times the time and saves nothing, or so uniform that the
# compressor sees it as well: seq 102 ns a row with a dictionary, 29 without, at 6.2 and 4.2 bytes.
_PLAIN = {
    "src_port", "protocol", "tcp_flags", "seq", "ack", "rules_version", "ip_id", "mss", "inner_src_port",
    "inner_dst_port", "inner_protocol", "sample", "detail", "evidence", "summary",
}  # fmt: skip
SPREAD = 0.3
"""Distinct values per row above which a dictionary of the first batch does not pay: an address column of
almost distinct values took 175 ns a row and 4.9 bytes with its dictionary, 46 ns and 3.1 bytes without."""
# Read by the lake itself to choose files and row groups, or by people to restrict a query.
_STATISTICS = {
    "dst_port", "first_seen", "last_seen", "run_id", "rules_version", "key", "day", "id", "subject_value",
    "modified", "position", "at", "tool", "class",
}  # fmt: skip
# What tables are sorted by, and when their rows happened: a point query chooses row groups by them.
_STATISTICS |= {name for t in TABLES.values() for name in (*t.sort, t.time) if name}


# Integers of a fresh fact file that are the same, or nearly, row after row: the compressor alone is cheapest.
_STEADY = {"protocol", "tcp_flags", "ack", "packet_count", "rules_version", "mss"}


def options(rows: pa.Table, *, ordered: bool) -> dict[str, Any]:
    """Arguments of pyarrow's ParquetWriter for a data file that begins with `rows`.

    ordered: the rows are in the table's order, as in compacted files; else the file is fresh and written fast.
    """
    how = _ordered(rows) if ordered else _fresh(rows)
    return how | {
        "version": "2.6",
        "data_page_version": "2.0",
        # An address dictionary of a 400 k row batch may hold 400 k x 9 bytes; past the limit the column falls
        # back to plain values, which is both slower and larger.
        "dictionary_pagesize_limit": 16 << 20,
        "store_schema": False,  # dictionary columns read back as plain strings and blobs
    }


def _ordered(rows: pa.Table) -> dict[str, Any]:
    names = rows.column_names
    delta = [n for n in names if n in _DELTA]
    lists = [f.name for f in rows.schema if pa.types.is_list(f.type)]
    plain = {*delta, *_PLAIN, *(n for n in names if _is_spread(rows[n]))}
    return {
        "compression": "zstd",
        "compression_level": 1,  # 3 took 1.7 times as long for 0.4 % fewer bytes
        "use_dictionary": [n for n in names if n not in plain] + [f"{n}.list.element" for n in lists],
        "column_encoding": dict.fromkeys(delta, "DELTA_BINARY_PACKED"),
        "write_statistics": [n for n in names if n in _STATISTICS | _ORDERED_STATISTICS],
    }


def _fresh(rows: pa.Table) -> dict[str, Any]:
    """Bytes of integers split into streams and LZ4: 160 ns and 26.9 bytes a flow row of the synthetic capture,
    where dictionaries, deltas and zstd took 320 ns and 24.8 bytes. Compaction makes up for the size."""
    numbers = [f.name for f in rows.schema if pa.types.is_integer(f.type) or pa.types.is_timestamp(f.type)]
    # A column that comes without a dictionary would be hashed to make one.
    coded = [f.name for f in rows.schema if pa.types.is_dictionary(f.type)]
    return {
        "compression": "lz4",
        "use_dictionary": [n for n in coded if not _is_spread(rows[n])],
        "column_encoding": {n: "BYTE_STREAM_SPLIT" for n in numbers if n not in _STEADY},
        "write_statistics": [n for n in rows.column_names if n == "first_seen"],
    }


def _is_spread(column: pa.ChunkedArray[Any]) -> bool:
    """True when the column comes with a dictionary about as long as itself."""
    if not pa.types.is_dictionary(column.type) or len(column) < 1000:
        return False
    chunks: list[Any] = column.chunks
    return sum(len(c.dictionary) for c in chunks) > SPREAD * len(column)


def versioned(name: str, version: int) -> str:
    """The file name of a data file written at that version of its table."""
    return f"{name}.parquet" if version == 1 else f"{name}.v{version}.parquet"


def version_of(path: str) -> int:
    """The version of its table at which a data file was written."""
    found = re.search(r"\.v(\d{1,4})\.parquet$", path)
    return int(found[1]) if found else 1


def is_sorted(name: str) -> bool:
    """True when the data file of that path was written by compaction, in the table's order."""
    return name.rpartition("/")[2].startswith("c-")
