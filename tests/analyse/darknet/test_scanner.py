"""Scanner: three rows by hand, then captures with known answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from noroshi.analyse.darknet.scanner import Reduced, Scanner, Source, main_tool
from noroshi.model.analyser import Scope
from noroshi.model.errors import ConfigError
from noroshi.model.finding import Finding
from tests.analyse.darknet import captures
from tests.support.memory import NOON, MemoryQuery, flow, scope


def run(rows: list[dict[str, Any]] | pa.Table, within: Scope) -> list[Finding]:
    analyser = Scanner()
    return analyser.judge(analyser.reduce(MemoryQuery(rows), within), within)


def sweep(src: str, n: int, **more: Any) -> list[dict[str, Any]]:
    return [flow(src, f"192.0.2.{i}", at=float(i), **{"dport": 23, **more}) for i in range(n)]


def test_three_addresses_of_a_small_telescope_are_a_scan() -> None:
    # 192.0.2.0/28: 5 % of 16 addresses is one, the floor is three
    rows = [flow("198.51.100.7", f"192.0.2.{i}", at=float(i), dport=23) for i in (1, 2, 3)]
    [found] = run(rows, scope("192.0.2.0/28"))
    assert (found.subject.kind, found.subject.value) == ("ip", "198.51.100.7")
    assert found.evidence["scan"] == "horizontal"
    assert found.evidence["coverage"] == round(3 / 16, 4)
    assert found.evidence["small"] is False
    assert found.first_seen == NOON + timedelta(seconds=1)
    assert "23/TCP" in found.summary["ja"]
    assert "tcp/23" in found.summary["en"]
    assert found.summary["ja"].startswith(
        "198.51.100.7が観測アドレス3件に対して宛先ポート23/TCPの水平スキャンを行った"
    )


def test_below_ten_destinations_is_no_scan_on_a_24() -> None:
    assert run(sweep("198.51.100.7", 9), scope("192.0.2.0/24")) == []
    assert len(run(sweep("198.51.100.7", 10), scope("192.0.2.0/24"))) == 1


def test_one_packet_sources_are_never_listed() -> None:
    rows = [flow(f"198.51.100.{i}", "192.0.2.1", dport=23) for i in range(200)]
    assert run(rows, scope("192.0.2.0/30")) == []


def test_vertical_needs_no_telescope_and_says_so() -> None:
    rows = [flow("198.51.100.7", "192.0.2.1", dport=p) for p in range(1, 31)]
    analyser = Scanner()
    reduced = analyser.reduce(MemoryQuery(rows), scope())
    [found] = analyser.judge(reduced, scope())
    assert found.evidence["scan"] == "vertical"
    assert found.evidence["max_ports_per_dst"] == 30
    assert "coverage" not in found.evidence
    assert "global_pps" not in found.evidence
    assert reduced.notes


def test_block_is_many_addresses_and_many_ports() -> None:
    rows = [flow("198.51.100.7", f"192.0.2.{i}", dport=p) for i in range(12) for p in range(1, 12)]
    [found] = run(rows, scope("192.0.2.0/24"))
    assert found.evidence["scan"] == "block"
    assert found.evidence["dst_port_nunique"] == 11


@pytest.mark.parametrize(
    "more",
    [
        {"flags": 18, "class": "backscatter"}, {"flags": 4, "class": "backscatter"},
        {"proto": 17, "class": "reflection"}, {"proto": 1, "sport": 3, "class": "backscatter"},
    ],
)  # fmt: skip
def test_replies_and_forgeries_are_no_probes(more: dict[str, Any]) -> None:
    assert run(sweep("198.51.100.7", 40, **more), scope("192.0.2.0/24")) == []


def test_a_source_nobody_routes_is_listed_with_little_confidence() -> None:
    [found] = run(sweep("10.1.2.3", 20, **{"class": "spoofed"}), scope("192.0.2.0/24"))
    assert found.confidence == 40


def test_udp_and_ping_are_probes_of_lower_confidence() -> None:
    tcp = run(sweep("198.51.100.7", 20), scope("192.0.2.0/24"))[0]
    udp = run(sweep("198.51.100.7", 20, proto=17, dport=5060), scope("192.0.2.0/24"))[0]
    ping = run(sweep("198.51.100.7", 20, proto=1, sport=8, dport=0), scope("192.0.2.0/24"))[0]
    assert udp.confidence == ping.confidence < tcp.confidence
    assert ping.evidence["top_ports"][0]["port"] == "icmp"
    assert ping.evidence["dst_port_nunique"] == 0


def test_ecn_syn_is_a_probe_and_an_inside_source_is_not() -> None:
    assert len(run(sweep("198.51.100.7", 20, flags=2 + 64 + 128), scope("192.0.2.0/24"))) == 1
    assert run(sweep("192.0.2.250", 20), scope("192.0.2.0/24")) == []


def test_inside_talkers_are_no_dark_destinations() -> None:
    from noroshi.model import address

    talkers = tuple(address.pack(f"192.0.2.{i}") for i in range(15))
    assert run(sweep("198.51.100.7", 20), scope("192.0.2.0/24", inside=talkers)) == []


def test_ipv6_sources_are_counted_per_64() -> None:
    rows = [flow(f"2001:db8:1:2::{i + 1:x}", f"2001:db8:42::{i + 1:x}", dport=80) for i in range(12)]
    [found] = run(rows, scope("192.0.2.0/24", "2001:db8:42::/48"))
    assert (found.subject.kind, found.subject.value) == ("prefix", "2001:db8:1:2::/64")
    assert found.evidence["coverage"] == 0.0  # IPv6 divides by nothing
    assert "global_pps" not in found.evidence
    [one] = run([r | {"src_ip": rows[0]["src_ip"]} for r in rows], scope("2001:db8:42::/48"))
    assert (one.subject.kind, one.subject.value) == ("ip", "2001:db8:1:2::1")


def test_rate_is_n_over_qt_with_its_interval() -> None:
    # 101 probes in 100 s at a /24: 100 intervals of 1 s, so 1 packet/s on 256 of 2^32 addresses
    [found] = run(
        [flow("198.51.100.7", f"192.0.2.{i}", at=float(i), dport=23) for i in range(101)],
        scope("192.0.2.0/24"),
    )
    assert found.evidence["global_pps"] == pytest.approx(2**32 / 256, rel=0.01)
    assert found.evidence["global_pps_low"] == pytest.approx(81.36 / 100 * 2**32 / 256, rel=0.01)  # Garwood
    assert found.evidence["global_pps_high"] == pytest.approx(121.63 / 100 * 2**32 / 256, rel=0.01)


def test_interval_holds_the_true_rate() -> None:
    """600 scans of known speed: the 95 % interval holds it in 95 % of them, or a little more."""
    import numpy as np

    rng, within = np.random.default_rng(20), scope("192.0.0.0/20")
    pps, held = 20_000.0, 0
    for _ in range(600):
        gaps = rng.exponential(1.0 / (pps * within.q), size=rng.integers(12, 60))
        source = Source(
            b"\x04\xc63d\x07", b"\x04\xc63d\x07", len(gaps) + 1, len(gaps), len(gaps), 1, 1, NOON, NOON,
            1, float(gaps.sum()), len(gaps), (), ((6, 23, len(gaps) + 1, len(gaps)),),
        )  # fmt: skip
        [found] = Scanner().judge(Reduced((source,), 1, 1), within)
        held += found.evidence["global_pps_low"] <= pps <= found.evidence["global_pps_high"]
    assert 0.93 <= held / 600 <= 0.99


def test_sessions_are_cut_at_the_timeout_of_the_size() -> None:
    # a /8 has a timeout of 60 s: three bursts half an hour apart are three sessions
    rows = [
        flow("198.51.100.7", f"10.{b}.0.{i}", at=b * 1800.0 + i, dport=22)
        for b in range(3)
        for i in range(10)
    ]
    [found] = run(rows, scope("10.0.0.0/8"))
    assert found.evidence["sessions"] == 3
    assert found.evidence["active_s"] == 27.0
    assert found.evidence["session_timeout_s"] == 60.0
    [small] = run(rows, scope("10.0.0.0/8", size=256.0))
    assert small.evidence["sessions"] == 1


def test_aggressive_is_a_tenth_of_the_addresses_in_one_session() -> None:
    [wide] = run(sweep("198.51.100.7", 26), scope("192.0.2.0/24"))
    [narrow] = run(sweep("198.51.100.7", 25), scope("192.0.2.0/24"))
    assert wide.evidence["aggressive"] == ["10 % of the addresses in one session"]
    assert narrow.evidence["aggressive"] == []
    assert narrow.evidence["small"] is True


def test_a_tool_needs_nine_tenths_of_two_packets() -> None:
    assert main_tool((("", 1), ("zmap", 9)), 10) == ("zmap", 0.9)
    assert main_tool((("", 2), ("zmap", 8)), 10) == ("", 0.8)
    assert main_tool((("zmap", 1),), 1) == ("", 1.0)
    assert main_tool((), 3) == ("", 0.0)


def test_what_is_not_listed_is_counted() -> None:
    rows = [r for s in range(5) for r in sweep(f"198.51.100.{s}", 10 + s)]
    found = run(rows, scope("192.0.2.0/24", options={"max_findings": 2}))
    assert [f.subject.value for f in found] == ["198.51.100.4", "198.51.100.3"]
    assert all(f.evidence["found_this_day"] == 5 for f in found)
    assert all(f.evidence["listed_this_day"] == 2 for f in found)


def test_order_of_rows_and_parts_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [r for s in range(40) for r in sweep(f"198.51.100.{s}", 10 + s % 7)]
    within = scope("192.0.2.0/24")
    whole = run(rows, within)
    assert len(whole) == 40
    monkeypatch.setattr("noroshi.analyse.darknet.probe.ROWS_PER_PART", 50)
    assert run(rows[::-1], within) == whole


def test_a_bad_threshold_is_named() -> None:
    with pytest.raises(ConfigError, match="min_dst"):
        run(sweep("198.51.100.7", 20), scope("192.0.2.0/24", options={"min_dst": "ten"}))


# -- captures ---------------------------------------------------------------------------------------------


def capture(name: str, *prefixes: str) -> list[Finding]:
    rows = captures.read(name)
    return [f for day in captures.days(rows) for f in run(rows, scope(*prefixes, day=day))]


def test_nmap_is_one_vertical_scan() -> None:
    [found] = capture("ndpi_synscan.pcap")
    assert found.evidence["scan"] == "vertical"
    assert found.evidence["max_ports_per_dst"] >= 990
    assert found.evidence["tool"] == "nmap-syn"  # one IP ID 54321 by chance makes no ZMap


def test_zmap_is_one_horizontal_scan() -> None:
    [found] = capture("zmap_before_3.0.pcap")
    assert found.evidence["scan"] == "horizontal"
    assert (found.evidence["packet_count"], found.evidence["tool"]) == (3987, "zmap-2")
    assert [p["port"] for p in found.evidence["top_ports"]] == ["tcp/80"]


def test_masscan_tcp_and_udp() -> None:
    [tcp] = capture("esnet_masscan_tcp_0_1000_20190821.pcap")
    assert tcp.evidence["tool"] == "masscan-1.0"
    assert tcp.evidence["packet_count"] == 1001
    [udp] = capture("esnet_masscan_udp_0_1000_20190821.pcap")
    assert (udp.evidence["packet_count"], udp.evidence["tool"]) == (
        1000,
        "",
    )  # one looks like a misconfiguration


def test_ncsa_scans() -> None:
    [port] = capture("ncsa_port_scan.pcap")
    assert port.evidence["scan"] == "vertical"
    [zero] = capture("ncsa_scan_with_zero_windows.pcap")
    assert (zero.evidence["scan"], zero.evidence["dst_ip_nunique"]) == ("horizontal", 10)
    assert capture("ncsa_445_scan.pcap") == []  # nine destinations
    [ping] = capture("slips_test12-icmp-portscan.pcap")
    assert ping.evidence["dst_ip_nunique"] == 18  # of 25 echo requests


def test_no_scanner_in_floods_and_backscatter() -> None:
    assert capture("ncsa_backscatter_12h.pcap", "192.150.186.0/23") == []
    assert capture("stopddos_pkt.TCP.synflood.spoofed.pcap") == []
    assert capture("stopddos_amp.TCP.reflection.SYNACK.pcap") == []
