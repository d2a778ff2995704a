"""The capture sensors on three packets first, then on the real trace and on awkward borders."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pytest

from noroshi.model import address
from noroshi.model.observable import key64
from noroshi.observe.darknet import chunks
from noroshi.observe.darknet.pcap import PcapngSensor, PcapSensor
from tests.support import packets as p
from tests.support.darkdata import capture
from tests.support.decoded import read, reading

A, B, DARK = "203.0.113.5", "203.0.113.9", "198.51.100.7"


def test_three_packets() -> None:
    """Two equal SYNs of one minute are one row; a SYN-ACK is another, with its sequence numbers."""
    got = read(
        p.pcap(
            [
                p.ethernet(p.syn(A, DARK, 23, seq=7, ip_id=1, ttl=50)),
                p.ethernet(p.syn(A, DARK, 23, seq=7, ip_id=2, ttl=50)),
                p.ethernet(p.syn(B, DARK, 1234, sport=80, flags=p.SYN | p.ACK, seq=5, ack=6, ttl=50)),
            ]
        )
    )
    assert got.flows is not None
    first, second = got.flows.to_pylist()
    assert (first["src_ip"], first["packet_count"], first["byte_count"]) == (address.pack(A), 2, 80)
    assert (first["seq"], first["ip_id"], first["tcp_window"]) == (7, None, 65535)
    assert (second["seq"], second["ack"], second["class"]) == (5, 6, "backscatter")


def test_retransmissions_are_told_apart_from_new_replies() -> None:
    replies = [
        p.ethernet(p.syn(B, DARK, 1234, sport=80, flags=p.SYN | p.ACK, seq=s, ack=6)) for s in (5, 5, 9)
    ]
    got = read(p.pcap(replies))
    assert got.flows is not None
    assert sorted(got.flows["packet_count"].to_pylist()) == [1, 2]


def test_links_name_sources_and_quoted_victims() -> None:
    quoted = p.ipv4(DARK, B, p.udp(4000, 53), proto=17)
    got = read(
        p.pcap(
            [
                p.ethernet(p.syn(A, DARK, 23)),
                p.ethernet(p.ipv4(A, DARK, p.icmp(3, 3, payload=quoted), proto=1)),
            ]
        )
    )
    assert got.links is not None
    rows = {(r["value"], r["role"]): r for r in got.links.to_pylist()}
    assert set(rows) == {(A, "src"), (B, "victim")}
    assert rows[A, "src"]["count"] == 2
    assert rows[B, "victim"]["key"] == key64("ip", B)


def test_telescope_addresses_are_context_not_links() -> None:
    given = reading(p.pcap([p.ethernet(p.syn(DARK, A, 23)), p.ethernet(p.syn(A, DARK, 23))]))
    given.inside = ("198.51.100.0/24",)
    got = read(p.pcap([p.ethernet(p.syn(DARK, A, 23)), p.ethernet(p.syn(A, DARK, 23))]), given)
    assert got.links is not None
    assert got.links["value"].to_pylist() == [A]


def test_a_run_over_midnight_has_links_for_both_days() -> None:
    late = 1_712_015_999_000_000  # 2024-04-01 23:59:59
    got = read(
        p.pcap([(late, p.ethernet(p.syn(A, DARK, 23))), (late + 2_000_000, p.ethernet(p.syn(A, DARK, 23)))])
    )
    assert got.links is not None
    assert [d.isoformat() for d in got.links["day"].to_pylist()] == ["2024-04-01", "2024-04-02"]


def test_the_real_trace() -> None:
    got = read(Path(capture("ncsa_backscatter_12h.pcap")).read_bytes())
    assert got.flows is not None
    assert pc.sum(got.flows["packet_count"]).as_py() == 2986
    victim = got.flows.filter(pc.equal(got.flows["src_ip"].cast("binary"), address.pack("202.229.120.98")))
    assert pc.sum(victim["packet_count"]).as_py() == 2167
    assert len({(r["dst_ip"], r["dst_port"], r["ack"]) for r in victim.to_pylist()}) == 767
    assert len({(r["dst_ip"], r["dst_port"], r["ack"], r["seq"]) for r in victim.to_pylist()}) == 2109


def test_each_sensor_knows_its_own_format() -> None:
    classic, new = p.pcap([]), bytes(p.Pcapng().section())
    assert (PcapSensor().sniff(classic), PcapSensor().sniff(new)) == (True, False)
    assert (PcapngSensor().sniff(classic), PcapngSensor().sniff(new)) == (False, True)


def test_a_packet_from_tomorrow_does_not_split_the_rows_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 2_000)
    monkeypatch.setattr(chunks, "RESERVE", 0)
    same = p.ethernet(p.syn(A, DARK, 23, seq=7))
    stray = (p.NOON_US + 72_000_000_000, p.ethernet(p.syn(B, DARK, 23, seq=7)))
    got = read(p.pcap([stray, *[(p.NOON_US + 1_000 * k, same) for k in range(500)]]))
    assert got.flows is not None
    counts = sorted(got.flows["packet_count"].to_pylist())
    assert (counts[0], sum(counts)) == (1, 501)
    # Eighteen chunks in one minute are more than wait for each other: two or three rows, not eighteen.
    assert len(counts) <= 4
