"""Ids and patterns as other programs compute and read them."""

from __future__ import annotations

from typing import Any

import pytest
import stix2
from hypothesis import given
from hypothesis import strategies as st
from stix2patterns.validator import run_validator

from noroshi.share.stix.ids import object_id, sco_id
from noroshi.share.stix.observables import observable, pattern
from noroshi.share.stix.seen import Seen
from tests.support.stix import errors

VALUES = [
    ("ip", "198.51.100.7"), ("ip", "2001:db8::7"), ("prefix", "192.0.2.0/24"), ("prefix", "2001:db8::/32"),
    ("asn", "AS64500"), ("domain", "evil.example.com"), ("domain", "xn--wgv71a.example"),
    ("url", "http://evil.example.com/a?b=c'd"), ("email", "a.b+c@example.com"), ("md5", "a" * 32),
    ("sha1", "b" * 40), ("sha256", "c" * 64), ("sha512", "d" * 128), ("ssdeep", "3:abc:def"),
    ("certificate", "e" * 64), ("certificate", "e" * 40),
    ("cpe", "cpe:2.3:a:apache:log4j:2.14.1:*:*:*:*:*:*:*"), ("cpe", r"cpe:2.3:a:vendor:a\:b:-:*:*:*:*:*:*:*"),
    ("purl", "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), VALUES)
def test_ids_are_those_the_reference_library_computes(kind: str, value: str) -> None:
    made = observable(kind, value)
    assert made
    own = {k: v for k, v in made.items() if k != "id"}
    assert stix2.parse(own, version="2.1", allow_custom=False)["id"] == made["id"]


@pytest.mark.parametrize(("kind", "value"), VALUES)
def test_the_validator_has_nothing_against_them(kind: str, value: str) -> None:
    import msgspec

    body = b'{"type":"bundle","id":"%b","objects":[%b]}' % (
        object_id("bundle", value).encode(), msgspec.json.encode(observable(kind, value)),
    )  # fmt: skip
    assert errors(body) == []


def test_the_published_vector() -> None:
    assert sco_id("ipv4-addr", {"value": "198.51.100.7"}) == "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db"


@given(st.text(max_size=40, alphabet=st.characters(exclude_categories=["Cs"])))
def test_ids_of_any_text(value: str) -> None:
    made = stix2.parse({"type": "mutex", "spec_version": "2.1", "name": value or "x"}, version="2.1")
    assert sco_id("mutex", {"name": value or "x"}) == made["id"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [("ip", "ip-3f9ab2"), ("ip", "1.2.3.4\n"), ("ip", "01.2.3.4"), ("prefix", "1.2.3.0/240"), ("ip", "fe80::1%eth0"),
     ("domain", "a b"), ("domain", ""), ("url", "javascript:x"), ("url", "http://a\nb"), ("md5", "A" * 32),
     ("asn", "AS-1"), ("asn", "AS１"), ("cpe", "cpe:2.3:a:x"), ("purl", "pkg:x"), ("email", "a@b@c"),
     ("port", "tcp/23"),
     ("ip", "\ud800"), ("domain", "\ud800.example")],
)  # fmt: skip
def test_what_is_no_observable_is_none(kind: str, value: str) -> None:
    assert observable(kind, value) is None


hostile = st.text(max_size=60) | st.sampled_from(
    ["' OR '1'='1", "\\", "\\'", "x'] AND [a:b = 'c", "\x00", "\ud800", "a" * 65536]
)


@given(st.sampled_from([k for k, _ in VALUES]), hostile)
def test_any_text_is_refused_or_makes_a_whole_pattern(kind: str, value: str) -> None:
    made: Any = observable(kind, value)
    if made is None:
        return
    assert stix2.parse({k: v for k, v in made.items() if k != "id"}, version="2.1")["id"] == made["id"]
    if text := pattern(kind, value):
        assert run_validator(text, stix_version="2.1") == []
        assert text.count("[") - value.count("[") == 1


@pytest.mark.parametrize("value", ["it's", "back\\slash", "both\\'", "'] OR [url:value = 'x"])
def test_patterns_escape(value: str) -> None:
    text = pattern("url", "http://example.com/" + value)
    assert text
    assert run_validator(text, stix_version="2.1") == []
    parsed = stix2.pattern_visitor.create_pattern_object(text, version="2.1")
    assert "http://example.com/" in str(parsed)


@given(st.lists(st.uuids(), max_size=300))
def test_seen_is_a_set(ids: list[Any]) -> None:
    import noroshi.share.stix.seen as module

    old, module.FRESH = module.FRESH, 7
    try:
        seen, known = Seen(), set()
        for one in ids + ids:
            name = f"ipv4-addr--{one}"
            assert seen.add(name) is (name not in known)
            known.add(name)
            assert name in seen
    finally:
        module.FRESH = old
