"""Items and operators written by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from noroshi.model.tlp import Tlp
from noroshi.share.notify.compose import Sender
from noroshi.share.notify.items import Item, Row
from noroshi.share.notify.operators import Operator

SEEN = datetime(2026, 11, 18, 3, 4, 5, 678901, tzinfo=UTC)
SENDER = Sender("notices@cert.example", "Example CERT", "reply@cert.example", "https://cert.example")


def operator(**more: Any) -> Operator:
    """An operator with one network."""
    given: dict[str, Any] = {
        "name": "Example ISP", "mails": ("abuse@isp.example",), "lang": "en", "format": "csv", "recipient": "",
        "networks": ("198.51.100.0/24",),
    }  # fmt: skip
    return Operator(**(given | more))


def item(kind: str = "infected-host", subject: str = "198.51.100.7", **more: Any) -> Item:
    """An item with one row of evidence."""
    given: dict[str, Any] = {
        "operator": "Example ISP", "network": "198.51.100.0/24", "first_seen": SEEN, "last_seen": SEEN,
        "confidence": 80, "tlp": Tlp.AMBER, "findings": ("b8f8cd89-2def-5ea3-ac36-e683bb72216f",), "facts": {},
        "rows": (Row(SEEN, subject, "tcp", 40000, 23, 2, "mirai", "", "darknet"),), "asn": "AS64500", "country": "JP",
    }  # fmt: skip
    return Item(kind=kind, subject=subject, **(given | more))


def service(kind: str, **more: Any) -> Item:
    """An item of a service."""
    rows = (Row(SEEN, "198.51.100.7", "tcp", 23, None, None, "telnet", "login:", "survey"),)
    return item(kind, **({"rows": rows} | more))


def one_of_each() -> list[Item]:
    """One of every kind, with every fact."""
    return [
        item(facts={"class": "mirai", "packet_count": 41, "ports": ["tcp/23"], "services": ["telnet"], "tools": ["m"]}),
        item("decoy-intrusion", facts={"sessions": 3, "logins": 9, "login_successes": 1, "commands": 4,
             "transfers": 0, "services": ["ssh"]},
             rows=(Row(SEEN, "198.51.100.7", "tcp", 60000, 22, None, "ssh", "", "decoy"),)),
        service("weak-credential", facts={"entries": [{"service": "telnet", "port": "tcp/23", "reason": "default login",
                "reason_ja": "初期パスワード"}], "ports": ["tcp/23"], "products": ["Router X"]}),
        service("vulnerable-service", facts={"vulnerabilities": [{"id": "CVE-2021-41773", "port": "tcp/80", "kev": True,
                "version": "2.4.49", "fixed_version": "2.4.51", "cvss": 7.5, "epss": 0.9}], "ports": ["tcp/80"]}),
        service("exposed-service", facts={"exposed": [{"service": "telnet", "port": "tcp/23", "severity": "high",
                "reason": "plain text", "reason_ja": "平文です"}], "ports": ["tcp/23"]}),
        item("dos-victim", facts={"vector": "syn-ack", "protocol": "tcp", "ports": ["tcp/80"], "duration_s": 60.0,
             "rate_pps": 12345.0}),
    ]  # fmt: skip
