"""Logs that grow: read on, never twice, also when renamed, cut short or read by a newer parser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noroshi import registry
from noroshi.config import load
from noroshi.lake.handle import Lake
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.lines import lines
from noroshi.observe.rows import Rows
from noroshi.work.ingest import IngestResult, ingest


class Words:
    """A log of words, one asset each."""

    name = "words"
    version = 1
    doc = "Words."
    tables = ("assets",)
    grows = True

    def sniff(self, head: bytes) -> bool:
        return head.startswith(b"words")

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        rows = Rows()
        for item in lines(reading):
            if isinstance(item, Reject):
                yield item
                continue
            offset, line = item
            rows.add("assets", ts=reading.source_date_us, kind="text", value=line.decode(), offset=offset)
        yield from rows.rest()


class Words2(Words):
    """The same, newer."""

    version = 2


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.SENSORS, "words", f"{__name__}:Words")


def _ingest(lake: Lake, *paths: Path) -> list[IngestResult]:
    return ingest(lake, paths, config=load(None))


def _words(lake: Lake) -> list[tuple[int, str]]:
    rows: list[dict[str, Any]] = lake.snapshot().sql("SELECT * FROM assets ORDER BY value").to_pylist()
    return [(r["offset"], r["value"]) for r in rows]


def test_only_what_was_added_is_read(tmp_path: Path) -> None:
    lake, log = Lake.open(tmp_path / "lake"), tmp_path / "w.log"
    log.write_text("words\na\n")
    assert _ingest(lake, log)[0].tables == {"assets": 2}
    log.write_text("words\na\nb\nc\n")
    assert _ingest(lake, log)[0].tables == {"assets": 2}
    assert _words(lake) == [(6, "a"), (8, "b"), (10, "c"), (0, "words")]
    assert _ingest(lake, log)[0].known


def test_a_rotated_log_is_known(tmp_path: Path) -> None:
    lake, log = Lake.open(tmp_path / "lake"), tmp_path / "w.log"
    log.write_text("words\na\n")
    _ingest(lake, log)
    old = log.rename(tmp_path / "w.log.1")
    log.write_text("words of the next day\n")
    results = _ingest(lake, old, log)
    assert [r.known for r in results] == [True, False]
    assert len(_words(lake)) == 3


def test_a_last_line_cut_short_is_read_again(tmp_path: Path) -> None:
    lake, log = Lake.open(tmp_path / "lake"), tmp_path / "w.log"
    log.write_text("words\n")
    _ingest(lake, log)
    log.write_text("words\nal")
    _ingest(lake, log)
    assert _words(lake) == [(6, "al"), (0, "words")]
    log.write_text("words\nalpha\nbeta\n")
    _ingest(lake, log)
    assert _words(lake) == [(6, "alpha"), (12, "beta"), (0, "words")]


def test_a_newer_parser_replaces_all_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, log = Lake.open(tmp_path / "lake"), tmp_path / "w.log"
    for text in ("words\n", "words\na\n", "words\na\nb\n"):
        log.write_text(text)
        _ingest(lake, log)
    monkeypatch.setitem(registry.SENSORS, "words", f"{__name__}:Words2")
    assert _ingest(lake, log)[0].tables == {"assets": 3}
    assert len(_words(lake)) == 3
    assert len(lake.snapshot().runs()) == 1


def test_a_part_taken_out_comes_back(tmp_path: Path) -> None:
    lake, log = Lake.open(tmp_path / "lake"), tmp_path / "w.log"
    log.write_text("words\na\n")
    first = _ingest(lake, log)[0].run_id
    log.write_text("words\na\nb\n")
    _ingest(lake, log)
    lake.forget(first)
    _ingest(lake, log)
    assert _words(lake) == [(6, "a"), (8, "b"), (0, "words")]


def test_another_beginning_is_another_log(tmp_path: Path) -> None:
    lake, log = Lake.open(tmp_path / "lake"), tmp_path / "w.log"
    log.write_text("words\na\n")
    _ingest(lake, log)
    log.write_text("words\nA\nb\n")
    assert _ingest(lake, log)[0].tables == {"assets": 3}
