"""Logs of lines, rows a second of CPU time: python -m bench.ingest_logs [FORMAT...] [--quick] [-n ROWS].

Each format is measured twice: its sensor alone (read to its end, batches thrown away) in this process, and
`noroshi ingest` of the same file into a new lake, as a process of its own, without and with the compaction that
follows, what ten lines take (start-up) taken off.
CPU time counts, not wall time, so that a shared machine and a second core change nothing.
The logs are synthetic (same bytes for the same seed): their shape follows the formats' documentation, sources by
Zipf 1.3 out of n/8, so that a block of lines holds a tenth to a third as many distinct sources as lines.
The peer is DuckDB with one thread, which knows the columns beforehand and writes them into one Parquet file: no
addresses, links, sums or places. Rows, different sources and bytes sent must be equal to those of the lake.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from bench import harness

START_S = 1_767_225_600.0  # 2026-01-01
BLOCK = 50_000
_STATES = ("SF", "S0", "REJ", "RSTO", "RSTR", "OTH", "SH", "S1")
_SERVICES = ("-", "dns", "http", "ssl", "ssh", "http,ssl")
_PORTS = (443, 80, 53, 22, 23, 445, 8080, 123, 25, 3389)
_LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"))


def _blocks(n: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """What connections have in every format, as lists, BLOCK at a time."""
    rng = np.random.default_rng(seed)
    sources = rng.integers(0x01000000, 0xDFFFFFFF, max(1000, n // 8))
    began = START_S
    for at in range(0, n, BLOCK):
        m = min(BLOCK, n - at)
        src = sources[(rng.zipf(1.3, m) - 1) % len(sources)]
        dst = 0x0A000000 + rng.integers(0, 5000, m)
        times = began + np.cumsum(rng.exponential(0.004, m))
        began = float(times[-1])
        uid = _LETTERS[rng.integers(0, 62, (m, 17))]
        yield {
            "ts": times, "uid": ["C" + "".join(u) for u in uid.tolist()], "src": _dotted(src), "dst": _dotted(dst),
            "sport": rng.integers(1024, 65535, m), "dport": rng.choice(_PORTS, m), "bytes": rng.integers(0, 9999, m),
            "state": rng.choice(_STATES, m), "service": rng.choice(_SERVICES, m), "packets": rng.integers(1, 40, m),
            "duration": rng.exponential(2.0, m), "udp": rng.random(m) < 0.3,
        }  # fmt: skip


def _dotted(numbers: Any) -> list[str]:
    return [f"{x >> 24}.{x >> 16 & 255}.{x >> 8 & 255}.{x & 255}" for x in numbers.tolist()]


def _rows(b: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    return zip(
        b["ts"].tolist(), b["uid"], b["src"], b["sport"].tolist(), b["dst"], b["dport"].tolist(), b["udp"].tolist(),
        b["service"].tolist(), b["duration"].tolist(), b["bytes"].tolist(), b["state"].tolist(), b["packets"].tolist(),
        strict=True,
    )  # fmt: skip


def zeek_tsv(n: int, out: BinaryIO) -> None:
    """A conn.log of n rows."""
    fields = (
        "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state "
        "local_orig local_resp missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes tunnel_parents"
    )
    types = (
        "time string addr port addr port enum string interval count count string bool bool count string count count "
        "count count set[string]"
    )
    head = [
        "#separator \\x09",
        "#set_separator\t,",
        "#empty_field\t(empty)",
        "#unset_field\t-",
        "#path\tconn",
    ]
    head += [f"#fields {fields}".replace(" ", "\t"), f"#types {types}".replace(" ", "\t")]
    out.write(("\n".join(head) + "\n").encode())
    for block in _blocks(n):
        lines = [
            f"{ts:.6f}\t{uid}\t{src}\t{sp}\t{dst}\t{dp}\t{'udp' if udp else 'tcp'}\t{service}\t"
            + (f"{lasted:.6f}\t{size}\t{size * 3}" if state != "S0" else "-\t-\t-")
            + f"\t{state}\tF\tT\t0\tShADadFf\t{pk}\t{size + 40 * pk}\t{pk}\t{size * 3 + 40 * pk}\t-"
            for ts, uid, src, sp, dst, dp, udp, service, lasted, size, state, pk in _rows(block)
        ]
        out.write(("\n".join(lines) + "\n").encode())


def zeek_json(n: int, out: BinaryIO) -> None:
    """The same as JSON, with `_path` as streams have it."""
    for block in _blocks(n):
        lines = []
        for ts, uid, src, sp, dst, dp, udp, service, lasted, size, state, pk in _rows(block):
            row: dict[str, Any] = {
                "_path": "conn", "ts": round(ts, 6), "uid": uid, "id.orig_h": src, "id.orig_p": sp, "id.resp_h": dst,
                "id.resp_p": dp, "proto": "udp" if udp else "tcp",
            }  # fmt: skip
            if service != "-":
                row["service"] = service
            if state != "S0":
                row |= {"duration": lasted, "orig_bytes": size, "resp_bytes": size * 3}
            row |= {
                "conn_state": state, "local_orig": False, "local_resp": True, "missed_bytes": 0,
                "history": "ShADadFf", "orig_pkts": pk, "orig_ip_bytes": size + 40 * pk, "resp_pkts": pk,
                "resp_ip_bytes": size * 3 + 40 * pk,
            }  # fmt: skip
            lines.append(json.dumps(row, separators=(",", ":")))
        out.write(("\n".join(lines) + "\n").encode())


PEER = """
import json, sys, duckdb
kind, path, out = sys.argv[1:]
db = duckdb.connect()
db.execute("SET threads = 1")
names = ("ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state "
         "local_orig local_resp missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes tunnel_parents")
numbers = {"id.orig_p", "id.resp_p", "orig_bytes", "resp_bytes", "missed_bytes", "orig_pkts", "orig_ip_bytes",
           "resp_pkts", "resp_ip_bytes"}
columns = {n: "BIGINT" if n in numbers else "DOUBLE" if n in ("ts", "duration") else "VARCHAR" for n in names.split()}
if kind == "zeek":
    made = (f"read_csv('{path}', delim='\\t', header=false, skip=7, nullstr='-', quote='', escape='', "
            f"auto_detect=false, columns={columns})")
else:
    made = f"read_json('{path}', format='newline_delimited', columns={columns})"
db.execute(f"COPY (FROM {made}) TO '{out}' (CODEC ZSTD)")
q = 'SELECT count(*), count(DISTINCT "id.orig_h"), sum(orig_ip_bytes)::BIGINT FROM '
print(json.dumps(db.execute(f"{q}'{out}'").fetchone()))
"""
"""argv: format, log, Parquet file."""
COUNTED = """
import json, sys
from noroshi.lake.handle import Lake
found = Lake.open(sys.argv[1]).snapshot().sql(
    "SELECT count(*) a, count(DISTINCT src_ip) b, sum(src_byte_count)::BIGINT c FROM connections").to_pylist()
print(json.dumps(list(found[0].values())))
"""
FORMATS: dict[str, Callable[[int, BinaryIO], None]] = {"zeek": zeek_tsv, "zeek-json": zeek_json}
"""What writes the log, by the sensor's name."""


def log(name: str, n: int) -> Path:
    """The log of that format and length under bench/data, made if it is not there."""
    path = harness.DATA / f"{name}-{n}.log"
    if not path.is_file():
        harness.DATA.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("wb") as out:
            FORMATS[name](n, out)
        part.rename(path)
    return path


def sensor_alone(name: str, path: Path) -> tuple[float, int, int]:
    """CPU seconds, rows and rejects of the sensor reading the file to its end."""
    from noroshi import registry
    from noroshi.model.reject import Reject
    from noroshi.model.sensor import Reading

    rows = rejects = 0
    with path.open("rb", buffering=0) as stream:
        reading = Reading(cast(BinaryIO, stream), str(path), time.time_ns() // 1000)
        started = time.process_time()
        for item in registry.sensor(name).read(reading):
            if isinstance(item, Reject):
                rejects += item.count
            else:
                rows += item.rows.num_rows
        return time.process_time() - started, rows, rejects


class Jobs:
    """Noroshi and its peer on one log, each checked against the other."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path
        self.found: list[Any] = []

    def _checked(self, told: str) -> None:
        counts = json.loads(told)
        self.found = self.found or counts
        if counts != self.found:
            raise SystemExit(f"{self.name}: rows, sources and bytes are {counts} and {self.found}")

    def whole(self, *more: str) -> harness.Cost:
        """What `noroshi ingest` of the file into a new lake takes; more: further words of the command."""
        with tempfile.TemporaryDirectory(dir=harness.DATA) as folder:
            lake = Path(folder) / "lake"
            cost = harness.ok(
                harness.run([*harness.noroshi(lake), "ingest", *more, str(self.path)]), "noroshi"
            )
            self._checked(harness.ok(harness.run([sys.executable, "-c", COUNTED, str(lake)]), "counting").out)
            return cost

    def peer(self) -> harness.Cost:
        """What DuckDB takes."""
        with tempfile.TemporaryDirectory(dir=harness.DATA) as folder:
            command = [sys.executable, "-c", PEER, self.name, str(self.path), f"{folder}/out.parquet"]
            cost = harness.ok(harness.run(command), "duckdb")
            self._checked(cost.out)
            return cost


def main() -> None:
    """Measures each format and keeps the result."""
    p = argparse.ArgumentParser(prog="python -m bench.ingest_logs", description=__doc__.split("\n")[0])
    p.add_argument("formats", nargs="*", metavar="FORMAT", help=f"of {', '.join(FORMATS)}; default: all")
    p.add_argument("-n", "--rows", type=int, default=2_000_000)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--sensor-only", action="store_true")
    p.add_argument("--name", default="ingest_logs")
    p.add_argument("--quick", action="store_true", help="100,000 rows, once; shown, not kept")
    a = p.parse_args()
    if a.quick:
        a.rows, a.rounds = 100_000, 1
    a.formats = a.formats or list(FORMATS)
    if unknown := set(a.formats) - set(FORMATS):
        p.error(f"there is no format {', '.join(sorted(unknown))}")
    result: dict[str, Any] = {"rows": a.rows, "rounds": a.rounds, "formats": {}}
    shown = []
    for name in a.formats:
        path = log(name, a.rows)
        harness.warm(path)
        alone = []
        for _ in range(a.rounds):
            seconds, rows, rejects = sensor_alone(name, path)
            if (rows, rejects) != (a.rows, 0):
                raise SystemExit(f"{name}: {rows:,} rows and {rejects:,} rejects of {a.rows:,} lines")
            alone.append(seconds)
        jobs = Jobs(name, path)
        named: list[tuple[str, Callable[[], harness.Cost]]] = [
            ("ingest", lambda jobs=jobs: jobs.whole("--no-compact")), ("and compaction", jobs.whole),  # type: ignore[misc]
            ("duckdb", jobs.peer),
        ]  # fmt: skip
        start = 0.0 if a.sensor_only else min(Jobs(name, log(name, 10)).whole().cpu_s for _ in range(3))
        costs = {} if a.sensor_only else harness.alternate(a.rounds, named)
        whole, sorted_too = costs.get("ingest", []), costs.get("and compaction", [])
        peer = harness.spread(a.rows / c.cpu_s for c in costs["duckdb"]) if costs else None
        one = harness.spread(a.rows / s for s in alone)
        all_ = harness.spread(a.rows / (c.cpu_s - start) for c in whole) if whole else None
        last = harness.spread(a.rows / (c.cpu_s - start) for c in sorted_too) if sorted_too else None
        peak = max((c.rss_mib for c in whole), default=0.0)
        result["formats"][name] = {
            "bytes": path.stat().st_size, "sensor_rows_per_cpu_s": one, "ingest_rows_per_cpu_s": all_,
            "ingest_and_compaction_rows_per_cpu_s": last, "sensor_cpu_s": alone,
            "ingest": harness.numbers(whole) if whole else None, "duckdb_rows_per_cpu_s": peer,
            "rows_sources_bytes": jobs.found,
            "start_cpu_s": start,
            "ingest_and_compaction": harness.numbers(sorted_too) if sorted_too else None,
        }  # fmt: skip
        shown.append((
            name, f"{path.stat().st_size / a.rows:.0f}", _told(one), _told(all_), _told(last), _told(peer),
            f"{peak:,.0f}" if peak else "-",
        ))  # fmt: skip
    head = (
        "format",
        "bytes a row",
        "sensor, rows a CPU second",
        "whole ingest, rows a CPU second",
        "and compaction",
        "DuckDB",
        "peak MiB",
    )
    text = f"{harness.table(head, shown)}\n\n{a.rows:,} rows each; median (min-max) of {a.rounds} rounds."
    if a.sensor_only or a.quick:
        print(text)
    else:
        harness.write(a.name, result, text)


def _told(found: dict[str, float] | None) -> str:
    return "-" if found is None else f"{found['median']:,.0f} ({found['min']:,.0f}-{found['max']:,.0f})"


if __name__ == "__main__":
    main()
