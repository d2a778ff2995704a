"""Packet by packet against tshark, on real captures and on made ones of every link type.

Skipped without tshark; with NOROSHI_REQUIRE=1 its absence is a failure.
"""

from __future__ import annotations

import ipaddress
import subprocess
from pathlib import Path
from typing import Any

import pytest

from noroshi.model import address
from tests.support import need, reference
from tests.support import packets as p
from tests.support.decoded import packets as decoded
from tests.wire.test_reference import CAPTURES, LINKS, V4, V6

FIELDS = (
    "frame.number", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "ip.proto", "ip.ttl", "ipv6.hlim", "ip.len",
    "ipv6.plen", "ip.id", "ip.flags.df", "ip.frag_offset", "tcp.srcport", "tcp.dstport", "udp.srcport",
    "udp.dstport", "tcp.flags", "tcp.seq_raw", "tcp.ack_raw", "tcp.window_size_value", "tcp.options",
    "tcp.options.mss_val", "icmp.type", "icmp.code", "icmpv6.type", "icmpv6.code",
)  # fmt: skip
PREFERENCES = (
    "ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE",
    "tcp.analyze_sequence_numbers:FALSE",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _needs_tshark() -> None:
    need.tool("tshark")


def dissect(path: Path) -> dict[int, dict[str, list[str]]]:
    """tshark's fields by packet number from 0; each a list, for headers inside headers."""
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"]
    command += [x for name in PREFERENCES for x in ("-o", name)] + [x for f in FIELDS for x in ("-e", f)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    out = {}
    for line in done.stdout.splitlines():
        values = dict(zip(FIELDS, (v.split(",") if v else [] for v in line.split("\t")), strict=True))
        out[int(values["frame.number"][0]) - 1] = values
    return out


def number(values: list[str], at: int = 0) -> int | None:
    if len(values) <= at:
        return None
    text = values[at]
    return {"True": 1, "False": 0}.get(text) if text in ("True", "False") else int(text, 0)


def compare(seen: dict[str, list[str]], row: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What tshark and the row disagree on: {column: (tshark, row)}."""
    four = row["src_ip"][0] == 4 and seen["ip.src"]
    name = "ip" if four else "ipv6"
    expected: dict[str, Any] = {
        "src_ip": address.pack(seen[f"{name}.src"][0]),
        "dst_ip": address.pack(seen[f"{name}.dst"][0]),
        "ttl": number(seen["ip.ttl" if four else "ipv6.hlim"]),
    }
    if four:
        expected |= {
            "ip_id": number(seen["ip.id"]), "df": bool(number(seen["ip.flags.df"])),
            "protocol": number(seen["ip.proto"]),
        }  # fmt: skip
        length = number(seen["ip.len"])
        if length:
            expected["ip_len"] = length
    else:
        expected["ip_len"] = 40 + (number(seen["ipv6.plen"]) or 0)
    if row["payload"] != "fragment":
        expected |= _transport(seen, row)
    return {k: (v, row[k]) for k, v in expected.items() if v != row[k]}


def _transport(seen: dict[str, list[str]], row: dict[str, Any]) -> dict[str, Any]:
    proto = row["protocol"]
    if proto == 6:
        text, mss = reference.options(bytes.fromhex("".join(seen["tcp.options"]).replace(":", "")))
        return {
            "src_port": number(seen["tcp.srcport"]), "dst_port": number(seen["tcp.dstport"]),
            "tcp_flags": (number(seen["tcp.flags"]) or 0) & 0x1FF, "seq": number(seen["tcp.seq_raw"]),
            "ack": number(seen["tcp.ack_raw"]), "tcp_window": number(seen["tcp.window_size_value"]),
            "tcp_options": text, "mss": mss,
        }  # fmt: skip
    if proto == 17:
        return {"src_port": number(seen["udp.srcport"]), "dst_port": number(seen["udp.dstport"])}
    if proto in (1, 58):
        kind = "icmp" if proto == 1 else "icmpv6"
        expected = {"src_port": number(seen[f"{kind}.type"]), "dst_port": number(seen[f"{kind}.code"])}
        return expected | (_quoted(seen, row) if row["inner_src_ip"] else {})
    return {}


def _quoted(seen: dict[str, list[str]], row: dict[str, Any]) -> dict[str, Any]:
    name = "ip" if row["protocol"] == 1 else "ipv6"
    expected: dict[str, Any] = {
        "inner_src_ip": address.pack(seen[f"{name}.src"][1]),
        "inner_dst_ip": address.pack(seen[f"{name}.dst"][1]),
    }
    if row["inner_protocol"] in (6, 17) and (row["inner_src_port"] or row["inner_dst_port"]):
        kind = "tcp" if row["inner_protocol"] == 6 else "udp"
        expected |= {
            "inner_src_port": number(seen[f"{kind}.srcport"]),
            "inner_dst_port": number(seen[f"{kind}.dstport"]),
        }  # fmt: skip
    return expected


def check(path: Path, least: int) -> None:
    """Compare every packet of a capture; at least `least` of them must have been compared."""
    rows, seen = decoded(path.read_bytes()), dissect(path)
    wrong = {}
    for k, row in rows.items():
        differences = compare(seen[k], row)
        if differences:
            wrong[k + 1] = differences
    assert not wrong, f"{len(wrong)} of {len(rows)} packets differ, such as {dict(list(wrong.items())[:3])}"
    assert len(rows) >= least
    # What made no row is no IP to tshark either, or it is a reject.
    unread = sum(1 for k, v in seen.items() if k not in rows and (v["ip.src"] or v["ipv6.src"]))
    rejected = len(reference.read(path.read_bytes())[1])
    assert unread <= rejected


@pytest.mark.skipif(not CAPTURES, reason="no captures: neither samples nor NOROSHI_DATA")
@pytest.mark.parametrize("path", CAPTURES, ids=lambda f: f.name)
def test_real_captures(path: Path) -> None:
    check(path, 1)


# Well-formed ones: of damaged packets tshark shows what it could read, we show rejects.
SOUND = [V4[i] for i in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 21)] + [
    V6[i] for i in (0, 1, 2, 3, 4, 5, 9, 10, 11)
]


@pytest.mark.parametrize("link", [n for n in LINKS if n not in (p.IPV4_ONLY, p.IPV6_ONLY)])
def test_every_link_type(link: int, tmp_path: Path) -> None:
    path = tmp_path / "made.pcap"
    path.write_bytes(p.pcap([p.framed(packet, link) for packet in SOUND], link=link))
    check(path, len(SOUND))


def test_vlan_qinq_and_padding(tmp_path: Path) -> None:
    path = tmp_path / "made.pcap"
    stacks = ((), (5,), (5, 6), (1, 2, 3))
    frames = [p.ethernet(x, vlan=tags, pad=64) for x in (SOUND[0], SOUND[12]) for tags in stacks]
    path.write_bytes(p.pcap(frames, order=">", nano=True))
    check(path, 8)


def test_pcapng_of_two_sections(tmp_path: Path) -> None:
    made = p.Pcapng("<").section().interface(p.ETHERNET, resolution=9).interface(p.RAW)
    made.packet(p.ethernet(V4[0])).packet(p.Record(V6[0], interface=1)).obsolete(p.Record(V4[2], interface=1))
    made.section(">").interface(p.SLL2, resolution=3).packet(p.sll2(V6[3]))
    path = tmp_path / "made.pcapng"
    path.write_bytes(bytes(made))
    check(path, 4)


def test_times_of_pcapng(tmp_path: Path) -> None:
    """Time resolutions and offsets as tshark reads them, to the microsecond."""
    for resolution in (3, 6, 9, 0x80 | 20):
        made = p.Pcapng("<").section().interface(p.RAW, resolution=resolution, offset_s=3_600)
        for k in range(5):
            made.packet((p.NOON_US + 1_234_567 * k, V4[0]))
        path = tmp_path / f"{resolution}.pcapng"
        path.write_bytes(bytes(made))
        command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-e", "frame.time_epoch"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()
        theirs = [int(s.split(".")[0]) * 1_000_000 + int(s.split(".")[1][:6]) for s in shown]
        packets, _, _ = reference.read(path.read_bytes())
        assert [q.ts_us for q in packets] == theirs
        assert ipaddress.ip_address(packets[0].src_ip[1:]).is_private


def test_a_difference_is_seen() -> None:
    """The comparison itself: a wrong column does not pass."""
    if not CAPTURES:
        pytest.skip("no captures")
    path = CAPTURES[0]
    rows, seen = decoded(path.read_bytes()), dissect(path)
    row = rows[0]
    assert compare(seen[0], row) == {}
    for name in ("dst_ip", "ttl", "ip_len", "src_port", "dst_port", "tcp_flags", "seq", "tcp_window", "df"):
        assert set(compare(seen[0], row | {name: -1})) == {name}
