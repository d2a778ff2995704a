"""What there is to tell an operator: one item per address and kind, its facts, and rows of evidence with exact times.

Facts are named here one by one; what is not named never leaves: not the scope (a telescope's name), not what was
hit there and how many addresses, not the decoys, not what others wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from noroshi.model import address
from noroshi.model.finding import Finding
from noroshi.model.tlp import Tlp, strictest
from noroshi.share.notify.customers import Customers

if TYPE_CHECKING:
    from noroshi.share.gate import View

KINDS = (
    "infected-host",
    "decoy-intrusion",
    "weak-credential",
    "vulnerable-service",
    "exposed-service",
    "dos-victim",
)
"""Kinds that concern whoever runs a host, the most urgent first."""
SERVICES = ("weak-credential", "vulnerable-service", "exposed-service")
"""Kinds that tell of a service on the host."""
ROWS = 20
"""Rows of evidence per item, the newest: enough to find one subscriber, and logs of translators are kept briefly."""
AT_ONCE = 2_000
"""Addresses asked for in one question."""
LISTED = 20
"""Values of a list in the facts."""
_TEXT = 200
"""Characters of a text in the facts."""
_BANNER = 400

_FACTS: dict[str, tuple[str, ...]] = {
    "infected-host": ("class", "packet_count", "ports", "services", "tools"),
    "decoy-intrusion": ("sessions", "logins", "login_successes", "commands", "transfers", "services"),
    "weak-credential": ("entries", "ports", "products"),
    "vulnerable-service": ("vulnerabilities", "ports"),
    "exposed-service": ("exposed", "ports"),
    "dos-victim": ("vector", "protocol", "ports", "duration_s", "rate_pps"),
}
_LISTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "vulnerabilities": ("vulnerabilities", ("id", "port", "version", "fixed_version", "kev", "cvss", "epss")),
    "exposed": ("services", ("service", "port", "severity", "reason", "reason_ja")),
    "entries": ("logins", ("service", "port", "reason", "reason_ja")),
}
"""Lists of tables in the evidence: where they stand, and what of each entry may be told."""
_VERSIONS = ("version", "fixed_version")
_PORTS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}


@dataclass(frozen=True)
class Row:
    """One piece of evidence."""

    ts: datetime
    ip: str
    protocol: str
    """tcp, udp, icmp, ... or empty."""
    port: int | None
    """Port of the host itself: with the time, what a shared address is resolved by."""
    other_port: int | None
    """Port it talked to; None for what a survey found."""
    count: int | None = None
    """Packets in the row."""
    what: str = ""
    """Tool or service."""
    banner: str = ""
    source: str = ""
    """darknet, decoy or survey."""


@dataclass(frozen=True)
class Item:
    """One address (or prefix) and what is wrong with it."""

    operator: str
    network: str
    """The row of the table of operators that names it."""
    kind: str
    subject: str
    first_seen: datetime
    last_seen: datetime
    confidence: int
    tlp: Tlp
    findings: tuple[str, ...]
    facts: Mapping[str, Any]
    rows: tuple[Row, ...] = ()
    asn: str = ""
    country: str = ""
    episode: int = 1
    round: int = 1
    """1 for the first notice, 2 for the first reminder, ..."""
    told: tuple[str, ...] = ()
    """UTC days it was told on before, the first and the last."""
    again: bool = False
    """It was fixed once and is back."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """What a later look needs to know it again; never told."""


def gathered(
    operator: str,
    findings: Iterable[tuple[Finding, str]],
    mask: Customers,
    places: Mapping[str, tuple[str, str]],
) -> list[Item]:
    """One item per kind and subject, in the order of KINDS and addresses.

    findings: of this operator's addresses, as its view shows them but for the mask, each with its network.
    places: AS number and country by address. What the mask drops is no item.
    """
    groups: dict[tuple[str, str], list[tuple[Finding, str]]] = {}
    for finding, network in findings:
        if mask.finding(finding) is not None and _tellable(finding):
            groups.setdefault((finding.kind, finding.subject.value), []).append((finding, network))
    items = [_item(operator, some, mask, places) for some in groups.values()]
    return sorted(items, key=order)


def order(item: Item) -> tuple[int, int, bytes]:
    """The order items are told in."""
    low, _ = address.prefix_range(item.subject)
    return KINDS.index(item.kind), -item.confidence, low


def _tellable(finding: Finding) -> bool:
    """False for a vulnerability known by the product's name alone: nobody should be called for it."""
    if finding.kind != "vulnerable-service":
        return finding.kind in KINDS
    e = finding.evidence
    counts = [e.get("vulnerability_count"), e.get("product_only_count")]
    return not (isinstance(counts[0], int) and counts[0] == counts[1])


def _item(
    operator: str, some: Sequence[tuple[Finding, str]], mask: Customers, places: Mapping[str, tuple[str, str]]
) -> Item:
    ordered = sorted(some, key=lambda p: (p[0].last_seen, p[0].id))
    newest, network = ordered[-1]
    asn, country = places.get(newest.subject.value, ("", ""))
    found = [f for f, _ in ordered]
    return Item(
        operator, network, newest.kind, newest.subject.value, min(f.first_seen for f in found), newest.last_seen,
        max(f.confidence for f in found), strictest(f.tlp for f in found), tuple(f.id for f in found),
        facts(newest, mask), asn=asn, country=country, detail=_detail(newest),
    )  # fmt: skip


def facts(finding: Finding, mask: Customers) -> dict[str, Any]:
    """What may be told of the evidence; texts are masked, cut and on one line."""
    out: dict[str, Any] = {}
    for name in _FACTS[finding.kind]:
        if name in _LISTS:
            key, chosen = _LISTS[name]
            told: Any = _entries(finding.evidence.get(key), chosen, mask)
        else:
            told = _told(finding.evidence.get(name), mask)
        if told not in (None, "", [], {}):
            out[name] = told
    return out


def _told(value: Any, mask: Customers) -> Any:
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, str):
        masked = mask.text(value[: 4 * _TEXT])
        return None if masked is None else one_line(masked)[:_TEXT]
    if isinstance(value, list):
        told = [_told(v, mask) for v in value[:LISTED] if isinstance(v, str | int)]
        return [v for v in told if v not in (None, "")]
    return None


def _entries(value: Any, chosen: Sequence[str], mask: Customers) -> list[dict[str, Any]]:
    out = []
    for one in (value if isinstance(value, list) else [])[:LISTED]:
        if not isinstance(one, dict) or one.get("match") == "product":
            continue
        told = {}
        for name in chosen:
            given = one.get(name)
            if name in _VERSIONS and isinstance(given, str):
                given = mask.version(given[:_TEXT])
                told[name] = one_line(given) if given else None
            else:
                told[name] = _told(given, mask)
        out.append({k: v for k, v in told.items() if v not in (None, "", [])})
    return [o for o in out if o]


def one_line(text: str) -> str:
    """Hostile text on one line: nothing that breaks a line, moves a cursor, turns direction or is half a character."""
    return "".join(
        c if c.isprintable() else f"\\x{ord(c):02x}" if ord(c) < 0x100 else f"\\u{ord(c):04x}" for c in text
    )


def _detail(finding: Finding) -> dict[str, Any]:
    e = finding.evidence
    services, weak = _tables(e.get("services")), _tables(e.get("vulnerabilities"))
    ports = _list(e.get("ports")) or [s.get("port") for s in services if s.get("port")]
    scanners = _list(e.get("scanners")) or _list(e.get("sources"))
    versions = {str(v["version"])[:100] for v in weak if v.get("version")}
    seen = e.get("seen")
    return {
        "ports": [str(p)[:32] for p in ports[:LISTED]], "scope": finding.scope,
        "tables": sorted(str(t)[:32] for t in seen)[:LISTED] if isinstance(seen, dict) else [],
        "scanners": [str(s)[:100] for s in scanners[:LISTED]], "versions": sorted(versions)[:LISTED],
    }  # fmt: skip


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _tables(value: Any) -> list[dict[str, Any]]:
    return [v for v in _list(value) if isinstance(v, dict)]


def evidence(view: View, items: Sequence[Item]) -> dict[tuple[str, str], tuple[Row, ...]]:
    """Rows by (kind, subject): for each the newest ROWS within its time span, oldest first.

    view: its mask is over the subjects of all items; `told` is for what each operator's profile says of texts.
    """
    out: dict[tuple[str, str], list[Row]] = {}
    for kinds, tables in (
        (("infected-host",), (_flows("scan"), _sessions)), (("decoy-intrusion",), (_sessions,)),
        (("dos-victim",), (_flows("backscatter"),)), (SERVICES, (_surveyed,)),
    ):  # fmt: skip
        mine = [i for i in items if i.kind in kinds and "/" not in i.subject]
        for at in range(0, len(mine), AT_ONCE):
            part = mine[at : at + AT_ONCE]
            by_ip: dict[str, list[Item]] = {}
            for item in part:
                by_ip.setdefault(item.subject, []).append(item)
            for ask in tables:
                for row in ask(view, part):
                    for item in by_ip.get(row.ip, ()):
                        if item.first_seen <= row.ts <= item.last_seen:
                            out.setdefault((item.kind, item.subject), []).append(row)
    return {key: _newest(rows) for key, rows in out.items()}


def told(rows: Sequence[Row], mask: Customers) -> tuple[Row, ...]:
    """Rows with their texts as an operator's profile leaves them."""
    return tuple(
        replace(r, what=one_line(mask.text(r.what) or ""), banner=one_line(mask.text(r.banner) or ""))
        for r in rows
    )


def _newest(rows: Sequence[Row]) -> tuple[Row, ...]:
    ordered = sorted(
        set(rows), key=lambda r: (r.ts, r.source, r.protocol, r.port or 0, r.other_port or 0, r.banner)
    )
    return tuple(ordered[-ROWS:])


Ask = Callable[["View", Sequence[Item]], Iterable[Row]]


def _rows(
    view: View, part: Sequence[Item], table: str, ip: str, ts: str, columns: Sequence[str], more: str = "true"
) -> Iterable[dict[str, Any]]:
    """Rows of a table about the items' addresses; at most 2 x ROWS each, the newest."""
    params = {
        "ips": [address.pack(i.subject) for i in part], "low": min(i.first_seen for i in part),
        "high": max(i.last_seen for i in part), "first": min(i.first_seen for i in part).date(),
        "last": max(i.last_seen for i in part).date(),
    }  # fmt: skip
    where = (
        f"{ip} IN (SELECT unnest($ips::BLOB[])) AND {ts} BETWEEN $low::TIMESTAMPTZ AND $high::TIMESTAMPTZ AND {more}"
        " AND day BETWEEN $first::DATE AND $last::DATE"
        f" QUALIFY row_number() OVER (PARTITION BY {ip} ORDER BY {ts} DESC, {', '.join(columns)}) <= {5 * ROWS}"
    )
    return view.rows(table, (ip, ts, *columns), where, params, f"{ts}, {', '.join(columns)}").to_pylist()


def _flows(of: str) -> Ask:
    kind = "class = 'backscatter'" if of == "backscatter" else "class NOT IN ('backscatter', 'spoofed')"

    def ask(view: View, part: Sequence[Item]) -> Iterable[Row]:
        columns = ("protocol", "src_port", "dst_port", "packet_count", "tool")
        for r in _rows(view, part, "flows", "src_ip", "first_seen", columns, kind):
            # A victim answers to ports the attacker made up.
            other = None if of == "backscatter" else r["dst_port"]
            yield _row(
                r, "src_ip", "first_seen", r["src_port"], other, "darknet", r["packet_count"], r["tool"]
            )

    return ask


def _sessions(view: View, part: Sequence[Item]) -> Iterable[Row]:
    for r in _rows(
        view, part, "sessions", "src_ip", "first_seen", ("protocol", "src_port", "dst_port", "service")
    ):
        yield _row(r, "src_ip", "first_seen", r["src_port"], r["dst_port"], "decoy", None, r["service"])


def _surveyed(view: View, part: Sequence[Item]) -> Iterable[Row]:
    columns = ("protocol", "port", "service", "banner")
    for r in _rows(
        view, part, "services", "ip", "ts", columns, "port > 0 AND coalesce(state, 'open') = 'open'"
    ):
        yield _row(r, "ip", "ts", r["port"], None, "survey", None, r["service"], r["banner"])


def _row(
    r: Mapping[str, Any], ip: str, ts: str, port: int | None, other: int | None, source: str, count: int | None,
    what: str | None, banner: str | None = None,
) -> Row:  # fmt: skip
    protocol = _PORTS.get(r["protocol"] or 0, str(r["protocol"] or ""))
    return Row(
        r[ts].astimezone(UTC), address.text(r[ip]), protocol, port, other, count, one_line((what or "")[:_TEXT]),
        one_line((banner or "")[:_BANNER]), source,
    )  # fmt: skip
