"""NICT Darknet Dataset 2022: one TCP SYN a line as CSV, the source address hashed.

Experimental: written from the data set's page (csdataset.nict.go.jp/darknet-2022), which names five columns: time in
seconds since 1970, hash of the source's upper 16 bits, hash of the source, lower 16 bits of the destination, and
destination port. A hash is no address, so nothing of it can be told as one or linked: the rows stand in
`masked_packets`, not in `flows` or `connections`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.netlog import flowcsv
from noroshi.observe.netlog.columns import Rowset
from noroshi.observe.netlog.delimited import Layout
from noroshi.observe.netlog.values import coded

_COLUMNS: Final = ("ts", "src_net_hash", "src_hash", "dst_low", "dst_port")
_WANTED: Final = {
    "ts": "float",
    "src_net_hash": "enum",
    "src_hash": "enum",
    "dst_low": "enum",
    "dst_port": "int",
}
_LAYOUT: Final = Layout(_COLUMNS, _WANTED, ",", null="", empty="")
_HEADER: Final = re.compile(
    r"(?:timestamp|time|ts)\s*,\s*hash\[ip\.src\.upper16\]\s*,\s*hash\[ip\.src\.32\]\s*,\s*ip\.dst\.lower16\s*,\s*tcp\.dstport"
)
_ROW: Final = re.compile(
    rb"1[0-9]{9}(?:\.[0-9]{1,9})?,[0-9A-Fa-f]{8,128},[0-9A-Fa-f]{8,128},[0-9]{1,5}(?:\.[0-9]{1,3})?,[0-9]{1,5}\r?"
)


class NictSensor:
    """Reads the CSV files of the NICT Darknet Dataset 2022."""

    name = "nict-darknet"
    version = 1
    doc = (
        "NICT Darknet Dataset 2022 CSV: hashed sources, so its rows stand in `masked_packets` and link to nothing. "
        "Experimental."
    )
    tables = ("masked_packets",)
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True for its header, or for lines of a time, two hashes, half an address and a port."""
        if _header(flowcsv.first_line(head)) is not None:
            return True
        lines = head.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        whole = lines[: 5 if len(lines) > 5 else max(len(lines) - 1, 1)]
        return all(_ROW.fullmatch(line) for line in whole)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `masked_packets`; a reject for each line that does not fit."""
        yield from flowcsv.read(reading, "masked_packets", _header, _packets, always=_LAYOUT)


def _header(line: bytes) -> Layout | None:
    text = line[:200].decode("utf-8", "replace").strip().lower().replace('"', "")
    return _LAYOUT if _HEADER.fullmatch(text) else None


def _packets(rows: Rowset) -> Any:
    import pyarrow as pa

    low = coded(rows.text("dst_low"))
    halves = np.array([*(_half(t) for t in low.dictionary.to_pylist()), -1], np.int32)
    values = halves[low.indices.fill_null(len(halves) - 1).to_numpy(zero_copy_only=False)]
    rows.fail(values < 0, "address", "ip.dst.lower16 is not between 0 and 65,535")
    rows.fail(rows.nulls("src_hash"), "value", "there is no hash of the source")
    return rows.table(
        "masked_packets", ts=rows.micros("ts"), src_hash=rows.text("src_hash"), src_net_hash=rows.text("src_net_hash"),
        dst_low=pa.array(values.clip(0), pa.int32()), dst_port=rows.port("dst_port"),
        protocol=pa.array(np.full(rows.count, 6), pa.int16()),
    )  # fmt: skip


def _half(text: str | None) -> int:
    """Lower 16 bits as a number or as its two last bytes with a dot; -1 for anything else."""
    found = re.fullmatch(r"([0-9]{1,5})(?:\.([0-9]{1,3}))?", (text or "").strip())
    if not found:
        return -1
    high, low = int(found[1]), found[2]
    if low is None:
        return high if high <= 65_535 else -1
    return high << 8 | int(low) if high <= 255 and int(low) <= 255 else -1
