"""Services told to operators, as the analysers of this program judge them, and looked at again by surveys."""

from __future__ import annotations

import email
import email.policy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.lake.state.notices import FIXED, NOTIFIED, PERSISTING, RECHECKED
from noroshi.model import address
from noroshi.work.notify import plan
from noroshi.work.notify_send import send
from tests.work.notices import BOT, NOW, SEEN, configured, found, loaded, store

HOST, NEAR = BOT, "198.51.100.200"


def row(ip: str, ts: datetime, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "ts": ts, "ip": address.pack(ip), "port": 80, "protocol": 6, "state": "open", "service": "http",
        "version": "2.4.49", "cpes": ["cpe:2.3:a:apache:http_server:2.4.49:*:*:*:*:*:*:*"],
        "banner": "HTTP/1.1 400\r\nServer: Apache/2.4.49\r\nX: 192.0.2.77 =cmd", "scanner": "nmap", "offset": 0,
    }  # fmt: skip
    return given | more


def vulnerable() -> Any:
    """As VulnerableService words it."""
    return found(
        "vulnerable-service", HOST,
        {"vulnerabilities": [
            {"id": "CVE-2021-41773", "match": "exact", "kev": True, "port": "tcp/80", "version": "2.4.49",
             "cpe": "cpe:2.3:a:apache:http_server:2.4.49:*:*:*:*:*:*:*", "cvss": 7.5},
            {"id": "CVE-2000-0001", "match": "product", "kev": True, "port": "tcp/80"}],
         "vulnerability_count": 2, "product_only_count": 1, "ports": ["tcp/80"], "scanners": ["nmap"]}, scope="",
    )  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake.open(tmp_path / "lake")
    made.put_findings([vulnerable()], [])
    store(made, "services", [row(HOST, SEEN + timedelta(minutes=5))])
    return made


@pytest.fixture
def told(lake: Lake, tmp_path: Path) -> State:
    state = loaded(lake, tmp_path)
    send(lake, configured(tmp_path), state, "test", now=NOW, folder=tmp_path / "out")
    assert [i.state for i in state.notices.items()] == [NOTIFIED]
    return state


def test_only_what_the_version_shows_is_told_and_banners_are_scrubbed(lake: Lake, tmp_path: Path) -> None:
    (notice,) = plan(lake, configured(tmp_path), loaded(lake, tmp_path), now=NOW).notices
    message = email.message_from_bytes(notice.body, policy=email.policy.default)
    text = "\n".join(p.get_content() for p in message.walk() if not p.is_multipart())
    assert "CVE-2021-41773" in text
    assert "CVE-2000-0001" not in text
    assert "Server: Apache/2.4.49" in text  # a version is no address
    assert "192.0.2.77" not in text
    assert "[address]" in text
    assert "\\x0d\\x0aServer" in text


def test_by_the_products_name_alone_nobody_is_told(lake: Lake, tmp_path: Path) -> None:
    finding = found("vulnerable-service", "198.51.100.9", {"vulnerability_count": 2, "product_only_count": 2})
    lake.put_findings([finding], [])
    (notice,) = plan(lake, configured(tmp_path), loaded(lake, tmp_path), now=NOW).notices
    assert [i.subject for i in notice.items] == [HOST]


@pytest.mark.parametrize(
    ("rows", "becomes"),
    [
        ([], NOTIFIED),  # nobody looked
        ([row("198.51.101.1", NOW + timedelta(days=2))], NOTIFIED),  # somebody looked elsewhere
        ([row(NEAR, NOW + timedelta(days=2), scanner="zgrab2")], NOTIFIED),  # another scanner
        ([row(NEAR, NOW + timedelta(days=2))], FIXED),  # the same scanner passed by
        ([row(HOST, NOW + timedelta(days=2), state="closed")], FIXED),
        ([row(HOST, NOW + timedelta(days=2), version="2.4.62", cpes=[])], FIXED),  # updated
        ([row(HOST, NOW + timedelta(days=2), port=8080)], FIXED),
        ([row(HOST, NOW + timedelta(days=2))], RECHECKED),  # still there, two days after
        ([row(HOST, NOW + timedelta(days=9))], PERSISTING),
        ([row(HOST, NOW - timedelta(days=1)), row(NEAR, NOW - timedelta(hours=1))], NOTIFIED),  # before it was told
    ],
)  # fmt: skip
def test_a_later_survey_tells(
    lake: Lake, told: State, tmp_path: Path, rows: list[dict[str, Any]], becomes: str
) -> None:
    if rows:
        store(lake, "services", rows)
    now = NOW + timedelta(days=10)
    told.notices.clock = lambda: now
    send(lake, configured(tmp_path), told, "test", now=now, folder=tmp_path / "out")
    assert [i.state for i in told.notices.items()] == [becomes]


def test_findings_of_the_analysers_are_told(tmp_path: Path) -> None:
    """What exposed-service and weak-credential leave as evidence has the facts a notice names."""
    from noroshi import config
    from noroshi.work.analyse import analyse

    lake = Lake.open(tmp_path / "lake")
    ts = SEEN
    rows = [
        row(HOST, ts, port=23, service="telnet", version=None, cpes=[], banner="BusyBox v1.2 login: "),
        row("198.51.100.8", ts, port=23, service="telnet", version=None, cpes=[], scanner="shadowserver:scan_telnet",
            banner="login: root\r\nPassword: root\r\n# ", tags=["telnet"]),
    ]  # fmt: skip
    store(lake, "services", rows)
    made = configured(tmp_path)
    own = made.path.read_text("utf-8").replace('"203.0.113.0/24"', '"198.51.100.0/24"') if made.path else ""
    (tmp_path / "noroshi.toml").write_text(own, "utf-8")
    made = config.load(tmp_path / "noroshi.toml")
    analyse(lake, config=made, names=["exposed-service", "weak-credential"])
    (notice,) = plan(lake, made, loaded(lake, tmp_path), now=NOW).notices
    kinds = {i.kind for i in notice.items}
    assert "exposed-service" in kinds
    for item in notice.items:
        assert item.facts, item
        assert item.rows, item
        assert item.detail["scanners"], item
        assert item.detail["ports"] == ["tcp/23"], item
    assert any(n.endswith("scan_telnet-Example_ISP.csv") for n in notice.files)
