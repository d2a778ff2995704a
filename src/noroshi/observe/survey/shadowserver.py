"""Shadowserver's reports: any CSV by its common columns, to `services`, `events` and `logins`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from noroshi.model.observable import typed
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.csvrows import header, rows
from noroshi.observe.rows import Rows, in_time, micros, packed
from noroshi.observe.survey import common
from noroshi.observe.survey.extra import as_json
from noroshi.observe.survey.shadowserver_types import Report, from_file_name, load, report

_MARKS: Final = frozenset(
    {"severity", "tag", "geo", "src_geo", "dst_geo", "naics", "src_naics", "sic", "sector", "src_sector",
     "hostname_source", "infection", "public_source", "event_id", "http_referer_geo",
     "family"}
)  # fmt: skip
"""Columns that, beside `timestamp`, tell a report; three of them stand in every type published."""
_FIELDS: Final = {
    "source.ip": "ip", "source.port": "port", "destination.ip": "dst_ip", "destination.port": "dst_port",
    "source.asn": "asn", "source.geolocation.cc": "country", "protocol.transport": "protocol",
    "source.fqdn": "domain", "source.account": "email", "product.vendor": "vendor", "product.name": "model",
}  # fmt: skip
"""Fields of IntelMQ, which a mapping gives columns, to columns of ours. `malware.name` is not among them:
mappings give it `infection` even where that names a probe."""
_BY_NAME: Final[dict[str, tuple[str, ...]]] = {
    "ip": ("src_ip", "ip", "http_referer_ip"), "port": ("src_port", "port", "http_referer_port"),
    "dst_ip": ("dst_ip",), "dst_port": ("dst_port",), "protocol": ("protocol",),
    "asn": ("src_asn", "asn", "http_referer_asn"), "country": ("src_geo", "geo", "http_referer_geo"),
    "severity": ("severity",),
}  # fmt: skip
"""Columns of reports that fill ours, the first that is not empty."""
_MADE: Final[dict[str, Callable[[Any], Any]]] = {
    "port": common.port, "protocol": common.protocol, "asn": common.asn, "country": common.country,
    "severity": common.severity,
}  # fmt: skip
_TECHNIQUE: Final = re.compile(r"\bT\d{4}(?:\.\d{3})?\b")
_SERVICE: Final[dict[str, tuple[str, ...]]] = {
    "vendor": ("device_vendor", "vendor", "manufacturer", "manufacturername"),
    "model": ("device_model", "modelfull", "modelshort", "model", "printer_make_and_model"),
    "product": ("serverid_software", "product", "product_name", "productname", "software", "server", "server_type"),
    "version": ("product_version", "server_version", "couchdb_version", "git_version", "smb_version_string",
                "printer_firmware_version", "firmware", "firmwarerev", "version", "device_version"),
    "device": ("device_type",), "os": ("os", "os_name", "operating_system", "system"),
    "title": ("http_title", "html_title", "title", "page_title"),
    "banner": ("banner", "serverid_raw", "raw_response", "sysdesc", "response", "http"),
}  # fmt: skip
"""Columns of scans that fill ours, the first that says something."""
_PROTOCOL_VERSION: Final = frozenset({"coap", "ipmi", "msrpc", "nat_pmp", "slp", "snmp", "ssdp"})
"""Scans whose `version` is the protocol's, not a product's."""
_EVENT: Final[dict[str, tuple[str, ...]]] = {
    "malware": ("family", "ransomware"), "domain": ("domain", "http_host", "query", "request", "website"),
    "email": ("email",), "description": ("detail", "reason", "attack", "subject"),
}  # fmt: skip
_URLS: Final = ("url", "payload_url", "cc_url", "http_url", "leak_site_url", "source_url", "http_referer")
_HASH: Final = re.compile(r"(?:(?:file|payload|binary)_)?(md5|sha1|sha256|sha512)")
_TELLING: Final = ("vulnerability_id", "vulnerabilities", "detail", "status")
"""Columns that may name CVEs, besides the tag."""
_TAGS: Final = re.compile(r"[;,]")
_COUNTED: Final = frozenset({"malicious-code", "intrusions"})
"""Classes in which `infection` names malware; elsewhere it names what was probed."""


class ShadowserverSensor:
    """Reports of the Shadowserver Foundation, of any type."""

    name = "shadowserver"
    version = 1
    doc = "Shadowserver reports (CSV) of any type, told by their common columns and file name; `--schema` refines them."
    tables = ("services", "events", "logins")
    grows = False

    def sniff(self, head: bytes) -> bool:
        """True when the header has `timestamp` and at least three columns that reports share."""
        names = header(head) or []
        return "timestamp" in names and len(_MARKS.intersection(names)) >= 3

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """`services` of scans, `events` of the others, `logins` of attempts at honeypots."""
        path = reading.options.get("schema")
        schema = load(path) if path else {}
        work: _Work | None = None
        for item in rows(reading):
            if isinstance(item, Reject):
                yield item
                continue
            if work is None:
                columns = list(item[1])
                work = _Work(report(from_file_name(reading.name), columns, schema), reading, columns)
            problem = work.row(*item)
            if problem:
                yield problem
            yield from work.out.ready()
        if work:
            yield from work.out.rest()


class _Work:
    """One report being read."""

    def __init__(self, of: Report, reading: Reading, columns: list[str]) -> None:
        self.of, self.reading, self.out = of, reading, Rows()
        self.feed = f"shadowserver:{of.name}" if of.name else "shadowserver"
        there = set(columns)
        if of.mapping:
            reading.counts["columns_not_in_schema"] = len(there.difference(of.mapping))
            reading.counts["columns_missing"] = len(set(of.mapping).difference(there))
        self.names = _present(_BY_NAME, there)
        self.service, self.event = _present(_SERVICE, there), _present(_EVENT, there)
        for column, field in of.mapping.items():
            ours = _FIELDS.get(field, "")
            for names in (self.names, self.service, self.event):
                if ours in names and column in there and column not in names[ours]:
                    names[ours] = (*names[ours], column)
        self.urls = tuple(c for c in _URLS if c in there)
        self.hashes = tuple((c, found[1]) for c in columns if (found := _HASH.fullmatch(c)))
        self.telling = tuple(c for c in _TELLING if c in there)

    def row(self, offset: int, cells: dict[str, str]) -> Reject | None:
        """Adds the rows of a record; why it makes none."""
        written = cells.get("timestamp", "")[:64]
        ts = micros(written)
        if not in_time(ts, self.reading):
            return _reject(offset, "time", f"timestamp is {written!r}", cells)
        used: set[str] = {"timestamp"}
        base: dict[str, Any] = {"ts": ts, "offset": offset, "ip": None}
        column, written = self._first("ip", cells)
        if written:
            base["ip"] = packed(written[:80])
            if base["ip"] is None:
                return _reject(offset, "address", f"the address is {written[:80]!r}", cells)
            used.add(column)
        for ours, make in _MADE.items():
            base[ours] = self._made(ours, make, cells, used)
        tags = [t.strip() for t in _TAGS.split(_take(cells, used, "tag")) if t.strip()]
        base["tags"] = common.texts(tags)
        base["cves"] = common.cves(*tags, *(cells[c] for c in self.telling))
        if self.of.services:
            if base["ip"] is None:
                return _reject(offset, "address", "a service without an address", cells)
            if base["port"] is None and (written := self._first("port", cells)[1]):
                return _reject(offset, "port", f"the port is {written[:40]!r}", cells)
            self._service(base, cells)
        if self.of.events:
            self._event(base, cells, used)
        return None

    def _first(self, ours: str, cells: dict[str, str]) -> tuple[str, str]:
        """The column that fills ours, and what stands there."""
        for column in self.names[ours]:
            written = cells[column].strip()
            if written:
                return column, written
        return "", ""

    def _made(self, ours: str, make: Callable[[Any], Any], cells: dict[str, str], used: set[str]) -> Any:
        """A column as `make` makes it; what it makes nothing of stays findable in `extra`."""
        column, written = self._first(ours, cells)
        made = make(written) if written else None
        if made is not None:
            used.add(column)
        return made

    def _service(self, base: dict[str, Any], cells: dict[str, str]) -> None:
        found: dict[str, Any] = {
            ours: common.long_text(_some(cells, columns))
            if ours == "banner"
            else common.text(_some(cells, columns))
            for ours, columns in self.service.items()
        }
        certificate, more = common.prints(
            "certificate", [cells.get("sha256_fingerprint"), cells.get("sha1_fingerprint")]
        )
        key, others = common.prints(
            "ssh-key",
            [common.ssh_sha256(cells.get("server_host_key_sha256")),
             *common.ssh_digests(common.decoded(cells.get("server_host_key")))],
        )  # fmt: skip
        if self.of.service in _PROTOCOL_VERSION and cells.get("version", "").strip() == found["version"]:
            found["version"] = None
        if found["product"] and found["product"] in (cells.get("server"), cells.get("server_type")):
            found["product"], version = common.server_header(found["product"])
            found["version"] = found["version"] or version
        row = base | found | {
            "port": base["port"] or 0, "protocol": base["protocol"] or 0, "state": "open",
            "service": self.of.service or common.text(cells.get("application")), "scanner": self.feed,
            "hostnames": common.texts(cells.get("hostname")), "certificate": certificate, "ssh_key": key,
            "fingerprints": more + others or None, "hassh": common.text(cells.get("hassh"), 64),
        }  # fmt: skip
        self.out.add("services", **row)

    def _event(self, base: dict[str, Any], cells: dict[str, str], used: set[str]) -> None:
        used = set(used)
        row = base | {
            "feed": self.feed, "taxonomy": self.of.taxonomy, "type": self.of.type,
            "dst_ip": self._made("dst_ip", lambda v: packed(v[:80]), cells, used),
            "dst_port": self._made("dst_port", common.port, cells, used),
        }  # fmt: skip
        for ours, columns in self.event.items():
            row[ours] = common.text(_first_used(cells, columns, used))
        if not row["malware"] and self.of.taxonomy in _COUNTED:
            row["malware"] = common.text(_first_used(cells, ("infection",), used))
        if not row["domain"] and _some(cells, ("url",)):
            row["domain"] = common.text(_first_used(cells, ("hostname",), used))
        row["url"] = _url(self.urls, cells, used)
        row["hashes"] = _hashes(self.hashes, cells, used)
        row["techniques"] = common.texts(_TECHNIQUE.findall(cells.get("threat_technique_id", "").upper()))
        self._login(row, cells, used)
        row["extra"] = as_json({k: v for k, v in cells.items() if v and k not in used})
        self.out.add("events", **row)

    def _login(self, row: dict[str, Any], cells: dict[str, str], used: set[str]) -> None:
        """An attempt at a honeypot is a login; its password stands there and nowhere else."""
        if "password" not in cells or "username" not in cells:
            return
        used.add("password")
        if row["ip"] is None or row["dst_ip"] is None or self.of.type != "brute-force":
            return
        self.out.add(
            "logins", ts=row["ts"], offset=row["offset"], src_ip=row["ip"], src_port=row["port"] or 0,
            dst_ip=row["dst_ip"], dst_port=row["dst_port"] or 0, decoy=self.feed,
            session_id=common.text(cells.get("event_id")) or f"{self.feed}:{row['offset']}",
            service=common.text(cells.get("service") or cells.get("application")),
            username=cells["username"][: common.LINE] or None, password=cells["password"][: common.LINE] or None,
            method="password", success=False,
        )  # fmt: skip


def _take(cells: dict[str, str], used: set[str], column: str) -> str:
    used.add(column)
    return cells.get(column, "").strip()


def _some(cells: dict[str, str], columns: tuple[str, ...]) -> str:
    return next((v for c in columns if (v := cells.get(c, "").strip())), "")


def _first_used(cells: dict[str, str], columns: tuple[str, ...], used: set[str]) -> str:
    column = next((c for c in columns if cells.get(c, "").strip()), "")
    if column and len(cells[column]) <= common.LINE:  # what would be cut stays whole in `extra`
        used.add(column)
    return cells.get(column, "")


def _url(columns: tuple[str, ...], cells: dict[str, str], used: set[str]) -> str | None:
    for column in columns:
        value = cells[column].strip()
        if "://" in value[:20] and len(value) <= 8192:
            used.add(column)
            return common.text(value, 8192)
    return None


def _hashes(columns: tuple[tuple[str, str], ...], cells: dict[str, str], used: set[str]) -> list[str] | None:
    out = []
    for column, kind in columns:
        value = cells[column].strip()
        if value:
            used.add(column)
            out.append(typed(kind, value[:200]))
    return out or None


def _present(names: dict[str, tuple[str, ...]], there: set[str]) -> dict[str, tuple[str, ...]]:
    """The columns of `names` that a report has."""
    return {ours: tuple(c for c in columns if c in there) for ours, columns in names.items()}


def _reject(offset: int, reason: str, detail: str, cells: dict[str, str]) -> Reject:
    return Reject(offset, reason, detail, ",".join(cells.values())[:64].encode("utf-8", "replace"))
