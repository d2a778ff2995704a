"""inside-talker on rows written by hand, then on the 183 talkers of the real trace."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

from noroshi.analyse.darknet.inside_talker import InsideTalker
from noroshi.model.analyser import Scope
from noroshi.model.finding import Finding
from tests.support.darkdata import capture
from tests.support.flowpcap import rows
from tests.support.memory import MemoryQuery, flow, scope

NET = scope("192.0.2.0/24", "2001:db8:42::/48", size=254.0)


def found(flows: list[dict[str, Any]], where: Scope = NET) -> list[Finding]:
    analyser = InsideTalker()
    return analyser.judge(analyser.reduce(MemoryQuery(flows), where), where)


def test_three_rows() -> None:
    flows = [
        flow("198.51.100.7", "192.0.2.1", dport=23),
        flow("192.0.2.1", "198.51.100.7", sport=23, dport=40000, flags=20, count=2, at=1),
        flow("192.0.2.9", "203.0.113.1", dport=443, at=2),
    ]
    one, nine = found(flows)
    assert (one.subject.value, one.evidence["role"], one.evidence["packets"]) == ("192.0.2.1", "answers", 2)
    assert one.evidence["packets_by_kind"] == ["rst=2"]
    assert one.evidence["src_port"] == 23
    assert (nine.subject.value, nine.evidence["role"]) == ("192.0.2.9", "talks")
    assert nine.evidence["dst_port"] == 443
    assert (one.evidence["size_nominal"], one.evidence["size_effective"], one.evidence["inside_talkers"]) == (
        256,
        254.0,
        2,
    )
    assert "実効観測規模" in one.summary["ja"]


def test_every_kind_of_talk_has_its_name() -> None:
    src = "192.0.2.1"
    flows = [
        flow(src, "203.0.113.1", flags=2), flow(src, "203.0.113.1", flags=18),
        flow(src, "203.0.113.1", flags=4), flow(src, "203.0.113.1", flags=16),
        flow(src, "203.0.113.1", proto=17, sport=123),
        flow(src, "203.0.113.1", proto=1, sport=3), flow(src, "203.0.113.1", proto=1, sport=0),
        flow(src, "203.0.113.1", proto=1, sport=8), flow(src, "203.0.113.1", proto=47),
    ]  # fmt: skip
    (finding,) = found(flows)
    assert finding.evidence["packets_by_kind"] == [
        "syn=1", "syn_ack=1", "rst=1", "other_tcp=1", "udp=1", "icmp_error=1", "icmp_reply=1",
        "icmp=1", "other=1",
    ]  # fmt: skip


def test_addresses_forged_from_outside_are_told_apart() -> None:
    flows = [flow("192.0.2.5", f"192.0.2.{i}", dport=445, ttl=30 + i) for i in range(10, 30)]
    (finding,) = found(flows)
    assert (finding.evidence["role"], finding.confidence) == ("forged", 60)
    assert "詐称" in finding.summary["ja"]
    (neighbour,) = found([row | {"ttl": 64} for row in flows])
    assert neighbour.evidence["role"] == "talks"


def test_ipv6_talkers_take_nothing_from_the_ipv4_size() -> None:
    (finding,) = found([flow("2001:db8:42::1", "2001:db8:1::1", proto=58, sport=129)])
    assert (finding.evidence["role"], finding.evidence["size_share"], finding.evidence["inside_talkers"]) == (
        "answers",
        0.0,
        0,
    )


def test_order_telescope_and_day() -> None:
    flows = [flow(f"192.0.2.{i % 7}", "203.0.113.1", at=i, count=i) for i in range(1, 60)]
    first = found(flows)
    random.Random(2).shuffle(flows)
    assert found(flows) == first
    assert found(flows, scope()) == []
    assert found(flows, scope("192.0.2.0/24", day=date(2024, 4, 2))) == []


def test_real_trace() -> None:
    flows = rows(capture("ncsa_backscatter_12h.pcap"))
    findings = found(flows, scope("192.150.186.0/23", day=date(2009, 3, 15), size=329.0))
    assert len(findings) == 183
    assert {f.evidence["role"] for f in findings} <= {"answers", "talks"}
    assert sum(f.evidence["packets"] for f in findings) == 2986 - 2167
    assert findings[0].evidence["size_lost_share"] == round(183 / 512, 6)
