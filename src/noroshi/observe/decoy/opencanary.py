"""OpenCanary's log: one JSON object an event, told apart by `logtype`; what a number means is in a table beside.

An event stands for itself; those of one source address and port within an hour make a session. Source:
thinkst/opencanary, opencanary/logger.py and modules/ at 86f0725 (2026-08).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.decoy.gather import host, masked, moment, port, short, text, written
from noroshi.observe.decoy.mentions import mentions
from noroshi.observe.decoy.visits import Visit, Visits
from noroshi.observe.jsonlines import Lines, first_object
from noroshi.observe.rows import Rows

APART_US: Final = 3_600_000_000
"""Events of one source and port further apart are two visits: ports are used again."""
PROTOCOLS: Final = {"TCP": 6, "UDP": 17, "ICMP": 1}
SCANS: Final = {5001: "syn", 5002: "nmap-os", 5003: "nmap-null", 5004: "nmap-xmas", 5005: "nmap-fin"}
REDIS_AUTH: Final = "AUTH"


class Event(msgspec.Struct):
    """A line of the log."""

    logtype: int
    node_id: str | None = None
    utc_time: str | None = None
    local_time: str | None = None
    src_host: str | None = None
    src_port: int | str | None = None
    dst_host: str | None = None
    dst_port: int | str | None = None
    logdata: Any = None


@dataclass(frozen=True)
class Kind:
    """What a number means."""

    holds: frozenset[str]
    service: str | None = None
    protocol: int = 6


@cache
def kinds() -> dict[int, Kind]:
    """The table of numbers."""
    found = tomllib.loads((files(__package__) / "opencanary_logtypes.toml").read_text("utf-8"))
    return {
        number: Kind(frozenset(row["holds"].split()), row.get("service"), row.get("protocol", 6))
        for row in found["logtype"]
        for number in row["numbers"]
    }


class OpenCanarySensor:
    """Reads OpenCanary's log."""

    name = "opencanary"
    version = 1
    doc = "OpenCanary honeypot, JSON log: sessions, logins, web requests, commands, files, port scans."
    tables: tuple[str, ...] = ("sessions", "logins", "commands", "transfers", "http", "connections")
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True when the first object of the source has OpenCanary's keys."""
        found = first_object(head) or {}
        return {"logtype", "node_id", "src_host"} <= set(found)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows and rejects. Reasons: those of `Lines`, `time`, `address`."""
        rows = Rows()
        log = _Log(rows, reading)
        yield from written(reading, Lines(Event, masked), rows, log.take)
        log.end()
        yield from rows.rest()
        reading.counts["passed_over"] = log.passed


class _Log:
    """The log so far."""

    def __init__(self, rows: Rows, reading: Reading) -> None:
        self._rows, self._reading = rows, reading
        self._visits = Visits()
        self.passed = self._at = 0

    def take(self, event: Event, offset: int) -> Reject | None:
        """The rows of an event."""
        kind = kinds().get(event.logtype, Kind(frozenset({"session"})))
        if "own" in kind.holds:
            self.passed += 1
            return None
        ts = moment(event.utc_time or event.local_time, self._reading)  # both are UTC
        source = host(event.src_host)
        if ts is None:
            return Reject(offset, "time", "no time, or one that cannot be")
        if source is None:
            return Reject(offset, "address", "no source address that is one")
        decoy = host(event.dst_host)
        if kind.holds & {"scan", "http"} and decoy is None:
            return Reject(offset, "address", "no address of the decoy that is one")
        data = {str(k): v for k, v in event.logdata.items()} if isinstance(event.logdata, dict) else {}
        ends = {
            "src_ip": source, "src_port": port(event.src_port), "dst_ip": decoy, "dst_port": port(event.dst_port),
        }  # fmt: skip
        if "scan" in kind.holds:
            self._rows.add(
                "connections", first_seen=ts, last_seen=ts, protocol=PROTOCOLS.get(str(data.get("PROTO")), 6),
                state=SCANS.get(event.logtype), offset=offset, **ends,
            )  # fmt: skip
            return None
        visit = self._visit(event, kind, ends, ts, offset)
        who = {"ts": ts, "session_id": visit.session_id, "decoy": visit.decoy, "offset": offset}
        if "http" in kind.holds:
            self._http(data, ends, ts, offset)
        if "login" in kind.holds:
            self._login(visit, data, who, ends)
        if kind.holds & {"command", "file"}:
            self._command(visit, event.logtype, data, who, ends)
        return None

    def end(self) -> None:
        """Writes the visits that are left."""
        for visit in self._visits.rest():
            self._write(visit)

    def _visit(self, event: Event, kind: Kind, ends: dict[str, Any], ts: int, offset: int) -> Visit:
        self._at += 1
        key = (short(event.node_id), f"{short(event.src_host)}:{ends['src_port']}>{ends['dst_port']}")
        visit = self._visits.held.get(key)
        if visit is None or not visit.last - APART_US < ts < visit.last + APART_US:
            visit = Visit(key, ts, offset, self._at, ends["src_ip"], ends["src_port"])
            visit.dst_ip, visit.dst_port = ends["dst_ip"], ends["dst_port"]
            visit.service, visit.protocol = kind.service, kind.protocol
            for over in self._visits.add(visit):
                self._write(over)
        visit.at, visit.first, visit.last = self._at, min(ts, visit.first), max(ts, visit.last)
        data = event.logdata if isinstance(event.logdata, dict) else {}
        visit.client = short(_any(data, "REMOTEVERSION", "USERAGENT")) or _sip_agent(data) or visit.client
        return visit

    def _write(self, visit: Visit) -> None:
        self._rows.add(
            "sessions", first_seen=visit.first, last_seen=visit.last, session_id=visit.session_id,
            decoy=visit.decoy, src_ip=visit.src_ip, src_port=visit.src_port, dst_ip=visit.dst_ip,
            dst_port=visit.dst_port, protocol=visit.protocol, service=visit.service, client=visit.client,
            login_count=visit.login_count, login_success=False, command_count=visit.command_count,
            offset=visit.offset,
        )  # fmt: skip

    def _http(self, data: dict[str, Any], ends: dict[str, Any], ts: int, offset: int) -> None:
        name, path = short(data.get("HOSTNAME")), text(data.get("PATH"), 4_096) or ""
        method = "POST" if "USERNAME" in data else short(data.get("REQUEST_TYPE")) or "GET"
        scheme, number = ("https" if ends["dst_port"] == 443 else "http"), ends["dst_port"]
        where = f"[{name}]" if name and ":" in name else name
        site = where if number in (0, 80, 443) else f"{where}:{number}"
        self._rows.add(
            "http", ts=ts, method=method, host=name, user_agent=text(data.get("USERAGENT"), 4_096),
            url=f"{scheme}://{site}/{path.lstrip('/')}" if name else None, offset=offset, **ends,
        )  # fmt: skip

    def _login(self, visit: Visit, data: dict[str, Any], who: dict[str, Any], ends: dict[str, Any]) -> None:
        action = data.get("action")
        if action is not None and action != "mongodb.auth_attempt":
            return
        username = text(_any(data, "USERNAME", "username", "UserName"))
        password = text(_any(data, "PASSWORD", "Password", "COMMUNITY_STRING", "VNC Password"))
        if "VNC Server Challenge" in data and (password or "").startswith("<"):
            password = None  # it was not among those it tries
        method = "community" if "COMMUNITY_STRING" in data else short(data.get("mechanism"))
        if method is None and password is not None:
            method = "password"
        self._add_login(visit, who, ends, username, password, method)

    def _add_login(
        self, visit: Visit, who: dict[str, Any], ends: dict[str, Any], username: str | None,
        password: str | None, method: str | None,
    ) -> None:  # fmt: skip
        visit.login_count += 1
        self._rows.add(
            "logins", service=visit.service, username=username, password=password, method=method, success=False,
            **who, **ends,
        )  # fmt: skip

    def _command(
        self, visit: Visit, number: int, data: dict[str, Any], who: dict[str, Any], ends: dict[str, Any]
    ) -> None:
        if number == 17001 and str(data.get("CMD")).strip().upper() == REDIS_AUTH:
            words = (text(data.get("ARGS")) or "").split()
            self._add_login(visit, who, ends, words[0] if len(words) > 1 else None, words[-1] if words else None,
                            "password")  # fmt: skip
            return
        line = _line(data)
        if not line:
            return
        visit.command_count += 1
        where = {k: ends[k] for k in ("src_ip", "src_port")}
        self._rows.add("commands", service=visit.service, text=line, mentions=mentions(line), **who, **where)
        if number == 10001 and str(data.get("OPCODE")).upper() in ("WRITE", "WRQ", "2"):
            self._rows.add(
                "transfers", direction="upload", filename=text(data.get("FILENAME"), 4_096), success=False,
                **who, **where,
            )  # fmt: skip


def _any(data: dict[str, Any], *names: str) -> Any:
    return next((data[n] for n in names if data.get(n) is not None), None)


def _sip_agent(data: dict[str, Any]) -> str | None:
    """The program of a SIP client: headers are lists under their names."""
    headers = data.get("HEADERS")
    agents = headers.get("user-agent") if isinstance(headers, dict) else None
    return short(agents[0]) if isinstance(agents, list) and agents else None


def _line(data: dict[str, Any]) -> str:
    """What was asked for, in one line, in the words of the protocol as far as the log has them."""
    for names in (
        ("CMD", "ARGS"), ("command", "query"), ("OPCODE", "FILENAME"), ("AUDITACTION", "SHARENAME", "FILENAME"),
        ("REPO",), ("DATA",), ("NTP CMD",),
    ):  # fmt: skip
        if names[0] in data:
            return (text(" ".join(text(data.get(n)) or "" for n in names)) or "").strip()
    return ""
