"""JSON records whose names tell that they list indicators or files: lines, a list, or a list within an object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.intel.records import Recorder, is_list, named
from noroshi.observe.jsonlines import Lines, first_object
from noroshi.observe.rows import Rows
from noroshi.wire.jsonsplit import Elements, split

_PLACES: Final = ("data", "urls", "iocs", "indicators", "results", "samples", "payloads")
"""Where services keep their records: abuse.ch says data, urls and payloads."""
_RECORDS: Final = 1_000
"""Different shapes of records of one source that are looked at."""


def shape(head: bytes) -> tuple[str, tuple[str, ...]] | None:
    """(where the records stand, names of the first one's members); None when it is no list of indicators.

    Empty for records that stand by themselves, one a line; `[]` for a list.
    """
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    found = first_object(head) if start in (b"{", b"[") else None
    if found is None:
        return None
    if is_list(found):
        return ("[]" if start == b"[" else ""), tuple(found)
    for place in _PLACES:
        inner = found.get(place)
        if (
            start == b"{"
            and isinstance(inner, list)
            and inner
            and isinstance(inner[0], dict)
            and is_list(inner[0])
        ):
            return f"{place}[]", tuple(inner[0])
    return None


class IocJsonSensor:
    """Indicators and files from JSON by the names of its members."""

    name = "ioc-json"
    version = 1
    doc = "JSON lists of indicators or files with telling names (abuse.ch and the like); others with `--mapping`."
    tables = ("indicators", "files")
    grows = False

    def sniff(self, head: bytes) -> bool:
        """True when the first record names an indicator and what only such lists have."""
        return b"\0" not in head and shape(head) is not None

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of every record: `files` when it describes one, else `indicators`, one for each value in it."""
        found = shape(reading.head)
        if found is None:
            yield Reject(
                0,
                "shape",
                "no member is named as indicators are; say which is what with --mapping",
                reading.head,
            )
            return
        rows = Rows()
        recorders: dict[tuple[str, ...], Recorder | None] = {}
        for item in _records(reading, found[0]):
            if isinstance(item, Reject):
                yield item
                continue
            offset, record = item
            names = tuple(record)
            if names not in recorders and len(recorders) < _RECORDS:
                known = named(names)
                recorders[names] = Recorder(reading, known, rows) if known else None
            recorder = recorders.get(names)
            if recorder is None or not recorder.add(offset, record):
                sample = ",".join(names)[:64].encode("utf-8", "replace")
                yield Reject(offset, "value", "a record without an indicator", sample)
            yield from rows.ready()
        yield from rows.rest()


def _records(reading: Reading, place: str) -> Iterator[tuple[int, dict[str, Any]] | Reject]:
    if not place:
        yield from Lines(dict).each(reading)
        return
    for part in split(reading.stream, [place], start=reading.start):
        if isinstance(part, Reject):
            yield part
        elif isinstance(part, Elements):
            for offset, raw in zip(part.offsets, part.data, strict=True):
                try:
                    yield offset, msgspec.json.decode(raw, type=dict)
                except (ValueError, RecursionError) as e:
                    yield Reject(offset, "record", str(e)[:200], raw)
            reading.advance(sum(map(len, part.data)))
