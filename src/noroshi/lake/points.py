"""Point queries without the engine: the row groups that may hold a value, read and filtered."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from noroshi.lake.delta import DataFile
from noroshi.lake.errors import telling
from noroshi.lake.footers import Footer
from noroshi.lake.shape import plain
from noroshi.model.schema import Table

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake


@dataclass(frozen=True)
class Visible:
    """Which runs may be seen, and which were announced but may not."""

    seen: frozenset[str]
    hidden: frozenset[str]

    def any(self, file: DataFile) -> bool:
        """False when no row of the file can be seen."""
        if file.runs and file.runs[0] == file.runs[1]:
            return file.runs[0] in self.seen
        return True

    def mixed(self, file: DataFile) -> bool:
        """True when some rows of the file may have to be left out."""
        if file.runs and file.runs[0] == file.runs[1]:
            return file.runs[0] not in self.seen
        return any(file.may_hold(r) for r in self.hidden)


def rows_with(
    lake: Lake, table: Table, files: Sequence[DataFile], visible: Visible, column: str, value: Any,
    columns: Collection[str] | None, limit: int | None,
) -> pa.Table:  # fmt: skip
    """Rows of `files` whose `column` equals `value`, in the order of the files; stops after `limit`."""
    schema = table.arrow(partition=True)
    wanted = [n for n in schema.names if columns is None or n in columns]
    unknown = set(columns or ()) - set(schema.names)
    if unknown or column not in schema.names:
        raise KeyError(f"table {table.name} has no column {', '.join(sorted(unknown)) or column}")
    asked = pa.scalar(value, schema.field(column).type)
    out: list[pa.Table] = []
    rows = 0
    for file in files:
        mixed = visible.mixed(file)
        part = _of_file(lake, table, file, column, asked, value, wanted, visible.hidden if mixed else None)
        if part is not None and part.num_rows:
            out.append(part)
            rows += part.num_rows
        if limit is not None and rows >= limit:
            break
    final = pa.schema([schema.field(n) for n in wanted])
    whole = pa.concat_tables(out).cast(final) if out else final.empty_table()
    return whole if limit is None else whole.slice(0, limit)


def _of_file(
    lake: Lake, table: Table, file: DataFile, column: str, asked: pa.Scalar[Any], value: Any,
    wanted: list[str], hidden: frozenset[str] | None,
) -> pa.Table | None:  # fmt: skip
    path = lake.stores[table.name].root / file.path
    footer = lake.footers.get(path)
    groups = footer.groups(column, value)
    if not groups:
        return None
    stored = [n for n in wanted if not (n == "day" and table.partitioned)]
    read = list(dict.fromkeys([*stored, column, *(["run_id"] if hidden else [])]))
    with telling(path):
        rows = _read(footer, groups, column, asked, read)
    if hidden:
        rows = rows.filter(pc.invert(pc.is_in(rows["run_id"], pa.array(sorted(hidden), pa.string()))))
    if table.partitioned and "day" in wanted:
        rows = rows.append_column("day", pa.repeat(pa.scalar(file.day, pa.date32()), rows.num_rows))
    return rows.select(wanted)


def _read(
    footer: Footer, groups: list[int], column: str, asked: pa.Scalar[Any], names: list[str]
) -> pa.Table:
    """Matching rows of some row groups: the column asked about decides which groups are read in full."""
    out = []
    with footer.lock:
        for group in groups:
            mask = pc.equal(
                footer.reader.read_row_group(group, columns=[column], use_threads=False)[column], asked
            )
            if pc.any(mask).as_py():
                rows = footer.reader.read_row_group(group, columns=names, use_threads=False)
                out.append(plain(rows.filter(mask)))
    if not out:
        return plain(footer.reader.schema_arrow.empty_table().select(names))
    return pa.concat_tables(out)
