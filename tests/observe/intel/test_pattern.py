"""The STIX pattern language: values with their paths, negations, and texts that are none of it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.observe.intel.pattern import LONGEST, PatternError, compared, plain_path


def short(pattern: str) -> list[tuple[str, str, str]]:
    return [
        (("not " if c.negated else "") + plain_path(c.path), c.operator, c.value) for c in compared(pattern)
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[ipv4-addr:value = '198.51.100.1']", [("ipv4-addr:value", "=", "198.51.100.1")]),
        ("[domain-name:value='a.example']", [("domain-name:value", "=", "a.example")]),
        (
            "[file:hashes.'SHA-256' = 'AA' OR file:hashes.MD5 = 'bb']",
            [("file:hashes.sha-256", "=", "AA"), ("file:hashes.md5", "=", "bb")],
        ),
        (
            "[file:name = 'it\\'s \\\\ ]' AND file:size >= 10]",
            [("file:name", "=", "it's \\ ]"), ("file:size", "<", "10")],
        ),
        (
            "[url:value IN ('http://a.example/', 'http://b.example/') AND url:value NOT IN ('c')]",
            [
                ("url:value", "IN", "http://a.example/"),
                ("url:value", "IN", "http://b.example/"),
                ("not url:value", "IN", "c"),
            ],
        ),
        (
            "([a:b = 1] AND [a:c LIKE 'x%']) WITHIN 5 SECONDS OR ([a:d MATCHES '^x$'] FOLLOWEDBY [a:e != 'q'])"
            " REPEATS 5 TIMES START t'2020-01-01T00:00:00Z' STOP t'2021-01-01T00:00:00Z'",
            [("a:b", "=", "1"), ("a:c", "LIKE", "x%"), ("a:d", "MATCHES", "^x$"), ("not a:e", "=", "q")],
        ),
        (
            "[network-traffic:dst_ref.value = '192.0.2.1' AND (network-traffic:dst_port = 443 OR x:y = TRUE)]",
            [
                ("network-traffic:dst_ref.value", "=", "192.0.2.1"),
                ("network-traffic:dst_port", "=", "443"),
                ("x:y", "=", "true"),
            ],
        ),
        (
            "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'x']",
            [("network-traffic:extensions.http-request-ext.request_header.user-agent", "=", "x")],
        ),
        ("[email-message:to_refs[*].value = 'a@b.example']", [("email-message:to_refs.value", "=", "a@b.example")]),
        ("[ipv4-addr:value ISSUBSET '198.51.100.0/24']", [("ipv4-addr:value", "SUBNET", "198.51.100.0/24")]),
        ("[NOT a:b = 'c'] /* said so */ AND [EXISTS a:d]", [("not a:b", "=", "c")]),
        ("[a:b NOT != 'c']", [("a:b", "=", "c")]),
        ("[x:bin = b'AQ==' AND x:hex = h'ff00' AND x:n = -1.5e3]",
         [("x:bin", "=", "AQ=="), ("x:hex", "=", "ff00"), ("x:n", "=", "-1.5e3")]),
    ],
)  # fmt: skip
def test_patterns(pattern: str, expected: list[tuple[str, str, str]]) -> None:
    assert short(pattern) == expected


@pytest.mark.parametrize(
    "pattern",
    ["", "[", "[]", "[a:b]", "[a:b = ]", "[a:b = 'c'", "a:b = 'c'", "[a:b = 'c'] [d:e = 'f']", "[a:b = 'c' d:e = 'f']",
     "([a:b = 'c']", "[a:b = 'c'])", "[(a:b = 'c']", "[a:b = 'c'] REPEATS TIMES", "[a:b = 'unended]", "[a:b IN 'c']",
     "[NOT (a:b = 'c')]", "rule x { condition: true }"],
)  # fmt: skip
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(PatternError):
        compared(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["(" * 10_000 + "[a:b = 'c']" + ")" * 10_000, "[" + "(" * 10_000 + "a:b = 'c'" + ")" * 10_000 + "]",
     "[a:b = '" + "x" * LONGEST + "']", "[a:b = 'x' OR " * 50_000, "[a:b IN (" + "'x'," * 20_000 + "'x')]",
     "[" + "a:" * 5_000, "'" * 100_001, "\\" * 100_000, "/*" * 50_000, "[a:b" + ".c" * 50_000],
)  # fmt: skip
def test_hostile_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compared(pattern)


@given(st.text(max_size=60) | st.text("[]()'\\:=ab ANDOR.*1-", max_size=60))
def test_any_text_is_a_pattern_or_none(text: str) -> None:
    with contextlib.suppress(PatternError):
        compared(text)


@given(st.text(max_size=30))
def test_texts_come_back_as_they_were_quoted(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    assert [c.value for c in compared(f"[a:b = '{quoted}' AND a:c = 1]")] == [text, "1"]
