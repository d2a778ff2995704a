"""MaxMind DB: what the sensor makes of a database against MaxMind's own reader; damaged and hostile ones."""

from __future__ import annotations

import ipaddress
import random
from pathlib import Path
from typing import Any

import maxminddb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.context.mmdb import MmdbSensor, fields
from noroshi.wire import mmdb
from tests.observe.supply.support import rows
from tests.support.mmdb import write

RECORDS: dict[str, dict[str, Any]] = {
    "192.0.2.0/24": {"autonomous_system_number": 64500, "autonomous_system_organization": "Example"},
    "192.0.2.128/25": {"asn": "AS64501", "as_name": "Inner", "country_code": "jp"},
    "198.51.100.0/23": {"country": {"iso_code": "US", "names": {"en": "United States"}}},
    "2001:db8::/32": {"autonomous_system_number": 64502, "country": "DE"},
    "2001:db8:1::/48": {"registered_country": {"iso_code": "FR"}},
    "203.0.113.0/24": {"city": {"names": {"en": "x"}}},
}


def database(tmp_path: Path, entries: dict[str, dict[str, Any]], epoch: int = 1_700_000_000) -> bytes:
    """The bytes of a database."""
    return write(tmp_path / "t.mmdb", entries, epoch=epoch).read_bytes()


def test_networks(tmp_path: Path) -> None:
    data = database(
        tmp_path, {k: v for k, v in RECORDS.items() if k not in ("192.0.2.128/25", "2001:db8:1::/48")}
    )
    assert MmdbSensor().sniff(data[:4096])
    found, rejects = rows(MmdbSensor(), data)
    assert rejects == []
    got = {r["prefix"]: (r.get("asn"), r.get("as_name"), r.get("country")) for r in found["networks"]}
    assert got == {
        "192.0.2.0/24": ("AS64500", "Example", None),
        "198.51.100.0/23": (None, None, "US"),
        "2001:db8::/32": ("AS64502", None, "DE"),
    }
    one = found["networks"][0]
    assert (one["low"], one["high"]) == ("192.0.2.0", "192.0.2.255")
    assert one["ts"].timestamp() == 1_700_000_000


def test_the_same_as_maxminds_reader(tmp_path: Path) -> None:
    rng = random.Random(5)
    entries: dict[str, dict[str, Any]] = {}
    for _ in range(400):
        if rng.random() < 0.6:
            net: Any = ipaddress.ip_network((rng.getrandbits(32), rng.randint(8, 32)), strict=False)
        else:
            net = ipaddress.ip_network(
                (0x2001 << 112 | rng.getrandbits(100), rng.randint(20, 128)), strict=False
            )
        if not any(
            net.overlaps(ipaddress.ip_network(e)) for e in entries if (":" in e) == (net.version == 6)
        ):
            entries[str(net)] = {"asn": rng.randint(1, 1 << 31), "as_name": f"N{rng.randint(0, 50)}"}
    entries["0.0.0.0/32"] = {"asn": 7}
    data = database(tmp_path, entries)
    found, rejects = rows(MmdbSensor(), data)
    assert rejects == []
    with maxminddb.open_database(str(tmp_path / "t.mmdb")) as reader:
        expected = {str(net): f"AS{record['asn']}" for net, record in reader}  # type: ignore[index, call-overload]
        assert {r["prefix"]: r["asn"] for r in found["networks"]} == expected
        for r in found["networks"]:
            assert reader.get(r["low"]) == reader.get(r["high"])
    assert len(expected) == len(entries)


@pytest.mark.parametrize("size", [24, 28, 32])
def test_beginnings_of_the_three_sizes(size: int) -> None:
    width = size // 4
    nodes = bytearray()
    for i in range(10):
        left, right = i + 1, 5000 + i
        if size == 28:
            nodes += (
                (left & 0xFFFFFF).to_bytes(3)
                + bytes([(left >> 24) << 4 | right >> 24])
                + (right & 0xFFFFFF).to_bytes(3)
            )
        else:
            nodes += left.to_bytes(width // 2) + right.to_bytes(width // 2)
    assert mmdb.looks_like(bytes(nodes))
    assert not mmdb.looks_like(bytes(nodes[: 2 * width]))
    assert not mmdb.looks_like(bytes(len(nodes)))


def test_damaged_databases_are_told(tmp_path: Path) -> None:
    data = database(tmp_path, RECORDS | {"9.0.0.0/8": {"asn": 1}})
    for bad in (data[:-60], data[: len(data) // 2], data + b"x" * 200_000):
        found, rejects = rows(MmdbSensor(), bad)
        assert found == {}
        assert [r.reason for r in rejects] == ["mmdb"]
    # The root leads to itself: a tree that would never end.
    loop = bytes(4) + data[4:]
    assert [r.reason for r in rows(MmdbSensor(), loop)[1]] == ["mmdb"]
    late = database(tmp_path, RECORDS, epoch=9_000_000_000)
    assert [r.reason for r in rows(MmdbSensor(), late)[1]] == ["time"]


def test_records_have_a_budget() -> None:
    # Each of 12 arrays holds the one before it nine times: 9^12 values in 250 bytes.
    data = bytearray(b"\x41a")
    target = 0
    for _ in range(12):
        here = len(data)
        data += b"\x09\x04" + (b"\x20" + bytes([target])) * 9
        target = here
    with pytest.raises(mmdb.BrokenError):
        mmdb.Records(bytes(data)).at(target)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"asn": "AS0"}, (None, None, None)),
        ({"as": {"asn": 5, "name": "x"}}, ("AS5", None, None)),
        (
            {"traits": {"autonomous_system_number": 5, "autonomous_system_organization": "y"}},
            ("AS5", "y", None),
        ),
        ({"asn": 1 << 40, "country": "Japan"}, (None, None, None)),
        ([1], (None, None, None)),
        ({"country": {"iso_code": 5}}, (None, None, None)),
    ],
)
def test_fields(record: Any, expected: tuple[str | None, ...]) -> None:
    assert fields(record) == expected


@given(st.binary(max_size=60), st.integers(0, 3_000), st.integers(0, 20))
def test_any_bytes_give_rows_or_rejects(junk: bytes, at: int, cut: int) -> None:
    import tempfile

    if not _SEED:
        with tempfile.TemporaryDirectory() as folder:
            _SEED.append(database(Path(folder), RECORDS))
    data = _SEED[0]
    rows(MmdbSensor(), data[:at] + junk + data[at + cut :])
    rows(MmdbSensor(), data[:-at] + junk)
    rows(MmdbSensor(), junk)


_SEED: list[bytes] = []
