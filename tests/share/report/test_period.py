"""Periods are the reader's calendar's, also where clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from noroshi.model.errors import UsageError
from noroshi.share.report.frame import DAY_S, HOUR_S, WEEK_S, Frame
from noroshi.share.report.period import covering, parse

TOKYO, BERLIN = ZoneInfo("Asia/Tokyo"), ZoneInfo("Europe/Berlin")
AT = datetime(2026, 10, 14, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "label", "first", "last"),
    [
        ("day", "2026-10-15", date(2026, 10, 15), date(2026, 10, 16)),  # 05:00 in Tokyo
        ("week", "2026-W42", date(2026, 10, 12), date(2026, 10, 19)),
        ("month", "2026-10", date(2026, 10, 1), date(2026, 11, 1)),
        ("year", "2026", date(2026, 1, 1), date(2027, 1, 1)),
        ("last-month", "2026-09", date(2026, 9, 1), date(2026, 10, 1)),
        ("last-year", "2025", date(2025, 1, 1), date(2026, 1, 1)),
        ("2024-02", "2024-02", date(2024, 2, 1), date(2024, 3, 1)),
        ("2024-12", "2024-12", date(2024, 12, 1), date(2025, 1, 1)),
        ("2020-W53", "2020-W53", date(2020, 12, 28), date(2021, 1, 4)),
        ("2024-04-01", "2024-04-01", date(2024, 4, 1), date(2024, 4, 2)),
        ("2024-04-01..2024-04-03", "2024-04-01..2024-04-03", date(2024, 4, 1), date(2024, 4, 4)),
        ("2024-04-01..2024-04-01", "2024-04-01", date(2024, 4, 1), date(2024, 4, 2)),
    ],
)
def test_names(text: str, label: str, first: date, last: date) -> None:
    period = parse(text, AT, TOKYO)
    assert (period.label, period.first, period.last) == (label, first, last)


@pytest.mark.parametrize(
    "text", ["", "fortnight", "2024-13", "2024-02-30", "2020-W54", "0001", "2024-04-03..2024-04-01"]
)
def test_what_is_no_period(text: str) -> None:
    with pytest.raises(UsageError, match="is no period"):
        parse(text, AT, TOKYO)


def test_bounds_are_local_midnights() -> None:
    period = parse("2026-10-15", AT, TOKYO)
    assert period.start == datetime(2026, 10, 14, 15, tzinfo=UTC)
    assert period.utc_days() == [date(2026, 10, 14), date(2026, 10, 15)]
    assert parse("2026-10-15", AT, ZoneInfo("UTC")).utc_days() == [date(2026, 10, 15)]


def test_previous() -> None:
    assert parse("2024-03", AT, TOKYO).previous().label == "2024-02"
    assert parse("2024", AT, TOKYO).previous().label == "2023"
    assert parse("2021-W01", AT, TOKYO).previous().label == "2020-W53"
    assert parse("2024-04-04..2024-04-06", AT, TOKYO).previous().label == "2024-04-01..2024-04-03"


def test_covering() -> None:
    a, b = datetime(2009, 3, 15, 8, 45, tzinfo=UTC), datetime(2009, 3, 15, 20, tzinfo=UTC)
    assert covering(a, b, ZoneInfo("UTC")).label == "2009-03-15"
    assert covering(a, b, TOKYO).label == "2009-03-15..2009-03-16"


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_days_on_which_clocks_change(day: str, hours: int) -> None:
    period = parse(day, AT, BERLIN)
    assert period.seconds == hours * 3_600
    frame = Frame(period, (), ())
    assert len(frame.offsets) == (1 if hours == 24 else 2)
    assert len(frame.bins(DAY_S)) == 1
    assert frame.bin_start(frame.bins(DAY_S)[0], DAY_S) == period.start
    assert frame.bin_start(frame.bins(HOUR_S)[0], HOUR_S) == period.start


def test_weeks_begin_on_monday() -> None:
    period = parse("2026-W42", AT, TOKYO)
    frame = Frame(period, (), ())
    assert len(frame.bins(WEEK_S)) == 1
    assert frame.bin_start(frame.bins(WEEK_S)[0], WEEK_S) == period.start
