"""Point queries without the engine: the row groups that may hold a value, read and filtered."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noroshi.lake.delta import DataFile
from noroshi.lake.encoding import is_sorted
from noroshi.lake.errors import telling
from noroshi.lake.footers import Footer
from noroshi.lake.shape import plain
from noroshi.model.schema import Table
from noroshi.model.tables import TABLES

if TYPE_CHECKING:
    import numpy.typing as npt

    from noroshi.lake.handle import Lake
    from noroshi.lake.horizon import Horizon

GROUPS = 256
"""Row groups `newest` looks into at most, some 0.2 ms each: a value no table is sorted by must not cost seconds."""
GATHER = 2_000
"""Matching rows gathered at most before the newest are chosen, where a file is not in the order of time."""

Order = list[tuple[str, Literal["ascending", "descending"]]]
"""Columns to sort by, the most important first."""


@dataclass(frozen=True)
class Visible:
    """Which rows of a table may be seen: by the runs they are of, and by the markings they carry."""

    seen: frozenset[str]
    hidden: frozenset[str]
    """Runs that were announced but may not be seen."""
    marks: frozenset[str] | None = None
    """Markings a row may carry; None when that is not asked."""
    lenient: frozenset[str] = frozenset()
    """With `marks`: runs whose rows may be seen when they carry no marking of their own."""
    going: tuple[Horizon, Table] | None = None
    """What retention is just taking out of the table."""

    def any(self, file: DataFile) -> bool:
        """False when no row of the file can be seen."""
        if file.runs and file.runs[0] == file.runs[1]:
            return file.runs[0] in self.seen
        return True

    def mixed(self, file: DataFile) -> bool:
        """True when some rows of the file may have to be left out."""
        if self.marks is not None or self.going is not None:
            return True
        if file.runs and file.runs[0] == file.runs[1]:
            return file.runs[0] not in self.seen
        return any(file.may_hold(r) for r in self.hidden)

    @property
    def columns(self) -> tuple[str, ...]:
        """What `kept` looks at; files too old to have `tlp` need not give it."""
        old = self.going[0].columns(self.going[1]) if self.going else ()
        return ("run_id", *(("tlp",) if self.marks is not None else ()), *old)

    def kept(self, rows: pa.Table) -> pa.Table:
        """The rows that may be seen."""
        if not rows.num_rows:
            return rows
        mask: Any = pc.invert(pc.is_in(rows["run_id"], _texts(self.hidden)))
        if self.marks is not None:
            own: Any = pc.is_in(rows["run_id"], _texts(self.lenient))
            if "tlp" in rows.column_names:
                unmarked: Any = pc.and_(pc.is_null(rows["tlp"]), own)
                own = pc.or_(pc.is_in(rows["tlp"], _texts(self.marks)), unmarked)
            mask = pc.and_(mask, own)
        if self.going is not None:
            mask = pc.and_(mask, pc.invert(self.going[0].gone(self.going[1], plain(rows))))
        return rows.filter(mask)


def _texts(values: Collection[str]) -> pa.Array[Any]:
    return pa.array(sorted(values), pa.string())


@dataclass(frozen=True)
class Asked:
    """What of a table is asked: rows whose `column` lies in `low`..`high` (stored type, both inclusive)."""

    lake: Lake
    table: Table
    visible: Visible
    column: str
    low: Any
    high: Any
    wanted: tuple[str, ...]
    """Columns of the answer, in the table's order; `day` may be among them."""
    answer: pa.Schema

    @cached_property
    def one(self) -> bool:
        """True when all matching rows have the same value in the column."""
        return bool(self.low == self.high) and self.table.column(self.column).type != "strings"

    @cached_property
    def types(self) -> list[Any]:
        """Types of the columns of the answer."""
        return self.answer.types

    @cached_property
    def nothing(self) -> pa.Table:
        """An answer without rows."""
        return self.answer.empty_table()

    @property
    def by_column_and_time(self) -> bool:
        """True when sorted files have the rows of one value together, the newest last."""
        return self.low == self.high and self.table.sort[:2] == (self.column, self.table.time)


def asked(
    lake: Lake, table: Table, visible: Visible, column: str, low: Any, high: Any,
    columns: Collection[str] | None,
) -> Asked:  # fmt: skip
    """The question; KeyError when the table has no such column."""
    # A table is told by its name: comparing whole ones costs a tenth of a millisecond.
    wanted, answer = _answer(
        table.name, table.version, column, tuple(columns) if columns is not None else None
    )
    return Asked(lake, table, visible, column, low, high, wanted, answer)


@lru_cache(maxsize=512)
def _answer(
    name: str, version: int, column: str, columns: tuple[str, ...] | None
) -> tuple[tuple[str, ...], pa.Schema]:
    table = TABLES[name]
    schema = table.arrow(partition=True)
    unknown = set(columns or ()) - set(schema.names)
    if unknown or column not in schema.names:
        raise KeyError(f"table {table.name} has no column {', '.join(sorted(unknown)) or column}")
    wanted = tuple(n for n in schema.names if columns is None or n in columns)
    return wanted, pa.schema([schema.field(n) for n in wanted])


def rows_with(
    lake: Lake, table: Table, files: Sequence[DataFile], visible: Visible, column: str, value: Any,
    columns: Collection[str] | None, limit: int | None,
) -> pa.Table:  # fmt: skip
    """Rows of `files` whose `column` equals `value`, in the order of the files; stops after `limit`.

    A column of texts (`strings`) matches when one of them equals the value.
    """
    return rows_between(lake, table, files, visible, column, value, value, columns, limit)


def rows_between(
    lake: Lake, table: Table, files: Sequence[DataFile], visible: Visible, column: str, low: Any, high: Any,
    columns: Collection[str] | None, limit: int | None = None,
) -> pa.Table:  # fmt: skip
    """The same for a range of values, both ends inclusive."""
    question = asked(lake, table, visible, column, low, high, columns)
    out: list[pa.Table] = []
    rows = 0
    for file in files:
        for part in _parts(question, file):
            out.append(part)
            rows += part.num_rows
        if limit is not None and rows >= limit:
            break
    whole = _joined(question, out)
    return whole if limit is None else whole.slice(0, limit)


def newest(
    question: Asked, files: Sequence[DataFile], limit: int, *, oldest: bool = False, groups: int = GROUPS
) -> tuple[pa.Table, bool]:
    """The newest `limit` matching rows of `files`, newest first, and whether that is certain.

    Days are walked from the newest, and a file from its last row groups; reading stops as soon as `limit` rows
    are there. Inside a day the newest are certain where the table is sorted by the column and then time; of
    other columns the rows are of the newest days, and of no more than `groups` row groups. oldest: the reverse.
    """
    days: dict[date, list[DataFile]] = {}
    for file in files:
        days.setdefault(file.day or date.min, []).append(file)
    out: list[pa.Table] = []
    rows, left, sure = 0, groups, True
    for day in sorted(days, reverse=not oldest):
        parts: list[pa.Table] = []
        for file in days[day]:
            ordered = question.by_column_and_time and is_sorted(file.path)
            most = limit - rows if ordered or question.table.partitioned else max(GATHER, limit)
            got = 0
            few = (limit - rows, not oldest) if ordered else None
            for part in _parts(question, file, backwards=not oldest, budget=left, few=few):
                left -= 1
                if part.num_rows:
                    parts.append(part)
                    got += part.num_rows
                if got >= most or left <= 0:
                    sure = sure and ordered and left > 0
                    break
        if parts:
            chosen = _by_time(question, parts, oldest).slice(0, limit - rows)
            out.append(chosen)
            rows += chosen.num_rows
        if rows >= limit or left <= 0:
            break
    return _joined(question, out), sure


def _certain(question: Asked, files: Sequence[DataFile], limit: int, oldest: bool) -> pa.Table:
    """The newest (oldest) matching rows by what may be seen alone: no bound counts rows or row groups."""
    days: dict[date, list[DataFile]] = {}
    for file in files:
        days.setdefault(file.day or date.min, []).append(file)
    out: list[pa.Table] = []
    rows = 0
    for day in sorted(days, reverse=not oldest):
        parts = [p for file in days[day] for p in _parts(question, file) if p.num_rows]
        if parts:
            out.append(_by_time(question, parts, oldest).slice(0, limit - rows))
            rows += out[-1].num_rows
        if rows >= limit:
            break
    return _joined(question, out)


def _by_time(question: Asked, parts: list[pa.Table], oldest: bool) -> pa.Table:
    """By time, and of one moment by where they were read: never by which file they happen to lie in."""
    whole = pa.concat_tables(parts)
    time = question.table.time
    if time is None or time not in whole.column_names or whole.num_rows < 2:
        return whole
    by: Order = [(time, "ascending" if oldest else "descending")]
    by += [(n, "ascending") for n in ("run_id", "offset") if n in whole.column_names]
    return whole.take(pc.sort_indices(whole, by))


def ordered(rows: pa.Table, by: Order) -> pa.Table:
    """Rows in an order that nothing but themselves decides: as `by` says, then by all other columns that sort."""
    if rows.num_rows < 2:
        return rows
    first = {name for name, _ in by}
    ties = [f.name for f in rows.schema if f.name not in first and not pa.types.is_list(f.type)]
    # Where a row was read tells most rows apart; the rest is looked at only of those it does not.
    ties.sort(key=lambda n: (n != "run_id", n != "offset"))
    return rows.take(pc.sort_indices(rows, [*by, *((n, "ascending") for n in ties)]))


def _lists(column: Any, field: pa.Field[Any]) -> Any:
    """Lists with one word for none: null, or the empty list where there may be no null.

    A footer tells of lists without texts only that there are none, so that one of both is read as the other.
    """
    if not field.nullable:
        return pc.coalesce(column, pa.scalar([], field.type)) if column.null_count else column
    none: Any = pc.equal(pc.list_value_length(column), pa.scalar(0, pa.int32()))
    return pc.if_else(none, pa.scalar(None, field.type), column)


def _joined(question: Asked, parts: list[pa.Table]) -> pa.Table:
    whole = [p for p in parts if p.num_rows]
    if not whole:
        return question.answer.empty_table()
    rows = pa.concat_tables(whole) if len(whole) > 1 else whole[0]
    for i, field in enumerate(rows.schema):
        if pa.types.is_list(field.type):
            rows = rows.set_column(i, field, _lists(rows.column(i), field))
    return rows


def _parts(
    question: Asked, file: DataFile, *, backwards: bool = False, budget: int | None = None,
    few: tuple[int, bool] | None = None,
) -> Iterator[pa.Table]:  # fmt: skip
    """Visible matching rows, row group by row group; empty tables for groups that only might have had some.

    few: (n, last): so many rows of a group are enough, its last or its first ones.
    """
    if not question.visible.any(file):
        return
    path = question.lake.footers.path(question.lake.stores[question.table.name].root, file.path)
    footer = question.lake.footers.get(path)
    if question.column not in footer.columns:
        return  # written before the table had the column: null
    same = question.low == question.high
    groups = (footer.groups(question.column, question.low) if same
              else footer.between(question.column, question.low, question.high))  # fmt: skip
    if backwards:
        groups.reverse()
    mixed = question.visible.mixed(file)
    for group in groups if budget is None else groups[:budget]:
        with telling(path), footer.lock:
            yield _of_group(question, file, footer, group, mixed, few)


def _of_group(
    question: Asked, file: DataFile, footer: Footer, group: int, mixed: bool, few: tuple[int, bool] | None
) -> pa.Table:
    """Matching rows of a row group: the column asked about decides whether the others are read."""
    fixed = footer.fixed(group)
    if fixed and question.column in fixed and _inside(fixed[question.column], question):
        at, length = 0, footer.reader.metadata.row_group(group).num_rows
        hits = None
    else:
        first = footer.read(group, (question.column,))
        hits = _hits(first.column(0), question.low, question.high)
        if not len(hits):
            return question.nothing
        at, length = int(hits[0]), len(hits)
        if int(hits[-1]) - at + 1 == length:
            hits = None
    if few and hits is None and not mixed and few[0] < length:
        at, length = at + (length - few[0] if few[1] else 0), few[0]
    read = [n for n in question.wanted if n in footer.columns and (n not in fixed or mixed)]
    if question.one:
        # The same in every row, and the dearest column: its dictionary is as long as the group has values.
        read = [n for n in read if n != question.column]
    if mixed:
        read += [n for n in question.visible.columns if n in footer.columns and n not in read]
    if not read:
        return _wanted(question, file, None, fixed, length if hits is None else len(hits))
    rows = footer.read(group, read)
    rows = rows.slice(at, length) if hits is None else rows.take(hits)
    if mixed:
        rows, fixed = question.visible.kept(rows), {}
    return _wanted(question, file, rows, fixed, rows.num_rows)


def _inside(value: Any, question: Asked) -> bool:
    return value is not None and bool(question.low <= value <= question.high)


def _wanted(
    question: Asked, file: DataFile, rows: pa.Table | None, fixed: Mapping[str, Any], length: int
) -> pa.Table:
    """The columns asked for, without dictionaries; columns the file is too old to have are null."""
    columns: list[Any] = []
    at = {name: i for i, name in enumerate(rows.column_names)} if rows is not None else {}
    for name, want in zip(question.wanted, question.types, strict=True):
        i = at.get(name)
        if question.one and name == question.column:
            columns.append(_repeated(question.low, want, length))
        elif i is not None and rows is not None:
            columns.append(_plain(rows.column(i), want))
        elif name == "day" and question.table.partitioned:
            columns.append(_repeated(file.day, want, length))
        else:
            columns.append(_repeated(fixed.get(name), want, length))
    return pa.Table.from_arrays(columns, schema=question.answer)


def _repeated(value: Any, type_: Any, length: int) -> Any:
    if value is None:
        return pa.nulls(length, type_)
    return pa.array([value], type_) if length == 1 else pa.repeat(pa.scalar(value, type_), length)


def _plain(column: Any, want: Any) -> Any:
    """Without its dictionary."""
    if column.type == want:
        return column
    if pa.types.is_dictionary(column.type) and column.type.value_type == want:
        return pa.chunked_array([c.dictionary_decode() for c in column.chunks], want)
    return column.cast(want)


def _hits(column: pa.ChunkedArray[Any], low: Any, high: Any) -> npt.NDArray[np.int64]:
    """Positions whose value lies in the range (of a list: one of its values), ascending."""
    chunk: Any = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if pa.types.is_dictionary(chunk.type):
        codes = chunk.indices
        if low == high and not codes.null_count:
            at = pc.index(chunk.dictionary, pa.scalar(low, chunk.dictionary.type)).as_py()
            return np.flatnonzero(codes.to_numpy() == at) if at >= 0 else np.empty(0, np.int64)
        fits = _fits(chunk.dictionary, low, high)
        if not fits.any():
            return np.empty(0, np.int64)
        if codes.null_count:
            codes, fits = codes.fill_null(len(fits)), np.append(fits, False)
        return np.flatnonzero(fits[codes.to_numpy(zero_copy_only=False)])
    if pa.types.is_list(chunk.type):
        inside = np.flatnonzero(_fits(chunk.flatten(), low, high))
        parents = pc.list_parent_indices(chunk).to_numpy(zero_copy_only=False)
        return np.unique(parents[inside]).astype(np.int64)
    return np.flatnonzero(_fits(chunk, low, high))


def _fits(values: Any, low: Any, high: Any) -> npt.NDArray[np.bool_]:
    """Which of the values lie in the range; nulls do not."""
    if not len(values):
        return np.zeros(0, np.bool_)
    if type(low) is int and pa.types.is_int64(values.type) and not values.null_count:
        numbers = values.to_numpy(zero_copy_only=False)
        inside: npt.NDArray[np.bool_] = (numbers >= low) & (numbers <= high)
        return inside
    first = pa.scalar(low, values.type)
    if low == high:
        mask = pc.equal(values, first)
    else:
        mask = pc.and_(pc.greater_equal(values, first), pc.less_equal(values, pa.scalar(high, values.type)))
    mask = mask.fill_null(False) if mask.null_count else mask
    fits: npt.NDArray[np.bool_] = mask.to_numpy(zero_copy_only=False)
    return fits
