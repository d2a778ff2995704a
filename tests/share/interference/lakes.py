"""Random lakes: several runs of mixed tables, run and row markings, findings, forgotten runs, compacted or not."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from noroshi.lake import writer as writing
from noroshi.lake.handle import Lake
from noroshi.model import address
from noroshi.model.finding import KINDS, Finding, Rule, Subject
from noroshi.model.observable import key64
from noroshi.model.reject import Reject
from noroshi.model.schema import Column
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp

NOON = datetime(2026, 10, 4, 12, tzinfo=UTC)
NOW = datetime(2026, 10, 8, 9, 30, tzinfo=UTC)
"""The clock, held."""
TELESCOPE = "203.0.113.0/25"
FILLED = tuple(t for t in TABLES if t not in {"links", *writing.INTERNAL})

_IPS = ("192.0.2.1", "192.0.2.9", "198.51.100.3", "203.0.113.7", "203.0.113.200", "2001:db8::7", "10.1.2.3")
POOL: dict[str, tuple[str, ...]] = {
    "ip": _IPS,
    "prefix": ("192.0.2.0/24", "203.0.113.0/24", "2001:db8::/32"),
    "asn": ("AS64500", "AS64501"), "cve": ("CVE-2021-44228", "CVE-2017-17215"), "technique": ("T1059", "T1110.001"),
    "purl": ("pkg:pypi/flask@2.0.1", "pkg:npm/left-pad@1.3.0"),
    "cpe": ("cpe:2.3:a:apache:http_server:2.4.49:*:*:*:*:*:*:*", "cpe:2.3:o:vendor:os:1:*:*:*:*:*:*:*"),
    "advisory": ("GHSA-jfh8-c2jp-5v3q",), "md5": ("0" * 31 + "1", "a" * 32), "sha1": ("b" * 40,),
    "sha256": ("c" * 64, "d" * 64), "sha512": ("e" * 128,), "imphash": ("f" * 32,),
    "ssdeep": ("3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C",), "hassh": ("1" * 32, "2" * 32), "ja3": ("3" * 32,),
    "ja3s": ("4" * 32,), "ja4": ("t13d1516h2_8daaf6152771_b186095e22b6",), "ja4s": ("t130200_1301_234ea6891581",),
    "certificate": ("5" * 64,), "ssh-key": ("SHA256:" + "A" * 43,), "url": ("http://evil.example/x",),
    "email": ("who@evil.example",), "domain": ("evil.example", "c2.evil.example", "www.example.org"),
    "malware": ("mirai", "gafgyt"),
}  # fmt: skip
ABSENT = {"ip": "198.18.0.1", "domain": "nobody.example", "sha256": "9" * 64, "cve": "CVE-1999-0001"}
"""Values no lake here holds."""
_TYPED = ("cve:CVE-2021-44228", "sha256:" + "c" * 64, "domain:evil.example", "ip:192.0.2.1")


@dataclass(frozen=True)
class Shape:
    """What of a random lake is decided beforehand."""

    seed: int
    tables: tuple[str, ...]
    rows: int
    """Rows of each run in each table it writes, at most."""


@dataclass(frozen=True)
class Made:
    """A lake and what went into it."""

    lake: Lake
    runs: dict[str, Tlp]


def shape(seed: int) -> Shape:
    """The shape of the lake of that number: sometimes few tables with many rows, sometimes all."""
    draw = random.Random(seed)
    few = draw.random() < 0.6
    always = {"flows", "indicators", "objects", "events"}
    chosen = {*draw.sample(FILLED, 4 if few else len(FILLED)), *always}
    return Shape(seed, tuple(t for t in FILLED if t in chosen), 9 if few else 4)


def make(path: Path, of: Shape) -> Made:
    """The lake of that shape; the same rows and findings for the same seed, but for ids of runs."""
    draw = random.Random(of.seed)
    lake = Lake.open(path)
    streamed = draw.random() < 0.3
    sources = ["campus", "isp", "partner", "lab"]
    runs: dict[str, Tlp] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "SMALL_RUN_BYTES", 0 if streamed else writing.SMALL_RUN_BYTES)
        numbers = list(range(draw.randint(4, 7)))
        cut = draw.randint(2, len(numbers))
        for part in (numbers[:cut], numbers[cut:]):
            with lake.writer() as writer:
                for number in part:
                    tlp = draw.choice(list(Tlp))
                    run = writer.begin(path=f"/data/{number}.x", source=draw.choice(sources), format="list",
                                       parser_version=1, tlp=tlp)  # fmt: skip
                    runs[run.run_id] = tlp
                    for table in draw.sample(of.tables, max(2, len(of.tables) * 2 // 3)):
                        rows = [_row(draw, table, i) for i in range(draw.randint(1, of.rows))]
                        run.write(Batch(table, _typed(table, rows)))
                        if table == "flows":
                            run.write(Batch("links", _flow_links(rows)))
                    if draw.random() < 0.4:
                        run.reject(Reject(number, f"reason-{number}", "detail", b"sample"))
                    run.finish(sha256=f"{number:064x}", size=100 + number)
            if draw.random() < 0.4:
                lake.compact()
    _forget(draw, lake, runs)
    lake.put_findings([_finding(draw, list(runs)) for _ in range(draw.randint(4, 14))])
    # Later revisions, of which some replace and some withdraw.
    lake.put_findings([_finding(draw, list(runs)) for _ in range(draw.randint(2, 8))],
                      judged=[("rule-a", "campus", NOON.date())] if draw.random() < 0.5 else ())  # fmt: skip
    _forget(draw, lake, runs)
    if draw.random() < 0.5:
        lake.compact()
    return Made(lake, runs)


def _forget(draw: random.Random, lake: Lake, runs: dict[str, Tlp]) -> None:
    if len(runs) > 3 and draw.random() < 0.5:
        lake.forget(gone := draw.choice(sorted(runs)), now=draw.random() < 0.3)
        del runs[gone]


def _typed(table: str, rows: list[dict[str, Any]]) -> pa.Table:
    schema = TABLES[table].arrow()
    fields = [schema.field(n).with_nullable(True) for n in schema.names if n != "run_id"]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def _row(draw: random.Random, table: str, at: int) -> dict[str, Any]:
    spec = TABLES[table]
    links = {link.column: link for link in spec.links}
    out: dict[str, Any] = {}
    for column in spec.columns:
        if column.name == "run_id" or (column.nullable and draw.random() < 0.25):
            continue
        link = links.get(column.name)
        kind = link.kind if link else ""
        out[column.name] = _value(draw, column, kind)
    return out | {"offset": at} | _special(draw, table)


def _special(draw: random.Random, table: str) -> dict[str, Any]:
    """What a generic filler would get wrong."""
    if table == "objects":
        name = f"indicator--{draw.randint(0, 5):08d}-0000-4000-8000-000000000000"
        body = f'{{"type": "indicator", "id": "{name}", "n": {draw.randint(0, 9)}}}'
        return {"json": body, "object_id": name, "type": "indicator", "name_kind": "malware",
                "names": [draw.choice(POOL["malware"])]}  # fmt: skip
    if table == "networks":
        low, high = address.prefix_range(draw.choice(POOL["prefix"]))
        return {"low": low, "high": high}
    if table in ("indicators", "warnings", "assets"):
        kind = draw.choice(("ip", "domain", "sha256", "cve", "prefix", "asn"))
        return {"kind": kind, "value": draw.choice(POOL[kind])}
    return {}


def _value(draw: random.Random, column: Column, kind: str) -> Any:
    if column.name == "tlp":
        return draw.choice([None, *(t.value for t in Tlp)])
    if column.type == "ts":
        return NOON + timedelta(days=draw.randint(0, 2), minutes=draw.randint(0, 900))
    if column.type == "date":
        return NOON.date()
    if column.type == "address":
        return address.pack(draw.choice(POOL["ip"]))
    if column.type == "strings":
        return [_text(draw, kind) for _ in range(draw.randint(0, 2))]
    if column.type == "string":
        return _text(draw, kind)
    if column.type == "bool":
        return draw.random() < 0.5
    if column.type == "float64":
        return draw.randint(0, 9) / 2
    return draw.choice((22, 23, 80, 443, 6)) if column.type in ("int16", "int32") else draw.randint(1, 50)


def _text(draw: random.Random, kind: str) -> str:
    if kind == "typed":
        return draw.choice(_TYPED)
    if kind == "host":
        kind = draw.choice(("ip", "domain"))
    if kind == "vulnerability":
        kind = "cve"
    return draw.choice(POOL.get(kind, ("ab", "cd", "ef")))


def _flow_links(rows: list[dict[str, Any]]) -> pa.Table:
    """The sensor of captures makes the links of flows itself."""
    schema = TABLES["links"].arrow()
    out = []
    for r in rows:
        value, first = address.text(r["src_ip"]), r["first_seen"]
        out.append(
            {"key": key64("ip", value), "kind": "ip", "value": value, "role": "src", "table": "flows",
             "day": first.date(), "first_seen": first, "last_seen": max(first, r["last_seen"]),
             "count": r["packet_count"]}
        )  # fmt: skip
    fields = [schema.field(n) for n in schema.names if n not in ("run_id", "tlp")]
    return pa.Table.from_pylist(out, schema=pa.schema(fields))


def _finding(draw: random.Random, runs: list[str]) -> Finding:
    first = NOON + timedelta(days=draw.randint(0, 2), minutes=draw.randint(0, 300))
    kind = draw.choice(("ip", "ip", "prefix", "asn", "domain", "cve", "port"))
    value = draw.choice(POOL[kind]) if kind != "port" else draw.choice(("tcp/23", "tcp/80"))
    number = draw.randint(1, 999)
    return Finding(
        draw.choice(KINDS), Subject(kind, value), Rule(draw.choice(("rule-a", "rule-b")), 1), first,
        first + timedelta(minutes=draw.randint(0, 90)), draw.randint(0, 100),
        {"en": f"{value} did it {number} times.", "ja": f"{value} が {number} 回。"},
        {"packets": number, "ports": [23]}, draw.choice(("", "campus")), tlp=draw.choice(list(Tlp)),
        runs=tuple(sorted(draw.sample(runs, draw.randint(1, len(runs))))),
    )  # fmt: skip
