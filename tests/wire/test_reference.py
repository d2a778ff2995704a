"""The decoder against the slow, obvious one: the same rows and rejects, on real captures and made ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import packets as p
from tests.support import reference
from tests.support.decoded import same

SAMPLES = Path(__file__).parents[2] / "samples"
DATA = Path(os.environ["NOROSHI_DATA"]) if os.environ.get("NOROSHI_DATA") else None
CAPTURES = sorted(f for f in SAMPLES.rglob("*.pcap*") if f.suffix in (".pcap", ".pcapng"))
if DATA:
    have = {f.name for f in CAPTURES}
    CAPTURES += sorted(f for f in (DATA / "darknet" / "pcap").glob("*.pcap*") if f.name not in have)


@pytest.mark.skipif(not CAPTURES, reason="no captures: neither samples nor NOROSHI_DATA")
@pytest.mark.parametrize("path", CAPTURES, ids=lambda f: f.name)
def test_real_captures(path: Path) -> None:
    same(path.read_bytes())


V4 = [
    p.syn("198.51.100.7", "192.0.2.1", 23, seq=0xC0000201, ttl=50),
    p.syn("198.51.100.7", "192.0.2.1", 80, options=p.LINUX_SYN, ip_id=54321, df=True),
    p.ipv4(
        "198.51.100.8", "192.0.2.2", p.tcp(80, 5, flags=p.SYN | p.ACK, seq=5, ack=6), options=b"\x94\x04\0\0"
    ),
    p.ipv4("198.51.100.8", "192.0.2.3", p.tcp(80, 5, flags=p.RST | p.NS, seq=5, ack=6)),
    p.ipv4("198.51.100.8", "192.0.2.3", p.udp(53, 4242, b"\0" * 30), proto=17),
    p.ipv4("198.51.100.8", "192.0.2.3", p.udp(53, 4242, b"\0" * 30), proto=17, mf=True),
    p.ipv4("198.51.100.8", "192.0.2.3", b"the rest of it", proto=17, fragment=185),
    p.ipv4("198.51.100.8", "192.0.2.3", p.echo(8, 7, 9, b"x" * 20), proto=1),
    p.ipv4("198.51.100.8", "192.0.2.3", p.echo(0, 7, 9), proto=1),
    p.ipv4("198.51.100.9", "192.0.2.4", p.icmp(3, 3, 0, p.syn("192.0.2.4", "203.0.113.1", 80)), proto=1),
    p.ipv4("198.51.100.9", "192.0.2.4", p.icmp(3, 3, 0, p.syn("192.0.2.4", "203.0.113.1", 80)[:28]), proto=1),
    p.ipv4(
        "198.51.100.9", "192.0.2.4", p.icmp(11, 0, 0, p.syn("192.0.2.4", "203.0.113.1", 80)[:19]), proto=1
    ),
    p.ipv4("198.51.100.9", "192.0.2.4", p.udp(1, 2), proto=132),
    p.ipv4("198.51.100.9", "192.0.2.4", b"", proto=47),
    p.ipv4("198.51.100.9", "192.0.2.4", p.tcp(1, 2), total=0),
    p.ipv4("198.51.100.9", "192.0.2.4", p.tcp(1, 2), total=19),
    p.ipv4("198.51.100.9", "192.0.2.4", p.tcp(1, 2), total=39),
    p.ipv4("198.51.100.9", "192.0.2.4", p.tcp(1, 2), ihl=4),
    p.ipv4("198.51.100.9", "192.0.2.4", p.tcp(1, 2), ihl=15),
    p.ipv4("198.51.100.9", "192.0.2.4", p.tcp(1, 2, data_offset=3)),
    p.ipv4("198.51.100.9", "192.0.2.4", p.tcp(1, 2, data_offset=15)),
    p.ipv4("0.0.0.0", "255.255.255.255", p.tcp(65535, 65535, seq=0xFFFFFFFF, ack=0xFFFFFFFF)),
]
IN, OUT = "2001:db8:42::2", "2001:db8::1"
V6 = [
    p.ipv6(OUT, IN, p.tcp(1, 2, options=p.mss(1220))),
    p.ipv6(OUT, IN, p.udp(1, 2, b"abc"), proto=17, extensions=[p.options_header(0, 8)]),
    p.ipv6(OUT, IN, p.udp(1, 2, b"abc"), proto=17, extensions=[p.routing_header(2)]),
    p.ipv6(OUT, IN, p.tcp(1, 2), extensions=[p.fragment_header(0)]),
    p.ipv6(OUT, IN, p.tcp(1, 2), extensions=[p.fragment_header(100)]),
    p.ipv6(OUT, IN, p.tcp(1, 2), extensions=[p.auth_header(24), p.options_header(60, 16)]),
    p.ipv6(OUT, IN, p.tcp(1, 2), extensions=[p.options_header(60)] * 15),
    p.ipv6(OUT, IN, p.tcp(1, 2), extensions=[p.options_header(60)] * 16),
    p.ipv6(OUT, IN, p.tcp(1, 2), extensions=[p.options_header(60)] * 300),
    p.ipv6(OUT, IN, p.echo(128, 1, 2), proto=58),
    p.ipv6(OUT, IN, p.echo(129, 1, 2), proto=58),
    p.ipv6(OUT, IN, p.icmp(1, 4, 0, p.ipv6(IN, "2001:db8::9", p.udp(7, 8),
           proto=17)), proto=58),
    p.ipv6(OUT, IN, p.icmp(3, 0, 0, p.ipv6(IN, "2001:db8::9", p.udp(7, 8),
           proto=17, extensions=[p.fragment_header(9)])), proto=58),
    p.ipv6(OUT, IN, p.icmp(2, 0, 0, b"\x60" + bytes(38)), proto=58),
    p.ipv6(OUT, IN, b"", proto=59),
    p.ipv6(OUT, IN, p.tcp(1, 2), length=0),
    p.ipv6(OUT, IN, p.tcp(1, 2), length=10),
    p.ipv6(OUT, IN, p.tcp(1, 2), length=65535),
    p.ipv6("::ffff:198.51.100.1", "::ffff:192.0.2.1", p.tcp(1, 2)),
    p.ipv6("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::", p.tcp(1, 2)),
]  # fmt: skip
LINKS = (p.ETHERNET, p.NULL, p.RAW, p.LOOP, p.SLL, p.SLL2, p.IPV4_ONLY, p.IPV6_ONLY, 12, 14)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize(("order", "nano"), [("<", False), (">", False), ("<", True), (">", True)])
def test_every_link_type_and_file_form(link: int, order: str, nano: bool) -> None:
    frames = [p.framed(packet, link) for packet in V4 + V6]
    data = p.pcap(frames, order=order, nano=nano, link=link)
    assert len(reference.read(data)[0]) > 30
    same(data)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("resolution", [None, 3, 6, 9, 12, 15, 18, 0x80 | 10, 0x80 | 30, 0x80 | 62])
def test_pcapng_time_resolutions(order: str, resolution: int | None) -> None:
    data = p.pcapng([p.ethernet(x) for x in V4 + V6], order=order, resolution=resolution)
    same(data)


def test_pcapng_of_many_kinds() -> None:
    made = p.Pcapng("<").section().interface(p.ETHERNET, resolution=9).interface(p.RAW, offset_s=86_400)
    made.packet(p.ethernet(V4[0])).packet(p.Record(V6[0], interface=1)).block(
        4, b"name resolution, passed over"
    )
    made.packet(p.Record(V4[1], interface=2))  # no such interface
    made.obsolete(p.Record(V4[2], interface=1)).simple(p.ethernet(V4[3])).block(0x0BAD, b"custom" * 100)
    made.packet(p.ethernet(V4[4]), options=made.option(1, b"a comment"))
    made.section(">").interface(p.SLL2, snaplen=60).interface(999)
    made.packet(p.sll2(V6[3])).simple(p.sll2(V6[4])).packet(p.Record(V4[0], interface=1))
    made.block(5, bytes(12))
    data = bytes(made)
    packets, rejects, _ = reference.read(data)
    assert len(packets) == 5
    assert sorted(r for _, r in rejects) == ["link-type", "no-time", "no-time", "packet-block"]
    same(data)


def test_vlan_qinq_and_padding() -> None:
    frames = [
        p.ethernet(x, vlan=tags, pad=60) for x in (V4[0], V6[0]) for tags in ((), (5,), (5, 6), (1, 2, 3, 4))
    ]
    frames += [
        p.ethernet(V4[0], vlan=(1, 2, 3, 4, 5)),
        p.ethernet(b"arp", kind=0x0806),
        p.ethernet(V4[0], kind=0x86DD),
    ]
    same(p.pcap(frames))


@pytest.mark.parametrize("options", [
    b"", p.NOP * 4, p.mss(0) + p.mss(9), b"\x02\x03\x05", b"\x02\x00", b"\x03", b"\xfe\x28" + b"a" * 38,
    p.NOP * 40,
    p.END + p.mss(7), p.wscale(255) + p.wscale(3), b"\x13\x12" + b"d" * 16, b"\x1e\x04ab", b"\x22\x02",
    b"\x05\x0a" + b"s" * 8,
    b"\x1d\x04kk", p.mss(1) + b"\xff\xff",
])  # fmt: skip
def test_tcp_options(options: bytes) -> None:
    same(p.pcap([p.syn("192.0.2.9", "192.0.2.1", 1, options=options)], link=p.RAW))


@pytest.mark.parametrize("cut", range(130))
def test_snaplen_cuts_anywhere(cut: int) -> None:
    frames = [p.ethernet(x)[:cut] for x in V4 + V6]
    same(p.pcap(frames, snaplen=cut))


def test_times() -> None:
    day = 86_400_000_000
    date = p.NOON_US
    times = [0, 1, reference.EARLIEST_US, reference.EARLIEST_US - 1, date, date + day, date + day + 1,
             4_294_967_295_999_999, 4_291_747_200_000_000]  # fmt: skip
    frame = p.ethernet(V4[0])
    same(p.pcap([(t, frame) for t in times]), latest_us=date + day)
    same(p.pcap([(t, frame) for t in times], nano=True), latest_us=date + day)
    same(p.pcapng([(t, frame) for t in times]), latest_us=date + day)


packets_ = st.sampled_from([p.ethernet(x) for x in V4 + V6])
times_ = st.integers(p.NOON_US, p.NOON_US + 150_000_000)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(times_, packets_), max_size=60), st.sampled_from([1, 2, 3]))
def test_any_mixture_aggregates_exactly(items: list[tuple[int, bytes]], workers: int) -> None:
    same(p.pcap(items), workers=workers)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(LINKS), st.lists(st.binary(max_size=120), max_size=20))
def test_any_bytes_as_packets(link: int, frames: list[bytes]) -> None:
    same(p.pcap(frames, link=link))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([0, 6, 17, 1, 58, 44, 43, 51]))
def test_any_bytes_behind_an_ip_header(body: bytes, proto: int) -> None:
    frames = [
        p.ipv4("198.51.100.9", "192.0.2.4", body, proto=proto),
        p.ipv6(OUT, "2001:db8::2", body, proto=proto),
    ]
    same(p.pcap(frames, link=p.RAW))
