"""ZMap's CSV by its header; what has none is not ZMap's."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.observe.survey.zmap import ZmapSensor
from tests.observe.survey.support import NOW, read, sample

COLUMNS = ("saddr", "sport", "timestamp_ts", "success", "192.0.2.1\n", "1605000000", "\n")


def test_three_answers() -> None:
    got = read(ZmapSensor(), sample("zmap.csv"))
    first, second, third = got.rows
    assert not got.rejects
    assert (first["ip"], first["port"], first["protocol"], first["state"]) == ("192.0.2.1", 80, 6, "open")
    assert first["ts"].timestamp() == 1_605_000_000.123456
    assert (second["state"], second["port"]) == ("closed", 80)
    assert third["tags"] == ["repeat"]


def test_a_header_of_one_column_and_none() -> None:
    sensor = ZmapSensor()
    assert sensor.sniff(b"saddr\n192.0.2.1\n")
    assert not sensor.sniff(b"192.0.2.1\n192.0.2.2\n")
    assert not sensor.sniff(b"ip,port\n192.0.2.2,1\n")
    row = read(sensor, b"saddr\n192.0.2.1\n").rows[0]
    assert (row["ip"], row["port"], row["protocol"], row["ts"].timestamp()) == ("192.0.2.1", 0, 0, NOW / 1e6)


def test_times_as_text_and_other_modules() -> None:
    data = (
        b"classification,saddr,success,timestamp_str\n"
        b"echoreply,192.0.2.1,1,2020-11-10T18:20:00.500+0900\nudp,192.0.2.2,1,2020-11-10T09:20:00.000+0000\n"
    )
    ping, udp = read(ZmapSensor(), data).rows
    assert (ping["protocol"], ping["state"], ping["ts"].timestamp()) == (1, "up", 1_605_000_000.5)
    assert (udp["protocol"], udp["state"]) == (17, "open")


def test_json_lines_give_the_same_rows() -> None:
    lines = sample("zmap.csv").decode().splitlines()
    names = lines[0].split(",")
    data = "\n".join(
        json.dumps(dict(zip(names, line.split(","), strict=True))) for line in lines[1:]
    ).encode()
    assert ZmapSensor().sniff(data)
    assert not ZmapSensor().sniff(b'{"ip": "192.0.2.1"}')
    got, want = read(ZmapSensor(), data), read(ZmapSensor(), sample("zmap.csv"))
    assert not got.rejects
    assert [{**r, "offset": 0} for r in got.rows] == [{**r, "offset": 0} for r in want.rows]


def test_what_is_rejected() -> None:
    data = (
        b"saddr,sport,timestamp_ts,timestamp_us\nx,1,1605000000,0\n192.0.2.1,-4,1605000000,0\n192.0.2.1,1,5,0\n"
        b"192.0.2.1,1,99999999999999999999,0\n192.0.2.1\n192.0.2.1,1,1605000000,0\n192.0.2.1,1,16050"
    )
    got = read(ZmapSensor(), data)
    assert [r.reason for r in got.rejects] == ["address", "port", "time", "time", "columns", "columns"]
    assert len(got.rows) == 1


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(noise: bytes) -> None:
    read(ZmapSensor(), sample("zmap.csv") + noise)
    read(ZmapSensor(), b'{"saddr": "192.0.2.1", "sport": 4}\n{' + noise)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(',\n"a1.', max_size=12) | st.sampled_from(COLUMNS), max_size=12))
def test_any_table(cells: list[str]) -> None:
    """Whatever columns there are: `--as` may be said of any file."""
    read(ZmapSensor(), ",".join(cells).encode())
