"""The generator against readers that share no code with it: dpkt and tshark."""

from __future__ import annotations

import csv
import json
import subprocess
from collections import Counter
from datetime import UTC, datetime
from ipaddress import IPv4Address
from itertools import pairwise
from pathlib import Path
from typing import Any

import dpkt
import numpy as np
import pytest
from bench.synth.encode import LINKS, Container
from bench.synth.make import generate
from bench.synth.plan import Plan

from tests.support import need

START = datetime(2026, 4, 1, tzinfo=UTC)


def _plan(**more: Any) -> Plan:
    return Plan(**{"packets": 6000, "seed": 7, "start": START, "hours": 24.0, "profile": "real"} | more)


def _packets(path: Path) -> list[tuple[float, bytes]]:
    with path.open("rb") as f:
        reader = dpkt.pcapng.Reader(f) if path.suffix == ".pcapng" else dpkt.pcap.Reader(f)
        return [(float(ts), frame) for ts, frame in reader]


def _ip4(frame: bytes) -> dpkt.ip.IP:
    return dpkt.ip.IP(frame[14:])


@pytest.mark.parametrize("profile", ["flat", "real"])
def test_counts_equal_the_truth(tmp_path: Path, profile: str) -> None:
    path = tmp_path / "a.pcap"
    plan = _plan(profile=profile, telescope="198.18.0.0/20")
    generate(plan, path)
    truth = json.loads(Path(f"{path}.truth.json").read_text())
    sources: Counter[str] = Counter()
    protocols: Counter[str] = Counter()
    flags: Counter[str] = Counter()
    ip_bytes = 0
    packets = _packets(path)
    for _, frame in packets:
        ip = _ip4(frame)
        ip_bytes += ip.len
        sources[str(IPv4Address(ip.src))] += 1
        protocols[{6: "tcp", 17: "udp", 1: "icmp"}[ip.p]] += 1
        if ip.p == 6:
            flags["".join(c for b, c in enumerate("FSRPAUEC") if ip.data.flags >> b & 1)] += 1
    assert len(packets) == plan.packets == truth["packets"] == sum(truth["kinds"].values())
    assert protocols == truth["protocols"]
    assert flags == truth["tcp_flags"]
    assert ip_bytes == truth["ip_bytes"]
    with Path(f"{path}.truth.tsv").open() as f:
        told = {row["src_ip"]: int(row["packet_count"]) for row in csv.DictReader(f, delimiter="\t")}
    flood = truth["kinds"].get("spoofed-flood", 0)
    assert sum(told.values()) == plan.packets - flood
    assert all(sources[ip] >= n for ip, n in told.items())
    assert len(told) == truth["sources_seen"]


@pytest.mark.parametrize("profile", ["flat", "real"])
def test_checksums_are_valid(tmp_path: Path, profile: str) -> None:
    path = tmp_path / "a.pcap"
    generate(_plan(profile=profile, packets=3000), path)
    for _, frame in _packets(path):
        end = 14 + int.from_bytes(frame[16:18], "big")
        assert _folded(frame[14:34]) == 0xFFFF
        ip = _ip4(frame)
        pseudo = frame[26:34] + bytes([0, ip.p]) + (end - 34).to_bytes(2, "big") if ip.p != 1 else b""
        assert _folded(pseudo + frame[34:end]) == 0xFFFF


def _folded(data: bytes) -> int:
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2").astype(np.int64)
    total = int(words.sum())
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.parametrize("profile", ["flat", "real"])
def test_same_seed_same_bytes(tmp_path: Path, profile: str) -> None:
    digests = set()
    for name, seed in (("a.pcap", 3), ("b.pcap", 3), ("c.pcap", 4)):
        digests.add(
            generate(_plan(profile=profile, seed=seed, packets=2500), tmp_path / name)["capture_sha256"]
        )
    assert len(digests) == 2
    assert (tmp_path / "a.pcap").read_bytes() == (tmp_path / "b.pcap").read_bytes()


def test_times_rise_and_outages_are_silent(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    generate(_plan(outages=((6.0, 9.0),)), path)
    times = [ts - START.timestamp() for ts, _ in _packets(path)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] < 86_400
    assert not [t for t in times if 6 * 3600 <= t < 9 * 3600]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("nanos", [False, True])
@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_containers_hold_the_same_packets(tmp_path: Path, form: str, big: bool, nanos: bool) -> None:
    plain, other = tmp_path / "a.pcap", tmp_path / f"b.{form}"
    generate(_plan(packets=3000), plain)
    generate(_plan(packets=3000), other, Container(format=form, big_endian=big, nanoseconds=nanos))
    expected, got = _packets(plain), _packets(other)
    assert [frame for _, frame in got] == [frame for _, frame in expected]
    assert np.abs(np.array([t for t, _ in got]) - np.array([t for t, _ in expected])).max() < 2e-6


def test_tools_keep_their_traits(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    generate(_plan(packets=20_000, own="198.51.100.0/24"), path)
    with Path(f"{path}.truth.tsv").open() as f:
        kind = {row["src_ip"]: row["kind"] for row in csv.DictReader(f, delimiter="\t")}
    seen: Counter[str] = Counter()
    for _, frame in _packets(path):
        ip = _ip4(frame)
        name = kind.get(str(IPv4Address(ip.src)), "")
        seen[name] += 1
        dst = int.from_bytes(ip.dst, "big")
        if name == "mirai":
            assert ip.data.seq == dst
            assert ip.data.dport in (23, 2323)
            assert ip.ttl <= 64
        elif name.startswith("masscan"):
            assert ip.id == (dst ^ ip.data.dport ^ ip.data.seq) & 0xFFFF
            assert (ip.data.win, len(ip.data.opts)) == ((1024, 0) if name == "masscan-1" else (1025, 4))
            assert ip.ttl >= 200
        elif name in ("zmap-2", "zmap-3"):
            assert (ip.id, ip.data.win, len(ip.data.opts)) == (54321, 65535, 0 if name == "zmap-2" else 4)
        elif name == "zmap-4":
            assert ip.data.opts.hex() == "020405b401030308010104" + "02"
            assert not ip.df
        elif name == "unknown-tool":
            assert ip.data.seq == dst ^ 0x5A175A17
    assert min(seen[k] for k in ("mirai", "masscan-1", "masscan-2", "zmap-2", "zmap-3", "zmap-4", "nmap")) > 0


def test_backscatter_thins_and_repeats_as_told(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    generate(_plan(packets=30_000, telescope="198.18.0.0/22"), path)
    attacks = json.loads(Path(f"{path}.truth.json").read_text())["attacks"]
    replies: dict[str, list[tuple[bytes, int, int, int]]] = {}
    for _, frame in _packets(path):
        ip = _ip4(frame)
        if ip.p == 6 and ip.data.flags == 0x12:
            t = ip.data
            replies.setdefault(str(IPv4Address(ip.src)), []).append((ip.dst, t.dport, t.ack, t.seq))
    told = [a for a in attacks if a["vector"] == "syn-synack" and a["expected"] >= 25]
    assert told
    for a in told:
        rows = replies[a["victim"]]
        assert len(rows) == a["packets"]
        # Every attempt has its own server sequence number; only retransmissions repeat one.
        assert len(set(rows)) == a["attempts"]
        assert abs(a["attempts"] - a["expected"]) < 6 * a["expected"] ** 0.5
        if a["tuples"]:
            assert len({r[:3] for r in rows}) <= a["tuples"]


def test_few_sources_send_most(tmp_path: Path) -> None:
    done = generate(_plan(packets=400_000), tmp_path / "a.pcap")
    assert 0.9 < done["top_1_percent_share"] < 0.99
    organisations = {ip for k, v in done["groups"].items() if k.startswith("organisation") for ip in v}
    with Path(f"{tmp_path / 'a.pcap'}.truth.tsv").open() as f:
        rows = list(csv.DictReader(f, delimiter="\t"))
    assert sum(int(r["packet_count"]) for r in rows if r["src_ip"] in organisations) > 200_000


def test_disturbances_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    plan = _plan(vlan=0.2, ipv6=0.2, fragments=0.5, duplicates=0.02, reorder=0.05, packets=20_000)
    done = generate(plan, path)
    packets = _packets(path)
    tagged = [f for _, f in packets if f[12:14] == b"\x81\x00"]
    assert len(packets) == plan.packets
    assert len(tagged) == done["vlan"] > 0
    assert (
        sum(f[16 if f[12:14] == b"\x81\x00" else 12 :][:2] == b"\x86\xdd" for _, f in packets)
        == done["ipv6"]
        > 0
    )
    assert done["fragments"] > 0
    times = [t for t, _ in packets]
    assert times != sorted(times)
    assert sum(a == b for a, b in pairwise(packets)) > 0


def test_a_cut_file_ends_within_its_last_record(tmp_path: Path) -> None:
    whole, cut = tmp_path / "a.pcap", tmp_path / "b.pcap"
    generate(_plan(packets=2000), whole)
    generate(_plan(packets=2000), cut, cut=11)
    assert cut.read_bytes() == whole.read_bytes()[:-11]


@pytest.mark.parametrize("link", LINKS)
def test_tshark_reads_every_link_type(tmp_path: Path, link: str) -> None:
    need.tool("tshark")
    path = tmp_path / "a.pcap"
    done = generate(_plan(packets=2000, ipv6=0.1), path, Container(link=link))
    out = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
         "-T", "fields", "-e", "ip.proto", "-e", "ipv6.nxt",
         "-e", "tcp.checksum.status", "-e", "udp.checksum.status"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    rows = [line.split("\t") for line in out]
    protocols = Counter((r[0] or r[1]).split(",")[0] for r in rows)
    assert {"tcp": protocols["6"], "udp": protocols["17"], "icmp": protocols["1"]} == done["protocols"]
    plain = [r for r in rows if "," not in r[0]]  # quoted packets carry no checksum of their own
    assert {status for r in plain for status in r[2:4]} <= {"", "1"}
