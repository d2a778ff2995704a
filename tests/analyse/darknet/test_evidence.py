"""What all findings of these analysers share: plain JSON, both languages, counts that are whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from noroshi import registry
from noroshi.analyse.darknet.dos_victim import floor_pps
from noroshi.model.errors import ConfigError
from noroshi.model.finding import KINDS
from tests.support.memory import MemoryQuery, flow, scope


def day() -> list[dict[str, Any]]:
    """Something for each of the four analysers."""
    victim = [
        flow("203.0.113.80", f"192.0.2.{i}", at=i, sport=80, dport=1000 + i, flags=18, ack=77 * i, seq=i)
        for i in range(1, 40)
    ]
    reflected = [
        flow(f"198.51.100.{i}", "192.0.2.200", at=i, sport=123, proto=17, payload="ntp-reply", count=9)
        for i in range(1, 60)
    ]
    stale = [
        flow("203.0.113.5", "192.0.2.7", at=600 * i - 40_000, dport=514, proto=17, payload="other")
        for i in range(60)
    ]
    return victim + reflected + stale + [flow("192.0.2.99", "203.0.113.1", at=5, flags=4, count=3)]


@pytest.mark.parametrize("name", ["dos-victim", "reflection-abuse", "misconfiguration", "inside-talker"])
def test_findings_are_plain_json_in_both_languages(name: str) -> None:
    analyser, where = registry.analyser(name), scope("192.0.2.0/24")
    reduced = analyser.reduce(MemoryQuery(day()), where)
    (finding,) = analyser.judge(reduced, where)
    assert finding.kind == name == analyser.name
    assert finding.kind in KINDS
    assert json.loads(json.dumps(finding.to_json(), allow_nan=False)) == finding.to_json()
    assert set(finding.summary) == {"en", "ja"}
    assert finding.subject.value in finding.summary["en"]
    assert finding.subject.value in finding.summary["ja"]
    assert finding.summary["en"].endswith(".")
    assert finding.summary["ja"].endswith("。")
    assert finding.scope == "test"
    assert analyser.needs_telescope
    assert analyser.judge(reduced, where) == [finding]


def test_thresholds_are_options() -> None:
    def count(name: str, **options: float) -> int:
        analyser, where = registry.analyser(name), scope("192.0.2.0/24", options=options)
        return len(analyser.judge(analyser.reduce(MemoryQuery(day()), where), where))

    assert count("dos-victim", min_replies=40) == 0
    assert count("dos-victim", min_dst=40) == 0
    assert floor_pps(scope("192.0.2.0/24", options={"min_replies": 40})) > floor_pps(scope("192.0.2.0/24"))
    assert count("reflection-abuse", min_reflectors=60) == 0
    assert count("reflection-abuse", min_packets=600) == 0
    assert count("misconfiguration", min_packets=61) == count("misconfiguration", min_hours=12) == 0
    with pytest.raises(ConfigError, match="min_dst"):
        count("dos-victim", min_dst=-1)
