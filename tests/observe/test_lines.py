"""Lines in blocks: complete, with their offsets, in pieces of any size."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading
from noroshi.observe import lines as under_test
from noroshi.observe.lines import Block, blocks, lines


def reading(data: bytes, start: int = 0) -> Reading:
    return Reading(cast(BinaryIO, io.BytesIO(data[start:])), "test", 0, start=start)


def read(data: bytes, start: int = 0) -> list[tuple[int, bytes]]:
    found = list(lines(reading(data, start)))
    assert not any(isinstance(x, Reject) for x in found)
    return cast("list[tuple[int, bytes]]", found)


def test_offsets_and_line_ends() -> None:
    assert read(b"a\r\n\n  \nbc\n\r\nd") == [(0, b"a"), (7, b"bc"), (12, b"d")]


def test_nothing() -> None:
    assert read(b"") == []
    assert read(b"\n\n") == []


def test_a_byte_order_mark_is_passed_over_at_the_beginning_only() -> None:
    bom = b"\xef\xbb\xbf"
    assert read(bom + b"a\n" + bom + b"b") == [(3, b"a"), (5, bom + b"b")]
    assert read(b"x" + bom + b"a", start=1) == [(1, bom + b"a")]


def test_reading_on_from_the_middle() -> None:
    assert read(b"first\nsecond\nthird\n", start=6) == [(6, b"second"), (13, b"third")]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_in_any_pieces(data: bytes, size: int) -> None:
    """Every byte that is no line end stands in exactly one line, at the place the line says."""
    bom = 3 if data.startswith(b"\xef\xbb\xbf") and size >= 3 else 0
    found = []
    for block in blocks(reading(data), size):
        assert isinstance(block, Block)
        for i, offset in enumerate(block.offsets.tolist()):
            assert offset == block.offsets_at(i)
            found.append(data[offset : offset + int(block.ends[i]) - int(block.starts[i])])
            assert b"\n" not in found[-1]
    assert b"\n".join(found) == data[bom:].removesuffix(b"\n") or data[bom:] == b""


def test_a_line_too_long_is_rejected_and_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "LONGEST", 100)
    data = b"short\n" + b"x" * 1000 + b"\nafter\n" + b"y" * 500
    found = list(blocks(reading(data), 16))
    rejects = [b for b in found if isinstance(b, Reject)]
    kept = [line for b in found if isinstance(b, Block) for line in b.lines()]
    assert kept == [(0, b"short"), (1007, b"after")]
    assert [(r.position, r.reason) for r in rejects] == [(6, "line-length"), (1013, "line-length")]
    assert all(r.sample for r in rejects)
