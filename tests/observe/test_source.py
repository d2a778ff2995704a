"""Opening sources: what is stored is what is read, digested whole, and never waited for."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noroshi.model.errors import SourceError, UsageError
from noroshi.observe import source, unpack
from noroshi.observe.source import Opened

random.seed(4)
# Compresses a little, so that every format has many blocks and none is trivial.
DATA = b"".join(random.randbytes(3000) + bytes(1000) for _ in range(300))


def zstd(data: bytes, **kw: object) -> bytes:
    return zstandard.ZstdCompressor(level=3, write_checksum=True, **kw).compress(data)  # type: ignore[arg-type]


PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gz": gzip.compress,
    "xz": lambda d: lzma.compress(d, preset=0),
    "zst": zstd,
}


def read_all(opened: Opened, size: int = 70_001) -> bytes:
    out, buffer = [], bytearray(size)
    while n := opened.stream.readinto(buffer):  # type: ignore[attr-defined]
        out.append(bytes(buffer[:n]))
        if n < size:
            assert not opened.stream.readinto(buffer)  # type: ignore[attr-defined]
    return b"".join(out)


def drain(kind: str, pieces: Iterator[bytes], most: int = 1 << 30) -> tuple[bytes, unpack.Broken | None]:
    got = bytearray()
    try:
        for piece in unpack.unpack(kind, pieces):
            assert len(piece) <= unpack.ZSTD_BLOCK
            got += piece
            if len(got) > most:
                break
    except unpack.Broken as e:
        return bytes(got), e
    return bytes(got), None


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("size", [1, 4097, 1 << 22])
def test_gives_the_bytes_and_the_digest_of_what_is_stored(tmp_path: Path, kind: str, size: int) -> None:
    stored = PACK[kind](DATA)
    path = tmp_path / "x.dat"  # the name says nothing: content is what counts
    path.write_bytes(stored)
    seen: list[int] = []
    with Opened(path, advance=seen.append) as opened:
        assert opened.compression == kind
        assert opened.head == DATA[: source.HEAD]
        assert read_all(opened, size) == DATA if size > 1 else opened.stream.read(10) == DATA[:10]
        assert opened.sha256() == hashlib.sha256(stored).hexdigest()
        assert opened.size() == len(stored)
        assert opened.problem == ""
        assert opened.source_date_us == path.stat().st_mtime_ns // 1000
    if size > 1:
        assert sum(seen) == len(stored)


@pytest.mark.parametrize("kind", PACK)
def test_digests_the_whole_when_the_reader_stops_early(tmp_path: Path, kind: str) -> None:
    stored = PACK[kind](DATA * 8)
    path = tmp_path / "x"
    path.write_bytes(stored)
    with Opened(path) as opened:
        opened.stream.read(100)
        assert opened.sha256() == hashlib.sha256(stored).hexdigest()
    with Opened("-", stdin=io.BytesIO(stored)) as opened:
        opened.stream.read(100)
        assert opened.sha256() == hashlib.sha256(stored).hexdigest()
        assert opened.size() == len(stored)


@pytest.mark.parametrize("kind", PACK)
def test_reads_standard_input_in_odd_pieces(kind: str) -> None:
    stored = PACK[kind](DATA)
    read_end, write_end = os.pipe()

    def write() -> None:
        with os.fdopen(write_end, "wb", buffering=0) as f:
            for at in range(0, len(stored), 31_337):
                f.write(stored[at : at + 31_337])

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(read_end, "rb") as pipe, Opened("-", stdin=pipe) as opened:
        assert read_all(opened) == DATA
        assert opened.sha256() == hashlib.sha256(stored).hexdigest()
    writer.join()


@pytest.mark.parametrize("kind", ["gz", "xz", "zst"])
def test_reads_every_member_and_padding(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    parts = [DATA[:100_000], b"", DATA[100_000:]]
    stored = b"".join(PACK[kind](p) for p in parts)
    if kind == "zst":
        stored = b"\x53\x2a\x4d\x18\x05\0\0\0abcde" + stored + b"\x50\x2a\x4d\x18\0\0\0\0"
    else:
        stored += bytes(1024)
    path.write_bytes(stored)
    with Opened(path) as opened:
        assert opened.compression == kind
        assert read_all(opened) == DATA
        assert opened.problem == ""


@pytest.mark.parametrize("kind", ["gz", "xz", "zst"])
def test_a_cut_keeps_what_stood_before_and_says_where(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    stored = PACK[kind](DATA)
    path.write_bytes(stored[:-1000])
    with Opened(path) as opened:
        got = read_all(opened)
        assert DATA.startswith(got)
        assert len(got) > len(DATA) * 0.8
        digest = opened.sha256()
        assert f"{len(stored) - 1000:,}" in opened.problem
        assert opened.problem_reason == "compression"
        assert opened.position == len(got)
    assert digest == hashlib.sha256(stored[:-1000]).hexdigest()


@pytest.mark.parametrize("kind", ["gz", "xz", "zst"])
def test_rubbish_behind_the_last_member_is_reported(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(PACK[kind](DATA) + b"rubbish!")
    with Opened(path) as opened:
        assert read_all(opened) == DATA
        opened.sha256()
        assert opened.problem != ""


@pytest.mark.parametrize("kind", ["gz", "xz", "zst"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_never_crashes_nor_hangs(kind: str, data: st.DataObject) -> None:
    stored = bytearray(PACK[kind](DATA[:40_000] * 3))
    for _ in range(data.draw(st.integers(1, 3))):
        stored[data.draw(st.integers(6, len(stored) - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(6, len(stored)))
    pieces = (bytes(stored[i : min(i + 999, cut)]) for i in range(0, cut, 999))
    _got, broken = drain(kind, pieces, most=1 << 24)  # flipped lengths may ask for much, in small pieces
    assert broken is None or (0 <= broken.position <= cut and broken.what)


@pytest.mark.parametrize("kind", ["gz", "xz", "zst"])
def test_every_truncation_keeps_a_prefix(kind: str) -> None:
    data = DATA[:9_000]
    stored = PACK[kind](data)
    for cut in range(6, len(stored), 7):
        got, broken = drain(kind, iter([stored[:cut]]))
        assert broken is not None
        assert data.startswith(got)


@pytest.mark.parametrize("kind", ["gz", "zst", "xz"])
def test_a_bomb_is_streamed(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(PACK[kind](bytes(1 << 28)))
    assert path.stat().st_size < 400_000
    with Opened(path) as opened:
        buffer = bytearray(1 << 16)
        for _ in range(64):
            assert opened.stream.readinto(buffer) == len(buffer)  # type: ignore[attr-defined]
        stream = opened._stream
        assert isinstance(stream, source._Unpacked)
        assert stream._queue.qsize() <= source.AHEAD


def test_a_zstd_window_beyond_the_bound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zst"
    params = zstandard.ZstdCompressionParameters(window_log=28, write_content_size=False, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=params).compressobj()
    path.write_bytes(compressor.compress(DATA) + compressor.flush())
    with Opened(path) as opened:
        assert read_all(opened) == b""
        assert "window of 268,435,456 bytes" in opened.problem


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    with Opened(tmp_path / "x") as opened:
        assert opened.head == b""
        assert read_all(opened) == b""
        assert opened.sha256() == hashlib.sha256(b"").hexdigest()


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(tmp_path / "socket"))
        cases: list[tuple[Path | str, str]] = [
            (tmp_path / "fifo", "named pipe"),
            (tmp_path / "socket", "socket"),
            ("/dev/zero", "device"),
            (tmp_path, "folder"),
            (tmp_path / "none", "no such file"),
            ("a\0b", "opened"),
        ]
        for path, word in cases:
            with pytest.raises(SourceError, match=word):
                Opened(path)


def test_a_terminal_is_refused() -> None:
    class Terminal(io.BytesIO):
        def isatty(self) -> bool:
            return True

    with pytest.raises(UsageError, match="terminal"):
        Opened("-", stdin=Terminal())


def test_a_file_that_grows_is_read_to_the_size_it_had(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(DATA)
    with Opened(path) as opened:
        opened.stream.read(10)
        with path.open("ab") as f:
            f.write(b"more")
        assert len(read_all(opened)) == len(DATA) - 10
        assert opened.sha256() == hashlib.sha256(DATA).hexdigest()
        assert opened.size() == len(DATA)
        assert "changed" in opened.problem


def test_a_file_that_shrinks_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(DATA)
    with Opened(path) as opened:
        os.truncate(path, 100)
        read_all(opened)
        opened.sha256()
        assert "changed" in opened.problem


def test_closing_early_leaves_no_thread(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(DATA * 20))
    before = threading.active_count()
    for _ in range(5):
        with Opened(path) as opened:
            opened.stream.read(1)
    assert threading.active_count() == before


def test_a_failing_disk_keeps_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(DATA)
    real = os.preadv

    def preadv(fd: int, buffers: list[memoryview], at: int) -> int:
        if at + len(buffers[0]) > 200_000:
            if at < 200_000:
                return real(fd, [buffers[0][: 200_000 - at]], at)
            raise OSError(5, "Input/output error")
        return real(fd, buffers, at)

    monkeypatch.setattr(os, "preadv", preadv)
    with Opened(path) as opened:
        assert read_all(opened) == DATA[:200_000]
        opened.sha256()
        assert "byte 200,000" in opened.problem
        assert opened.problem_reason == "read-error"


def test_names_are_printable() -> None:
    assert source.printable(b"/a/\xff\x1b[31m\n".decode("utf-8", "surrogateescape")) == "/a/\\xff\\x1b[31m\\n"
    assert source.printable("/狼煙/x y") == "/狼煙/x y"
