"""NICT Darknet Dataset 2022: lines as its page describes them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.observe.netlog.nict import NictSensor
from tests.observe.netlog.support import read

HEADER = b"timestamp,hash[ip.src.upper16],hash[ip.src.32],ip.dst.lower16,tcp.dstport\n"
LINE = b"1664462456.755299,0a1b2c3d4e5f6071,ff00ff00ff00ff00,513,23\n"


def test_rows() -> None:
    for data in (LINE * 2, HEADER + LINE * 2):
        assert NictSensor().sniff(data)
        rows, rejects = read(NictSensor(), data)
        assert not rejects
        assert rows["masked_packets"][1] == {
            "ts": datetime(2022, 9, 29, 14, 40, 56, 755299, UTC), "src_hash": "ff00ff00ff00ff00",
            "src_net_hash": "0a1b2c3d4e5f6071", "dst_low": 513, "dst_port": 23, "protocol": 6,
            "offset": len(data) - len(LINE),
        }  # fmt: skip


def test_halves_of_addresses_with_a_dot() -> None:
    rows, _ = read(NictSensor(), LINE.replace(b",513,", b",2.1,"))
    assert rows["masked_packets"][0]["dst_low"] == 513


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b"1664462456.755299", b"1"), "time"),
        ((b",513,", b",65536,"), "address"), ((b",513,", b",256.1,"), "address"),
        ((b",23", b",70000"), "port"), ((b",23", b",telnet"), "value"), ((b",ff00ff00ff00ff00", b","), "value"),
        ((b",23", b""), "fields"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_rejected(change: tuple[bytes, bytes], reason: str) -> None:
    rows, rejects = read(NictSensor(), LINE + LINE.replace(*change) + LINE)
    assert len(rows["masked_packets"]) == 2
    assert [(r.reason, r.position) for r in rejects] == [(reason, len(LINE))]


def test_other_lines_of_numbers_are_not_taken_for_it() -> None:
    for head in (b"1664462456,a,b,c,d\n", b"1,2,3,4,5\n", b"2026-11-01,00,00,1,2\n", b"\n", b",,,,\n"):
        assert not NictSensor().sniff(head)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 150))
def test_any_bytes_give_rows_or_rejects(junk: bytes, at: int) -> None:
    read(NictSensor(), junk)
    data = HEADER + LINE * 2
    read(NictSensor(), data[:at] + junk + data[at:])
