"""Suricata's EVE log: one JSON object a line, of many event types; those of a kind the lake knows are stored.

Source: Suricata user guide, EVE JSON Format (6 to 8); DNS events of all three versions of their format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

import msgspec

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.lines import lines
from noroshi.observe.netlog.values import cves_in, protocol_number
from noroshi.observe.netlog.zeeklogs import Counted
from noroshi.observe.rows import Rows, clipped, in_time, micros, packed

_KEY = re.compile(rb'"(timestamp|event_type|flow_id|src_ip|dest_ip)"\s*:')
_PORT_MOST: Final = 65_535
_COUNT_MOST: Final = (1 << 63) - 1
_ANSWERS: Final = 500
"""Answers kept of one DNS event: a message of 64 KiB holds about four thousand at most."""


class _Hash(msgspec.Struct):
    hash: str | None = None


class _Alert(msgspec.Struct):
    action: str | None = None
    gid: int | None = None
    signature_id: int | None = None
    rev: int | None = None
    signature: str | None = None
    category: str | None = None
    severity: int | None = None
    metadata: Any = None


class _Flow(msgspec.Struct):
    pkts_toserver: int | None = None
    pkts_toclient: int | None = None
    bytes_toserver: int | None = None
    bytes_toclient: int | None = None
    pkts: int | None = None
    bytes: int | None = None
    start: str | None = None
    end: str | None = None
    state: str | None = None


class _Record(msgspec.Struct):
    rrname: str | None = None
    rrtype: str | None = None
    rdata: Any = None


class _Dns(_Record):
    type: str | None = None
    rcode: str | None = None
    queries: list[_Record] | None = None
    query: list[_Record] | None = None
    answers: list[_Record] | None = None
    grouped: dict[str, list[Any]] | None = None


class _Http(msgspec.Struct):
    hostname: str | None = None
    http_port: int | None = None
    url: str | None = None
    http_user_agent: str | None = None
    http_content_type: str | None = None
    http_refer: str | None = None
    http_method: str | None = None
    status: int | str | None = None
    length: int | None = None


class _Tls(msgspec.Struct):
    subject: str | None = None
    issuerdn: str | None = None
    serial: str | None = None
    fingerprint: str | None = None
    sni: str | None = None
    version: str | None = None
    notbefore: str | None = None
    notafter: str | None = None
    subjectaltname: list[str] | None = None
    ja3: _Hash | None = None
    ja3s: _Hash | None = None
    ja4: str | None = None


class _SshSide(msgspec.Struct):
    proto_version: str | None = None
    software_version: str | None = None
    hassh: _Hash | None = None


class _Ssh(msgspec.Struct):
    client: _SshSide | None = None
    server: _SshSide | None = None


class _File(msgspec.Struct):
    filename: str | None = None
    magic: str | None = None
    md5: str | None = None
    sha1: str | None = None
    sha256: str | None = None
    size: int | None = None
    state: str | None = None
    gaps: bool | None = None


class _Anomaly(msgspec.Struct):
    type: str | None = None
    event: str | None = None
    layer: str | None = None
    code: int | None = None


class _Event(msgspec.Struct):
    timestamp: str
    event_type: str
    flow_id: int | str | None = None
    src_ip: str | None = None
    src_port: int | None = None
    dest_ip: str | None = None
    dest_port: int | None = None
    proto: str | None = None
    app_proto: str | None = None
    alert: _Alert | None = None
    flow: _Flow | None = None
    netflow: _Flow | None = None
    dns: _Dns | None = None
    http: _Http | None = None
    tls: _Tls | None = None
    ssh: _Ssh | None = None
    fileinfo: _File | None = None
    anomaly: _Anomaly | None = None


class _Unfit(Exception):
    """The event cannot be stored: `reason` is the code of the reject."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class EveSensor:
    """Reads Suricata's EVE log."""

    name = "eve"
    version = 2
    doc = (
        "Suricata EVE JSON: alert, anomaly, flow, netflow, dns (all versions), http, tls, ssh, fileinfo with hashes; "
        "other events are counted and told."
    )
    tables = ("connections", "dns", "http", "tls", "certificates", "ssh", "alerts", "network_files")
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True when the first line is a JSON object with `timestamp` and `event_type`."""
        line = head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
        found = set(_KEY.findall(line))
        return line.startswith(b"{") and {b"timestamp", b"event_type"} <= found

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of the tables; a reject for each line that does not fit, one for each event type not stored."""
        rows, others = Rows(), Counted(reading.counts)
        decode = _decoder().decode
        for item in lines(reading):
            if isinstance(item, Reject):
                yield item
                continue
            offset, line = item
            try:
                event = decode(line)
                store = _STORES.get(event.event_type)
                if store is None:
                    others.add(event.event_type[:40], offset, line)
                    continue
                store(rows, _Common(event, offset, reading))
            except _Unfit as e:
                if e.reason == "not-stored":
                    others.add(e.detail, offset, line)
                else:
                    yield Reject(offset, e.reason, e.detail, line)
            except msgspec.ValidationError as e:
                yield Reject(offset, "value", str(e)[:300], line)
            except (msgspec.DecodeError, ValueError) as e:
                yield Reject(offset, "json", str(e)[:300], line)
            except RecursionError:
                yield Reject(offset, "json", "nested too deeply", line)
            yield from rows.ready()
        yield from rows.rest()
        yield from others.told("Suricata's event")


@cache
def _decoder() -> Any:
    return msgspec.json.Decoder(_Event, strict=False)


class _Common:
    """What all events have: time, ends, protocol; the methods raise _Unfit for what cannot be stored."""

    def __init__(self, event: _Event, offset: int, reading: Reading) -> None:
        self.event, self.offset, self.reading = event, offset, reading
        self.ts = self.time(event.timestamp, "timestamp")
        self.uid = None if event.flow_id is None else str(event.flow_id)[:64]

    def time(self, text: str | None, name: str) -> int:
        """µs since 1970 of a required time."""
        us = micros(text) if text else None
        if us is None or not in_time(us, self.reading):
            told = (text or "")[:40]
            raise _Unfit("time", f"{name} {told!r} is no time between 1990 and a day after the source's date")
        return us

    def ends(self, *, required: bool = True) -> dict[str, Any]:
        """The columns of the two ends."""
        e = self.event
        out = {"src_ip": packed(e.src_ip or ""), "dst_ip": packed(e.dest_ip or "")}
        for name, text in (("src_ip", e.src_ip), ("dst_ip", e.dest_ip)):
            if out[name] is None and (required or text):
                raise _Unfit("address", f"{name} is {str(text)[:64]!r}, which is no address")
        missing = 0 if required else None
        ports = {
            "src_port": missing if e.src_port is None else count(e.src_port, "src_port", _PORT_MOST),
            "dst_port": missing if e.dest_port is None else count(e.dest_port, "dest_port", _PORT_MOST),
        }
        return out | ports | {"uid": self.uid, "offset": self.offset}

    def protocol(self) -> int:
        """The protocol's number."""
        number = protocol_number(self.event.proto)
        if number is None:
            raise _Unfit("protocol", f"proto is {str(self.event.proto)[:40]!r}, which is no IP protocol")
        return number


def count(value: int | None, name: str, most: int = _COUNT_MOST) -> int | None:
    """A count that may be missing; raises _Unfit when it is negative or too large."""
    if value is not None and not 0 <= value <= most:
        raise _Unfit("port" if most == _PORT_MOST else "count", f"{name} is not between 0 and {most:,}")
    return value


def _alert(rows: Rows, c: _Common) -> None:
    alert = c.event.alert
    if alert is None or not alert.signature:
        raise _Unfit("value", "an alert without a signature")
    told = alert.metadata.get("cve") if isinstance(alert.metadata, dict) else None
    named = " ".join(str(x).replace("_", "-") for x in told[:64]) if isinstance(told, list) else ""
    rows.add(
        "alerts", ts=c.ts, **c.ends(required=False), protocol=protocol_number(c.event.proto), engine="suricata",
        signature=clipped(alert.signature), signature_id=_number(alert.gid, alert.signature_id),
        category=clipped(alert.category) or None, severity=count(alert.severity, "severity", (1 << 31) - 1),
        action=alert.action, cves=cves_in(f"{alert.signature} {named}"),
    )  # fmt: skip


def _number(gid: int | None, sid: int | None) -> str | None:
    """`2024897`, or `3:19187` when it is not of the first group, as rules are cited."""
    if sid is None:
        return None
    return f"{sid}" if gid in (None, 1) else f"{gid}:{sid}"


def _anomaly(rows: Rows, c: _Common) -> None:
    what = c.event.anomaly or _Anomaly()
    rows.add(
        "alerts", ts=c.ts, **c.ends(required=False), protocol=protocol_number(c.event.proto),
        engine="suricata-anomaly", signature=clipped(what.event) or f"code {what.code}", category=what.type,
        message=what.layer,
    )  # fmt: skip


def _flow(rows: Rows, c: _Common) -> None:
    flow = c.event.flow or _Flow()
    began = c.time(flow.start or c.event.timestamp, "flow.start")
    ended = c.time(flow.end or c.event.timestamp, "flow.end")
    rows.add(
        "connections", first_seen=began, last_seen=max(began, ended), **c.ends(), protocol=c.protocol(),
        service=_service(c.event.app_proto), state=flow.state,
        src_packet_count=count(flow.pkts_toserver, "pkts_toserver"),
        dst_packet_count=count(flow.pkts_toclient, "pkts_toclient"),
        src_byte_count=count(flow.bytes_toserver, "bytes_toserver"),
        dst_byte_count=count(flow.bytes_toclient, "bytes_toclient"),
    )  # fmt: skip


def _netflow(rows: Rows, c: _Common) -> None:
    """One direction of a flow."""
    flow = c.event.netflow or _Flow()
    began = c.time(flow.start or c.event.timestamp, "netflow.start")
    ended = c.time(flow.end or c.event.timestamp, "netflow.end")
    rows.add(
        "connections", first_seen=began, last_seen=max(began, ended), **c.ends(), protocol=c.protocol(),
        service=_service(c.event.app_proto), state="netflow", src_packet_count=count(flow.pkts, "pkts"),
        src_byte_count=count(flow.bytes, "bytes"),
    )  # fmt: skip


def _service(name: str | None) -> str | None:
    return None if name in (None, "", "failed", "unknown") else name


def _dns(rows: Rows, c: _Common) -> None:
    """Versions 1 and 2 name the question beside the type, 3 in `queries`; answers stand in four places."""
    dns = c.event.dns or _Dns()
    asked = (dns.queries or dns.query or [dns])[0]
    answers = [r.rdata for r in dns.answers or ()]
    answers += [x for group in (dns.grouped or {}).values() for x in group]
    if dns.type == "answer" and dns.rdata is not None:
        answers.append(dns.rdata)
    texts = list(dict.fromkeys(clipped(a) or "" for a in answers[:_ANSWERS] if isinstance(a, str)))
    ends = c.ends()
    if dns.type in ("answer", "response") and ends["src_port"] == 53 and ends["dst_port"] != 53:
        # Some versions log an answer the way its packet went; here the source is always who asked.
        ends |= {
            "src_ip": ends["dst_ip"], "src_port": ends["dst_port"], "dst_ip": ends["src_ip"], "dst_port": 53,
        }  # fmt: skip
    rows.add(
        "dns", ts=c.ts, **ends, protocol=c.protocol(), query=clipped(asked.rrname), qtype=asked.rrtype,
        rcode=dns.rcode, answers=texts or None,
    )  # fmt: skip


def _http(rows: Rows, c: _Common) -> None:
    http = c.event.http or _Http()
    ends = c.ends()
    status = http.status if isinstance(http.status, int) else _status(http.status)
    rows.add(
        "http", ts=c.ts, **ends, method=clipped(http.http_method), host=clipped(http.hostname),
        url=clipped(_url(http, c.event.dest_ip or "", ends["dst_port"])), user_agent=clipped(http.http_user_agent),
        referrer=clipped(http.http_refer), status_code=count(status, "status", (1 << 31) - 1),
        response_byte_count=count(http.length, "length"), mime_type=clipped(http.http_content_type),
    )  # fmt: skip


def _status(text: str | None) -> int | None:
    if text and not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise _Unfit("value", f"status is {text[:40]!r}, which is no number")
    return int(text) if text else None


def _url(http: _Http, server: str, port: int) -> str | None:
    path = http.url or ""
    whole = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path)
    if whole:  # a proxy's; a name and password before an @ are dropped
        host, rest = re.split(r"(?=[/?#])|$", path[whole.end() :], maxsplit=1)
        return whole[0] + host.rpartition("@")[2] + rest
    if not path.startswith("/"):
        return None
    host = http.hostname or (f"[{server}]" if ":" in server else server)
    if ":" in host and not host.startswith("[") and http.hostname and packed(host):
        host = f"[{host}]"
    named = http.http_port or port
    return f"http://{host}{path}" if named == 80 else f"http://{host}:{named}{path}"


def _tls(rows: Rows, c: _Common) -> None:
    tls = c.event.tls or _Tls()
    mark = (tls.fingerprint or "").replace(":", "").lower() or None
    texts = {n: clipped(getattr(tls, f)) for n, f in (("subject", "subject"), ("issuer", "issuerdn"))}
    rows.add(
        "tls", ts=c.ts, **c.ends(), **texts, version=tls.version, server_name=clipped(tls.sni),
        certificate=clipped(mark), ja3=_hash(tls.ja3), ja3s=_hash(tls.ja3s), ja4=tls.ja4,
    )  # fmt: skip
    if mark:
        rows.add(
            "certificates", ts=c.ts, certificate=clipped(mark), **texts, uid=c.uid, offset=c.offset,
            serial=(tls.serial or "").replace(":", "").lower() or None, san=tls.subjectaltname,
            not_before=micros(tls.notbefore or ""), not_after=micros(tls.notafter or ""),
        )  # fmt: skip


def _hash(found: _Hash | None) -> str | None:
    return (found.hash or None) if found else None


def _ssh(rows: Rows, c: _Common) -> None:
    ssh = c.event.ssh or _Ssh()
    client, server = ssh.client or _SshSide(), ssh.server or _SshSide()
    rows.add(
        "ssh", ts=c.ts, **c.ends(), client=_banner(client), server=_banner(server), hassh=_hash(client.hassh),
        hassh_server=_hash(server.hassh),
    )  # fmt: skip


def _banner(side: _SshSide) -> str | None:
    """The version string as it went over the wire: SSH-2.0-OpenSSH_9.2p1."""
    if side.proto_version is None and side.software_version is None:
        return None
    return clipped(f"SSH-{side.proto_version or '?'}-{side.software_version or ''}")


def _file(rows: Rows, c: _Common) -> None:
    file = c.event.fileinfo or _File()
    if not (file.md5 or file.sha1 or file.sha256):
        raise _Unfit("not-stored", "fileinfo without a hash")
    name = clipped(re.split(r"[/\\]", file.filename or "")[-1])
    # A file that was cut off has other hashes than the file.
    complete = None if file.state is None else file.state == "CLOSED" and not file.gaps
    rows.add(
        "network_files", ts=c.ts, **c.ends(required=False), service=clipped(c.event.app_proto),
        filename=name or None, type=clipped(file.magic),
        size=count(file.size, "size"), complete=complete, md5=file.md5, sha1=file.sha1, sha256=file.sha256,
    )  # fmt: skip


_STORES: Final[dict[str, Callable[[Rows, _Common], None]]] = {
    "alert": _alert, "anomaly": _anomaly, "flow": _flow, "netflow": _netflow, "dns": _dns, "http": _http,
    "tls": _tls, "ssh": _ssh, "fileinfo": _file,
}  # fmt: skip
