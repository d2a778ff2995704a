"""Periods of a report: what the reader's calendar calls a day, a week, a month or a year."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from noroshi.model.errors import UsageError

KINDS = ("day", "week", "month", "year")
_TODO = (
    "Use day, week, month, year, last-day ... last-year, 2026, 2026-10, 2026-W41, 2026-10-01"
    " or 2026-10-01..2026-10-05."
)
_EARLIEST, _LATEST = 1971, 2105  # what the decoders accept, a year clear of both ends


@dataclass(frozen=True)
class Period:
    """A half-open span [start, end) that begins and ends at midnight of the reader's time zone."""

    kind: str
    label: str
    """`2026`, `2026-10`, `2026-W41`, `2026-10-01` or `2026-10-01..2026-10-05`: sorts, and names the file."""
    first: date
    """The first local day."""
    last: date
    """The first local day after it."""
    tz: tzinfo

    @property
    def start(self) -> datetime:
        """Local midnight of the first day, in UTC."""
        return midnight(self.first, self.tz)

    @property
    def end(self) -> datetime:
        """Local midnight after the last day, in UTC."""
        return midnight(self.last, self.tz)

    @property
    def seconds(self) -> float:
        """Its length, s."""
        return (self.end - self.start).total_seconds()

    def previous(self) -> Period:
        """The period of the same kind just before this one; of a span, the same number of days."""
        if self.kind == "span":
            return span(self.first - (self.last - self.first), self.first - timedelta(days=1), self.tz)
        return _of(self.kind, self.first - timedelta(days=1), self.tz)

    def utc_days(self) -> list[date]:
        """The UTC days it touches, in order."""
        day, last = self.start.date(), (self.end - timedelta(microseconds=1)).date()
        return [day + timedelta(days=i) for i in range((last - day).days + 1)]


def midnight(day: date, tz: tzinfo) -> datetime:
    """The moment a local day begins, in UTC."""
    return datetime.combine(day, time(), tz).astimezone(UTC)


def parse(text: str, at: datetime, tz: tzinfo) -> Period:
    """The period `text` names; `day`, `week`, `month` and `year` are those that hold the moment `at`.

    `at` is now, or the newest moment in the lake, whichever the caller reports on. `last-month` is the one
    before. Raises UsageError when `text` names no period.
    """
    word = text.strip()
    kind = word.removeprefix("last-")
    if kind in KINDS:
        period = _of(kind, at.astimezone(tz).date(), tz)
        return period.previous() if word.startswith("last-") else period
    try:
        if ".." in word:
            first, last = (date.fromisoformat(part) for part in word.split(".."))
            if not date(_EARLIEST, 1, 1) <= first <= last <= date(_LATEST, 12, 31):
                raise ValueError("ends before it begins")
            return span(first, last, tz)
        kind, day = _dated(word)
        if not _EARLIEST <= day.year <= _LATEST:
            raise ValueError(f"year {day.year}")
    except ValueError:
        raise UsageError(f"{text!r} is no period", todo=_TODO) from None
    return _of(kind, day, tz)


def span(first: date, last: date, tz: tzinfo) -> Period:
    """The period from one local day to another, both included."""
    if first == last:
        return _of("day", first, tz)
    return Period("span", f"{first}..{last}", first, last + timedelta(days=1), tz)


def covering(first: datetime, last: datetime, tz: tzinfo) -> Period:
    """The shortest period of whole local days that holds both moments."""
    return span(first.astimezone(tz).date(), last.astimezone(tz).date(), tz)


def _dated(word: str) -> tuple[str, date]:
    if re.fullmatch(r"\d{4}", word):
        return "year", date(int(word), 1, 1)
    if re.fullmatch(r"\d{4}-\d{2}", word):
        return "month", date.fromisoformat(word + "-01")
    if match := re.fullmatch(r"(\d{4})-W(\d{2})", word):
        return "week", date.fromisocalendar(int(match[1]), int(match[2]), 1)
    return "day", date.fromisoformat(word)


def _of(kind: str, day: date, tz: tzinfo) -> Period:
    """The period of `kind` that holds the local `day`. Weeks are those of ISO 8601, Monday first."""
    if kind == "year":
        return Period(kind, f"{day.year:04d}", date(day.year, 1, 1), date(day.year + 1, 1, 1), tz)
    if kind == "month":
        first = day.replace(day=1)
        return Period(kind, f"{day:%Y-%m}", first, (first + timedelta(days=31)).replace(day=1), tz)
    if kind == "week":
        first = day - timedelta(days=day.weekday())
        year, week, _ = day.isocalendar()
        return Period(kind, f"{year:04d}-W{week:02d}", first, first + timedelta(days=7), tz)
    return Period("day", day.isoformat(), day, day + timedelta(days=1), tz)
