"""What is never blocked."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.share.blocklist.never import SPECIAL, SPECIAL_NAMES, Never, Ranges, above

NEVER = Never(
    Ranges.of([(p, "special") for p in SPECIAL] + [("100.0.2.0/24", "own")]),
    dict.fromkeys(SPECIAL_NAMES, "special") | {"bank.co.jp": "listed"},
    above([("bank.co.jp", "above")]) | {("ip", "9.9.9.9"): "victim"},
    (("cdn", "part"),),
)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("ip", "8.8.8.8", ""), ("ip", "100.0.2.7", "own"), ("ip", "100.0.3.0", ""), ("ip", "10.1.2.3", "special"),
        ("ip", "255.255.255.255", "special"), ("ip", "2001:db8::1", "special"), ("ip", "2400:cb00::1", ""),
        ("ip", "224.0.0.1", "special"), ("ip", "9.9.9.9", "victim"), ("prefix", "100.0.0.0/16", "own"),
        ("prefix", "100.0.2.128/25", "own"), ("prefix", "0.0.0.0/0", "the network is too large"),
        ("prefix", "8.0.0.0/8", "the network is too large"), ("prefix", "2400::/12", "the network is too large"),
        ("prefix", "8.8.0.0/16", ""), ("domain", "evil.com", ""), ("domain", "com", "it is not in its canonical form"),
        ("domain", "www.bank.co.jp", "listed"), ("domain", "bank.co.jp", "listed"), ("domain", "co.jp", "above"),
        ("domain", "other.co.jp", ""), ("domain", "x.localhost", "special"), ("domain", "a.cdn7.net", "part"),
        ("url", "http://x/", "it is neither an address nor a name"),
        ("ip", "0313.0000.0161.0115", "it is not in its canonical form"),
        ("prefix", "x", "it is not in its canonical form"),
    ],
)  # fmt: skip
def test_what_may_be_blocked(kind: str, value: str, why: str) -> None:
    assert NEVER.why(kind, value) == why


@pytest.mark.parametrize("special", SPECIAL)
def test_every_special_range_is_held_at_both_ends(special: str) -> None:
    network = ipaddress.ip_network(special)
    assert NEVER.ranges.meets(str(network[0])) == "special"
    assert NEVER.ranges.meets(str(network[-1])) == "special"


def test_addresses_pythons_own_table_calls_not_global_are_never_blocked() -> None:
    for text in (
        "0.1.2.3",
        "100.127.255.255",
        "169.254.1.1",
        "192.0.0.9",
        "198.19.255.255",
        "fe80::1",
        "fd00::1",
    ):
        assert NEVER.ranges.meets(text)


networks = st.builds(
    lambda a, n: str(ipaddress.ip_network((a, n), strict=False)),
    st.integers(0, 2**32 - 1),
    st.integers(1, 32),
)


@given(st.lists(networks, max_size=8), networks)
@settings(max_examples=300, deadline=None)
def test_meeting_is_what_the_standard_library_calls_overlapping(held: list[str], asked: str) -> None:
    found = Ranges.of((p, p) for p in held).meets(asked)
    overlaps = any(ipaddress.ip_network(p).overlaps(ipaddress.ip_network(asked)) for p in held)
    assert bool(found) == overlaps
