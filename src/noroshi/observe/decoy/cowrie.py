"""Cowrie's JSON log, the schema of 2018 (2.x) as well as 3.x: SSH and Telnet sessions and all that happens in them.

Sources: Cowrie, docs/OUTPUT.rst and src/cowrie/core/eventids.py at 1b51ef9 (2026-08); real logs of 2018 and 2021.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.decoy.gather import SHORT, Gather, host, masked, port, short, span, text, times
from noroshi.observe.decoy.mentions import mentions, mentions_sent, ssh_fingerprint
from noroshi.observe.decoy.visits import RELAYS, Visit, Visits
from noroshi.observe.jsonlines import Decoded, Lines, first_object

TCP: Final = 6
WAITS: Final = 4_096
"""Characters of a command that waits for its outcome; a longer one is handed on at once."""
_ENDS: Final = ("src_ip", "src_port", "dst_ip", "dst_port")
_WHO: Final = ("ts", "session_id", "decoy", "src_ip", "src_port")
COLUMNS: Final = {
    "sessions": (
        "first_seen", "last_seen", "session_id", "decoy", *_ENDS, "protocol", "service", "client", "hassh",
        "ja4", "ssh_key", "login_count", "login_success", "command_count", "offset",
    ),
    "logins": (
        "ts", "session_id", "decoy", *_ENDS, "service", "username", "password", "method", "ssh_key", "success",
        "offset",
    ),
    "commands": (*_WHO, "service", "text", "success", "mentions", "offset"),
    "transfers": (*_WHO, "direction", "url", "filename", "sha256", "size", "success", "offset"),
    "relays": (*_WHO, "target", "target_port", "data", "ja4", "mentions", "offset"),
}  # fmt: skip
_LONGEST_US: Final = 366 * 86_400e6
"""A visit of more than a year is a wrong number."""
_CONNECT: Final = "cowrie.session.connect"
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_Text = str | int | float | bool | None
"""What a password may have become on its way through other tools."""


class Event(msgspec.Struct, gc=False):
    """A line of the log: the attributes that are stored, of all kinds of events."""

    eventid: str
    timestamp: str
    session: str | None = None
    src_ip: str | None = None
    sensor: str | None = None
    src_port: int | None = None
    dst_ip: str | None = None
    dst_port: int | None = None
    protocol: str | None = None
    username: _Text = None
    password: _Text = None
    input: _Text = None
    version: _Text = None
    hassh: str | None = None
    fingerprint: str | None = None
    key: str | None = None
    data: _Text = None
    url: str | None = None
    shasum: str | None = None
    destfile: str | None = None
    filename: str | None = None
    duration: float | str | None = None
    duration_ms: float | str | None = None
    ja4: str | None = None
    name: _Text = None
    value: _Text = None
    cve: str | None = None


class CowrieSensor:
    """Reads Cowrie's JSON log."""

    name = "cowrie"
    version = 1
    doc = "Cowrie honeypot, JSON log (2.x and 3.x): sessions, logins, commands, transfers, relays."
    tables: tuple[str, ...] = tuple(COLUMNS)
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True when the first object of the source is an event of Cowrie's."""
        found = first_object(head)
        return found is not None and str(found.get("eventid", "")).startswith("cowrie.")

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows and rejects. Reasons: those of `Lines`, `time`, `address`, `session`."""
        gather = Gather(**COLUMNS)
        log = _Log(gather, *span(reading))
        lines: Lines[Event] = Lines(Event, masked)
        before = reading.start
        for part in lines.read(reading):
            if isinstance(part, Reject):
                yield part
                continue
            log.take(part)
            yield from log.rejects
            log.rejects.clear()
            read = part.offsets[-1] - before if part.offsets else 0
            before += read
            yield from gather.ready(read)
        log.end()
        yield from gather.rest()
        reading.counts["events"] = log.at
        reading.counts["passed_over"] = log.passed


class _Log:
    """The log so far: visits at hand, rows gathered, rejects met."""

    def __init__(self, gather: Gather, earliest: int, latest: int) -> None:
        self.rejects: list[Reject] = []
        self.at = self.passed = 0
        """Events met; those of them that hold nothing to store (terminal size, plug-ins' own, ...)."""
        self._visits = Visits()
        self._earliest, self._latest = earliest, latest
        rows = gather.rows
        self._sessions, self._logins, self._commands = rows["sessions"], rows["logins"], rows["commands"]
        self._transfers, self._relays = rows["transfers"], rows["relays"]

    def take(self, part: Decoded[Event]) -> None:
        """The events of a part."""
        get, earliest, latest = self._visits.held.get, self._earliest, self._latest
        at, handlers = self.at, _HANDLERS.get
        stamps = times([event.timestamp for event in part.values])
        for event, ts, offset in zip(part.values, stamps, part.offsets, strict=True):
            at += 1
            eventid = event.eventid
            if event.session is None:
                if not eventid.startswith("cowrie."):
                    self._reject(offset, "session", "an event without session and without an id of Cowrie's")
                self.passed += 1
                continue
            if ts is None or not earliest <= ts <= latest:
                self._reject(offset, "time", "no time, or before 1990, or a day after the source's own date")
                continue
            key = (event.sensor, event.session)
            visit = get(key)
            if visit is None or (
                visit.closed and eventid == _CONNECT and (visit.connected or ts > visit.last)
            ):
                visit = self._begin(key, event, ts, offset, at)
                if visit is None:
                    continue
            elif ts > visit.last:
                visit.last = ts
            elif ts < visit.first:
                visit.first = ts
            visit.at = at
            handle = handlers(eventid)
            if handle is None:
                self.passed += 1
            else:
                handle(self, visit, event, ts, offset)
        self.at = at

    def end(self) -> None:
        """Writes what is still open."""
        for visit in self._visits.rest():
            self._write(visit)

    def _reject(self, offset: int, reason: str, detail: str) -> None:
        self.rejects.append(Reject(offset, reason, detail))

    def _begin(
        self, key: tuple[str | None, str], event: Event, ts: int, offset: int, at: int
    ) -> Visit | None:
        """A new visit, whatever its first event is; None when nobody knows whose it is."""
        if len(key[1]) > SHORT or (key[0] is not None and len(key[0]) > SHORT):
            self._reject(offset, "session", f"an id of more than {SHORT:,} characters")
            return None
        source = host(event.src_ip)
        if source is None:
            self._reject(offset, "address", "no source address that is one")
            return None
        known = Visit(key, ts, offset, at, source)
        if not (key[1].isascii() and (key[0] or "").isascii()):  # may hold what is no text: see `text`
            known.decoy, known.session_id = short(key[0]), short(key[1]) or ""
        self._ends(known, event)
        for over in self._visits.add(known):
            self._write(over)
        return known

    @staticmethod
    def _ends(visit: Visit, event: Event) -> None:
        visit.connected = event.eventid == _CONNECT
        visit.service = short(event.protocol) or visit.service
        if not event.eventid.startswith(_FORWARDS):  # there the other fields tell of what is asked for
            visit.src_port, visit.dst_port = port(event.src_port), port(event.dst_port)
            visit.dst_ip = host(event.dst_ip)

    def _write(self, visit: Visit) -> None:
        """The row of a visit, and of what was waiting in it."""
        if visit.offered is not None:
            self._logins.append(visit.offered)
            visit.login_count += 1
        if visit.command is not None:
            self._commands.append(tuple(visit.command))
        if visit.relays:
            self._relays += map(tuple, visit.relays)
        self._sessions.append(
            (
                visit.first, visit.last, visit.session_id, visit.decoy, visit.src_ip, visit.src_port,
                visit.dst_ip, visit.dst_port, TCP, visit.service, visit.client, visit.hassh, visit.ja4,
                visit.ssh_key, visit.login_count, visit.login_success, visit.command_count, visit.offset,
            )
        )  # fmt: skip

    # What the kinds of events say.

    def connect(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """The first event of a visit, if late; the id of one that has begun stands for a new one too."""
        if visit.offset == offset:
            return
        if visit.connected:
            self._begin(visit.key, event, ts, offset, visit.at)
        else:
            self._ends(visit, event)

    def closed(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """The last event; `duration` in seconds became `duration_ms` in 3.x."""
        if visit.offset == offset:  # the beginning stands in another file
            lasted = _number(event.duration_ms) * 1e3 or _number(event.duration) * 1e6
            if 0 < lasted < _LONGEST_US:
                visit.first = max(ts - int(lasted), self._earliest)
        for over in self._visits.close(visit):
            self._write(over)

    def client(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """The client's version string; releases around 2021 wrote the Python form of its bytes."""
        version = short(event.version)
        if version and version[:2] in ("b'", 'b"') and version[-1] in "'\"":
            version = version[2:-1]
        elif version and version[:1] == "'" == version[-1:]:
            version = version[1:-1]
        visit.client = version
        visit.service = visit.service or "ssh"

    def kex(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """The client's HASSH."""
        visit.hassh = short(event.hassh)

    def fingerprint(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """A key offered; from 3.x on a login event follows, before nothing did, and it was never let in."""
        if visit.offered is not None:
            self._logins.append(visit.offered)
            visit.login_count += 1
        visit.ssh_key = _key(event)
        visit.offered = self._login(visit, event, ts, offset, success=False)

    def failed(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """A login that was refused."""
        if event.fingerprint or event.key:
            visit.offered, visit.ssh_key = None, _key(event)
        visit.login_count += 1
        self._logins.append(self._login(visit, event, ts, offset, success=False))

    def success(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """A login that was let in."""
        if event.fingerprint or event.key:
            visit.offered, visit.ssh_key = None, _key(event)
        visit.login_count += 1
        visit.login_success = True
        self._logins.append(self._login(visit, event, ts, offset, success=True))

    def _login(self, visit: Visit, event: Event, ts: int, offset: int, *, success: bool) -> tuple[Any, ...]:
        key = _key(event) if event.fingerprint or event.key else None
        password = text(event.password)
        method = "publickey" if key else "password" if password is not None else None
        return (
            ts, visit.session_id, visit.decoy, visit.src_ip, visit.src_port, visit.dst_ip, visit.dst_port,
            visit.service, text(event.username), password, method, key, success, offset,
        )  # fmt: skip

    def command(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """A line entered; what the decoy made of it may follow."""
        line = text(event.input) or ""
        if visit.command is not None:
            self._commands.append(tuple(visit.command))
            visit.command = None
        visit.command_count += 1
        row = [
            ts, visit.session_id, visit.decoy, visit.src_ip, visit.src_port, visit.service, line, None,
            mentions(line), offset,
        ]  # fmt: skip
        if len(line) > WAITS:
            self._commands.append(tuple(row))
        else:
            visit.command = row

    def stdin(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """A line fed to a command; some releases log the same line as a command too."""
        if visit.command is None or visit.command[6] != text(event.input):
            self.command(visit, event, ts, offset)

    def unknown(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """A command the decoy does not know: a part of the line before, else a line of its own."""
        self._outcome(visit, event, ts, offset, known=False)

    def understood(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """A command the decoy knows."""
        self._outcome(visit, event, ts, offset, known=True)

    def _outcome(self, visit: Visit, event: Event, ts: int, offset: int, *, known: bool) -> None:
        row = visit.command
        if row is None or (text(event.input) or "").strip() not in row[6]:
            self.command(visit, event, ts, offset)
            row = visit.command
        if row is not None:
            row[7] = known and row[7] is not False

    def chpasswd(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """A password changed; the line itself stands in an event of its own."""
        event.input = (
            f"chpasswd {short(event.username) or ''}".strip() if event.input is None else event.input
        )
        self.stdin(visit, event, ts, offset)

    def download(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """A file fetched, or written by a redirection: then older logs give the path as URL."""
        self._transfer(visit, event, ts, offset, "download", arrived=True)

    def download_failed(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """A file that did not arrive."""
        self._transfer(visit, event, ts, offset, "download", arrived=False)

    def upload(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """A file brought by SFTP or SCP."""
        self._transfer(visit, event, ts, offset, "upload", arrived=True)

    def _transfer(
        self, visit: Visit, event: Event, ts: int, offset: int, direction: str, *, arrived: bool
    ) -> None:
        url, name = text(event.url, 4_096) or None, event.destfile or event.filename
        if url is not None and "://" not in url:
            url, name = None, name or url
        digest = event.shasum if event.shasum and _SHA256.fullmatch(event.shasum) else None
        self._transfers.append(
            (
                ts, visit.session_id, visit.decoy, visit.src_ip, visit.src_port, direction, url,
                text(name, 4_096) or None, digest.lower() if digest else None, None, arrived, offset,
            )
        )  # fmt: skip

    def relay(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """A connection asked for; what is sent through it may follow."""
        self._await(visit, self._relayed(visit, event, ts, offset))

    def _await(self, visit: Visit, row: list[Any]) -> None:
        if visit.relays is None:
            visit.relays = []
        elif len(visit.relays) >= RELAYS:
            self._relays.append(tuple(visit.relays.pop(0)))
        visit.relays.append(row)

    def sent(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """What was sent: the row of its connection is complete."""
        row = self._waiting(visit, event)
        if row is None:
            if event.dst_ip is None:  # tunnelproxy: the connection is not named
                self.passed += 1
                return
            row = self._relayed(visit, event, ts, offset)
        elif visit.relays:
            visit.relays.remove(row)
        row[7] = text(event.data)
        row[9] = mentions_sent(row[7])
        self._relays.append(tuple(row))

    def relay_ja4(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """The TLS client behind a connection; its data follows."""
        row = self._waiting(visit, event)
        if row is None:
            row = self._relayed(visit, event, ts, offset)
            self._await(visit, row)
        row[8] = short(event.ja4)

    @staticmethod
    def _waiting(visit: Visit, event: Event) -> list[Any] | None:
        target, number = short(event.dst_ip), port(event.dst_port)
        for row in visit.relays or ():
            if target is None or (row[5] == target and row[6] == number):
                return row
        return None

    @staticmethod
    def _relayed(visit: Visit, event: Event, ts: int, offset: int) -> list[Any]:
        return [
            ts, visit.session_id, visit.decoy, visit.src_ip, visit.src_port, short(event.dst_ip) or "",
            port(event.dst_port), None, None, None, offset,
        ]  # fmt: skip

    def exploit(self, visit: Visit, event: Event, ts: int, offset: int) -> None:
        """A Telnet environment variable that carries an exploit: what was sent, and the CVE it is of."""
        event.input = f"{short(event.name) or ''}={text(event.value) or ''}"
        self.command(visit, event, ts, offset)
        if visit.command is not None and event.cve:
            visit.command[8] = [*visit.command[8], f"cve {short(event.cve)}"]


def _number(value: float | str | None) -> float:
    """A duration; releases around 2.5 wrote it as text."""
    try:
        return float(value or 0)
    except ValueError:
        return 0.0


def _key(event: Event) -> str | None:
    """The fingerprint of a key: of the key itself if it is there, for logs give it as MD5 or SHA-256."""
    return ssh_fingerprint(event.key) or short(event.fingerprint)


_FORWARDS: Final = ("cowrie.direct-tcpip.", "cowrie.reversedns.")
_HANDLERS: Final = {
    "cowrie.session.connect": _Log.connect,
    "cowrie.session.closed": _Log.closed,
    "cowrie.client.version": _Log.client,
    "cowrie.client.kex": _Log.kex,
    "cowrie.client.fingerprint": _Log.fingerprint,
    "cowrie.login.success": _Log.success,
    "cowrie.login.failed": _Log.failed,
    "cowrie.command.input": _Log.command,
    "cowrie.session.input": _Log.stdin,
    "cowrie.command.failed": _Log.unknown,
    "cowrie.command.success": _Log.understood,
    "cowrie.command.chpasswd": _Log.chpasswd,
    "cowrie.session.file_download": _Log.download,
    "cowrie.session.file_download.failed": _Log.download_failed,
    "cowrie.session.file_upload": _Log.upload,
    "cowrie.direct-tcpip.request": _Log.relay,
    "cowrie.direct-tcpip.data": _Log.sent,
    "cowrie.tunnelproxy-tcpip.data": _Log.sent,
    "cowrie.direct-tcpip.ja4": _Log.relay_ja4,
    "cowrie.telnet.exploit_attempt": _Log.exploit,
}
