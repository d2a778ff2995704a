"""Claim: everything about a value in milliseconds: python -m bench.pivot -n 1000000 [--lake FOLDER] [--peers].

A synthetic lake (bench.pivot_lake) is filled and compacted; then rare (at most 3 rows), middle (50 to 500) and heavy
(at least 10,000) addresses, as many of each, are asked once each in a process that has answered others: the header
with exact counts by table and day, the histogram and the newest 50 rows (`first`), and the whole answer
(`whole`). Counts by table and day, and the times of the newest rows, are checked against DuckDB over the fact files,
which knows nothing of links. /24s likewise. A cold process: `noroshi pivot --json`, imports and all, files in
the page cache. With --peers the same data in one sorted DuckDB table with an ART index, and (to 10 M) in SQLite.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from bench import harness
from bench.pivot_lake import made

EACH = 100
CLASSES = {"rare": (1, 3), "middle": (50, 500), "heavy": (10_000, 1 << 60)}
SOURCES = {
    "flows": ("src_ip", "first_seen", "packet_count"), "connections": ("src_ip", "first_seen", "1"),
    "logins": ("src_ip", "ts", "1"), "services": ("ip", "ts", "1"),
}  # fmt: skip


def union(shot: Any) -> str:
    """Every occurrence of an address as (ip, tbl, day, ts, n), from the fact files alone."""
    parts = []
    for table, (column, ts, n) in SOURCES.items():
        files = ", ".join(f"'{f}'" for f in shot.files(table))
        parts.append(
            f"SELECT {column} AS ip, '{table}' AS tbl, {ts}::DATE AS day, epoch_us({ts}) AS ts, {n}::BIGINT AS n"
            f" FROM read_parquet([{files}], hive_partitioning=false)"
        )
    return " UNION ALL ".join(parts)


def engine() -> Any:
    """A plain DuckDB connection of one's own."""
    import duckdb

    con = duckdb.connect()
    con.execute("SET TimeZone='UTC'; SET enable_progress_bar=false; SET preserve_insertion_order=false")
    return con


def choose(con: Any, occurrences: str) -> dict[str, list[bytes]]:
    """Addresses of each class by rows in all fact tables."""
    con.execute(f"CREATE TEMP TABLE sizes AS SELECT ip, count(*) AS n FROM ({occurrences}) GROUP BY ip")
    rng, out = random.Random(7), {}
    for name, (low, high) in CLASSES.items():
        found = con.execute(
            "SELECT ip FROM sizes WHERE n BETWEEN ? AND ? ORDER BY ip", [low, high]
        ).fetchall()
        out[name] = [bytes(r[0]) for r in rng.sample(found, min(EACH, len(found)))]
    return out


def truth(
    con: Any, occurrences: str, values: list[bytes]
) -> dict[bytes, tuple[dict[Any, int], dict[str, list[int]]]]:
    """Of each address the observations by (table, day), and the times of its newest 50 rows by table."""
    con.execute("CREATE OR REPLACE TEMP TABLE asked (ip BLOB)")
    con.executemany("INSERT INTO asked VALUES (?)", [[v] for v in values])
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE hits AS FROM ({occurrences}) WHERE ip IN (SELECT ip FROM asked)"
    )
    out: dict[bytes, tuple[dict[Any, int], dict[str, list[int]]]] = {v: ({}, {}) for v in values}
    for ip, table, day, n in con.execute("SELECT ip, tbl, day, sum(n) FROM hits GROUP BY ALL").fetchall():
        out[bytes(ip)][0][table, day] = int(n)
    newest = (
        "SELECT ip, tbl, ts FROM hits QUALIFY row_number() OVER (PARTITION BY ip, tbl ORDER BY ts DESC) <= 50"
        " ORDER BY ts DESC"
    )
    for ip, table, ts in con.execute(newest).fetchall():
        out[bytes(ip)][1].setdefault(table, []).append(int(ts))
    return out


def check(answer: Any, found: Any, want: tuple[dict[Any, int], dict[str, list[int]]]) -> None:
    """Stops when counts by table and day, or the newest rows, differ."""
    got = {(t, d): n for d, tables in answer.histogram for t, n in tables.items() if t in SOURCES}
    if got != want[0]:
        raise SystemExit(f"counts differ: {set(got.items()) ^ set(want[0].items())}")
    held = []
    for one in found:
        if one.table in SOURCES and one.role in ("src", "host"):
            column = one.rows[SOURCES[one.table][1]].cast("int64").to_pylist()
            held += [(ts, one.table) for ts in column]
    newest = sorted(((ts, t) for t, all_ in want[1].items() for ts in all_), reverse=True)[:50]
    if sorted(held, reverse=True)[:50] != newest:
        raise SystemExit(f"the newest rows differ: {len(held)} for {len(newest)}")


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """(answer, wall ms, processor ms of the asking thread)."""
    began, spent = time.perf_counter(), time.thread_time()
    answer = work()
    return answer, 1000 * (time.perf_counter() - began), 1000 * (time.thread_time() - spent)


def percentiles(ms: list[float]) -> dict[str, float]:
    """p50, p90, p99 and the largest."""
    ordered = sorted(ms)
    return {
        f"p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)], 2) for p in (50, 90, 99, 100)
    }


def ask(lake: Any, chosen: dict[str, list[bytes]], facts: dict[bytes, Any]) -> dict[str, Any]:
    """Times of every value, in one process."""
    from noroshi.ask.pivot import Pivots
    from noroshi.ask.rows import Value
    from noroshi.lake.look import warm
    from noroshi.model import address

    shot = lake.snapshot()
    began = time.perf_counter()
    warm(shot)
    opened = time.perf_counter() - began
    pivots = Pivots(shot)
    mixed = [(name, v) for name, vs in chosen.items() for v in vs]
    random.Random(3).shuffle(mixed)
    for _, value in mixed[:5]:
        pivots.ask(address.text(value))
    times: dict[str, list[tuple[str, float, float]]] = {"first": [], "whole": []}
    for name, value in mixed:
        text = address.text(value)

        def first(text: str = text) -> Any:
            stands = pivots.head("ip", text)
            return stands, pivots.rows(Value("ip", text), stands, least=0)

        (stands, found), wall, cpu = timed(first)
        times["first"].append((name, wall, cpu))
        check(stands, found, facts[value])
        _, wall, cpu = timed(partial(pivots.ask, text))
        times["whole"].append((name, wall, cpu))
    nets = sorted({address.prefix_text(v, 24) for _, v in mixed})[::3]
    times["whole /24"] = [("net", *timed(partial(pivots.ask, net))[1:]) for net in nets]
    return {"warm_s": round(opened, 2)} | {
        step: {"wall_ms": percentiles([w for _, w, _ in t]), "cpu_ms": percentiles([c for *_, c in t]), "n": len(t)}
        | {f"wall_ms_{c}": percentiles([w for n, w, _ in t if n == c]) for c in CLASSES if step != "whole /24"
           and any(n == c for n, *_ in t)}
        for step, t in times.items()
    }  # fmt: skip


def cold(where: Path, chosen: dict[str, list[bytes]]) -> dict[str, float]:
    """Seconds of `noroshi pivot --json` in a process of its own, by class."""
    from noroshi.model import address

    out = {}
    for name, values in chosen.items():
        took = [
            harness.ok(harness.run([*harness.noroshi(where, as_json=True), "pivot", address.text(v)]), "pivot").wall_s
            for v in values[:3]
        ]  # fmt: skip
        if took:
            out[name] = round(sorted(took)[len(took) // 2], 3)
    return out


def measure(where: Path, observations: int, peers: bool) -> dict[str, Any]:
    """All figures of one size."""
    lake, took = made(where, observations)
    shot = lake.snapshot()
    con = engine()
    occurrences = union(shot)
    chosen = choose(con, occurrences)
    facts = truth(con, occurrences, [v for vs in chosen.values() for v in vs])
    size = {n: sum(f.size for f in s.files()) for n, s in lake.stores.items()}
    out: dict[str, Any] = {
        "observations": observations, "rows": {t: shot.count(t) for t in (*SOURCES, "indicators", "links")},
        "bytes": {n: b for n, b in size.items() if b}, "made": {k: round(v, 1) for k, v in took.items()},
        "values": {k: len(v) for k, v in chosen.items()}, "times": ask(lake, chosen, facts),
        "cold_s": cold(where, chosen),
    }  # fmt: skip
    if peers:
        from bench.pivot_peers import compare

        out["peers"] = compare(con, occurrences, chosen, facts, sqlite=observations <= 10_000_000)
    return out


def table(results: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    rows = []
    for r in results:
        for step, t in r["times"].items():
            if step == "warm_s":
                continue
            w, c = t["wall_ms"], t["cpu_ms"]
            rows.append((f"{r['observations']:,}: {step}", f"{t['n']}", *(f"{w[p]:.1f}" for p in w), f"{c['p50']:.1f}",
                         f"{c['p99']:.1f}"))  # fmt: skip
        for name, t in r.get("peers", {}).items():
            w = t["wall_ms"]
            rows.append((f"{r['observations']:,}: {name}, counts + newest 50", f"{t['n']}",
                         *(f"{w[p]:.1f}" for p in w), "", ""))  # fmt: skip
    head = ("ms", "values", "p50", "p90", "p99", "max", "CPU p50", "CPU p99")
    lines = [harness.table(head, rows)]
    for r in results:
        links = r["rows"]["links"]
        lines.append(
            f"{r['observations']:,} observations: {links:,} link rows, {r['bytes']['links'] / links:.1f} bytes each;"
            f" cold process {', '.join(f'{k} {v} s' for k, v in r['cold_s'].items())}; made in {r['made']}."
        )
    return "\n\n".join(lines)


def main() -> None:
    """Makes the lakes, asks, keeps the result."""
    p = argparse.ArgumentParser(prog="python -m bench.pivot", description=__doc__.split("\n")[0])
    p.add_argument("-n", "--observations", type=int, action="append", help="may be given several times")
    p.add_argument("--lake", type=Path, help="folder of the lakes, kept; by default a temporary one")
    p.add_argument("--peers", action="store_true")
    p.add_argument("--name", default="pivot")
    a = p.parse_args()
    results = []
    with nullcontext(a.lake) if a.lake else tempfile.TemporaryDirectory() as room:
        for n in a.observations or [1_000_000, 10_000_000, 100_000_000]:
            results.append(measure(Path(room) / f"pivot-{n}", n, a.peers))
            harness.write(a.name, {"results": results}, table(results))


if __name__ == "__main__":
    main()
