"""XARF 4 documents beside a notice, one per address and kind, for desks that read abuse reports by machine.

Source: XARF specification 4.2 (xarf.org), types `infrastructure/botnet`, `connection/login_attack`,
`vulnerability/cve`, `vulnerability/open_service`, `vulnerability/misconfiguration`. A victim of DoS has no type there
and stands in the table alone. Checked by the library `xarf` in the tests.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from noroshi.model.finding import NAMESPACE, iso
from noroshi.share.notify.items import Item, Row
from noroshi.share.notify.table import stamp

if TYPE_CHECKING:
    from noroshi.share.notify.compose import Sender

VERSION = "4.2.0"
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_EVIDENCE = {"darknet": "darknet", "decoy": "honeypot", "survey": "vulnerability_scan"}


def files(items: Sequence[Item], sender: Sender, number: str) -> dict[str, bytes]:
    """`ID.xarf.json`: a list of reports; nothing when no item has a type."""
    reports = [r for i in items for r in _reports(i, sender, number)]
    if not reports:
        return {}
    return {f"{number}.xarf.json": json.dumps(reports, ensure_ascii=False, indent=1, sort_keys=True).encode()}


def _reports(item: Item, sender: Sender, number: str) -> Iterator[dict[str, Any]]:
    """The documents of an item; for a vulnerable service one per CVE, as the type wants it."""
    row = item.rows[-1] if item.rows else None
    if item.kind == "infected-host":
        more: dict[str, Any] = {"compromise_evidence": "scans as self-spreading malware does"}
        if item.facts.get("class") == "mirai":
            more["malware_family"] = "mirai"
        yield _report(item, sender, number, "infrastructure", "botnet", more, row)
    elif item.kind == "decoy-intrusion" and row is not None and row.port and row.protocol in ("tcp", "udp"):
        more = {
            "protocol": row.protocol,
            "first_seen": iso(item.first_seen),
            "last_seen": iso(item.last_seen),
        }
        if row.other_port:
            more["destination_port"] = row.other_port
        yield _report(item, sender, number, "connection", "login_attack", more, row)
    elif item.kind == "exposed-service":
        for service in _services(item, "exposed"):
            yield _report(item, sender, number, "vulnerability", "open_service", service, row)
    elif item.kind == "weak-credential":
        for service in _services(item, "entries"):
            yield _report(item, sender, number, "vulnerability", "misconfiguration", service, row)
    elif item.kind == "vulnerable-service":
        for v in item.facts.get("vulnerabilities", ()):
            port = _port(v.get("port"))
            if port and _CVE.fullmatch(str(v.get("id"))):
                name = (row.what if row else "") or str(v.get("port"))
                more = {"service": name[:200], "service_port": port, "cve_id": v["id"]}
                if isinstance(v.get("version"), str):
                    more["service_version"] = v["version"][:100]
                yield _report(item, sender, number, "vulnerability", "cve", more, row)


def _services(item: Item, name: str) -> list[dict[str, Any]]:
    found = [
        {"service": str(s.get("service") or s.get("port") or "")[:200], "service_port": _port(s.get("port"))}
        for s in item.facts.get(name, ())
    ]
    return [{k: v for k, v in s.items() if v} for s in found if s["service"]]


def _port(text: Any) -> int:
    digits = str(text or "").rpartition("/")[2]
    return int(digits) if digits.isdigit() and len(digits) < 6 and 0 < int(digits) < 65536 else 0


def _report(
    item: Item, sender: Sender, number: str, category: str, kind: str, more: dict[str, Any], row: Row | None
) -> dict[str, Any]:
    who = {
        "org": (sender.name or sender.address)[:200], "contact": sender.reply_to or sender.address,
        "domain": sender.address.rpartition("@")[2],
    }  # fmt: skip
    out: dict[str, Any] = {
        "xarf_version": VERSION, "timestamp": iso(item.last_seen), "reporter": who, "sender": who,
        "source_identifier": item.subject, "category": category, "type": kind, "confidence": item.confidence / 100,
        "tags": [f"tlp:{item.tlp.value}", f"noroshi:{item.kind}"],
        "evidence_source": _EVIDENCE.get(row.source if row else "", "automated_discovery"),
    } | more  # fmt: skip
    if row is not None and row.port and item.kind in ("infected-host", "decoy-intrusion"):
        out["source_port"] = row.port
    if item.rows:
        out["evidence"] = [_evidence(item.rows)]
    name = json.dumps(out, sort_keys=True, ensure_ascii=True)
    out["report_id"] = str(uuid.uuid5(NAMESPACE, f"xarf\0{number}\0{name}"))
    return out


def _evidence(rows: Sequence[Row]) -> dict[str, Any]:
    lines = [
        " ".join(
            str(p) for p in (stamp(r.ts), "UTC", r.protocol, r.port or "-", "->", r.other_port or "-", r.what)
        )
        for r in rows
    ]
    text = "\n".join(lines).encode("utf-8", "backslashreplace")
    return {
        "content_type": "text/plain", "description": "times, ports of the host and of what it talked to",
        "payload": base64.b64encode(text).decode(), "hash": f"sha256:{hashlib.sha256(text).hexdigest()}",
        "size": len(text),
    }  # fmt: skip
