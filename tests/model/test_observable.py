"""Canonical forms: one table of vectors per kind, and what holds for all of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.model import address, observable
from noroshi.model.canonical import cpes, names, software, url
from noroshi.model.errors import UsageError
from noroshi.wire import text
from tests.model.vectors import REFUSED, VECTORS

PAIRS = [(kind, *pair) for kind, pairs in VECTORS.items() for pair in pairs]
NONE = [(kind, value) for kind, values in REFUSED.items() for value in values]


@pytest.mark.parametrize(("kind", "written", "canonical"), PAIRS)
def test_vectors(kind: str, written: str, canonical: str) -> None:
    assert observable.canonical(kind, written) == canonical
    assert observable.canonical(kind, canonical) == canonical
    assert observable.resolve_one(kind, written) == (kind, canonical)


@pytest.mark.parametrize(("kind", "value"), NONE, ids=lambda v: repr(v)[:40])
def test_what_is_none_is_refused_with_advice(kind: str, value: str) -> None:
    with pytest.raises(UsageError) as e:
        observable.canonical(kind, value)
    assert e.value.todo
    assert len(str(e.value)) < 1_200
    assert observable.resolve_one(kind, value) is None


def test_every_kind_has_vectors() -> None:
    assert set(VECTORS) == set(observable.CANONICAL)


_ALPHABET = st.sampled_from(list("aZ09.-_:/@%#?&=~\\[]*!+^$ \t\n\0éßİς日。．ａ１\ud800\u200d\u0301"))
_MIXED = st.lists(
    st.one_of(
        _ALPHABET,
        st.sampled_from(
            [
                "http://",
                "cpe:/a:",
                "cpe:2.3:a:",
                "pkg:npm/",
                "xn--",
                "..",
                "%2e",
                "CVE-2021-",
                "::ffff:",
                "AS",
            ]
        ),
        st.sampled_from([written for _, written, _ in PAIRS]),
    ),
    max_size=12,
).map("".join)


@pytest.mark.parametrize("kind", observable.CANONICAL)
@settings(max_examples=150, deadline=None)
@given(value=st.one_of(_MIXED, st.text(max_size=40)))
def test_canonical_is_idempotent_and_refuses_politely(kind: str, value: str) -> None:
    try:
        once = observable.canonical(kind, value)
    except UsageError:
        return
    assert observable.canonical(kind, once) == once
    once.encode()


@settings(max_examples=300, deadline=None)
@given(_MIXED)
def test_the_fast_way_is_the_slow_way(value: str) -> None:
    """What is recognised as canonical in one step is what the long way would make of it."""
    pairs = (
        (names.domain, names._domain), (url.url, url._url), (cpes.cpe, cpes._cpe), (software.purl, software._purl),
    )  # fmt: skip
    for fast, slow in pairs:
        try:
            expected = slow(value)
        except UsageError:
            with pytest.raises(UsageError):
                fast(value)
        else:
            assert fast(value) == expected


_PURL_WORDS = st.sampled_from(
    ["npm", "pypi", "deb", "golang", "maven", "github", "a", "b-c", "d.e", "..", ".", "1.0", "x~1", "2:1"]
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(_PURL_WORDS, min_size=2, max_size=4),
    st.one_of(st.none(), _PURL_WORDS),
    st.sampled_from(["", "?arch=x", "?a=1&b=2", "?b=1&a=2", "?a=1&a=2"]),
)
def test_the_fast_way_of_purls(parts: list[str], version: str | None, query: str) -> None:
    value = f"pkg:{'/'.join(parts)}{'@' + version if version else ''}{query}"
    try:
        expected = software._purl(value)
    except UsageError:
        with pytest.raises(UsageError):
            software.purl(value)
    else:
        assert software.purl(value) == expected


@given(st.integers(0, (1 << 128) - 1), st.integers(0, (1 << 32) - 1))
def test_keys_of_addresses_are_those_of_the_kernels(six: int, four: int) -> None:
    import ipaddress

    for value in (str(ipaddress.IPv6Address(six)), str(ipaddress.IPv4Address(four))):
        canonical = observable.canonical("ip", value)
        packed = address.pack(canonical)
        whole = int.from_bytes(packed[1:]) if packed[0] == 6 else 0xFFFF << 32 | int.from_bytes(packed[1:])
        halves = np.array([whole >> 64], np.uint64), np.array([whole & (1 << 64) - 1], np.uint64)
        assert text.address_keys(*halves).tolist() == [observable.key64("ip", canonical)]


@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=30), min_size=1),
    st.sampled_from([k for k in observable.CANONICAL if k != "ip"]),
)
def test_keys_of_texts_are_those_of_the_kernels(values: list[str], kind: str) -> None:
    array = pa.array(values, pa.string())
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int32)[: len(values) + 1]
    raw = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    assert text.keys(kind, bounds, raw).tolist() == [observable.key64(kind, v) for v in values]


def test_a_network_is_a_range_of_keys() -> None:
    low, high = observable.prefix_keys("192.0.2.0/24")
    assert low == observable.key64("ip", "192.0.2.0")
    assert high == observable.key64("ip", "192.0.2.255")
    assert not low <= observable.key64("ip", "192.0.3.0") <= high
    assert all(observable.key64("domain", v) < 0 for v in ("example.com", "example.net"))


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("url", "http://example.com:8080/a", [("domain", "example.com")]),
        ("url", "http://192.0.2.1/a", [("ip", "192.0.2.1")]),
        ("url", "http://[2001:db8::1]:81/", [("ip", "2001:db8::1")]),
        ("url", "http://localhost/", []),
        ("email", "a@example.com", [("domain", "example.com")]),
        ("cpe", "cpe:2.3:a:b:c:1.0:*:*:*:*:*:*:*", [("cpe", "cpe:2.3:a:b:c:*:*:*:*:*:*:*:*")]),
        ("cpe", r"cpe:2.3:a:b\:x:c:1.0:*:*:*:*:*:*:*", [("cpe", r"cpe:2.3:a:b\:x:c:*:*:*:*:*:*:*:*")]),
        ("cpe", "cpe:2.3:a:b:c:*:*:*:*:*:*:*:*", []),
        ("purl", "pkg:pypi/requests@2.31.0", [("purl", "pkg:pypi/requests")]),
        ("purl", "pkg:npm/%40angular/core@1.0?a=b", [("purl", "pkg:npm/%40angular/core")]),
        ("purl", "pkg:pypi/requests", []),
        ("domain", "example.com", []),
    ],
)  # fmt: skip
def test_implied(kind: str, value: str, expected: list[tuple[str, str]]) -> None:
    assert observable.canonical(kind, value) == value
    assert observable.implied(kind, value) == expected
    assert all(observable.canonical(*one) == one[1] for one in expected)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["url", "email", "cpe", "purl"]), _MIXED)
def test_what_is_implied_is_canonical(kind: str, value: str) -> None:
    found = observable.resolve_one(kind, value)
    for one in observable.implied(*found) if found else []:
        assert observable.canonical(*one) == one[1]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("192.0.2.1", "ip"), ("192.0.2.0/24", "prefix"), ("AS64500", "asn"), ("cve-2021-44228", "cve"),
        ("T1059", "technique"),
        ("pkg:pypi/requests", "purl"), ("GHSA-jfh8-c2jp-5v3q", "advisory"), ("d" * 32, "md5"), ("d" * 40, "sha1"),
        ("http://example.com/", "url"), ("a@example.com", "email"), ("example.com", "domain"), ("emotet", "malware"),
        ("RHSA-2024:1234", "advisory"), ("my-host01.example.com", "domain"), ("some-t3xt", "advisory"),
    ],
)  # fmt: skip
def test_guess(value: str, kind: str) -> None:
    assert observable.guess(value)[0] == kind


def test_guesses_of_a_hash() -> None:
    kinds = [kind for kind, _ in observable.guesses("ab" * 16)]
    assert kinds[:1] == ["md5"]
    assert {"imphash", "hassh", "ja3", "ja3s", "ssh-key"} <= set(kinds)
    with pytest.raises(UsageError):
        observable.guess("")


def test_resolve() -> None:
    assert list(observable.resolve("host", ["192.0.2.1", "Example.com", "x y"])) == [
        ("ip", "192.0.2.1"), ("domain", "example.com"), None,
    ]  # fmt: skip
    typed = [observable.typed("domain", "A.example"), "nothing x", "text", ""]
    assert list(observable.resolve("typed", typed)) == [("domain", "a.example"), None, None, None]
    assert list(observable.resolve("text", ["a"])) == [None]
