"""Events of IntelMQ: JSON lines with dotted names, nested JSON, or CSV, to `events`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from noroshi.model.errors import UsageError
from noroshi.model.observable import typed
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.model.tlp import Tlp, parse, strictest
from noroshi.observe.csvrows import header, rows
from noroshi.observe.jsonlines import first_object
from noroshi.observe.rows import Rows, in_time, micros, packed
from noroshi.observe.survey import common
from noroshi.observe.survey.extra import as_json
from noroshi.observe.survey.records import records

_HEADS: Final = (
    "source",
    "destination",
    "classification",
    "feed",
    "time",
    "malware",
    "event_description",
    "protocol",
)
"""First parts of the names in IntelMQ's data format."""
_TELLING: Final = frozenset(
    {"source.ip", "source.fqdn", "source.url", "source.asn", "source.network", "source.reverse_dns", "destination.ip",
     "classification.type", "classification.taxonomy", "feed.name", "time.source", "time.observation", "malware.name"}
)  # fmt: skip
_DEEP: Final = 20
"""Objects within each other that are made into dotted names; deeper ones stay as they are."""
_WITHHELD: Final = "(withheld)"
"""Stands for a password: those are kept in `logins` only, and an event is none."""
_HASHES: Final = ("md5", "sha1", "sha256")


class IntelmqSensor:
    """Events as IntelMQ's outputs write them."""

    name = "intelmq"
    version = 1
    doc = "IntelMQ events: JSON lines with dotted names (source.ip, ...), nested JSON and CSV; unknown fields are kept."
    tables = ("events",)
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True for an object or header with at least two names of IntelMQ's data format."""
        start = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n[,")
        if start.startswith(b"{"):
            found = first_object(head)
            return found is not None and len(_TELLING.intersection(flat(found))) >= 2
        return len(_TELLING.intersection(header(head) or ())) >= 2

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """One row of `events` per event."""
        out = Rows()
        start = reading.head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n[,")
        source = records(reading) if start.startswith(b"{") else rows(reading)
        for item in source:
            if isinstance(item, Reject):
                yield item
                continue
            found = _row(item[0], flat(item[1]), reading)
            if isinstance(found, Reject):
                yield found
            else:
                out.add("events", **found)
                yield from out.ready()
        yield from out.rest()


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """The record with dotted names; what is empty is left out. `extra` is opened too, also when it is text."""
    out: dict[str, Any] = {}
    stack: list[tuple[str, Any, int]] = [("", record, 0)]
    while stack:
        prefix, value, depth = stack.pop()
        if prefix == "extra" and isinstance(value, str):
            value = _opened(value)
        if isinstance(value, dict) and depth < _DEEP:
            stack += [
                (f"{prefix}.{k}" if prefix else str(k)[:200], v, depth + 1)
                for k, v in list(value.items())[::-1]
            ]
        elif value not in (None, "", {}, []):
            out.setdefault(prefix, value)
    return out


def _opened(value: str) -> Any:
    """What a text in JSON holds (CSV dumps write `extra` so); the text itself when it is none."""
    try:
        return msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return value


def _row(offset: int, event: dict[str, Any], reading: Reading) -> dict[str, Any] | Reject:
    sample = " ".join(common.text(event.get(k), 40) or "" for k in ("source.ip", "source.fqdn", "feed.name"))
    take = _Taking(event)
    when = take.text("time.source", 64) or common.text(event.get("time.observation"), 64) or ""
    ts = micros(when) if when else reading.source_date_us
    if not in_time(ts, reading):
        return Reject(offset, "time", f"the time is {when!r}", sample.encode())
    row: dict[str, Any] = {"ts": ts, "offset": offset}
    for ours, names in (("ip", ("source.ip",)), ("dst_ip", ("destination.ip",))):
        written = take.text(names[0], 80)
        row[ours] = packed(written) if written else None
        if written and row[ours] is None:
            return Reject(offset, "address", f"{names[0]} is {written!r}", sample.encode())
    row["port"] = take.made("source.port", common.port)
    row["dst_port"] = take.made("destination.port", common.port)
    row["protocol"] = take.made("protocol.transport", common.protocol)
    row["asn"] = take.made("source.asn", common.asn)
    row["country"] = take.made("source.geolocation.cc", common.country)
    row["feed"] = take.text("feed.name") or common.text(event.get("feed.code")) or "intelmq"
    row["taxonomy"], row["type"] = (
        _slug(take.text("classification.taxonomy")),
        _slug(take.text("classification.type")),
    )
    row["domain"], row["url"] = take.text("source.fqdn"), take.text("source.url", 8192)
    row["malware"] = take.text("malware.name")
    row["email"] = take.text("source.account") if "@" in str(event.get("source.account", ""))[:300] else None
    row["hashes"] = _hashes(take)
    row["description"] = take.text("event_description.text", 4_000)
    row["confidence"] = take.made("feed.accuracy", _percent)
    row["severity"] = take.made("severity", common.severity)
    row["cves"] = common.cves(
        *(str(v)[:4_000] for k, v in event.items() if k != "raw" and isinstance(v, str | list))
    )
    row["tlp"] = _marking(take)
    rest = {k: v for k, v in event.items() if k not in take.taken and k != "__type"}
    row["extra"] = as_json({k: _WITHHELD if k.lower().endswith("password") else v for k, v in rest.items()})
    return row


class _Taking:
    """An event, and which of its fields have found a column."""

    def __init__(self, event: dict[str, Any]) -> None:
        self.event, self.taken = event, set[str]()

    def text(self, name: str, limit: int = common.LINE) -> str | None:
        """A field as text; one that would be cut stays in `extra` as well."""
        value = self.event.get(name)
        found = common.text(value, limit)
        if found is not None and len(str(value)) <= limit:
            self.taken.add(name)
        return found

    def made(self, name: str, make: Any) -> Any:
        """A field as `make` makes it; one it makes nothing of stays in `extra`."""
        found = make(self.event.get(name))
        if found is not None:
            self.taken.add(name)
        return found


def _slug(value: str | None) -> str | None:
    """Classes as the taxonomy writes them today: `malicious code` of old versions is malicious-code."""
    return re.sub(r"[\s_]+", "-", value.strip().lower()) if value else None


def _percent(value: Any) -> int | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return round(number) if 0 <= number <= 100 else None


def _hashes(take: _Taking) -> list[str] | None:
    out = []
    for kind in _HASHES:
        found = take.text(f"malware.hash.{kind}", 200)
        if found:
            out.append(typed(kind, found))
    return out or None


def _marking(take: _Taking) -> str | None:
    """The strictest of the markings the event carries; None when it carries none that is one."""
    found: list[Tlp] = []
    for name in ("tlp", "extra.tlp"):
        value = take.event.get(name)
        words = value if isinstance(value, list) else [value]
        for word in (w for w in words[:20] if isinstance(w, str)):
            try:
                found.append(parse(word))
                take.taken.add(name)
            except UsageError:
                continue
    return str(strictest(found)) if found else None
