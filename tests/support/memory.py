"""Flows written by hand, and a Query over them: analysers are tested without a lake."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from noroshi.lake.macros import install
from noroshi.model import address
from noroshi.model.analyser import Scope, Telescope
from noroshi.model.tables import TABLES

DAY = date(2024, 4, 1)
NOON = datetime(2024, 4, 1, 12, tzinfo=UTC)


def flow(
    src: str, dst: str, *, at: float = 0.0, dport: int = 0, sport: int = 40000, proto: int = 6, flags: int = 2,
    count: int = 1, **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """One row of `flows`: a pure SYN `at` seconds after NOON unless said otherwise."""
    ts = NOON + timedelta(seconds=at)
    ip_len = more.pop("ip_len", 40)
    row: dict[str, Any] = {c.name: None for c in TABLES["flows"].columns}
    row |= {
        "src_ip": address.pack(src), "dst_ip": address.pack(dst), "src_port": sport, "dst_port": dport,
        "protocol": proto, "ttl": 50, "tcp_flags": flags if proto == 6 else 0, "ip_len": ip_len,
        "packet_count": count, "byte_count": count * ip_len, "first_seen": ts, "last_seen": ts,
        "tool": "", "class": "scan", "rules_version": 1, "offset": 24, "run_id": "run", "payload": "",
    }  # fmt: skip
    for name in ("inner_src_ip", "inner_dst_ip"):
        if name in more:
            more[name] = address.pack(more[name])
    unknown = set(more) - set(row)
    assert not unknown, f"flows has no column {unknown}"
    return row | more


class MemoryQuery:
    """A Query over rows of `flows` in memory, with the lake's macros and the column `day`."""

    def __init__(self, rows: list[dict[str, Any]] | pa.Table) -> None:
        schema = TABLES["flows"].arrow()
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows, schema=schema)
        self.con = duckdb.connect()
        self.con.execute("SET TimeZone='UTC'")
        install(self.con)
        self.con.register("flows_rows", table)
        self.con.execute("CREATE VIEW flows AS SELECT *, first_seen::DATE AS day FROM flows_rows")

    def sql(self, text: str, params: dict[str, Any] | None = None) -> pa.Table:
        table: pa.Table | None = self.con.sql(text, params=params or {}).to_arrow_table()
        assert table is not None, "a SELECT has an answer"
        return table


def scope(
    *prefixes: str, day: date = DAY, size: float | None = None, observed_s: float = 86_400.0, **more: Any
) -> Scope:
    """A scope over one telescope of these prefixes (none: without a telescope)."""
    import ipaddress

    nets = [ipaddress.ip_network(p) for p in prefixes]
    nominal = sum(n.num_addresses for n in nets if n.version == 4)
    telescope = Telescope("test", tuple(prefixes)) if prefixes else None
    return Scope(day, telescope, float(nominal) if size is None else size, nominal, observed_s, **more)
