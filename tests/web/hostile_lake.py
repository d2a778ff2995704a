"""A lake in which everything from outside is hostile: banners, commands, names of visits, user names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from noroshi.lake.handle import Lake
from noroshi.model.tlp import Tlp
from tests.ask.support import batch

START = datetime(2026, 4, 1, tzinfo=UTC)
SCRIPT = "<script>alert(1)</script>"
ATTRIBUTE = '" onmouseover="alert(1)" x=\''
ESCAPES = "\x1b[2J\x1b]0;owned\x07\r\nrm -rf /\x00"
BIDI = "echo \u202etxt.exe\u2066\u200b"
NAMES = (
    "plain-1",
    "a/b/../c",
    "q\"uo'te",
    "<b>&amp;",
    "..",
    "x?y#z%00",
    "'; DROP TABLE sessions; --",
    "a b+c",
)
"""What decoys might call a visit."""
TWICE = "7"
"""A name two decoys gave, one of them twice."""


def build(folder: Path, tlp: Tlp = Tlp.GREEN) -> Lake:
    """The lake."""
    lake = Lake.open(folder, create=True)
    with lake.writer() as writer:
        run = writer.begin(path="x", source="s", format="cowrie", parser_version=1, tlp=tlp)
        run.write(batch("services", *_services()))
        run.write(batch("sessions", *(_visit(i, n) for i, n in enumerate(NAMES)), *_twice()))
        run.write(batch("logins", *(_login(i, n) for i, n in enumerate(NAMES)), *_late()))
        run.write(batch("commands", *_commands()))
        run.write(batch("transfers", _row(0, NAMES[0], 5, direction="download", success=True, size=99,
                                          url="http://evil.example/%22%3E<script>", filename=ATTRIBUTE,
                                          sha256="ab" * 32)))  # fmt: skip
        run.write(batch("relays", _row(0, NAMES[0], 6, target="198.51.100.9", target_port=25, data=ESCAPES),
                        _row(0, NAMES[0], 7, target="mail.example.net", target_port=0, data=SCRIPT)))  # fmt: skip
        run.finish(sha256="x", size=1)
    return lake


def _services() -> list[dict[str, Any]]:
    look = {"ip": "198.51.100.9", "protocol": 6, "state": "open", "service": "http", "scanner": "nmap"}
    old = look | {"ts": START, "port": 80, "product": "Apache httpd", "version": "2.4.1", "banner": "hello"}
    new = old | {
        "ts": START + timedelta(hours=5),
        "version": "2.4.2",
        "banner": SCRIPT + ESCAPES,
        "title": BIDI,
    }
    many = [look | {"ip": f"203.0.113.{i}", "ts": START, "port": 53, "protocol": p, "service": "domain",
                    "org": ATTRIBUTE, "country": "JP", "cves": ["CVE-2024-3400"], "severity": 1}
            for i in range(40) for p in (6, 17)]  # fmt: skip
    return [old, new, look | {"ts": START, "port": 23, "service": "telnet"},
            look | {"ts": START + timedelta(hours=6), "port": 23, "service": "telnet", "state": "closed"},
            look | {"ts": START, "ip": "2001:db8::5", "port": 443, "product": SCRIPT, "device": BIDI},
            *many]  # fmt: skip


def _row(i: int, name: str, second: int, **more: Any) -> dict[str, Any]:
    return {"ts": START + timedelta(minutes=i, seconds=second), "session_id": name, "decoy": "d<1>",
            "src_ip": f"203.0.113.{i + 1}"} | more  # fmt: skip


def _visit(i: int, name: str, **more: Any) -> dict[str, Any]:
    row = _row(
        i,
        name,
        0,
        client=ATTRIBUTE,
        service="ssh",
        login_count=1,
        login_success=i == 0,
        command_count=3 * (i == 0),
    )
    at = row.pop("ts")
    return row | {"first_seen": at, "last_seen": at + timedelta(seconds=30)} | more


def _twice() -> list[dict[str, Any]]:
    later = START + timedelta(hours=3)
    return [_visit(20, TWICE), _visit(21, TWICE, decoy="other"),
            _visit(22, TWICE, first_seen=later, last_seen=later + timedelta(seconds=9))]  # fmt: skip


def _login(i: int, name: str) -> dict[str, Any]:
    return _row(i, name, 1, username=SCRIPT, password=f"hunter{i}\u202e", method="password", success=i == 0)


def _late() -> list[dict[str, Any]]:
    return [_row(20, TWICE, 1, username="early", password="p"), _row(21, TWICE, 1, username="elsewhere", decoy="other"),
            _row(22, TWICE, 1, username="late", ts=START + timedelta(hours=3, seconds=1))]  # fmt: skip


def _commands() -> list[dict[str, Any]]:
    return [_row(0, NAMES[0], 2 + i, text=t, success=i != 2, mentions=["domain evil.example"] if i == 0 else [])
            for i, t in enumerate((ESCAPES, BIDI, SCRIPT))]  # fmt: skip
