"""misconfiguration on rows written by hand."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

from noroshi.analyse.darknet.misconfiguration import Misconfiguration
from noroshi.model.analyser import Scope
from noroshi.model.finding import Finding
from tests.support.darkdata import capture
from tests.support.flowpcap import rows
from tests.support.memory import MemoryQuery, flow, scope

NET = scope("192.0.2.0/24")
SRC = "203.0.113.5"


def found(flows: list[dict[str, Any]], where: Scope = NET) -> list[Finding]:
    analyser = Misconfiguration()
    return analyser.judge(analyser.reduce(MemoryQuery(flows), where), where)


def timer(count: int, *, every: float = 600.0, dst: str = "192.0.2.7", **more: Any) -> list[dict[str, Any]]:
    return [flow(more.get("src", SRC), dst, at=every * i - 40_000, dport=more.get("dport", 514), proto=17,
                 payload=more.get("payload", "other"), ip_len=120) for i in range(count)]  # fmt: skip


def test_three_rows_are_nothing() -> None:
    assert found(timer(3)) == []


def test_a_timer_to_one_address() -> None:
    (finding,) = found(timer(60))
    e = finding.evidence
    assert finding.subject.value == SRC
    assert (e["packets"], e["dst_ip_nunique"], e["dst_port"], e["protocol"], e["payload"]) == (
        60,
        1,
        514,
        "udp",
        "other",
    )
    assert (e["gap_s"], e["gap_cv"], e["hours"]) == (600.0, 0.0, 11)
    assert "every 10 min" in finding.summary["en"]
    assert "10分間隔" in finding.summary["ja"]


def test_irregular_short_or_wide_senders_are_not() -> None:
    rng = random.Random(4)
    irregular = [
        flow(SRC, "192.0.2.7", at=rng.choice([0.0, 20_000.0]) + rng.uniform(0, 900), dport=514)
        for _ in range(60)
    ]
    assert found(irregular) == []
    assert found(timer(60, every=61)) == []  # an hour, then gone
    wide = [flow(SRC, f"192.0.2.{i % 5}", at=600.0 * i - 40_000, dport=514) for i in range(60)]
    assert found(wide) == []


def test_typical_payloads_need_little_else() -> None:
    for payload in ("bittorrent-dht", "utp", "netbios-ns", "sip-status", "x31"):
        (finding,) = found(
            [flow(SRC, "192.0.2.7", proto=17, dport=137 + i, at=i, payload=payload) for i in range(6)]
        )
        assert finding.evidence["typical_payload"] is True
        assert finding.evidence["payload"] == payload
    assert found([flow(SRC, "192.0.2.7", proto=17, at=i, payload="x31") for i in range(4)]) == []
    assert found([flow(SRC, f"192.0.2.{i}", proto=17, at=i, payload="x31") for i in range(6)]) == []
    # An answer burst is reflection or backscatter; one that goes on is a wrong server.
    burst = [flow(SRC, "192.0.2.7", proto=17, sport=53, at=i, payload="dns-reply") for i in range(6)]
    assert found(burst) == []
    slow = [flow(SRC, "192.0.2.7", proto=17, sport=53, at=90 * i, payload="dns-reply") for i in range(6)]
    assert len(found(slow)) == 1


def test_backscatter_and_insiders_are_not_meant() -> None:
    replies = [
        flow(SRC, "192.0.2.7", at=600.0 * i - 40_000, sport=80, dport=3000, flags=18) for i in range(60)
    ]
    assert found(replies) == []
    assert found(timer(60, src="192.0.2.99")) == []


def test_a_tiny_telescope_trusts_typical_payloads_only() -> None:
    tiny = scope("192.0.2.7/32")
    assert found(timer(60), tiny) == []
    assert len(found(timer(60, payload="netbios-ns"), tiny)) == 1


def test_one_finding_per_source_whatever_the_order() -> None:
    flows = timer(60) + timer(50, dport=161) + timer(40, src="203.0.113.6", dst="192.0.2.8")
    first = found(flows)
    assert [(f.subject.value, f.evidence["packets"]) for f in first] == [(SRC, 110), ("203.0.113.6", 40)]
    assert first[0].evidence["services"] == ["udp/514 other=60", "udp/161 other=50"]
    random.Random(5).shuffle(flows)
    assert found(flows) == first
    assert found(flows, scope()) == []
    assert found(flows, scope("192.0.2.0/24", day=date(2024, 4, 2))) == []


def test_real_backscatter_has_none() -> None:
    flows = rows(capture("ncsa_backscatter_12h.pcap"))
    assert found(flows, scope("192.150.186.0/23", day=date(2009, 3, 15))) == []
