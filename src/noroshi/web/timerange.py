"""The time range every panel of a page follows: `?from=&to=`, or `?range=7d`, in the URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from noroshi.model.errors import UsageError

PRESETS = ("24h", "7d", "30d", "90d", "365d", "all")
DEFAULT = "7d"
_BACK = re.compile(r"([1-9]\d{0,4})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Range:
    """A span of time, UTC; `start` is in it, `end` is not."""

    start: datetime
    end: datetime
    chosen: str = ""
    """`7d`, `all`, `from-to`, or empty when nobody chose and it ends with the newest data."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.start).total_seconds()

    @property
    def first_day(self) -> date:
        """The UTC day it begins on."""
        return self.start.date()

    @property
    def last_day(self) -> date:
        """The last UTC day that has a moment in it."""
        return (self.end - timedelta(microseconds=1)).date()

    def query(self) -> dict[str, str]:
        """The words in a URL that mean this range again; empty when nobody chose."""
        if self.chosen == "from-to":
            return {"from": text(self.start), "to": text(self.end)}
        return {"range": self.chosen} if self.chosen else {}

    def bucket(self, most: int = 400) -> timedelta:
        """The width of a column in a picture of at most so many: a minute, an hour, a day, ... a year."""
        for s in _WIDTHS:
            if self.seconds <= s * most:
                return timedelta(seconds=s)
        return timedelta(seconds=_WIDTHS[-1])

    def params(self) -> dict[str, datetime]:
        """As parameters of a query: `$start`, `$end`."""
        return {"start": self.start, "end": self.end}


_WIDTHS = (60, 300, 900, 3600, 3 * 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400, 365 * 86_400)


def text(at: datetime) -> str:
    """A time as it stands in a URL: to the minute, or to the day at midnight."""
    at = at.astimezone(UTC)
    if at == at.replace(hour=0, minute=0, second=0, microsecond=0):
        return at.strftime("%Y-%m-%d")
    return at.strftime("%Y-%m-%dT%H:%M:%SZ" if at.second else "%Y-%m-%dT%H:%MZ")


def parse(chosen: str, start: str, end: str, *, now: datetime, held: tuple[date, date] | None) -> Range:
    """The range a URL means, seen from `now`. held: first and last day with data.

    Without a choice the seven days up to the newest data, so that a page on last year's capture is not empty.
    Raises UsageError when the words are no range.
    """
    if start or end:
        since = moment(start) if start else (_midnight(held[0]) if held else _EARLIEST)
        until = moment(end) if end else _minute(now)
        if until <= since:
            raise UsageError("the time range ends before it begins", where=f"{start} - {end}"[:100],
                             todo="Exchange `from` and `to`.")  # fmt: skip
        return Range(since, until, "from-to")
    if chosen == "all":
        return _all(held, now)
    if chosen:
        return Range(_back(chosen, _minute(now)), _minute(now), chosen)
    end_at = _minute(now)
    if held:
        end_at = min(end_at, _midnight(held[1] + timedelta(days=1)))
    return Range(_back(DEFAULT, end_at), end_at)


def moment(word: str) -> datetime:
    """The UTC time meant by ISO 8601. Raises UsageError."""
    try:
        at = datetime.fromisoformat(word.strip()[:40])
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{word[:40]!r} is no time", todo="Write 2024-04-01 or 2024-04-01T12:00:00Z."
        ) from None
    if not _EARLIEST <= at <= _LATEST:
        raise UsageError(f"{word[:40]!r} is out of range", todo="Write a time from 1970 to 2200.")
    return at


def _back(word: str, end: datetime) -> datetime:
    match = _BACK.fullmatch(word)
    if not match:
        raise UsageError(f"{word[:40]!r} is no time range", todo="Write 24h, 7d, 4w, or all.")
    return max(_EARLIEST, end - timedelta(**{_UNITS[match[2]]: int(match[1])}))


def _all(held: tuple[date, date] | None, now: datetime) -> Range:
    if held is None:
        return Range(_EARLIEST, _minute(now), "all")
    return Range(_midnight(held[0]), _midnight(held[1] + timedelta(days=1)), "all")


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _minute(now: datetime) -> datetime:
    """The end of this minute: answers of one minute are the same."""
    return now.replace(second=0, microsecond=0) + timedelta(minutes=1)
