"""Timestamps: read as the standard writes them, nothing else, and written as they were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.share.taxii import times

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.integers(0, 253_402_300_799_999_999).map(lambda us: EPOCH + timedelta(microseconds=us)))
def test_what_is_written_is_read_again(at: datetime) -> None:
    us = times.micros(at)
    assert times.parse(times.text(us)) == (us, 6)
    assert datetime.fromisoformat(times.text(us).replace("Z", "+00:00")) == at


@pytest.mark.parametrize(
    ("text", "us", "digits"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000, 0),
        ("1970-01-01T00:00:00.5Z", 500_000, 1),
        ("1970-01-01T00:00:00.001Z", 1_000, 3),
        ("1970-01-01T00:00:00.123456789Z", 123_456, 6),
        ("2016-12-31T23:59:60Z", 1_483_228_799_000_000, 0),
    ],
)
def test_known_times(text: str, us: int, digits: int) -> None:
    assert times.parse(text) == (us, digits)


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2024-01-01", "2024-01-01T00:00:00", "2024-01-01T00:00:00+00:00", "2024-13-01T00:00:00Z",
        "2024-02-30T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:00:61Z", "٢٠٢٤-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00.0000000000Z", "2024-01-01T00:00:00Z\n",
    ],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    assert times.parse(text) is None


@given(st.text(max_size=60))
def test_any_text_is_read_or_not(text: str) -> None:
    times.parse(text)
