"""Looking again at what was told: still there, gone, or nobody looked.

An item is fixed when what saw it has looked since, often enough, and has not seen it again. Where nothing looked,
nothing is said. What looked, and how often it must:

- the darknet, decoys, others' reports: whole UTC days with data of every kind that saw it (for the darknet: of the same
  telescope), `quiet_days` of them, because a bot does not hit every telescope every day;
- a survey: one later look of the same scanner at the neighbourhood (/24, /48) without it.

It is persisting when it is still seen `quiet_days` after it was told. Raw rows are asked too, not findings alone: what
was stored and not analysed yet must not look like a cure.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from noroshi.lake.state.notices import (
    ACKNOWLEDGED,
    FIXED,
    NOTIFIED,
    PERSISTING,
    RECHECKED,
    RETURNED,
    ItemRow,
)
from noroshi.model import address
from noroshi.model.tlp import parse
from noroshi.share.marking import Recipient
from noroshi.share.notify.items import SERVICES
from noroshi.work.gate import open_view
from noroshi.work.notify_settings import settings

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.snapshot import Snapshot
    from noroshi.lake.state import State

OPEN = (NOTIFIED, ACKNOWLEDGED, RECHECKED, PERSISTING, RETURNED)
_TABLES = {"infected-host": ("flows",), "decoy-intrusion": ("sessions",), "dos-victim": ("flows",)}
_RAW = {
    "flows": ("src_ip", "first_seen"), "sessions": ("src_ip", "first_seen"), "logins": ("src_ip", "ts"),
    "commands": ("src_ip", "ts"), "transfers": ("src_ip", "ts"), "relays": ("src_ip", "ts"), "events": ("ip", "ts"),
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What is known of an item since it was told."""

    last: datetime
    """When it was last seen, by findings or raw rows."""
    days: tuple[date, ...]
    """UTC days after that on which what saw it looked, and did not."""


@dataclass(frozen=True)
class Verdict:
    """What a look makes of an item."""

    item: ItemRow
    state: str
    at: datetime | None
    """Since when, as far as known."""
    look: Look


def recheck(
    lake: Lake, config: Config, state: State, channel: str, who: str, *, now: datetime
) -> dict[str, int]:
    """Moves the open items of a channel on; how many went to which state."""
    counts: Counter[str] = Counter()
    for v in verdicts(lake, config, state.notices.items(channel), now=now):
        note = f"last seen {v.look.last.isoformat()}, looked on {len(v.look.days)} days since"
        if state.notices.step(v.item, v.state, who, note, at=v.at):
            counts[v.state] += 1
    return dict(counts)


def verdicts(
    lake: Lake, config: Config, rows: Iterable[ItemRow], *, now: datetime, shot: Snapshot | None = None
) -> list[Verdict]:
    """The items whose state a look changes. Writes nothing."""
    due = [r for r in rows if r.state in OPEN and (r.notified or r.changed) < now]
    if not due:
        return []
    entry = settings(config)
    to = Recipient("operators", parse(entry.tlp), "those who answer for a network", profile="plain")
    looker = _Looker(open_view(lake, config, to, now=now, shot=shot).shot, config, now)
    out = []
    for row in due:
        look = looker.look(row)
        becomes, at = judged(row, look, entry.quiet_days)
        if becomes and becomes != row.state:
            out.append(Verdict(row, becomes, at, look))
    return out


def judged(row: ItemRow, look: Look, quiet_days: int) -> tuple[str, datetime | None]:
    """(the state it goes to, since when); an empty state when nothing looked."""
    told = row.notified or row.changed
    if len(look.days) >= (1 if row.kind in SERVICES else quiet_days):
        return FIXED, max(datetime.combine(look.days[0], time(), UTC), told)
    if look.last > told + timedelta(days=quiet_days):
        return PERSISTING, look.last
    if row.state in (PERSISTING, RETURNED) or not (look.days or look.last > told):
        return "", None
    return RECHECKED, None


class _Looker:
    """Asks one snapshot; days are asked for once."""

    def __init__(self, shot: Snapshot, config: Config, now: datetime) -> None:
        self._shot, self._now = shot, now
        self._spans = {t.name: [address.prefix_range(p) for p in t.prefixes] for t in config.telescopes}
        self._known: dict[tuple[str, str], list[date]] = {}

    def look(self, row: ItemRow) -> Look:
        told = row.notified or row.changed
        if row.kind in SERVICES:
            return self._survey(row, told)
        tables = [t for t in row.detail.get("tables", ()) if t in _RAW] or list(
            _TABLES.get(row.kind, ("flows",))
        )
        last = max([row.last_seen, *(t for name in tables if (t := self._raw(row, name, told)))])
        since, until = max(told, last).date(), self._now.date()
        sets = [set(self._days(name, str(row.detail.get("scope", "")))) for name in tables]
        days = sorted(d for d in set.intersection(*sets) if since < d < until)  # today is not over
        return Look(last, tuple(days))

    def _raw(self, row: ItemRow, table: str, since: datetime) -> datetime | None:
        """The newest row of a table about the address, after `since`."""
        if "/" in row.subject:
            return None
        ip, ts = _RAW[table]
        more = ""
        if table == "flows":
            more = " AND class = 'backscatter'" if row.kind == "dos-victim" else " AND class <> 'backscatter'"
        found = self._shot.sql(
            f"SELECT max({ts}) AS t FROM {table} WHERE {ip} = $ip AND day >= $day::DATE"  # noqa: S608 - names are ours
            f" AND {ts} <= $now::TIMESTAMPTZ{more}",
            {"ip": address.pack(row.subject), "day": since.date(), "now": self._now},
        )["t"][0].as_py()
        return found.astimezone(UTC) if found else None

    def _days(self, table: str, scope: str) -> list[date]:
        """Days a table has rows on; of flows, of the telescope of that name."""
        key = (table, scope if table == "flows" else "")
        if key not in self._known:
            spans = self._spans.get(scope) if table == "flows" else None
            self._known[key] = self._within(spans) if spans else self._shot.days(table)
        return self._known[key]

    def _within(self, spans: Sequence[tuple[bytes, bytes]]) -> list[date]:
        inside = " OR ".join(f"dst_ip BETWEEN $low{n} AND $high{n}" for n in range(len(spans)))
        params = {f"low{n}": a for n, (a, _) in enumerate(spans)} | {
            f"high{n}": b for n, (_, b) in enumerate(spans)
        }
        found = self._shot.sql(f"SELECT DISTINCT day FROM flows WHERE {inside} ORDER BY day", params)  # noqa: S608
        return [d for d in found["day"].to_pylist() if d]

    def _survey(self, row: ItemRow, told: datetime) -> Look:
        """Later looks of the same scanners at the neighbourhood."""
        net = ipaddress.ip_network(row.subject)
        near = net if net.num_addresses > 1 else net.supernet(new_prefix=24 if net.version == 4 else 48)
        low, high = address.prefix_range(str(near))
        scanners = [str(s) for s in row.detail.get("scanners", ())]
        # A time of the evidence itself is none of a later look: strictly after it.
        rows = self._shot.sql(
            "SELECT ip, port, ts, state, version, cpes, scanner FROM services WHERE ip BETWEEN $low AND $high"
            " AND octet_length(ip) = octet_length($low) AND day >= $day::DATE AND ts <= $now::TIMESTAMPTZ ORDER BY ts",
            {"low": low, "high": high, "day": row.last_seen.date(), "now": self._now},
        ).to_pylist()
        looks = [
            r for r in rows if any(r["scanner"] == s or r["scanner"].startswith(f"{s}:") for s in scanners)
        ]
        again = [r["ts"] for r in looks if address.text(r["ip"]) == row.subject and _same(row, r)]
        last = max([row.last_seen, *(t.astimezone(UTC) for t in again)])
        since = max(told, last)
        days = sorted({r["ts"].astimezone(UTC).date() for r in looks if r["ts"].astimezone(UTC) > since})
        return Look(last, tuple(days))


def _same(row: ItemRow, r: dict[str, object]) -> bool:
    """True when a later row of the host shows what was told: the port open, and the version for a vulnerability."""
    ports = {str(p).rpartition("/")[2] for p in row.detail.get("ports", ())}
    if r["state"] not in (None, "open", "up") or (ports and str(r["port"]) not in ports):
        return False
    if row.kind == "weak-credential":
        return False  # an open port says nothing of its password: the finding does
    versions = row.detail.get("versions", ())
    if row.kind != "vulnerable-service" or not versions:
        return True
    cpes = r["cpes"] if isinstance(r["cpes"], list) else []
    told = " ".join([str(r["version"] or ""), *(str(c) for c in cpes)])
    return any(str(v) in told for v in versions)
