"""What an operator sees: its customers' addresses and what finds them, and nobody else's."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.model import address
from noroshi.share.anonymise.mask import Plain
from noroshi.share.notify.customers import GONE, KEPT, Customers
from noroshi.share.notify.items import KINDS, facts, gathered, one_line
from tests.support.findings import finding

MINE, DARK = "198.51.100.7", "192.0.2.77"
NOW = datetime(2026, 11, 18, tzinfo=UTC)


class Blank(Plain):
    """A profile that drops everything it is asked about."""

    profile = "blank"

    def value(self, kind: str, value: str, role: str = "") -> str | None:
        return None

    def text(self, text: str) -> str | None:
        return None


def mask(**more: Any) -> Customers:
    return Customers(more.get("inner", Plain()), [MINE, "2001:db8::/48"])


SPELT = st.one_of(
    st.ip_addresses().map(str), st.ip_addresses(v=4).map(lambda a: str(a).replace(".", "[.]")),
    st.ip_addresses(v=6).map(lambda a: a.exploded), st.sampled_from([DARK, MINE, "2001:db8::1", "::ffff:192.0.2.77"]),
)  # fmt: skip


@given(parts=st.lists(st.one_of(SPELT, st.text(alphabet="abc :,/()[]\n\"'", max_size=6)), max_size=8))
def test_no_address_but_a_customers_stays_in_a_text(parts: list[str]) -> None:
    text = mask().text(" ".join(parts))
    assert text is not None
    bare = text.replace("[.]", ".")
    for found in re.findall(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])", bare):
        with_zeros = ".".join(str(int(p)) for p in found.split("."))
        try:
            ipaddress.ip_address(with_zeros)
        except ValueError:
            continue
        assert with_zeros == MINE, text
    for word in re.split(r"[\s,/()\[\]\"']+", bare):
        try:
            told = ipaddress.ip_address(word)
        except ValueError:
            continue
        assert mask().holds(address.pack(word)), (word, told, text)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"from {DARK}:23 to {MINE}", f"from {GONE}:23 to {MINE}"), ("http://192.0.2.77/x", f"http://{GONE}/x"),
        ("192[.]0[.]2[.]77", GONE), ("x 2001:db8:1::1 y", f"x {GONE} y"), ("x 2001:db8::1 y", "x 2001:db8::1 y"),
        ("::ffff:192.0.2.77", GONE), ("at 10:20:30", "at 10:20:30"), ("version 1.2.3", "version 1.2.3"),
        ("010.000.002.077", GONE), ("999.1.1.1", "999.1.1.1"), ("SSH-2.0-OpenSSH_9.6p1", "SSH-2.0-OpenSSH_9.6p1"),
        ("192.0.2.77.", f"{GONE}."), ("a192.0.2.77", f"a{GONE}"), ("Apache/2.4.49.1 x", "Apache/[address] x"),
    ],
)  # fmt: skip
def test_texts(text: str, left: str) -> None:
    assert mask().text(text) == left


def test_values_and_rows() -> None:
    m = mask()
    assert m.value("ip", MINE) == MINE
    assert m.value("ip", DARK) is None
    assert m.value("prefix", "2001:db8::/56") == "2001:db8::/56"
    assert m.value("prefix", "2001:db8::/32") is None
    assert m.value("domain", "x.example") == "x.example"
    rows = pa.table(
        {
            "src_ip": [address.pack(MINE)], "dst_ip": [address.pack(DARK)], "first_seen": [NOW], "src_port": [4711],
            "tool": [f"x {DARK}"], "seq": [7], "payload": [None],
        }
    )  # fmt: skip
    (told,) = m.table("flows", rows).to_pylist()
    assert told == {
        "src_ip": address.pack(MINE), "dst_ip": None, "first_seen": NOW, "src_port": 4711, "tool": f"x {GONE}",
        "seq": None, "payload": None,
    }  # fmt: skip
    assert "dst_ip" not in KEPT


def test_a_profile_that_drops_everything_leaves_what_finds_the_subscriber() -> None:
    m = mask(inner=Blank())
    some = finding("infected-host", MINE, evidence={"class": "mirai", "packet_count": 3, "ports": ["tcp/23"]})
    (item,) = gathered("x", [(some, "198.51.100.0/24")], m, {})
    assert (item.subject, item.first_seen) == (MINE, some.first_seen)
    assert item.facts == {"packet_count": 3}
    assert gathered("x", [(finding("infected-host", DARK), "192.0.2.0/24")], m, {}) == []


HOSTILE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=20)
    | st.just(DARK),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = ["class", "ports", "services", "logins", "vulnerabilities", "vulnerability_count", "scanners", "seen",
         "duration_s", "rate_pps", "vector", "protocol", "tools", "sessions"]  # fmt: skip


@given(evidence=st.dictionaries(st.sampled_from(NAMES), HOSTILE), kind=st.sampled_from(KINDS))
def test_any_evidence_makes_an_item_or_none(evidence: dict[str, Any], kind: str) -> None:
    some = finding(kind, MINE, evidence=evidence)
    for item in gathered("x", [(some, "198.51.100.0/24")], mask(), {}):
        assert DARK not in repr(item.facts)
        assert item.facts == facts(some, mask())


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    line.encode("utf-8")
    assert one_line(line) == line
