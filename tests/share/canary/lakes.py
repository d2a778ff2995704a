"""A lake with every secret in every encoding in every column that can hold one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from noroshi.lake import writer as writing
from noroshi.lake.handle import Lake
from noroshi.model import address
from noroshi.model.finding import KINDS, Finding, Rule, Subject
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp
from tests.share.canary.secrets import (
    ADDRESSES,
    DARK4,
    DOMAIN,
    MAIL,
    OWN4,
    OWN6,
    PASSWORD,
    PERSON,
    SENSOR,
    Planted,
    planted,
)

NOON = datetime(2026, 10, 4, 12, 34, 56, 789000, tzinfo=UTC)
ATTACKER = "198.51.100.9"
BLOCKED = "8.8.4.4"
"""An attacker on no list of special addresses and that nothing else is said of: victims are never blocked, nor is
what scans for research."""
TOLD = (
    "infected-host",
    "decoy-intrusion",
    "weak-credential",
    "vulnerable-service",
    "exposed-service",
    "dos-victim",
)
"""Kinds that operators are told."""
FILLED = tuple(t for t in TABLES if t not in {"links", *writing.INTERNAL})


def make(path: Path, thin: int = 1) -> Lake:
    """The lake, marked CLEAR throughout: no marking hides anything, only the mask.

    thin: each column holds every so manieth of the secrets and encodings only, another choice than its neighbours.
    """
    lake = Lake.open(path)
    everything = planted()
    with lake.writer() as writer:
        run = writer.begin(path=f"/srv/{SENSOR}/{PERSON}.pcap", source=SENSOR, format="list", parser_version=1,
                           tlp=Tlp.CLEAR)  # fmt: skip
        for start, table in enumerate(FILLED):
            rows = [_row(table, everything, start + i) for i in range(0, len(everything), thin)]
            schema = TABLES[table].arrow()
            fields = [schema.field(n).with_nullable(True) for n in schema.names if n != "run_id"]
            run.write(Batch(table, pa.Table.from_pylist(rows, schema=pa.schema(fields))))
        for i, p in enumerate(everything):
            run.reject(Reject(i, p.text[:60], p.text, p.text.encode()[:64]))
        run.finish(sha256="ab" * 32, size=1)
    lake.put_findings(findings(everything[:: max(1, thin // 2)]))
    return lake


def _row(table: str, everything: list[Planted], at: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for shift, column in enumerate(TABLES[table].columns):
        one = everything[(at + shift) % len(everything)]
        match column.type:
            case "string":
                out[column.name] = f"x {one.text} y" if at % 2 else one.text
            case "strings":
                out[column.name] = [one.text, f"ip {one.text}", f"domain {one.text}", "cve CVE-2021-44228"]
            case "address":
                out[column.name] = address.pack(ADDRESSES[at % len(ADDRESSES)])
            case "ts":
                out[column.name] = NOON + timedelta(minutes=at)
            case "date":
                out[column.name] = NOON.date()
            case "bool":
                out[column.name] = True
            case "int64" if column.name in ("seq", "ack", "key", "offset"):
                out[column.name] = int.from_bytes(address.pack(OWN4)[1:])
            case _:
                out[column.name] = 1
    out.pop("run_id", None)
    return out | {"tlp": "clear"} | _special(table, everything[at % len(everything)], at)


def _special(table: str, one: Planted, at: int) -> dict[str, Any]:
    kinds = ("ip", "domain", "url", "email", "text", "hostname", "sha256", "malware", "AS")
    if table == "objects":
        return {"json": json.dumps(thing(one, at)), "tlp": "clear"}
    if table == "relations":
        return {"json": json.dumps({"type": "relationship", "description": one.text, "x_y": [one.text]})}
    if table in ("indicators", "warnings", "assets"):
        return {"kind": kinds[at % len(kinds)]} | ({"tlp": "clear"} if table == "indicators" else {})
    return {}


def thing(one: Planted, at: int) -> dict[str, Any]:
    """An imported object with the secret in every kind of place."""
    name = f"{at:08d}-0000-4000-8000-000000000000"
    stamp = "2026-10-04T12:00:00.000Z"
    common: dict[str, Any] = {
        "spec_version": "2.1",
        "created": stamp,
        "modified": stamp,
        "x_note": one.text,
        "x_deep": [{"a": {"b": one.text}}],
    }
    text = one.text.replace("\\", "\\\\").replace("'", "\\'")
    way = (at + at // 4) % 4
    if way == 1:
        return {"type": "ipv4-addr", "id": f"ipv4-addr--{name}", "value": OWN4, "x_note": one.text}
    if way == 0:
        more: dict[str, Any] = {
            "type": "indicator", "pattern_type": "stix", "valid_from": stamp, "name": one.text,
            "pattern": f"[url:value = 'http://evil.example/{text}']",
        }  # fmt: skip
    elif way == 2:
        more = {
            "type": "identity", "identity_class": "individual", "name": PERSON, "contact_information": MAIL,
        }  # fmt: skip
    else:
        more = {
            "type": "report", "name": one.text, "description": f"see {one.text}.", "published": stamp,
            "object_refs": [f"indicator--{name}"], "labels": [one.text],
        }  # fmt: skip
    return {"id": f"{more['type']}--{name}", **more, **common}


def findings(everything: list[Planted]) -> list[Finding]:
    """Findings about secrets, and about an attacker with secrets in their evidence, scope and summary."""
    out = []
    number = int.from_bytes(address.pack(OWN4)[1:])
    subjects = (
        Subject("ip", ATTACKER), Subject("ip", OWN4), Subject("ip", OWN6), Subject("ip", DARK4),
        Subject("prefix", "203.0.113.0/24"), Subject("domain", DOMAIN), Subject("email", MAIL),
    )  # fmt: skip
    for at, one in enumerate(everything):
        subject, first = subjects[at % 7], NOON + timedelta(days=at)
        summary = {
            "en": f"{subject.value} met {one.text}, {OWN4} at {SENSOR}.",
            "ja": f"{PERSON}の{one.text}が{DARK4}で観測された。",
        }
        evidence = {
            "owner": PERSON, "contact": MAIL, "asset": DOMAIN, "decoys": [SENSOR], "network": "203.0.113.0/24",
            "first_commands": [f"echo {one.text} {PASSWORD}"], one.text: one.text, "dst_ip": number,
            "list": [one.text, {"deep": [one.text]}], "own": at % 5 == 0,
            "servers": [{"kind": "ip", "value": OWN4}, {"kind": "domain", "value": DOMAIN}],
        }  # fmt: skip
        out.append(
            Finding(
                KINDS[at % len(KINDS)], subject, Rule("canary", 1), first, first + timedelta(hours=1), 80, summary,
                evidence, scope=SENSOR, tlp=Tlp.CLEAR, runs=(SENSOR,),
            )
        )  # fmt: skip
    told = {"en": f"met {OWN4} at {SENSOR}", "ja": PERSON}
    secret = {"owner": PERSON, "decoys": [SENSOR], "dst_ip": number}
    out.append(
        Finding("scanner", Subject("ip", BLOCKED), Rule("canary", 1), NOON, NOON, 90, told, secret, scope=SENSOR,
                tlp=Tlp.CLEAR, runs=(SENSOR,))
    )  # fmt: skip
    return out


def notices(everything: list[Planted]) -> list[Finding]:
    """Findings of every kind that operators are told, with a secret in everything that may be told of them."""
    out = []
    for at, one in enumerate(everything):
        seen, x = NOON - timedelta(minutes=at + 1), one.text
        entry = {"service": x, "port": "tcp/23", "reason": x, "reason_ja": x, "severity": x}
        weak = {"id": x, "port": "tcp/80", "version": x, "fixed_version": x, "kev": True}
        evidence = {
            "class": x, "packet_count": 3, "ports": [x, "tcp/23"], "tools": [x], "products": [x], "vector": x,
            "protocol": x, "services": [x], "logins": [entry], "vulnerabilities": [weak], "vulnerability_count": 2,
            "product_only_count": 0, "telescope": DARK4, "confidence_reason": x, "scanners": [x],
        }  # fmt: skip
        kind = TOLD[at % len(TOLD)]
        if kind == "exposed-service":
            evidence["services"] = [entry]
        # A host each, or the newest alone of a kind would be told.
        subject = Subject("ip", f"100.64.{at // 250}.{at % 250 + 1}")
        out.append(
            Finding(kind, subject, Rule("canary", 1), seen, seen + timedelta(seconds=5), 80, {"en": x, "ja": x},
                    evidence, scope=SENSOR, tlp=Tlp.CLEAR, runs=(SENSOR,))
        )  # fmt: skip
    return out


def evidence(lake: Lake, everything: list[Planted]) -> None:
    """Rows of what those hosts were seen doing, which stand beside their notices: with secrets in their texts."""
    made: dict[str, list[dict[str, Any]]] = {"flows": [], "sessions": [], "services": []}
    for at, one in enumerate(everything):
        host, seen = address.pack(f"100.64.{at // 250}.{at % 250 + 1}"), NOON - timedelta(minutes=at + 1)
        made["flows"].append({
            "src_ip": host, "dst_ip": address.pack(DARK4), "src_port": 4000, "dst_port": 23, "protocol": 6, "ttl": 50,
            "tcp_flags": 2, "ip_len": 40, "packet_count": 2, "byte_count": 80, "first_seen": seen, "last_seen": seen,
            "tool": one.text, "class": "backscatter" if at % len(TOLD) == 5 else "scan", "rules_version": 1,
            "offset": at,
        })  # fmt: skip
        made["sessions"].append({
            "first_seen": seen, "last_seen": seen, "session_id": one.text, "decoy": SENSOR, "src_ip": host,
            "src_port": 4001, "dst_ip": address.pack(OWN4), "dst_port": 22, "protocol": 6, "service": one.text,
            "login_count": 1, "login_success": True, "command_count": 1, "offset": at,
        })  # fmt: skip
        made["services"].append({
            "ts": seen, "ip": host, "port": 80, "protocol": 6, "state": "open", "service": one.text,
            "version": one.text,
            "banner": f"Server: {one.text}", "scanner": SENSOR, "offset": at,
        })  # fmt: skip
    with lake.writer() as writer:
        run = writer.begin(path="n", source=SENSOR, format="list", parser_version=1, tlp=Tlp.CLEAR)
        for table, rows in made.items():
            schema = TABLES[table].arrow()
            run.write(Batch(table, pa.Table.from_pylist(rows, schema=schema).drop_columns(["run_id"])))
        run.finish(sha256="cd" * 32, size=1)
