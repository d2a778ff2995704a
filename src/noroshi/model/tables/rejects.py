"""`rejects`: pieces of sources that could not be read."""

from __future__ import annotations

from noroshi.model.schema import Column, Table

REJECTS = Table(
    name="rejects",
    doc="What could not be read, where it stands and why; never silently dropped.",
    sort=("run_id", "position"),
    columns=(
        Column("run_id", "string", "The run that met it."),
        Column("path", "string", "The source."),
        Column("position", "int64", "Offset in the decompressed source.", "bytes"),
        Column("reason", "string", "Short code of the reason."),
        Column("detail", "string", "What was found, in words."),
        Column("sample", "string", "First bytes of the piece, in hex, at most 64 bytes."),
        Column("count", "int64", "How many pieces of this reason the row stands for.", "pieces"),
    ),
)
