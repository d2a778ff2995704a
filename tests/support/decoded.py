"""The code under test, as the tests like it: a capture in memory in, packets, rows and rejects out."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute

from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading
from noroshi.work.ingest import sniff
from tests.support import packets as build
from tests.support import reference

MINUTE_US = 60_000_000
START_US = 1_577_836_800_000_000
"""2020-01-01: where spread packets begin."""
LATEST_US = 32_503_680_000_000_000
"""Source date (less a day) under which no packet is too late."""


def reading(
    data: bytes, *, date_us: int = LATEST_US - 86_400_000_000, workers: int = 2, piece: int = 0
) -> Reading:
    """A Reading of bytes in memory; piece: the stream gives at most so many bytes at once."""
    stream = _Slow(data, piece) if piece else io.BytesIO(data)
    return Reading(stream=stream, name="test", source_date_us=date_us, workers=workers)  # type: ignore[arg-type]


class _Slow(io.RawIOBase):
    def __init__(self, data: bytes, piece: int) -> None:
        self._data, self._piece = io.BytesIO(data), piece

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: self._piece]
        return self._data.readinto(view)


def packets(data: bytes) -> dict[int, dict[str, Any]]:
    """Every packet that becomes a row, by its number in the capture, as a row of `flows`.

    Each packet is given a minute of its own, so that none shares a row; times and offsets are not its own.
    """
    captured, _ = reference.walk(data)
    links = sorted({c.link for c in captured})
    spread = build.Pcapng().section()
    for link in links:
        spread.interface(link)
    for k, c in enumerate(captured):
        spread.packet(build.Record(c.data, START_US + MINUTE_US * k, interface=links.index(c.link)))
    out = {}
    for row in rows(read(bytes(spread)).flows):
        assert row["packet_count"] == 1
        out[(row["first_seen"] - START_US) // MINUTE_US] = row
    return out


def _payload(name: str | None) -> str | None:
    return name if name in (None, "", "fragment") else "some"


@dataclass
class Read:
    """What a sensor made of a source."""

    flows: pa.Table | None = None
    links: pa.Table | None = None
    rejects: list[Reject] = field(default_factory=list)
    problem: str = ""
    counts: dict[str, int] = field(default_factory=dict)


def read(data: bytes, given: Reading | None = None) -> Read:
    """The tables, rejects and words of the sensor that knows the bytes."""
    sensor = sniff(data[:4096])
    assert sensor is not None
    given = given or reading(data)
    parts: dict[str, list[pa.Table]] = {}
    out = Read()
    for item in sensor.read(given):
        if isinstance(item, Reject):
            out.rejects.append(item)
        else:
            parts.setdefault(item.table, []).append(item.rows)
    out.problem, out.counts = given.problem, given.counts
    out.flows = pa.concat_tables(parts["flows"]) if "flows" in parts else None
    out.links = pa.concat_tables(parts["links"]) if "links" in parts else None
    return out


def rows(table: pa.Table | None, *, exact_payload: bool = False) -> list[dict[str, Any]]:
    """Rows of `flows` as `tests.support.reference.rows` gives them."""
    if table is None:
        return []
    ints = {n: pa.compute.cast(table[n], pa.int64()) for n in ("first_seen", "last_seen")}
    for name, column in ints.items():
        table = table.set_column(table.column_names.index(name), name, column)
    out = []
    for row in table.to_pylist():
        for name in ("tool", "class", "rules_version"):
            row.pop(name, None)
        if not exact_payload:
            row["payload"] = _payload(row["payload"])
        out.append(row)
    return sorted(out, key=lambda r: (r["offset"], r["first_seen"]))


def reject_counts(rejects: list[Reject]) -> Counter[str]:
    """Pieces by reason."""
    counts: Counter[str] = Counter()
    for r in rejects:
        counts[r.reason] += r.count
    return counts


def _with_mixed_payloads(expected: list[dict[str, Any]], got: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The reference does not name payloads: what is `some` to it may be a mixture to the code under test."""
    for e, g in zip(expected, got, strict=False):
        if e["payload"] == "some" and e["packet_count"] > 1 and g["payload"] is None:
            e["payload"] = None
    return expected


def same(data: bytes, latest_us: int = LATEST_US, workers: int = 2, piece: int = 0) -> None:
    """Assert that the code under test and the reference make the same of a capture."""
    packets, rejects, other = reference.read(data, latest_us)
    given = reading(data, date_us=latest_us - 86_400_000_000, workers=workers, piece=piece)
    got = read(data, given)
    assert rows(got.flows) == _with_mixed_payloads(reference.rows(packets), rows(got.flows))
    assert reject_counts(got.rejects) == Counter(reason for _, reason in rejects)
    for r in got.rejects:
        # Bad packet blocks are counted by stretch of the file; everything else has its own place.
        exact = r.reason != "packet-block"
        assert any(
            reason == r.reason and (at == r.position if exact else at >= r.position) for at, reason in rejects
        )
    assert got.counts.get("not_ip", 0) == other
    assert bool(got.problem) == any(reason in ("record-cut", "record-length") for _, reason in rejects)
