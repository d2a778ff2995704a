"""Zeek's logs as tab-separated values, told by their header lines; headers in the middle count from there on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.lines import Block, blocks
from noroshi.observe.netlog import zeeklogs
from noroshi.observe.netlog.columns import rowset
from noroshi.observe.netlog.delimited import MOST_FIELDS, Few, Layout, Part, line_of, parts, unescape

_UNKNOWN: Final = "unknown-log"


@dataclass(frozen=True)
class Header:
    """What the header lines so far say of the lines that follow."""

    separator: str = "\t"
    set_separator: str = ","
    empty: str = "(empty)"
    null: str = "-"
    path: str = ""
    fields: tuple[str, ...] = ()
    log: str = ""
    """The log's name; empty when it is none of Zeek's."""
    problem: str = ""
    """Why the lines cannot be read; empty when they can."""
    layout: Layout | None = field(default=None, compare=False)
    """How to read the lines; None when they are not stored."""

    def after(self, line: bytes) -> Header:
        """The header with one more of its lines."""
        text = line.decode("utf-8", "backslashreplace")
        if text.startswith("#separator"):
            return _separated(text[10:].strip())
        if not self.separator:
            return self
        key, _, rest = text[1:].partition(self.separator)
        if key == "fields":
            return replace(self, fields=_names(rest.split(self.separator)))._ready()
        if key in _SIGNS and rest:
            told: dict[str, Any] = {_SIGNS[key]: rest}
            return replace(self, **told)._ready()
        return self

    def _ready(self) -> Header:
        if not self.fields:
            return self
        problem = ""
        if len(self.fields) > MOST_FIELDS:
            problem = f"{len(self.fields):,} fields, at most {MOST_FIELDS:,} are read"
        log = zeeklogs.which(self.path, self.fields)
        layout = None
        if log in zeeklogs.LOGS and not problem:
            layout = Layout(
                self.fields, zeeklogs.LOGS[log].fields, self.separator, self.null, self.empty,
                self.set_separator, escaped=True,
            )  # fmt: skip
        return replace(self, log=log, layout=layout, problem=problem)


_SIGNS: Final = {
    "set_separator": "set_separator",
    "empty_field": "empty",
    "unset_field": "null",
    "path": "path",
}


def _separated(text: str) -> Header:
    mark = unescape(text)
    if len(mark.encode()) != 1 or mark in '\r\n"#\\\0':
        return Header(separator="", problem=f"the separator is {text[:32]!r}, not one character")
    return Header(separator=mark)


def _names(fields: list[str]) -> tuple[str, ...]:
    """Field names as Zeek writes them; some writers put _ where Zeek has a dot."""
    return tuple(f.replace("id_", "id.", 1) if f in _FLAT else f for f in fields)


_FLAT: Final = ("id_orig_h", "id_orig_p", "id_resp_h", "id_resp_p")


class ZeekSensor:
    """Reads Zeek's TSV logs, one or several kinds in one source, whatever the file is called."""

    name = "zeek"
    version = 2
    doc = (
        "Zeek logs as TSV: conn, dns, http, ssl, quic, ssh, x509, files, notice, weird; Zeek's other logs are "
        "recognised and told, not stored."
    )
    tables = ("connections", "dns", "http", "tls", "ssh", "certificates", "alerts", "network_files")
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True when it begins with `#separator`, or with Zeek's `#fields` among other lines of a header."""
        head = head.removeprefix(b"\xef\xbb\xbf")
        if head.startswith(b"#separator "):
            return True
        if not head.startswith(
            (b"#fields\t", b"#path\t", b"#set_separator\t", b"#empty_field\t", b"#unset_field\t")
        ):
            return False
        found = [line for line in head.split(b"\n") if line.startswith(b"#fields\t")]
        return bool(found) and bool(
            zeeklogs.which("", found[0].decode("utf-8", "replace").strip().split("\t")[1:])
        )

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of the tables; a reject for each line that does not fit, one for each log that is not stored."""
        header = Header()
        if reading.start:
            for line in reading.head.removeprefix(b"\xef\xbb\xbf").split(b"\n")[:-1]:
                if line.startswith(b"#"):
                    header = header.after(line.rstrip(b"\r"))
        others = zeeklogs.Counted(reading.counts)
        for block in blocks(reading):
            if isinstance(block, Reject):
                yield block
                continue
            found: list[Batch] = []
            few: dict[str, Few] = {}
            for first, last, header_line in runs(block):
                if header_line:
                    header = header.after(line_of(block, first))
                    continue
                for item in _lines(block, first, last, header, others, few):
                    if isinstance(item, Reject):
                        yield item
                    else:
                        yield from _made(header.log, block, item, reading, found)
            for log, rest in few.items():
                part = rest.part()
                if part is not None:
                    yield from _made(log, block, part, reading, found)
            yield from zeeklogs.joined(found)
        yield from others.told("Zeek's log")


def runs(block: Block) -> Iterator[tuple[int, int, bool]]:
    """(first, last, header): each header line, and the runs of lines that are neither header nor blank."""
    starts, ends = block.starts, block.ends
    data: npt.NDArray[Any] = np.frombuffer(block.data, np.uint8)
    if not len(data):
        return
    begins = data[np.minimum(starts, len(data) - 1)]
    blank = (ends == starts) | ((begins == 13) & (ends == starts + 1))
    header = (begins == 35) & ~blank
    kind = np.where(blank, 2, np.where(header, 1, 0))
    cuts = np.flatnonzero(np.diff(kind)) + 1
    edges = [0, *cuts.tolist(), len(kind)]
    for a, b in pairwise(edges):
        if kind[a] == 0:
            yield a, b, False
        elif kind[a] == 1:
            for i in range(a, b):
                yield i, i + 1, True


def _made(log: str, block: Block, part: Part, reading: Reading, found: list[Batch]) -> Iterator[Reject]:
    for item in zeeklogs.batch(log, rowset(block, part, reading)):
        if isinstance(item, Reject):
            yield item
        else:
            found.append(item)


def _lines(
    block: Block, first: int, last: int, header: Header, others: zeeklogs.Counted, few: dict[str, Few]
) -> Iterator[Part | Reject]:
    offset, count = block.offsets_at(first), last - first
    if header.problem or not header.fields:
        what = header.problem or "no #fields line stands before these lines"
        yield Reject(offset, "header", what, line_of(block, first), count)
    elif header.layout is not None:
        yield from parts(block, first, last, header.layout, few.setdefault(header.log, Few()))
    elif header.log:
        others.add(header.log, offset, line_of(block, first), count)
    else:
        named = f"the log {header.path[:64]!r}" if header.path else "a log without #path"
        yield Reject(
            offset, _UNKNOWN, f"{named} is none of Zeek's, by its fields", line_of(block, first), count
        )
