"""`links`: the pivot index, one row per observable, role, table, day and run."""

from __future__ import annotations

from noroshi.model.schema import Column, Table

LINKS = Table(
    name="links",
    doc="Which observable stands where: the index that pivots and cross-analysis read first.",
    sort=("key", "day"),
    version=2,
    columns=(
        Column(
            "key",
            "int64",
            "64-bit key of kind and canonical value (addresses in order); compare `value` too.",
        ),
        Column("kind", "string", "Kind of observable: ip, domain, ..."),
        Column("value", "string", "Canonical text of the observable."),
        Column("role", "string", "Its role there: src, victim, ..."),
        Column("table", "string", "The table the rows stand in."),
        Column("day", "date", "UTC day of the rows."),
        Column("first_seen", "ts", "Time of the first of them."),
        Column("last_seen", "ts", "Time of the last of them."),
        Column("count", "int64", "How many observations (packets for flows); sum over rows.", "observations"),
        Column(
            "tlp", "string", "Marking of the rows, where they carry their own; null: the run's.", "", True, 2
        ),
        Column("run_id", "string", "The run that stored the rows."),
    ),
)
