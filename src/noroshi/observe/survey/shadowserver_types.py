"""What Shadowserver's report types mean: our own short table, and the schemas the Foundation publishes.

Source of the table: the reports' public pages (shadowserver.org, Network Reporting) and ENISA's Reference
Security Incident Taxonomy; a type nobody listed is judged by its prefix.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from noroshi.model.errors import SourceError

SCHEMA_SIZE: Final = 32 << 20
"""Bytes of a schema file at most; the published ones have under 1 MB."""
_FILE: Final = re.compile(r"^\d{4}-\d{2}-\d{2}-([A-Za-z0-9_]{2,80})(?:[-.].*)?$")
"""Shadowserver's rule for file names: date, type, anything."""

_SERVICES: Final = ("scan_", "scan6_", "population_", "population6_", "device_id")
_BOTH: Final = {
    "scan_post_exploitation_framework": ("malicious-code", "c2-server"),
    "scan_synfulknock": ("intrusions", "system-compromise"),
}
"""Scans that find a compromise, not only a service: an event besides."""
_EVENTS: Final = (
    ("event4_honeypot_brute_force", "intrusion-attempts", "brute-force"),
    ("event4_honeypot_ddos", "availability", "ddos"),
    ("event4_honeypot_", "information-gathering", "scanner"),
    ("event6_honeypot_", "information-gathering", "scanner"),
    ("event4_ddos_participant", "availability", "ddos"),
    ("event4_ip_spoofer", "fraud", "masquerade"),
    ("event4_sinkhole_dns", "other", "other"),
    ("event4_", "malicious-code", "infected-system"),
    ("event6_", "malicious-code", "infected-system"),
    ("compromised_account", "information-content-security", "data-leak"),
    ("compromised_", "intrusions", "system-compromise"),
    ("ransomware_victim", "intrusions", "system-compromise"),
    ("malware_url", "malicious-code", "malware-distribution"),
    ("sandbox_dns", "other", "other"),
    ("sandbox_", "malicious-code", "malware-distribution"),
    ("spam_url", "abusive-content", "spam"),
    ("blocklist", "other", "blocklist"),
    ("special", "other", "undetermined"),
)
"""(prefix of the type, taxonomy, type), the first that fits."""
_ENDINGS: Final = ("_vulnerable", "_anon", "_tcp", "_udp", "_poodle", "_freak", "_version")


@dataclass(frozen=True)
class Report:
    """A report type."""

    name: str
    services: bool
    """Its rows are services."""
    events: bool
    """Its rows are events."""
    taxonomy: str | None = None
    type: str | None = None
    mapping: dict[str, str] = field(default_factory=dict)
    """Column to field of IntelMQ, where a schema says it."""

    @property
    def service(self) -> str | None:
        """The service a scan looks for: `scan6_http_vulnerable` is http."""
        found = re.match(r"(?:scan|population)6?_(.+)", self.name)
        if not found:
            return None
        name = found[1]
        for ending in _ENDINGS:
            name = name.removesuffix(ending)
        return name


def from_file_name(path: str) -> str:
    """The type a file's name says; empty when it says none."""
    found = _FILE.match(path.replace("\\", "/").rpartition("/")[2])
    return found[1].lower() if found else ""


def report(name: str, columns: list[str], schema: dict[str, Report]) -> Report:
    """The report of that type: of the schema, else of our table; without a name, of its columns."""
    if not name:
        name = _same_columns(columns, schema)
    if name in schema:
        return schema[name]
    if name in _BOTH:
        return Report(name, True, True, *_BOTH[name])
    if name.startswith(_SERVICES):
        return Report(name, True, False)
    for prefix, taxonomy, kind in _EVENTS:
        if name.startswith(prefix):
            return Report(name, False, True, taxonomy, kind)
    no_scan = {"src_ip", "dst_ip", "url", "cc_url", "md5", "infection"}
    services = {"ip", "port"} <= set(columns) and not no_scan.intersection(columns)
    return Report(name, services, not services)


def _same_columns(columns: list[str], schema: dict[str, Report]) -> str:
    """The only type with exactly these columns; empty when there is none or more. Of a type and its IPv6 twin,
    which have the same columns, the first."""
    wanted = sorted(columns)
    found = [n for n, r in schema.items() if sorted(r.mapping) == wanted]
    twins = {re.sub(r"^(scan|population|event)[46]_", r"\1_", n).removesuffix("6") for n in found}
    return min(found, key=lambda n: ("6" in n, n)) if len(twins) == 1 else ""


def load(path: Path) -> dict[str, Report]:
    """The types of a schema file: `reports.json` (columns and classes) or `intelmq.json` (mappings) of
    report_schema by the Shadowserver Foundation.

    Raises SourceError when the file is neither.
    """
    wrong = "Give reports.json or intelmq.json of the Shadowserver Foundation's report_schema."
    try:
        if path.stat().st_size > SCHEMA_SIZE:
            raise SourceError("is too long for a schema of reports", where=str(path), todo=wrong)
        content = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, ValueError, RecursionError) as e:
        if isinstance(e, SourceError):
            raise
        raise SourceError(f"is no schema of reports: {e}", where=str(path), todo=wrong) from e
    out = {}
    for name, entry in content.items():
        if isinstance(entry, dict) and (found := _entry(name, entry)):
            out[found.name] = found
    if not out:
        raise SourceError("holds no report types", where=str(path), todo=wrong)
    return out


def _entry(name: str, entry: dict[str, Any]) -> Report | None:
    fields, optional = entry.get("fields"), entry.get("optional_fields")
    constant: Any = entry
    mapping: dict[str, str] = {}
    if isinstance(fields, list):
        mapping = {f: "" for f in fields if isinstance(f, str)}
    elif isinstance(optional, list):
        name = str(entry.get("file_name") or name)
        constant = entry.get("constant_fields")
        constant = constant if isinstance(constant, dict) else {}
        required = entry.get("required_fields")
        for one in [*(required if isinstance(required, list) else []), *optional]:
            if isinstance(one, list) and len(one) >= 2 and all(isinstance(x, str) for x in one[:2]):
                mapping.setdefault(one[1], one[0])
    else:
        return None
    known = report(name, list(mapping), {})
    taxonomy, kind = constant.get("classification.taxonomy"), constant.get("classification.type")
    if isinstance(taxonomy, str) and isinstance(kind, str) and name not in _BOTH:
        return Report(name, known.services, known.events, taxonomy, kind, mapping)
    return Report(name, known.services, known.events, known.taxonomy, known.type, mapping)
