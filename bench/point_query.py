"""Rows of one source out of 20 M, lake open and compacted: python -m bench.point_query.

200 sources with at most 10,000 rows, spread evenly over the ranks of their sizes; each is asked once after
one other query (a lake that is open), with every column. A sequential scan by DuckDB over the same
files, which is what a user without the lake would do, stands beside.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import harness

SOURCES, MOST = 200, 10_000
SCAN = "SELECT * FROM read_parquet($1) WHERE src_ip = $2"


def _milliseconds(taken: list[float]) -> dict[str, float]:
    ms = sorted(t * 1000 for t in taken)
    return {f"p{p}": round(ms[min(len(ms) - 1, len(ms) * p // 100)], 2) for p in (50, 90, 95, 99, 100)}


def _filled(path: Path, room: Path) -> Path:
    lake = room / "lake"
    harness.ok(harness.run([*harness.noroshi(lake), "ingest", str(path)]), "noroshi ingest")
    cost = harness.ok(harness.run([*harness.noroshi(lake), "lake", "compact"]), "noroshi lake compact")
    print(f"compaction: {cost.wall_s:.1f} s, CPU {cost.cpu_s:.1f} s, peak {cost.rss_mib:,.0f} MiB")
    return lake


def measure(where: Path) -> dict[str, Any]:
    """Milliseconds per query, rows per query, and the scan's milliseconds."""
    import duckdb

    from noroshi.lake.handle import Lake

    started = time.perf_counter()
    snapshot = Lake.open(where, create=False).snapshot()
    opened = time.perf_counter() - started
    sizes = snapshot.sql(
        f"SELECT src_ip, count(*)::BIGINT AS n FROM flows GROUP BY 1 HAVING n <= {MOST} ORDER BY n, src_ip"
    ).to_pylist()
    step = max(1, len(sizes) // SOURCES)
    chosen = sizes[::step][:SOURCES] if len(sizes) > SOURCES else sizes
    chosen[-1] = sizes[-1]  # the largest is among them
    started = time.perf_counter()
    snapshot.rows("flows", "src_ip", chosen[0]["src_ip"])
    first = time.perf_counter() - started
    taken, scans = [], []
    files = [str(where / "flows" / f) if not Path(f).is_absolute() else f for f in snapshot.files("flows")]
    con: Any = duckdb.connect()
    for k, source in enumerate(chosen):
        started = time.perf_counter()
        rows = snapshot.rows("flows", "src_ip", source["src_ip"])
        taken.append(time.perf_counter() - started)
        if rows.num_rows != source["n"]:
            raise SystemExit(f"{source['src_ip'].hex()}: {rows.num_rows} rows of {source['n']}")
        if k % 20 == 0:
            started = time.perf_counter()
            scan = con.execute(SCAN, [files, source["src_ip"]]).to_arrow_table()
            if scan.num_rows != source["n"]:
                raise SystemExit("the scan found other rows")
            scans.append(time.perf_counter() - started)
    return {
        "rows_in_table": snapshot.count("flows"),
        "files": len(files),
        "sources": len(chosen),
        "rows": [c["n"] for c in chosen],
        "milliseconds": [round(t * 1000, 3) for t in taken],
        "percentiles": _milliseconds(taken),
        "open_ms": round(opened * 1000, 1),
        "first_query_ms": round(first * 1000, 1),
        "scan_ms": harness.spread(s * 1000 for s in scans),
    }


def main() -> None:
    """Fills a lake (or takes the one given), asks, keeps the result."""
    p = argparse.ArgumentParser(prog="python -m bench.point_query", description=__doc__.split("\n")[0])
    p.add_argument("-n", "--packets", type=int, default=20_000_000)
    p.add_argument("--profile", default="flat")
    p.add_argument("--capture", type=Path)
    p.add_argument("--lake", type=Path, help="a compacted lake to ask instead of filling a new one")
    p.add_argument("--name", default="point_query")
    a = p.parse_args()
    harness.DATA.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=harness.DATA) as room:
        where = a.lake or _filled(a.capture or harness.capture(a.packets, a.profile), Path(room))
        found = measure(where)
    at, scan = found["percentiles"], found["scan_ms"]
    rows = [
        ("Snapshot.rows", *(f"{value:.2f}" for value in at.values())),
        ("DuckDB over the same files", f"{scan['median']:.1f}", "", "", "", f"{scan['max']:.1f}"),
    ]
    text = (
        f"{found['sources']} sources of 1 to {max(found['rows']):,} rows, out of {found['rows_in_table']:,} "
        f"in {found['files']} files. Opening the lake took {found['open_ms']} ms, "
        f"the first query {found['first_query_ms']} ms."
    )
    table = harness.table(("ms", "p50", "p90", "p95", "p99", "max"), rows)
    harness.write(a.name, found, f"{table}\n\n{text}")


if __name__ == "__main__":
    main()
