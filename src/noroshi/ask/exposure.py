# ruff: noqa: S608 - SQL made of names from this file; values are parameters
"""What surveys found on hosts: the newest look at each service, grouped, and a host's history.

A survey that looked again replaces what an earlier one said of the same address, port and protocol; a look that found
the port closed ends it. Filters are values, never SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from noroshi.model import address
from noroshi.model.analyser import Query
from noroshi.model.errors import UsageError

GROUPS: Final[Mapping[str, str]] = {
    "port": "port::VARCHAR",
    "service": "coalesce(service, '')",
    "product": "trim(concat_ws(' ', vendor, product))",
    "version": "trim(concat_ws(' ', product, version))",
    "device": "coalesce(device, '')",
    "country": "coalesce(country, '')",
    "org": "coalesce(org, '')",
    "asn": "coalesce(asn, '')",
    "scanner": "scanner",
    "network": "CASE octet_length(ip) WHEN 5 THEN ip_text((ip[1:4] || unhex('00'))::BLOB) || '/24' ELSE 'IPv6' END",
}
"""What services can be grouped by."""
FILTERS: Final[Mapping[str, str]] = {
    "port": "port = try_cast($port AS INTEGER)",
    "service": "service = $service",
    "product": "contains(lower(trim(concat_ws(' ', vendor, product))), lower($product))",
    "version": "(version = $version OR trim(concat_ws(' ', product, version)) = $version)",
    "device": "device = $device",
    "country": "country = upper($country)",
    "org": "contains(lower(org), lower($org))",
    "asn": "asn = upper($asn)",
    "scanner": "scanner = $scanner",
    "net": "ip BETWEEN $net_first AND $net_last",
    "cve": "list_contains(cves, upper($cve))",
    "text": "(contains(lower(banner), lower($text)) OR contains(lower(title), lower($text)))",
}
_NEWEST = (
    "SELECT * FROM services WHERE port > 0 AND day >= $since::DATE AND ts >= $since AND ts < $until"
    " QUALIFY row_number() OVER (PARTITION BY ip, port, protocol ORDER BY ts DESC, run_id, \"offset\" DESC) = 1"
)  # fmt: skip


@dataclass(frozen=True)
class Group:
    """Services that share something."""

    value: str
    services: int
    hosts: int
    last_seen: datetime


@dataclass(frozen=True)
class Exposure:
    """What is open."""

    services: int
    hosts: int
    groups: tuple[Group, ...]
    n_groups: int
    """How many there are; `groups` are those with most services."""


def exposure(
    query: Query, since: datetime, until: datetime, by: str = "port", filters: Mapping[str, str] | None = None,
    limit: int = 50,
) -> Exposure:  # fmt: skip
    """Open services as last seen in that time, grouped `by` one of GROUPS; filters: of FILTERS, all must hold."""
    if by not in GROUPS:
        raise UsageError(f"services cannot be grouped by {by!r}", todo=f"By: {', '.join(GROUPS)}.")
    where, parameters = _where(filters or {}, since, until)
    found = query.sql(
        f"WITH open AS (SELECT * FROM ({_NEWEST}) WHERE state IN ('open', '') AND {where}),"
        f" sums AS (SELECT {GROUPS[by]} AS value, count(*)::BIGINT AS services, count(DISTINCT ip)::BIGINT AS hosts,"
        " max(ts) AS seen FROM open GROUP BY 1)"
        " SELECT *, (SELECT count(*) FROM open)::BIGINT AS all_services, (SELECT count(DISTINCT ip) FROM open)::BIGINT"
        " AS all_hosts, (SELECT count(*) FROM sums)::BIGINT AS n_groups"
        f" FROM sums ORDER BY services DESC, value LIMIT {int(limit)}",
        parameters,
    ).to_pylist()
    groups = tuple(Group(r["value"] or "", r["services"], r["hosts"], r["seen"]) for r in found)
    first = found[0] if found else {"all_services": 0, "all_hosts": 0, "n_groups": 0}
    return Exposure(first["all_services"], first["all_hosts"], groups, first["n_groups"])


def services(
    query: Query, since: datetime, until: datetime, filters: Mapping[str, str] | None = None, *, limit: int = 50,
    after: tuple[str, int, int] | tuple[str, int] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Open services as last seen in that time, by address, port and protocol; after: (address, port, protocol) to go
    on from, or (address, port) to go on behind all protocols of that port."""
    where, parameters = _where(filters or {}, since, until)
    if after is not None:
        where += " AND (s.ip, s.port, s.protocol) > ($after_ip, $after_port, $after_protocol)"
        parameters |= {"after_ip": address.pack(after[0]), "after_port": after[1]}
        parameters["after_protocol"] = after[2] if len(after) == 3 else 32_767
    # First which rows, by few columns, then those rows: banners are long. Addresses are ordered as stored, not as text:
    # 198.51.100.9 comes before 198.51.100.10.
    return query.sql(
        f'WITH keys AS (SELECT ip, port, protocol, ts, run_id, "offset" FROM ({_NEWEST}) AS s WHERE state IN'
        f" ('open', '') AND {where} ORDER BY s.ip, s.port, s.protocol LIMIT {int(limit)})"
        " SELECT ip_text(s.ip) AS ip, s.* EXCLUDE (ip, day) FROM services AS s JOIN keys AS k ON s.ip = k.ip AND"
        ' s.port = k.port AND s.protocol = k.protocol AND s.ts = k.ts AND s.run_id = k.run_id AND s."offset" ='
        ' k."offset" WHERE s.day >= $since::DATE QUALIFY row_number() OVER (PARTITION BY s.ip, s.port, s.protocol) = 1'
        " ORDER BY s.ip, s.port, s.protocol",
        parameters,
    ).to_pylist()


def newest(query: Query) -> datetime | None:
    """When a survey looked last; None when none has."""
    found: datetime | None = query.sql("SELECT max(ts) AS ts FROM services").to_pylist()[0]["ts"]
    return found


def host(query: Query, ip: str, limit: int = 500) -> list[dict[str, Any]]:
    """Every look at a host, newest first: what it ran, port by port, with what changed from look to look."""
    rows = query.sql(
        "SELECT * EXCLUDE (ip, day) FROM services WHERE ip = $ip ORDER BY ts DESC, port, protocol"
        f" LIMIT {int(limit)}",
        {"ip": address.pack(ip)},
    ).to_pylist()
    newer: dict[tuple[int, int], dict[str, Any]] = {}
    for row in reversed(rows):
        key = (row["port"], row["protocol"])
        before = newer.get(key)
        row["changed"] = _changed(before, row) if before else []
        newer[key] = row
    return rows


_SAID: Final = (
    "service",
    "vendor",
    "product",
    "version",
    "title",
    "banner",
    "cves",
    "certificate",
    "ssh_key",
)


def _changed(before: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    """What is other than at the look before. A port that is not open says nothing, and of what only one of two surveys
    asks for (Nmap reads no banner, Shodan does) nothing has changed."""
    state = ["state"] if (before["state"] or "open") != (row["state"] or "open") else []
    if row["state"] not in ("open", "") or before["state"] not in ("open", ""):
        return state
    same = before["scanner"] == row["scanner"]
    return state + [
        c for c in _SAID if (before[c] or None) != (row[c] or None) and (same or (before[c] and row[c]))
    ]  # fmt: skip


def _where(filters: Mapping[str, str], since: datetime, until: datetime) -> tuple[str, dict[str, Any]]:
    parameters: dict[str, Any] = {"since": since, "until": until}
    parts = ["true"]
    for name, value in filters.items():
        if name not in FILTERS:
            raise UsageError(f"services have no filter {name!r}", todo=f"Filters: {', '.join(FILTERS)}.")
        parts.append(FILTERS[name])
        if name == "net":
            parameters["net_first"], parameters["net_last"] = address.prefix_range(value)
        else:
            parameters[name] = value[:500]
    return " AND ".join(parts), parameters
