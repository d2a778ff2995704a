"""SQL macros for people: ip('192.0.2.1'), ip_text(x), in_net(x, '192.0.2.0/24')."""

from __future__ import annotations

import duckdb


def install(con: duckdb.DuckDBPyConnection) -> None:
    """Create the macros on a connection."""
