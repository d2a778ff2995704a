"""CAIDA's FlowTuple records (Corsaro 3, STARDUST) in Avro: version 4 and the one before.

Experimental: written from the schemas in Corsaro's source; no sample is public. A FlowTuple lacks what `flows` keeps
of a packet (IP identification, sequence numbers, order of options), so its rows stand in `connections`. Version 4
names only the destination network: `dst_ip` is its first address. The source port is told when all packets had one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from noroshi.model.errors import SourceError
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.netlog import avro
from noroshi.observe.rows import Rows, in_time

_NEEDED: Final = {"time", "src_ip", "dst_port", "protocol", "packet_cnt"}


class FlowTupleSensor:
    """Reads FlowTuple files of CAIDA's telescope."""

    name = "flowtuple"
    version = 1
    doc = (
        "CAIDA FlowTuple in Avro, version 4 and the one before: rows of `connections`; version 4 names destinations "
        "by network only. Experimental."
    )
    tables = ("connections",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """True for an Avro container whose schema is Corsaro's."""
        return head.startswith(avro.MAGIC) and b"org.caida.corsaro" in head and b"flowtuple" in head

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `connections`; a reject for each record that does not fit, and for each block that is broken.

        Raises SourceError when the container has no sound head.
        """
        try:
            source = avro.Reader(reading.stream)
            decode = avro.decoder(source.schema)
            named = {f["name"] for f in source.schema["fields"] if isinstance(f, dict)}
        except (avro.Broken, ValueError) as e:
            raise SourceError(
                str(e), where=reading.name, todo="Give a FlowTuple file as Corsaro writes it."
            ) from None
        if not named >= _NEEDED or not named & {"dst_ip", "dst_net"}:
            raise SourceError(
                "the schema is none of FlowTuple's", where=reading.name, todo="Give a file of version 3 or 4."
            )
        rows = Rows()
        try:
            for block in source.blocks():
                yield from _block(block, decode, rows, reading)
                yield from rows.ready()
        except avro.Broken as e:
            reading.problem = (
                f"the file breaks off at byte {e.position:,}: {e.what}; what stood before was kept"
            )
            yield Reject(e.position, "block", e.what)
        yield from rows.rest()


def _block(block: avro.Block, decode: Any, rows: Rows, reading: Reading) -> Iterator[Batch | Reject]:
    if block.problem:
        yield Reject(block.offset, "block", block.problem, b"", max(block.count, 1))
        return
    at = 0
    for done in range(block.count):
        try:
            record, after = decode(block.data, at)
        except (ValueError, IndexError) as e:
            yield Reject(block.offset, "record", str(e), block.data[at : at + 64], block.count - done)
            return
        problem = _add(record, block.offset, rows, reading)
        if problem:
            yield Reject(block.offset, *problem, block.data[at:after])
        if after == at:  # a count of billions would keep us here
            yield Reject(block.offset, "record", "records of no bytes", b"", max(block.count - done - 1, 1))
            return
        at = after
        if done % 10_000 == 0:
            yield from rows.ready()


def _add(record: dict[str, Any], offset: int, rows: Rows, reading: Reading) -> tuple[str, str] | None:
    """Adds a row; or why not, as (reason, detail)."""
    values = {n: v for n, v in record.items() if isinstance(v, int)}
    us = values.get("time", -1) * 1_000_000
    if not in_time(us, reading):
        return "time", f"time {values.get('time')} is not between 1990 and a day after the source's date"
    ends = [values.get("src_ip", -1), values.get("dst_ip", values.get("dst_net", -1))]
    if not all(0 <= x < 1 << 32 for x in ends):
        return "address", "an address of more than 32 bits"
    protocol, packets = values.get("protocol", -1), values.get("packet_cnt", -1)
    if not 0 <= protocol <= 255:
        return "protocol", f"protocol {protocol} is none of IP's"
    if not 0 <= packets < 1 << 47:
        return "count", f"packet_cnt is {packets}"
    sport, dport = _ports(record, values, protocol)
    if not (0 <= sport <= 65_535 and 0 <= dport <= 65_535):
        return "port", "a port is not between 0 and 65,535"
    length = values.get("ip_len")
    rows.add(
        "connections", first_seen=us, last_seen=us, src_ip=b"\x04" + ends[0].to_bytes(4), src_port=sport,
        dst_ip=b"\x04" + ends[1].to_bytes(4), dst_port=dport, protocol=protocol, src_packet_count=packets,
        src_byte_count=length * packets if length is not None and 0 <= length <= 65_535 else None, offset=offset,
    )  # fmt: skip
    return None


def _ports(record: dict[str, Any], values: dict[str, int], protocol: int) -> tuple[int, int]:
    """Source and destination port; type and code for ICMP, which version 4 packs into the destination port."""
    dport = values.get("dst_port", 0)
    if "src_port" in values:
        return values["src_port"], dport
    if protocol == 1:
        return dport >> 8, dport & 255
    common = record.get("common_srcports")
    one = values.get("uniq_src_ports") == 1 and isinstance(common, list) and len(common) == 1
    return (common[0] if one and isinstance(common, list) else 0), dport
