"""The SQL of the report: one frame of rows (period, telescopes, no inside talkers), one text per figure.

DuckDB's dialect, plain enough to need neither extensions nor macros. Local days and hours are made from
the zone's offsets, which change a few times a year at most, so they are a CASE over constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

from noroshi.model.address import prefix_range
from noroshi.model.analyser import Scope, Telescope
from noroshi.share.report.period import Period

HOUR_S, DAY_S, WEEK_S = 3_600, 86_400, 604_800
_MONDAY = 3 * DAY_S  # 1970-01-01 was a Thursday: shifted by three days, weeks begin on Monday

REPLIES = "('backscatter', 'reflection')"
"""Classes whose destination port is chance: they are in no ranking of ports or places."""

KEY = """CASE WHEN protocol = 6 THEN 'tcp/' || dst_port WHEN protocol = 17 THEN 'udp/' || dst_port
 WHEN protocol = 1 THEN 'icmp/' || src_port WHEN protocol = 58 THEN 'icmp6/' || src_port
 ELSE 'ip/' || protocol END"""
"""A port as text; for ICMP its type (stored as src_port), for the rest the protocol number."""

CODE = """(protocol::INTEGER * 65536 + CASE WHEN protocol IN (6, 17) THEN dst_port
 WHEN protocol IN (1, 58) THEN src_port ELSE 0 END)"""
"""The same as a number, which millions of rows are grouped by several times faster than by text."""


@dataclass(frozen=True)
class Frame:
    """The rows a report counts."""

    period: Period
    telescopes: tuple[Telescope, ...]
    inside: tuple[tuple[date, bytes], ...]
    """(UTC day, address) that sent packets from inside and is no part of the effective size that day."""

    @cached_property
    def offsets(self) -> list[tuple[datetime, int]]:
        """(from when, offset of local time from UTC in s) over the period, a day more on either side."""
        at = self.period.start - timedelta(days=1)
        stop, found = self.period.end + timedelta(days=1), list[tuple[datetime, int]]()
        while at < stop:
            offset = self.offset(at)
            if not found or found[-1][1] != offset:
                found.append((at, offset))
            at += timedelta(minutes=15)
        return found

    def offset(self, at: datetime) -> int:
        """Offset of local time from UTC at a moment, s."""
        delta = at.astimezone(self.period.tz).utcoffset()
        return int(delta.total_seconds()) if delta else 0

    @cached_property
    def local_s(self) -> str:
        """SQL: seconds since 1970 on the local clock."""
        first, *rest = self.offsets
        cases = "".join(f" WHEN first_seen >= {stamp(at)} THEN {offset}" for at, offset in reversed(rest))
        offset = f"CASE{cases} ELSE {first[1]} END" if cases else str(first[1])
        return f"(epoch_us(first_seen) // 1000000 + {offset})"

    def bin(self, step_s: int) -> str:
        """SQL: the number of the local bin of `step_s` seconds that a row falls into."""
        shift = f" + {_MONDAY}" if step_s == WEEK_S else ""
        return f"(({self.local_s}{shift}) // {step_s})"

    def bin_of_hour(self, hour: int, step_s: int) -> int:
        """The bin of `step_s` seconds that a local hour lies in."""
        return (hour * HOUR_S + (_MONDAY if step_s == WEEK_S else 0)) // step_s

    def bin_start(self, number: int, step_s: int) -> datetime:
        """The moment a local bin begins, in UTC."""
        local = number * step_s - (_MONDAY if step_s == WEEK_S else 0)
        naive = datetime.fromtimestamp(local, UTC).replace(tzinfo=None)
        if step_s < DAY_S:  # hours keep their order when a clock is set back: take the offset in force
            at = datetime.fromtimestamp(local, UTC) - timedelta(seconds=self.offsets[0][1])
            return datetime.fromtimestamp(local - self.offset(at), UTC)
        return naive.replace(tzinfo=self.period.tz).astimezone(UTC)

    def bins(self, step_s: int) -> list[int]:
        """Numbers of the local bins that the period touches, in order."""
        shift = _MONDAY if step_s == WEEK_S else 0
        first = int(self.period.start.timestamp()) + self.offset(self.period.start) + shift
        end = self.period.end - timedelta(seconds=1)
        last = int(end.timestamp()) + self.offset(end) + shift
        return list(range(first // step_s, last // step_s + 1))

    @property
    def days(self) -> str:
        """SQL: the partitions to open."""
        days = self.period.utc_days()
        return f"day BETWEEN DATE '{days[0]}' AND DATE '{days[-1]}'"

    @property
    def time(self) -> str:
        """SQL: within the period."""
        return f"first_seen >= {stamp(self.period.start)} AND first_seen < {stamp(self.period.end)}"

    @property
    def which(self) -> str:
        """SQL: the number of the telescope a row reached, -1 for none; 0 for all when there is none."""
        if not self.telescopes:
            return "0"
        cases = "".join(f" WHEN {within(t, 'dst_ip')} THEN {i}" for i, t in enumerate(self.telescopes))
        return f"CASE{cases} ELSE -1 END"

    @property
    def from_inside(self) -> str:
        """SQL: the source lies in a telescope."""
        return "(" + (" OR ".join(within(t, "src_ip") for t in self.telescopes) or "false") + ")"

    @property
    def dark(self) -> str:
        """SQL: from outside to a telescope."""
        if not self.telescopes:
            return "true"
        return f"({' OR '.join(within(t, 'dst_ip') for t in self.telescopes)}) AND NOT {self.from_inside}"

    @property
    def with_inside(self) -> str:
        """SQL: the CTE that names the inside talkers, or nothing."""
        return (
            "WITH inside AS (SELECT unnest($inside_day) AS d, unnest($inside_ip) AS ip)"
            if self.inside
            else ""
        )

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of `with_inside`."""
        if not self.inside:
            return {}
        return {"inside_day": [d for d, _ in self.inside], "inside_ip": [ip for _, ip in self.inside]}

    def select(self, columns: str, more: str = "true", group: str = "GROUP BY ALL") -> str:
        """SQL: `columns` over the counted rows for which `more` holds."""
        anti = ""
        if self.inside:
            anti = " AND NOT EXISTS (SELECT 1 FROM inside WHERE d = flows.day AND ip = flows.dst_ip)"
        return (
            f"{self.with_inside} SELECT {columns} FROM flows"  # noqa: S608
            f" WHERE {self.days} AND {self.time} AND {self.dark} AND {more}{anti} {group}"
        )

    def hours_sql(self) -> str:
        """SQL: packets by UTC day, local hour, telescope and whether they are left out, over whole UTC days.

        Whole UTC days, because the time observed is known per UTC day and must be shared out.
        """
        join, flag = "", self.from_inside
        if self.inside:
            join = " LEFT JOIN inside ON inside.d = flows.day AND inside.ip = flows.dst_ip"
            flag = f"({flag} OR inside.ip IS NOT NULL)"
        return (
            f"{self.with_inside} SELECT day, {self.bin(HOUR_S)} AS hour, {self.which} AS telescope,"  # noqa: S608
            f" {flag} AS left_out, sum(packet_count)::BIGINT AS packets, sum(byte_count)::BIGINT AS bytes,"
            f" min(first_seen) AS first_seen, max(last_seen) AS last_seen"
            f" FROM flows{join} WHERE {self.days} GROUP BY ALL ORDER BY ALL"
        )


def port_key(code: int) -> str:
    """The text KEY gives, from the number CODE gives."""
    protocol, port = divmod(code, 65_536)
    name = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp6"}.get(protocol)
    return f"{name}/{port}" if name else f"ip/{protocol}"


def port_code(key: str) -> int:
    """The number CODE gives, from the text KEY gives."""
    name, _, number = key.partition("/")
    protocol = {"tcp": 6, "udp": 17, "icmp": 1, "icmp6": 58}.get(name)
    return int(number) * 65_536 if protocol is None else protocol * 65_536 + int(number)


def within(telescope: Telescope, column: str) -> str:
    """SQL: `column` lies in the telescope's prefixes."""
    parts = []
    for prefix in telescope.prefixes:
        low, high = prefix_range(prefix)
        parts.append(f"{column} BETWEEN unhex('{low.hex()}') AND unhex('{high.hex()}')")
    return "(" + " OR ".join(parts) + ")"


def stamp(at: datetime) -> str:
    """SQL: a moment as a literal."""
    return f"TIMESTAMPTZ '{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}+00'"


def frame(period: Period, telescopes: Sequence[Telescope], scopes: Sequence[Scope]) -> Frame:
    """The frame of a period: the inside talkers of its scopes are left out."""
    days = set(period.utc_days())
    inside = sorted({(s.day, ip) for s in scopes if s.telescope and s.day in days for ip in s.inside})
    return Frame(period, tuple(telescopes), tuple(inside))
