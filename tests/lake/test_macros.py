"""The SQL macros agree with Python's ipaddress, and are folded so that row groups are skipped."""

from __future__ import annotations

import ipaddress
import random
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.lake.macros import install
from noroshi.model import address

CON = duckdb.connect()
install(CON)

TEXTS = [
    "192.0.2.1", "0.0.0.0", "255.255.255.255", "10.0.0.0", "::", "::1", "1::", "2001:db8::1", "1:0:0:2::3",
    "1:0:0:2:2:0:0:3", "0:0:1:0:0:0:1:0", "0:1:2:3:4:5:6:7", "1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7::",
    "::2:3:4:5:6:7:8",
    "64:ff9b::192.0.2.1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1:2:3:4:5:6:7:8", "0:0:0:0:0:0:0:0",
    "2001:DB8::A", " 192.0.2.1 ", "1:0:3:4:5:6:7:8",
]  # fmt: skip


def one(text: str, *params: Any) -> Any:
    row = CON.execute(text, params).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("text", TEXTS)
def test_as_python(text: str) -> None:
    assert one("SELECT ip(?)", text) == address.pack(text)
    assert one("SELECT ip_text(?::BLOB)", address.pack(text)) == address.text(address.pack(text))


@pytest.mark.parametrize(
    "text", ["::ffff:192.0.2.1", "::FFFF:c000:201", "0:0:0:0:0:ffff:192.0.2.1", "0::ffff:0:0"]
)
def test_v4_mapped_becomes_v4(text: str) -> None:
    assert one("SELECT ip(?)", text) == address.pack(text)
    assert len(one("SELECT ip(?)", text)) == 5


@pytest.mark.parametrize(
    "text",
    ["", "1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4.5", "1::2::3", ":1", "1:2:3:4:5:6:7:8:9",
     "1:2:3:4:5:6:7::8",
     "g::", "::1.2.3.4.5", "::1.2.3", "12345::", "fe80::1%eth0", "1.2.3.4/24", ":::", "%n", "1.2.3.4\n5"],
)  # fmt: skip
def test_no_address_fails_and_is_named(text: str) -> None:
    with pytest.raises(duckdb.Error) as e:
        one("SELECT ip(?)", text)
    assert "not an IP address" in str(e.value)


def test_null_and_other_blobs() -> None:
    assert one("SELECT ip(NULL)") is None
    assert one("SELECT ip_text(NULL)") is None
    assert one("SELECT ip_text('\\xAB'::BLOB)") == "ab"


def both_ways(values: list[ipaddress.IPv4Address] | list[ipaddress.IPv6Address]) -> None:
    """Text to bytes and back as Python does it, all in one query: a query each costs 10 ms."""
    texts = [str(v) for v in values] + [v.exploded for v in values]
    packed = [address.pack(t) for t in texts]
    rows = CON.execute(
        "SELECT ip(t), ip_text(p) FROM (SELECT unnest($1::VARCHAR[]) t, unnest($2::BLOB[]) p)",
        [texts, packed],
    ).fetchall()
    assert rows == [(p, address.text(p)) for p in packed]


@given(
    st.lists(
        st.one_of(
            st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address),
            st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address),
        ),
        max_size=50,
    )
)
@settings(max_examples=20)
def test_any_address(values: list[Any]) -> None:
    both_ways(values)


def test_runs_of_zeros() -> None:
    """Groups of few values, so that runs of zeros of every length and place come up."""
    rng = random.Random(1)
    groups = [rng.choices([0, 0, 0, 1, 0x10, 0xABC, 0xFFFF], k=8) for _ in range(2_000)]
    groups += [[int(c) for c in f"{n:08b}"] for n in range(256)]
    values = [ipaddress.IPv6Address(b"".join(g.to_bytes(2, "big") for g in line)) for line in groups]
    both_ways(values)
    plain = [v for v in values if v.ipv4_mapped is None]
    shown = CON.execute(
        "SELECT ip_text(unnest($1::BLOB[]))", [[b"\x06" + v.packed for v in plain]]
    ).fetchall()
    assert shown == [(str(v),) for v in plain]


@pytest.mark.parametrize(
    "net",
    ["192.0.2.77/24", "0.0.0.0/0", "10.0.0.1", "10.1.2.3/13", "255.255.255.255/32", "2001:db8::/32", "::/0",
     "2001:db8::1/127", "2001:db8::1", "::ffff:192.0.2.0/120"],
)  # fmt: skip
def test_prefix_ends(net: str) -> None:
    assert CON.execute("SELECT net_first($1), net_last($1)", [net]).fetchone() == address.prefix_range(net)


@pytest.mark.parametrize("net", ["10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/x", "2001:db8::/129", "10.0.0/8"])
def test_no_prefix_fails(net: str) -> None:
    with pytest.raises(duckdb.Error):
        one("SELECT in_net(ip('10.0.0.1'), ?)", net)


def test_in_net_as_python() -> None:
    rng = random.Random(2)
    bases = [rng.getrandbits(32) for _ in range(2_000)]
    hosts = [ipaddress.IPv4Address(b ^ (rng.getrandbits(32) >> rng.randrange(33))) for b in bases]
    nets = [ipaddress.ip_network((b, rng.randrange(33)), strict=False) for b in bases]
    rows = CON.execute(
        "SELECT in_net(ip(h), n) FROM (SELECT unnest($1::VARCHAR[]) h, unnest($2::VARCHAR[]) n)",
        [[str(h) for h in hosts], [str(n) for n in nets]],
    ).fetchall()
    inside = [h in n for h, n in zip(hosts, nets, strict=True)]
    assert [r[0] for r in rows] == inside
    assert 300 < sum(inside) < 1_700


def test_versions_do_not_mix() -> None:
    assert one("SELECT in_net(ip('2001:db8::1'), '0.0.0.0/0')") is False
    assert one("SELECT in_net(ip('1.2.3.4'), '::/0')") is False


@pytest.mark.parametrize("net", ["10.0.2.0/24", "::/0"])
def test_constant_prefix_prunes_row_groups(tmp_path: Path, net: str) -> None:
    file = tmp_path / "x.parquet"
    CON.execute(
        f"COPY (SELECT ip(concat('10.0.', i // 256, '.', i % 256)) AS a FROM range(40960) t(i)) TO '{file}'"
        " (FORMAT parquet, ROW_GROUP_SIZE 4096)"
    )
    plan = str(CON.execute(f"EXPLAIN SELECT count(*) FROM '{file}' WHERE in_net(a, '{net}')").fetchall())
    low, _ = address.prefix_range(net)
    assert "regexp" not in plan
    assert ("".join(f"\\\\x{b:02X}" for b in low) in plan) or "Empty" in plan or "EMPTY" in plan
