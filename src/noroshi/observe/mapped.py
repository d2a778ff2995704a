"""CSV and JSON of any kind, read as a mapping file says: indicators, files, incidents, assets, events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from noroshi.model.errors import UsageError
from noroshi.model.observable import resolve_one, typed
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe import csvrows
from noroshi.observe.intel.entries import entry
from noroshi.observe.intel.records import value_of
from noroshi.observe.jsonlines import Lines
from noroshi.observe.mapping import CellError, MappingFile, cells, constants, load, plain_text
from noroshi.observe.rows import Rows, in_time
from noroshi.wire.indicators import find
from noroshi.wire.jsonsplit import Elements, split

_NAME: Final = 500
_HASHES: Final = ("md5", "sha1", "sha256", "sha512", "ssdeep", "tlsh", "imphash")
MENTIONS: Final = 1_000
"""Observables of one incident."""

Record = tuple[int, dict[str, Any]]


class MappedSensor:
    """Rows of one table from records of any kind."""

    name = "mapped"
    version = 1
    doc = "CSV and JSON of any kind with a mapping file (`--mapping`): indicators, files, incidents, assets, events."
    tables = ("indicators", "files", "incidents", "assets", "events")
    grows = False

    def sniff(self, head: bytes) -> bool:
        """Never: a mapping says what a file is."""
        return False

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """A row for each record; a reject for each record that makes none, and for each cell that was left out.

        Raises UsageError when there is no mapping, or a wrong one.
        """
        path = reading.options.get("mapping")
        if path is None:
            raise UsageError("the format `mapped` needs a mapping", todo="Name it with --mapping FILE.")
        mapping = load(path)
        maker = _Maker(mapping, reading)
        first = True
        for item in _records(mapping, reading):
            if isinstance(item, Reject):
                yield item
                continue
            if first and mapping.format == "csv" and (lacking := maker.lacking(item[1])):
                yield Reject(0, "mapping", lacking, reading.head)
                reading.problem = lacking
                return
            first = False
            yield from maker.add(*item)
            yield from maker.rows.ready()
        yield from maker.rows.rest()


def _records(mapping: MappingFile, reading: Reading) -> Iterator[Record | Reject]:
    if mapping.format == "csv":
        yield from csvrows.rows(
            reading, names=mapping.header or None, delimiter=mapping.delimiter or None, comment=mapping.comment,
            spaced=True, encoding=mapping.encoding,
        )  # fmt: skip
        return
    place = f"{mapping.records}[]" if mapping.records else "[]"
    if not mapping.records and not reading.head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
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


class _Maker:
    """Makes rows of records."""

    def __init__(self, mapping: MappingFile, reading: Reading) -> None:
        self._mapping, self._reading = mapping, reading
        self._cells = cells(mapping)
        self._constants = constants(mapping)
        self._from = {
            ours: (theirs,) if isinstance(theirs, str) else tuple(theirs)
            for ours, theirs in mapping.columns.items()
        }
        self._times = {n for n in ("ts", "first_seen", "last_seen", "closed") if n in self._from}
        self.rows = Rows()

    def lacking(self, record: dict[str, Any]) -> str:
        """What the mapping names and the file does not have, in words; empty when all is there."""
        wanted = {name for names in self._from.values() for name in names} | set(self._mapping.find)
        missing = sorted(wanted - record.keys())
        if not missing:
            return ""
        return (
            f"the mapping names {', '.join(map(repr, missing[:5]))}, which the file does not have; "
            f"it has {', '.join(list(record)[:40])}"
        )[:1_000]

    def add(self, offset: int, record: dict[str, Any]) -> Iterator[Reject]:
        """Adds the row of a record, or says why there is none."""
        row: dict[str, Any] = dict(self._constants)
        wrong: list[str] = []
        for ours, theirs in self._from.items():
            try:
                value = self._cell(ours, theirs, record)
            except CellError as e:
                wrong.append(f"{ours}: {e}")
                continue
            if value is not None:
                row[ours] = value
        if wrong:
            yield Reject(offset, "cell", "; ".join(wrong)[:500], _sample(record))
        row["offset"] = offset
        problem = self._complete(row, record)
        if problem:
            yield Reject(offset, "record", problem, _sample(record))
        else:
            self.rows.add(self._mapping.table, **row)

    def _cell(self, ours: str, theirs: tuple[str, ...], record: dict[str, Any]) -> Any:
        out: Any = None
        for name in theirs:
            value = self._cells[ours](_dug(record, name))
            if isinstance(value, list):
                out = list(dict.fromkeys((out or []) + value))
            elif value is not None:
                out = value
                break
        if ours in self._times and out is not None and not in_time(out, self._reading):
            raise CellError("a time before 1990 or more than a day after the file's own date")
        return out

    def _complete(self, row: dict[str, Any], record: dict[str, Any]) -> str:
        """Fills in what a row of the table must have; what is wrong with it in words, else empty."""
        table, reading = self._mapping.table, self._reading
        if table == "events" and "ts" not in row:
            return "an event without a time"
        row.setdefault("ts", reading.source_date_us)
        if table in ("indicators", "files"):
            row.setdefault("document", reading.name[:_NAME])
        written = row.get("value")
        if table in ("indicators", "assets") and (problem := _settle(row)):
            return problem
        if table == "indicators":
            row.setdefault("role", "mentions")
            if written != row["value"]:
                row.setdefault("raw", written)
        elif table == "files":
            return _hashes(row)
        elif table == "incidents":
            self._mentions(row, record)
            row.setdefault("title", "")
            if not row.get("incident_id"):
                return "an incident without an id"
        elif table == "events":
            row.setdefault("feed", reading.name[:_NAME])
            _typed_hashes(row)
        return ""

    def _mentions(self, row: dict[str, Any], record: dict[str, Any]) -> None:
        """The observables of an incident: those in its column of values, and those its words name."""
        found: dict[str, None] = {}
        for text in row.get("values") or []:
            one = entry(text)
            for kind, value in [(one.kind, one.value)] if one else find(text):
                found[typed(kind, value)] = None
        words = [
            row.get("title"),
            row.get("description"),
            *(plain_text(_dug(record, n)) for n in self._mapping.find),
        ]
        for word in words:
            for kind, value in find(word[: 256 << 10]) if word else ():
                found[typed(kind, value)] = None
        row["values"] = list(found)[:MENTIONS] or None


def _sample(record: dict[str, Any]) -> bytes:
    return "|".join(plain_text(v)[:64] for v in list(record.values())[:20]).encode("utf-8", "replace")


def _settle(row: dict[str, Any]) -> str:
    """Makes kind and value of a row canonical; what is wrong in words, else empty."""
    text = row.get("value")
    if not text:
        return "a record without a value"
    found = value_of(row.get("kind") or "", text)
    if found is None:
        return f"no indicator of kind {row['kind']!r}" if row.get("kind") else "a value of no kind we know"
    row["kind"], row["value"] = found.kind, found.value
    return ""


def _hashes(row: dict[str, Any]) -> str:
    for kind in _HASHES:
        if kind in row:
            known = resolve_one(kind, row[kind])
            row[kind] = known[1] if known else None
    return "" if any(row.get(kind) for kind in _HASHES) else "a file without a hash"


def _typed_hashes(row: dict[str, Any]) -> None:
    if "hashes" in row:
        found = (entry(text) for text in row["hashes"])
        row["hashes"] = [typed(e.kind, e.value) for e in found if e] or None


def _dug(record: dict[str, Any], name: str) -> Any:
    """The cell of that name, or what stands under a dotted one in objects within objects."""
    if name in record:
        return record[name]
    value: Any = record
    for step in name.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value
