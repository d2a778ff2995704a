"""A process that is killed and a disk that is full: nothing half-visible, and the next attempt goes through."""

from __future__ import annotations

import resource
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from noroshi.config import Config, File
from noroshi.lake.handle import Lake
from noroshi.work.ingest import ingest
from tests.support import packets as p

PACKETS = 150_000
INGEST = """
import sys
from pathlib import Path
from noroshi.config import Config, File
from noroshi.lake.handle import Lake
from noroshi.model.errors import NoroshiError
from noroshi.work.ingest import ingest
try:
    ingest(Lake.open(Path(sys.argv[1])), sys.argv[2:], config=Config(File(), None))
except NoroshiError as e:
    print(e, file=sys.stderr)
    sys.exit(e.exit_code)
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture whose rows are too many to be held back: all different, over some minutes."""
    frame = p.ethernet(p.syn("198.51.100.1", "192.0.2.1", 23))
    head, tail = frame[:26], frame[30:]  # around the source address
    parts = [p.pcap_header()]
    for i in range(PACKETS):
        sec, us = divmod(p.NOON_US + 1_000 * i, 1_000_000)
        parts.append(struct.pack("<IIII", sec, us, len(frame), len(frame)))
        parts.append(head + struct.pack(">I", 0x0A000000 + i * 7_919 % (1 << 24)) + tail)
    path = tmp_path_factory.mktemp("large") / "large.pcap"
    path.write_bytes(b"".join(parts))
    return path


def packets(lake: Lake) -> int:
    (row,) = lake.snapshot().sql("SELECT coalesce(sum(packet_count), 0)::BIGINT n FROM flows").to_pylist()
    return int(row["n"])


def start(lake: Path, *paths: Path, limit: int | None = None) -> subprocess.Popen[str]:
    def bound() -> None:
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-c", INGEST, str(lake), *map(str, paths)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=bound)


@pytest.mark.parametrize("wait_s", [0.0, 0.3])
def test_a_killed_process_leaves_nothing_visible(large: Path, tmp_path: Path, wait_s: float) -> None:
    process = start(tmp_path / "lake", large)
    end = time.monotonic() + 120
    # Killed some time after rows began to reach the disk.
    while time.monotonic() < end and process.poll() is None:
        if any((tmp_path / "lake").glob("flows/**/*.parquet")) or any((tmp_path / "lake").glob(".tmp/**/*")):
            time.sleep(wait_s)
            break
        time.sleep(0.005)
    process.kill()
    process.wait()
    lake = Lake.open(tmp_path / "lake")
    assert packets(lake) in (0, PACKETS)  # PACKETS when it was done before the blow
    assert packets(lake) == PACKETS * len(lake.snapshot().runs())
    (result,) = ingest(lake, [large], config=Config(File(), None))
    assert result.problem == ""
    assert packets(lake) == PACKETS
    assert lake.verify() == []


def test_a_full_disk_is_told_and_survived(large: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.pcap"
    small.write_bytes(p.pcap([p.ethernet(p.syn("198.51.100.1", "192.0.2.1", 23))]))
    lake = Lake.open(tmp_path / "lake")
    ingest(lake, [small], config=Config(File(), None))
    process = start(tmp_path / "lake", large, limit=200_000)
    _, words = process.communicate(timeout=300)
    assert process.returncode == 3, words
    assert "Traceback" not in words
    assert "File too large" in words or "space" in words
    lake = Lake.open(tmp_path / "lake")
    assert packets(lake) == 1
    ingest(lake, [large], config=Config(File(), None))
    assert packets(lake) == PACKETS + 1
    assert lake.verify() == []
