"""Tables as data: a schema is a list of columns, each with a type, a unit and a sentence.

Arrow and Delta types come from here, and so does docs/tables.md. Delta has signed integers only, timestamps
in microseconds UTC, strings and binary; every binary column is a stored address (`model.address`), which is
how a query result knows to print it as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

TYPES = ("address", "string", "bool", "int16", "int32", "int64", "float64", "ts", "date", "strings")


@dataclass(frozen=True)
class Column:
    """One column: `type` is one of TYPES, `unit` may be empty, `doc` is one sentence."""

    name: str
    type: str
    doc: str
    unit: str = ""
    nullable: bool = False
    since: int = 1
    """Version of the table that brought it; later ones are nullable, and null in files written before."""


@dataclass(frozen=True)
class Link:
    """What of a row goes into `links`: the lake makes the link rows of these columns from every batch.

    `kind` is a kind of observable (`model.observable.CANONICAL`) or one of the loose ones that a value decides
    (`model.observable.LOOSE`); with `kind_from` each row's own column says it, and kinds nobody knows are not
    linked. `role` likewise with `role_from`. A column of type `strings` links each of its texts.
    """

    column: str
    kind: str = ""
    role: str = ""
    kind_from: str = ""
    role_from: str = ""
    second: str = ""
    """The other half of a pair (the password of a `credential`)."""
    canonical: bool = False
    """Sensors write its values in canonical form, of kinds in CANONICAL, when they are observables at all."""


@dataclass(frozen=True)
class Table:
    """One table of the lake.

    `columns` without the partition column; `time` is the column that says when (or None); with `daily` its
    UTC day partitions the table; `sort` the order compaction writes.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    version: int = 1
    time: str | None = None
    sort: tuple[str, ...] = ()
    daily: bool = True
    """Partitioned by the UTC day of `time`: for facts that grow by the million a day."""
    links: tuple[Link, ...] = ()

    @property
    def partitioned(self) -> bool:
        """True when the table is partitioned by `day`, the UTC date of its `time` column."""
        return self.time is not None and self.daily

    @property
    def marked(self) -> bool:
        """True when its rows carry a marking of their own, in `tlp`."""
        return any(c.name == "tlp" for c in self.columns)

    def known(self, version: int) -> tuple[Column, ...]:
        """The columns a data file has that was written at that version."""
        return tuple(c for c in self.columns if c.since <= version)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name}")

    def arrow(self, *, partition: bool = False) -> pa.Schema:
        """The Arrow schema of a data file, with `day` at the end if `partition` and the table has one."""
        import pyarrow as pa

        types = arrow_types()
        fields = [pa.field(c.name, types[c.type], c.nullable) for c in self.columns]
        if partition and self.partitioned:
            fields.append(pa.field("day", pa.date32(), True))
        return pa.schema(fields)


def arrow_types() -> dict[str, pa.DataType]:
    """The Arrow type of each of TYPES."""
    import pyarrow as pa

    return {
        "address": pa.binary(),
        "string": pa.string(),
        "bool": pa.bool_(),
        "int16": pa.int16(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "ts": pa.timestamp("us", tz="UTC"),
        "date": pa.date32(),
        "strings": pa.list_(pa.string()),
    }
