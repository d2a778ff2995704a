"""Rows of a view beside the same rows unmasked: for exporters that must know whether anything in one was changed.

The unmasked row is for comparing and for finding what belongs together. It is never written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from noroshi.share.anonymise.mask import Plain
from noroshi.share.gate import View

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
_PUBLIC = ("kind", "type", "role", "to_ids", "confidence", "tlp", "relation")
"""Columns no profile masks: by them a row is found again when the mask has left others out."""


def unmasked(view: View) -> View:
    """The same view without its mask."""
    return replace(view, mask=Plain())


def beside(
    view: View, table: str, columns: Sequence[str], where: str = "true", params: dict[str, Any] | None = None,
    order: str = "",
) -> Iterator[tuple[Row, Row]]:  # fmt: skip
    """(as stored, as the recipient sees it) of every row that is told, in order."""
    stored = unmasked(view).rows(table, columns, where, params, order)
    if view.plain:
        for row in dicts(stored):
            yield row, row
        return
    told = view.mask.table(table, stored)
    if told.num_rows == stored.num_rows:
        yield from zip(dicts(stored), dicts(told), strict=True)
        return
    # Rows in groups that are too small were left out; the others stand in the same order.
    rows = dicts(stored)
    for row in dicts(told):
        for was in rows:
            if _same(view, was, row):
                yield was, row
                break


def _same(view: View, stored: Row, told: Row) -> bool:
    if any(stored.get(k) != told.get(k) for k in _PUBLIC):
        return False
    if "value" not in stored or "kind" not in stored:
        return True
    return bool(view.mask.value(stored["kind"], stored["value"], stored.get("role") or "") == told["value"])


def dicts(rows: pa.Table) -> Iterator[Row]:
    """Rows one by one, a part of them in memory at a time."""
    for part in rows.to_batches(max_chunksize=10_000):
        yield from part.to_pylist()
