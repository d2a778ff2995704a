"""Columns of a log turned into columns of a table, many rows at a time; what does not fit is rejected by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading
from noroshi.model.tables import TABLES
from noroshi.observe.lines import Block
from noroshi.observe.netlog.delimited import Part, line_of
from noroshi.observe.netlog.values import (
    Ints,
    Mask,
    bits,
    clipped,
    coded,
    compute,
    floats,
    like,
    pack_addresses,
    plain_text,
    port_number,
    protocol_number,
    times,
    ts_type,
)  # fmt: skip
from noroshi.observe.rows import DAY_US, EARLIEST_US
from noroshi.observe.rows import micros as instant

_LONGEST_SPAN_S: Final = 3.2e9
"""A hundred years: a duration beyond is no duration."""


class Rowset:
    """Rows of one log being turned into rows of a table.

    raw: Arrow arrays by field name, all of the same length; a field the log does not have is missing.
    offsets: where each row's line begins in the source. line: the bytes of a row, for the sample of a reject.
    Methods give columns of the table; rows that do not fit are marked and left out by `table`.
    """

    def __init__(
        self, raw: Mapping[str, Any], offsets: Ints, line: Callable[[int], bytes], reading: Reading
    ) -> None:
        self.raw, self.offsets, self.count = raw, offsets, len(offsets)
        self._line = line
        self._latest_us = reading.source_date_us + DAY_US
        self._bad: Mask = np.zeros(self.count, bool)
        self._why: dict[int, tuple[str, str]] = {}

    def fail(self, rows: Mask, reason: str, detail: str, field: str = "") -> None:
        """Marks rows as unreadable; the first reason of a row stands. field: whose value is told."""
        column = self.raw.get(field)
        for i in np.flatnonzero(rows & ~self._bad).tolist():
            value = "" if column is None else f": {str(column[i].as_py())[:80]!r}"
            self._why[i] = (reason, detail + value)
        self._bad |= rows

    def has(self, name: str) -> bool:
        """True when the log has the field."""
        return name in self.raw

    def nulls(self, name: str) -> Mask:
        """Which rows lack a value of the field."""
        if name not in self.raw:
            return np.ones(self.count, bool)
        return bits(self.raw[name].is_null())

    def micros(self, name: str) -> Ints:
        """µs since 1970 of a required time in seconds; rows outside 1990 .. source date + 1 day fail."""
        seconds = floats(self.raw[name]) if name in self.raw else np.full(self.count, np.nan)
        with np.errstate(invalid="ignore", over="ignore"):
            us = seconds * 1e6
            good = (us >= EARLIEST_US) & (us <= self._latest_us)
        self.fail(~good, "time", f"{name} is no time between 1990 and a day after the source's date", name)
        return np.rint(np.where(good, us, 0)).astype(np.int64)

    def after(self, began: Ints, name: str) -> Ints:
        """µs since 1970 of the end of what lasted `name` seconds from `began` on; null lasted 0."""
        if name not in self.raw:
            return began
        seconds = np.nan_to_num(floats(self.raw[name]), nan=0.0, posinf=-1, neginf=-1)
        good = (seconds >= 0) & (seconds < _LONGEST_SPAN_S)
        self.fail(~good, "duration", f"{name} is negative or beyond a hundred years", name)
        ended = began + np.rint(np.where(good, seconds, 0) * 1e6).astype(np.int64)
        self.fail(ended > self._latest_us, "time", "ends more than a day after the source's date")
        return ended

    def stamps(self, name: str) -> Ints:
        """µs since 1970 of a required time in words (no zone: UTC) or seconds; the same limits as `micros`."""
        texts = plain_text(self.text(name))
        try:
            pc = compute()
            even = pc.replace_substring(texts.fill_null(""), "/", "-")
            us = even.cast(ts_type()).cast("int64").to_numpy()
        except ValueError:
            found = [instant((t or "").replace("/", "-")) for t in texts.to_pylist()]
            us = np.array([-1 if x is None else x for x in found], np.int64)
        good = (us >= EARLIEST_US) & (us <= self._latest_us)
        self.fail(~good, "time", f"{name} is no time between 1990 and a day after the source's date", name)
        return np.where(good, us, 0)

    def ports(self, source: str, destination: str) -> tuple[Any, Any]:
        """Ports that stand as texts, as flow tools print them.

        `8.0` is an ICMP type and code (source and destination port here, as in Zeek's logs), 0x0008 a number too;
        null is 0. Names of services fail.
        """
        import pyarrow as pa

        found: list[Any] = []
        for name in (source, destination):
            texts = coded(self.text(name))
            values = [port_number(t) for t in texts.dictionary.to_pylist()]
            table = np.array([*values, (0, -1)], np.int64).reshape(-1, 2)
            rows = table[texts.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)]
            self.fail(rows[:, 0] < 0, "port", f"{name} is no port", name)
            found.append(rows)
        (first, _), (last, code) = found[0].T, found[1].T
        pair = code >= 0
        first, last = np.where(pair, last, first), np.where(pair, code, last)
        return pa.array(first.clip(0), pa.int32()), pa.array(last.clip(0), pa.int32())

    def moment(self, name: str) -> Any:
        """A time that may be missing or stand anywhere (a certificate's), as timestamps; nonsense is null."""
        import pyarrow as pa

        if name not in self.raw:
            return pa.nulls(self.count, ts_type())
        seconds = floats(self.raw[name])
        with np.errstate(invalid="ignore"):
            good = np.abs(seconds) < 2.5e11  # the year 9892
        us = np.rint(np.where(good, seconds, 0) * 1e6).astype(np.int64)
        return pa.array(us, mask=~good).cast(ts_type())

    def address(self, name: str, *, required: bool = True) -> Any:
        """Stored addresses, dictionary-encoded; what is no address fails, and null too when `required`."""
        import pyarrow as pa

        if name not in self.raw:
            if required:
                self.fail(np.ones(self.count, bool), "address", f"there is no {name}")
            return pa.nulls(self.count, pa.dictionary(pa.int32(), pa.binary()))
        return self._addresses(coded(self.raw[name]), name, required)

    def first_address(self, name: str) -> Any:
        """The first address of a list, likewise; null for an empty one."""
        return self._addresses(coded(self.first(name)), name, required=False)

    def _addresses(self, texts: Any, name: str, required: bool) -> Any:
        import pyarrow as pa

        stored = pack_addresses(texts.dictionary)
        if required and texts.indices.null_count:
            self.fail(bits(texts.indices.is_null()), "address", f"there is no {name}")
        if stored.null_count:
            wrong = bits(stored.is_null())
            at = texts.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            self.fail((at >= 0) & wrong[at], "address", f"{name} is no address", name)
        return pa.DictionaryArray.from_arrays(texts.indices, stored)

    def port(self, name: str, *, required: bool = True) -> Any:
        """Ports; null is 0 when `required`, else null."""
        return self._number(name, 65_535, "port", 0 if required else None, "int32")

    def count_of(self, name: str, *, small: bool = False) -> Any:
        """Counts, never negative; null stays null. small: 32 bits."""
        return self._number(
            name, (1 << (31 if small else 63)) - 1, "count", None, "int32" if small else "int64"
        )

    def _number(self, name: str, most: int, what: str, missing: int | None, width: str) -> Any:
        import pyarrow as pa

        pc = compute()

        to = getattr(pa, width)()
        if name not in self.raw:
            return pa.nulls(self.count, to) if missing is None else pa.array(np.full(self.count, missing), to)
        column = self.raw[name]
        ends = pc.min_max(column)
        low, high = ends["min"].as_py(), ends["max"].as_py()
        if low is not None and (low < 0 or high > most):
            values = column.fill_null(0).to_numpy(zero_copy_only=False)
            self.fail((values < 0) | (values > most), what, f"{name} is not between 0 and {most:,}", name)
            column = pa.array(np.clip(values, 0, most), mask=bits(column.is_null()))
        if missing is not None and column.null_count:
            column = column.fill_null(missing)
        return column if column.type == to else column.cast(to)

    def protocol(self, name: str, ends: Any = None) -> Any:
        """IP protocol numbers of names, dictionary-encoded texts; unknown names fail.

        ends: an address column; where it holds IPv6, `icmp` is ICMPv6, which Zeek does not tell apart.
        """
        import pyarrow as pa

        nothing = pa.nulls(self.count, pa.dictionary(pa.int32(), pa.string()))
        names = coded(self.raw[name]) if name in self.raw else nothing
        numbers = [protocol_number(p) for p in names.dictionary.to_pylist()]
        table = np.array([-1 if x is None else x for x in (*numbers, None)], np.int16)
        found = table[names.indices.fill_null(len(numbers)).to_numpy(zero_copy_only=False)]
        self.fail(found < 0, "protocol", f"{name} is no IP protocol", name)
        if ends is not None and ends.dictionary.null_count < len(ends.dictionary) and (found == 1).any():
            six = np.array([bool(a) and a[0] == 6 for a in ends.dictionary.to_pylist()])
            at = ends.indices.fill_null(0).to_numpy(zero_copy_only=False)
            found = np.where((found == 1) & six[at], np.int16(58), found)
        return pa.array(found, pa.int16())

    def text(self, name: str) -> Any:
        """A text, at most TEXT characters of it; null where the log has none."""
        import pyarrow as pa

        return clipped(self.raw[name]) if name in self.raw else pa.nulls(self.count, pa.string())

    def either(self, *names: str) -> Any:
        """The first of several texts that is not null, by row."""
        pc = compute()

        found = [plain_text(self.text(n)) for n in names if n in self.raw]
        return pc.coalesce(*found) if found else self.text(names[0])

    def texts(self, name: str) -> Any:
        """A list of texts; null where the log has none."""
        import pyarrow as pa

        return self.raw[name] if name in self.raw else pa.nulls(self.count, pa.list_(pa.string()))

    def first(self, name: str) -> Any:
        """The first text of a list; null for an empty one."""
        import pyarrow as pa

        pc = compute()

        if name not in self.raw:
            return pa.nulls(self.count, pa.string())
        lists = self.raw[name]
        lengths = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
        starts = np.where(lengths > 0, lists.offsets.to_numpy()[:-1] - lists.offsets[0].as_py(), 0)
        if not lengths.any():
            return pa.nulls(self.count, pa.string())
        return lists.flatten().take(pa.array(starts, mask=lengths == 0))

    def flag(self, name: str) -> Any:
        """True, false or null."""
        import pyarrow as pa

        return self.raw[name] if name in self.raw else pa.nulls(self.count, pa.bool_())

    def constant(self, text: str) -> Any:
        """The same text in every row."""
        import pyarrow as pa

        return pa.DictionaryArray.from_arrays(np.zeros(self.count, np.int32), pa.array([text]))

    def table(self, name: str, **columns: Any) -> Any:
        """The rows that fit, as a pyarrow Table of that table's columns; `offset` is added."""
        import pyarrow as pa

        columns["offset"] = pa.array(self.offsets)
        whole = pa.table({n: times(c) if isinstance(c, np.ndarray) else c for n, c in columns.items()})
        if self._bad.any():
            whole = whole.filter(pa.array(~self._bad))
        schema = TABLES[name].arrow()
        return whole.cast(pa.schema([like(schema.field(f.name), f) for f in whole.schema]))

    def rejects(self) -> Iterator[Reject]:
        """One reject for each row that was left out, in order."""
        for i in sorted(self._why):
            reason, detail = self._why[i]
            yield Reject(int(self.offsets[i]), reason, detail, self._line(i))


def rowset(block: Block, part: Part, reading: Reading) -> Rowset:
    """The rows of a part of a block, with where they stand."""
    rows = part.rows
    return Rowset(part.raw, block.offsets[rows], lambda i: line_of(block, int(rows[i])), reading)
