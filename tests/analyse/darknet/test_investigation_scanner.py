"""Investigation scanners: by rule, list, week and group."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from noroshi.analyse.darknet.investigation_scanner import InvestigationScanner, investigation_sources
from noroshi.model.analyser import Scope
from noroshi.model.finding import Finding
from tests.support.memory import DAY, MemoryQuery, flow, scope

SHODAN = "71.6.146.185"
"""On all three lists as Shodan's."""
NEAR = {"list_days": 10_000}
"""The rows by hand are of 2024, two years from the lists."""


def run(rows: list[dict[str, Any]], within: Scope) -> list[Finding]:
    analyser = InvestigationScanner()
    return analyser.judge(analyser.reduce(MemoryQuery(rows), within), within)


def survey(src: str, ports: int = 30, packets: int = 264, **more: Any) -> list[dict[str, Any]]:
    """`packets` SYNs of a source to 192.0.2.0/24 over `ports` ports."""
    return [flow(src, f"192.0.2.{i % 256}", at=i * 10.0, dport=1 + i % ports, **more) for i in range(packets)]


NET = scope("192.0.2.0/24", options=NEAR)


def test_three_rows_on_a_list() -> None:
    rows = [flow(SHODAN, f"192.0.2.{i}", dport=80) for i in (1, 2)] + [flow("198.51.100.1", "192.0.2.1")]
    [found] = run(rows, NET)
    assert (found.subject.value, found.evidence["organisation"]) == (SHODAN, "shodan")
    assert found.evidence["signs"] == ["list"]
    assert any(x.startswith("misp-warninglists") for x in found.evidence["lists"])
    assert "shodan" in found.summary["en"]
    assert "調査スキャン" in found.summary["ja"]


def test_one_packet_on_a_list_is_nothing() -> None:
    assert run([flow(SHODAN, "192.0.2.1")], NET) == []


def test_a_list_is_true_for_its_time() -> None:
    rows = [flow(SHODAN, f"192.0.2.{i}", dport=80) for i in (1, 2)]
    assert run(rows, scope("192.0.2.0/24")) == []  # 2024-04-01 is more than two years from August 2026
    shift = date(2026, 8, 1) - DAY
    moved = [r | {"first_seen": r["first_seen"] + shift, "last_seen": r["last_seen"] + shift} for r in rows]
    [found] = run(moved, scope("192.0.2.0/24", day=date(2026, 8, 1)))
    assert found.confidence == 90
    assert found.evidence["list_days_apart"] <= 90
    assert run(rows, NET)[0].confidence == 60


def test_the_rule_is_per_monitored_address() -> None:
    # 1.03 x 256 = 263.7 packets, 30 ports
    [found] = run(survey("198.51.100.7"), NET)
    assert found.evidence["signs"] == ["rule"]
    assert found.evidence["packets_per_address"] == pytest.approx(1.03, abs=0.01)
    assert all("rule" not in f.evidence["signs"] for f in run(survey("198.51.100.7", packets=263), NET))
    assert all("rule" not in f.evidence["signs"] for f in run(survey("198.51.100.7", ports=29), NET))
    half = scope("192.0.2.0/24", size=128.0)
    assert run(survey("198.51.100.7", packets=132), half)[0].evidence["signs"] == ["rule"]


def test_thresholds_are_options() -> None:
    within = scope("192.0.2.0/24", options={"min_ports": 5, "min_packets_per_address": 0.1})
    assert run(survey("198.51.100.7", ports=5, packets=26), within)[0].evidence["min_ports"] == 5


def test_without_a_telescope_only_lists() -> None:
    analyser, within = InvestigationScanner(), scope(options=NEAR)
    reduced = analyser.reduce(MemoryQuery(survey("198.51.100.7") + survey(SHODAN, packets=3)), within)
    assert [f.subject.value for f in analyser.judge(reduced, within)] == [SHODAN]
    assert reduced.notes


def test_slow_over_a_week() -> None:
    # 5 ports a day on 20 addresses a day: never the rule, but 35 ports on 140 addresses in 7 days
    rows = [
        flow("198.51.100.7", f"192.0.2.{d * 20 + i}", at=-86_400.0 * d, dport=d * 5 + i % 5 + 1)
        for d in range(7) for i in range(20)
    ]  # fmt: skip
    [found] = run(rows, NET)
    assert found.evidence["signs"] == ["slow"]
    assert found.evidence["week_dst_port_nunique"] == 35
    assert found.evidence["week_dst_ip_nunique"] == 140
    assert found.evidence["packet_count"] == 20
    assert found.first_seen.date() == DAY
    assert run(rows[:100], NET) == []  # five days of them
    assert run(rows, scope("192.0.2.0/24", day=DAY + timedelta(days=1))) == []  # silent on that day


def test_a_group_in_one_24() -> None:
    rows = [r for h in range(1, 6) for r in survey(f"198.51.100.{h}", packets=60, tool="zmap-3")]
    [found] = run(rows, NET)
    assert (found.subject.kind, found.subject.value) == ("prefix", "198.51.100.0/24")
    assert found.evidence["hosts"] == 5
    assert found.evidence["common_trait"] == "zmap-3"
    assert found.evidence["packet_count"] == 300
    # not with five different tools, not with ports nobody shares, not with two hosts
    mixed = [r | {"tool": f"t{r['src_ip'][-1]}"} for r in rows]
    assert run(mixed, NET) == []
    apart = [r | {"dst_port": r["dst_port"] + 1000 * r["src_ip"][-1]} for r in rows]
    assert run(apart, NET) == []
    # two hosts are no group, and on 100 addresses each is not slow either
    few = [r for r in rows if r["src_ip"][-1] < 3]
    assert run(few + [r | {"offset": 25} for r in few] * 2, NET) == []


def test_what_is_not_listed_is_counted() -> None:
    rows = [r for h in (1, 2, 3) for r in survey(f"198.51.{h}.1", packets=300 + h)]
    analyser, within = InvestigationScanner(), scope("192.0.2.0/24", options={"max_findings": 1})
    reduced = analyser.reduce(MemoryQuery(rows), within)
    [found] = analyser.judge(reduced, within)
    assert found.subject.value == "198.51.3.1"
    assert (found.evidence["found_this_day"], found.evidence["listed_this_day"]) == (3, 1)
    assert (reduced.qualified_packets, reduced.probe_packets) == (906, 906)


def test_order_and_parts_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [r for h in range(1, 9) for r in survey(f"198.51.{h}.1", packets=300)] + survey(SHODAN, packets=3)
    whole = run(rows, NET)
    sources = investigation_sources(MemoryQuery(rows), NET)
    assert len(whole) == len(sources) == 9
    monkeypatch.setattr("noroshi.analyse.darknet.probe.ROWS_PER_PART", 500)
    assert run(rows[::-1], NET) == whole
    assert investigation_sources(MemoryQuery(rows), NET) == sources
