"""Sums that views over weeks read instead of the facts; written with each run, so they go with it too."""

from __future__ import annotations

from noroshi.model.schema import Column, Table
from noroshi.model.tables.common import RUN_ID

HOURLY = Table(
    name="hourly",
    doc="Rows per hour, table, port and protocol; ports below a floor are summed up as port -1.",
    time="hour",
    sort=("hour", "table"),
    daily=False,
    columns=(
        Column("hour", "ts", "Beginning of the hour."),
        Column("table", "string", "The table the rows stand in."),
        Column("port", "int32", "Destination port; -1 for the rest."),
        Column("protocol", "int16", "IP protocol number; -1 for the rest."),
        Column("count", "int64", "Observations (packets for flows).", "observations"),
        RUN_ID,
    ),
)

DAILY = Table(
    name="daily",
    doc="Rows and distinct sources per day and table.",
    time="ts",
    sort=("ts", "table"),
    daily=False,
    columns=(
        Column("ts", "ts", "Midnight UTC at which the day begins."),
        Column("table", "string", "The table the rows stand in."),
        Column("count", "int64", "Observations (packets for flows).", "observations"),
        Column(
            "src_ip_nunique", "int64", "Distinct sources in this run, estimated from the sketch.", "addresses"
        ),
        Column(
            "sketch",
            "string",
            "HyperLogLog registers of the sources, which unite over runs; base64.",
            "",
            True,
        ),
        RUN_ID,
    ),
)

ROLLUPS = (HOURLY, DAILY)
