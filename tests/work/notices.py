"""A lake with findings, evidence rows and operators; a mail server on loopback."""

from __future__ import annotations

import email
import email.policy
import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from aiosmtpd.controller import Controller

from noroshi import config
from noroshi.config import Config
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model import address
from noroshi.model.finding import Finding, Rule
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp
from tests.support.findings import finding

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
SEEN = datetime(2026, 11, 18, 3, 4, 5, 678901, tzinfo=UTC)
DARK = "192.0.2.0/24"
DECOY = "203.0.113.99"
BOT, BROKEN, VICTIM, OTHER, NOBODY = (
    "198.51.100.7",
    "198.51.100.8",
    "198.51.100.9",
    "100.64.0.5",
    "233.252.0.1",
)
OPERATORS = """network,name,mail,lang
198.51.100.0/24,Example ISP,abuse@isp.example;noc@isp.example,en
100.64.0.0/10,例示通信,abuse@tsushin.example,ja
"""


def found(kind: str, value: str, evidence: dict[str, Any], **more: Any) -> Finding:
    """A finding of 2026-11-18, AMBER."""
    given: dict[str, Any] = {
        "first_seen": SEEN, "last_seen": SEEN + timedelta(hours=2), "tlp": "amber", "rule": Rule(kind, 1),
        "scope": "campus",
    }  # fmt: skip
    return finding(kind, value, evidence=evidence, **(given | more))


def bot(value: str = BOT, **more: Any) -> Finding:
    """An infected host; its evidence names things that must not be told."""
    return found(
        "infected-host", value,
        {"class": "mirai", "own": False, "packet_count": 41, "ports": ["tcp/23", "tcp/2323"], "services": ["telnet"],
         "dst_ip_nunique": 37, "telescope": "192.0.2.77", "confidence_reason": "of 192.0.2.77"}, **more,
    )  # fmt: skip


def findings() -> list[Finding]:
    """One of three kinds at one operator, one at another, one of nobody, one that is too strict."""
    return [
        bot(), bot(OTHER), bot(NOBODY), bot("198.51.100.66", tlp="amber+strict"),
        found("decoy-intrusion", BROKEN, {"sessions": 3, "logins": 9, "login_successes": 1, "commands": 4,
              "services": ["ssh"], "decoys": ["decoy-tokyo"], "first_commands": [f"ping {DECOY}"]}, scope=""),
        found("dos-victim", VICTIM, {"vector": "syn-ack", "protocol": "tcp", "ports": ["tcp/80"], "duration_s": 60.0,
              "rate_pps": 12345.0, "n": 77, "size": 256}),
    ]  # fmt: skip


def flow(src: str, ts: datetime, port: int, **more: Any) -> dict[str, Any]:
    """A row of flows."""
    row: dict[str, Any] = {
        "src_ip": address.pack(src), "dst_ip": address.pack("192.0.2.77"), "src_port": port, "dst_port": 23,
        "protocol": 6, "ttl": 50, "tcp_flags": 2, "ip_len": 40, "packet_count": 2, "byte_count": 80, "first_seen": ts,
        "last_seen": ts, "tool": "mirai", "class": "scan", "rules_version": 1, "offset": 0,
    }  # fmt: skip
    return row | more


def session(src: str, ts: datetime, port: int) -> dict[str, Any]:
    """A row of sessions."""
    return {
        "first_seen": ts, "last_seen": ts, "session_id": f"s{port}", "decoy": "decoy-tokyo",
        "src_ip": address.pack(src), "src_port": port, "dst_ip": address.pack(DECOY), "dst_port": 22, "protocol": 6,
        "service": "ssh", "login_count": 1, "login_success": True, "command_count": 4, "offset": 0,
    }  # fmt: skip


def store(lake: Lake, table: str, rows: list[dict[str, Any]], tlp: Tlp = Tlp.AMBER) -> str:
    """Stores rows as one run; its id."""
    schema = TABLES[table].arrow()
    made = pa.Table.from_pylist(rows, schema=schema)
    digest = hashlib.sha256(repr((table, rows)).encode()).hexdigest()
    with lake.writer() as writer:
        run = writer.begin(
            path=f"{table}-{digest[:8]}", source="test", format="test", parser_version=1, tlp=tlp
        )
        run.write(Batch(table, made.drop_columns(["run_id"])))
        return run.finish(sha256=digest, size=1, counts={}).run_id


def evidence(lake: Lake) -> None:
    """Packets and visits behind the findings."""
    rows = [flow(BOT, SEEN + timedelta(minutes=n), 40000 + n) for n in range(30)]
    rows += [flow(OTHER, SEEN + timedelta(minutes=n), 50000 + n) for n in range(3)]
    rows += [
        flow(VICTIM, SEEN, 80, **{"class": "backscatter", "tcp_flags": 18, "dst_port": 1234, "tool": ""})
    ]
    store(lake, "flows", rows)
    store(lake, "sessions", [session(BROKEN, SEEN + timedelta(minutes=n), 60000 + n) for n in range(2)])


def lake_at(path: Path, some: list[Finding] | None = None) -> Lake:
    """The lake, its findings and evidence, and the table of operators."""
    lake = Lake.open(path / "lake")
    lake.put_findings(findings() if some is None else some, [])
    evidence(lake)
    return lake


def loaded(lake: Lake, path: Path, text: str = OPERATORS) -> State:
    """The state with a table of operators; its clock stands at NOW."""
    from noroshi.work.notify_operators import load

    state = State(lake.path)
    file = path / "operators.csv"
    file.write_text(text, "utf-8")
    load(state, "test", file, rdap=False)
    state.notices.clock = lambda: NOW
    return state


def configured(path: Path, port: int = 25, more: str = "") -> Config:
    """A configuration that sends to loopback."""
    file = path / "noroshi.toml"
    file.write_text(
        f"""own = ["203.0.113.0/24"]
[[telescope]]
name = "campus"
prefixes = ["{DARK}"]
[notify]
to = "mail"
sender = "notices@cert.example"
name = "Example CERT"
reply_to = "reply@cert.example"
contact = "https://cert.example/notify"
server = "127.0.0.1"
port = {port}
tls = "none"
folder = "{path / "out"}"
{more}""",
        "utf-8",
    )
    return config.load(file)


class Box:
    """Keeps what it is handed; refuses the recipients it is told to."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.refuse: dict[str, str] = {}
        self.data = "250 OK"
        self.connected = 0

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: Any
    ) -> Any:
        self.connected += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, to: str, options: Any) -> str:
        if to in self.refuse:
            return self.refuse[to]
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.got.append(envelope)
        return self.data

    def messages(self) -> list[EmailMessage]:
        """What it took, parsed."""
        return [email.message_from_bytes(e.content, policy=email.policy.default) for e in self.got]


@contextmanager
def server(box: Box | None = None) -> Iterator[tuple[Box, int]]:
    """A mail server on loopback."""
    made = box or Box()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(made, hostname="127.0.0.1", port=port, server_hostname="mx.isp.example")
    controller.start()
    try:
        yield made, port
    finally:
        controller.stop()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_at(tmp_path)


@pytest.fixture
def state(lake: Lake, tmp_path: Path) -> State:
    return loaded(lake, tmp_path)


@pytest.fixture
def box() -> Iterator[tuple[Box, int]]:
    with server() as made:
        yield made


def at(state: State, now: datetime) -> datetime:
    state.notices.clock = lambda: now
    return now


def dump(state: State) -> list[Any]:
    """Everything the state keeps of notices."""
    return [state.notices.items(), state.notices.all(), state.notices.steps(), state.audit.newest(1000)]
