"""Whole sources into a lake: what can be read is there, what cannot is told, and nothing is there by half."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from noroshi.config import Config, File, SourceEntry, TelescopeEntry
from noroshi.lake.handle import Lake
from noroshi.lake.writer import Run
from noroshi.model.errors import LakeError, UsageError
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.model.tlp import Tlp
from noroshi.work import ingest as module
from noroshi.work.ingest import RejectGate, ingest
from tests.support import packets as p

FRAMES = [p.ethernet(p.syn(f"198.51.100.{i}", "192.0.2.1", 23, seq=i)) for i in range(1, 21)]
CAPTURE = p.pcap(FRAMES)
CONFIG = Config(File(), None)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def packets(lake: Lake) -> int:
    (row,) = lake.snapshot().sql("SELECT coalesce(sum(packet_count), 0)::BIGINT AS n FROM flows").to_pylist()
    return int(row["n"])


def rejects(lake: Lake) -> list[dict[str, Any]]:
    return lake.snapshot().sql("SELECT * EXCLUDE run_id FROM rejects ORDER BY path, position").to_pylist()


def test_one_file(lake: Lake, folder: Path) -> None:
    (folder / "a.pcap").write_bytes(CAPTURE)
    seen: list[int] = []
    files: list[tuple[str, int]] = []
    (result,) = ingest(
        lake, [folder / "a.pcap"], config=CONFIG, progress=seen.append, on_file=lambda *f: files.append(f)
    )
    assert (result.format, result.known, result.problem, result.rejects) == ("pcap", False, "", 0)
    assert result.tables["flows"] == 20
    assert result.path == str(folder / "a.pcap")
    assert set(result.to_json()) == {
        "path", "format", "run_id", "sha256", "tables", "rejects", "seconds", "known", "problem"
    }  # fmt: skip
    assert packets(lake) == 20
    assert sum(seen) == len(CAPTURE)
    assert files == [(result.path, len(CAPTURE))]
    (run,) = lake.snapshot().runs()
    assert (run.run_id, run.sha256, run.size) == (result.run_id, result.sha256, len(CAPTURE))
    assert (run.tlp, run.source, run.counts["packets"]) == (Tlp.AMBER_STRICT, result.path, 20)


def test_the_same_bytes_again_add_nothing(lake: Lake, folder: Path) -> None:
    (folder / "a.pcap").write_bytes(CAPTURE)
    ingest(lake, [folder], config=CONFIG)
    (again,) = ingest(lake, [folder], config=CONFIG)
    assert again.known
    assert packets(lake) == 20
    assert len(lake.snapshot().runs()) == 1
    # Packed, it is another source of the same rows: its bytes as stored differ.
    (other,) = ingest(lake, ["-"], config=CONFIG, stdin=io.BytesIO(CAPTURE))
    assert not other.known


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstandard.ZstdCompressor().compress])
def test_packed_captures_and_standard_input(lake: Lake, folder: Path, pack: Any) -> None:
    stored = pack(CAPTURE)
    (folder / "a").write_bytes(stored)
    (from_file,) = ingest(lake, [folder], config=CONFIG)
    (from_stdin,) = ingest(lake, ["-"], config=CONFIG, stdin=io.BytesIO(stored))
    assert from_file.tables == from_stdin.tables
    assert from_file.sha256 == from_stdin.sha256
    assert (from_stdin.path, from_stdin.problem) == ("-", "")
    assert packets(lake) == 40


def test_a_folder_of_mixed_rubbish(lake: Lake, folder: Path) -> None:
    (folder / "good.pcap").write_bytes(CAPTURE)
    (folder / "good.pcapng").write_bytes(p.pcapng(FRAMES))
    (folder / "cut.pcap").write_bytes(CAPTURE[:-10])
    (folder / "cut.pcap.gz").write_bytes(gzip.compress(CAPTURE * 1)[:-20])
    (folder / "header.pcap").write_bytes(CAPTURE[:10])
    (folder / "empty").write_bytes(b"")
    (folder / "zeros").write_bytes(bytes(100_000))
    (folder / "text.txt").write_text("hello")
    (folder / "archive.zip").write_bytes(b"PK\x03\x04rest")
    (folder / "fake.gz").write_bytes(b"\x1f\x8bnot gzip at all")
    (folder / "deeper").mkdir()
    (folder / "deeper/good.pcap").write_bytes(p.pcap(FRAMES, order=">"))
    os.mkfifo(folder / "fifo")
    (folder / "loop").symlink_to(folder)
    (folder / "dangling").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(folder / "socket"))
        results = {os.path.relpath(r.path, folder): r for r in ingest(lake, [folder], config=CONFIG)}
    fine = {"good.pcap", "good.pcapng", "deeper/good.pcap"}
    assert {name for name, r in results.items() if not r.problem} == fine
    assert len(results) == 15
    by_name = {os.path.relpath(r["path"], folder): r for r in rejects(lake)}
    assert by_name["cut.pcap"]["reason"] == "record-cut"
    assert by_name["cut.pcap"]["position"] == 24 + 19 * (16 + len(FRAMES[0]))
    reasons = {name: r["reason"] for name, r in by_name.items()}
    assert reasons["header.pcap"] == "unreadable"
    assert reasons["empty"] == "empty"
    assert reasons["zeros"] == reasons["text.txt"] == reasons["archive.zip"] == "unknown-format"
    assert reasons["fake.gz"] == "compression"
    assert reasons["fifo"] == reasons["socket"] == "not-a-file"
    assert reasons["loop"] == "folder-loop"
    assert reasons["dangling"] == "broken-link"
    assert "zip archive" in results["archive.zip"].problem
    assert "plain text" in results["text.txt"].problem
    assert "--as" in results["zeros"].problem
    assert by_name["text.txt"]["sample"] == b"hello".hex()
    # The rows before the break are kept.
    assert results["cut.pcap"].tables["flows"] == 19
    assert results["cut.pcap.gz"].tables["flows"] > 0
    assert packets(lake) == 60 + 19 + results["cut.pcap.gz"].tables["flows"]
    problems = {r.path: r.problem for r in lake.snapshot().runs()}
    assert problems[str(folder / "cut.pcap")]


def test_a_missing_path_is_a_result_with_a_problem(lake: Lake, folder: Path) -> None:
    (result,) = ingest(lake, [folder / "gone.pcap"], config=CONFIG)
    assert "no such file" in result.problem
    assert rejects(lake)[0]["reason"] == "vanished"


def test_a_file_that_vanishes_between_finding_and_opening(lake: Lake, folder: Path) -> None:
    (folder / "a.pcap").write_bytes(CAPTURE)
    (folder / "b.pcap").write_bytes(CAPTURE)

    def on_file(name: str, size: int) -> None:
        if name.endswith("a.pcap"):
            os.unlink(name)

    first, second = ingest(lake, [folder], config=CONFIG, on_file=on_file)
    assert "no such file" in first.problem
    assert second.tables["flows"] == 20


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(lake: Lake, folder: Path) -> None:
    (folder / "a.pcap").write_bytes(CAPTURE)
    (folder / "a.pcap").chmod(0)
    (result,) = ingest(lake, [folder], config=CONFIG)
    assert "permission" in result.problem


def test_endless_standard_input_of_rubbish_ends(lake: Lake) -> None:
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            buffer[:] = b"y" * len(buffer)
            return len(buffer)

    (result,) = ingest(lake, ["-"], config=CONFIG, stdin=Endless())  # type: ignore[arg-type]
    assert result.format == "unknown"
    assert result.problem


def test_the_format_given_is_believed(lake: Lake, folder: Path) -> None:
    (folder / "a").write_bytes(p.pcapng(FRAMES))
    (result,) = ingest(lake, [folder], config=CONFIG, as_format="pcap")
    assert (result.format, result.tables.get("flows", 0)) == ("pcap", 0)
    assert "pcap" in result.problem
    with pytest.raises(UsageError, match="Known: pcap"):
        ingest(lake, [folder], config=CONFIG, as_format="pcapx")


def test_marking_and_name_of_a_source(lake: Lake, folder: Path) -> None:
    for name in ("a.pcap", "b.pcap", "c.pcap"):
        (folder / name).write_bytes(p.pcap(FRAMES, snaplen=ord(name[0]) * 100))
    config = Config(File(source=[
        SourceEntry(path=f"{folder}/a*", tlp="green", name="tap"), SourceEntry(path="*/b.pcap", tlp="red")
    ]), None)  # fmt: skip
    ingest(lake, [folder], config=config)
    runs = {os.path.basename(r.path): r for r in lake.snapshot().runs()}
    assert {n: r.tlp.value for n, r in runs.items()} == {
        "a.pcap": "green", "b.pcap": "red", "c.pcap": "amber+strict"
    }  # fmt: skip
    assert runs["a.pcap"].source == "tap"
    (given,) = ingest(lake, [folder / "a.pcap"], config=config, tlp=Tlp.CLEAR, source_name="mine")
    assert not given.known
    assert {r.source: r.tlp for r in lake.snapshot().runs()}["mine"] == Tlp.CLEAR


def test_telescope_addresses_make_no_links(lake: Lake, folder: Path) -> None:
    (folder / "a.pcap").write_bytes(p.pcap([*FRAMES, p.ethernet(p.syn("192.0.2.1", "198.51.100.1", 80))]))
    config = Config(File(telescope=[TelescopeEntry(name="t", prefixes=["192.0.2.0/24"])]), None)
    ingest(lake, [folder], config=config)
    values = lake.snapshot().sql("SELECT DISTINCT value FROM links")["value"].to_pylist()
    assert len(values) == 20
    assert "192.0.2.1" not in values


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_change_no_row(tmp_path: Path, workers: int) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(CAPTURE)
    lake = Lake.open(tmp_path / f"lake{workers}")
    ingest(lake, [path], config=CONFIG, workers=workers)
    rows = lake.snapshot().sql("SELECT * EXCLUDE run_id FROM flows ORDER BY ALL").to_pylist()
    assert [r["offset"] for r in rows] == sorted(r["offset"] for r in rows)
    assert len(rows) == 20


def test_small_files_share_commits(lake: Lake, folder: Path) -> None:
    for i in range(60):
        (folder / f"{i:03}.pcap").write_bytes(p.pcap(FRAMES, snaplen=2_000 + i))
    results = ingest(lake, [folder], config=CONFIG)
    assert len({r.run_id for r in results}) == 60
    assert packets(lake) == 1_200
    assert len(lake.snapshot().files("flows")) <= 3


class FaultySensor:
    """Yields some rows, then fails in a way nobody foresaw."""

    name, version, doc, tables, grows = "faulty", 1, "", ("flows",), False

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def sniff(self, head: bytes) -> bool:
        return True

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        from noroshi.observe.darknet.pcap import PcapSensor

        yield from PcapSensor().read(reading)
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("a mistake"), KeyboardInterrupt(), MemoryError()])
def test_a_failure_in_the_middle_leaves_nothing_of_the_run(
    lake: Lake, folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    (folder / "a.pcap").write_bytes(CAPTURE)
    (folder / "b.pcap").write_bytes(p.pcap(FRAMES[:5]))
    monkeypatch.setattr(module, "sniff", lambda head: FaultySensor(error))
    with pytest.raises(type(error)):
        ingest(lake, [folder / "a.pcap"], config=CONFIG)
    assert packets(lake) == 0
    assert lake.snapshot().runs() == []
    monkeypatch.undo()
    ingest(lake, [folder / "b.pcap"], config=CONFIG)
    assert packets(lake) == 5
    assert lake.verify() == []


def test_a_full_disk_says_so_and_keeps_what_was_finished(
    lake: Lake, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.pcap").write_bytes(CAPTURE)
    ingest(lake, [folder / "a.pcap"], config=CONFIG)
    (folder / "b.pcap").write_bytes(p.pcap(FRAMES[:7]))
    real = Run.write

    def write(self: Run, batch: Batch) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Run, "write", write)
    with pytest.raises(LakeError, match="No space left") as caught:
        ingest(lake, [folder], config=CONFIG)
    assert "Make room" in caught.value.todo
    assert packets(lake) == 20
    monkeypatch.setattr(Run, "write", real)
    ingest(lake, [folder], config=CONFIG)
    assert packets(lake) == 27


def test_rejects_of_one_reason_are_bounded() -> None:
    handed: list[Reject] = []
    gate = RejectGate(handed.append, limit=10)
    for i in range(500):
        gate.reject(Reject(i, "a", f"piece {i}", count=2))
        if i % 50 == 0:
            gate.reject(Reject(i, "b"))
    gate.close()
    assert sum(r.count for r in handed) == 1_010
    assert len(handed) == 10 + 1 + 10
    last = handed[-1]
    assert (last.position, last.reason, last.count) == (10, "a", 980)
    assert "piece 10" in last.detail


def test_a_capture_of_rubbish_does_not_fill_the_lake(lake: Lake, folder: Path) -> None:
    frames = [p.ethernet(b"\x45" + bytes(5))] * 60_000
    (folder / "a.pcap").write_bytes(p.pcap(frames))
    (result,) = ingest(lake, [folder], config=CONFIG)
    assert result.rejects == 60_000
    stored = rejects(lake)
    assert len(stored) <= module.REJECTS_PER_REASON + 1
    assert sum(r["count"] for r in stored) == 60_000


def test_times_of_another_age_are_rejects(lake: Lake, folder: Path) -> None:
    day = 86_400_000_000
    items = [
        (t, FRAMES[0]) for t in (0, 4_294_967_295_000_000, p.NOON_US, p.NOON_US + day, p.NOON_US + 2 * day)
    ]
    (folder / "a.pcap").write_bytes(p.pcap(items))
    os.utime(folder / "a.pcap", (p.NOON_US / 1e6, p.NOON_US / 1e6))
    (result,) = ingest(lake, [folder], config=CONFIG)
    assert result.tables["flows"] == 2
    assert [r["reason"] for r in rejects(lake)] == ["time"] * 3
    assert "since 1970" in rejects(lake)[0]["detail"]


def test_the_lake_inside_the_folder_is_left_alone(folder: Path) -> None:
    lake = Lake.open(folder / "noroshi-lake")
    (folder / "a.pcap").write_bytes(CAPTURE)
    assert len(ingest(lake, [folder], config=CONFIG)) == 1
    assert len(ingest(lake, [folder], config=CONFIG)) == 1


def test_a_person_is_told_why_the_first_run_takes_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from noroshi.wire import jit
    from noroshi.work.ingest import first_run

    monkeypatch.setattr(jit, "CACHED", True)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert first_run().endswith("once.")
    (tmp_path / "decode.nbi").touch()
    assert first_run() == ""
    monkeypatch.setattr(jit, "CACHED", False)
    assert first_run().endswith("it cannot be kept.")
