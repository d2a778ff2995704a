"""Heralding's logs: sessions as JSON with their login attempts, and login attempts as CSV.

Source: Heralding, heralding/reporting/file_logger.py and misc/session.py at ac12724 (2024-02); real log of 2025.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import msgspec

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe import csvrows
from noroshi.observe.decoy.gather import MOST, beyond, host, masked, moment, port, short, text, written
from noroshi.observe.jsonlines import Lines, first_object
from noroshi.observe.rows import Rows

TCP: Final = 6
YEAR_S: Final = 366 * 86_400
_Text = str | int | float | bool | None
_CSV: Final = {"timestamp", "source_ip", "source_port", "destination_port", "protocol"}


class Attempt(msgspec.Struct):
    """A login attempt within a session."""

    timestamp: str | None = None
    username: _Text = None
    password: _Text = None


class Session(msgspec.Struct):
    """A line of log_session.json."""

    timestamp: str
    session_id: str
    source_ip: str
    source_port: int = 0
    destination_ip: str | None = None
    destination_port: int | None = None
    protocol: str | None = None
    duration: float = 0
    num_auth_attempts: int = 0
    auth_attempts: list[Attempt] = []
    session_ended: bool = True
    auxiliary_data: Any = None


class HeraldingSensor:
    """Reads log_session.json."""

    name = "heralding"
    version = 1
    doc = "Heralding honeypot, log_session.json: sessions and logins."
    tables: tuple[str, ...] = ("sessions", "logins")
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True when the first object of the source is one of Heralding's sessions."""
        found = first_object(head) or {}
        return {"session_id", "num_auth_attempts", "source_ip"} <= set(found)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows and rejects. Reasons: those of `Lines`, `time`, `address`, `too-many`."""
        rows = Rows()
        started = 0

        def handle(session: Session, offset: int) -> Reject | None:
            nonlocal started
            if not session.session_ended:  # the same session follows when it is over
                started += 1
                return None
            return _session(rows, session, offset, reading)

        yield from written(reading, Lines(Session, masked), rows, handle)
        yield from rows.rest()
        reading.counts["passed_over"] = started


def _session(rows: Rows, session: Session, offset: int, reading: Reading) -> Reject | None:
    ts, source = moment(session.timestamp, reading), host(session.source_ip)
    if ts is None:
        return Reject(offset, "time", "no time, or one that cannot be")
    if source is None:
        return Reject(offset, "address", "no source address that is one")
    lasted = int(session.duration * 1e6) if 0 < session.duration < YEAR_S else 0
    more = session.auxiliary_data if isinstance(session.auxiliary_data, dict) else {}
    ends = {
        "session_id": short(session.session_id) or "",
        "src_ip": source,
        "src_port": port(session.source_port),
        "dst_ip": host(session.destination_ip),
        "dst_port": port(session.destination_port),
        "service": short(session.protocol),
        "offset": offset,
    }
    rows.add(
        "sessions", first_seen=ts, last_seen=ts + lasted, protocol=TCP, client=short(more.get("client_version")),
        login_count=max(len(session.auth_attempts), min(max(session.num_auth_attempts, 0), 1 << 31 - 1)),
        login_success=False, command_count=0, **ends,
    )  # fmt: skip
    for attempt in session.auth_attempts[:MOST]:
        password = text(attempt.password)
        rows.add(
            "logins", ts=moment(attempt.timestamp, reading) or ts, username=text(attempt.username),
            password=password, method=None if password is None else "password", success=False, **ends,
        )  # fmt: skip
    return beyond(len(session.auth_attempts), offset)


class HeraldingCsvSensor:
    """Reads log_auth.csv and log_session.csv."""

    name = "heralding-csv"
    version = 1
    doc = "Heralding honeypot, log_auth.csv (logins) and log_session.csv (sessions)."
    tables: tuple[str, ...] = ("sessions", "logins")
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True when the header names Heralding's columns."""
        names = set(csvrows.header(head) or ())
        return names >= _CSV and (names >= {"username", "password"} or bool(names & {"num_auth_attempts"}))

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows and rejects. Reasons: those of `csvrows.rows`, `time`, `address`."""
        rows = Rows()
        for item in csvrows.rows(reading, need=_CSV):
            if isinstance(item, Reject):
                yield replace(item, sample=_first_cell(item.sample))
                continue
            refused = _record(rows, item[1], item[0], reading)
            if refused is not None:
                yield refused
            yield from rows.ready()
        yield from rows.rest()


def _first_cell(sample: bytes) -> bytes:
    """The time at the beginning of a bad record; what follows may be a password."""
    return sample.partition(b",")[0] if sample[:2] in (b"19", b"20", b"ti") else b""


def _record(rows: Rows, cells: dict[str, str], offset: int, reading: Reading) -> Reject | None:
    if "username" not in cells:
        cells = {**cells, "attempts": cells.get("num_auth_attempts") or "0"}
        lasted = cells.get("duration") or ""
        return _session(
            rows,
            Session(
                cells["timestamp"], cells.get("session_id") or "", cells["source_ip"],
                port(cells["source_port"]), cells.get("destination_ip"), port(cells["destination_port"]),
                cells["protocol"], float(lasted) if lasted.isdigit() and len(lasted) < 10 else 0,
                port(cells["attempts"]),
            ),
            offset, reading,
        )  # fmt: skip
    ts, source = moment(cells["timestamp"], reading), host(cells["source_ip"])
    if ts is None:
        return Reject(offset, "time", "no time, or one that cannot be")
    if source is None:
        return Reject(offset, "address", "no source address that is one")
    rows.add(
        "logins", ts=ts, session_id=short(cells.get("session_id")) or "", src_ip=source,
        src_port=port(cells["source_port"]), dst_ip=host(cells.get("destination_ip")),
        dst_port=port(cells["destination_port"]), service=short(cells["protocol"]),
        username=text(cells["username"]), password=text(cells["password"]), method="password", success=False,
        offset=offset,
    )  # fmt: skip
    return None
