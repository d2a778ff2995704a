"""Damaged captures: a bounded fuzz run in which the fast decoder has to agree with the slow one.

NOROSHI_FUZZ=100000 runs longer; a failure prints the seed that makes it again.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from noroshi.model.errors import SourceError
from noroshi.observe.darknet import chunks, pcap
from tests.support import packets as p
from tests.support import reference
from tests.support.decoded import read, reading, rows, same
from tests.wire.test_reference import CAPTURES, V4, V6

ROUNDS = int(os.environ.get("NOROSHI_FUZZ", "400"))
MIXED = [p.ethernet(x) for x in V4 + V6]
NASTY = (0, 1, 2, 4, 12, 16, 20, 40, 60, 127, 128, 255, 256, 65535, 65536, 262144, 262145)
HUGE = (2**31 - 1, 2**31, 2**32 - 1)


def seeds() -> list[bytes]:
    made = [
        p.pcap(MIXED),
        p.pcap(MIXED, order=">", nano=True),
        p.pcap(V4 + V6, link=p.RAW),
        p.pcap([p.sll(x) for x in V4 + V6], link=p.SLL),
        p.pcap([p.sll2(x) for x in V4 + V6], link=p.SLL2),
        p.pcap([p.null(x) for x in V4 + V6], link=p.NULL),
        p.pcapng(MIXED, resolution=9),
        p.pcapng(MIXED, order=">"),
    ]
    # Real captures by their first records: rounds stay short.
    return made + [f.read_bytes()[:6_000] for f in CAPTURES if f.suffix == ".pcap"]


def mutate(data: bytes, rng: random.Random) -> bytes:
    """The capture with a few faults of the kinds that happen and the kinds that are made."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5, 20))):
        at = rng.randrange(4, len(out))
        kind = rng.randrange(8)
        if kind < 3:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 3:
            out[at] = rng.choice((0, 1, 0x45, 0x60, 0x7F, 0x80, 0xFF))
        elif kind == 4 and at + 4 <= len(out):
            struct.pack_into(rng.choice("<>") + "I", out, at, rng.choice(NASTY + HUGE))
        elif kind == 5:
            del out[at : at + rng.randrange(1, 40)]
        elif kind == 6:
            out[at:at] = rng.randbytes(rng.randrange(1, 40))
        else:
            del out[at:]
        if len(out) < 32:
            return data[:-1]
    return bytes(out)


def test_mutated_captures() -> None:
    corpus = seeds()
    first = random.SystemRandom().randrange(1 << 40)
    for seed in range(first, first + ROUNDS):
        rng = random.Random(seed)
        data = mutate(rng.choice(corpus), rng)
        try:
            check(data)
        except BaseException:
            print(f"seed {seed}")
            raise


def check(data: bytes) -> None:
    if data[:4] == b"\n\r\r\n" and data[8:12] not in (b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"):
        return  # no sensor knows it any more
    same(data)


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_cut_at_every_byte(form: str) -> None:
    frames = [MIXED[0], MIXED[7], MIXED[9], MIXED[-3]]
    data = p.pcap(frames) if form == "pcap" else p.pcapng(frames)
    for cut in range(24 if form == "pcap" else 12, len(data)):
        same(data[:cut])


@pytest.mark.parametrize("cut", range(4, 24))
def test_a_pcap_header_that_is_cut_says_so(cut: int) -> None:
    data = p.pcap(MIXED)[:cut]
    with pytest.raises(SourceError, match=f"{cut} bytes"):
        read(data)


@pytest.mark.parametrize("length", [262_145, *HUGE])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_lying_length_stops_there_and_keeps_what_stood_before(order: str, length: int) -> None:
    frames: list[bytes | p.Record] = [*MIXED[:3], p.Record(MIXED[3], captured=length), *MIXED[4:]]
    data = p.pcap(frames, order=order)
    got = read(data)
    where = 24 + sum(16 + len(f) for f in MIXED[:3])
    assert sum(r["packet_count"] for r in rows(got.flows)) == 3
    assert [(r.position, r.reason) for r in got.rejects] == [(where, "record-length")]
    assert f"{length:,}" in got.problem
    assert f"{where:,}" in got.problem
    same(data)


def test_a_length_beyond_the_end_is_a_cut() -> None:
    data = p.pcap([*MIXED[:3], p.Record(MIXED[3], captured=100_000)])
    assert [r.reason for r in read(data).rejects] == ["record-cut"]
    same(data)


@pytest.mark.parametrize("length", [0, 4, 8, 11, 13, 16 << 20 | 4, 2**32 - 4])
def test_a_lying_block_length(length: int) -> None:
    made = p.Pcapng().section().interface().packet(MIXED[0])
    made.block(6, bytes(40), length=length).packet(MIXED[1])
    got = read(bytes(made))
    assert [r.reason for r in got.rejects] == ["record-length"]
    assert got.problem
    same(bytes(made))


def test_nothing_is_allocated_by_claimed_length() -> None:
    import tracemalloc

    made = p.Pcapng().section().interface().packet(MIXED[0])
    data = bytes(made) + struct.pack("<II", 6, 16 << 20) + b"x" * 100
    read(data)  # compiled and warm
    tracemalloc.start()
    read(data)
    read_peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    read(bytes(made) + struct.pack("<II", 6, 64) + b"x" * 100)
    small = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read_peak < small + (1 << 20)


@pytest.mark.parametrize("garbage", [bytes(5_000), b"\xff" * 5_000, random.Random(1).randbytes(5_000)])
def test_garbage_behind_the_header(garbage: bytes) -> None:
    same(p.pcap_header() + garbage)
    same(bytes(p.Pcapng().section().interface()) + garbage)
    same(p.pcap(MIXED[:5]) + garbage)


def test_a_capture_without_packets() -> None:
    for data in (p.pcap([]), bytes(p.Pcapng().section()), bytes(p.Pcapng().section().interface())):
        got = read(data)
        assert got.flows is None
        assert (got.rejects, got.problem) == ([], "")


def test_zero_length_packets() -> None:
    got = read(p.pcap([b""] * 5_000))
    assert sum(r.count for r in got.rejects) == 5_000
    assert len(got.rejects) <= 21


def busy(count: int, rng: random.Random) -> bytes:
    """A capture in order of time in which rows span packets, minutes and chunks."""
    at = p.NOON_US
    items = []
    for _ in range(count):
        at += rng.choice((0, 1_000, 90_000, 400_000))
        items.append((at, rng.choice(MIXED)))
    return p.pcap(items)


@pytest.mark.parametrize("chunk", [300, 5_000, 30_000])
@pytest.mark.parametrize("limit", [7, 1_000])
def test_any_chunk_size_gives_the_same_rows(chunk: int, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = busy(1_500, random.Random(5))
    whole = read(data)
    monkeypatch.setattr(chunks, "CHUNK", chunk)
    monkeypatch.setattr(chunks, "RESERVE", 0)
    monkeypatch.setattr(chunks, "LIMIT", limit)
    monkeypatch.setattr(pcap, "WAITING", 1_500)  # no minute is too long for the window
    parts = read(data)
    assert rows(parts.flows, exact_payload=True) == rows(whole.flows, exact_payload=True)
    assert parts.counts["packets"] == whole.counts["packets"] == 1_500
    same(data)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_any_number_of_workers_gives_the_same_batches(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 20_000)
    monkeypatch.setattr(chunks, "RESERVE", 0)
    data = busy(2_000, random.Random(6))
    one = read(data, reading(data, workers=1))
    many = read(data, reading(data, workers=workers))
    assert one.flows is not None
    assert many.flows is not None
    assert many.links is not None
    assert one.flows.to_pylist() == many.flows.to_pylist()  # in the same order, too
    assert one.links is not None
    assert one.links.to_pylist() == many.links.to_pylist()
    assert one.rejects == many.rejects


@pytest.mark.parametrize("piece", [1, 7, 1_000])
def test_a_stream_that_gives_little_at_once(piece: int) -> None:
    same(p.pcap(MIXED), piece=piece)
    same(p.pcapng(MIXED), piece=piece)


def test_out_of_order_times_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums are exact whatever the order; only a row may come in two parts when chunks disagree on time."""
    rng = random.Random(8)
    items = [(p.NOON_US + rng.randrange(600_000_000), rng.choice(MIXED)) for _ in range(800)]
    data = p.pcap(items)
    same(data)
    monkeypatch.setattr(chunks, "CHUNK", 10_000)
    monkeypatch.setattr(chunks, "RESERVE", 0)
    packets, _, _ = reference.read(data)
    got = rows(read(data).flows)
    assert sum(r["packet_count"] for r in got) == len(packets)
    assert sum(r["byte_count"] for r in got) == sum(q.ip_len for q in packets)


@pytest.mark.heavy
def test_long_fuzz() -> None:
    corpus = seeds() + [f.read_bytes()[:60_000] for f in CAPTURES if isinstance(f, Path)]
    for seed in range(20_000):
        rng = random.Random(seed)
        check(mutate(rng.choice(corpus), rng))


@pytest.mark.heavy
def test_fuzz_with_bounds_checks() -> None:
    """The kernels are compiled without bounds checks; here they have them, and no index is out of bounds."""
    environment = os.environ | {"NOROSHI_BOUNDSCHECK": "1", "NOROSHI_FUZZ": "3000"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", __file__, "-m", "not heavy"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=1_800
    )
    assert done.returncode == 0, done.stdout[-3_000:]
