"""Claim: everything about a value is found in `links` in a few milliseconds, once compacted.

Usage: python bench/lake_links.py [LAKE]   3 M synthetic link rows in 60 runs of 50 k, 400 k addresses; 200
questions, best of 3 each; wall time and the asking thread's processor time, before and after compaction.
"""

from __future__ import annotations

import random
import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from noroshi.lake import writer as writing
from noroshi.lake.handle import Lake
from noroshi.model.observable import key64
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp

VALUES, RUNS, ROWS = 400_000, 60, 50_000


def fill(lake: Lake, text: list[str]) -> None:
    """A run per half day, each a commit of its own."""
    writing.GROUP_BYTES = 0
    rng = np.random.default_rng(2)
    keys = np.array([key64("ip", t) for t in text])
    values = np.array(text, object)
    names = TABLES["links"].arrow().names[:-1]
    with lake.writer() as writer:
        for number in range(RUNS):
            codes = np.sort(rng.choice(VALUES, ROWS, replace=False))
            ts = datetime(2024, 4, 1, tzinfo=UTC) + timedelta(days=number // 2)
            same = [["ip"] * ROWS, pa.array(values[codes]), ["src"] * ROWS, ["flows"] * ROWS]
            times = [pa.array([ts.date()] * ROWS), pa.array([ts] * ROWS), pa.array([ts] * ROWS)]
            rows = pa.table([pa.array(keys[codes]), *same, *times, np.ones(ROWS, np.int64)], names=names)
            run = writer.begin(path="x", format="pcap", parser_version=1, tlp=Tlp.GREEN)
            run.write(Batch("links", rows))
            run.finish(sha256=str(number), size=0)


def ask(lake: Lake, text: list[str]) -> str:
    """Latencies of 200 questions."""
    shot = lake.snapshot()
    shot.links("ip", "9.9.9.9")  # footers
    wall, cpu = [], []
    for value in random.Random(1).sample(text, 200):
        best = []
        for _ in range(3):
            began, spent = time.perf_counter(), time.thread_time()
            shot.links("ip", value)
            best.append((time.perf_counter() - began, time.thread_time() - spent))
        wall.append(1000 * min(w for w, _ in best))
        cpu.append(1000 * min(c for _, c in best))
    wall.sort()
    cpu.sort()
    return (
        f"wall p50 {wall[100]:.1f} p99 {wall[197]:.1f} ms, processor p50 {cpu[100]:.1f} p99 {cpu[197]:.1f} ms"
    )


def main() -> None:
    where = Path(sys.argv[1] if len(sys.argv) > 1 else "bench-links")
    shutil.rmtree(where, ignore_errors=True)
    lake = Lake.open(where)
    text = [f"{10 + i // 65536}.{i // 256 % 256}.{i % 256}.1" for i in range(VALUES)]
    fill(lake, text)
    for state in ("fresh", "compacted"):
        files = lake.stores["links"].files()
        size = sum(f.size for f in files) / sum(f.rows for f in files)
        print(f"{state}: {len(files)} files, {size:.1f} bytes/row, {ask(Lake.open(where), text)}")
        lake.compact("links", only_needed=True)


if __name__ == "__main__":
    main()
