"""masscan's XML, JSON and NDJSON: open ports and banners to `services`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.jsonlines import first_object
from noroshi.observe.rows import Rows, in_time, micros, packed
from noroshi.observe.survey import common
from noroshi.observe.survey.nmap import begins, is_masscan
from noroshi.observe.survey.records import records
from noroshi.observe.survey.xmlhosts import Host, Node, hosts

_NAMES: Final = {
    "ssl": "tls",
    "unknown": None,
    "title": "http",
    "html": "http",
    "http.server": "http",
    "X509": "tls",
}
"""masscan names banners, not services; these stand for the service under them."""


class MasscanSensor:
    """Output of masscan: -oX, -oJ (which old versions write as broken JSON) and -oD."""

    name = "masscan"
    version = 1
    doc = "masscan: XML (-oX), JSON (-oJ, old invalid forms too) and NDJSON (-oD), ports and banners."
    tables = ("services",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """True for its XML and for objects with an address and what it says of ports."""
        if begins(head):
            return is_masscan(head)
        start = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n[,")
        if not start.startswith(b"{"):
            return False
        if start[1:].lstrip().startswith(b"ip:") and b"ports:" in start[:200]:
            return True
        found = first_object(head) or {}
        ports = found.get("ports")
        if isinstance(ports, list) and ports and isinstance(ports[0], dict):
            return "ip" in found and "port" in ports[0] and "proto" in ports[0]
        return {"ip", "port", "proto", "rec_type", "data"} <= found.keys()

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """`services`, one row per record, as masscan reports status and banners apart."""
        rows = Rows()
        source = _from_xml(reading) if begins(reading.head) else _from_json(reading)
        for item in source:
            if isinstance(item, Reject):
                yield item
                continue
            offset, ip, when, found = item
            stored, ts = packed(ip), micros(when) if len(when) < 20 else None
            sample = ip[:64].encode("utf-8", "replace")
            if stored is None:
                yield Reject(offset, "address", f"{ip[:80]!r} is no address", sample)
            elif not in_time(ts, reading):
                yield Reject(offset, "time", f"a port seen at {when[:40]!r}", sample)
            elif found is None:
                yield Reject(offset, "port", "no port or protocol", sample)
            else:
                rows.add("services", ts=ts, ip=stored, offset=offset, scanner="masscan", **found)
                yield from rows.ready()
        yield from rows.rest()


_Item = tuple[int, str, str, dict[str, Any] | None]
"""Offset, address, time and columns; None for columns that make no port."""


def _from_xml(reading: Reading) -> Iterator[_Item | Reject]:
    for host in hosts(reading, _xml_port):
        if isinstance(host, Reject):
            yield host
            continue
        yield from _xml_host(host)


def _xml_host(host: Host) -> Iterator[_Item]:
    address = host.node.find("address")
    ip = (address.get("addr") if address else None) or ""
    when = host.node.get("endtime") or host.root.get("start") or ""
    if not host.ports:
        yield host.node.offset, ip, when, None
    for offset, found in host.ports:
        yield offset, ip, when, found


def _xml_port(node: Node) -> tuple[int, dict[str, Any] | None]:
    state, service = node.find("state"), node.find("service")
    status = state.get("state") if state else None
    name, said = (service.get("name"), service.attrib.get("banner")) if service else (None, None)
    return node.offset, _columns(node.get("portid"), node.get("protocol"), status, name, said)


def _columns(number: Any, protocol: Any, status: Any, name: Any, said: Any) -> dict[str, Any] | None:
    port, proto = common.port(number), common.protocol(protocol)
    if port is None or proto is None:
        return None
    name = common.text(name)
    out: dict[str, Any] = {
        "port": port, "protocol": proto, "state": common.text(status) or "open",
        "service": _NAMES.get(name, name) if name else None,
    }  # fmt: skip
    banner = common.long_text(said)
    if name == "X509" and banner:
        out["certificate"], more = common.prints(
            "certificate", common.certificate_digests(common.decoded(banner))
        )
        out["fingerprints"] = more or None
        banner = None if out["certificate"] else banner
    elif name == "title":
        out["title"], banner = common.text(banner), None
    elif name == "vuln":
        out["service"], out["cves"], out["tags"] = None, common.cves(banner), common.texts(banner)
    out["banner"] = banner
    return out


def _from_json(reading: Reading) -> Iterator[_Item | Reject]:
    for item in records(reading):
        if isinstance(item, Reject):
            yield item
            continue
        offset, found = item
        if "ip" not in found:
            if found.keys() != {"finished"}:  # what old versions end with
                yield Reject(offset, "address", "no address")
            continue
        ip = common.text(found["ip"]) or ""
        # Versions before 1.0 give no time: the source's own date stands for it.
        when = common.text(found.get("timestamp")) or f"{reading.source_date_us / 1e6:.6f}"
        ports = found.get("ports")
        for one in ports if isinstance(ports, list) and ports else [found]:
            yield offset, ip, when, _json_port(one)


def _json_port(one: Any) -> dict[str, Any] | None:
    if not isinstance(one, dict):
        return None
    service = one.get("service")
    if isinstance(service, dict):
        name, said, status = service.get("name"), service.get("banner"), one.get("status")
    else:
        data = one.get("data")
        data = data if isinstance(data, dict) else {}
        name, said, status = (
            data.get("service_name"),
            data.get("banner"),
            data.get("status") or one.get("status"),
        )
    return _columns(one.get("port"), one.get("proto"), status, name, said)
