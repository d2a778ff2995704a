"""The raw text behind rows, kept when `keep_raw = true`: one compressed file per run, readable from any offset.

Frames of 1 MiB that stand alone, and their table at the end, as the zstd seekable format has it (facebook/zstd,
contrib/seekable_format, version 0.1.0), so that `zstd -d` reads the file too.
"""

from __future__ import annotations

import io
import os
import struct
import time
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO, Final

import zstandard

from noroshi.lake.errors import telling

FRAME: Final = 1 << 20
_TABLE, _END = 0x184D2A5E, 0x8F92EAB1
_LEVEL: Final = 3
_WRITER_GONE_S: Final = 24 * 3600


def _path(lake: Path, run_id: str) -> Path:
    return lake / "raw" / run_id[:2] / f"{run_id}.zst"


class Keeper:
    """Takes the unpacked bytes of a source in order; `close` makes them readable, `abort` takes them back."""

    def __init__(self, lake: Path, run_id: str) -> None:
        self._lake, self.path = lake, _path(lake, run_id)
        self._compress = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._held = bytearray()
        self._frames: list[tuple[int, int]] = []
        with telling(lake):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "xb")  # noqa: SIM115 - closed by close() and abort()

    def write(self, data: bytes | memoryview) -> None:
        """Takes the next bytes. Raises LakeError when the disk is full."""
        self._held += data
        while len(self._held) >= FRAME:
            self._frame(bytes(self._held[:FRAME]))
            del self._held[:FRAME]

    def _frame(self, data: bytes) -> None:
        packed = self._compress.compress(data)
        with telling(self._lake):
            self._file.write(packed)
        self._frames.append((len(packed), len(data)))

    def close(self) -> None:
        """Ends the file; it is on the disk when this returns."""
        if self._held:
            self._frame(bytes(self._held))
            self._held.clear()
        body = b"".join(struct.pack("<II", *f) for f in self._frames)
        body += struct.pack("<IBI", len(self._frames), 0, _END)
        with telling(self._lake):
            self._file.write(struct.pack("<II", _TABLE, len(body)) + body)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def abort(self) -> None:
        """Takes the file away."""
        self._file.close()
        self.path.unlink(missing_ok=True)


class Teed(io.RawIOBase):
    """A stream whose bytes go to a Keeper as they are read."""

    def __init__(self, stream: BinaryIO, keeper: Keeper) -> None:
        super().__init__()
        self._stream, self._keeper = stream, keeper

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        got = self._stream.readinto(view)  # type: ignore[attr-defined]
        self._keeper.write(view[:got])
        return int(got)


def read(lake: Path, run_id: str, offset: int, size: int) -> bytes | None:
    """Up to `size` bytes from `offset` of what a run was read from; None when nothing was kept.

    Raises LakeError when the file is damaged.
    """
    path = _path(lake, run_id)
    if not path.is_file():
        return None
    out = bytearray()
    with telling(path), open(path, "rb") as file:
        try:
            at = place = 0
            for packed, plain in _frames(file):
                if at + plain > offset and at < offset + size:
                    file.seek(place)
                    whole = zstandard.ZstdDecompressor().decompress(file.read(packed), max_output_size=plain)
                    out += whole[max(0, offset - at) : offset + size - at]
                at, place = at + plain, place + packed
        except (zstandard.ZstdError, struct.error) as e:
            raise OSError(f"the kept raw text is damaged: {e}") from e
    return bytes(out)


def _frames(file: BinaryIO) -> list[tuple[int, int]]:
    """(packed, plain) length of each frame."""
    file.seek(-9, os.SEEK_END)
    count, _, end = struct.unpack("<IBI", file.read(9))
    if end != _END:
        raise struct.error("no table at its end")
    file.seek(-9 - 8 * count, os.SEEK_END)
    return [struct.unpack("<II", file.read(8)) for _ in range(count)]


def remove(lake: Path, run_ids: Collection[str]) -> None:
    """Takes away what was kept of these runs."""
    for run_id in run_ids:
        _path(lake, run_id).unlink(missing_ok=True)


def sweep(lake: Path, closed: Collection[str]) -> int:
    """Takes away what dead writers left: files of runs not among `closed`, a day old; how many."""
    count = 0
    for path in (lake / "raw").glob("??/*.zst"):
        if path.stem not in closed and time.time() - path.stat().st_mtime > _WRITER_GONE_S:
            path.unlink(missing_ok=True)
            count += 1
    return count
