"""Vulnerabilities, what they affect, and the components products are made of."""

from __future__ import annotations

from noroshi.model.schema import Column, Link, Table
from noroshi.model.tables.common import LAST, ORIGIN

VULNERABILITIES = Table(
    name="vulnerabilities",
    doc="What a source says about a vulnerability: one row per vulnerability and source (CVE, KEV, EPSS, OSV).",
    time="ts",
    sort=("id",),
    daily=False,
    links=(Link("id", "vulnerability", "described"), Link("aliases", "vulnerability", "alias")),
    columns=(
        Column("ts", "ts", "When it was last stated: modified, else published, else the source's date."),
        Column("id", "string", "CVE-2024-1234, GHSA-..., PYSEC-..., ..."),
        Column("origin", "string", "cve, kev, epss, osv, ..."),
        Column("aliases", "strings", "Other ids of the same vulnerability.", "", True),
        Column("published", "ts", "When it was published.", "", True),
        Column("withdrawn_at", "ts", "When it was taken back.", "", True),
        Column("title", "string", "Title.", "", True),
        Column("description", "string", "Words, at most 64 KiB.", "", True),
        Column("cvss_score", "float64", "CVSS base score, the newest version given.", "", True),
        Column("cvss_vector", "string", "CVSS vector.", "", True),
        Column("epss", "float64", "Probability of exploitation within 30 days.", "", True),
        Column("epss_percentile", "float64", "Share of vulnerabilities with a lower one.", "", True),
        Column("kev", "bool", "Known to be exploited (CISA).", "", True),
        Column("kev_date", "date", "Since when it is listed.", "", True),
        Column("ransomware", "bool", "Known in ransomware campaigns (KEV).", "", True),
        Column("ssvc_exploitation", "string", "SSVC: none, poc, active.", "", True),
        Column("ssvc_automatable", "string", "SSVC: yes, no.", "", True),
        Column("ssvc_impact", "string", "SSVC: partial, total.", "", True),
        Column("cwes", "strings", "Weaknesses, as CWE-79.", "", True),
        *LAST,
    ),
)

AFFECTED = Table(
    name="affected",
    doc="Products and packages a vulnerability affects, one row per range of versions.",
    time="ts",
    sort=("id",),
    daily=False,
    links=(
        Link("id", "vulnerability", "affects"), Link("cpe", "cpe", "affected"), Link("purl", "purl", "affected"),
    ),
    columns=(
        Column("ts", "ts", "As in vulnerabilities."),
        Column("id", "string", "The vulnerability."),
        Column("origin", "string", "Who says so: cve, adp, kev, osv, ..."),
        Column("vendor", "string", "Vendor.", "", True),
        Column("product", "string", "Product or package.", "", True),
        Column("cpe", "string", "CPE 2.3 name.", "", True),
        Column("purl", "string", "Package URL, without version.", "", True),
        Column("ecosystem", "string", "Ecosystem (OSV): PyPI, Go, ...", "", True),
        Column("version_type", "string", "How versions are ordered: semver, custom, ...", "", True),
        Column("from_version", "string", "First affected version; null: from the start.", "", True),
        Column("after_version", "string", "Last version before the affected ones.", "", True),
        Column("below_version", "string", "First version no longer affected.", "", True),
        Column("to_version", "string", "Last affected version.", "", True),
        Column("versions", "strings", "Affected versions by name.", "", True),
        Column("status", "string", "affected, unaffected, unknown."),
        *LAST,
    ),
)  # fmt: skip

COMPONENTS = Table(
    name="components",
    doc="Components of products, from bills of materials.",
    time="ts",
    sort=("name",),
    daily=False,
    links=(
        Link("purl", "purl", "contained"), Link("cpe", "cpe", "contained"), Link("cpes", "cpe", "contained"),
        Link("hashes", "typed", "contained"),
    ),
    columns=(
        Column("ts", "ts", "When the bill of materials was made, else the source's date."),
        Column("document", "string", "The bill of materials: serial number or namespace."),
        Column("product", "string", "The product it describes.", "", True),
        Column("product_version", "string", "Its version.", "", True),
        Column("ref", "string", "The component's id inside the document.", "", True),
        Column("type", "string", "library, application, operating-system, ...", "", True),
        Column("name", "string", "Name, with its group."),
        Column("version", "string", "Version.", "", True),
        Column("supplier", "string", "Supplier.", "", True),
        Column("purl", "string", "Package URL.", "", True),
        Column("cpe", "string", "CPE 2.3 name.", "", True),
        Column("cpes", "strings", "Further CPE names, when several are given.", "", True),
        Column("hashes", "strings", "Hashes, each as `kind value`.", "", True),
        Column("licences", "strings", "Licences as stated.", "", True),
        ORIGIN,
        *LAST,
    ),
)  # fmt: skip

SUPPLY = (VULNERABILITIES, AFFECTED, COMPONENTS)
