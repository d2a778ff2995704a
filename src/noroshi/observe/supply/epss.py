"""EPSS: the daily scores of FIRST, a CSV with a comment before its header.

    #model_version:v2023.03.01,score_date:2024-10-01T00:00:00+0000
    cve,epss,percentile
    CVE-1999-0001,0.00383,0.73127

Whole blocks are parsed as columns; only a block with a bad line is read line by line.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any, Final

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.lines import Block, blocks
from noroshi.observe.rows import EARLIEST_US, in_time, micros
from noroshi.observe.supply.documents import number

_CVE: Final = r"^CVE-[0-9]{4}-[0-9]{4,19}$"
_HEADER: Final = ("cve", "epss", "percentile")
_DATE: Final = re.compile(rb"score_date:([0-9T:.+Z-]{1,40})")


class EpssSensor:
    """Scores of one day."""

    name = "epss"
    version = 1
    doc = "EPSS scores: FIRST's CSV of one day, with its comment line."
    tables = ("vulnerabilities",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """The comment, or the header."""
        text = head.removeprefix(b"\xef\xbb\xbf")
        return text.startswith((b"#model_version:", b"cve,epss"))

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `vulnerabilities`. Reasons: time (the scores' date), header, epss (a line that is none)."""
        found = _DATE.search(reading.head.partition(b"\n")[0]) if reading.head.startswith(b"#") else None
        ts = micros(found[1].decode()) if found else max(reading.source_date_us, EARLIEST_US)
        if found and not in_time(ts, reading):
            detail = f"scores of {found[1].decode()}, which cannot be of this source's date"
            reading.problem = detail
            yield Reject(0, "time", detail, reading.head)
            return
        width = 0
        for block in blocks(reading):
            if isinstance(block, Reject):
                yield block
                continue
            if not width:
                width, skip, reject = _header(block)
                if reject:
                    yield reject
                    return
                yield from _rows(block, skip, width, ts or 0)
            else:
                yield from _rows(block, 0, width, ts or 0)
            reading.advance(len(block.data))


def _header(block: Block) -> tuple[int, int, Reject | None]:
    """(columns, lines to skip, reject): the header is the first line that is no comment."""
    start = 0
    for i, end in enumerate(block.ends.tolist()[:50]):
        line = block.data[start:end].strip()
        start = end + 1
        if not line or line.startswith(b"#"):
            continue
        names = line.decode("utf-8", "replace").lower().split(",")
        if tuple(names) == _HEADER[: len(names)] and len(names) >= 2:
            return len(names), i + 1, None
        return 0, 0, Reject(block.offset + start, "header", "the first line is not cve,epss,percentile", line)
    return 0, 0, Reject(block.offset, "header", "no line names the columns", block.data[:64])


def _rows(block: Block, skip: int, width: int, ts: int) -> Iterator[Batch | Reject]:
    count = len(block.ends) - skip
    if count <= 0:
        return
    start = int(block.ends[skip - 1]) + 1 if skip else 0
    table = _fast(block.data[start:], width)
    if table is not None and table.num_rows == count:
        yield _batch(table, block.offsets[skip:], ts)
        return
    kept: list[tuple[int, str, float, float | None]] = []
    for offset, line in block.lines():
        if offset < block.offset + start or line.startswith(b"#"):
            continue
        one = _one(line, width)
        if one is None:
            yield Reject(offset, "epss", "not a CVE with a probability from 0 to 1", line)
        else:
            kept.append((offset, *one))
    if kept:
        import pyarrow as pa

        offsets, ids, scores, shares = zip(*kept, strict=True)
        table = pa.table({"cve": pa.array(ids), "epss": pa.array(scores, pa.float64()),
                          "percentile": pa.array(shares, pa.float64())})  # fmt: skip
        yield _batch(table, list(offsets), ts)


def _fast(data: bytes, width: int) -> Any:
    """The block as a table, or None when a line of it is not as it should be."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    names = list(_HEADER[:width])
    types = {"cve": pa.string(), "epss": pa.float64(), "percentile": pa.float64()}
    try:
        table: Any = csv.read_csv(
            io.BytesIO(data),
            read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=len(data) + 1),
            convert_options=csv.ConvertOptions(column_types={n: types[n] for n in names}),
        )
    except pa.ArrowInvalid:
        return None
    for name in names[1:]:
        span: Any = pc.min_max(table[name])
        low, high = span["min"].as_py(), span["max"].as_py()
        if table[name].null_count or low is None or low < 0 or high > 1 or high != high:
            return None
    right = pc.all(pc.match_substring_regex(table["cve"], _CVE)).as_py()
    return table if right else None


def _one(line: bytes, width: int) -> tuple[str, float, float | None] | None:
    cells = [c.strip() for c in line.decode("utf-8", "replace").split(",")]
    if len(cells) != width or not re.fullmatch(_CVE, cells[0].upper()):
        return None
    values = [number(c) for c in cells[1:]]
    if any(v is None or not 0 <= v <= 1 for v in values):
        return None
    return cells[0].upper(), values[0] or 0.0, values[1] if width > 2 else None


def _batch(table: Any, offsets: Any, ts: int) -> Batch:
    import pyarrow as pa

    n = table.num_rows
    columns = {
        "ts": pa.repeat(pa.scalar(ts, pa.timestamp("us", tz="UTC")), n),
        "id": table["cve"],
        "origin": pa.repeat(pa.scalar("epss"), n),
        "epss": table["epss"],
        "offset": pa.array(offsets, pa.int64()),
    }
    if "percentile" in table.column_names:
        columns["epss_percentile"] = table["percentile"]
    return Batch("vulnerabilities", pa.table(columns))
