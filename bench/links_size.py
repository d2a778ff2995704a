"""How many bytes a link takes on disk, column by column, for several encodings of the times.

    python bench/links_size.py [--rows 10_000_000]

Synthetic: runs of a quarter of an hour over 30 days, sources by Zipf 1.2 out of a million addresses, a link per run,
source and day, first and last time inside the run, one in five only seen once. Prints bytes a link by column.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from noroshi.lake import encoding
from noroshi.model.tables import TABLES
from noroshi.wire import text

RUNS = 30 * 96
BASE = 1_790_000_000_000_000


def made(rows: int, seed: int = 7) -> pa.Table:
    """That many links in the table's order."""
    rng = np.random.default_rng(seed)
    per = rows // RUNS
    addresses = rng.integers(1 << 24, 223 << 24, 1_000_000, dtype=np.int64)
    ids, runs = [], []
    for run in range(RUNS):
        drawn = np.unique((rng.zipf(1.2, 6 * per) - 1) % len(addresses))
        drawn = rng.permutation(drawn)[:per]
        ids.append(drawn)
        runs.append(np.full(len(drawn), run, np.int64))
    who, run = np.concatenate(ids), np.concatenate(runs)
    n = len(who)
    first = BASE + run * 900_000_000 + rng.integers(0, 900_000_000, n)
    end = BASE + (run + 1) * 900_000_000
    last = np.where(rng.random(n) < 0.2, first, first + ((end - first) * rng.random(n)).astype(np.int64))
    count = np.where(first == last, 1, rng.zipf(1.5, n).clip(2, 1 << 30))
    lo = (addresses[who] | (0xFFFF << 32)).astype(np.uint64)
    key = text.address_keys(np.zeros(n, np.uint64), lo)
    day = (first // 86_400_000_000).astype(np.int32)
    order = np.lexsort((run, day, key))
    offsets, data = text.texts(np.zeros(n, np.uint64), lo[order])
    whole: Any = np.ascontiguousarray(data)
    value = pa.Array.from_buffers(pa.string(), n, [None, pa.py_buffer(offsets), pa.py_buffer(whole)])
    names = [rng.bytes(8).hex() for _ in range(RUNS)]
    stamp = pa.timestamp("us", tz="UTC")
    columns = {
        "key": pa.array(key[order]), "kind": pa.repeat("ip", n), "value": value, "role": pa.repeat("src", n),
        "table": pa.repeat("connections", n), "day": pa.array(day[order]).cast(pa.date32()),
        "first_seen": pa.array(first[order]).cast(stamp), "last_seen": pa.array(last[order]).cast(stamp),
        "count": pa.array(count[order]), "tlp": pa.nulls(n, pa.string()),
        "run_id": pa.array(names).take(pa.array(run[order])),
    }  # fmt: skip
    schema = TABLES["links"].arrow()
    return pa.table([columns[c] for c in schema.names], schema=schema)


def written(rows: pa.Table, how: dict[str, Any], path: Path) -> tuple[dict[str, float], float]:
    """Bytes a row by column, and seconds of this thread a million rows."""
    start = time.process_time()
    with pq.ParquetWriter(path, rows.schema, **how) as out:
        for at in range(0, rows.num_rows, 1 << 22):
            out.write_table(rows.slice(at, 1 << 22), row_group_size=encoding.SORTED_GROUP)
    spent = time.process_time() - start
    meta = pq.read_metadata(path)
    sizes: dict[str, float] = {}
    for g in range(meta.num_row_groups):
        for c in range(meta.num_columns):
            column = meta.row_group(g).column(c)
            sizes[column.path_in_schema] = sizes.get(column.path_in_schema, 0) + column.total_compressed_size
    sizes["(footer)"] = path.stat().st_size - sum(sizes.values())
    return {k: v / rows.num_rows for k, v in sizes.items()}, spent / rows.num_rows * 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    rows = made(parser.parse_args().rows)
    values = len(rows["value"].unique())
    print(f"{rows.num_rows:,} links, {values:,} distinct values")
    today = encoding.options(rows, ordered=True)
    times = ("first_seen", "last_seen")
    ways: dict[str, dict[str, Any]] = {"as the lake writes them": today}
    for name, enc in (("times split into bytes", "BYTE_STREAM_SPLIT"), ("times plain", "PLAIN")):
        ways[name] = today | {"column_encoding": today["column_encoding"] | dict.fromkeys(times, enc)}
    ways["zstd level 3"] = today | {"compression_level": 3}
    with tempfile.TemporaryDirectory() as folder:
        for name, how in ways.items():
            sizes, seconds = written(rows, how, Path(folder) / "links.parquet")
            rest = sum(sizes.values()) - sizes["value"]
            print(
                f"{name}: {rest:.2f} bytes a link beside the values ({sizes['value']:.2f}), {seconds:.2f} s a million"
            )
            print("   ", ", ".join(f"{k} {v:.2f}" for k, v in sizes.items()))


if __name__ == "__main__":
    main()
