"""Argus flows as CSV: real ones, and what cannot be read."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.observe.netlog.argus import ArgusSensor
from tests.observe.netlog.support import DATA, read

LOG = (DATA / "argus.csv").read_bytes()
HEADER, _, _, _, LINE = LOG.split(b"\n")[:5]


def test_real_flows() -> None:
    rows, rejects = read(ArgusSensor(), LOG)
    assert {r.reason for r in rejects} == {"protocol"}, "Argus' own management records"
    unreachable, dtls, *_ = rows["connections"]
    assert len(rows["connections"]) == 6
    assert (unreachable["protocol"], unreachable["src_port"], unreachable["dst_port"]) == (1, 3, 3)
    assert dtls["first_seen"] == datetime(2017, 11, 30, 19, 31, 8, 982498, UTC)
    assert dtls["last_seen"] == datetime(2017, 11, 30, 19, 31, 9, 838341, UTC)
    assert (dtls["src_packet_count"], dtls["dst_packet_count"]) == (6, 10)
    assert (dtls["src_byte_count"], dtls["dst_byte_count"]) == (1151, 2244)
    assert dtls["state"] == "CON"


def test_protocols_over_udp() -> None:
    rows, rejects = read(ArgusSensor(), HEADER + b"\n" + LINE.replace(b"udp", b"rtp"))
    assert not rejects
    assert [(r["protocol"], r["service"]) for r in rows["connections"]] == [(17, "rtp")]


def test_a_growing_file_is_read_on() -> None:
    data = b"\n".join([HEADER, LINE, LINE]) + b"\n"
    rows, rejects = read(ArgusSensor(), data, start=len(HEADER) + len(LINE) + 2)
    assert not rejects
    assert [r["offset"] for r in rows["connections"]] == [len(HEADER) + len(LINE) + 2]


def test_the_label_may_be_left_out() -> None:
    rows, rejects = read(ArgusSensor(), HEADER + b"\n" + LINE.removesuffix(b","))
    assert not rejects
    assert len(rows["connections"]) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b",udp,", b",arp,"), "protocol"),
        ((b"192.168.17.58", b"08:00:27:ef:ee:34"), "address"),
        ((b"4400", b"http"), "port"),
        ((b"4400", b"0x10000"), "port"),
        ((b"2017/", b"1917/"), "time"),
        ((b",16,", b",1,"), "count"),
        ((b"0.855843", b"-0.855843"), "duration"),
    ],
)
def test_what_does_not_fit_is_rejected(change: tuple[bytes, bytes], reason: str) -> None:
    rows, rejects = read(ArgusSensor(), b"\n".join([HEADER, LINE, LINE.replace(*change, 1), LINE]))
    assert len(rows["connections"]) == 2
    assert [r.reason for r in rejects] == [reason]
    assert rejects[0].position == len(HEADER) + len(LINE) + 2


def test_sniff() -> None:
    assert ArgusSensor().sniff(LOG[:4096])
    for other in (b"StartTime,Dur\n", b"a,b,c\n", b"{}", b"2017/11/30 19:31:08.982498,0.8,udp\n"):
        assert not ArgusSensor().sniff(other)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_bytes_give_rows_or_rejects(data: st.DataObject) -> None:
    read(ArgusSensor(), HEADER + b"\n" + data.draw(st.binary(max_size=200)))
    mutated = bytearray(LOG)
    for _ in range(data.draw(st.integers(1, 9))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        mutated[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    read(ArgusSensor(), bytes(mutated))


@pytest.mark.parametrize(
    ("name", "flows", "others"),
    [("test2-malicious", 6751, 0), ("test3-mixed", 89, 0), ("test4-malicious", 392, 2)],
)
def test_flows_of_the_ctu(name: str, flows: int, others: int) -> None:
    path = Path(os.environ.get("NOROSHI_DATA", "")) / f"analysis/c2/slips/dataset/{name}.binetflow"
    if not os.environ.get("NOROSHI_DATA") or not path.is_file():
        pytest.skip(f"{name}.binetflow may not be committed; set NOROSHI_DATA")
    rows, rejects = read(ArgusSensor(), path.read_bytes())
    assert len(rows["connections"]) == flows
    assert [r.reason for r in rejects] == ["protocol"] * others, "ARP"
