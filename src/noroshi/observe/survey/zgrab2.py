"""ZGrab2's JSON lines: what services said to its modules, to `services`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from noroshi.model.observable import typed
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.jsonlines import Lines, first_object
from noroshi.observe.rows import Rows, in_time, micros, packed
from noroshi.observe.survey import common

_PORTS: Final = {
    "amqp091": 5672, "bacnet": 47808, "dnp3": 20000, "fox": 1911, "ftp": 21, "http": 80, "https": 443, "imap": 143,
    "ipp": 631, "jarm": 443, "managesieve": 4190, "memcached": 11211, "modbus": 502, "mongodb": 27017,
    "mqtt": 1883, "mssql": 1433, "mysql": 3306, "ntp": 123, "oracle": 1521, "pop3": 110, "postgres": 5432, "pptp": 1723,
    "redis": 6379, "siemens": 102, "smb": 445, "smtp": 25, "socks5": 1080, "ssh": 22, "telnet": 23, "tls": 443,
}  # fmt: skip
"""Ports the modules use unless told another (their flags' defaults); older versions do not write the port."""
_UDP: Final = frozenset({"bacnet", "ntp"})
_STATES: Final = {"connection-refused": "closed", "connection-timeout": "filtered"}
"""Other failures happen on a port that let the connection in."""
_BANNERS: Final = (
    ("banner",), ("server_id", "raw"), ("result", "banner"), ("startup_response",), ("failure",), ("initial_response",),
)  # fmt: skip
"""Where modules keep what the service said first."""
_PORT: Final = re.compile(r":([0-9]{1,5})\Z")
_TITLE: Final = re.compile(r"<title[^>]{0,200}>([^<]{1,1000})</title", re.IGNORECASE)


class Zgrab2Sensor:
    """Output of ZGrab2: one object per target, one row per module that looked at it."""

    name = "zgrab2"
    version = 1
    doc = "ZGrab2 JSON lines: state, banner, HTTP title and server, certificate, SSH key and HASSH by module."
    tables = ("services",)
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True for an address or name with `data` of modules, each with a status; the line may be cut."""
        start = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
        if not start.startswith(b"{"):
            return False
        found = first_object(head) or {}
        data = found.get("data")
        if not isinstance(data, dict) or not ("ip" in found or "domain" in found):
            return False
        return any(
            isinstance(v, dict) and "status" in v and ("protocol" in v or "result" in v)
            for v in data.values()
        )

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """One row of `services` per module and target."""
        out = Rows()
        for item in Lines[dict[str, Any]](dict).each(reading):
            if isinstance(item, Reject):
                yield item
                continue
            for found in _target(item[0], item[1], reading):
                if isinstance(found, Reject):
                    yield found
                else:
                    out.add("services", **found)
            yield from out.ready()
        yield from out.rest()


def _target(offset: int, record: dict[str, Any], reading: Reading) -> Iterator[dict[str, Any] | Reject]:
    address, domain = common.text(record.get("ip"), 80) or "", common.text(record.get("domain"))
    sample = (address or domain or "").encode()
    ip = packed(address)
    if ip is None:
        yield Reject(offset, "address", f"ip is {address!r}, domain {(domain or '')[:80]!r}", sample)
        return
    data = record.get("data")
    if not isinstance(data, dict) or not data:
        yield Reject(offset, "json-shape", "no data of any module", sample)
        return
    if len(data) > common.MANY:
        detail = f"{len(data):,} modules, of which {common.MANY:,} are read"
        yield Reject(offset, "modules", detail, sample, len(data) - common.MANY)
    for name, found in list(data.items())[: common.MANY]:
        if not isinstance(found, dict):
            yield Reject(offset, "json-shape", f"module {name[:80]!r} holds no object", sample)
            continue
        when = common.text(found.get("timestamp"), 64) or ""
        ts = micros(when)
        if not in_time(ts, reading):
            yield Reject(offset, "time", f"timestamp is {when!r}", sample)
            continue
        yield {"ts": ts, "ip": ip, "offset": offset, "scanner": "zgrab2"} | _module(name, found, domain)


def _module(name: str, found: dict[str, Any], domain: str | None) -> dict[str, Any]:
    kind = (common.text(found.get("protocol"), 80) or name[:80]).lower()
    result = found.get("result")
    result = result if isinstance(result, dict) else {}
    status = common.text(found.get("status"), 80) or "unknown"
    port, assumed = _port(kind, found, result)
    tags = [t for t in (None if status == "success" else status, "port-assumed" if assumed else None) if t]
    out: dict[str, Any] = {
        "port": port, "protocol": 17 if kind in _UDP else 6,
        "state": "open" if status == "success" else _STATES.get(status, "open" if result else "unknown"),
        "service": kind, "tags": tags or None, "banner": _banner(result),
        "hostnames": [domain] if domain else None,
    }  # fmt: skip
    if result:
        out |= _http(result) if kind in ("http", "https") else {}
        out |= _product(kind, result)
        out |= _fingerprints(kind, result, found)
    if kind == "http" and common.dig(result, "response", "request", "url", "scheme") == "https":
        out["service"] = "https"
    return out


def _port(kind: str, found: dict[str, Any], result: dict[str, Any]) -> tuple[int, bool]:
    """(port, True when it is only the module's default); 0 when nothing tells."""
    told = common.port(found.get("port"))
    if told:
        return told, False
    url = common.dig(result, "response", "request", "url")
    host = common.text(common.dig(url, "host"), 300)
    if host:
        written = _PORT.search(host)
        scheme = "https" if common.dig(url, "scheme") == "https" else "http"
        return (common.port(written[1]) if written else None) or _PORTS[scheme], False
    return _PORTS.get(kind, 0), True


def _banner(result: dict[str, Any]) -> str | None:
    for path in _BANNERS:
        found = common.long_text(common.dig(result, *path))
        if found:
            return found
    response = result.get("response")
    if isinstance(response, dict):
        return _http_banner(response)
    return None


def _http_banner(response: dict[str, Any]) -> str | None:
    """Status line, headers and the beginning of the body, as they were sent as far as ZGrab2 keeps them."""
    status = common.text(response.get("status_line"), 200) or common.text(response.get("status_code"), 10)
    lines = [f"{common.text(common.dig(response, 'protocol', 'name'), 40) or 'HTTP'} {status or ''}".strip()]
    headers = response.get("headers")
    for name, values in list(headers.items())[:200] if isinstance(headers, dict) else ():
        for value in common.texts(values) or ():
            lines.append(f"{name[:200].replace('_', '-')}: {value}")
    body = common.text(response.get("body"), 16 << 10)
    return common.long_text("\n".join(lines) + (f"\n\n{body}" if body else ""))


def _http(result: dict[str, Any]) -> dict[str, Any]:
    response = result.get("response")
    server = common.texts(common.dig(response, "headers", "server"))
    product, version = common.server_header(server[0]) if server else (None, None)
    body = common.dig(response, "body")
    title = _TITLE.search(body[:65_536]) if isinstance(body, str) else None
    return {
        "product": product, "version": version,
        "title": common.text(" ".join(title[1].split())) if title else None,
    }  # fmt: skip


def _product(kind: str, result: dict[str, Any]) -> dict[str, Any]:
    """Product and version where a module names them."""
    if kind == "mysql":
        return {"product": "MySQL", "version": common.text(result.get("server_version"))}
    for at in (result, result.get("server_properties"), result.get("server_id")):
        product = common.text(common.dig(at, "product") or common.dig(at, "software"))
        if product:
            # `version` of a server id is the protocol's.
            return {
                "product": product,
                "version": None if kind == "ssh" else common.text(common.dig(at, "version")),
            }
    return {}


def _fingerprints(kind: str, result: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    cert = common.dig(_handshake(result), "server_certificates", "certificate")
    parsed = common.dig(cert, "parsed")
    digests = [common.dig(parsed, "fingerprint_sha256"), common.dig(parsed, "fingerprint_sha1")]
    if not any(digests):
        digests = list(common.certificate_digests(common.decoded(common.dig(cert, "raw"))))
    certificate, more = common.prints("certificate", digests)
    out: dict[str, Any] = {"certificate": certificate}
    if kind == "ssh":
        key, others = common.prints("ssh-key", _ssh_keys(result))
        lists = common.dig(result, "server_key_exchange")
        out |= {"ssh_key": key, "hassh": common.hassh(
            common.dig(lists, "kex_algorithms"), common.dig(lists, "server_to_client_ciphers"),
            common.dig(lists, "server_to_client_macs"), common.dig(lists, "server_to_client_compression"),
        )}  # fmt: skip
        more += others
    out["fingerprints"] = [v for v in more if v != typed("certificate", certificate or "")] or None
    return out


def _handshake(result: dict[str, Any]) -> Any:
    """The TLS log: the module's own, that of its connection, or that of an HTTP request."""
    for at in (result, result.get("tls"), common.dig(result, "response", "request", "tls_log"),
               common.dig(result, "response", "request", "tls")):  # fmt: skip
        log = common.dig(at, "handshake_log")
        if isinstance(log, dict):
            return log
    return None


def _ssh_keys(result: dict[str, Any]) -> list[Any]:
    exchange = common.dig(result, "key_exchange")
    host_key = common.dig(exchange, "server_host_key")
    raw = common.ssh_digests(common.decoded(common.dig(host_key, "raw")))
    return [common.ssh_sha256(common.dig(host_key, "fingerprint_sha256")), *raw]
