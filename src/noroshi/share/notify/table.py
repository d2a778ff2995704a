"""The CSV beside a notice: columns of Shadowserver's reports, so that what reads those (IntelMQ, ...) reads these.

One file per type of report, named by Shadowserver's rule `DATE-TYPE-NAME.csv`: what unused addresses saw (infected
hosts, and victims of DoS by their answers) as `event4_honeypot_darknet`, sources at decoys as
`event4_honeypot_brute_force`, open Telnet as `scan_telnet`, other services as `device_id`; services of IPv6 hosts as
`scan6_telnet` and `device_id6`. Of honeypots there are no types for IPv6: its rows stand under the same types, which
IntelMQ reads, in files of their own, whose name ends in `_6`. `tag` begins with what is
wrong. The host is always the source, which is what IntelMQ looks owners up by. Times are UTC,
`YYYY-MM-DD hh:mm:ss.ffffff`. What saw it (`dst_ip`, `dst_asn`, ...) is always empty.
Source of the columns: The Shadowserver Foundation, report_schema, 2026-03-24; seen again by a test.
"""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from noroshi.model.finding import NAMESPACE
from noroshi.share.notify.items import SERVICES, Item, Row, one_line

_END = ("asn", "geo", "region", "city", "hostname", "naics", "sector")
_DEVICE = ("device_vendor", "device_type", "device_model", "severity")
_MEANT = ("public_source", "infection", "family", "tag", "application", "version", "event_id")
_SRC, _DST = tuple(f"src_{n}" for n in _END), tuple(f"dst_{n}" for n in _END)
_EVENT = (
    "timestamp",
    "protocol",
    "src_ip",
    "src_port",
    *_SRC,
    *_DEVICE,
    "dst_ip",
    "dst_port",
    *_DST,
    *_MEANT,
)
_SCAN = ("timestamp", "severity", "ip", "protocol", "port", "hostname", "tag", "asn", "geo", "region", "city", "naics",
         "hostname_source", "sector")  # fmt: skip
COLUMNS: dict[str, tuple[str, ...]] = {
    "event4_honeypot_darknet": (*_EVENT, "count"),
    "event4_honeypot_brute_force": (*_EVENT, "service", "start_time", "end_time"),
    "scan_telnet": (*_SCAN, "banner"),
    "device_id": (*_SCAN, "device_vendor", "device_type", "device_model", "device_version"),
    "scan6_telnet": (*_SCAN, "banner"),
    "device_id6": (*_SCAN, "device_vendor", "device_type", "device_model", "device_version"),
}  # fmt: skip
"""Columns by type of report; those at the end of a type that are never filled here are left out."""
SEVERITY = {
    "infected-host": "high", "decoy-intrusion": "high", "weak-credential": "high", "vulnerable-service": "medium",
    "exposed-service": "medium", "dos-victim": "medium",
}  # fmt: skip
_FORMULA = re.compile(r"\s*[=+\-@\t\r|%]")
"""What spreadsheets read as a formula (OWASP, CSV injection), spaces before it too."""


def cell(value: Any) -> str:
    """A value as a cell: on one line, and nothing a spreadsheet would run (a leading `'` is put before it)."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int | float):
        return str(value)
    text = one_line(str(value))
    return f"'{text}" if _FORMULA.match(text) else text


def stamp(ts: datetime) -> str:
    """As Shadowserver writes times: UTC, without a zone; with the microseconds."""
    return ts.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def files(items: Sequence[Item], name: str) -> dict[str, bytes]:
    """The files of a notice by name; name: what tells them apart, only its letters and digits are used."""
    by_type: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for item in items:
        for of, row in _rows(item):
            six = "_6" if of.startswith("event4_") and ":" in item.subject else ""
            by_type.setdefault((of, six), []).append(row)
    last = max((i.last_seen for i in items), default=datetime.min.replace(tzinfo=UTC)).date().isoformat()
    tail = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:40] or "notice"
    made = [(of, six) for of in COLUMNS for six in ("", "_6") if (of, six) in by_type]
    return {f"{last}-{of}-{tail}{six}.csv": write(of, by_type[of, six]) for of, six in made}


def write(of: str, rows: Iterable[dict[str, Any]]) -> bytes:
    """A report in UTF-8: header, then a line per row (RFC 4180)."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(COLUMNS[of])
    for row in rows:
        writer.writerow([cell(row.get(c)) for c in COLUMNS[of]])
    return out.getvalue().encode("utf-8", "backslashreplace")


def _rows(item: Item) -> Iterator[tuple[str, dict[str, Any]]]:
    """(type, row) of each piece of evidence; of an item without any, one row from the item itself."""
    rows = item.rows or (
        Row(item.last_seen, item.subject, str(item.facts.get("protocol") or ""), None, None),
    )
    for row in rows:
        yield _typed(item, row)


def _typed(item: Item, row: Row) -> tuple[str, dict[str, Any]]:
    common = {"timestamp": stamp(row.ts), "protocol": row.protocol, "severity": SEVERITY[item.kind],
              "event_id": _event_id(item)}  # fmt: skip
    asn = item.asn.removeprefix("AS")
    if item.kind in SERVICES:
        telnet, six = row.what == "telnet" and item.kind != "vulnerable-service", ":" in item.subject
        of = ("scan6_telnet" if six else "scan_telnet") if telnet else "device_id6" if six else "device_id"
        return of, common | {
            "ip": item.subject, "port": row.port, "asn": asn, "geo": item.country, "tag": _tag(item),
            "banner": row.banner,
        }  # fmt: skip
    mine = {"src_ip": item.subject, "src_port": row.port or 0, "src_asn": asn, "src_geo": item.country,
            "dst_port": row.other_port, "tag": _tag(item)}  # fmt: skip
    if row.source == "decoy" or item.kind == "decoy-intrusion":
        return "event4_honeypot_brute_force", common | mine | {
            "service": row.what, "application": row.what, "start_time": stamp(item.first_seen),
            "end_time": stamp(item.last_seen),
        }  # fmt: skip
    infection = "mirai" if item.facts.get("class") == "mirai" else ""
    return "event4_honeypot_darknet", common | mine | {"infection": infection, "count": row.count}


def _event_id(item: Item) -> str:
    """The same for the same sighting. Not the finding's: that is a hash over the telescope's name too."""
    name = "\0".join((item.operator, item.kind, item.subject, stamp(item.last_seen)))
    return str(uuid.uuid5(NAMESPACE, f"notice\0{name}"))


def _tag(item: Item) -> str:
    cves = [str(v["id"]) for v in item.facts.get("vulnerabilities", ()) if "id" in v]
    vector = [str(item.facts["vector"])] if "vector" in item.facts else []
    return ";".join([item.kind, *vector, *(c.lower() for c in cves)])
