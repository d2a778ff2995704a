"""Sums a run leaves beside its rows: packets by hour and port, sources by day.

Ports: exact, but for ports with less than a two-thousandth of their hour, which are summed up as port -1: a port's
sum over any period is too low by less than that share of what the hours held. Sources: HyperLogLog, 4,096 registers,
standard error 1.6 % (Flajolet et al., 2007, with linear counting below 2.5 registers' worth).
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from noroshi.model.tables import TABLES

REGISTERS: Final = 4096
_BITS: Final = 12
_SLOTS: Final = 1 << 16
"""Keys of the hash table: half of them hours x ports, 1 MB; a busier run leaves several partial sums."""
SHARE: Final = 2000
"""A port with less than 1/2000 of its hour counts as the rest: at most 2,000 rows an hour whatever is scanned."""
SOURCE_ROLES: Final = ("src", "host")
_EPOCH: Final = 719_163
"""1970-01-01 as `date.toordinal` counts."""
_HOUR_US: Final = 3_600_000_000
PORTED: Final = ("flows", "connections", "sessions", "logins", "alerts")

Registers = npt.NDArray[np.uint8]


class Rollup:
    """The sums of one run; `facts` and `links` take its batches, `rest` gives the rows of `hourly` and `daily`."""

    def __init__(self) -> None:
        self._hours: dict[str, _Hours] = {}
        self._days: dict[tuple[str, int], _Day] = {}

    def facts(self, table: str, rows: pa.Table) -> None:
        """Takes rows of a fact table in the lake's columns."""
        if table in PORTED and rows.num_rows:
            self._hours.setdefault(table, _Hours(table)).add(rows)

    def links(self, rows: pa.Table) -> None:
        """Takes finished rows of links."""
        rows = rows.select(["kind", "role", "table", "day", "key", "count"])
        sources = pc.is_in(rows["role"], pa.array(SOURCE_ROLES, pa.string()))
        chosen = rows.filter(pc.and_(pc.equal(rows["kind"], pa.scalar("ip", pa.string())), sources))
        if not chosen.num_rows:
            return
        # Sorted, so that a log of ten thousand days is cut once and not filtered as often.
        coded: Any = chosen["table"].combine_chunks()
        coded = coded if pa.types.is_dictionary(coded.type) else coded.dictionary_encode()
        tables = coded.dictionary.to_pylist()
        days = chosen["day"].cast(pa.int32()).to_numpy().astype(np.int64)
        group = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64) << 32 | days
        order = np.argsort(group, kind="stable")
        keys, counts, group = chosen["key"].to_numpy()[order], chosen["count"].to_numpy()[order], group[order]
        starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]]).tolist()
        for start, end in zip(starts, [*starts[1:], len(group)], strict=True):
            table, day = divmod(int(group[start]), 1 << 32)
            # A source in both roles of a day is one source.
            held = self._days.setdefault((tables[table], day + _EPOCH), _Day())
            held.add(np.unique(keys[start:end]), int(counts[start:end].sum()))

    def rest(self) -> list[tuple[str, pa.Table]]:
        """The rows of both tables, without run_id."""
        out = []
        hours = [t for h in self._hours.values() if (t := h.rest()) is not None]
        if hours:
            out.append(("hourly", pa.concat_tables(hours)))
        if self._days:
            rows = [
                {
                    "ts": _midnight(ordinal), "table": table, "count": day.count,
                    "src_ip_nunique": round(estimate(day.registers)), "sketch": pack(day.registers),
                }
                for (table, ordinal), day in sorted(self._days.items())
            ]  # fmt: skip
            out.append(("daily", pa.Table.from_pylist(rows, schema=_schema("daily"))))
        return out


class _Hours:
    """Sums by hour, protocol and port of one table."""

    def __init__(self, table: str) -> None:
        self.table = table
        self._weight = "packet_count" if table == "flows" else ""
        self._clear()
        self._parts: list[pa.Table] = []

    def _clear(self) -> None:
        self._keys, self._sums = np.full(_SLOTS, -1, np.int64), np.zeros(_SLOTS, np.int64)
        self._state = np.zeros(1, np.int64)

    def add(self, rows: pa.Table) -> None:
        from noroshi.wire.tally import tally

        time = TABLES[self.table].time or "ts"
        names = [time, "dst_port", "protocol", *([self._weight] if self._weight else [])]
        for batch in rows.select([n for n in names if n in rows.column_names]).to_batches():
            ts = batch[time].cast(pa.int64()).to_numpy(zero_copy_only=False)
            port = _numbers(batch, "dst_port", np.int32)
            protocol = _numbers(batch, "protocol", np.int16)
            weight = _numbers(batch, self._weight, np.int64) if self._weight else np.empty(0, np.int64)
            at = 0
            while at < len(ts):
                at = tally(ts, port, protocol, weight, at, len(ts), self._keys, self._sums, self._state)
                if at < len(ts):
                    self._spill()

    def _spill(self) -> None:
        used = self._keys >= 0
        keys, sums = self._keys[used], self._sums[used]
        self._clear()
        if not len(keys):
            return
        hours, which = np.unique(keys >> 24, return_inverse=True)
        totals = np.bincount(which, weights=sums.astype(np.float64), minlength=len(hours))
        small = sums * SHARE < totals[which]
        port = np.where(small, -1, keys & 65535).astype(np.int32)
        protocol = np.where(small, -1, (keys >> 16) & 255).astype(np.int16)
        made = pa.table(
            {
                "hour": pa.array((keys >> 24) * _HOUR_US).cast(pa.timestamp("us", tz="UTC")),
                "table": pa.array([self.table] * len(keys), pa.string()),
                "port": pa.array(port),
                "protocol": pa.array(protocol),
                "count": pa.array(sums),
            }
        )
        by = ["hour", "table", "port", "protocol"]
        summed = made.group_by(by, use_threads=False).aggregate([("count", "sum")])
        summed = summed.rename_columns([n.removesuffix("_sum") for n in summed.column_names])
        self._parts.append(summed.select([f.name for f in _schema("hourly")]).cast(_schema("hourly")))

    def rest(self) -> pa.Table | None:
        self._spill()
        return pa.concat_tables(self._parts) if self._parts else None


def _numbers(batch: pa.RecordBatch, name: str, kind: type) -> npt.NDArray[Any]:
    """A column as numbers, nulls as 0; zeros where the table has no such column."""
    if batch.schema.get_field_index(name) < 0:
        return np.zeros(batch.num_rows, kind)
    column = batch[name]
    if column.null_count:
        column = column.fill_null(0)
    return column.to_numpy(zero_copy_only=False).astype(kind, copy=False)


class _Day:
    def __init__(self) -> None:
        self.registers: Registers = np.zeros(REGISTERS, np.uint8)
        self.count = 0

    def add(self, keys: npt.NDArray[np.int64], count: int) -> None:
        self.count += count
        h = keys.view(np.uint64)
        # Keys of addresses are in order: they are mixed first (murmur3 finaliser).
        with np.errstate(over="ignore"):
            h = (h ^ (h >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
            h = (h ^ (h >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
            h = h ^ (h >> np.uint64(33))
        place = (h & np.uint64(REGISTERS - 1)).astype(np.int64)
        rest = h >> np.uint64(_BITS)
        # Position of the lowest set bit, 1 for the first; log2 is exact for powers of two.
        low = rest & (~rest + np.uint64(1))
        rank = np.where(rest == 0, 64 - _BITS + 1, np.log2(np.maximum(low, 1).astype(np.float64)) + 1)
        np.maximum.at(self.registers, place, rank.astype(np.uint8))


def estimate(registers: Registers) -> float:
    """How many different keys a sketch has seen."""
    m = float(REGISTERS)
    raw = (0.7213 / (1 + 1.079 / m)) * m * m / np.sum(2.0 ** -registers.astype(np.float64))
    empty = int(np.count_nonzero(registers == 0))
    return m * math.log(m / empty) if raw <= 2.5 * m and empty else float(raw)


def pack(registers: Registers) -> str:
    """A sketch as text."""
    return base64.b64encode(zlib.compress(registers.tobytes(), 6)).decode()


def unite(sketches: Iterable[str]) -> Registers:
    """The sketch of everything that any of `sketches` has seen."""
    out: Registers = np.zeros(REGISTERS, np.uint8)
    for text in sketches:
        np.maximum(out, np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8), out=out)
    return out


def _midnight(ordinal: int) -> Any:
    from datetime import UTC, datetime

    return datetime.fromordinal(ordinal).replace(tzinfo=UTC)


def _schema(table: str) -> pa.Schema:
    schema = TABLES[table].arrow()
    return schema.remove(schema.get_field_index("run_id"))
