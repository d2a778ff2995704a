"""Lines with a separator turned into typed Arrow columns: by pyarrow where a block is sound, else line by line.

pyarrow reads a block at 0.4 µs a line of 21 fields but gives the whole block up for one bad value. A block that
fails is cut in halves until the bad lines stand in a small piece, and that piece is read in Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from noroshi.model.reject import Reject
from noroshi.observe.lines import Block
from noroshi.observe.netlog.values import compute

Ints = npt.NDArray[np.int64]

PIECE: Final = 256
"""Lines below which a piece is read in Python: 10 µs a line there, some 300 µs for each call of pyarrow."""
MOST_FIELDS: Final = 1024
"""Fields of a line; Zeek's widest log has about 60."""
_INT64: Final = 1 << 63
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(\\))")
_INT = re.compile(r"-?[0-9]{1,19}")
_FLOAT = re.compile(
    r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,3})?|[+-]?(?:nan|inf)"
)

KINDS: Final = ("float", "int", "enum", "text", "bool", "texts")
"""Kinds of fields. enum: a text that repeats, dictionary-encoded. texts: several, in one field."""


@dataclass(frozen=True)
class Layout:
    """How the lines are to be read."""

    fields: tuple[str, ...]
    """Names of the fields, in order; of two with one name the first counts."""
    wanted: dict[str, str]
    """The fields that are read, and the kind of each."""
    separator: str = "\t"
    null: str = "-"
    empty: str = "(empty)"
    """What stands for an empty text or an empty set; `` when nothing does."""
    set_separator: str = ","
    escaped: bool = False
    """`\\xNN` and `\\\\` stand for bytes, as in Zeek's logs."""
    fewer: int = 0
    """So many fields at the end may be missing."""

    def places(self) -> dict[str, int]:
        """The index of each wanted field that there is."""
        return {n: self.fields.index(n) for n in self.wanted if n in self.fields}


@dataclass(frozen=True)
class Part:
    """Some lines of a block as columns."""

    raw: dict[str, Any]
    """Arrow arrays by field name."""
    rows: Ints
    """The index in the block of each row's line."""


def line_of(block: Block, i: int) -> bytes:
    """Line i of the block, without its end."""
    start = int(block.ends[i - 1]) + 1 if i else 0
    return block.data[start : int(block.ends[i])].rstrip(b"\r")


class Few:
    """Lines of a block that were read one by one, gathered so that they become columns together."""

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._held: dict[str, tuple[str, list[Any]]] = {}

    def add(self, i: int, row: dict[str, Any], kinds: dict[str, str]) -> None:
        """Takes line i of the block; rows of other layouts may lack some of its fields."""
        for name, value in row.items():
            if name not in self._held:
                self._held[name] = (kinds[name], [None] * len(self._rows))
            self._held[name][1].append(value)
        self._rows.append(i)
        if len(row) < len(self._held):
            for _, values in self._held.values():
                if len(values) < len(self._rows):
                    values.append(None)

    def part(self) -> Part | None:
        """All of them; None for none."""
        import pyarrow as pa

        if not self._rows:
            return None
        types = _types() | {"texts": pa.list_(pa.string())}
        raw = {n: pa.array(values, types[kind]) for n, (kind, values) in self._held.items()}
        return Part(raw, np.array(self._rows, np.int64))


def parts(block: Block, first: int, last: int, layout: Layout, few: Few) -> Iterator[Part | Reject]:
    """Lines first .. last-1 of a block, none of them blank, as columns; a reject for each line that is none.

    Lines that are read one by one are left in `few`, for the end of the block.
    """
    waiting = [(first, last)]
    places = layout.places()
    while waiting:
        a, b = waiting.pop()
        if a >= b:
            continue
        quick = _quick(block, a, b, layout, places) if b - a > PIECE else None
        if quick is not None:
            yield quick
        elif b - a <= PIECE:
            yield from _slow(block, a, b, layout, places, few)
        else:
            half = (a + b) // 2
            waiting += [(half, b), (a, half)]


def _types() -> dict[str, Any]:
    import pyarrow as pa

    return {
        "float": pa.float64(), "int": pa.int64(), "enum": pa.dictionary(pa.int32(), pa.string()),
        "text": pa.string(), "texts": pa.string(), "bool": pa.bool_(),
    }  # fmt: skip


def _quick(block: Block, a: int, b: int, layout: Layout, places: dict[str, int]) -> Part | None:
    import pyarrow as pa
    import pyarrow.csv

    reader: Any = pyarrow.csv  # its stubs know no buffers

    start = int(block.ends[a - 1]) + 1 if a else 0
    end = min(int(block.ends[b - 1]) + 1, len(block.data))
    types = _types()
    names = [str(i) for i in range(len(layout.fields))]
    chosen = {str(i): types[layout.wanted[n]] for n, i in places.items()}
    try:
        got: Any = reader.read_csv(
            pa.py_buffer(memoryview(block.data)[start:end]),
            read_options=reader.ReadOptions(
                use_threads=False, block_size=max(end - start + 1, 64), column_names=names
            ),
            parse_options=reader.ParseOptions(
                delimiter=layout.separator, quote_char=False, double_quote=False, escape_char=False
            ),
            convert_options=reader.ConvertOptions(
                column_types=chosen, include_columns=list(chosen), null_values=[layout.null],
                strings_can_be_null=True, true_values=["T", "true"], false_values=["F", "false"],
            ),
        )  # fmt: skip
    except (pa.ArrowInvalid, pa.ArrowKeyError):
        return None
    if got.num_rows != b - a:  # a carriage return inside a line, or a blank one
        return None
    piece = block.data[start:end] if layout.escaped or layout.empty else b""
    marks = b"\\" in piece if layout.escaped else False
    hollow = bool(layout.empty) and layout.empty.encode() in piece
    raw = {}
    for name, i in places.items():
        column = got[str(i)].combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
        raw[name] = _finished(column, layout.wanted[name], layout, marks, hollow)
    return Part(raw, np.arange(a, b))


def _finished(column: Any, kind: str, layout: Layout, marks: bool, hollow: bool) -> Any:
    """The column with sets cut up, escapes undone and the sign for nothing taken as nothing."""
    import pyarrow as pa

    pc = compute()

    if kind == "texts":
        return _cut_up(column, layout, marks, hollow)
    if kind not in ("text", "enum") or not (marks or hollow):
        return column
    if kind == "enum":
        inner = _finished(column.dictionary, "text", layout, marks, hollow)
        return pa.DictionaryArray.from_arrays(column.indices, inner)
    if hollow:
        column = pc.if_else(pc.equal(column, layout.empty), "", column)
    return unescaped(column) if marks else column


def _cut_up(column: Any, layout: Layout, marks: bool, hollow: bool) -> Any:
    import pyarrow as pa

    pc = compute()

    if hollow:
        none = pc.equal(column, layout.empty)
        lists = pc.split_pattern(pc.if_else(none, None, column), layout.set_separator)
        if pc.any(none).as_py():
            lists = pc.if_else(none.fill_null(False), pa.scalar([], lists.type), lists)
    else:
        lists = pc.split_pattern(column, layout.set_separator)
    if not marks or not len(lists.values):
        return lists
    return pa.ListArray.from_arrays(lists.offsets, unescaped(lists.values), mask=lists.is_null())


def unescaped(column: Any) -> Any:
    """Texts with `\\xNN` and `\\\\` undone where they stand; bytes that are no UTF-8 stay as `\\xNN`."""
    import pyarrow as pa

    pc = compute()

    has = pc.match_substring(column, "\\").fill_null(False)
    if not pc.any(has).as_py():
        return column
    changed = [unescape(t) for t in column.filter(has).to_pylist()]
    return pc.replace_with_mask(column, has, pa.array(changed, pa.string()))


def unescape(text: str) -> str:
    """One text with `\\xNN` and `\\\\` undone."""
    raw = _ESCAPE.sub(lambda m: bytes([int(m[1], 16)]) if m[1] else b"\\", text.encode())
    return raw.decode("utf-8", "backslashreplace")


def _slow(block: Block, a: int, b: int, layout: Layout, places: dict[str, int], few: Few) -> Iterator[Reject]:
    separator, least, most = layout.separator.encode(), len(layout.fields) - layout.fewer, len(layout.fields)
    for i in range(a, b):
        line = line_of(block, i)
        found = line.split(separator, most)
        if not least <= len(found) <= most:
            problem = f"{_told(len(found), most)} fields, {most} expected"
            yield Reject(block.offsets_at(i), "fields", problem, line)
            continue
        row, problem = _row(found, layout, places)
        if problem:
            yield Reject(block.offsets_at(i), "value", problem, line)
        else:
            few.add(i, row, layout.wanted)


def _told(found: int, most: int) -> str:
    return f"more than {most}" if found > most else str(found)


def _row(found: Sequence[bytes], layout: Layout, places: dict[str, int]) -> tuple[dict[str, Any], str]:
    """The wanted values of a line, or what is wrong with it."""
    row: dict[str, Any] = {}
    for name, i in places.items():
        text = found[i].decode("utf-8", "backslashreplace") if i < len(found) else layout.null
        kind = layout.wanted[name]
        if text == layout.null:
            row[name] = None
            continue
        try:
            row[name] = _value(text, kind, layout)
        except ValueError:
            return row, f"{name} is {text[:64]!r}, which is no {kind}"
    return row, ""


def _value(text: str, kind: str, layout: Layout) -> Any:
    if kind in ("int", "float"):
        text = text.strip()  # some tools pad their columns
    if kind == "int":
        if not _INT.fullmatch(text) or not -_INT64 <= int(text) < _INT64:
            raise ValueError
        return int(text)
    if kind == "float":
        if not _FLOAT.fullmatch(text):
            raise ValueError
        return float(text)
    if kind == "bool":
        if text not in ("T", "F", "true", "false"):
            raise ValueError
        return text in ("T", "true")
    undone = unescape if layout.escaped and "\\" in text else str
    if kind == "texts":
        return [] if text == layout.empty else [undone(t) for t in text.split(layout.set_separator)]
    return "" if text == layout.empty else undone(text)
