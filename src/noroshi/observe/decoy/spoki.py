"""Spoki's raw logs, a reactive telescope: packets that came and how it answered, as CSV with bars or as JSON.

A packet is a row of `connections` (state: its TCP flags, of A R S F); what it carried is a
row of `commands`, bytes that do not print as \\xNN. Source: inetrg/spoki, spoki/libspoki/src/collector.cpp,
packet.cpp and net/tcp.cpp at 85c916a (2024-12), logs/example. The JSON form is read from the code alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe import csvrows
from noroshi.observe.decoy.gather import host, port, written
from noroshi.observe.decoy.mentions import mentions
from noroshi.observe.jsonlines import Lines, first_object
from noroshi.observe.rows import Rows, in_time

FIRST: Final = ["ts", "saddr", "daddr", "ipid", "ttl", "proto"]
"""The columns the header begins with."""
PROTOCOLS: Final = {"icmp": 1, "tcp": 6, "udp": 17}
FLAGS: Final = (("ack", "A"), ("rst", "R"), ("syn", "S"), ("fin", "F"))
HEX: Final = 128 << 10
"""Hexadecimal digits of a payload that are read: 64 KiB."""


class SpokiSensor:
    """Reads Spoki's raw CSV."""

    name = "spoki"
    version = 1
    doc = "Spoki reactive telescope, raw CSV: packets as connections, what they carried as commands."
    tables: tuple[str, ...] = ("connections", "commands")
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True when the header names Spoki's columns."""
        return (csvrows.header(head) or [])[:6] == FIRST

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows and rejects. Reasons: those of `csvrows.rows`, `time`, `address`, `protocol`."""
        rows = Rows()
        for item in csvrows.rows(reading, delimiter="|", need=FIRST):
            if isinstance(item, Reject):
                yield item
                continue
            refused = _packet(rows, item[1], item[0], reading)
            if refused is not None:
                yield refused
            yield from rows.ready()
        yield from rows.rest()


class Packet(msgspec.Struct):
    """A line of the JSON form; the protocol's own fields stand in an object under its name."""

    saddr: str
    daddr: str
    observed: int
    protocol: str
    tcp: Any = None
    udp: Any = None


class SpokiJsonSensor:
    """Reads Spoki's JSON lines (experimental: there was no real sample)."""

    name = "spoki-json"
    version = 1
    doc = "Spoki reactive telescope, JSON lines (experimental): packets as connections, payloads as commands."
    tables: tuple[str, ...] = ("connections", "commands")
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True when the first object of the source is a packet of Spoki's."""
        found = first_object(head) or {}
        return {"saddr", "daddr", "ipid", "ttl", "observed", "protocol"} <= set(found)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows and rejects. Reasons: those of `Lines`, `time`, `address`, `protocol`."""
        rows = Rows()

        def handle(packet: Packet, offset: int) -> Reject | None:
            inner = packet.tcp if isinstance(packet.tcp, dict) else packet.udp
            own = inner if isinstance(inner, dict) else {}
            cells = {
                **{name: _cell(own.get(name)) for name in ("sport", "dport", "payload", *(f for f, _ in FLAGS))},
                "ts": str(packet.observed)[:32], "saddr": packet.saddr, "daddr": packet.daddr,
                "proto": packet.protocol,
            }  # fmt: skip
            return _packet(rows, cells, offset, reading)

        yield from written(reading, Lines(Packet), rows, handle)
        yield from rows.rest()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return (
        value
        if isinstance(value, str)
        else str(value)[:32]
        if isinstance(value, int) and abs(value) < 1 << 64
        else ""
    )


def _packet(rows: Rows, cells: dict[str, str], offset: int, reading: Reading) -> Reject | None:
    stamp = cells["ts"]
    ts = int(stamp) * 1_000 if stamp.isascii() and stamp.isdigit() and len(stamp) < 16 else None  # ms
    if ts is None or not in_time(ts, reading):
        return Reject(offset, "time", "no time in milliseconds since 1970, or one that cannot be")
    source, target = host(cells["saddr"]), host(cells["daddr"])
    if source is None or target is None:
        return Reject(offset, "address", "no addresses that are some")
    protocol = PROTOCOLS.get(cells["proto"])
    if protocol is None:
        return Reject(offset, "protocol", "neither tcp, udp nor icmp")
    numbers = (port(cells.get("sport") or 0), port(cells.get("dport") or 0))
    payload = _payload(cells.get("payload") or "")
    state = "".join(letter for name, letter in FLAGS if cells.get(name) == "1") if protocol == 6 else None
    rows.add(
        "connections", first_seen=ts, last_seen=ts, src_ip=source, src_port=numbers[0], dst_ip=target,
        dst_port=numbers[1], protocol=protocol, state=state, src_packet_count=1, src_byte_count=len(payload),
        offset=offset,
    )  # fmt: skip
    if payload:
        line = "".join(chr(b) if 32 <= b < 127 or b in (9, 10, 13) else f"\\x{b:02x}" for b in payload)
        rows.add(
            "commands", ts=ts, session_id=f"{cells['saddr']}:{numbers[0]}>{cells['daddr']}:{numbers[1]}",
            src_ip=source, src_port=numbers[0], text=line[: 64 << 10], mentions=mentions(line), offset=offset,
        )  # fmt: skip
    return None


def _payload(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits[:HEX])
    except ValueError:
        return digits[:HEX].encode("utf-8", "replace")
