"""Dionaea's logs: connections as `log_json` writes them, incidents as `log_incident` does.

`log_json` is read as a log of lines, whatever brackets and commas stand between them, with lists of objects or,
after `flat_data`, objects of lists. Source: Dionaea, modules/python/dionaea/log_json.py, log_incident.py and
store.py at 4e459f1 (2021-02); real log of 2025.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, Final

import msgspec

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.decoy.gather import MOST, beyond, host, masked, moment, port, short, text, written
from noroshi.observe.decoy.mentions import mentions
from noroshi.observe.jsonlines import Lines, first_object
from noroshi.observe.rows import Rows

TRANSPORTS: Final = {"tcp": 6, "tls": 6, "ssl": 6, "udp": 17, "dtls": 17}
SERVICES: Final = {
    "smbd": "smb", "httpd": "http", "ftpd": "ftp", "ftpdata": "ftp-data", "ftpdatalisten": "ftp-data",
    "tftpd": "tftp", "mssqld": "mssql", "mysqld": "mysql", "mongod": "mongodb", "mqttd": "mqtt", "pptpd": "pptp",
    "upnpd": "upnp", "sipsession": "sip", "sipcall": "sip", "epmapper": "epmap", "memcache": "memcached",
    "printer": "printer", "blackhole": "blackhole", "mirrord": "mirror", "mirrorc": "mirror", "nfqmirrord": "mirror",
}  # fmt: skip
"""Names of Dionaea's services as everybody calls them."""
SECRET: Final = frozenset({"PASS", "ACCT"})
"""FTP commands whose arguments stand in `logins` only."""


class Connection(msgspec.Struct):
    """How it was connected."""

    protocol: str | None = None
    transport: str | None = None
    type: str | None = None


class Event(msgspec.Struct):
    """A line of `log_json`: a connection and what happened in it."""

    connection: Connection
    timestamp: str
    src_ip: str | None = None
    src_port: int | None = None
    dst_ip: str | None = None
    dst_port: int | None = None
    credentials: Any = None
    ftp: Any = None


class DionaeaSensor:
    """Reads what `log_json` writes."""

    name = "dionaea"
    version = 1
    doc = "Dionaea honeypot, log_json: sessions, logins, FTP commands; connections it made itself."
    tables: tuple[str, ...] = ("sessions", "logins", "commands", "connections")
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True when the first object of the source is a connection as Dionaea describes it."""
        found = first_object(head) or {}
        inner = found.get("connection")
        return isinstance(inner, dict) and "transport" in inner and "src_ip" in found and "dst_port" in found

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows and rejects. Reasons: those of `Lines`, `time`, `address`, `too-many`."""
        rows = Rows()
        listening = 0

        def handle(event: Event, offset: int) -> Reject | None:
            nonlocal listening
            if event.connection.type == "listen":  # its own socket, no visitor
                listening += 1
                return None
            return _connection(rows, event, offset, reading)

        yield from written(reading, Lines(Event, masked), rows, handle)
        yield from rows.rest()
        reading.counts["passed_over"] = listening


def service(name: str | None) -> str | None:
    """The usual name of one of Dionaea's services."""
    plain = short(name)
    return SERVICES.get(plain.lower(), plain) if plain else None


def _connection(rows: Rows, event: Event, offset: int, reading: Reading) -> Reject | None:
    ts, source = moment(event.timestamp, reading), host(event.src_ip)
    if ts is None:
        return Reject(offset, "time", "no time, or one that cannot be")
    if source is None:
        return Reject(offset, "address", "no source address that is one")
    how = event.connection
    protocol, named = TRANSPORTS.get(how.transport or "tcp", 0), service(how.protocol)
    decoy, numbers = host(event.dst_ip), (port(event.src_port), port(event.dst_port))
    if how.type == "connect":
        if decoy is None:
            return Reject(offset, "address", "no address of the decoy that is one")
        rows.add(
            "connections", first_seen=ts, last_seen=ts, src_ip=decoy, src_port=numbers[1], dst_ip=source,
            dst_port=numbers[0], protocol=protocol, service=named, state="connect", offset=offset,
        )  # fmt: skip
        return None
    who = {
        "session_id": f"{event.src_ip}:{numbers[0]}", "src_ip": source, "src_port": numbers[0],
        "service": named, "offset": offset,
    }  # fmt: skip
    logins = pairs(event.credentials, "username", "password")
    ftp = event.ftp if isinstance(event.ftp, dict) else {}
    commands = pairs(ftp.get("commands"), "command", "arguments")
    rows.add(
        "sessions", first_seen=ts, last_seen=ts, dst_ip=decoy, dst_port=numbers[1], protocol=protocol,
        login_count=len(logins), login_success=False, command_count=len(commands), **who,
    )  # fmt: skip
    for username, password in logins[:MOST]:
        rows.add(
            "logins", ts=ts, dst_ip=decoy, dst_port=numbers[1], username=text(username), password=text(password),
            method="password", success=False, **who,
        )  # fmt: skip
    for command, arguments in commands[:MOST]:
        line = ftp_line(command, arguments)
        rows.add("commands", ts=ts, text=line, mentions=mentions(line), **who)
    return beyond(max(len(logins), len(commands)), offset)


def pairs(value: Any, first: str, second: str) -> list[tuple[Any, Any]]:
    """Pairs of a list of objects, or of an object of lists (`flat_data`)."""
    if isinstance(value, dict):
        left, right = value.get(first), value.get(second)
        if isinstance(left, list) and isinstance(right, list):
            return list(zip_longest(left, right))
        return [(left, right)] if left is not None or right is not None else []
    if isinstance(value, list):
        return [(v.get(first), v.get(second)) for v in value if isinstance(v, dict)]
    return []


def ftp_line(command: Any, arguments: Any) -> str:
    """The line a visitor sent, its password left out."""
    name = short(command) or ""
    if isinstance(arguments, list):
        arguments = " ".join(text(a) or "" for a in arguments[:MOST])
    rest = "***" if name.strip().upper() in SECRET and arguments else text(arguments) or ""
    return text(f"{name} {rest}".strip()) or ""


class Peer(msgspec.Struct):
    """The connection of an incident."""

    id: str | None = None
    protocol: str | None = None
    transport: str | None = None
    local_ip: str | None = None
    local_port: int | None = None
    remote_ip: str | None = None
    remote_port: int | None = None


class Detail(msgspec.Struct):
    """What is stored of an incident's own attributes."""

    connection: Peer | None = None
    username: str | int | None = None
    password: str | int | None = None
    command: Any = None
    arguments: Any = None
    url: str | None = None
    md5hash: str | None = None
    file: str | None = None


class Incident(msgspec.Struct):
    """A line of `log_incident`."""

    origin: str
    timestamp: str
    name: str | None = None
    data: Detail = msgspec.field(default_factory=Detail)


class DionaeaIncidentSensor:
    """Reads what `log_incident` writes."""

    name = "dionaea-incidents"
    version = 1
    doc = "Dionaea honeypot, log_incident: sessions, logins, FTP commands, downloads with their MD5."
    tables: tuple[str, ...] = ("sessions", "logins", "commands", "transfers")
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True when the first object of the source is an incident of Dionaea's."""
        found = first_object(head) or {}
        return str(found.get("origin", "")).startswith("dionaea.") and "timestamp" in found

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows and rejects. Reasons: those of `Lines`, `time`, `address`."""
        rows = Rows()
        passed = 0

        def handle(incident: Incident, offset: int) -> Reject | None:
            nonlocal passed
            if incident.data.connection is None or not _stored(incident.origin):
                passed += 1
                return None
            return _incident(rows, incident, incident.data.connection, offset, reading)

        yield from written(reading, Lines(Incident, masked), rows, handle)
        yield from rows.rest()
        reading.counts["passed_over"] = passed


def _stored(origin: str) -> bool:
    return origin.endswith((".accept", ".login", ".ftp.command", "download.offer", "download.complete.hash"))


def _incident(rows: Rows, incident: Incident, peer: Peer, offset: int, reading: Reading) -> Reject | None:
    ts, source = moment(incident.timestamp, reading), host(peer.remote_ip)
    if ts is None:
        return Reject(offset, "time", "no time, or one that cannot be")
    if source is None:
        return Reject(offset, "address", "no source address that is one")
    data, origin = incident.data, incident.origin
    decoy = {"dst_ip": host(peer.local_ip), "dst_port": port(peer.local_port)}
    who = {
        "session_id": short(peer.id) or f"{peer.remote_ip}:{port(peer.remote_port)}",
        "decoy": short(incident.name), "src_ip": source, "src_port": port(peer.remote_port), "offset": offset,
    }  # fmt: skip
    if origin.endswith(".accept"):
        rows.add(
            "sessions", first_seen=ts, last_seen=ts, protocol=TRANSPORTS.get(peer.transport or "tcp", 0),
            service=service(peer.protocol), login_count=0, login_success=False, command_count=0, **decoy, **who,
        )  # fmt: skip
    elif origin.endswith(".login"):
        rows.add(
            "logins", ts=ts, service=service(peer.protocol), username=text(data.username),
            password=text(data.password), method="password", success=False, **decoy, **who,
        )  # fmt: skip
    elif origin.endswith(".ftp.command"):
        line = ftp_line(data.command, data.arguments)
        rows.add("commands", ts=ts, service="ftp", text=line, mentions=mentions(line), **who)
    else:  # an offer may fail; the file is there when its hash is
        md5 = data.md5hash if data.md5hash and len(data.md5hash) == 32 else None
        rows.add(
            "transfers", ts=ts, direction="download", url=text(data.url, 4_096), filename=text(data.file, 4_096),
            md5=md5, success=origin.endswith(".hash"), **who,
        )  # fmt: skip
    return None
