"""Compaction: the same rows, in order, in few files."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq
import pytest

from noroshi.lake import compact as module
from noroshi.lake import encoding
from noroshi.lake.handle import Lake
from noroshi.model import address
from noroshi.model.observable import key64
from tests.lake.support import content, count, flows, links, some, store


def fill(lake: Lake, runs: int, rows: int = 50, days: int = 1) -> None:
    for i in range(runs):
        store(lake, f"d{i}", flows(some(rows, days=days, dport=i)), links((f"192.0.2.{i % 250}", 1)))


def test_same_rows_sorted_in_one_file_per_day(lake: Lake) -> None:
    fill(lake, 5, days=2)
    before = {t: content(lake.snapshot(), t) for t in ("flows", "links")}
    assert lake.compact()["flows"] == 250
    shot = lake.snapshot()
    assert {t: content(shot, t) for t in before} == before
    assert len(shot.files("flows")) == 2
    assert len(shot.files("links")) == 1
    for path in shot.files("flows"):
        table = pq.ParquetFile(path).read(["src_ip", "first_seen"])
        assert table.sort_by([("src_ip", "ascending"), ("first_seen", "ascending")]).equals(table)
    keys: list[Any] = pq.ParquetFile(shot.files("links")[0]).read(["key"])["key"].to_pylist()
    assert keys == sorted(keys)
    assert lake.compact() == {}
    assert lake.verify() == []


def test_large_partition_becomes_several_files(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILE_ROWS", 1000)
    monkeypatch.setattr(module, "_STEP_ROWS", 1000)
    monkeypatch.setattr(encoding, "SORTED_GROUP", 100)
    fill(lake, 4, rows=1500)
    before = content(lake.snapshot())
    lake.compact("flows")
    shot = lake.snapshot()
    assert len(shot.files("flows")) >= 3
    assert content(shot) == before
    meta = pq.read_metadata(shot.files("flows")[0])
    assert meta.row_group(0).num_rows == 100
    value = address.pack("192.0.2.7")
    assert shot.rows("flows", "src_ip", value).num_rows == count(shot, "flows WHERE src_ip = ip('192.0.2.7')")


def test_needed(lake: Lake) -> None:
    assert lake.needs_compaction() == []
    fill(lake, 1)
    assert lake.needs_compaction() == []
    for i in range(10):
        store(lake, f"more{i}", flows(some(5)))
    (only,) = [p for p in lake.needs_compaction() if p[0] == "flows"]
    lake.compact(only_needed=True)
    assert only not in lake.needs_compaction()


def test_little_is_not_merged_into_a_lot(lake: Lake) -> None:
    store(lake, "big", flows(some(5000)))
    lake.compact()
    big = lake.snapshot().files("flows")
    for i in range(10):
        store(lake, f"d{i}", flows(some(5)))
    lake.compact(only_needed=True)
    after = lake.snapshot().files("flows")
    assert set(big) < set(after)
    assert len(after) == 2
    lake.compact()  # asked for by a person: everything
    assert len(lake.snapshot().files("flows")) == 1
    assert count(lake.snapshot()) == 5050


def test_small_tables_are_compacted_too(lake: Lake) -> None:
    fill(lake, 6)
    runs = lake.snapshot().runs()
    lake.compact("runs")
    assert len(lake.stores["runs"].files()) == 1
    assert Lake.open(lake.path).snapshot().runs() == runs
    again = store(lake, "d0", flows(some(5)))
    assert again.known


def test_open_runs_stay_out(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    from noroshi.lake.writer import Writer

    fill(lake, 2)
    real = Writer._close

    def close(self: Writer, infos: list[object]) -> object:
        Lake.open(lake.path).compact()  # facts of this run are committed, the run is not closed
        return real(self, infos)  # type: ignore[arg-type]

    monkeypatch.setattr(Writer, "_close", close)
    store(lake, "late", flows(some(7)))
    assert count(lake.snapshot()) == 107
    assert any("/f-" in f for f in lake.snapshot().files("flows"))


def test_links_of_a_value(lake: Lake) -> None:
    fill(lake, 30)
    for _ in range(2):
        got = lake.snapshot().links("ip", "192.0.2.3").to_pylist()
        assert [(r["value"], r["count"], r["key"]) for r in got] == [
            ("192.0.2.3", 1, key64("ip", "192.0.2.3"))
        ]
        assert lake.snapshot().links("ip", "203.0.113.9").num_rows == 0
        lake.compact()


@pytest.mark.parametrize("streamed", [False, True])
def test_fresh_files_tell_their_runs(lake: Lake, monkeypatch: pytest.MonkeyPatch, streamed: bool) -> None:
    """Or compaction could not know which of them are of a run under way."""
    from noroshi.lake import writer as writing

    if streamed:
        monkeypatch.setattr(writing, "SMALL_RUN_BYTES", 0)
    store(lake, "a", flows(some(50, days=3)))
    (run,) = lake.snapshot().runs()
    files = [f for name, s in lake.stores.items() if name != "runs" for f in s.files()]
    assert files
    assert {f.runs for f in files} == {(run.run_id, run.run_id)}
