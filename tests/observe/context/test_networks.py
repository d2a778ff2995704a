"""IP-to-AS tables as text: with and without header, IPv4 at once, IPv6 and bad lines one by one."""

from __future__ import annotations

import csv
import gzip
import io
import ipaddress

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.context import ranges
from noroshi.observe.context.networks import IpToAsnSensor, NetworksCsvSensor
from tests.observe.supply.support import real, rows

TSV = b"""1.0.0.0\t1.0.0.255\t13335\tUS\tCLOUDFLARENET
1.0.1.0\t1.0.3.255\t0\tNone\tNot routed
1.0.4.0\t1.0.7.255\t38803\tAU\tWPL-AS-AP "Wire" Pty, Ltd
2001:200::\t2001:200:5ff:ffff:ffff:ffff:ffff:ffff\t2500\tJP\tWIDE-BB
2001:db8::\t2001:db8:ffff:ffff:ffff:ffff:ffff:ffff\t64500\tJP\tDOC
"""
CSV = b"""network,country,asn,as_name
1.0.0.0/8,AU,0,""
1.0.0.0/24,AU,13335,"CLOUDFLARENET"
1.0.64.0/18,jp,AS18144,"Energia Communications,Inc."
2001:db8::/32,JP,64500,"Doc"
"""
GEOLITE = b"""network,autonomous_system_number,autonomous_system_organization
1.0.0.0/24,13335,CLOUDFLARENET
"""
DBIP = b'"1.0.0.0","1.0.0.255","AU"\n"1.0.1.0","1.0.3.255","CN"\n'


def test_sniff() -> None:
    assert IpToAsnSensor().sniff(TSV)
    assert IpToAsnSensor().sniff(DBIP)
    assert IpToAsnSensor().sniff(b"1.0.0.0,1.0.0.255,13335,Cloudflare\n")
    assert NetworksCsvSensor().sniff(CSV)
    assert NetworksCsvSensor().sniff(GEOLITE)
    assert NetworksCsvSensor().sniff(b"start_ip,end_ip,country,asn\n1.0.0.0,1.0.0.255,US,AS1\n")
    for other in (b"1.0.0.0\t1.0.0.255\n", b"1.0.0.9\t1.0.0.1\t1\tUS\tx\n", b"ip,port,asn\n1.2.3.4,80,1\n", b"a,b\n",
                  b"network,asn\nx,1\n", b"1.1.1.1,2.2.2.2,443,80,tcp,1\n", b"#fields\tts\tuid\n"):  # fmt: skip
        assert not IpToAsnSensor().sniff(other)
        assert not NetworksCsvSensor().sniff(other)


def test_without_header() -> None:
    found, rejects = rows(IpToAsnSensor(), TSV)
    assert rejects == []
    got = [
        (r["low"], r["high"], r.get("prefix"), r.get("asn"), r.get("as_name"), r.get("country"))
        for r in found["networks"]
    ]
    assert got == [
        ("1.0.0.0", "1.0.0.255", "1.0.0.0/24", "AS13335", "CLOUDFLARENET", "US"),
        ("1.0.1.0", "1.0.3.255", None, None, None, None),
        ("1.0.4.0", "1.0.7.255", "1.0.4.0/22", "AS38803", 'WPL-AS-AP "Wire" Pty, Ltd', "AU"),
        ("2001:200::", "2001:200:5ff:ffff:ffff:ffff:ffff:ffff", None, "AS2500", "WIDE-BB", "JP"),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::/32", "AS64500", "DOC", "JP"),
    ]
    for row in found["networks"]:
        assert TSV[row["offset"] :].startswith(row["low"].encode())


def test_with_header() -> None:
    found, rejects = rows(NetworksCsvSensor(), CSV)
    assert rejects == []
    got = [(r["prefix"], r.get("asn"), r.get("as_name"), r["country"]) for r in found["networks"]]
    assert got == [
        ("1.0.0.0/8", None, None, "AU"), ("1.0.0.0/24", "AS13335", "CLOUDFLARENET", "AU"),
        ("1.0.64.0/18", "AS18144", "Energia Communications,Inc.", "JP"), ("2001:db8::/32", "AS64500", "Doc", "JP"),
    ]  # fmt: skip
    (one,) = rows(NetworksCsvSensor(), GEOLITE)[0]["networks"]
    assert (one["asn"], one["as_name"]) == ("AS13335", "CLOUDFLARENET")
    assert [r["country"] for r in rows(IpToAsnSensor(), DBIP)[0]["networks"]] == ["AU", "CN"]


def test_bad_lines_spoil_themselves_only() -> None:
    bad = [b"256.0.0.0/8,JP,1,x", b"1.2.3.4/33,JP,1,x", b"01.2.3.4/8,JP,1,x", b"1.2.3/8,JP,1,x", b"fe80::1%0/64,JP,1,x",
           b"1.2.3.0/24,JP", b"\x00\xff,JP,1,x", b",,,", b"1.2.3.4.5/8,JP,1,x", b"1/2.3.4.5,JP,1,x"]  # fmt: skip
    data = CSV + b"\n".join(bad) + b"\n\n9.0.0.0/8,ZZZ,99999999999,\xff\n"
    found, rejects = rows(NetworksCsvSensor(), data)
    assert {r.reason for r in rejects} == {"network", "columns"}
    assert sorted(r.position for r in rejects) == sorted(data.index(line) for line in bad)
    last = next(r for r in found["networks"] if r["prefix"] == "9.0.0.0/8")
    assert set(last) == {"ts", "low", "high", "prefix", "offset"}
    assert len(found["networks"]) == 5


def test_host_bits_are_cleared() -> None:
    found, _ = rows(NetworksCsvSensor(), b"network,asn\n192.0.2.77/24,64500\n")
    assert [(r["low"], r["high"], r["prefix"]) for r in found["networks"]] == [
        ("192.0.2.0", "192.0.2.255", "192.0.2.0/24")
    ]


@given(st.lists(st.one_of(st.ip_addresses(v=4).map(str), st.text("0123456789./ab:", max_size=18))))
def test_addresses_at_once_are_those_of_python(texts: list[str]) -> None:
    right, address, _ = ranges.parse4(pa.array(texts, pa.string()), False)
    for text, ok, value in zip(texts, right.tolist(), address.tolist(), strict=True):
        try:
            expected = int(ipaddress.IPv4Address(text))
        except ValueError:
            expected = None
        assert (value if ok else None) == expected


@given(st.lists(st.tuples(st.ip_addresses(v=4), st.integers(0, 40))))
def test_prefixes_at_once_are_those_of_python(pairs: list[tuple[ipaddress.IPv4Address, int]]) -> None:
    texts = [f"{a}/{n}" for a, n in pairs]
    right, address, bits = ranges.parse4(pa.array(texts, pa.string()), True)
    assert right.tolist() == [n <= 32 for _, n in pairs]
    kept = [(int(a), n) for a, n in pairs if n <= 32]
    assert list(zip(address[right].tolist(), bits[right].tolist(), strict=True)) == kept
    shown = ranges.texts4(np.array([a for a, _ in kept], np.uint64), np.array([n for _, n in kept], np.int64))
    assert shown.to_pylist() == [f"{a}/{n}" for a, n in pairs if n <= 32]


@given(st.binary(max_size=100), st.integers(0, 300), st.integers(0, 30))
def test_any_bytes_give_rows_or_rejects(junk: bytes, at: int, cut: int) -> None:
    rows(NetworksCsvSensor(), CSV[:at] + junk + CSV[at + cut :])
    rows(IpToAsnSensor(), TSV[:at] + junk + TSV[at + cut :])
    rows(IpToAsnSensor(), junk)


@pytest.mark.parametrize("name", ["JP", "all"])
def test_a_whole_table(name: str) -> None:
    data = gzip.decompress(real("survey", "asn", f"ip4_asn_ipfire_20221029_{name}.csv.gz").read_bytes())
    plain = list(csv.DictReader(io.StringIO(data.decode())))
    from noroshi.model.reject import Reject
    from tests.observe.supply.support import reading

    parts = list(NetworksCsvSensor().read(reading(data)))
    assert not any(isinstance(p, Reject) for p in parts)
    table = pa.concat_tables(p.rows for p in parts if not isinstance(p, Reject))
    assert table["prefix"].to_pylist() == [p["network"] for p in plain]
    assert table["asn"].to_pylist() == [f"AS{p['asn']}" if p["asn"] != "0" else None for p in plain]
    assert [c or "" for c in table["country"].to_pylist()] == [p["country"] for p in plain]
    lows, highs = table["low"].to_pylist(), table["high"].to_pylist()
    for i in range(0, len(plain), 97):
        net = ipaddress.ip_network(plain[i]["network"])
        assert (lows[i][1:], highs[i][1:]) == (net.network_address.packed, net.broadcast_address.packed)
