"""Logins that worked on own devices, on texts as scripts print them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noroshi.analyse.exposure.rules import logins
from noroshi.lake.handle import Lake
from tests.analyse.cross.support import judge, one
from tests.ask.support import SERVER, at, batch, store

OWN = ("198.51.100.0/24",)
TELNET = ("telnet-brute: Accounts: \n    admin:Secr3t-word - Valid credentials\n    root:other - Valid credentials\n"
          "  Statistics: Performed 12 guesses in 4 seconds")  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def seen(text: str | None, days: float = 28, **more: Any) -> dict[str, Any]:
    return {"ts": at(days=days), "ip": SERVER, "port": 23, "protocol": 6, "state": "open", "service": "telnet",
            "banner": text, "scanner": "nmap"} | more  # fmt: skip


def survey(lake: Lake, *rows: dict[str, Any], name: str = "survey") -> None:
    store(lake, name, batch("services", *rows))


def test_a_script_that_was_let_in(lake: Lake) -> None:
    survey(lake, seen(f"BusyBox login:\n{TELNET}"))
    found = one(lake, "weak-credential", own=OWN)
    assert (found.kind, found.subject.value) == ("weak-credential", SERVER)
    assert found.confidence >= 85
    (told,) = found.evidence["logins"]
    assert (told["how"], told["port"], told["accounts"]) == ("guessed", "tcp/23", ["admin", "root"])
    # what was typed stands nowhere in it
    assert "Secr3t" not in repr(found)
    assert "tcp/23" in found.summary["en"]


@pytest.mark.parametrize(
    ("text", "how", "accounts"),
    [
        ("http-default-accounts: [Cacti] at /\n    admin:Secr3t\n  [Nagios] at /nagios/\n    nagiosadmin:Secr3t",
         "default", ["admin", "nagiosadmin"]),
        ("mysql-empty-password: anonymous account has empty password\n  root account has empty password", "empty",
         ["anonymous", "root"]),
        ("ms-sql-empty-password: [198.51.100.80:1433]\n    sa:<empty> => Login Success", "empty", ["sa"]),
        ("ftp-anon: Anonymous FTP login allowed (FTP code 230)", "anonymous", []),
        ("x11-access: X server access is granted", "anonymous", []),
        ("vnc-info: Protocol version: 3.8\n  Security types: \n    None (1)", "empty", []),
        ("snmp-brute: public - Valid credentials", "guessed", ["public"]),
    ],
)  # fmt: skip
def test_scripts(lake: Lake, text: str, how: str, accounts: list[str]) -> None:
    survey(lake, seen(text))
    found = one(lake, "weak-credential", own=OWN)
    (told,) = found.evidence["logins"]
    assert (told["how"], told["accounts"]) == (how, accounts)
    assert "Secr3t" not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "login: Valid credentials are needed",
        "telnet-brute: Accounts: No valid accounts found\n  Statistics: Performed 12 guesses",
        "http-title: admin - Valid credentials",
        "vnc-info: Security types: \n    VNC Authentication (2)",
        "ssh-auth-methods: Supported authentication methods: \n    password",
        "http-default-accounts: ERROR: no fingerprints",
    ],
)
def test_what_is_no_login(lake: Lake, text: str | None) -> None:
    survey(lake, seen(text))
    assert judge(lake, "weak-credential", own=OWN) == []


def test_reports_and_tags(lake: Lake) -> None:
    survey(lake, seen(None, port=1883, service="mqtt", scanner="shadowserver:scan_mqtt_anon"))
    store(lake, "events", batch("events", {
        "ts": at(days=27), "feed": "isp-survey", "ip": SERVER, "port": 80, "protocol": 6, "tags": ["Default-Login"],
    }))  # fmt: skip
    found = one(lake, "weak-credential", own=OWN)
    assert found.evidence["sources"] == ["isp-survey", "shadowserver:scan_mqtt_anon"]
    assert found.confidence > 90


def test_vnc_by_its_banner_and_only_for_vnc(lake: Lake) -> None:
    survey(lake, seen("RFB 003.008\nAuthentication disabled", service="vnc", port=5900, scanner="shodan"),
           seen("Authentication disabled", service="http", ip="198.51.100.81"))  # fmt: skip
    assert one(lake, "weak-credential", own=OWN).subject.value == SERVER


def test_the_password_was_changed(lake: Lake) -> None:
    survey(lake, seen(TELNET, days=20))
    assert one(lake, "weak-credential", own=OWN)
    survey(lake, seen("telnet-brute: Accounts: No valid accounts found", days=27), name="later")
    assert judge(lake, "weak-credential", own=OWN) == []


def test_what_decoys_are_asked_is_no_evidence(lake: Lake) -> None:
    survey(lake, seen("login:"))
    store(lake, "decoy", batch("logins", {
        "ts": at(days=28), "src_ip": SERVER, "dst_ip": SERVER, "username": "admin",
        "password": "admin", "success": True,
    }))  # fmt: skip
    assert judge(lake, "weak-credential", own=OWN) == []


def test_only_own_and_not_for_ever(lake: Lake) -> None:
    survey(lake, seen(TELNET, ip="203.0.113.5"), seen(TELNET, days=1))
    old = one(lake, "weak-credential", own=OWN, half_days=20)
    assert old.subject.value == SERVER
    assert old.confidence == 45
    assert judge(lake, "weak-credential", own=OWN, max_age_days=7) == []


def test_the_table() -> None:
    for rule in logins()[1]:
        assert rule.how in ("default", "guessed", "empty", "anonymous")
        assert 0 < rule.claim < 1
        assert rule.label["en"]
        assert rule.label["ja"]
        assert rule.scripts or rule.reports or rule.tags or rule.services
        assert not (rule.scripts or rule.services) or rule.says
