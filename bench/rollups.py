"""Views over 60 days from the sums of runs: how long, how right, beside the same question over the facts.

    python -m bench.rollups [--runs 1440] [--size 100_000_000] [--facts 2_000_000] [--repeat 5]

Synthetic: `runs` runs spread over 60 days, sources by Zipf 1.2 out of a million addresses, ports by Zipf 1.3. The rows
of `hourly` and `daily` stand for `size` packets and are made by the code that ingest uses (`lake.rollup`) and written
through the lake's writer, a run each. `facts` rows of `flows` are kept as well, so that the same questions can be asked
of them: their time is for that many rows, not for `size`. Asserts that answers lie within what they promise and that
both views take less than 500 ms (median); results in bench/results. One process, data in the page cache.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench import harness
from noroshi.ask.rollups import STANDARD_ERROR, top_ports, unique_sources
from noroshi.lake.handle import Lake
from noroshi.lake.rollup import SHARE
from noroshi.model import address
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp
from noroshi.wire import text

DAYS = 60
START = datetime(2026, 8, 1, tzinfo=UTC)
BOUND_MS = 500.0
Numbers = npt.NDArray[np.int64]


def main() -> None:
    """Makes the lake, asks, compares, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1440)
    parser.add_argument("--size", type=int, default=100_000_000, help="packets the sums stand for")
    parser.add_argument("--facts", type=int, default=2_000_000, help="rows of flows kept beside them")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.open(Path(folder) / "lake", create=True)
        began = time.monotonic()
        truth = fill(lake, args.runs, args.size, args.facts)
        made_s = time.monotonic() - began
        lake.compact()
        lake.snapshot().sql("SELECT 1")  # DuckDB is loaded once per process
        result = vars(args) | {"made_s": round(made_s, 1)} | ask(lake, truth, args.repeat)
    harness.write("rollups", result, _table(result))
    if max(result["top_ports_ms"]["median"], result["unique_sources_ms"]["median"]) > BOUND_MS:
        sys.exit(f"a view took more than {BOUND_MS:.0f} ms")


def _table(result: dict[str, Any]) -> str:
    names = {
        "top_ports_ms": "top ports, from `hourly`", "unique_sources_ms": "sources a day and in all, from `daily`",
        "exact_from_links_ms": "the same counted, from `links`",
        "facts_top_ports_ms": "top ports, from the kept rows of `flows`",
        "facts_unique_sources_ms": "sources a day, from the kept rows of `flows`",
    }  # fmt: skip
    rows = [
        (text, *(f"{result[name][k]:.0f}" for k in ("median", "least", "most", "cpu_median")))
        for name, text in names.items()
    ]
    rows_of, sources = result["rows"], result["sources"]
    return (
        harness.table(("60 days, ms", "median", "least", "most", "CPU"), rows)
        + f"\n\n{result['runs']:,} runs that stand for {result['size']:,} packets:"
        f" {rows_of['hourly']:,} rows of hourly,"
        f" {rows_of['daily']:,} of daily, {rows_of['links']:,} links;"
        f" {rows_of['flows']:,} rows of flows kept, so what is"
        f" asked of those is asked of 1/{result['size'] // result['facts']} of the packets. Sources in all:"
        f" {sources['true']:,}, estimated {sources['sketch']:,}; worst day off by {sources['worst_day_error']:.1%}."
    )


class Truth:
    """What was written, counted as it was."""

    def __init__(self) -> None:
        self.ports = np.zeros(65_536, np.int64)
        self.seen = np.zeros((DAYS, 1_000_000), np.bool_)


def fill(lake: Lake, runs: int, size: int, facts: int) -> Truth:
    """Writes the runs; a packet of `size` counts in the sums, a share of rows is kept as facts."""
    rng, truth = np.random.default_rng(7), Truth()
    pool = rng.integers(1 << 24, 223 << 24, 1_000_000, dtype=np.int64)
    rows, weight = max(1, facts // runs), max(1, size // max(1, facts))
    with lake.writer() as writer:
        for number in range(runs):
            run = writer.begin(
                path=f"{number}", source="bench", format="pcap", parser_version=1, tlp=Tlp.AMBER
            )
            first = number * DAYS * 86_400 // runs
            who = rng.zipf(1.2, rows) % len(pool)
            ts = first + rng.random(rows) * (DAYS * 86_400 / runs)
            ports = (rng.zipf(1.3, rows) * 23 % 65_536).astype(np.int32)
            counts = np.full(rows, weight, np.int64)
            np.add.at(truth.ports, ports, counts)
            truth.seen[(ts // 86_400).astype(np.int64), who] = True
            run.write(Batch("flows", flows(pool[who], ts, ports, counts)))
            for links in sources(pool[who], ts, counts):
                run.write(Batch("links", links))
            run.finish(sha256=f"{number}", size=1)
    return truth


def flows(src: Numbers, ts: Any, ports: Any, counts: Numbers) -> pa.Table:
    """Rows of `flows` with what a question needs."""
    n = len(src)
    base = np.datetime64(START.replace(tzinfo=None), "us")
    when = pa.array(base + (ts * 1e6).astype("timedelta64[us]")).cast(pa.timestamp("us", tz="UTC"))
    packed = pa.array(
        [b"\0" * 10 + b"\xff\xff" + int(v).to_bytes(4, "big") for v in src.tolist()], pa.binary()
    )
    given: dict[str, Any] = {
        "src_ip": packed, "dst_ip": pa.repeat(pa.scalar(address.pack("198.18.0.1")), n), "dst_port": ports,
        "protocol": np.full(n, 6, np.int16), "packet_count": counts, "first_seen": when, "last_seen": when,
    }  # fmt: skip
    columns = {}
    for column in TABLES["flows"].columns:
        if column.name == "run_id":
            continue
        kind = TABLES["flows"].arrow().field(column.name).type
        value = given.get(column.name)
        if value is None:
            value = (
                pa.nulls(n, kind)
                if column.nullable
                else pa.array(["" if kind == pa.string() else 0] * n, kind)
            )
        columns[column.name] = pa.array(value) if isinstance(value, np.ndarray) else value
    return pa.table(columns).cast(pa.schema([TABLES["flows"].arrow().field(c) for c in columns]))


def sources(src: Numbers, ts: Any, counts: Numbers) -> list[pa.Table]:
    """Links of the sources, a row per address and day."""
    out = []
    for day in np.unique((ts // 86_400).astype(np.int64)):
        chosen = (ts // 86_400).astype(np.int64) == day
        found, which = np.unique(src[chosen], return_inverse=True)
        n, lo = len(found), (found | (0xFFFF << 32)).astype(np.uint64)
        offsets, data = text.texts(np.zeros(n, np.uint64), lo)
        value = pa.Array.from_buffers(
            pa.string(), n, [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
        )
        moment = START + timedelta(days=int(day))
        stamp = pa.repeat(pa.scalar(moment, pa.timestamp("us", tz="UTC")), n)
        summed = np.bincount(which, weights=counts[chosen]).astype(np.int64)
        table = {
            "key": pa.array(text.address_keys(np.zeros(n, np.uint64), lo)), "kind": pa.repeat("ip", n),
            "value": value, "role": pa.repeat("src", n), "table": pa.repeat("flows", n),
            "day": pa.repeat(pa.scalar(moment.date()), n), "first_seen": stamp, "last_seen": stamp,
            "count": pa.array(summed), "tlp": pa.nulls(n, pa.string()),
        }  # fmt: skip
        schema = TABLES["links"].arrow()
        out.append(pa.table(table).cast(pa.schema([schema.field(name) for name in table])))
    return out


def ask(lake: Lake, truth: Truth, repeat: int) -> dict[str, Any]:
    """Asks both ways, compares with the truth; milliseconds of fresh snapshots."""
    ports, ports_ms = timed(lambda: top_ports(lake.snapshot(), "flows", limit=20), repeat)
    for p in ports.ports:
        true = int(truth.ports[p.port])
        assert 0 <= true - p.count <= ports.missing, (p, true)
    assert ports.missing <= truth.ports.sum() // SHARE
    sketch, sources_ms = timed(lambda: unique_sources(lake.snapshot(), "flows"), repeat)
    whole = int(truth.seen.any(axis=0).sum())
    assert abs(sketch.whole - whole) <= 4 * STANDARD_ERROR * whole, (sketch.whole, whole)
    errors = [n / int(truth.seen[i].sum()) - 1 for i, (_, n, _) in enumerate(sketch.days)]
    assert max(map(abs, errors)) <= 5 * STANDARD_ERROR, max(map(abs, errors))
    counted, exact_ms = timed(lambda: unique_sources(lake.snapshot(), "flows", exact=True), repeat)
    top = "SELECT dst_port, protocol, sum(packet_count) n FROM flows GROUP BY ALL ORDER BY n DESC LIMIT 20"
    per = "SELECT day, count(DISTINCT src_ip) FROM flows GROUP BY 1"
    _, facts_ports = timed(lambda: lake.snapshot().sql(top), repeat)
    _, facts_sources = timed(lambda: lake.snapshot().sql(per), repeat)
    rows = {t: lake.snapshot().count(t) for t in ("hourly", "daily", "flows", "links")}
    return {
        "rows": rows, "top_ports_ms": ports_ms, "unique_sources_ms": sources_ms, "exact_from_links_ms": exact_ms,
        "facts_top_ports_ms": facts_ports, "facts_unique_sources_ms": facts_sources,
        "sources": {"true": whole, "sketch": sketch.whole, "exact": counted.whole,
                    "worst_day_error": round(max(map(abs, errors)), 4)},
    }  # fmt: skip


def timed(question: Callable[[], Any], repeat: int) -> tuple[Any, dict[str, float]]:
    """The answer, and milliseconds: median and extremes of wall time, median of CPU time of all threads."""
    took, cpu = [], []
    for _ in range(repeat):
        began, spent = time.perf_counter(), time.process_time()
        answer = question()
        took.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - spent) * 1000)
    wall = {"median": statistics.median(took), "least": min(took), "most": max(took)}
    return answer, {k: round(v, 1) for k, v in (wall | {"cpu_median": statistics.median(cpu)}).items()}


if __name__ == "__main__":
    main()
