"""Shodan's banners, one JSON object a line (`shodan download`), to `services`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.jsonlines import Lines, first_object
from noroshi.observe.rows import Rows, in_time, micros, packed
from noroshi.observe.survey import common

_KEYS: Final = (
    b'"ip_str"', b'"_shodan"', b'"port"', b'"transport"', b'"location"', b'"hostnames"', b'"isp"', b'"domains"',
)  # fmt: skip
"""Names that stand in every banner; some four of them in the first 4 KiB of any, whatever stands first."""


class ShodanSensor:
    """Banners of Shodan as its client downloads them."""

    name = "shodan"
    version = 1
    doc = "Shodan banners as JSON lines (`shodan download`, .json.gz): products, CPEs, CVEs, certificates, SSH keys."
    tables = ("services",)
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True for an object with Shodan's names; a banner may be cut before most of them."""
        if not head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n[,").startswith(b"{"):
            return False
        found = first_object(head) or {}
        if "_shodan" in found or {"ip_str", "port", "transport"} <= found.keys():
            return True
        return b'"ip_str"' in head and sum(key in head for key in _KEYS) >= 4

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """One row of `services` per banner."""
        out = Rows()
        for item in Lines[dict[str, Any]](dict).each(reading):
            if isinstance(item, Reject):
                yield item
                continue
            found = _row(item[0], item[1], reading)
            if isinstance(found, Reject):
                yield found
            else:
                out.add("services", **found)
                yield from out.ready()
        yield from out.rest()


def _row(offset: int, record: dict[str, Any], reading: Reading) -> dict[str, Any] | Reject:
    address = common.text(record.get("ip_str"), 80) or common.text(record.get("ipv6"), 80) or ""
    sample = address.encode()
    ip = packed(address)
    if ip is None:
        return Reject(offset, "address", f"ip_str is {address!r}", sample)
    when = common.text(record.get("timestamp"), 64) or ""
    ts = micros(when)
    if not in_time(ts, reading):
        return Reject(offset, "time", f"timestamp is {when!r}", sample)
    port = common.port(record.get("port"))
    protocol = common.protocol(record.get("transport") or "tcp")
    if port is None or protocol is None:
        return Reject(offset, "port", "no port or transport", sample)
    return {
        "ts": ts, "ip": ip, "port": port, "protocol": protocol, "state": "open", "offset": offset,
        "scanner": "shodan",
        "service": _service(record), "product": common.text(record.get("product")),
        "version": common.text(record.get("version")), "os": common.text(record.get("os")),
        "device": common.text(record.get("devicetype")), "banner": common.long_text(record.get("data")),
        "title": common.text(common.dig(record, "http", "title")),
        "hostnames": common.texts(record.get("hostnames")),
        "cpes": common.cpes(record.get("cpe23") or record.get("cpe")), "cves": _cves(record),
        "asn": common.asn(record.get("asn")), "org": common.text(record.get("org") or record.get("isp")),
        "country": common.country(common.dig(record, "location", "country_code")),
        "tags": common.texts(record.get("tags")),
    } | _fingerprints(record)  # fmt: skip


def _service(record: dict[str, Any]) -> str | None:
    """The module that spoke with it: `http-simple-new` is http, and https where it spoke TLS."""
    module = common.text(common.dig(record, "_shodan", "module"), 80)
    if module is None:
        return None
    name = module.partition("-")[0].lower()
    return "https" if name == "http" and isinstance(record.get("ssl"), dict) else name or None


def _cves(record: dict[str, Any]) -> list[str] | None:
    """CVEs of `vulns`; `opts.vulns` of old banners marks those that were ruled out with `!`."""
    named = common.texts(record.get("vulns")) or []
    named += [v for v in common.texts(common.dig(record, "opts", "vulns")) or [] if not v.startswith("!")]
    return common.cves(*named)


def _fingerprints(record: dict[str, Any]) -> dict[str, Any]:
    cert = common.dig(record, "ssl", "cert", "fingerprint")
    certificate, more = common.prints("certificate", [common.dig(cert, "sha256"), common.dig(cert, "sha1")])
    ssh = common.dig(record, "ssh")
    keys = [*common.ssh_digests(common.decoded(common.dig(ssh, "key"))), common.dig(ssh, "fingerprint")]
    key, others = common.prints("ssh-key", keys)
    return {
        "certificate": certificate, "ssh_key": key, "fingerprints": more + others or None,
        "hassh": common.text(common.dig(ssh, "hassh"), 64),
    }  # fmt: skip
