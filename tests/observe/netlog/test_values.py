"""Values in bulk give what one at a time gives."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.model import address
from noroshi.model.errors import UsageError
from noroshi.observe.netlog.values import cves_in, pack_addresses, port_number, protocol_number


def one(text: str | None) -> bytes | None:
    try:
        return address.pack(text) if text is not None else None
    except UsageError:
        return None


ODD = [
    "", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.04", "1.2.3.256", "1..2.3", "a.b.c.d", "::1", "fe80::1%eth0",
    "::ffff:1.2.3.4", "255.255.255.255", "0.0.0.0", "1.2.3.4 ", "1.2.3.-4", "1.2.3.+4", "1.2.3.4444", "....",
    ".1.2.3", "1.2.3.", "2001:db8::1", None, "1.2.3.4\n", "१.2.3.4", "1.2.3.0x4", "1.2.3.4/8",
]  # fmt: skip


def test_addresses() -> None:
    for texts in (ODD, [x for x in ODD if x], ["192.0.2.1"] * 3, ["0.0.0.0", "255.255.255.255"], [], [None]):
        assert pack_addresses(pa.array(texts, pa.string())).to_pylist() == [one(t) for t in texts]
        assert pack_addresses(pa.array(texts, pa.string()).slice(1)).to_pylist() == [
            one(t) for t in texts[1:]
        ]


PARTS = st.lists(
    st.sampled_from(["0", "1", "9", "10", "99", "100", "255", "256", "00", "", "x", "-1"]), max_size=6
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PARTS.map(".".join) | st.ip_addresses().map(str) | st.text(max_size=8), max_size=8))
def test_any_texts_as_addresses(texts: list[str]) -> None:
    assert pack_addresses(pa.array(texts, pa.string())).to_pylist() == [one(t) for t in texts]


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("80", (80, -1)), ("0", (0, -1)), ("65535", (65535, -1)), ("65536", (-1, -1)), ("8.0", (8, 0)),
        ("3.13", (3, 13)),
        ("300.1", (-1, -1)), ("0x0303", (0x303, -1)), ("http", (-1, -1)), ("", (-1, -1)), (None, (-1, -1)),
        ("-1", (-1, -1)),
    ],
)  # fmt: skip
def test_ports(text: str | None, port: tuple[int, int]) -> None:
    assert port_number(text) == port


def test_protocols() -> None:
    assert [protocol_number(p) for p in ("TCP", "udp", " 47 ", "256", "", None, "ipv6-icmp")] == [
        6,
        17,
        47,
        None,
        None,
        None,
        58,
    ]


def test_cves() -> None:
    assert cves_in("ET EXPLOIT CVE-2021-44228, cve_2021-44228 and CVE 2024-3094") == [
        "CVE-2021-44228",
        "CVE-2024-3094",
    ]
    assert cves_in("nothing") is None
    assert cves_in(None) is None
