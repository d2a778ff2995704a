"""The same question put to one sorted DuckDB table with an ART index, and to SQLite.

Both get the occurrences of every address with the columns the question needs and a few more; both are given what they
are good at: DuckDB the rows in the order of (ip, ts), SQLite a covering order by WITHOUT ROWID on (ip, ts, seq).
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

COUNTS = "SELECT tbl, day, sum(n) FROM obs WHERE ip = ? GROUP BY tbl, day"
NEWEST = "SELECT tbl, ts, n FROM obs WHERE ip = ? ORDER BY ts DESC LIMIT 50"


def compare(
    con: Any, occurrences: str, chosen: dict[str, list[bytes]], facts: dict[bytes, Any], *, sqlite: bool
) -> dict[str, Any]:
    """Times of the peers, whose counts are checked too."""
    out: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as room:
        began = time.perf_counter()
        con.execute(f"ATTACH '{room}/peer.duckdb' AS peer")
        con.execute(f"CREATE TABLE peer.obs AS SELECT * FROM ({occurrences}) ORDER BY ip, ts")
        con.execute("CREATE INDEX by_ip ON peer.obs (ip)")
        made = time.perf_counter() - began
        con.execute("USE peer; SET threads=1")
        out["DuckDB, sorted, ART index"] = _asked(
            lambda q, v: con.execute(q, [v]).fetchall(), chosen, facts, made, Path(room) / "peer.duckdb"
        )
        con.execute("USE memory; RESET threads")
        if sqlite:
            began = time.perf_counter()
            lite = _sqlite(con, Path(room) / "peer.sqlite")
            made = time.perf_counter() - began
            out["SQLite, ordered by address"] = _asked(
                lambda q, v: lite.execute(q, [v]).fetchall(), chosen, facts, made, Path(room) / "peer.sqlite"
            )
            lite.close()
        con.execute("DETACH peer")
    return out


def _sqlite(con: Any, path: Path) -> sqlite3.Connection:
    lite = sqlite3.connect(path)
    lite.execute("PRAGMA journal_mode=OFF")
    lite.execute("PRAGMA synchronous=OFF")
    lite.execute("PRAGMA cache_size=-262144")
    lite.execute("CREATE TABLE obs (ip BLOB, ts INTEGER, seq INTEGER, tbl TEXT, day TEXT, n INTEGER,"
                 " PRIMARY KEY (ip, ts, seq)) WITHOUT ROWID")  # fmt: skip
    rows = con.execute(
        "SELECT ip, ts, row_number() OVER () AS seq, tbl, day::VARCHAR, n FROM peer.obs ORDER BY ip, ts"
    )
    while part := rows.fetchmany(200_000):
        lite.executemany("INSERT INTO obs VALUES (?, ?, ?, ?, ?, ?)", part)
    lite.commit()
    return lite


def _asked(
    ask: Any, chosen: dict[str, list[bytes]], facts: dict[bytes, Any], made: float, path: Path
) -> dict[str, Any]:
    from bench.pivot import percentiles

    took: dict[str, list[float]] = {name: [] for name in chosen}
    for name, values in chosen.items():
        for value in values:
            began = time.perf_counter()
            counts = ask(COUNTS, value)
            newest = ask(NEWEST, value)
            took[name].append(1000 * (time.perf_counter() - began))
            if {(t, str(d)): int(n) for t, d, n in counts} != {
                (t, str(d)): n for (t, d), n in facts[value][0].items()
            }:
                raise SystemExit("the peer counts otherwise")
            if len(newest) != min(50, sum(map(len, facts[value][1].values()))):
                raise SystemExit("the peer has other rows")
    every = [t for ts in took.values() for t in ts]
    return {
        "wall_ms": percentiles(every), "n": len(every), "made_s": round(made, 1), "bytes": path.stat().st_size,
        **{f"wall_ms_{n}": percentiles(ts) for n, ts in took.items() if ts},
    }  # fmt: skip
