"""Flows as comma-separated values with a header line: what nfdump, Argus and others print."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.lines import Block, blocks
from noroshi.observe.netlog.columns import Rowset, rowset
from noroshi.observe.netlog.delimited import MOST_FIELDS, Few, Layout, Part, line_of, parts

_BOM: Final = b"\xef\xbb\xbf"
LONGEST_HEADER: Final = 64 << 10
"""Bytes of a line that is looked at as a header."""


def names(line: bytes) -> tuple[str, ...]:
    """The fields a header line names; empty for a line that is none."""
    text = line.removeprefix(_BOM).strip()
    if not text or len(text) > LONGEST_HEADER or b"," not in text:
        return ()
    found = tuple(f.strip() for f in text.decode("utf-8", "replace").split(","))
    return found if len(found) <= MOST_FIELDS else ()


def first_line(head: bytes) -> bytes:
    """The first line that is not blank of what was sniffed."""
    return head.removeprefix(_BOM).lstrip().split(b"\n", 1)[0].rstrip(b"\r")


def layout(fields: tuple[str, ...], aliases: dict[str, tuple[str, str]], *, fewer: int = 0) -> Layout:
    """How to read lines below a header. aliases: field in lower case -> (our name, its kind)."""
    ours: list[str] = []
    wanted: dict[str, str] = {}
    for field in fields:
        name, kind = aliases.get(field.lower(), (f"_{field}", ""))
        ours.append(name)
        if kind:
            wanted.setdefault(name, kind)
    return Layout(tuple(ours), wanted, ",", null="", empty="", fewer=fewer)


def read(
    reading: Reading,
    table: str,
    header: Callable[[bytes], Layout | None],
    build: Callable[[Rowset], Any],
    ends: Callable[[bytes], bool] = lambda line: False,
    always: Layout | None = None,
) -> Iterator[Batch | Reject]:
    """Batches of `table` from lines below a header.

    header: the layout when a line is one; it may stand anywhere, as in files put together. ends: true for a line
    after which no rows stand until the next header, as nfdump's summary. always: the layout when there is no header.
    """
    current = (header(first_line(reading.head)) if reading.start else None) or always
    over = False
    for block in blocks(reading):
        if isinstance(block, Reject):
            yield block
            continue
        few = Few()
        for first, last, line in _stretches(block, header, ends):
            if line:
                found = header(line)
                current, over = (found, False) if found else (current, True)
            elif over:
                continue
            elif current is None:
                what = "no header line stands before these lines"
                yield Reject(block.offsets_at(first), "header", what, line_of(block, first), last - first)
            else:
                for item in parts(block, first, last, current, few):
                    yield from (
                        [item] if isinstance(item, Reject) else _made(block, item, table, build, reading)
                    )
        rest = few.part()
        if rest is not None:
            yield from _made(block, rest, table, build, reading)


def _stretches(
    block: Block, header: Callable[[bytes], Layout | None], ends: Callable[[bytes], bool]
) -> Iterator[tuple[int, int, bytes]]:
    """(first, last, mark): runs of lines without a mark, and marks (headers, ends) with their line."""
    start = 0
    for i, (a, b) in enumerate(zip(block.starts.tolist(), block.ends.tolist(), strict=True)):
        # A row of flows begins with a digit; headers, footers and blank lines do not.
        if a < b and 48 <= block.data[a] <= 57:
            continue
        line = block.data[a:b].rstrip(b"\r")
        blank = not line.strip()
        if not blank and not ends(line) and header(line) is None:
            continue
        if start < i:
            yield start, i, b""
        if not blank:
            yield i, i + 1, line
        start = i + 1
    if start < len(block.ends):
        yield start, len(block.ends), b""


def _made(
    block: Block, part: Part, table: str, build: Callable[[Rowset], Any], reading: Reading
) -> Iterator[Batch | Reject]:
    rows = rowset(block, part, reading)
    made = build(rows)
    yield from rows.rejects()
    if made.num_rows:
        yield Batch(table, made)
