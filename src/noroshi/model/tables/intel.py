"""What others know: indicators, objects and the relations between them, files, incidents, warninglists."""

from __future__ import annotations

from noroshi.model.schema import Column, Link, Table
from noroshi.model.tables.common import CONFIDENCE, DOCUMENT, LAST, ORIGIN, TLP

_STATED = Column("ts", "ts", "When it was last stated: modified, else published, else the source's date.")

INDICATORS = Table(
    name="indicators",
    version=2,
    doc="Values that intelligence names, one row per statement.",
    time="ts",
    sort=("kind", "value"),
    daily=False,
    links=(Link("value", kind_from="kind", role_from="role", canonical=True),),
    columns=(
        _STATED,
        Column(
            "kind", "string", "Kind of observable; other words (text, port, ...) are kept but never linked."
        ),
        Column("value", "string", "The value, canonical when its kind is an observable's."),
        Column("raw", "string", "The value as written, when that differs.", "", True),
        Column("role", "string", "What it is there: c2, download, victim, mentions, ..."),
        Column("type", "string", "The source's own type, e.g. MISP's `ip-dst|port`.", "", True),
        Column("first_seen", "ts", "When the source first saw it.", "", True),
        Column("last_seen", "ts", "When the source last saw it.", "", True),
        Column("valid_until", "ts", "Until when the source holds it to be true.", "", True),
        DOCUMENT,
        Column("document_name", "string", "Title of the document.", "", True),
        ORIGIN,
        Column("object_id", "string", "Id of the object it was read from.", "", True),
        Column("labels", "strings", "Tags and labels.", "", True),
        Column("to_ids", "bool", "The source means it for detection.", "", True),
        CONFIDENCE,
        Column("comment", "string", "Words beside it.", "", True),
        TLP,
        *LAST,
        Column(
            "category", "string", "The source's own category, e.g. MISP's `Payload delivery`.", "", True, 2
        ),
    ),
)

OBJECTS = Table(
    name="objects",
    doc="Things intelligence describes: STIX objects, MISP events and objects, galaxy clusters; whole, as JSON.",
    time="ts",
    sort=("object_id",),
    daily=False,
    links=(Link("names", kind_from="name_kind", role="named"), Link("refs", "typed", "mentions")),
    columns=(
        _STATED,
        Column("object_id", "string", "Its id."),
        Column("type", "string", "Its type: malware, intrusion-set, attack-pattern, report, misp-event, ..."),
        Column("names", "strings", "Name and aliases.", "", True),
        Column("name_kind", "string", "What the names name: malware, actor, or empty.", "", True),
        Column(
            "refs", "strings", "Techniques, CVEs and the like it stands for, each as `kind value`.", "", True
        ),
        Column("created", "ts", "When it was made.", "", True),
        DOCUMENT,
        ORIGIN,
        Column("description", "string", "Words, at most 64 KiB.", "", True),
        Column("revoked", "bool", "Taken back by its maker."),
        CONFIDENCE,
        Column("json", "string", "The object as read, unknown properties included, at most 1 MiB."),
        TLP,
        *LAST,
    ),
)

RELATIONS = Table(
    name="relations",
    doc="What intelligence says of two objects: uses, indicates, attributed-to, ...; sightings too.",
    time="ts",
    sort=("source_ref", "relation"),
    daily=False,
    columns=(
        _STATED,
        Column("object_id", "string", "Id of the relation itself.", "", True),
        Column("source_ref", "string", "Id of the object it goes from."),
        Column("relation", "string", "What it says: uses, indicates, sighting-of, ..."),
        Column("target_ref", "string", "Id of the object it goes to."),
        Column("count", "int64", "Sightings: how often.", "observations", True),
        DOCUMENT,
        ORIGIN,
        CONFIDENCE,
        Column("json", "string", "The relation as read, at most 1 MiB.", "", True),
        TLP,
        *LAST,
    ),
)

_HASHES = ("md5", "sha1", "sha256", "sha512", "ssdeep", "tlsh", "imphash")

FILES = Table(
    name="files",
    doc="Records of files, malware above all; never the files themselves.",
    time="ts",
    sort=("sha256",),
    daily=False,
    links=(*(Link(h, h, "file") for h in _HASHES), Link("families", "malware", "family")),
    columns=(
        _STATED,
        *(Column(h, "string", f"Its {h}, in the usual text form.", "", True) for h in _HASHES),
        Column("names", "strings", "Names it was seen under.", "", True),
        Column("size", "int64", "Its length.", "bytes", True),
        Column("type", "string", "Type of file.", "", True),
        Column("families", "strings", "Malware families it is said to belong to.", "", True),
        DOCUMENT,
        ORIGIN,
        TLP,
        *LAST,
    ),
)

INCIDENTS = Table(
    name="incidents",
    doc="Incidents and cases handled.",
    time="ts",
    sort=("ts",),
    daily=False,
    links=(Link("values", "typed", "mentions"),),
    columns=(
        Column("ts", "ts", "When it happened or was opened."),
        Column("incident_id", "string", "Its id where it comes from."),
        Column("title", "string", "Title."),
        Column("status", "string", "open, closed, ...", "", True),
        Column("impact", "string", "How bad, in the source's words.", "", True),
        Column("category", "string", "Class.", "", True),
        Column("closed", "ts", "When it was closed.", "", True),
        Column("owner", "string", "Who handles it.", "", True),
        Column("description", "string", "Words, at most 64 KiB.", "", True),
        Column("values", "strings", "Observables named, each as `kind value`.", "", True),
        TLP,
        *LAST,
    ),
)

WARNINGS = Table(
    name="warnings",
    doc="Entries of warninglists: values that are well known, shared or harmless, and so weak evidence.",
    time="ts",
    sort=("kind", "value"),
    daily=False,
    links=(Link("value", kind_from="kind", role="listed"),),
    columns=(
        Column("ts", "ts", "The source's date."),
        Column("list", "string", "Name of the list."),
        Column("kind", "string", "ip, prefix, domain, asn, url, ... (linked), or text and regex (not)."),
        Column("value", "string", "The entry, canonical when its kind is an observable's."),
        Column(
            "match",
            "string",
            "How it matches: exact, below (the domain and all under it), prefix, part, regex.",
        ),
        Column("category", "string", "false-positive or known, as MISP says."),
        *LAST,
    ),
)

INTEL = (INDICATORS, OBJECTS, RELATIONS, FILES, INCIDENTS, WARNINGS)
