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
    return out
