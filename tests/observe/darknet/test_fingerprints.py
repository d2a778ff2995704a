"""Every fingerprint on packets made from the tool's definition; those with a public capture on that too."""

from __future__ import annotations

import ipaddress
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from noroshi.model.tables import TABLES
from noroshi.observe.darknet import rules
from tests.support import packets as p
from tests.support.darkdata import capture
from tests.support.decoded import read

SRC, DST = "203.0.113.5", "198.18.7.9"
DST_INT = int(ipaddress.IPv4Address(DST))
ZMAP_WINDOWS = p.mss() + p.NOP + p.wscale(8) + p.NOP + p.NOP + p.SACK_OK
ZMAP_BSD = p.mss() + p.NOP + p.wscale(6) + p.NOP + p.NOP + p.timestamps() + p.SACK_OK + p.END


def _masscan(dport: int, seq: int, window: int, options: bytes = b"", ttl: int = 250) -> bytes:
    ip_id = (DST_INT ^ dport ^ seq) & 0xFFFF
    return p.syn(SRC, DST, dport, seq=seq, ip_id=ip_id, window=window, options=options, ttl=ttl)


MADE = {
    "mirai": p.syn(SRC, DST, 23, seq=DST_INT, ttl=50, window=31337, ip_id=9),
    "mirai-variant": p.syn(SRC, DST, 2323, seq=DST_INT, ttl=120, window=31337, ip_id=9),
    "zmap-2": p.syn(SRC, DST, 80, seq=77, ttl=240, ip_id=54321),
    "zmap-3": p.syn(SRC, DST, 80, seq=77, ttl=240, ip_id=54321, options=p.mss()),
    "zmap-4-windows": p.syn(SRC, DST, 80, seq=77, ttl=240, ip_id=4711, options=ZMAP_WINDOWS),
    "zmap-4-linux": p.syn(SRC, DST, 80, seq=77, ttl=240, ip_id=4711, options=p.LINUX_SYN),
    "zmap-4-bsd": p.syn(SRC, DST, 80, seq=77, ttl=240, ip_id=4711, options=ZMAP_BSD),
    "zmap-4-smallest": p.syn(SRC, DST, 80, seq=77, ttl=240, ip_id=4711, options=p.mss()),
    "masscan-1.0": _masscan(80, 0xDEADBEEF, 1024),
    "masscan-1.3": _masscan(80, 0xDEADBEEF, 1025, p.mss()),
    "masscan-variant": _masscan(80, 0xDEADBEEF, 8192),
    "nmap-syn": p.syn(SRC, DST, 80, seq=99, ttl=45, window=3072, options=p.mss(), ip_id=5),
    "nmap-stealth": p.syn(SRC, DST, 80, flags=p.FIN | p.PSH | p.URG, seq=99, ttl=45, window=1024, ip_id=5),
    "hajime": p.syn(SRC, DST, 5358, seq=0x12340000, ttl=50, window=14600, ip_id=5),
    "zero-window": p.syn(SRC, DST, 23, seq=0x12340000, ttl=50, window=0, ip_id=5),
    "flood-kit": p.syn(SRC, DST, 25565, seq=0x12340000, ttl=240, window=64240, ip_id=5),
    "zmap-icmp": p.ipv4(SRC, DST, p.echo(), proto=1, ttl=240, ip_id=54321),
    "zmap-udp": p.ipv4(SRC, DST, p.udp(4000, 53, b"\0" * 20), proto=17, ttl=240, ip_id=54321),
    "stack-linux": p.syn(SRC, DST, 22, seq=1, ttl=50, df=True, options=p.LINUX_SYN, ip_id=7, window=64240),
    "stack-windows": p.syn(SRC, DST, 445, seq=1, ttl=110, df=True, options=ZMAP_WINDOWS, ip_id=7),
}  # fmt: skip


def tools(*packets: bytes) -> Counter[tuple[str, str]]:
    """Packets by (tool, class)."""
    flows = read(p.pcap([p.ethernet(x) for x in packets])).flows
    assert flows is not None
    counted: Counter[tuple[str, str]] = Counter()
    for tool, kind, count in zip(
        *(flows[c].to_pylist() for c in ("tool", "class", "packet_count")), strict=True
    ):
        counted[tool, kind] += count
    return counted


def test_every_rule_has_a_packet_and_twelve_classes_are_reached() -> None:
    assert set(MADE) == {r.name for r in rules.current().rules}
    assert len(MADE) >= 12


@pytest.mark.parametrize("name", MADE)
def test_made_from_the_definition(name: str) -> None:
    ((tool, kind),) = tools(MADE[name])
    assert tool == name
    assert kind == ("spoofed" if name == "flood-kit" else "scan")


@pytest.mark.parametrize("name", MADE)
def test_several_packets_of_a_row_keep_the_tag(name: str) -> None:
    assert tools(*[MADE[name]] * 3).total() == 3
    assert {tool for tool, _ in tools(*[MADE[name]] * 3)} == {name}


def test_one_trait_alone_is_no_tool() -> None:
    alone = [
        p.syn(SRC, DST, 9999, seq=DST_INT, ttl=120, ip_id=1),  # Mirai's number on a port it does not scan
        p.syn(SRC, DST, 80, ip_id=54321, window=8192, ttl=50, seq=5),  # one in 65,536 by chance
        p.syn(
            SRC, DST, 80, ip_id=54321, window=65535, ttl=50, seq=5, options=ZMAP_WINDOWS[:4]
        ),  # TTL differs
        _masscan(80, 77, 8192, ttl=50),  # the identity by chance
        p.syn(
            SRC, DST, 80, window=1024, ttl=120, seq=5, ip_id=3, options=p.mss()
        ),  # nmap's window, other TTL
        p.syn(SRC, DST, 80, window=14600, ttl=50, seq=5, ip_id=3),  # Hajime's window only
    ]
    for packet in alone:
        assert {tool for tool, _ in tools(packet)} == {""}


def test_windows_itself_is_not_zmap() -> None:
    real = p.syn(SRC, DST, 80, seq=77, ttl=120, df=True, ip_id=4711, options=ZMAP_WINDOWS)
    assert {tool for tool, _ in tools(real)} == {"stack-windows"}


@pytest.mark.parametrize(
    ("file", "tool", "count"),
    [
        ("esnet_masscan_tcp_0_1000_20190821.pcap", "masscan-1.0", 1001),
        ("zmap_before_3.0.pcap", "zmap-2", 3987),
        ("ndpi_synscan.pcap", "nmap-syn", 1994),
        ("stopddos_pkt.TCP.synflood.spoofed.pcap", "flood-kit", 37841),
        ("ncsa_scan_with_zero_windows.pcap", "zero-window", 10),
        ("ncsa_445_scan.pcap", "stack-windows", 21),
    ],
)
def test_real_captures(file: str, tool: str, count: int) -> None:
    flows = read(Path(capture(file)).read_bytes()).flows
    assert flows is not None
    counted: Counter[str] = Counter()
    for name, n in zip(flows["tool"].to_pylist(), flows["packet_count"].to_pylist(), strict=True):
        counted[name] += n
    assert counted[tool] == count
    assert sum(n for name, n in counted.items() if name not in (tool, "")) == 0


def test_history_is_tagged_as_ingest_tags() -> None:
    flows = read(p.pcap([p.ethernet(x) for x in MADE.values()])).flows
    assert flows is not None
    schema = TABLES["flows"].arrow()
    plain = flows.cast(pa.schema([schema.field(n) for n in flows.column_names]))
    blank = plain.set_column(plain.column_names.index("tool"), "tool", pa.array([""] * len(plain)))
    again = rules.retag(blank)
    for column in ("tool", "class", "rules_version"):
        assert again[column].to_pylist() == plain[column].to_pylist()


def test_unknown_conditions_are_refused() -> None:
    text = 'version = 1\n[[rule]]\nname = "x"\ndoc = ""\nsource = ""\nstatus = "stable"\ncolour = 1\n'
    with pytest.raises(ValueError, match="colour"):
        rules.parse(text)
