"""Organisation lists: longest match, names, and how much of a labelled set they cover."""

from __future__ import annotations

import csv
import ipaddress
import random
from datetime import date

import pyarrow as pa

from noroshi.analyse.darknet.organisations import organisations, parse
from noroshi.model import address
from tests.analyse.darknet import captures

LINES = """# prefix\torganisation\tlist\ttaken
192.0.2.0/24\twide\ta\t2026-01-01
192.0.2.64/28\tnarrow\ta\t2026-01-01
192.0.2.64/28\tolder\tb\t2025-01-01
192.0.2.1/32\tunnamed\tb\t2026-02-01
255.255.255.255/32\tlast\ta\t2026-01-01
2001:db8::/32\tsix\ta\t2026-01-01
"""


def who(*texts: str) -> list[str]:
    lists = parse(LINES)
    found = lists.match(pa.array([address.pack(t) for t in texts], pa.binary()))
    return [lists.entries[i].organisation if i >= 0 else "" for i in found]


def test_three_addresses_by_hand() -> None:
    assert who("192.0.2.64", "192.0.2.80", "192.0.3.0") == ["narrow", "wide", ""]


def test_edges_and_versions() -> None:
    assert who("0.0.0.0", "255.255.255.255", "255.255.255.254", "192.0.1.255") == ["", "last", "", ""]
    assert who("2001:db8::1", "2001:db9::", "::", "192.0.2.79") == ["six", "", "", "narrow"]
    assert who("192.0.2.1") == ["wide"]  # a name beats a narrower entry without one
    assert who() == []


def test_entry_keeps_every_list_and_the_newest_date() -> None:
    entry = next(e for e in parse(LINES).entries if e.prefix == "192.0.2.64/28")
    assert (entry.organisation, entry.lists, entry.taken) == (
        "narrow",
        ("a 2026-01-01", "b 2025-01-01"),
        date(2026, 1, 1),
    )


def test_slices_and_chunks_of_arrow_arrays() -> None:
    lists = parse(LINES)
    packed = pa.array([address.pack(t) for t in ("10.0.0.1", "192.0.2.64", "192.0.2.80")], pa.binary())
    assert lists.match(packed.slice(1)).tolist() == lists.match(packed).tolist()[1:]
    assert lists.match(pa.chunked_array([packed, packed])).tolist() == lists.match(packed).tolist() * 2


def test_against_the_slow_way() -> None:
    lists = organisations()
    rng = random.Random(1)
    nets = [(ipaddress.ip_network(e.prefix), e) for e in lists.entries]
    near = [int(rng.choice(nets)[0].network_address) + rng.randrange(-2, 300) for _ in range(60)]
    texts = [str(ipaddress.IPv4Address(n)) for n in near if 0 <= n < 2**32]
    found = lists.match(pa.array([address.pack(t) for t in texts], pa.binary()))
    for text, i in zip(texts, found, strict=True):
        ip = ipaddress.ip_address(text)
        holding = [(e.organisation != "unnamed", n.prefixlen, e.prefix) for n, e in nets if ip in n]
        assert (lists.entries[i].prefix if i >= 0 else None) == (max(holding)[2] if holding else None)


def test_the_lists_that_come_with_the_package() -> None:
    lists = organisations()
    assert len(lists.entries) > 25_000
    assert all(date(2025, 12, 1) <= e.taken <= date(2026, 8, 31) for e in lists.entries)
    assert (
        max(ipaddress.ip_network(e.prefix).num_addresses for e in lists.entries if ":" not in e.prefix)
        <= 65_536
    )
    names = {e.organisation for e in lists.entries}
    assert {"censys", "shodan", "shadowserver", "stretchoid", "rapid7", "onyphe"} <= names


def test_coverage_of_the_labelled_addresses() -> None:
    with captures.data("darknet/lists/darkvec_big_gt.csv").open() as f:
        labelled = {r["ip"]: r["class"] for r in csv.DictReader(f) if r["class"] != "class"}
    lists = organisations()
    found = lists.match(pa.array([address.pack(ip) for ip in labelled], pa.binary()))
    named = [i >= 0 and lists.entries[i].organisation != "unnamed" for i in found]
    # the figures in the docstring of organisations.py
    assert (len(labelled), int((found >= 0).sum()), sum(named)) == (9125, 6697, 5718)
