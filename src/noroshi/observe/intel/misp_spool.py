"""Rows that wait for their event: MISP writes the tags, and often the title and maker, behind the attributes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from noroshi.model.tlp import DEFAULT, Tlp, parse, strictest

HELD: Final = 24 << 20
"""Bytes of rows kept in memory; what is more goes, compressed, to a temporary file that has no name."""
ORG_ONLY: Final = "!"
"""Behind a row's own marking (or alone) while it waits: it may not leave the organisation or sharing group."""
AT_LEAST: Final = ">"
"""Behind a row's own marking while it waits: it holds pieces marked so, and is no milder than its event either."""


class Spool:
    """Tables in order, in memory up to HELD bytes and in a temporary file beyond."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, pa.Table]] = []
        self.size = 0
        self.file: Any = None
        self.places: list[tuple[str, int]] = []

    def add(self, name: str, rows: pa.Table) -> None:
        """Takes rows of a table."""
        self.parts.append((name, rows))
        self.size += rows.nbytes
        if self.size > HELD:
            self._spill()

    def _spill(self) -> None:
        self.file = self.file or tempfile.TemporaryFile(prefix="noroshi-")  # noqa: SIM115 (closed in `take`)
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        for name, rows in self.parts:
            self.places.append((name, self.file.tell()))
            with pa.ipc.new_stream(self.file, rows.schema, options=options) as out:
                out.write_table(rows)
        self.parts, self.size = [], 0

    def take(self) -> Iterator[tuple[str, pa.Table]]:
        """All of it, front to back; the spool is empty afterwards."""
        if self.file is not None:
            for name, place in self.places:
                self.file.seek(place)
                with pa.ipc.open_stream(self.file) as found:
                    yield name, found.read_all()
            self.file.close()
        yield from self.parts
        self.parts, self.places, self.file, self.size = [], [], None, 0


def completed(
    rows: pa.Table,
    *,
    ts: int,
    document: str,
    document_name: str | None,
    origin: str | None,
    confidence: int | None,
    tlp: Tlp | None,
    org_only: bool,
) -> pa.Table:
    """The rows with what their event says where they say nothing themselves.

    tlp: a row's own marking, else the event's, else null; at least AMBER+STRICT when the row or its event may not
    leave the organisation.
    """
    filled = {"ts": pa.scalar(ts, pa.timestamp("us", tz="UTC")), "document": document, "origin": origin,
              "document_name": document_name,
              "confidence": None if confidence is None else pa.scalar(confidence, pa.int16())}  # fmt: skip
    for i, field in enumerate(rows.schema):
        value: Any = filled.get(field.name)
        if value is not None:
            rows = rows.set_column(i, field, pc.fill_null(rows[field.name], value))
        if field.name == "tlp":
            rows = rows.set_column(i, field, _marked(rows["tlp"], tlp, org_only))
    return _untitled(rows, tlp, org_only) if document_name is not None else rows


def _untitled(rows: pa.Table, tlp: Tlp | None, org_only: bool) -> pa.Table:
    """The rows, without the title of their event where they are marked milder than it: the title is the event's."""
    event = strictest([Tlp.AMBER_STRICT, tlp or Tlp.CLEAR]) if org_only else tlp
    if event is None or not {"tlp", "document_name"} <= set(rows.column_names):
        return rows
    milder = [t.value for t in Tlp if t.rank < event.rank]
    at = rows.column_names.index("document_name")
    hidden = pc.is_in(rows["tlp"], pa.array(milder, pa.string()))
    names = pc.if_else(hidden, pa.scalar(None, pa.string()), rows["document_name"])
    return rows.set_column(at, rows.schema.field(at), names)


def _marked(column: Any, tlp: Tlp | None, org_only: bool) -> pa.ChunkedArray[Any]:
    coded: Any = pc.fill_null(column, "").combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    found = []
    for word in coded.dictionary.to_pylist():
        strict = org_only or word.endswith(ORG_ONLY)
        plain = word.removesuffix(ORG_ONLY)
        least = plain.endswith(AT_LEAST)
        mark = parse(plain.removesuffix(AT_LEAST)) if plain else tlp
        if least and mark is not None:
            # Without a marking of the event the run's holds, which is not known here: so no milder than the default.
            mark = strictest([mark, tlp or DEFAULT])
        if strict and (mark is None or mark.rank < Tlp.AMBER_STRICT.rank):
            mark = Tlp.AMBER_STRICT
        found.append(mark.value if mark else None)
    return pa.chunked_array([pa.array(found, pa.string()).take(coded.indices)], pa.string())
