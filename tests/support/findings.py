"""Findings written by hand, for what reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.tlp import Tlp

NOON = datetime(2024, 4, 1, 12, 0, 0, 123456, tzinfo=UTC)


def finding(
    kind: str = "scanner", value: str = "198.51.100.7", *, tlp: str = "clear", **more: Any
) -> Finding:
    """A finding on 2024-04-01; the kind of its subject is guessed from `value`."""
    subject_kind = "prefix" if "/" in value and value[0] in "0123456789abcdef" else "ip"
    if value.startswith(("tcp/", "udp/")):
        subject_kind = "port"
    if value.startswith("AS"):
        subject_kind = "asn"
    given: dict[str, Any] = {
        "first_seen": NOON, "last_seen": NOON + timedelta(hours=2), "confidence": 80,
        "summary": {"en": f"{value} did it.", "ja": f"{value} による。"},
        "evidence": {"packets": 300, "ports": [23, 2323]}, "scope": "campus",
        "modified": datetime(2026, 11, 20, tzinfo=UTC), "rule": Rule(kind, 1),
    }  # fmt: skip
    return Finding(kind=kind, subject=Subject(subject_kind, value), tlp=Tlp(tlp), **(given | more))


def one_of_each() -> list[Finding]:
    """A finding of each kind this release makes, over all markings and kinds of subject."""
    return [
        finding("scanner", "198.51.100.7"),
        finding("scanner", "2001:db8::/48", tlp="amber+strict"),
        finding("investigation-scanner", "192.0.2.4", tlp="amber"),
        finding("infected-host", "2001:db8::1", tlp="green"),
        finding(
            "dos-victim",
            "192.0.2.4",
            evidence={"packets": 9, "src_port": 80, "dst_port": 1024, "protocol": "tcp"},
        ),
        finding("reflection-abuse", "192.0.2.9"),
        finding("misconfiguration", "192.0.2.77", evidence={"q": 0.1, "a b": {"n": None, "x": float("nan")}}),
        finding("inside-talker", "AS64500"),
        finding("port-surge", "tcp/23"),
    ]
