"""The time range in a URL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.model.errors import UsageError
from noroshi.web.timerange import PRESETS, parse, text

NOW = datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)
HELD = (date(2024, 3, 1), date(2024, 4, 7))


def test_without_a_choice_it_ends_with_the_data() -> None:
    found = parse("", "", "", now=NOW, held=HELD)
    assert (found.start, found.end) == (datetime(2024, 4, 1, tzinfo=UTC), datetime(2024, 4, 8, tzinfo=UTC))
    assert found.query() == {}
    assert parse("", "", "", now=NOW, held=None).end == datetime(2026, 11, 20, 12, 1, tzinfo=UTC)


def test_back_from_now() -> None:
    found = parse("24h", "", "", now=NOW, held=HELD)
    assert found.end - found.start == timedelta(hours=24)
    assert found.end > NOW


def test_all_of_it() -> None:
    found = parse("all", "", "", now=NOW, held=HELD)
    assert (found.first_day, found.last_day) == HELD


@pytest.mark.parametrize("words", [("7", "", ""), ("-7d", "", ""), ("", "2024-04-02", "2024-04-01"), ("", "x", ""),
                                   ("", "0001-01-01", ""), ("", "9999-12-31T23:59:59-14:00", "")])  # fmt: skip
def test_what_is_no_range_is_told(words: tuple[str, str, str]) -> None:
    with pytest.raises(UsageError):
        parse(*words, now=NOW, held=HELD)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets(preset: str) -> None:
    assert parse(preset, "", "", now=NOW, held=HELD).query() == {"range": preset}


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2199, 1, 1)),  # noqa: DTZ001 - given a zone below
    st.timedeltas(timedelta(seconds=1), timedelta(days=300)),
)
def test_a_range_survives_its_url(start: datetime, length: timedelta) -> None:
    start = start.replace(tzinfo=UTC, microsecond=0)
    end = (start + length).replace(microsecond=0)
    if end <= start:
        return
    found = parse("", text(start), text(end), now=NOW, held=None)
    assert (found.start, found.end) == (start, end)
    again = found.query()
    assert parse("", again["from"], again["to"], now=NOW, held=None) == found
    assert found.seconds / found.bucket(400).total_seconds() <= 400
