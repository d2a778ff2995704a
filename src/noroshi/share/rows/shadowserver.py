"""Findings in the columns of Shadowserver's reports, a file for each type of report and UTC day.

Names and order of the columns: report_schema of the Shadowserver Foundation (reports.json, 8e06fb91); what their
public mappings for IntelMQ need is there. Their types of honeypots know IPv4 alone (`event4_`); IPv6 addresses stand
under the same types, which IntelMQ reads, in files of their own (`noroshi6`), for readers that cannot take them.
`tlp`, `confidence` and `finding_id` stand behind them: readers keep what they do not know as extra fields, and a
marking must not be lost.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec

from noroshi.model.finding import Finding
from noroshi.share.rows.cells import table

OURS: Final = ("tlp", "confidence", "finding_id")
TYPES: Final = {
    "scanner": "event4_honeypot_darknet", "investigation-scanner": "event4_honeypot_darknet",
    "infected-host": "event4_honeypot_darknet", "known-attacker": "event4_honeypot_darknet",
    "decoy-intrusion": "event4_honeypot_brute_force", "reflection-abuse": "event4_honeypot_ddos_amp",
    "dos-victim": "event4_honeypot_ddos_target",
}  # fmt: skip
"""The report a kind of finding belongs into; `special`, which Shadowserver uses for what has no type, for others."""
SEVERITY: Final = {
    "scanner": "high", "infected-host": "critical", "known-attacker": "high", "decoy-intrusion": "critical",
    "dos-victim": "high", "reflection-abuse": "info", "vulnerable-service": "high", "exposed-service": "medium",
    "weak-credential": "critical", "investigation-scanner": "info", "misconfiguration": "low",
}  # fmt: skip
"""By the levels of Shadowserver's own types; a vulnerability known to be exploited is critical."""
PORTS: Final = 100
"""Rows of one finding at most: a scan of all ports is told by its first hundred."""
_PORT: Final = re.compile(r"(tcp|udp|icmp)(?:/(\d{1,5}))?")
FILE: Final = re.compile(r"\d{4}-\d\d-\d\d-[a-z0-9_]+-noroshi6?\.(csv|jsonl)")
"""Names of the files: Shadowserver's rule (date, type, anything), from which readers take the type."""
Row = dict[str, Any]


@dataclass(frozen=True)
class File:
    """One report."""

    name: str
    body: bytes
    rows: int


def files(findings: Iterable[Finding], *, lines: bool = False) -> Iterator[File]:
    """The reports of findings about addresses, by day and type. lines: as JSON lines instead of CSV."""
    held: dict[tuple[date, str, str], list[Row]] = {}
    for finding in findings:
        if finding.subject.kind == "ip":
            kind = TYPES.get(finding.kind, "special")
            six = "6" if ":" in finding.subject.value else ""
            held.setdefault((finding.first_seen.date(), kind, six), []).extend(rows(finding))
    for (day, kind, six), found in sorted(held.items()):
        columns = (*columns_of(kind), *OURS)
        if lines:
            shown = ({c: r.get(c) if r.get(c) is not None else "" for c in columns} for r in found)
            body = b"".join(msgspec.json.encode(r) + b"\n" for r in shown)
        else:
            body = table(columns, found)
        yield File(f"{day.isoformat()}-{kind}-noroshi{six}.{'jsonl' if lines else 'csv'}", body, len(found))


@cache
def columns_of(type: str) -> tuple[str, ...]:
    """The columns of a report; `password` among them, which is never filled."""
    text = resources.files("noroshi.share.rows").joinpath("columns.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)[type])


def rows(f: Finding) -> list[Row]:
    """The rows of a finding: one for each port of its evidence, one when it names none."""
    kind = TYPES.get(f.kind, "special")
    base: Row = {"tlp": f.tlp.value, "confidence": f.confidence, "finding_id": f.id, "severity": _severity(f),
                 "timestamp": _time(f.first_seen), "tag": ";".join(_tags(f)), "event_id": f.id}  # fmt: skip
    if kind == "special":
        base |= {"ip": f.subject.value, "detail": _summary(f), "first_seen_time": _time(f.first_seen),
                 "last_seen_time": _time(f.last_seen)}  # fmt: skip
    elif kind == "event4_honeypot_ddos_target":
        # The sources are forged: only whom they hit is known.
        base |= {
            "dst_ip": f.subject.value,
            "duration": _number(f.evidence, "duration_s"),
            "attack": _vector(f),
        }
    else:
        base |= {"src_ip": f.subject.value, "src_port": _number(f.evidence, "src_port"),
                 "infection": _infection(f), "family": _infection(f)} | _more(kind, f)  # fmt: skip
    port = "port" if kind == "special" else "src_port" if kind == "event4_honeypot_ddos_amp" else "dst_port"
    return [base | {"protocol": p, port: n} for p, n in _ports(f)] or [base]


def _more(kind: str, f: Finding) -> Row:
    e = f.evidence
    if kind == "event4_honeypot_darknet":
        return {"count": _number(e, "packet_count", "packets", "seen_count")}
    if kind == "event4_honeypot_ddos_amp":
        return {"count": _number(e, "packets"), "bytes": _number(e, "bytes"), "end_time": _time(f.last_seen),
                "duration": _number(e, "duration_s"), "avg_pps": e.get("mean_pps"),
                "request": next(iter(_texts(e, "vectors")), None)}  # fmt: skip
    services, files = _texts(e, "services"), _texts(e, "files")
    return {"application": next(iter(services), None), "service": next(iter(services), None),
            "start_time": _time(f.first_seen), "end_time": _time(f.last_seen),
            "payload_url": next((u for u in files if "://" in u[:12]), None)}  # fmt: skip


def _ports(f: Finding) -> list[tuple[str, int | None]]:
    named = [*_texts(f.evidence, "ports"), *(
        str(p.get("port")) for p in f.evidence.get("top_ports") or () if isinstance(p, dict)
    )] if isinstance(f.evidence.get("top_ports") or [], list) else _texts(f.evidence, "ports")  # fmt: skip
    out: list[tuple[str, int | None]] = []
    for text in named:
        found = _PORT.fullmatch(text)
        if found and (not found[2] or int(found[2]) < 65_536):
            one = (found[1], int(found[2]) if found[2] else None)
            if one not in out:
                out.append(one)
        if len(out) == PORTS:
            break
    return out


def _vector(f: Finding) -> str | None:
    word = f.evidence.get("vector")
    return word if isinstance(word, str) else None


def _severity(f: Finding) -> str:
    if f.kind == "vulnerable-service" and _number(f.evidence, "kev_count"):
        return "critical"
    return SEVERITY.get(f.kind, "info")


def _tags(f: Finding) -> Iterator[str]:
    yield f.kind
    for name in ("class", "tool", "scan"):
        if isinstance(word := f.evidence.get(name), str) and re.fullmatch(r"[\w.-]{1,64}", word):
            yield word
    found = f.evidence.get("vulnerabilities")
    for one in (found if isinstance(found, list) else [])[:20]:
        if isinstance(one, dict) and re.fullmatch(r"CVE-\d{4}-\d{4,7}", str(one.get("id"))):
            yield str(one["id"])


def _infection(f: Finding) -> str | None:
    word = f.evidence.get("class")
    return word if f.kind == "infected-host" and isinstance(word, str) else None


def _number(evidence: dict[str, Any], *names: str) -> int | None:
    for name in names:
        value = evidence.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:
            return round(value)
    return None


def _texts(evidence: dict[str, Any], name: str) -> list[str]:
    found = evidence.get(name)
    return [v for v in found if isinstance(v, str)] if isinstance(found, list) else []


def _summary(f: Finding) -> str:
    return f.summary.get("en") or next(iter(f.summary.values()), f.kind)


def _time(ts: datetime) -> str:
    """As reports write it: UTC to the second, without a zone, which IntelMQ adds."""
    return ts.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
