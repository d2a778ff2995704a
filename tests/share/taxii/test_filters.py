"""Filters: what the standard says, within bounds, and a word about what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.model.errors import UsageError
from noroshi.share.taxii import filters
from noroshi.share.taxii.filters import Filters, parse

NAMES = (
    "added_after",
    "limit",
    "next",
    "match[id]",
    "match[type]",
    "match[version]",
    "match[spec_version]",
    "x",
)


def test_nothing_given_is_what_the_standard_says() -> None:
    assert parse([]) == Filters(None, 1000, "", (), (), (), frozenset(("last",)), ())
    assert parse([("match[type]", ""), ("added_after", "")]) == parse([])


def test_all_of_them() -> None:
    found = parse([
        ("added_after", "1970-01-01T00:00:01Z"), ("limit", "7"), ("match[id]", "a, b,a"), ("match[type]", "indicator"),
        ("match[version]", "first,1970-01-01T00:00:02.000Z,all"), ("match[spec_version]", "2.0,2.1"),
        ("match[colour]", "red"),
    ])  # fmt: skip
    assert (found.after, found.limit) == (1_000_000, 7)
    assert (found.ids, found.types, found.specs) == (("a", "b"), ("indicator",), ("2.0", "2.1"))
    assert (found.words, found.moments) == (frozenset(("first", "all")), (2_000_000,))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"), ("limit", "-1"), ("limit", ""), ("limit", "1.5"), ("limit", "ten"), ("limit", "١"),
        ("limit", " 5"), ("limit", "9" * 20), ("added_after", "yesterday"),
        ("added_after", "2024-01-01T00:00:00+09:00"),
        ("match[version]", "newest"), ("match[version]", ",".join(f"20{n:02d}-01-01T00:00:00Z" for n in range(21))),
        ("match[id]", ",".join(map(str, range(101)))), ("match[type]", "x" * 301), ("match[id]", "x" * 100_000),
        ("next", ""), ("next", "x" * 101),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(name: str, value: str) -> None:
    with pytest.raises(UsageError) as told:
        parse([(name, value)])
    assert told.value.todo


def test_twice_is_wrong() -> None:
    with pytest.raises(UsageError, match="twice"):
        parse([("limit", "1"), ("limit", "2")])


def test_more_than_a_page_is_a_page() -> None:
    assert parse([("limit", "9999999999999999999")]).limit == filters.LARGEST


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.text(max_size=400)), max_size=8))
def test_anything_is_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    try:
        found = parse(pairs)
    except UsageError:
        return
    assert 0 < found.limit <= filters.LARGEST
    assert len(found.ids) <= filters.IDS
