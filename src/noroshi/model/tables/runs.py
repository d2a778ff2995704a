"""`runs`: what was read, when, and whether it is complete."""

from __future__ import annotations

from noroshi.model.schema import Column, Table

RUNS = Table(
    name="runs",
    doc="One row when a run opens, one when it closes, one when it is forgotten; the newest state holds.",
    sort=("at",),
    columns=(
        Column("run_id", "string", "Random id of the run."),
        Column("state", "string", "open, closed, dropped (known already, or swept after a crash) or forgotten."),
        Column("at", "ts", "When this row was written."),
        Column("owner", "string", "Host, process id and its start time; tells whether an open run's owner lives."),
        Column("path", "string", "The source's path, or `-`."),
        Column("source", "string", "The source's name, from --source or the path."),
        Column("format", "string", "The sensor that read it."),
        Column("parser_version", "int32", "That sensor's version."),
        Column("sha256", "string", "Digest of the source's bytes as stored on disk; empty while open.", "", True),
        Column("size", "int64", "Length of the source as stored on disk.", "bytes", True),
        Column("tlp", "string", "Default marking of its rows."),
        Column("first_seen", "ts", "Earliest time in its rows.", "", True),
        Column("last_seen", "ts", "Latest time in its rows.", "", True),
        Column("counts", "string", "JSON: rows by table, rejects, and what the sensor counted.", "", True),
        Column("problem", "string", "Why the source could not be read to its end; empty when it was.", "", True),
        Column("seconds", "float64", "Time the run took.", "s", True),
    ),
)  # fmt: skip
