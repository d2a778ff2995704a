"""What `nfdump -o csv` prints: NetFlow and IPFIX records, told by the header.

nfdump up to 1.7.3 names the fields ts, te, td, sa, ...; later versions firstSeen, duration, srcAddr, ... It prints
local time without a zone: run it under TZ=UTC, times are taken as UTC.
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
from noroshi.observe.netlog.values import compute

_KINDS: Final = {
    "first": "text", "last": "text", "duration": "float", "src": "enum", "dst": "enum", "sport": "enum",
    "dport": "enum", "proto": "enum", "flags": "enum", "packets": "int", "bytes": "int", "out_packets": "int",
    "out_bytes": "int",
}  # fmt: skip
_NAMES: Final = {
    "first": "ts firstseen first tsr", "last": "te lastseen last ter", "duration": "td duration", "src": "sa srcaddr",
    "dst": "da dstaddr", "sport": "sp srcport", "dport": "dp dstport", "proto": "pr proto",
    "flags": "flg flags tcpflags", "packets": "ipkt pkt packets inpackets in_packets",
    "bytes": "ibyt byt bytes inbytes in_bytes", "out_packets": "opkt outpackets out_packets",
    "out_bytes": "obyt outbytes out_bytes",
}  # fmt: skip
_ALIASES: Final = {a: (n, _KINDS[n]) for n, names in _NAMES.items() for a in names.split()}
_NEEDED: Final = {"first", "src", "dst", "proto"}


class NfdumpSensor:
    """Reads nfdump's CSV, with the header of old and new versions; the summary at the end is passed over."""

    name = "nfdump"
    version = 1
    doc = "NetFlow and IPFIX records as printed by `nfdump -o csv` (with its header; under TZ=UTC)."
    tables = ("connections",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """True when the first line is nfdump's header."""
        return _header(flowcsv.first_line(head)) is not None

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `connections`, one for each record; a reject for each line that does not fit."""
        yield from flowcsv.read(
            reading, "connections", _header, _flows, lambda line: line.strip() == b"Summary"
        )


def _header(line: bytes) -> Layout | None:
    if not line[:1].isalpha():
        return None
    found = flowcsv.layout(flowcsv.names(line), _ALIASES)
    return found if set(found.wanted) >= _NEEDED and {"packets", "bytes"} & set(found.wanted) else None


_BACK: Final = {"dst_packet_count": "out_packets", "dst_byte_count": "out_bytes"}


def _unless_zero(column: Any) -> Any:
    pc = compute()
    return pc.if_else(pc.equal(column, 0), None, column)


def _icmp(sport: Any, dport: Any, protocol: Any) -> tuple[Any, Any]:
    """Type and code of ICMP, which NetFlow packs into the destination port, in their places as in Zeek's logs."""
    import pyarrow as pa

    first, last = (c.to_numpy(zero_copy_only=False) for c in (sport, dport))
    packed = np.isin(protocol.to_numpy(zero_copy_only=False), (1, 58)) & (first == 0)
    if not packed.any():
        return sport, dport
    return (
        pa.array(np.where(packed, last >> 8, first), pa.int32()),
        pa.array(np.where(packed, last & 255, last), pa.int32()),
    )


def _flows(rows: Rowset) -> Any:
    began = rows.stamps("first")
    if rows.has("duration"):  # to the millisecond, where `te` has whole seconds
        ended = rows.after(began, "duration")
    else:
        ended = np.maximum(rows.stamps("last"), began) if rows.has("last") else began
    protocol = rows.protocol("proto")
    sport, dport = _icmp(*rows.ports("sport", "dport"), protocol)
    # A record of one direction carries zeros for the other: nothing was counted there.
    back = {n: _unless_zero(rows.count_of(f)) for n, f in _BACK.items()}
    return rows.table(
        "connections", first_seen=began, last_seen=ended, src_ip=rows.address("src"), src_port=sport,
        dst_ip=rows.address("dst"), dst_port=dport, protocol=protocol, state=rows.text("flags"),
        src_packet_count=rows.count_of("packets"), src_byte_count=rows.count_of("bytes"), **back,
    )  # fmt: skip
