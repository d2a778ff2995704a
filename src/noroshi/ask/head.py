"""Where a value stands, by its links alone: first and last seen, counts by table, role and source, days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

TOP_SOURCES = 10
"""Sources listed by name; of the others it is said how many there are."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Stand:
    """A value in one role of one table."""

    table: str
    role: str
    count: int
    """Observations (packets for flows)."""
    first_seen: datetime
    last_seen: datetime
    sources: tuple[tuple[str, int], ...]
    """The sources with the most observations, and their counts."""
    n_sources: int
    daily: tuple[tuple[date, int], ...]
    """(UTC day, observations), newest first."""
    link_rows: int

    @cached_property
    def days(self) -> frozenset[date]:
        """The UTC days."""
        return frozenset(d for d, _ in self.daily)


@dataclass(frozen=True)
class Head:
    """Everything links say of a value."""

    stands: tuple[Stand, ...] = ()
    histogram: tuple[tuple[date, dict[str, int]], ...] = ()
    """(UTC day, observations by table), ascending; days without any are left out."""
    link_rows: int = 0
    n_sources: int = 0

    @property
    def count(self) -> int:
        """Observations in all tables."""
        return sum(s.count for s in self.stands)

    @property
    def first_seen(self) -> datetime | None:
        """The earliest time."""
        return min((s.first_seen for s in self.stands), default=None)

    @property
    def last_seen(self) -> datetime | None:
        """The latest time."""
        return max((s.last_seen for s in self.stands), default=None)

    def in_tables(self, *tables: str, roles: tuple[str, ...] = ()) -> list[Stand]:
        """Where it stands in these tables (and roles)."""
        return [s for s in self.stands if s.table in tables and (not roles or s.role in roles)]


def head(rows: pa.Table, sources: Mapping[str, str]) -> Head:
    """Sums rows of `links`. sources: the source of each run."""
    import numpy as np

    if not rows.num_rows:
        return Head()
    tables, table_names = _coded(rows["table"])
    roles, role_names = _coded(rows["role"])
    runs, run_ids = _coded(rows["run_id"])
    named = [sources.get(r, "") for r in run_ids]
    source_names = list(dict.fromkeys(named))
    numbers = {name: i for i, name in enumerate(source_names)}
    source = np.array([numbers[name] for name in named], np.int64)[runs]
    days = _numbers(rows["day"], "int32")
    counts, first, last = (_numbers(rows[n], "int64") for n in ("count", "first_seen", "last_seen"))
    place = tables * len(role_names) + roles
    stands = []
    for code in np.unique(place).tolist():
        at = np.flatnonzero(place == code)
        by_source = _sums(source[at], counts[at])
        top = sorted(by_source.items(), key=lambda kv: (-kv[1], source_names[kv[0]]))
        stands.append(
            Stand(
                table_names[code // len(role_names)], role_names[code % len(role_names)], int(counts[at].sum()),
                _time(first[at].min()), _time(last[at].max()),
                tuple((source_names[s], n) for s, n in top[:TOP_SOURCES]), len(top),
                tuple((_day(d), n) for d, n in sorted(_sums(days[at], counts[at]).items(), reverse=True)), len(at),
            )
        )  # fmt: skip
    stands.sort(key=lambda s: (-s.count, s.table, s.role))
    return Head(
        tuple(stands), _histogram(days, tables, table_names, counts), rows.num_rows, len(source_names)
    )


def _histogram(
    days: npt.NDArray[np.int64],
    tables: npt.NDArray[np.int64],
    names: list[str],
    counts: npt.NDArray[np.int64],
) -> tuple[tuple[date, dict[str, int]], ...]:
    out: dict[int, dict[str, int]] = {}
    for code, n in _sums(days * len(names) + tables, counts).items():
        out.setdefault(code // len(names), {})[names[code % len(names)]] = n
    return tuple((_day(d), dict(sorted(out[d].items()))) for d in sorted(out))


def _sums(codes: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> dict[int, int]:
    import numpy as np

    if len(codes) < 64:  # below that numpy's calls cost more than the loop
        out: dict[int, int] = {}
        for code, n in zip(codes.tolist(), counts.tolist(), strict=True):
            out[code] = out.get(code, 0) + n
        return out
    order = np.argsort(codes, kind="stable")
    codes = codes[order]
    starts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
    return dict(zip(codes[starts].tolist(), np.add.reduceat(counts[order], starts).tolist(), strict=True))


def _coded(column: Any) -> tuple[npt.NDArray[np.int64], list[str]]:
    import numpy as np

    coded = column.combine_chunks().dictionary_encode()
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), coded.dictionary.to_pylist()


def _numbers(column: Any, kind: str) -> npt.NDArray[np.int64]:
    import numpy as np

    numbers: npt.NDArray[np.int64] = column.combine_chunks().view(kind).to_numpy(zero_copy_only=False)
    return numbers.astype(np.int64)


def _time(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=int(us))


@lru_cache(maxsize=4096)
def _day(number: int) -> date:
    return _EPOCH.date() + timedelta(days=number)
