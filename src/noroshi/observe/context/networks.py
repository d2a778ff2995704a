"""IP-to-AS and country tables as text: with a header (libloc's export, GeoLite2 ASN blocks, IPinfo) or without one
(iptoasn.com, DB-IP lite): first address, last address, then AS number, country and name.

Whole blocks are read as columns; only a block with a line that does not fit is taken apart line by line.
"""

from __future__ import annotations

import csv
import io
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe import csvrows
from noroshi.observe.context import ranges
from noroshi.observe.lines import Block, blocks
from noroshi.observe.rows import EARLIEST_US

_NETWORK: Final = ("network", "prefix", "cidr", "ip_range", "ip_prefix", "subnet")
_FIRST: Final = ("start_ip", "range_start", "ip_start", "first_ip", "start", "ip_from")
_LAST: Final = ("end_ip", "range_end", "ip_end", "last_ip", "end", "ip_to")
_ASN: Final = ("asn", "autonomous_system_number", "as_number", "aut_num", "as")
_NAME: Final = ("as_name", "autonomous_system_organization", "as_description", "as_org", "asn_name", "organization",
                "name")  # fmt: skip
_COUNTRY: Final = ("country_code", "country_iso_code", "cc", "country")
TEXT: Final = 200
"""Characters of a name that are kept."""


@dataclass(frozen=True)
class Layout:
    """Which column is what; -1 where there is none."""

    width: int
    delimiter: str
    first: int
    last: int = -1
    asn: int = -1
    name: int = -1
    country: int = -1
    quoted: bool = True


class NetworksCsvSensor:
    """A table with a header."""

    name = "networks-csv"
    version = 1
    doc = "IP-to-AS and country tables as CSV with a header: network or first and last address, AS, name, country."
    tables = ("networks",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """Columns for a network and for its AS or country, and a network in the next line."""
        found = csvrows.sniffed(head)
        layout = _by_header(found) if found else None
        if layout is None:
            return False
        second = [ln for ln in head.decode("utf-8", "replace").splitlines() if ln.strip() and ln[0] != "#"][
            1:2
        ]
        return not second or _network(_cells(second[0], layout), layout) is not None

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `networks`. Reasons: header, columns, network, line-length."""
        found = csvrows.sniffed(reading.head)
        layout = _by_header(found) if found else None
        if layout is None:
            yield Reject(0, "header", "no columns for a network and its AS or country", reading.head)
            return
        yield from _read(reading, layout, header=True)


class IpToAsnSensor:
    """A table without a header."""

    name = "iptoasn"
    version = 1
    doc = "IP-to-AS and country tables without a header: first and last address, AS, country, name (iptoasn.com)."
    tables = ("networks",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """Two addresses, the second not before the first, and an AS number or a country."""
        return _by_content(head) is not None

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `networks`. Reasons: columns, network, line-length."""
        layout = _by_content(reading.head)
        if layout is None:
            yield Reject(
                0, "columns", "the first line is no range of addresses with an AS or country", reading.head
            )
            return
        yield from _read(reading, layout, header=False)


def _by_header(found: csvrows.Header) -> Layout | None:
    names = [n.strip().lower() for n in found.names]

    def place(known: tuple[str, ...]) -> int:
        return next((names.index(k) for k in known if k in names), -1)

    network, first, last = place(_NETWORK), place(_FIRST), place(_LAST)
    asn, country = place(_ASN), place(_COUNTRY)
    if (network < 0 and (first < 0 or last < 0)) or (asn < 0 and country < 0):
        return None
    start, end = (network, -1) if network >= 0 else (first, last)
    return Layout(len(names), found.delimiter, start, end, asn, place(_NAME) if asn >= 0 else -1, country)


def _by_content(head: bytes) -> Layout | None:
    text = head[:1000].removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    line, newline, _ = text.partition("\n")
    line = line.rstrip("\r")
    if not line or (not newline and len(head) >= 1000):
        return None
    delimiter = "\t" if "\t" in line else ","
    layout = Layout(0, delimiter, 0, 1, quoted=delimiter == ",")
    cells = _cells(line, layout)
    if not 3 <= len(cells) <= 5 or _network(cells, layout) is None:
        return None
    rest = cells[2:]
    asn = next((2 + i for i, c in enumerate(rest) if re.fullmatch(r"(?:AS)?[0-9]{1,10}", c)), -1)
    country = next((2 + i for i, c in enumerate(rest) if re.fullmatch(r"[A-Z]{2}|None", c)), -1)
    if asn < 0 and country < 0:
        return None
    left = [i for i in range(2, len(cells)) if i not in (asn, country)]
    name = left[0] if left and asn >= 0 else -1
    return Layout(len(cells), delimiter, 0, 1, asn, name, country, layout.quoted)


def _cells(line: str, layout: Layout) -> list[str]:
    if not layout.quoted:
        return line.split(layout.delimiter)
    try:
        return next(csv.reader([line], delimiter=layout.delimiter), [])
    except csv.Error:
        return []


def _network(cells: list[str], layout: Layout) -> tuple[Any, Any] | None:
    """First and last address of a line; None when it has none."""
    if max(layout.first, layout.last) >= len(cells):
        return None
    if "%" in cells[layout.first] or "%" in cells[layout.last]:  # a zone means nothing on another machine
        return None
    try:
        if layout.last < 0:
            net = ipaddress.ip_network(cells[layout.first].strip(), strict=False)
            return net.network_address, net.broadcast_address
        first = ipaddress.ip_address(cells[layout.first].strip())
        last = ipaddress.ip_address(cells[layout.last].strip())
    except ValueError:
        return None
    if first.version != last.version or int(first) > int(last):
        return None
    return first, last


def _read(reading: Reading, layout: Layout, header: bool) -> Iterator[Batch | Reject]:
    ts = max(reading.source_date_us, EARLIEST_US)
    for block in blocks(reading):
        if isinstance(block, Reject):
            yield block
            continue
        skip = 0
        if header:
            skip, header = _header_lines(block), False
        start = int(block.ends[skip - 1]) + 1 if skip else 0
        table = _fast(block.data[start:], layout) if start < len(block.data) else None
        if table is not None and table.num_rows == len(block.ends) - skip:
            offsets = block.offsets[skip:]
        else:
            offsets, table, rejects = _slow(block, start, layout)
            yield from rejects
        if table is not None and table.num_rows:
            yield from _rows(table, offsets, layout, ts)
        reading.advance(len(block.data))


def _header_lines(block: Block) -> int:
    """Lines up to and with the header."""
    start = 0
    for i, end in enumerate(block.ends.tolist()):
        line = block.data[start:end].strip()
        start = end + 1
        if line and not line.startswith(b"#"):
            return i + 1
    return len(block.ends)


def _fast(data: bytes, layout: Layout) -> Any:
    """The lines as a table of strings; None when a line of them does not fit."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = [f"c{i}" for i in range(layout.width)]
    try:
        return arrow_csv.read_csv(
            io.BytesIO(data),
            read_options=arrow_csv.ReadOptions(
                column_names=names, use_threads=False, block_size=len(data) + 1
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=layout.delimiter,
                quote_char='"' if layout.quoted else False,
                ignore_empty_lines=False,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={n: pa.string() for n in names}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None


def _slow(block: Block, start: int, layout: Layout) -> tuple[Any, Any, list[Reject]]:
    import pyarrow as pa

    kept: list[list[str]] = []
    offsets, rejects = [], []
    for offset, line in block.lines():
        if offset < block.offset + start or line.startswith(b"#"):
            continue
        cells = _cells(line.decode("utf-8", "replace"), layout)
        if len(cells) != layout.width:
            detail = f"{len(cells):,} cells where there should be {layout.width}"
            rejects.append(Reject(offset, "columns", detail, line))
            continue
        kept.append(cells)
        offsets.append(offset)
    columns = {f"c{i}": pa.array([k[i] for k in kept], pa.string()) for i in range(layout.width)}
    return np.array(offsets, np.int64), pa.table(columns), rejects


def _rows(table: Any, offsets: Any, layout: Layout, ts: int) -> Iterator[Batch | Reject]:
    first = table[f"c{layout.first}"].combine_chunks()
    last = table[f"c{layout.last}"].combine_chunks() if layout.last >= 0 else None
    right, low, bits = ranges.parse4(first, last is None)
    if last is None:
        low &= ~(ranges.FULL >> bits.astype(np.uint64))  # host bits are cleared
        high = ranges.last4(low, bits)
    else:
        ends, high, _ = ranges.parse4(last, False)
        right &= ends & (low <= high)
        bits = ranges.length4(low, np.maximum(low, high))
    some = np.flatnonzero(right)
    if len(some):
        columns = {
            "low": ranges.packed4(low[some]), "high": ranges.packed4(high[some]),
            "prefix": ranges.texts4(low[some], bits[some]),
        }  # fmt: skip
        yield ranges.batch(ts, offsets[some], columns | _words(table, some, layout))
    others = np.flatnonzero(~right)
    if len(others):
        yield from _others(table, offsets, others, layout, ts)


def _others(table: Any, offsets: Any, rows: Any, layout: Layout, ts: int) -> Iterator[Batch | Reject]:
    """Rows that are not plain IPv4: IPv6, and what is no network."""
    import pyarrow as pa

    starts = table[f"c{layout.first}"].take(pa.array(rows)).to_pylist()
    ends = table[f"c{layout.last}"].take(pa.array(rows)).to_pylist() if layout.last >= 0 else starts
    pair = Layout(2, layout.delimiter, 0, 1 if layout.last >= 0 else -1)
    kept, low, high, prefix = [], [], [], []
    for row, start, end in zip(rows.tolist(), starts, ends, strict=True):
        found = _network([start, end], pair)
        if found is None:
            yield Reject(
                int(offsets[row]),
                "network",
                "no range of addresses",
                f"{start} {end}".encode("utf-8", "replace"),
            )
            continue
        version = bytes([found[0].version])
        kept.append(row)
        low.append(version + found[0].packed)
        high.append(version + found[1].packed)
        prefix.append(_prefix(*found))
    if kept:
        some = np.array(kept, np.int64)
        columns = {"low": pa.array(low, pa.binary()), "high": pa.array(high, pa.binary()),
                   "prefix": pa.array(prefix, pa.string())}  # fmt: skip
        yield ranges.batch(ts, offsets[some], columns | _words(table, some, layout))


def _prefix(first: Any, last: Any) -> str | None:
    size = int(last) - int(first) + 1
    if size & (size - 1) or int(first) & (size - 1):
        return None
    return f"{first}/{first.max_prefixlen - size.bit_length() + 1}"


def _words(table: Any, some: Any, layout: Layout) -> dict[str, Any]:
    """The columns asn, as_name and country of some rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    compute: Any = pc
    nothing: Any = pa.nulls(len(some), pa.string())
    index = pa.array(some)

    def column(number: int) -> Any:
        return table[f"c{number}"].combine_chunks().take(index) if number >= 0 else nothing

    asn = ranges.as_numbers(column(layout.asn)) if layout.asn >= 0 else nothing
    name = compute.utf8_slice_codeunits(compute.utf8_trim_whitespace(column(layout.name)), 0, TEXT)
    named = compute.and_(compute.is_valid(asn), compute.fill_null(compute.not_equal(name, ""), False))
    country = compute.utf8_upper(compute.utf8_trim_whitespace(column(layout.country)))
    known = compute.fill_null(compute.match_substring_regex(country, "^[A-Z]{2}$"), False)
    return {
        "asn": asn, "as_name": compute.if_else(named, name, pa.scalar(None, pa.string())),
        "country": compute.if_else(known, country, pa.scalar(None, pa.string())),
    }  # fmt: skip
