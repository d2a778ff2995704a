"""Infected hosts: Mirai's mark, IoT ports without it, and who must not be named."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from noroshi.analyse.darknet.infected_host import InfectedHost
from noroshi.model.analyser import Scope
from noroshi.model.finding import Finding
from tests.analyse.darknet import captures
from tests.support.memory import MemoryQuery, flow, scope

NET = scope("192.0.2.0/24")


def run(rows: list[dict[str, Any]] | pa.Table, within: Scope = NET) -> list[Finding]:
    analyser = InfectedHost()
    return analyser.judge(analyser.reduce(MemoryQuery(rows), within), within)


def mirai(src: str, n: int, **more: Any) -> list[dict[str, Any]]:
    mark = {"dport": 23, "seq_is_dst": True, "tcp_options": "", "tool": "mirai"} | more
    return [flow(src, f"192.0.2.{i}", at=float(i), **mark) for i in range(1, n + 1)]


def iot(src: str, n: int, **more: Any) -> list[dict[str, Any]]:
    return [
        flow(src, f"192.0.2.{i}", at=float(i), **({"dport": 23, "seq_is_dst": False} | more))
        for i in range(1, n + 1)
    ]


def test_three_marked_rows() -> None:
    [found] = run(mirai("198.51.100.7", 3))
    assert found.subject.value == "198.51.100.7"
    assert (found.evidence["class"], found.evidence["mirai_packets"]) == ("mirai", 3)
    assert found.confidence == 92
    assert "感染ホスト" in found.summary["ja"]


def test_one_packet_is_never_listed() -> None:
    assert run(mirai("198.51.100.7", 1)) == []
    assert run(iot("198.51.100.7", 1)) == []


def test_the_mark_needs_a_second_trait() -> None:
    assert run(mirai("198.51.100.7", 5, dport=25, tcp_options="M")) == []
    assert len(run(mirai("198.51.100.7", 5, dport=25))) == 1  # no options
    assert len(run(mirai("198.51.100.7", 5, tcp_options="M"))) == 1  # telnet


def test_a_row_whose_packets_do_not_share_the_mark_does_not_count() -> None:
    assert run(mirai("198.51.100.7", 5, seq_is_dst=None, dport=25)) == []


def test_iot_ports_without_the_mark_are_their_own_class() -> None:
    [found] = run(iot("198.51.100.7", 2))
    assert (found.evidence["class"], found.confidence) == ("iot-without-mirai", 50)
    assert run(iot("198.51.100.7", 12))[0].confidence == 60
    assert "Miraiの特徴を持たない" in found.summary["ja"]


def test_web_ports_count_only_beside_others() -> None:
    assert run(iot("198.51.100.7", 20, dport=80)) == []
    assert run(iot("198.51.100.7", 20, dport=8080)) == []
    mixed = iot("198.51.100.7", 4, dport=37215) + iot("198.51.100.7", 20, dport=8080)
    assert run(mixed)[0].evidence["ports"] == ["tcp/8080", "tcp/37215"]


@pytest.mark.parametrize("tool", ["zmap-4-windows", "masscan-1.0", "nmap-syn"])
def test_tools_of_people_are_not_malware(tool: str) -> None:
    assert run(iot("198.51.100.7", 20, tool=tool)) == []


def test_tags_of_stacks_and_malware_do_not_clear() -> None:
    assert len(run(iot("198.51.100.7", 20, tool="stack-linux"))) == 1
    assert len(run(iot("198.51.100.7", 20, tool="hajime"))) == 1


def test_retransmissions_to_one_address_are_a_client() -> None:
    assert run([flow("198.51.100.7", "192.0.2.1", dport=23, count=4)]) == []


def test_general_scanners_are_not_bots() -> None:
    rows = iot("198.51.100.7", 4) + [flow("198.51.100.7", f"192.0.2.{i}", dport=i) for i in range(100, 120)]
    assert run(rows) == []


def test_investigation_scanners_are_taken_out() -> None:
    near = scope("192.0.2.0/24", options={"investigation": {"list_days": 10_000}})
    assert run(iot("71.6.146.185", 20), near) == []  # Shodan
    assert len(run(iot("71.6.146.185", 20))) == 1  # in 2024 the lists of 2026 do not hold


def test_own_hosts_are_marked_and_first() -> None:
    rows = mirai("198.51.100.7", 50) + iot("203.0.113.9", 3)
    found = run(rows, scope("192.0.2.0/24", own=("203.0.113.0/24", "2001:db8::/32")))
    assert [(f.subject.value, f.evidence["own"]) for f in found] == [
        ("203.0.113.9", True),
        ("198.51.100.7", False),
    ]
    assert found[0].confidence == 55
    assert "自組織" in found[0].summary["ja"]
    only = run(rows, scope("192.0.2.0/24", own=("203.0.113.0/24",), options={"max_findings": 1}))
    assert [f.subject.value for f in only] == ["203.0.113.9"]
    assert only[0].evidence["found_this_day"] == 2


def test_order_and_parts_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [r for h in range(30) for r in (mirai if h % 2 else iot)(f"198.51.100.{h}", 2 + h)]
    whole = run(rows)
    assert len(whole) == 30
    monkeypatch.setattr("noroshi.analyse.darknet.probe.ROWS_PER_PART", 40)
    assert run(rows[::-1]) == whole


def test_no_infected_host_in_tools_and_floods() -> None:
    for name in ("esnet_masscan_tcp_0_1000_20190821", "zmap_before_3.0", "ndpi_synscan", "ncsa_445_scan",
                 "stopddos_pkt.TCP.synflood.spoofed", "ncsa_backscatter_12h"):  # fmt: skip
        rows = captures.read(f"{name}.pcap")
        assert [f for d in captures.days(rows) for f in run(rows, scope(day=d))] == [], name


def test_a_zero_window_telnet_scan_is_iot_without_mirai() -> None:
    # ten SYNs, one of them from 10.0.0.1 to itself, which is tagged as forged
    rows = captures.read("ncsa_scan_with_zero_windows.pcap")
    own = ("10.0.0.0/24",)
    [found] = [f for d in captures.days(rows) for f in run(rows, scope(day=d, own=own))]
    assert "9 addresses" in found.summary["en"]  # without a telescope nothing is monitored
    # nobody routes 10.0.0.1: where it is no own network there is no host to name
    assert [f for d in captures.days(rows) for f in run(rows, scope(day=d))] == []
    assert (found.evidence["class"], found.evidence["iot_dst_ip_nunique"]) == ("iot-without-mirai", 9)


def test_a_web_scanner_that_also_tries_8081_is_not_infected() -> None:
    ports = (80, 443, 8080, 8443, 81, 8081, 88, 8081, 80, 8080)
    rows = [flow("198.51.100.7", f"192.0.2.{i}", at=float(i), dport=p) for i, p in enumerate(ports, 1)]
    assert run(rows) == []


def test_sources_nobody_routes_are_left_out_before_they_are_counted() -> None:
    rows = [*mirai("10.1.2.3", 9), *iot("192.168.0.9", 9), *mirai("198.51.100.7", 3)]
    [found] = run(rows)
    assert found.subject.value == "198.51.100.7"
    reduced = InfectedHost().reduce(MemoryQuery(rows), NET)
    assert reduced.qualified == 1
    within = scope("192.0.2.0/24", own=("10.1.0.0/16",))
    assert [f.subject.value for f in run(rows, within)] == ["10.1.2.3", "198.51.100.7"]
