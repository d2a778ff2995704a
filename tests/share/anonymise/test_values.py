"""Single values: which class an address has, what becomes of it, and that two recipients cannot join theirs."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.model import address
from noroshi.share.profile import Rule
from tests.share.anonymise.support import NOW, masking

CLASSES = {
    "203.0.113.7": "own-address", "192.0.2.200": "telescope-address", "192.0.2.1": "other-address",
    "10.1.2.3": "private-address", "fe80::1": "private-address", "127.0.0.1": "special-address",
    "224.0.0.251": "special-address", "255.255.255.255": "special-address", "ff02::1": "special-address",
    "2001:db8:aaaa::1": "own-address", "2002:cb00:7107::1": "own-address", "64:ff9b::cb00:7107": "own-address",
    "::203.0.113.7": "own-address", "64:ff9b::c000:2c8": "telescope-address", "2001:db8::1": "other-address",
}  # fmt: skip


@pytest.mark.parametrize(("text", "field"), CLASSES.items())
def test_the_class_of_an_address(text: str, field: str) -> None:
    values = masking().values
    assert values.field_of(address.pack(text)) == field
    if field == "other-address":
        assert values.field_of(address.pack(text), victim=True) == "victim-address"
        assert values.field_of(address.pack(text), own=True) == "own-address"


def test_attackers_stay_and_victims_do_not() -> None:
    mask = masking("community")
    assert mask.value("ip", "198.51.100.9", "src") == "198.51.100.9"
    assert mask.value("ip", "198.51.100.9", "victim") == "198.51.100.0/24"
    assert mask.value("ip", "192.0.2.200") is None
    own = mask.value("ip", "203.0.113.7")
    assert own is not None
    assert address.pack(own)[1:9] == bytes((1, 0)) + bytes(6), "a token lies in the discard prefix"


def test_the_same_value_becomes_the_same_everywhere() -> None:
    mask = masking("community")
    own = mask.value("ip", "203.0.113.7")
    assert mask.text("seen 203.0.113.7 and hxxp://203[.]0[.]113[.]7/x") == f"seen {own} and http://[{own}]/x"


@pytest.mark.parametrize("kind", ["ip", "domain", "email"])
def test_recipients_and_epochs_cannot_be_joined(kind: str) -> None:
    value = {"ip": "203.0.113.7", "domain": "www.kamome.example.ac.jp", "email": "a@b.example"}[kind]
    given_ = [
        masking(), masking(recipient="other"), masking(now=NOW + timedelta(days=31)), masking(secret=b"x" * 32),
    ]  # fmt: skip
    assert len({m.value(kind, value) for m in given_}) == 4
    assert masking(now=NOW + timedelta(days=3)).value(kind, value) == given_[0].value(kind, value)


@pytest.mark.parametrize(("now", "epoch"), [(NOW, "2026-Q4"), (NOW.replace(month=1), "2026-Q1")])
def test_epochs(now: datetime, epoch: str) -> None:
    from noroshi.share.profile import load

    assert load("sector").at(now) == epoch
    assert load("own").at(now) == "fixed"
    assert load("community").at(now) == f"{now:%Y-%m}"


@given(st.integers(0, 2**32 - 1))
def test_special_addresses_are_never_moved(number: int) -> None:
    mask = masking("sector")
    packed = b"\4" + number.to_bytes(4)
    if mask.values.field_of(packed) == "special-address":
        assert mask.values.address(packed) == packed


def test_prefix_preserving_networks_hold_their_addresses() -> None:
    import ipaddress

    mask = masking("sector")
    net, one = mask.value("prefix", "203.0.113.0/25"), mask.value("ip", "203.0.113.9")
    assert net
    assert one
    assert ipaddress.ip_address(one) in ipaddress.ip_network(net)
    assert mask.value("prefix", "0.0.0.0/0") == "0.0.0.0/0"
    assert mask.value("prefix", "203.0.112.0/20") != "203.0.112.0/20", "hardly more than our own"


def test_tokens_of_each_kind_can_be_nobodys() -> None:
    mask = masking(other_domain=Rule("token"), url=Rule("token"), asn=Rule("token"), hash=Rule("token"))
    assert str(mask.value("domain", "evil.example")).endswith(".invalid")
    assert str(mask.value("url", "http://evil.example/x")).endswith(".invalid/")
    assert str(mask.value("email", "a@evil.example")).endswith("@hidden.invalid")
    asn = int(str(mask.value("asn", "AS64500")).removeprefix("AS"))
    assert 4_200_000_000 <= asn <= 4_294_967_294
    assert len(str(mask.value("sha256", "a" * 64))) == 64
    assert len(str(mask.value("sha512", "a" * 128))) == 128
    assert mask.value("cve", "CVE-2021-44228") == "CVE-2021-44228"


def test_urls() -> None:
    mask = masking("community")
    assert mask.value("url", "http://evil.example:8080/a?b=c") == "http://evil.example:8080/a?b=c"
    hidden = str(mask.value("url", "http://www.kamome.example.ac.jp:8080/a?to=203.0.113.7"))
    assert "kamome" not in hidden
    assert "203.0.113.7" not in hidden
    assert hidden.startswith("http://")
    assert ".invalid:8080/a?to=" in hidden
    assert str(mask.value("url", "ftp://user:secret@evil.example/")) == "ftp://evil.example/"
    assert masking(url=Rule("generalise")).value("url", "http://evil.example/a/b") == "http://evil.example/"
    assert mask.value("url", "http://192.0.2.200/x") is None
