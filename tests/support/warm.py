"""Compiles the kernels into numba's cache by reading a few bundled captures: `python -m tests.support.warm`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from noroshi.config import Config, File
from noroshi.lake.handle import Lake
from noroshi.work.ingest import ingest

SAMPLES = Path(__file__).parents[2] / "samples"

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        ingest(Lake.open(Path(folder)), [SAMPLES], config=Config(File(), None))
