"""Rows that lie on very many days: bounded files at once, and no work that grows with days times rows."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from noroshi.lake import compact, files
from noroshi.lake import writer as writing
from noroshi.lake.handle import Lake
from noroshi.lake.shape import by_day
from noroshi.model import address
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp

DAYS = 300
FIRST = datetime(1995, 1, 1, tzinfo=UTC)


def connections(n: int, seed: int) -> pa.Table:
    """n rows on DAYS days in no order."""
    rng = np.random.default_rng(seed)
    days = rng.integers(0, DAYS, n)
    first = [FIRST + timedelta(days=int(d), seconds=i % 86_000) for i, d in enumerate(days)]
    packed = [address.pack(f"192.0.2.{i % 7}") for i in range(n)]
    columns: dict[str, Any] = {
        "first_seen": first, "last_seen": first, "src_ip": packed, "dst_ip": packed,
        "src_port": [1] * n, "dst_port": [2] * n, "protocol": [6] * n, "offset": list(range(n)),
    }  # fmt: skip
    schema = TABLES["connections"].arrow()
    return pa.table(columns, schema=pa.schema([schema.field(c) for c in columns]))


def _is_data(fd: str) -> bool:
    """True for an open data file; one that another thread has just closed is none."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}").endswith(".parquet")
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("streamed", [False, True])
def test_a_log_of_hundreds_of_days(lake: Lake, streamed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if streamed:
        monkeypatch.setattr(writing, "SMALL_RUN_BYTES", 0)
        monkeypatch.setattr(files, "LATE_BYTES", 100_000)
    most, real = 0, files.DataWriter.write

    def write(self: files.DataWriter, rows: pa.Table) -> None:
        nonlocal most
        real(self, rows)
        most = max(most, sum(_is_data(fd) for fd in os.listdir("/proc/self/fd")))

    monkeypatch.setattr(files.DataWriter, "write", write)
    with lake.writer() as writer:
        run = writer.begin(path="x", format="list", parser_version=1, tlp=Tlp.GREEN)
        for seed in range(4):
            run.write(Batch("connections", connections(500, seed)))
        run.finish(sha256="d", size=1)
    assert 0 < most <= 2 * files.OPEN_FILES + 2
    shot = lake.snapshot()
    assert shot.count("connections") == 2000
    assert shot.sql("SELECT count(*) AS n FROM connections")["n"].to_pylist() == [2000]
    assert (
        shot.sql("SELECT count(*) AS n FROM connections WHERE day <> first_seen::DATE")["n"][0].as_py() == 0
    )
    assert len(shot.days("connections")) > DAYS * 0.9
    assert sum(shot.links("ip", "192.0.2.1")["count"].to_pylist()) > 500
    # Far fewer files than batches times days.
    assert len(lake.stores["connections"].files()) <= 2 * DAYS
    assert lake.verify() == []


def test_only_so_many_days_are_sorted_at_a_time(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "AT_ONCE", 5)
    for seed in range(2):
        with lake.writer() as writer:
            run = writer.begin(path=f"{seed}", format="list", parser_version=1, tlp=Tlp.GREEN)
            run.write(Batch("connections", connections(200, 1)))
            run.finish(sha256=f"{seed}", size=1)
    before = len(lake.needs_compaction())
    assert before > 50
    lake.compact("connections", only_needed=True)
    assert len(lake.needs_compaction()) == before - 5
    assert lake.snapshot().count("connections") == 400


@pytest.mark.parametrize("order", ["ascending", "shuffled", "one day"])
def test_cut_by_day(order: str) -> None:
    n = 1000
    numbers = {
        "ascending": np.arange(n) // 100,
        "shuffled": np.arange(n) * 7919 % 13,
        "one day": np.zeros(n, int),
    }
    times = [FIRST - timedelta(days=20_000) + timedelta(days=int(d), microseconds=i)
             for i, d in enumerate(numbers[order])]  # fmt: skip
    rows = pa.table({"ts": pa.array(times, pa.timestamp("us", "UTC")), "i": range(n)})
    parts = list(by_day(TABLES["dns"], rows))
    assert [d for d, _ in parts] == sorted({t.date() for t in times})
    for day, part in parts:
        assert part["i"].to_pylist() == [i for i, t in enumerate(times) if t.date() == day]
    whole = list(by_day(TABLES["indicators"], rows))
    assert [(d, p.num_rows) for d, p in whole] == [(None, n)]
    assert list(by_day(TABLES["dns"], rows.slice(0, 0))) == []
    assert isinstance(parts[0][0], date)
