"""Flows put into a lake by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa

from noroshi.lake.handle import Lake
from noroshi.lake.snapshot import Snapshot
from noroshi.lake.writer import RunResult, Writer
from noroshi.model.observable import key64
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp
from tests.support.memory import DAY, NOON, flow


def without_run(table: str) -> pa.Schema:
    """The schema a sensor yields."""
    schema = TABLES[table].arrow()
    return schema.remove(schema.get_field_index("run_id"))


def flows(rows: list[dict[str, Any]], *, coded: bool = True) -> pa.Table:
    """A batch of flows, texts and addresses dictionary-encoded unless said otherwise."""
    table = pa.Table.from_pylist(
        [{k: v for k, v in r.items() if k != "run_id"} for r in rows], schema=without_run("flows")
    )
    for i, field in enumerate(table.schema):
        if coded and (pa.types.is_binary(field.type) or pa.types.is_string(field.type)):
            column = table[field.name].dictionary_encode()
            table = table.set_column(i, pa.field(field.name, column.type, field.nullable), column)
    return table


def some(n: int = 10, *, src: str = "192.0.2.", days: int = 1, **more: Any) -> list[dict[str, Any]]:
    """n rows from n % 250 sources, spread over `days` days from noon."""
    return [
        flow(f"{src}{i % 250}", "198.51.100.1", at=i * (days - 1) * 86_400 / max(1, n - 1), **more)
        for i in range(n)
    ]


def links(*entries: tuple[str, int], role: str = "src") -> pa.Table:
    """A links batch: (address, count)."""
    rows = [
        {"key": key64("ip", v), "kind": "ip", "value": v, "role": role, "table": "flows", "day": DAY,
         "first_seen": NOON, "last_seen": NOON, "count": n} for v, n in entries
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=without_run("links"))


def put(
    writer: Writer, digest: str, *batches: pa.Table, tlp: Tlp = Tlp.GREEN, version: int = 1, path: str = ""
) -> RunResult:
    """One run of these batches, of `links` where they look like it."""
    run = writer.begin(path=path or digest, source="test", format="pcap", parser_version=version, tlp=tlp)
    for rows in batches:
        run.write(Batch("links" if "key" in rows.column_names else "flows", rows))
    return run.finish(sha256=digest, size=1)


def store(lake: Lake, digest: str, *batches: pa.Table, tlp: Tlp = Tlp.GREEN, version: int = 1) -> RunResult:
    """The same with a writer of its own."""
    with lake.writer() as writer:
        return put(writer, digest, *batches, tlp=tlp, version=version)


def count(shot: Snapshot, table: str = "flows") -> int:
    """Rows that SQL sees."""
    return int(shot.sql(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py())


def content(shot: Snapshot, table: str = "flows") -> Counter[str]:
    """The rows as a multiset, run ids aside."""
    return Counter(str(r) for r in shot.sql(f"SELECT * EXCLUDE (run_id) FROM {table}").to_pylist())
