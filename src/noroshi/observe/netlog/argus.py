"""Argus flows as comma-separated values (`ra -n -c , ...`, the *.binetflow files of the CTU data sets).

Experimental: written from the documentation of ra(1) and three real files. Names of services instead of port numbers
are rejected (print with -n); times without a zone are taken as UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.netlog import flowcsv
from noroshi.observe.netlog.columns import Rowset
from noroshi.observe.netlog.delimited import Layout
from noroshi.observe.netlog.values import compute, plain_text

_ALIASES: Final = {
    "starttime": ("first", "text"), "dur": ("duration", "float"), "proto": ("proto", "enum"),
    "srcaddr": ("src", "enum"), "sport": ("sport", "enum"), "dstaddr": ("dst", "enum"), "dport": ("dport", "enum"),
    "state": ("state", "enum"), "totpkts": ("packets", "int"), "totbytes": ("bytes", "int"),
    "srcpkts": ("src_packets", "int"), "dstpkts": ("dst_packets", "int"), "srcbytes": ("src_bytes", "int"),
    "dstbytes": ("dst_bytes", "int"),
}  # fmt: skip
_NEEDED: Final = {"first", "proto", "src", "dst"}
_OVER_UDP: Final = ("rtp", "rtcp", "udt")
"""What Argus prints as the protocol although it runs over UDP."""


class ArgusSensor:
    """Reads Argus flows as CSV with ra's header."""

    name = "argus"
    version = 1
    doc = "Argus flows as CSV (`ra -n -c ,`, *.binetflow). Experimental."
    tables = ("connections",)
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True when the first line is ra's header."""
        return _header(flowcsv.first_line(head)) is not None

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `connections`; a reject for each line that does not fit (ARP and other traffic without IP too)."""
        yield from flowcsv.read(reading, "connections", _header, _flows)


def _header(line: bytes) -> Layout | None:
    if (
        not line.startswith((b"StartTime,", b"SrcAddr,", b"Rank,", b"Flgs,", b"Seq,"))
        and b",StartTime," not in line
    ):
        return None
    fields = flowcsv.names(line)
    # ra leaves the empty label of the last column out in some versions.
    found = flowcsv.layout(fields, _ALIASES, fewer=1 if fields and fields[-1].lower() == "label" else 0)
    return found if set(found.wanted) >= _NEEDED else None


def _icmp(sport: Any, dport: Any, protocol: Any) -> tuple[Any, Any]:
    """Type and code of ICMP, which Argus prints as one number (0x0008 is an echo request), in their two places."""
    import pyarrow as pa

    first, last, number = (c.to_numpy(zero_copy_only=False) for c in (sport, dport, protocol))
    icmp = np.isin(number, (1, 58))
    return (
        pa.array(np.where(icmp, first & 255, first), pa.int32()),
        pa.array(np.where(icmp, first >> 8, last), pa.int32()),
    )


def _flows(rows: Rowset) -> Any:
    import pyarrow as pa

    pc = compute()
    protocol = plain_text(rows.text("proto"))
    over = pc.is_in(protocol, value_set=pa.array(_OVER_UDP))
    rows.raw = {**rows.raw, "proto": pc.if_else(over, "udp", protocol)}
    began = rows.stamps("first")
    numbers = rows.protocol("proto")
    sport, dport = _icmp(*rows.ports("sport", "dport"), numbers)
    counts = {}
    for what, total in (("packet", "packets"), ("byte", "bytes")):
        src, dst, whole = (rows.count_of(n) for n in (f"src_{total}", f"dst_{total}", total))
        counts[f"src_{what}_count"] = src
        rest = pc.subtract(whole, src)
        rows.fail(
            pc.less(rest, 0).fill_null(False).to_numpy(zero_copy_only=False), "count", f"fewer {total} in all"
        )
        counts[f"dst_{what}_count"] = pc.coalesce(dst, rest)
    return rows.table(
        "connections", first_seen=began, last_seen=rows.after(began, "duration"), src_ip=rows.address("src"),
        src_port=sport, dst_ip=rows.address("dst"), dst_port=dport, protocol=numbers,
        service=pc.if_else(over, protocol, None), state=rows.text("state"), **counts,
    )  # fmt: skip
