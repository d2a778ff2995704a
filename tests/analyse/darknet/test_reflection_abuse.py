"""reflection-abuse on rows written by hand, then on real reflection attacks."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import pytest

from noroshi.analyse.darknet.reflection_abuse import MIN_REFLECTORS, ReflectionAbuse
from noroshi.model.analyser import Scope
from noroshi.model.finding import Finding
from tests.support.darkdata import capture
from tests.support.flowpcap import rows
from tests.support.memory import MemoryQuery, flow, scope

NET = scope("192.0.2.0/24")


def found(flows: list[dict[str, Any]], where: Scope = NET) -> list[Finding]:
    analyser = ReflectionAbuse()
    return analyser.judge(analyser.reduce(MemoryQuery(flows), where), where)


def answers(count: int, *, dst: str = "192.0.2.10", port: int = 443, **more: Any) -> list[dict[str, Any]]:
    udp = more.get("proto") == 17
    return [
        flow(
            f"203.0.{i // 200}.{i % 200 + 1}",
            dst,
            sport=port,
            dport=80,
            at=i,
            flags=0 if udp else 18,
            count=2,
            **more,
        )
        for i in range(count)
    ]


def test_three_rows_are_nothing() -> None:
    assert found(answers(3)) == []


def test_many_servers_answering_one_address() -> None:
    (finding,) = found(answers(120))
    e = finding.evidence
    assert finding.subject.value == "192.0.2.10"
    assert (e["reflectors"], e["packets"], e["vectors"], e["ports"]) == (
        120,
        240,
        ["tcp/syn-ack"],
        ["tcp/443"],
    )
    assert e["mean_pps"] == pytest.approx(240 / 119, rel=1e-4)
    assert "リフレクション攻撃" in finding.summary["ja"]
    assert found(answers(MIN_REFLECTORS - 1)) == []


def test_udp_amplifiers_and_two_vectors_are_one_finding() -> None:
    flows = answers(60, proto=17, port=123, payload="ntp-reply") + answers(
        40, proto=17, port=389, payload="cldap-reply"
    )
    (finding,) = found(flows)
    assert finding.evidence["vectors"] == ["udp/ntp", "udp/cldap"]
    assert finding.evidence["reflectors"] == 60
    assert finding.evidence["packets"] == 200


def test_scanners_of_amplifier_ports_and_queries_are_not_meant() -> None:
    sweep = [
        flow("203.0.113.9", f"192.0.2.{i}", proto=17, sport=53, dport=53, payload="dns-query")
        for i in range(250)
    ]
    assert found(sweep) == []
    many = [
        flow(f"203.0.113.{i}", "192.0.2.10", proto=17, sport=40000, dport=123, payload="ntp-query", count=5)
        for i in range(200)
    ]
    assert found(many) == []
    assert found([r | {"src_port": 123} for r in many]) == []


def test_backscatter_is_not_meant() -> None:
    spread = [
        flow(f"203.0.113.{v}", f"192.0.2.{i}", sport=80, dport=i + 1000, flags=18, count=3)
        for v in range(1, 20)
        for i in range(200)
    ]
    assert found(spread) == []


def test_a_host_that_asked_is_not_attacked() -> None:
    asked = [flow("192.0.2.10", f"203.0.0.{i + 1}", dport=443, at=i) for i in range(120)]
    assert found(answers(120) + asked) == []
    reset = [row | {"tcp_flags": 4} for row in asked]
    assert len(found(answers(120) + reset)) == 1


def test_a_busy_hour_is_needed() -> None:
    slow = [
        row | {name: row[name].replace(hour=i % 24) for name in ("first_seen", "last_seen")}
        for i, row in enumerate(answers(240))
    ]
    assert found(slow) == []


def test_strays_of_another_hour_do_not_stretch_the_attack() -> None:
    strays = [
        row | {name: row[name].replace(hour=18) for name in ("first_seen", "last_seen")} for row in answers(1)
    ]
    (finding,) = found(answers(120) + strays)
    assert finding.evidence["duration_s"] == 119.0
    assert finding.evidence["packets"] == 240


def test_order_telescope_and_day() -> None:
    flows = answers(100) + answers(80, dst="192.0.2.11", proto=17, port=53, payload="dns-reply")
    first = found(flows)
    random.Random(3).shuffle(flows)
    assert found(flows) == first
    assert [f.subject.value for f in first] == ["192.0.2.10", "192.0.2.11"]
    assert found(flows, scope()) == []
    assert found(flows, scope("192.0.2.0/24", day=date(2024, 4, 2))) == []


@pytest.mark.parametrize("prefix", ["10.10.10.0/24", "10.10.10.10/32"])
@pytest.mark.parametrize(
    ("name", "day", "vector", "reflectors"),
    [
        ("stopddos_amp.TCP.reflection.SYNACK.pcap", date(2021, 6, 5), "tcp/syn-ack", 6_900),
        ("stopddos_amp.UDP.snmp.src161.pcapng", date(2021, 5, 15), "udp/snmp", 4_000),
    ],
)
def test_real_reflection(name: str, day: date, vector: str, reflectors: int, prefix: str) -> None:
    (finding,) = found(rows(capture(name)), scope(prefix, day=day))
    assert finding.subject.value == "10.10.10.10"
    assert finding.evidence["vectors"][0] == vector
    assert finding.evidence["reflectors"] > reflectors
    assert finding.confidence == 95


def test_real_backscatter_is_none() -> None:
    flows = rows(capture("ncsa_backscatter_12h.pcap"))
    assert found(flows, scope("192.150.186.0/23", day=date(2009, 3, 15))) == []
    # Seen from the victim's side, the resets it drew are answers to what it sent.
    assert found(flows, scope("202.229.120.98/32", day=date(2009, 3, 15))) == []
