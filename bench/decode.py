"""Decoding alone against read() of the same file: python -m bench.decode.

One process, alternated pairs: read() into a reused 4 MiB buffer, then the same file through the program's own
reader (indexed chunks) and decoder into reused columns, on one thread. The bound moves by a factor of two on
shared machines, so the ratio is taken within each pair. Two more stages show where the time goes: indexing
alone, and decoding with the merging into flow rows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from bench import harness

READ = 4 << 20
PIECE = 512 << 10
"""Bytes read at a time for indexing and decoding: they are still in the cache when they are decoded."""
LINES = 4096
"""Packets whose columns fit into the cache together."""


@contextmanager
def _chunks(path: Path) -> Iterator[Iterator[Any]]:
    from noroshi.model.sensor import Reading
    from noroshi.observe.darknet.chunks import read_pcap

    with path.open("rb", buffering=0) as f:
        yield read_pcap(Reading(cast(BinaryIO, f), str(path), time.time_ns() // 1000), PIECE)


def read(path: Path) -> int:
    """Bytes read."""
    buffer, total = bytearray(READ), 0
    with path.open("rb", buffering=0) as f:
        while got := f.readinto(buffer):
            total += got
    return total


def index(path: Path) -> int:
    """Packets found by reading and walking over the record headers."""
    with _chunks(path) as chunks:
        return sum(chunk.count for chunk in chunks)


def decode(path: Path) -> int:
    """Packets decoded into columns, a few thousand at a time into the same lines."""
    from noroshi.wire import decode as wire
    from noroshi.wire.columns import Columns

    kernel: Any = wire.packets
    lines, done = Columns.empty(LINES).arrays(), 0
    status = np.empty(1 << 20, np.uint8)
    latest = time.time_ns() // 1000 + 86_400_000_000
    with _chunks(path) as chunks:
        for c in chunks:
            place = (c.buf, *c.index, c.link, c.one_link, c.base)
            for a in range(0, c.count, LINES):
                b = min(a + LINES, c.count)
                done += kernel(*place, a, b, wire.EARLIEST_US, latest, *lines, status)
    return done


def reduce(path: Path) -> int:
    """Flow rows after decoding and merging within each chunk."""
    from noroshi.observe.darknet import rows as made
    from noroshi.observe.darknet.chunks import LIMIT
    from noroshi.wire import decode as wire

    merge: Any = made.reduce
    arena, slots, rows = made.Arena(LIMIT, 1), made.slots_for(PIECE // 16), 0
    status = np.empty(LIMIT, np.uint8)
    latest = time.time_ns() // 1000 + 86_400_000_000
    with _chunks(path) as chunks:
        for c in chunks:
            slots.fill(0)
            made_here, _minute = merge(
                c.buf, *c.index, c.link, c.one_link, c.base, c.count, wire.EARLIEST_US, latest,
                *arena.columns.arrays(), arena.hashes, arena.minutes, slots, made.KEYS, status,
                np.empty(1, np.uint64),
            )  # fmt: skip
            rows += made_here
    return rows


STAGES: dict[str, Callable[[Path], int]] = {"read": read, "index": index, "decode": decode, "reduce": reduce}


def main() -> None:
    """Runs the pairs and keeps the result."""
    p = argparse.ArgumentParser(prog="python -m bench.decode", description=__doc__.split("\n")[0])
    p.add_argument("-n", "--packets", type=int, default=20_000_000)
    p.add_argument("--capture", type=Path)
    p.add_argument("--pairs", type=int, default=7)
    p.add_argument("--name", default="decode")
    a = p.parse_args()
    path = a.capture or harness.capture(a.packets)
    known = harness.truth(path)
    for stage in STAGES.values():  # page cache and compiled code
        stage(path)
    taken: dict[str, list[float]] = {name: [] for name in STAGES}
    for _ in range(a.pairs):
        for name, stage in STAGES.items():
            started = time.perf_counter()
            got = stage(path)
            taken[name].append(time.perf_counter() - started)
            wanted = {"read": known["capture_bytes"], "reduce": got}.get(name, known["packets"])
            if got != wanted:
                raise SystemExit(f"{name} gave {got:,} of {wanted:,}")
    bound = taken["read"]
    ratios = {n: harness.spread(r / t for r, t in zip(bound, taken[n], strict=True)) for n in STAGES}
    result = {
        "capture": {k: known[k] for k in ("file", "packets", "capture_bytes", "capture_sha256")},
        "pairs": a.pairs,
        "seconds": taken,
        "ratio_to_read": ratios,
    }
    rows = []
    for name, seconds in taken.items():
        s, r, size = harness.spread(seconds), ratios[name], known["capture_bytes"]
        rows.append((
            name, f"{s['median']:.3f} ({s['min']:.3f}-{s['max']:.3f})",
            f"{size / s['median'] / 1e9:.2f}", f"{known['packets'] / s['median'] / 1e6:.1f}",
            f"{r['median']:.3f} ({r['min']:.3f}-{r['max']:.3f})",
        ))  # fmt: skip
    head = ("stage, one thread", "s (min-max)", "GB/s", "Mpkt/s", "of read() (min-max)")
    harness.write(a.name, result, f"{harness.table(head, rows)}\n\nMedian of {a.pairs} alternated rounds.")


if __name__ == "__main__":
    main()
