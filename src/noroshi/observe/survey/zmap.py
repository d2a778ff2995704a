"""ZMap's CSV, by its header, and its JSON lines: which addresses answered a probe, to `services`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.csvrows import header, rows
from noroshi.observe.jsonlines import Lines, first_object
from noroshi.observe.rows import Rows, in_time, micros, packed
from noroshi.observe.survey import common

_PROTOCOLS: Final = {
    "synack": 6, "rst": 6, "tcp": 6, "udp": 17, "dns": 17, "ntp": 17, "upnp": 17, "echoreply": 1, "icmp": 1,
    "timestamp_reply": 1,
}  # fmt: skip
"""Protocol of a class of answer (names of ZMap's probe modules)."""
_STATES: Final = {"synack": "open", "rst": "closed", "echoreply": "up", "timestamp_reply": "up"}
_FIELDS: Final = frozenset(
    {"saddr", "daddr", "sport", "dport", "seqnum", "acknum", "window", "classification", "success", "repeat",
     "cooldown", "timestamp_str", "timestamp_ts", "timestamp_us", "ttl", "ipid", "saddr_raw", "daddr_raw", "icmp_type",
     "icmp_code", "icmp_unreach_str", "udp_pkt_size", "data"}
)  # fmt: skip
"""Fields ZMap can write, as `zmap --list-output-fields` prints them."""


class ZmapSensor:
    """CSV output of ZMap with a header (a list of addresses without one is not taken for ZMap's) and JSON."""

    name = "zmap"
    version = 1
    doc = "ZMap's CSV with its header (saddr, sport, classification, success, ...) and its JSON lines."
    tables = ("services",)
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True when the header, or the first object, names `saddr` and, if more, mostly fields of ZMap."""
        names = list(first_object(head) or ()) if _is_json(head) else header(head) or []
        known = _FIELDS.intersection(names)
        return "saddr" in known and 2 * len(known) > len(names)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """One row of `services` per answer."""
        out = Rows()
        for item in _from_json(reading) if _is_json(reading.head) else rows(reading):
            if isinstance(item, Reject):
                yield item
                continue
            found = _row(item[0], item[1], reading)
            if isinstance(found, Reject):
                yield found
            else:
                out.add("services", **found)
                yield from out.ready()
        yield from out.rest()


def _is_json(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def _from_json(reading: Reading) -> Iterator[tuple[int, dict[str, str]] | Reject]:
    for item in Lines[dict[str, Any]](dict).each(reading):
        if isinstance(item, Reject):
            yield item
        else:
            yield item[0], {k: common.long_text(v) or "" for k, v in item[1].items()}


def _row(offset: int, cells: dict[str, str], reading: Reading) -> dict[str, Any] | Reject:
    address = cells.get("saddr", "")[:80]
    ip = packed(address)
    if ip is None:
        return _reject(offset, "address", f"saddr is {address!r}", cells)
    ts = _time(cells, reading)
    if not in_time(ts, reading):
        return _reject(offset, "time", "an answer before 1990 or after the file was written", cells)
    port = common.port(cells.get("sport") or 0)
    if port is None:
        return _reject(offset, "port", f"sport is {cells['sport'][:40]!r}", cells)
    kind = (cells.get("classification") or "").strip().lower()
    success = (cells.get("success") or "").strip()
    protocol = _PROTOCOLS.get(kind, 17 if cells.get("udp_pkt_size") else 1 if cells.get("icmp_type") else 0)
    if not protocol and {"seqnum", "acknum", "window"} & cells.keys():
        protocol = 6
    state = _STATES.get(kind) or ("open" if success in ("1", "true") or not kind else common.text(kind))
    tags = ["repeat"] if cells.get("repeat") in ("1", "true") else None
    return {
        "ts": ts, "ip": ip, "port": port, "protocol": protocol, "state": state, "tags": tags,
        "banner": common.long_text(cells.get("data")), "scanner": "zmap", "offset": offset,
    }  # fmt: skip


def _time(cells: dict[str, str], reading: Reading) -> int | None:
    """Time of the answer; the file's own date when it carries none."""
    seconds = cells.get("timestamp_ts", "").strip()
    if seconds:
        whole, part = common.integer(seconds), common.integer(cells.get("timestamp_us") or 0)
        return (
            None
            if whole is None or part is None or abs(whole) > 10**11
            else whole * 1_000_000 + part % 1_000_000
        )
    written = cells.get("timestamp_str", "").strip()
    if written:
        return micros(written[:64])
    return reading.source_date_us


def _reject(offset: int, reason: str, detail: str, cells: dict[str, str]) -> Reject:
    return Reject(offset, reason, detail, ",".join(cells.values())[:64].encode("utf-8", "replace"))
