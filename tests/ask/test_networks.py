"""Whose an address is: the longest match of the newest table, by SQL and by index alike."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.ask import networks
from noroshi.ask.networks import _flat, columns, lookup, networks_of
from noroshi.lake.handle import Lake
from noroshi.model import address
from noroshi.model.errors import UsageError
from noroshi.model.reject import Reject
from noroshi.model.tlp import Tlp
from noroshi.observe.context.networks import IpToAsnSensor, NetworksCsvSensor
from tests.observe.supply.support import reading

DAY_US = 86_400_000_000
OLD, NEW = 1_700_000_000_000_000, 1_720_000_000_000_000
TABLE = b"""network,country,asn,as_name
10.0.0.0/8,US,1,Wide
10.1.0.0/16,JP,2,Middle
10.1.2.0/24,,3,Narrow
10.1.2.128/25,DE,0,
255.255.255.0/24,FR,4,Last
2001:db8::/32,JP,5,Six
2001:db8:1::/48,US,6,Inner
ffff::/16,FR,7,Top
"""


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    networks._INDEXES.clear()
    yield Lake.open(tmp_path / "lake")
    networks._INDEXES.clear()


def put(lake: Lake, data: bytes, date_us: int = OLD, sensor: Any = None, tlp: Tlp = Tlp.GREEN) -> None:
    """Stores a table."""
    sensor = sensor or NetworksCsvSensor()
    with lake.writer() as writer:
        run = writer.begin(path="t", source="t", format=sensor.name, parser_version=1, tlp=tlp)
        for item in sensor.read(reading(data, date_us)):
            assert not isinstance(item, Reject)
            run.write(item)
        run.finish(sha256=f"{hash((data, date_us)):x}", size=len(data), counts={}, problem="")


ASKED = ["10.1.2.3", "10.1.2.200", "10.1.3.1", "10.9.9.9", "11.0.0.0", "255.255.255.255", "9.255.255.255",
         "2001:db8:1::5", "2001:db8:2::", "2001:db9::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]  # fmt: skip
ANSWERS = [
    ("10.1.2.0/24", "AS3", "Narrow", None), ("10.1.2.128/25", None, None, "DE"), ("10.1.0.0/16", "AS2", "Middle", "JP"),
    ("10.0.0.0/8", "AS1", "Wide", "US"), None, ("255.255.255.0/24", "AS4", "Last", "FR"), None,
    ("2001:db8:1::/48", "AS6", "Inner", "US"), ("2001:db8::/32", "AS5", "Six", "JP"), None,
    ("ffff::/16", "AS7", "Top", "FR"),
]  # fmt: skip


def plain(places: list[networks.Place | None]) -> list[Any]:
    """Answers without dates."""
    return [p and (p.network, p.asn, p.as_name, p.country) for p in places]


def test_the_longest_match(lake: Lake) -> None:
    put(lake, TABLE)
    snapshot = lake.snapshot()
    by_sql = [lookup(snapshot, [a])[0] for a in ASKED]
    assert not networks._INDEXES
    by_index = lookup(snapshot, ASKED)
    assert networks._INDEXES
    assert plain(by_sql) == plain(by_index) == ANSWERS
    assert lookup(snapshot, [address.pack(a) for a in ASKED]) == by_index == by_sql
    assert by_index[0] is not None
    assert by_index[0].asn_ts is not None
    assert int(by_index[0].asn_ts.timestamp()) == OLD // 1_000_000


def test_columns_beside_addresses(lake: Lake) -> None:
    put(lake, TABLE)
    packed = pa.array([*(address.pack(a) for a in ASKED), None], pa.binary())
    for some in (
        packed,
        pa.chunked_array([packed.slice(0, 4), packed.slice(4)]),
        packed.dictionary_encode(),
    ):
        got = columns(lake.snapshot(), some).to_pylist()
        assert [tuple(g.values()) for g in got] == [
            a[1:] if a else (None, None, None) for a in [*ANSWERS, None]
        ]


def test_an_empty_lake_and_what_is_no_address(lake: Lake) -> None:
    snapshot = lake.snapshot()
    assert lookup(snapshot, ["10.0.0.1"]) == [None]
    assert columns(snapshot, pa.array([address.pack("10.0.0.1")])).to_pylist() == [
        {"asn": None, "as_name": None, "country": None}
    ]
    assert networks_of(snapshot, "AS1") == []
    with pytest.raises(UsageError):
        lookup(snapshot, ["x"])
    with pytest.raises(ValueError, match="not a stored address"):
        lookup(snapshot, [b"x"])


def test_the_newest_table_holds_for_what_it_says(lake: Lake) -> None:
    put(lake, TABLE)
    put(lake, b"network,country\n10.0.0.0/8,IT\n", NEW)
    put(lake, b"10.1.0.0\t10.1.2.9\t77\tNone\tOdd range\n", NEW + DAY_US, IpToAsnSensor())
    snapshot = lake.snapshot()
    for _ in range(2):  # by SQL, then by index
        one, two, six = lookup(snapshot, ["10.1.2.3", "10.9.9.9", "2001:db8::1"])
        assert one is not None
        assert one.network == "10.1.0.0 - 10.1.2.9"
        assert (one.asn, one.as_name, one.country) == ("AS77", "Odd range", "IT")
        assert one.asn_ts is not None
        assert one.country_ts is not None
        assert one.asn_ts > one.country_ts
        assert two is not None
        assert (two.asn, two.country) == (None, "IT"), "no falling back on an older table"
        assert six is not None
        assert six.asn == "AS5", "the newer tables say nothing about IPv6"
        lookup(snapshot, ["10.0.0.1"] * 20)


def test_what_one_may_not_see_is_not_used(lake: Lake) -> None:
    put(lake, TABLE)
    put(lake, b"network,asn\n10.0.0.0/8,99\n", NEW, tlp=Tlp.RED)
    for count in (1, 20):
        assert {p and p.asn for p in lookup(lake.snapshot(), ["10.9.9.9"] * count)} == {"AS99"}
        seen = lake.snapshot().restricted(Tlp.GREEN)
        assert {p and p.asn for p in lookup(seen, ["10.9.9.9"] * count)} == {"AS1"}


def test_a_forgotten_table_is_not_used(lake: Lake) -> None:
    put(lake, TABLE)
    put(lake, b"network,asn\n10.0.0.0/8,99\n", NEW)
    assert plain(lookup(lake.snapshot(), ["10.9.9.9"] * 20))[0][1] == "AS99"
    newest = next(r for r in lake.snapshot().runs() if r.rows("networks") == 1)
    lake.forget(newest.run_id)
    assert plain(lookup(lake.snapshot(), ["10.9.9.9"] * 20))[0][1] == "AS1"


def test_networks_of_an_as(lake: Lake) -> None:
    put(lake, TABLE + b"10.5.0.0/16,US,2,Middle\n")
    assert networks_of(lake.snapshot(), "2") == ["10.1.0.0/16", "10.5.0.0/16"]
    assert networks_of(lake.snapshot(), "AS6") == ["2001:db8:1::/48"]


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 8)), max_size=40, unique=True))
def test_nested_prefixes_laid_flat(given: list[tuple[int, int]]) -> None:
    """Over eight bits, every address against a plain search for the longest match."""
    nets = list(dict.fromkeys((value >> 8 - bits << 8 - bits, bits) for value, bits in given))
    low = np.array([v for v, _ in nets], np.uint64)
    size = np.array([2 ** (8 - b) for _, b in nets], np.uint64)
    starts, owners = _flat(low, low + size, (size - np.uint64(1)).astype(np.float64) if nets else np.zeros(0))
    for value in range(256):
        at = int(np.searchsorted(starts, np.uint64(value), side="right")) - 1
        got = int(owners[at]) if at >= 0 else -1
        holds = [(b, i) for i, (v, b) in enumerate(nets) if value >> 8 - b << 8 - b == v]
        assert got == (max(holds)[1] if holds else -1)


def test_neighbours_do_not_touch(lake: Lake) -> None:
    lines = [f"10.0.{i}.0/24,{i + 1}" for i in range(0, 256, 2)]
    put(lake, ("network,asn\n" + "\n".join(lines) + "\n").encode())
    asked = [f"10.0.{i}.{last}" for i, last in itertools.product(range(256), (0, 255))]
    got = lookup(lake.snapshot(), asked)
    for text, place in zip(asked, got, strict=True):
        third = int(ipaddress.ip_address(text)) >> 8 & 255
        assert (place.asn if place else None) == (None if third % 2 else f"AS{third + 1}")
