"""What was observed, as observed-data: sources in the darknet per day, visits to decoys and what was typed there,
services of hosts.

Rows are read a day at a time and go through the view's mask before anything is made of them; ids are made from what
the recipient sees. Addresses of telescopes and decoys never go out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from noroshi.model import address
from noroshi.model.tlp import Tlp
from noroshi.share.stix.finding import COUNT_LIMIT, Names
from noroshi.share.stix.ids import object_id, sco_id
from noroshi.share.stix.observables import observable
from noroshi.share.stix.shared import OBSERVATION
from noroshi.share.stix.text import clean, stamp

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.share.gate import View

Object = dict[str, Any]
Row = dict[str, Any]

PORTS = 16
"""Ports of a source and day that are told; the others are counted."""
COMMANDS = 100
"""Commands of a visit that go out."""
BANNER = 4096
"""Characters of a banner that go out."""
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp"}

_TOLD_OF_SERVICE = ("service", "product", "version", "state", "ja4s", "hassh", "ssh_key", "certificate")

_CLOSED = 'closed AS (SELECT run_id, "at" FROM runs)'
"""When the rows of each run came in: what is told of them is no older than that."""
_FLOWS = f"""
    WITH {_CLOSED}, ports AS (
        SELECT src_ip, "class", protocol, dst_port, min(first_seen) AS first_seen, max(last_seen) AS last_seen,
            sum(packet_count)::BIGINT AS packet_count, sum(byte_count)::BIGINT AS byte_count,
            max(tool) AS tool, max(closed."at") AS "at"
        FROM flows JOIN closed USING (run_id) WHERE {{seen}} GROUP BY ALL
    ), ranked AS (
        SELECT *, row_number() OVER (PARTITION BY src_ip, "class"
            ORDER BY packet_count DESC, protocol, dst_port) <= {PORTS} AS told FROM ports
    )
    SELECT src_ip, "class", CASE WHEN told THEN protocol ELSE -1 END::SMALLINT AS protocol,
        CASE WHEN told THEN dst_port ELSE -1 END::INTEGER AS dst_port, min(first_seen) AS first_seen,
        max(last_seen) AS last_seen, sum(packet_count)::BIGINT AS packet_count,
        sum(byte_count)::BIGINT AS byte_count, max(tool) AS tool, max("at") AS "at"
    FROM ranked GROUP BY ALL ORDER BY src_ip, "class", packet_count DESC, protocol, dst_port
"""  # noqa: S608 - ours
_SESSIONS = f"""
    WITH {_CLOSED}
    SELECT src_ip, src_port, dst_port, protocol, service, client, hassh, ja4, ssh_key, login_count, login_success,
        command_count, session_id, decoy, first_seen, last_seen, "at"
    FROM sessions JOIN closed USING (run_id) WHERE {{seen}}
    ORDER BY src_ip, first_seen, session_id, src_port, dst_port, last_seen
"""  # noqa: S608 - ours
_COMMANDS = f"""
    WITH {_CLOSED}
    SELECT src_ip, session_id, decoy, ts, "text", "at" FROM commands JOIN closed USING (run_id) WHERE {{seen}}
    QUALIFY row_number() OVER (PARTITION BY src_ip, session_id, decoy ORDER BY ts, "offset") <= {COMMANDS}
    ORDER BY src_ip, session_id, decoy, ts, "offset"
"""  # noqa: S608 - ours
_SERVICES = f"""
    WITH {_CLOSED}
    SELECT ip, port, protocol, state, service, product, version, banner, hostnames, cpes, certificate, ssh_key, hassh,
        ja4s, ts, "at"
    FROM services JOIN closed USING (run_id) WHERE {{seen}}
    ORDER BY ip, ts, port, protocol, state, product, version, banner
"""  # noqa: S608 - ours


@dataclass(frozen=True)
class Place:
    """What the objects of one table, day and marking share."""

    view: View
    names: Names
    day: date
    tlp: Tlp

    @property
    def marks(self) -> list[str]:
        """Markings of all of it."""
        return [self.names.marks[self.tlp]]

    def address(self, packed: bytes | None) -> Object | None:
        """The observable of an address the recipient may be told."""
        if packed is None or not address.is_packed(packed):
            return None
        # Who learns a dark address can avoid or flood it.
        if any(low <= packed <= high for low, high in map(address.prefix_range, self.view.telescopes)):
            return None
        made = observable("ip", address.text(packed))
        return made and made | {"object_marking_refs": self.marks}

    def observed(
        self, table: str, key: tuple[str, ...], seen: tuple[datetime, datetime], count: int, refs: list[str],
        told: Object, rows: Iterable[Row],
    ) -> Object:  # fmt: skip
        """The observed-data, with what STIX has no word for in our extension. rows: those it is made of, which say
        when they came in: late ones change what is told of a time that was told before, so it is modified then."""
        first, last = stamp(seen[0]), stamp(seen[1])
        modified = revised(seen[1], (r["at"] for r in rows), count, exact=self.view.plain)
        return {
            "type": "observed-data", "spec_version": "2.1",
            "id": object_id("observed-data", table, self.tlp.value, *key, *self.names.salt),
            "created": first, "modified": stamp(modified), "created_by_ref": self.names.creator,
            "object_marking_refs": self.marks, "first_observed": first, "last_observed": last,
            "number_observed": min(max(count, 1), COUNT_LIMIT), "object_refs": refs,
            "extensions": {OBSERVATION: {
                "extension_type": "property-extension", "table": table,
                **{k: v for k, v in told.items() if v not in (None, "", [])},
            }},
        }  # fmt: skip


def facts(view: View, names: Names, since: datetime | None = None) -> Iterator[Object]:
    """Everything observed that the view holds, by table, day and marking."""
    for table, text, time, make in _TABLES:
        days = view.shot.sql(f"SELECT DISTINCT day FROM {table} ORDER BY day")  # noqa: S608 - ours
        for row in days.to_pylist():
            day: date = row["day"]
            if since and day < since.date():
                continue
            for tlp in Tlp:
                seen = f"day = $day AND ($since IS NULL OR {time} >= $since::TIMESTAMPTZ)"
                seen += " AND run_id IN (SELECT run_id FROM runs WHERE tlp = $tlp)"
                rows = view.shot.sql(text.format(seen=seen), {"day": day, "since": since, "tlp": tlp.value})
                if rows.num_rows:
                    yield from make(Place(view, names, day, tlp), _rows(view.mask.table(table, rows)))


def _rows(table: pa.Table) -> Iterator[Row]:
    for batch in table.to_batches(max_chunksize=1000):
        yield from batch.to_pylist()


def _flows(at: Place, rows: Iterable[Row]) -> Iterator[Object]:
    for (src, class_), some in groupby(rows, key=lambda r: (r["src_ip"], r["class"])):
        who, ports = at.address(src), list(some)
        seen = _span(ports, "first_seen", "last_seen")
        if who is None or seen is None:
            continue
        yield who
        total = sum(r["packet_count"] or 0 for r in ports)
        yield at.observed(
            "flows", (at.day.isoformat(), who["value"], str(class_)), seen, total, [who["id"]],
            {"class": class_, "tool": _word(max((r["tool"] or "" for r in ports), default="")),
             "ports": [p for r in ports if (p := _port(r["protocol"], r["dst_port"]))],
             "packets": total, "bytes": sum(r["byte_count"] or 0 for r in ports)}, ports,
        )  # fmt: skip


def _sessions(at: Place, rows: Iterable[Row]) -> Iterator[Object]:
    for row in rows:
        who, seen = at.address(row["src_ip"]), _span([row], "first_seen", "last_seen")
        if who is None or seen is None:
            continue
        yield who
        refs = [who["id"]]
        if traffic := _traffic(row, who, seen):
            yield traffic | {"object_marking_refs": at.marks}
            refs.append(traffic["id"])
        told = {k: _word(row[k]) for k in ("service", "client", "hassh", "ja4", "ssh_key")}
        key = (who["value"], str(row["session_id"]), str(row["src_port"]), stamp(seen[0]))
        observed = at.observed("sessions", key, seen, 1, refs, told | {
            "logins": row["login_count"], "login_success": row["login_success"], "commands": row["command_count"],
        }, [row])  # fmt: skip
        yield observed
        if row["login_count"]:
            yield from _used(at, "T1110", observed, row)


def _commands(at: Place, rows: Iterable[Row]) -> Iterator[Object]:
    for (src, session, _), some in groupby(rows, key=lambda r: (r["src_ip"], r["session_id"], r["decoy"])):
        who, lines = at.address(src), [r for r in some if r["text"]]
        seen = _span(lines, "ts", "ts")
        if who is None or seen is None:
            continue
        yield who
        refs = [who["id"]]
        for n, row in enumerate(lines):
            made = object_id("process", at.tlp.value, who["value"], str(session), str(n), stamp(seen[0]))
            yield {
                "type": "process", "spec_version": "2.1", "id": made, "object_marking_refs": at.marks,
                "command_line": clean(row["text"]), **({"created_time": stamp(row["ts"])} if row["ts"] else {}),
            }  # fmt: skip
            refs.append(made)
        key = (at.day.isoformat(), who["value"], str(session))
        observed = at.observed("commands", key, seen, len(lines), refs, {"commands": len(lines)}, lines)
        yield observed
        yield from _used(at, "T1059", observed, lines[0])


def _services(at: Place, rows: Iterable[Row]) -> Iterator[Object]:
    for row in rows:
        who, seen = at.address(row["ip"]), _span([row], "ts", "ts")
        if who is None or seen is None:
            continue
        also = [
            thing | {"object_marking_refs": at.marks}
            for kind, values in (
                ("domain", row["hostnames"]), ("cpe", row["cpes"]), ("certificate", [row["certificate"]]),
            )
            for value in (values or [])[:PORTS]
            if value and (thing := observable(kind, value))
        ]  # fmt: skip
        yield who
        yield from also
        port = _port(row["protocol"], row["port"])
        told = {
            k: _word(row[k])
            for k in ("service", "product", "version", "state", "ja4s", "hassh", "ssh_key", "certificate")
        }
        key = (who["value"], str(port), str(row["state"]), str(row["product"]), stamp(seen[0]))
        yield at.observed(
            "services", key, seen, 1, list(dict.fromkeys([who["id"], *(t["id"] for t in also)])),
            told | {"ports": [port] if port else [], "banner": _word(row["banner"], BANNER)}, [row],
        )  # fmt: skip


def _used(at: Place, technique: str, observed: Object, row: Row) -> Iterator[Object]:
    """That a decoy saw a technique of MITRE's used."""
    sensor = at.names.sensor("decoy", row["decoy"] or "")
    yield sensor
    yield {
        "type": "sighting", "spec_version": "2.1", "id": object_id("sighting", observed["id"], technique),
        "created": observed["created"], "modified": observed["modified"],
        "created_by_ref": at.names.creator, "object_marking_refs": at.marks,
        "first_seen": observed["first_observed"], "last_seen": observed["last_observed"],
        "count": observed["number_observed"], "sighting_of_ref": at.names.patterns[technique],
        "observed_data_refs": [observed["id"]], "where_sighted_refs": [sensor["id"]],
    }  # fmt: skip


def _traffic(row: Row, who: Object, seen: tuple[datetime, datetime]) -> Object | None:
    """The connection of a visit, without the decoy's address."""
    ports = {"src_port": row["src_port"], "dst_port": row["dst_port"]}
    if not all(type(p) is int and 0 < p <= 65535 for p in ports.values()):
        return None
    protocols = ["ipv6" if who["type"] == "ipv6-addr" else "ipv4", _PROTOCOLS.get(row["protocol"] or 0, "")]
    what: Object = {
        "start": stamp(seen[0]), "end": stamp(seen[1]), "src_ref": who["id"],
        "protocols": [p for p in protocols if p], **ports,
    }  # fmt: skip
    return {
        "type": "network-traffic", "spec_version": "2.1", "id": sco_id("network-traffic", what),
        "is_active": False, **what,
    }  # fmt: skip


def revised(last: datetime, came: Iterable[datetime | None], count: int, *, exact: bool) -> datetime:
    """When what is told of a thing changed: when the last of its rows came in, and not before it was last seen.

    A function of what may be seen, so unchanged things keep it. exact: False where a profile makes times coarse: two
    changes within an hour would look like one, so a higher count is told to be later, within that hour.
    """
    at = max((t for t in came if t is not None), default=last)
    at = max(at.astimezone(UTC), last.astimezone(UTC))
    return at if exact else at + timedelta(milliseconds=min(max(count, 0), 3_599_999))


def _span(rows: list[Row], first: str, last: str) -> tuple[datetime, datetime] | None:
    """First and last time of rows; None when the profile drops times."""
    begun = [r[first] for r in rows if r[first] is not None]
    ended = [r[last] for r in rows if r[last] is not None]
    if not begun or not ended:
        return None
    return min(begun), max(*begun, *ended)


def _port(protocol: int | None, port: int | None) -> str:
    if port is None or protocol is None or port < 0 or protocol < 0:
        return ""
    return f"{_PROTOCOLS.get(protocol, protocol)}/{port}"


def _word(value: object, limit: int = 500) -> str:
    return clean(value, limit) if isinstance(value, str) else ""


_TABLES: tuple[tuple[str, str, str, Callable[[Place, Iterable[Row]], Iterator[Object]]], ...] = (
    ("flows", _FLOWS, "last_seen", _flows),
    ("sessions", _SESSIONS, "last_seen", _sessions),
    ("commands", _COMMANDS, "ts", _commands),
    ("services", _SERVICES, "ts", _services),
)
