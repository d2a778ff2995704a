"""Comma-separated files by their header: records as dictionaries, each with its byte offset, in bounded memory."""

from __future__ import annotations

import csv
import ipaddress
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading
from noroshi.observe.lines import Block, blocks

DELIMITERS: Final = (",", ";", "\t", "|")
"""What stands between cells, the likeliest first."""
RECORD: Final = 1 << 20
"""Characters of a record at most: a quote nobody closed would otherwise take in the rest of the file."""
COLUMNS: Final = 1_000
"""Names in a header at most."""
NAME: Final = 128
"""Characters of a column's name at most: a longer cell is data or prose."""

csv.field_size_limit(max(csv.field_size_limit(), RECORD))


@dataclass(frozen=True)
class Header:
    """What the first record says: the names of the columns and what stands between cells."""

    names: list[str]
    delimiter: str


def header(head: bytes, comment: str = "#") -> list[str] | None:
    """The names of the columns when `head` begins with a header, else None.

    head: up to 4 KiB; a first line that is cut is judged by its whole cells.
    A header is a record whose cells are names: printable, short, no number and no address. Blank lines and
    lines that begin with `comment` may stand before it.
    """
    found = sniffed(head, comment)
    return found.names if found else None


def sniffed(head: bytes, comment: str = "#") -> Header | None:
    """The header with its delimiter, see `header`; an empty name becomes `columnN`, a second one `name_2`."""
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "backslashreplace")
    for line in text.splitlines(keepends=True):
        if not line.strip() or (comment and line.startswith(comment)):
            continue
        whole = line.endswith(("\n", "\r")) or len(head) < 4096  # sniffing heads end at 4 KiB
        delimiter = delimiter_of(line)
        try:
            cells = next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter, skipinitialspace=True))
        except (csv.Error, StopIteration):
            return None
        cells = cells if whole else cells[:-1]
        if not cells or len(cells) > COLUMNS or not all(_is_name(c) for c in cells) or not any(cells):
            return None
        return Header(unique(cells), delimiter)
    return None


def delimiter_of(line: str) -> str:
    """The delimiter that stands most often outside of quotes in a line; a comma when none does."""
    counts = dict.fromkeys(DELIMITERS, 0)
    for part in line.split('"')[::2]:
        for one in DELIMITERS:
            counts[one] += part.count(one)
    best = max(DELIMITERS, key=lambda d: counts[d])
    return best if counts[best] else ","


def unique(cells: Sequence[str]) -> list[str]:
    """Names that differ: an empty one becomes `columnN`, one that was there before gets a number."""
    out: list[str] = []
    taken: set[str] = set()
    for i, cell in enumerate(cells, 1):
        plain = cell.strip() or f"column{i}"
        name, n = plain, 1
        while name in taken:
            n += 1
            name = f"{plain}_{n}"
        taken.add(name)
        out.append(name)
    return out


def _is_name(cell: str) -> bool:
    cell = cell.strip()
    if len(cell) > NAME or not cell.isprintable() or cell[:1] in ("{", "[", "<"):
        return False
    try:
        float(cell)
    except ValueError:
        pass
    else:
        return False
    try:
        ipaddress.ip_network(cell, strict=False)
    except ValueError:
        return True
    return False


def rows(
    reading: Reading,
    *,
    names: Sequence[str] | None = None,
    delimiter: str | None = None,
    comment: str = "",
    spaced: bool = False,
    encoding: str = "utf-8",
    need: Collection[str] = (),
) -> Iterator[tuple[int, dict[str, str]] | Reject]:
    """(offset, cells by name) of every record, and rejects for what is none.

    names: the columns of a file without header; else its first record that is no comment names them. A
    growing file that is read on (`reading.start`) takes them from `reading.head`.
    delimiter: found out unless given. comment: what lines to pass over begin with; empty for none (they are
    always passed over before a header). spaced: blanks behind a delimiter are no part of the cell (`"a", "b"`).
    encoding: one whose newline is a byte of its own. need: columns without which nothing can be read.
    Bytes that are not UTF-8 appear as `\\xNN`. A record has as many cells as the header; empty cells too
    many at its end are allowed. A quote that is never closed, or not within RECORD characters, spoils its
    own line only. Reasons: header, columns, quote, csv, record-length, line-length.
    """
    columns = list(names) if names is not None else None
    if columns is None and reading.start:
        known = sniffed(reading.head)
        if known is None:
            yield Reject(reading.start, "header", "the file's beginning names no columns", reading.head)
            return
        columns, delimiter = known.names, delimiter or known.delimiter
    feed = _Feed(blocks(reading), comment, encoding)
    if columns is None:
        try:
            first = _first(feed)
        except _OpenQuoteError:
            sample = feed.record[-1][1][:64].encode("utf-8", "replace")
            yield Reject(feed.record[-1][0], "header", f"a header longer than {RECORD:,} characters", sample)
            return
        yield from feed.drain()
        found = sniffed(first[1].encode("utf-8", "replace") + b"\n") if first else None
        if found is None:
            if first:
                sample = first[1].encode("utf-8", "replace")
                yield Reject(first[0], "header", "the first record names no columns", sample)
            return
        columns, delimiter = found.names, delimiter or found.delimiter
    if missing := sorted(set(need) - set(columns)):
        yield Reject(reading.start, "header", f"no column {', '.join(missing)}", reading.head)
        return
    if delimiter is None:
        line = feed.peek()
        delimiter = delimiter_of(line) if line else ","
    yield from _records(feed, columns, delimiter, spaced)


def _first(feed: _Feed) -> tuple[int, str] | None:
    """The first line that is neither blank nor a comment."""
    for line in feed:
        offset = feed.record[-1][0]
        feed.record.clear()
        feed.length = 0
        if line.strip() and not line.startswith("#"):
            return offset, line
    return None


def _records(
    feed: _Feed, columns: list[str], delimiter: str, spaced: bool
) -> Iterator[tuple[int, dict[str, str]] | Reject]:
    reader = csv.reader(feed, delimiter=delimiter, skipinitialspace=spaced)
    width = len(columns)
    while True:
        feed.record.clear()
        feed.length = 0
        try:
            cells = next(reader)
        except StopIteration:
            yield from feed.drain()
            return
        except (csv.Error, _OpenQuoteError):
            yield from feed.drain()
            yield from _one_by_one(list(feed.record), columns, delimiter, spaced)
            continue
        if feed.rejects:
            yield from feed.drain()
        if feed.ended and len(feed.record) >= 1 and _open(feed.record, delimiter, spaced):
            yield from _one_by_one(list(feed.record), columns, delimiter, spaced)
            return
        if len(cells) == width:
            yield feed.record[0][0], dict(zip(columns, cells, strict=True))
        elif cells and (len(cells) > 1 or cells[0].strip()):
            yield _fit(feed.record[0], cells, columns)


def _fit(line: tuple[int, str], cells: list[str], columns: list[str]) -> tuple[int, dict[str, str]] | Reject:
    width = len(columns)
    if len(cells) > width and not any(cells[width:]):
        return line[0], dict(zip(columns, cells, strict=False))
    detail = f"{len(cells):,} cells where the header names {width:,}"
    return Reject(line[0], "columns", detail, line[1][:64].encode("utf-8", "replace"))


def _open(record: list[tuple[int, str]], delimiter: str, spaced: bool = False) -> bool:
    """True when the last record ended inside a quote: csv would have read on."""
    try:
        lines = (line for _, line in record)
        next(csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=spaced))
    except csv.Error as e:
        return "unexpected end" in str(e)
    except StopIteration:
        return False
    return False


def _one_by_one(
    record: list[tuple[int, str]], columns: list[str], delimiter: str, spaced: bool
) -> Iterator[tuple[int, dict[str, str]] | Reject]:
    """The lines of a record that cannot be one, each for itself."""
    for offset, line in record:
        sample = line[:64].encode("utf-8", "replace")
        if not line.strip():
            continue
        if len(line) > RECORD:
            yield Reject(offset, "record-length", f"a record longer than {RECORD:,} characters", sample)
            continue
        try:
            cells = next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter, skipinitialspace=spaced))
        except (csv.Error, StopIteration) as e:
            yield Reject(offset, "csv", str(e) or "no record", sample)
            continue
        if _open([(offset, line.rstrip("\r\n"))], delimiter, spaced):
            yield Reject(offset, "quote", "a quote that is not closed", sample)
        elif len(cells) == len(columns):
            yield offset, dict(zip(columns, cells, strict=True))
        else:
            yield _fit((offset, line), cells, columns)


class _OpenQuoteError(Exception):
    """A record grew beyond RECORD."""


@dataclass
class _Feed:
    """Lines as csv wants them; knows where those of the record at hand stand."""

    source: Iterator[Block | Reject]
    comment: str
    encoding: str = "utf-8"
    record: list[tuple[int, str]] = field(default_factory=list)
    """(offset, line) of the lines handed out for the record at hand."""
    length: int = 0
    rejects: list[Reject] = field(default_factory=list)
    ended: bool = False

    def __post_init__(self) -> None:
        self._lines = self._read()
        self._ahead: tuple[int, str] | None = None

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self.length > RECORD:
            raise _OpenQuoteError
        if self._ahead is not None:
            item, self._ahead = self._ahead, None
        else:
            try:
                item = next(self._lines)
            except StopIteration:
                self.ended = True
                raise
        self.record.append(item)
        self.length += len(item[1])
        if self.length > RECORD:
            raise _OpenQuoteError
        return item[1]

    def peek(self) -> str | None:
        """The next line, which stays."""
        if self._ahead is None:
            self._ahead = next(self._lines, None)
        return self._ahead[1] if self._ahead else None

    def drain(self) -> Iterator[Reject]:
        """What was rejected meanwhile."""
        held, self.rejects = self.rejects, []
        yield from held

    def _read(self) -> Iterator[tuple[int, str]]:
        comment = self.comment.encode()
        for block in self.source:
            if isinstance(block, Reject):
                self.rejects.append(block)
                continue
            data, start = block.data, 0
            for end in block.ends.tolist():
                line = data[start : end + 1]
                if not (comment and line.startswith(comment)):
                    yield block.offset + start, line.decode(self.encoding, "backslashreplace")
                start = end + 1
