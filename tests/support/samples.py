"""The samples kept beside the tests of sensors."""

from __future__ import annotations

import gzip
from pathlib import Path

import zstandard

OBSERVE = Path(__file__).parents[1] / "observe"
FILES = sorted(
    p for p in OBSERVE.glob("*/data/**/*")
    if p.is_file() and p.suffix not in (".md", ".toml", ".py", ".mmdb") and p.stat().st_size < 300_000
)  # fmt: skip


def unpacked(path: Path) -> bytes:
    """The bytes of a sample, decompressed when its name says so."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return data
