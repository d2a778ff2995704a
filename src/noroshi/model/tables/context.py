"""Context: whose a network is, and what is our own."""

from __future__ import annotations

from noroshi.model.schema import Column, Link, Table
from noroshi.model.tables.common import LAST

NETWORKS = Table(
    name="networks",
    doc="Networks with their AS and country; the longest match of the newest table holds.",
    time="ts",
    sort=("low",),
    daily=False,
    columns=(
        Column("ts", "ts", "The table's own date, else the source's."),
        Column("low", "address", "First address."),
        Column("high", "address", "Last address."),
        Column("prefix", "string", "As a prefix, when it is one.", "", True),
        Column("asn", "string", "AS number, as AS64500.", "", True),
        Column("as_name", "string", "Name of the AS.", "", True),
        Column("country", "string", "Country code.", "", True),
        *LAST,
    ),
)

ASSETS = Table(
    name="assets",
    doc="What we answer for: own ranges, hosts, names, products and whose they are.",
    time="ts",
    sort=("value",),
    daily=False,
    links=(Link("value", kind_from="kind", role="owner"),),
    columns=(
        Column("ts", "ts", "When it was stated, else the source's date."),
        Column("kind", "string", "ip, prefix, asn, domain, cpe, purl, email."),
        Column("value", "string", "Canonical value."),
        Column("name", "string", "What it is called.", "", True),
        Column("owner", "string", "Department or customer it belongs to.", "", True),
        Column("contact", "string", "Whom to tell.", "", True),
        Column("criticality", "string", "How much it matters, in the source's words.", "", True),
        *LAST,
    ),
)

CONTEXT = (NETWORKS, ASSETS)
