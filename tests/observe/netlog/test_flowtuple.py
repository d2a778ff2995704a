"""FlowTuple in Avro: containers written here by the schema of Corsaro's source, whole, cut and hostile."""

from __future__ import annotations

import json
import random
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.model.errors import SourceError
from noroshi.observe.netlog.flowtuple import FlowTupleSensor
from tests.observe.netlog.support import read, reading

ARRAY = {"type": "array", "items": "long"}
V4 = {
    "type": "record", "namespace": "org.caida.corsaro", "name": "flowtuple4",
    "fields": [
        {"name": n, "type": "long" if n in ("time", "src_ip", "dst_net", "packet_cnt") else "int"}
        for n in (
            "time", "src_ip", "dst_net", "dst_port", "protocol", "packet_cnt", "uniq_dst_ips", "uniq_pkt_sizes",
            "uniq_ttls", "uniq_src_ports", "uniq_tcp_flags", "first_syn_length", "first_tcp_rwin",
        )
    ]
    + [
        {"name": n, "type": ARRAY}
        for c in ("pktsize", "ttl", "srcport", "tcpflag") for n in (f"common_{c}s", f"common_{c}_freqs")
    ]
    + [
        {"name": f"{source}_{what}", "type": "string"}
        for source in ("maxmind", "netacq") for what in ("continent", "country")
    ]
    + [{"name": "prefix2asn", "type": "long"}],
}  # fmt: skip
V3 = {
    "type": "record", "namespace": "org.caida.corsaro", "name": "flowtuple",
    "fields": [
        {"name": n, "type": "long"}
        for n in (
            "time", "src_ip", "dst_ip", "src_port", "dst_port", "protocol", "ttl", "tcp_flags", "ip_len", "packet_cnt",
        )
    ],
}  # fmt: skip
TIME = 1793491200
SCAN = [TIME, 0xC6336409, 0x2C000000, 23, 6, 7, 7, 1, 1, 1, 1, 44, 1024, [44], [7], [240], [7], [6000], [7], [2], [7],
        "EU", "DE", "EU", "DE", 64500]  # fmt: skip
PING = [
    TIME,
    0xC6336409,
    0x2C000000,
    8 << 8,
    1,
    2,
    2,
    1,
    1,
    0,
    0,
    0,
    0,
    *[[]] * 8,
    "EU",
    "DE",
    "EU",
    "DE",
    64500,
]
OLD = [TIME, 0xC6336409, 0x2C010203, 40000, 445, 6, 110, 2, 48, 3]
SYNC = bytes(range(16))


def number(value: int) -> bytes:
    value = value << 1 if value >= 0 else (-value << 1) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def text(value: bytes) -> bytes:
    return number(len(value)) + value


def record(values: list[Any]) -> bytes:
    out = b""
    for value in values:
        if isinstance(value, list):
            out += (number(len(value)) + b"".join(map(number, value)) if value else b"") + b"\x00"
        else:
            out += text(value.encode()) if isinstance(value, str) else number(value)
    return out


def container(schema: Any, *blocks: list[list[Any]], codec: str = "null") -> bytes:
    meta = {b"avro.schema": json.dumps(schema).encode(), b"avro.codec": codec.encode()}
    out = (
        b"Obj\x01" + number(len(meta)) + b"".join(text(k) + text(v) for k, v in meta.items()) + b"\x00" + SYNC
    )
    for rows in blocks:
        data = b"".join(record(r) for r in rows)
        if codec == "deflate":
            wide = zlib.compressobj(wbits=-15)
            data = wide.compress(data) + wide.flush()
        elif codec == "snappy":
            import pyarrow as pa

            data = pa.Codec("snappy").compress(data, asbytes=True) + zlib.crc32(data).to_bytes(4)
        out += number(len(rows)) + text(data) + SYNC
    return out


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy"])
def test_version_4(codec: str) -> None:
    data = container(V4, [SCAN, PING], [SCAN], codec=codec)
    assert FlowTupleSensor().sniff(data[:4096])
    rows, rejects = read(FlowTupleSensor(), data)
    assert not rejects
    scan, ping, again = rows["connections"]
    assert scan["first_seen"] == datetime(2026, 11, 1, tzinfo=UTC)
    assert (scan["src_ip"], scan["dst_ip"], scan["src_port"], scan["dst_port"]) == (
        "198.51.100.9",
        "44.0.0.0",
        6000,
        23,
    )
    assert (scan["protocol"], scan["src_packet_count"], scan["src_byte_count"]) == (6, 7, None)
    assert (ping["src_port"], ping["dst_port"]) == (8, 0)
    assert again["offset"] > scan["offset"] == ping["offset"], "the place of the block"


def test_the_version_before() -> None:
    rows, rejects = read(FlowTupleSensor(), container(V3, [OLD]))
    assert not rejects
    (row,) = rows["connections"]
    assert (row["dst_ip"], row["src_port"], row["dst_port"]) == ("44.1.2.3", 40000, 445)
    assert row["src_byte_count"] == 144


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (0, 5, "time"), (0, 1 << 60, "time"), (1, 1 << 32, "address"), (1, -1, "address"), (3, 1 << 20, "port"),
        (4, 300, "protocol"), (5, -1, "count"), (17, [1 << 30], "port"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_rejected(at: int, value: Any, reason: str) -> None:
    bad = list(SCAN)
    bad[at] = value
    rows, rejects = read(FlowTupleSensor(), container(V4, [SCAN, bad, SCAN]))
    assert len(rows["connections"]) == 2
    assert [r.reason for r in rejects] == [reason]


def test_truncated_anywhere() -> None:
    data = container(V4, [SCAN] * 3, [PING] * 3, codec="deflate")
    head = len(container(V4, codec="deflate"))
    for cut in range(head, len(data), 7):
        rows, rejects = read(FlowTupleSensor(), data[:cut])
        told = cut == head or bool(rejects) or len(rows["connections"]) == 3
        assert told
    for cut in range(0, head, 29):
        with pytest.raises(SourceError):
            read(FlowTupleSensor(), data[:cut])


def test_a_broken_file_says_so() -> None:
    data = container(V4, [SCAN] * 3)[:-20]
    into = reading(data)
    rows, rejects = read(FlowTupleSensor(), data, into=into)
    assert not rows
    assert "breaks off" in into.problem
    assert [r.reason for r in rejects] == ["block"]


@pytest.mark.parametrize(
    "schema",
    [
        [], "long", {"type": "record"}, {"type": "record", "fields": [1]}, V4 | {"fields": V4["fields"][:3]},
        V3 | {"fields": [{"name": "time", "type": {"type": "map", "values": "long"}}]},
        V3 | {"fields": [{"name": "time", "type": [[[[["long"]]]]]}]},
    ],
)  # fmt: skip
def test_another_schema_is_told(schema: Any) -> None:
    with pytest.raises(SourceError):
        read(FlowTupleSensor(), container(schema))


def test_bombs_are_bounded() -> None:
    bomb = zlib.compressobj(wbits=-15)
    packed = bomb.compress(bytes(70 << 20)) + bomb.flush()
    data = container(V4) + number(1) + text(packed) + SYNC
    data = data.replace(text(b"avro.codec") + text(b"null"), text(b"avro.codec") + text(b"deflate"))
    rows, rejects = read(FlowTupleSensor(), data)
    assert not rows
    assert [r.reason for r in rejects] == ["block"]
    huge = container(V4) + number(1 << 40) + number(1 << 50)
    assert read(FlowTupleSensor(), huge)[1][0].reason == "block"
    many = container(V4) + number(1 << 40) + text(record(SCAN)) + SYNC
    rows, rejects = read(FlowTupleSensor(), many)
    assert (len(rows["connections"]), rejects[0].reason) == (1, "record")
    nothing = V3 | {"fields": [{"name": f["name"], "type": "null"} for f in V3["fields"]]}
    rows, rejects = read(FlowTupleSensor(), container(nothing) + number(1 << 40) + text(b"") + SYNC)
    assert sum(r.count for r in rejects) == 1 << 40


def test_another_reader_agrees() -> None:
    fastavro = pytest.importorskip("fastavro")
    import io

    chance = random.Random(1)
    rows = [[chance.randrange(1 << 31) if isinstance(v, int) else v for v in SCAN] for _ in range(50)]
    found = list(fastavro.reader(io.BytesIO(container(V4, rows))))
    assert [list(f.values()) for f in found] == rows
    out = io.BytesIO()
    fastavro.writer(
        out, V4, [dict(zip((f["name"] for f in V4["fields"]), SCAN, strict=True))] * 5, codec="deflate"
    )
    assert len(read(FlowTupleSensor(), out.getvalue())[0]["connections"]) == 5


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_bytes_give_rows_or_rejects(data: st.DataObject) -> None:
    codec = data.draw(st.sampled_from(["null", "deflate", "snappy"]))
    mutated = bytearray(container(V4, [SCAN, PING], [SCAN], codec=codec))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        mutated[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    for source in (
        bytes(mutated),
        container(V4) + data.draw(st.binary(max_size=100)),
        data.draw(st.binary(max_size=50)),
    ):
        try:
            read(FlowTupleSensor(), source)
        except SourceError:
            continue
