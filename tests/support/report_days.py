"""A realistic stretch of days for the report: several telescope days made from a seed, findings included.

Everything is synthetic and says so in the paths of its runs. `python -m tests.support.report_days OUT` writes
the report of a day, the week and the month in both languages, to look at.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from noroshi.lake.macros import install
from noroshi.model.analyser import Scope, Telescope
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp

CAMPUS = Telescope(
    "campus", ("198.18.0.0/20",),
    outages=((datetime(2026, 10, 14, 2, 20, tzinfo=UTC), datetime(2026, 10, 14, 7, 5, tzinfo=UTC)),),
)  # fmt: skip
OWN = ("203.0.113.0/24",)
PORTS = (
    (6, 23, 22.0), (6, 8728, 6.5), (6, 22, 6.0), (6, 80, 4.6), (6, 443, 4.2), (6, 6379, 3.4), (6, 8080, 3.1),
    (6, 3389, 2.6), (6, 445, 2.5), (17, 5060, 2.2), (6, 2323, 2.0), (6, 5555, 1.9), (17, 53, 1.6), (17,
    161, 1.3),
    (1, 8, 1.3), (6, 81, 1.1), (6, 2375, 1.0), (6, 8443, 0.9), (6, 9200, 0.8), (6, 5900, 0.8), (17, 123, 0.7),
    (6, 37215, 0.7), (6, 7547, 0.5), (6, 27017, 0.5),
)  # fmt: skip
TOOLS = (
    ("zmap-4-windows", 0.31),
    ("masscan-1.3", 0.14),
    ("mirai", 0.06),
    ("zmap-3", 0.05),
    ("nmap-syn", 0.008),
    ("stack-linux", 0.12),
    ("", 0.312),
)
ORGANISATIONS = (
    "Censys",
    "Shodan",
    "Shadowserver",
    "Palo Alto Cortex Xpanse",
    "ONYPHE",
    "University of Michigan",
    "",
)


class StoreQuery:
    """A Query over flows, runs and rejects in memory."""

    def __init__(
        self, flows: pa.Table, runs: list[dict[str, Any]] = [], rejects: list[dict[str, Any]] = []  # noqa: B006
    ) -> None:  # fmt: skip
        self.con = duckdb.connect()
        self.con.execute("SET autoinstall_known_extensions=false; SET autoload_known_extensions=false")
        self.con.execute("SET TimeZone='UTC'")
        install(self.con)
        self.con.register("flows_rows", flows)
        self.con.execute("CREATE VIEW flows AS SELECT *, first_seen::DATE AS day FROM flows_rows")
        for name, rows in (("runs", runs), ("rejects", rejects)):
            self.con.register(name, pa.Table.from_pylist(rows, schema=TABLES[name].arrow()))
        self.asked: list[str] = []

    def sql(self, text: str, params: dict[str, Any] | None = None) -> pa.Table:
        self.asked.append(text)
        return self.con.sql(text, params=params or None).to_arrow_table()


def run(run_id: str, path: str, first: datetime, last: datetime, **more: Any) -> dict[str, Any]:
    """One closed row of `runs`."""
    return {
        "run_id": run_id, "state": "closed", "at": last + timedelta(minutes=5), "owner": "host:1:1",
        "path": path,
        "source": path, "format": "pcap", "parser_version": 1, "sha256": f"{abs(hash(path)) % 16**8:08x}" * 8,
        "size": 1_234_567, "tlp": "green", "first_seen": first, "last_seen": last, "counts": '{"rejects": 0}',
        "problem": "", "seconds": 1.0,
    } | more  # fmt: skip


def _pack(ints: np.ndarray) -> pa.Array:
    raw = np.empty((len(ints), 5), np.uint8)
    raw[:, 0] = 4
    for i in range(4):
        raw[:, i + 1] = (ints >> (24 - 8 * i)) & 255
    return pa.array([r.tobytes() for r in raw], pa.binary())


def _day(rng: np.random.Generator, day: date, n: int, trend: float) -> pa.Table:
    """About `n` rows of one UTC day."""
    base = 198 * 2**24 + 18 * 2**16
    weights = np.array([w for _, _, w in PORTS])
    if trend > 0:
        weights[10] *= 1 + 2.5 * trend  # 2323 rises over the days
        weights[7] *= 1 - 0.5 * trend
    tail = 38.0
    probability = np.append(weights, tail) / (weights.sum() + tail)
    pick = rng.choice(len(PORTS) + 1, n, p=probability)
    protocol = np.array([p for p, _, _ in PORTS] + [6])[pick]
    port = np.where(
        pick < len(PORTS), np.array([d for _, d, _ in PORTS] + [0])[pick], rng.integers(1, 65_536, n)
    )
    swing = 1 + 0.35 * np.sin((np.arange(24) - 5) / 24 * 2 * np.pi)
    hour = rng.choice(24, n, p=swing / swing.sum())
    second = hour * 3600 + rng.integers(0, 3600, n)
    pool = (rng.pareto(1.1, 40_000) * 9e8).astype(np.int64) % (3_700_000_000 - 2**24) + 2**24
    survey = rng.random(n) < 0.55
    src = np.where(
        survey, 167 * 2**24 + 94 * 2**16 + rng.integers(0, 120, n), pool[rng.integers(0, len(pool), n)]
    )
    tools = np.array([t for t, _ in TOOLS])[rng.choice(len(TOOLS), n, p=[w for _, w in TOOLS])]
    tools = np.where(survey, np.where(rng.random(n) < 0.7, "zmap-4-windows", ""), tools)
    klass = np.where(rng.random(n) < 0.09, "backscatter", "scan")
    klass = np.where(rng.random(n) < 0.02, "misconfiguration", klass)
    start = np.datetime64(day, "us")
    ts = start + (second * 1_000_000 + rng.integers(0, 1_000_000, n)).astype("timedelta64[us]")
    keep = np.ones(n, bool)
    for a, b in CAMPUS.outages:
        a64, b64 = np.datetime64(a.replace(tzinfo=None), "us"), np.datetime64(b.replace(tzinfo=None), "us")
        keep &= ~((ts >= a64) & (ts < b64))
    schema = TABLES["flows"].arrow()
    columns = {
        "src_ip": _pack(src), "dst_ip": _pack(base + rng.integers(0, 4096, n)),
        "src_port": np.where(protocol == 1, port, rng.integers(1024, 65_535, n)),
        "dst_port": np.where(protocol == 1, 0, port), "protocol": protocol, "ttl": np.full(n, 50),
        "tcp_flags": np.full(n, 2), "ip_len": np.full(n, 40), "packet_count": np.ones(n, np.int64),
        "byte_count": np.full(n, 40), "first_seen": ts, "last_seen": ts, "tool": tools, "class": klass,
        "rules_version": np.ones(n, np.int64), "offset": np.arange(n), "run_id": np.full(n, f"run-{day}"),
    }  # fmt: skip
    arrays = []
    for field in schema:
        value = columns.get(field.name)
        if value is None:
            arrays.append(pa.nulls(n, field.type))
        elif isinstance(value, pa.Array):
            arrays.append(value)
        elif field.name in ("first_seen", "last_seen"):
            arrays.append(pa.array(value, pa.timestamp("us")).cast(field.type))
        else:
            arrays.append(pa.array(value).cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema).filter(pa.array(keep))


def _finding(
    kind: str, value: str, first: datetime, last: datetime, evidence: dict[str, Any], **more: Any
) -> Finding:
    summary = more.pop("summary", {"en": f"{value}: {kind}.", "ja": f"{value}：{kind}。"})
    return Finding(
        kind, Subject(more.pop("subject_kind", "ip"), value), Rule(kind, 1), first, last,
        more.pop("confidence", 90),
        summary, evidence, "campus", tlp=more.pop("tlp", Tlp.AMBER), runs=(), **more,
    )  # fmt: skip


def findings(days: list[date]) -> list[Finding]:
    """Findings of the kinds the report has sections for."""
    rng = np.random.default_rng(7)
    found = []
    names = ("443", "80", "25565", "53", "22", "27015", "6672", "3074", "8080")
    for i, port in enumerate(names):
        day = datetime.combine(days[i % len(days)], datetime.min.time(), UTC) + timedelta(hours=3 + 2 * i)
        rate = float(10 ** rng.uniform(4.0, 6.2))
        wide = float(rng.uniform(1.1, 1.7))
        n = int(rng.integers(12, 900))
        ev = {
            "n": n, "ports": [f"tcp/{port}"], "rate_pps": rate, "rate_low": rate / wide,
            "rate_high": rate * wide, "floor_event_pps": 2913.0,
        }  # fmt: skip
        value = f"100.64.{i * 13 % 256}.{i * 37 % 256}"
        found.append(
            _finding("dos-victim", value, day, day + timedelta(minutes=40 + 31 * i), ev, confidence=95 - i)
        )
    for i in range(120):
        for d in days:
            at = datetime.combine(d, datetime.min.time(), UTC)
            ev = {"organisation": ORGANISATIONS[i % 7]}
            value = f"167.94.0.{i}"
            found.append(
                _finding("investigation-scanner", value, at, at + timedelta(hours=23, minutes=59), ev)
            )
    for d in days:
        at = datetime.combine(d, datetime.min.time(), UTC) + timedelta(hours=1)
        for i in range(int(rng.integers(60, 95))):
            kind = "mirai" if rng.random() < 0.4 else "iot-without-mirai"
            ev = {"class": kind, "packet_count": int(rng.integers(20, 3000)), "ports": ["tcp/23", "tcp/2323"]}
            value = f"100.{64 + i % 60}.{i * 7 % 256}.{int(rng.integers(1, 255))}"
            found.append(_finding("infected-host", value, at, at + timedelta(hours=20), ev, confidence=80))
    at = datetime.combine(days[-1], datetime.min.time(), UTC) + timedelta(hours=4)
    for host, packets in (("203.0.113.17", 812), ("203.0.113.201", 96)):
        ev = {"class": "mirai", "packet_count": packets, "ports": ["tcp/23", "tcp/2323"], "own": True}
        found.append(_finding("infected-host", host, at, at + timedelta(hours=9), ev, confidence=97))
    surge = {
        "en": "tcp/2323 rose to 3.4 times its usual sources within an hour, from 61 networks.",
        "ja": "2323/TCP の送信元が 1 時間で通常の 3.4 倍に増えた（61 ネットワーク）。",
    }
    found.append(
        _finding(
            "port-surge", "tcp/2323", at, at + timedelta(hours=1), {}, subject_kind="port", summary=surge
        )
    )
    return found


def stretch(first: date, days: int, rows: int = 40_000) -> tuple[StoreQuery, list[Finding], list[Scope]]:
    """`days` UTC days from `first`: a query, findings and scopes."""
    rng = np.random.default_rng(20261001)
    dates = [first + timedelta(days=i) for i in range(days)]
    tables = [_day(rng, d, int(rows * (1 + 0.006 * i)), i / days) for i, d in enumerate(dates)]
    runs, scopes = [], []
    for d in dates:
        start = datetime.combine(d, datetime.min.time(), UTC)
        path = f"synthetic/campus-{d}.pcap.zst"
        extra = {"counts": json.dumps({"rejects": 3}), "problem": ""} if d.day == 13 else {}
        runs.append(
            run(f"run-{d}", path, start, start + timedelta(hours=23, minutes=59, seconds=59), **extra)
        )
        down = sum((b - a).total_seconds() for a, b in CAMPUS.outages if a.date() == d)
        scopes.append(Scope(d, CAMPUS, 4091.0, 4096, 86_400.0 - down, own=OWN))
    rejects = [
        {"run_id": f"run-{d}", "path": "", "position": 0, "reason": "record-length", "detail": "",
        "sample": "", "count": 3}
        for d in dates if d.day == 13
    ]  # fmt: skip
    return StoreQuery(pa.concat_tables(tables), runs, rejects), findings(dates[-14:]), scopes


def country_table(path: Path) -> Path:
    """A made-up table of countries."""
    codes = ["US", "CN", "BR", "IN", "RU", "VN", "DE", "KR", "TW", "NL", "ID", "JP", "GB", "FR"]
    with path.open("w") as out:
        for i in range(1, 224):
            out.write(f"{i}.0.0.0\t{i}.255.255.255\t{codes[i * i % len(codes)]}\n")
    return path


def network_table(path: Path) -> Path:
    """A made-up table of networks."""
    names = ["EXAMPLE-CLOUD", "SAMPLE-TELECOM", "DOCNET", "TESTHOST", "PLACEHOLDER-ISP"]
    with path.open("w") as out:
        for i in range(1, 224):
            out.write(f"{i}.0.0.0\t{i}.255.255.255\t{64496 + i % 15}\tZZ\t{names[i % 5]}\n")
    return path


def main(out: Path) -> None:
    """Write reports to look at."""
    from zoneinfo import ZoneInfo

    from noroshi.share.report import build, parse, write

    query, found, scopes = stretch(date(2026, 10, 1), 21)
    out.mkdir(parents=True, exist_ok=True)
    country, network = country_table(out / "country.tsv"), network_table(out / "network.tsv")
    tz = ZoneInfo("Asia/Tokyo")
    at = datetime(2026, 10, 22, tzinfo=UTC)
    for period in ("2026-10-20", "2026-W42", "2026-10"):
        data = build(
            query, found, scopes, parse(period, at, tz), now=at, own=OWN, country=country, network=network
        )
        for lang in ("en", "ja"):
            print(*write(data, out, lang), sep="\n")
    bare = build(
        query, [], [replace(s, telescope=None, size=0.0) for s in scopes], parse("2026-10-03", at, tz), now=at
    )
    print(*write(bare, out, "en"), sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
