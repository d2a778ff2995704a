"""nfdump's CSV: a real one of version 1.7.1, the header of later versions, and what cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.observe.netlog.nfdump import NfdumpSensor
from tests.observe.netlog.support import DATA, read

REAL = (DATA / "nfdump.csv").read_bytes()
NEW = (DATA / "nfdump-new.csv").read_bytes()
HEADER, LINE = NEW.split(b"\n")[:2]


def test_real_records() -> None:
    rows, rejects = read(NfdumpSensor(), REAL)
    assert not rejects
    found = rows["connections"]
    assert len(found) == 11, "summaries and headers in the middle are no rows"
    unreachable, dtls = found[:2]
    assert (unreachable["protocol"], unreachable["src_port"], unreachable["dst_port"]) == (1, 3, 3)
    assert dtls["first_seen"] == datetime(2017, 11, 30, 19, 31, 9, tzinfo=UTC)
    assert dtls["last_seen"] == datetime(2017, 11, 30, 19, 31, 9, 39000, UTC)
    assert (dtls["src_packet_count"], dtls["src_byte_count"], dtls["dst_packet_count"]) == (10, 2104, None)
    assert found[3]["src_ip"] == "2a02:6bf:8080:165::1:12"
    assert found[-1]["state"] == "...AP.SF"
    assert all(REAL[r["offset"] - 1 : r["offset"]] == b"\n" for r in found)


def test_the_header_of_later_versions() -> None:
    rows, rejects = read(NfdumpSensor(), NEW)
    assert not rejects
    web, ping, six = rows["connections"]
    assert web["first_seen"] == datetime(2026, 11, 1, 0, 0, 0, 869000, UTC)
    assert (web["src_port"], web["dst_port"]) == (59856, 80)
    assert (ping["src_port"], ping["dst_port"]) == (8, 0)
    assert (six["dst_ip"], six["last_seen"].second) == ("2001:db8::53", 14)


def test_sniff() -> None:
    assert NfdumpSensor().sniff(REAL[:4096])
    assert NfdumpSensor().sniff(NEW)
    for other in (
        b"ts,name\n",
        b"a,b\n",
        b"timestamp,src,dst\n",
        b"2026-11-01,1\n",
        b"{}",
        b"StartTime,Dur\n",
    ):
        assert not NfdumpSensor().sniff(other)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b"192.0.2.10", b"x"), "address"),
        ((b"59856", b"70000"), "port"),
        ((b"59856", b"http"), "port"),
        ((b"TCP", b"XYZ"), "protocol"),
        ((b"2026-11-01", b"1970-01-01"), "time"),
        ((b"2026-11-01", b"2027-11-01"), "time"),
        ((b"2026-11-01", b"9999999-11-01"), "time"),
        ((b",7,", b",-7,"), "count"),
        ((b",7,", b",7x,"), "value"),
        ((b",7,", b",7,7,"), "fields"),
        ((b"0.211", b"-1"), "duration"),
    ],
)
def test_what_does_not_fit_is_rejected(change: tuple[bytes, bytes], reason: str) -> None:
    bad = LINE.replace(*change, 1)
    for times in (1, 600):
        data = b"\n".join([HEADER, *[LINE] * times, bad, *[LINE] * times])
        rows, rejects = read(NfdumpSensor(), data)
        assert len(rows["connections"]) == 2 * times
        assert [r.reason for r in rejects] == [reason]
        assert data[rejects[0].position :].startswith(bad[:15])


def test_rows_without_a_header() -> None:
    rows, rejects = read(NfdumpSensor(), LINE)
    assert not rows
    assert [r.reason for r in rejects] == ["header"]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_bytes_give_rows_or_rejects(data: st.DataObject) -> None:
    read(NfdumpSensor(), HEADER + b"\n" + data.draw(st.binary(max_size=200)))
    mutated = bytearray(data.draw(st.sampled_from([REAL, NEW])))
    for _ in range(data.draw(st.integers(1, 9))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        mutated[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    read(NfdumpSensor(), bytes(mutated))
