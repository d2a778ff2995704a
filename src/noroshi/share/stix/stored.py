"""What a view's store holds for STIX: findings taken back, what others made, and where their indicators were seen.

All of it is asked of the view's restricted snapshot and goes through its mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from noroshi.model.tlp import Tlp, strictest
from noroshi.share.marking import reason
from noroshi.share.stix.imported import FIRST, OBSERVABLES

if TYPE_CHECKING:
    from noroshi.model.finding import Finding
    from noroshi.share.gate import View

Object = dict[str, Any]

PART = 32 << 20
"""Bytes of JSON that are read at a time."""
OWN_TABLES = (
    "flows", "connections", "dns", "http", "tls", "certificates", "ssh", "alerts", "network_files", "sessions",
    "logins", "commands", "transfers", "relays",
)  # fmt: skip
"""Tables of what own sensors saw; the others are what somebody says."""
_LADDER = "['clear', 'green', 'amber', 'amber+strict', 'red']"
_STIX = "regexp_full_match(object_id, '[a-z][a-z0-9-]+--[0-9a-fA-F-]{36}')"
_TECHNIQUES = f"""
    SELECT ref, min(object_id) AS id FROM (
        SELECT object_id, unnest(refs) AS ref FROM objects WHERE type = 'attack-pattern' AND NOT revoked AND {_STIX}
    ) WHERE starts_with(ref, 'technique T') GROUP BY ref
"""  # noqa: S608 - ours


@dataclass(frozen=True)
class Stored:
    """One imported object; `thing` is None when its JSON cannot be read, or may not leave."""

    id: str
    tlp: Tlp
    thing: Object | None
    readable: bool = True


def withdrawn(
    view: View, kinds: Sequence[str] = (), since: datetime | None = None, changed: datetime | None = None
) -> Iterator[Finding]:
    """Findings whose newest revision takes them back, masked; those the recipient would be given if they held.

    changed: only those whose newest revision was stored since.
    """
    from noroshi.lake.findings import from_row

    wanted = [set(k) for k in (kinds, view.recipient.kinds) if k]
    rows = view.shot.sql(
        "SELECT * FROM (SELECT * FROM findings_history QUALIFY row_number() OVER"
        " (PARTITION BY id, tlp ORDER BY modified DESC) = 1) WHERE withdrawn"
        " AND ($changed::TIMESTAMPTZ IS NULL OR modified >= $changed::TIMESTAMPTZ)"
        " ORDER BY first_seen, kind, subject_value, id, tlp",
        {"changed": changed},
    )
    for batch in rows.to_batches(max_chunksize=1000):
        for row in batch.to_pylist():
            finding = from_row(row)
            if any(finding.kind not in w for w in wanted) or (since and finding.last_seen < since):
                continue
            if reason(finding, view.recipient, view.telescopes):
                continue
            if view.outside and finding.scope:
                finding = replace(finding, scope="")
            if (masked := view.mask.finding(finding)) is not None:
                yield masked


def objects(view: View) -> Iterator[Stored]:
    """Imported objects, what others refer to first, then by id and time."""
    first = ", ".join(f"'{t}'" for t in FIRST)
    for where in (f"type IN ({first})", f"type NOT IN ({first})"):
        yield from _read(view, "objects", f"{_STIX} AND starts_with(object_id, type || '--') AND {where}")


def relations(view: View) -> Iterator[Stored]:
    """Imported relationships and sightings, by id and time."""
    yield from _read(view, "relations", f"json IS NOT NULL AND {_STIX}")


def observables(view: View, ids: Iterable[str]) -> dict[str, Stored]:
    """Imported cyber observables of those ids: of several, the least strict, then the newest."""
    found = view.shot.sql(
        f"SELECT object_id, tlp, json FROM objects WHERE object_id IN (SELECT unnest($ids))"  # noqa: S608
        f" ORDER BY object_id, list_position({_LADDER}, tlp) DESC, ts, json DESC",
        {"ids": sorted(ids)},
    )
    stored = (_stored(view, row) for row in found.to_pylist())
    return {s.id: s for s in stored if s.thing is not None}


def has_any(view: View) -> bool:
    """True when anything of others was imported."""
    return any(view.shot.sql(f"SELECT 1 FROM {t} LIMIT 1").num_rows for t in ("objects", "relations"))  # noqa: S608


def has_observables(view: View) -> bool:
    """True when anybody's cyber observables were imported."""
    types = ", ".join(f"'{t}'" for t in sorted(OBSERVABLES))
    found = view.shot.sql(f"SELECT 1 FROM objects WHERE type IN ({types}) LIMIT 1")  # noqa: S608
    return bool(found.num_rows)


def patterns(view: View) -> dict[str, str]:
    """Ids of the attack-patterns the recipient may see, by technique: where the lake holds ATT&CK."""
    if not view.plain:
        return {}
    found = view.shot.sql(_TECHNIQUES)
    return {row["ref"].partition(" ")[2]: row["id"] for row in found.to_pylist()}


@dataclass(frozen=True)
class Seen:
    """An imported indicator in own data."""

    indicator: str
    count: int
    first: datetime
    last: datetime
    tlp: Tlp
    at: datetime
    """When the last of it came in."""


def seen(view: View) -> Iterator[Seen]:
    """Imported indicators whose value own sensors saw, by id.

    Only those that name one value: where a pattern asks for several, one of them is no match. Networks are left out,
    for the index of links knows addresses.
    """
    tables = ", ".join(f"'{t}'" for t in OWN_TABLES)
    found = view.shot.sql(f"""
        WITH named AS (
            SELECT object_id, min(kind) AS kind, min(value) AS value, list(DISTINCT tlp) AS tlps FROM indicators
            WHERE starts_with(object_id, 'indicator--') GROUP BY object_id
            HAVING count(DISTINCT kind || ' ' || value) = 1
        ), met AS (
            SELECT kind, value, sum(l.count) AS n, min(l.first_seen) AS first_seen, max(l.last_seen) AS last_seen,
                list(DISTINCT coalesce(l.tlp, r.tlp)) AS tlps, max(r."at") AS came
            FROM links l LEFT JOIN runs r USING (run_id)
            WHERE l."table" IN ({tables}) AND (kind, value) IN (SELECT (kind, value) FROM named)
            GROUP BY kind, value
        )
        SELECT object_id, n, first_seen, last_seen, named.tlps || met.tlps AS tlps, coalesce(came, last_seen) AS came
        FROM named JOIN met USING (kind, value) ORDER BY object_id
    """)  # noqa: S608 - names of tables, ours
    for batch in found.to_batches(max_chunksize=10_000):
        # Times as the profile tells them; where it holds some back, the sightings stay back.
        times = view.mask.table("links", pa.table({n: batch.column(n) for n in ("first_seen", "last_seen")}))
        if times.num_rows != batch.num_rows:
            continue
        for row, time in zip(batch.to_pylist(), times.to_pylist(), strict=True):
            row |= time
            tlp = strictest(Tlp(t) if t else Tlp.AMBER_STRICT for t in row["tlps"])
            yield Seen(row["object_id"], int(row["n"]), row["first_seen"], row["last_seen"], tlp, row["came"])


def _read(view: View, table: str, where: str) -> Iterator[Stored]:
    """Rows in parts of about PART bytes, so that a lake of any size takes the same memory."""
    borders = view.shot.sql(
        f"SELECT min(object_id) AS id FROM (SELECT object_id, sum(strlen(json) + 200) OVER (ORDER BY object_id)"  # noqa: S608
        f" // {PART} AS part FROM {table} WHERE {where}) GROUP BY part ORDER BY part"
    ).column("id").to_pylist()  # fmt: skip
    for low, high in zip(borders, [*borders, None][1:], strict=True):
        rows = view.shot.sql(
            f"SELECT object_id, tlp, json FROM {table} WHERE {where} AND object_id >= $low"  # noqa: S608
            " AND ($high IS NULL OR object_id < $high)"
            f" ORDER BY object_id, ts, list_position({_LADDER}, tlp), json",
            {"low": low, "high": high},
        )
        for batch in rows.to_batches(max_chunksize=1000):
            for row in batch.to_pylist():
                yield _stored(view, row)


def _stored(view: View, row: dict[str, Any]) -> Stored:
    tlp = Tlp(row["tlp"]) if row["tlp"] else Tlp.AMBER_STRICT
    try:
        thing = msgspec.json.decode(row["json"], type=dict)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        return Stored(row["object_id"], tlp, None, readable=False)
    return Stored(row["object_id"], tlp, view.mask.object(thing))
