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

SORTED_GROUP = 8192
"""Rows in a row group of a sorted file: what one point query must decode. Of 1.2 M flow rows, 16 k : 8 k : 4 k rows
a group took 28, 29, 30 MB; the engine read a column of all in 13, 19, 28 ms; a look took 0.8, 0.5, 0.4 ms."""

FRESH_SORTED_GROUP = 4096
"""The same in fresh files that happen to be in order (links, small runs): a point query may have to look into
dozens of them."""

# Values that hardly repeat inside a file and are close to their neighbours: deltas beat a dictionary.
_DELTA = {"first_seen", "last_seen", "ts", "offset", "key", "position"}
# What delta or a dictionary already leaves small in a sorted file: zstd took 3 % off it, and 10 us a read of each.
_RAW = {
    "first_seen", "last_seen", "ts", "day", "count", "dst_port", "port", "packet_count", "protocol", "role",
    "table", "kind",
}  # fmt: skip
# Only where rows are in order do ranges of addresses tell row groups apart; they cost 30 ns a value.
_ORDERED_STATISTICS = {"src_ip", "dst_ip", "inner_dst_ip"}
# Values so spread that a dictionary costs four times the time and saves nothing, or so uniform that the
# compressor sees it as well: seq 102 ns a row with a dictionary, 29 without, at 6.2 and 4.2 bytes.
_PLAIN = {
    "src_port", "protocol", "tcp_flags", "seq", "ack", "rules_version", "ip_id", "mss", "inner_src_port",
    "inner_dst_port", "inner_protocol", "sample", "detail", "evidence", "summary",
}  # fmt: skip
_LENGTHS = "DELTA_LENGTH_BYTE_ARRAY"
"""All lengths, then all characters: uuids took 18.5 bytes, with a length before each 19.8, with a dictionary 21.6."""
_NEIGHBOURS = {"value"}
"""Texts that share much with the one before: the compressor does better when they stand as they are."""
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
    varied = [f.name for f in rows.schema if pa.types.is_string(f.type) and _is_varied(rows[f.name])]
    plain = {*delta, *varied, *_PLAIN - _RAW, *(n for n in names if _is_spread(rows[n]))}
    leaves = [f"{n}.list.element" if n in lists else n for n in names]
    told = _STATISTICS | _ORDERED_STATISTICS
    return {
        "compression": {n: "none" if n in _RAW - plain or n in _RAW & _DELTA else "zstd" for n in leaves},
        # 3 took 1.7 times as long for 0.4 % fewer bytes
        "compression_level": {n: 1 for n in leaves if n not in _RAW or n in plain - _DELTA},
        "use_dictionary": [n for n in names if n not in plain] + [f"{n}.list.element" for n in lists],
        "column_encoding": dict.fromkeys(delta, "DELTA_BINARY_PACKED")
        | {n: _LENGTHS for n in varied if n not in _NEIGHBOURS},
        # A point query does not read what the footer tells: columns with nothing, or one value, in a row group.
        "write_statistics": [n for n in names if n not in lists and (n in told or _is_steady(rows[n]))]
        + [f"{n}.list.element" for n in lists if not _any(rows[n])],
    }


def _is_steady(column: pa.ChunkedArray[Any]) -> bool:
    """True when all values are the same, or all null."""
    import pyarrow.compute as pc

    if not len(column) or column.null_count == len(column):
        return True
    if column.null_count or column[0].as_py() != column[len(column) - 1].as_py():
        return False
    return bool(pc.all(pc.equal(column, column[0])).as_py())


def _any(column: pa.ChunkedArray[Any]) -> bool:
    """True when one of the lists has an element."""
    chunks: list[Any] = column.chunks
    return any(len(chunk.flatten()) for chunk in chunks)


def _fresh(rows: pa.Table) -> dict[str, Any]:
    """Bytes of integers split into streams and LZ4: 160 ns and 26.9 bytes a flow row of the synthetic capture,
    where dictionaries, deltas and zstd took 320 ns and 24.8 bytes. Compaction makes up for the size.

    Texts that come without a dictionary take most of the room where there are any: zstd costs them nothing more than
    LZ4 and halves them (ids and URLs of a MISP feed: 31 bytes a row for 60)."""
    numbers = [f.name for f in rows.schema if pa.types.is_integer(f.type) or pa.types.is_timestamp(f.type)]
    # A column that comes without a dictionary would be hashed to make one.
    coded = [f.name for f in rows.schema if pa.types.is_dictionary(f.type)]
    texts = [f.name for f in rows.schema if pa.types.is_string(f.type)]
    lists = [f.name for f in rows.schema if pa.types.is_list(f.type)]
    leaves = [n for n in rows.column_names if n not in lists] + [f"{n}.list.element" for n in lists]
    return {
        "compression": dict.fromkeys(leaves, "lz4") | dict.fromkeys(texts, "zstd"),
        "compression_level": dict.fromkeys(texts, 1),
        "use_dictionary": [n for n in coded if not _is_spread(rows[n])],
        "column_encoding": {n: "BYTE_STREAM_SPLIT" for n in numbers if n not in _STEADY}
        | dict.fromkeys(texts, _LENGTHS),
        "write_statistics": [n for n in rows.column_names if n == "first_seen"],
    }


def _is_varied(column: pa.ChunkedArray[Any]) -> bool:
    """True when a column of plain texts hardly repeats: ids, URLs."""
    some: Any = column.slice(0, SORTED_GROUP)
    return len(some) >= 1000 and len(some.unique()) > SPREAD * len(some)


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
