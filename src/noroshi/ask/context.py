"""What is known of a value without having seen it: whose it is, which lists hold it, what contains it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noroshi.ask import networks
from noroshi.ask.rows import Value
from noroshi.lake.look import has
from noroshi.model import address
from noroshi.model.errors import UsageError
from noroshi.model.finding import iso
from noroshi.model.observable import implied, key64

if TYPE_CHECKING:
    from noroshi.lake.heads import Links
    from noroshi.lake.snapshot import Snapshot

INSIDE = 1024
"""Networks inside one that are looked for at most, by trying them all: down to single addresses from a /23."""
Observable = tuple[str, str]


@dataclass(frozen=True)
class Own:
    """What the configuration says is ours, and where it has tables of countries and networks."""

    prefixes: tuple[str, ...] = ()
    telescopes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(name, prefixes)."""
    country: str = ""
    network: str = ""


@dataclass(frozen=True)
class Context:
    """Derived context of a value."""

    network: dict[str, Any] = field(default_factory=dict)
    """network, asn, as_name, country and the dates of their tables."""
    special: str = ""
    """Special range of an address: private, multicast, ..."""
    own: tuple[str, ...] = ()
    """Own prefixes and telescopes it lies in."""
    assets: tuple[dict[str, Any], ...] = ()
    warninglists: tuple[dict[str, Any], ...] = ()
    within: tuple[dict[str, Any], ...] = ()
    """Observables that contain it (networks, parent domains, the product without its version) and stand somewhere."""
    inside: tuple[dict[str, Any], ...] = ()
    """Networks inside a network that stand somewhere."""
    announced: dict[str, Any] = field(default_factory=dict)
    """Of an AS: networks it announces, addresses of them that were seen."""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What there is of it."""
        return {k: (list(v) if isinstance(v, tuple) else v) for k, v in vars(self).items() if v}


def context(shot: Snapshot, links: Links, what: Value, own: Own, *, often: bool = False) -> Context:
    """The context of an observable. often: many are asked, so that loading all networks pays."""
    above = list(containers(*_plain(what)))
    below = list(_below(what))
    known = links.common([key64(*o) for o in (_plain(what), *above, *below)])
    stand = {o: known[key64(*o)] for o in (_plain(what), *above, *below) if key64(*o) in known}
    listed, assets = [], []
    for observable, common in stand.items():
        same = observable == _plain(what)
        if common.stands_in("warnings") and (same or observable in above):
            listed += _listed(shot, observable, what, exact=same)
        if common.stands_in("assets") and observable not in below:
            assets += _rows(shot, "assets", observable)
    ranges = _ranges(what)
    return Context(
        network=_network(shot, what, own, often=often), special=_special(what),
        own=tuple(_own(ranges, own)) if ranges else (),
        assets=tuple(assets), warninglists=tuple(listed),
        within=tuple(_told(links, o) for o in above if o in stand),
        inside=tuple(_told(links, o) for o in below if o in stand),
        announced=_announced(shot, links, what), notes=tuple(_notes(what, below)),
    )  # fmt: skip


def _plain(what: Value) -> Observable:
    return what.kind, what.value


def containers(kind: str, value: str) -> Iterator[Observable]:
    """Observables that contain one, the narrowest first."""
    if kind in ("ip", "prefix") and "." in value and ":" not in value:
        text, _, bits = value.partition("/")
        number = int.from_bytes(address.pack(text)[1:], "big")
        # By hand, because 33 networks as objects take half a millisecond.
        for length in range(int(bits) - 1 if kind == "prefix" else 32, -1, -1):
            low = number >> (32 - length) << (32 - length)
            yield "prefix", f"{low >> 24}.{low >> 16 & 255}.{low >> 8 & 255}.{low & 255}/{length}"
    elif kind in ("ip", "prefix"):
        net = ipaddress.ip_network(value)
        lengths = range(net.prefixlen if kind == "ip" else net.prefixlen - 1, -1, -1)
        for length in lengths:
            yield "prefix", str(net.supernet(new_prefix=length))
    elif kind == "domain":
        labels = value.split(".")
        for i in range(1, len(labels) - 1):
            yield "domain", ".".join(labels[i:])
    else:
        for one in implied(kind, value):
            yield one
            if one[0] == "domain":
                yield from containers(*one)


def _below(what: Value) -> Iterator[Observable]:
    if what.kind != "prefix":
        return
    net = ipaddress.ip_network(what.value)
    if net.max_prefixlen - net.prefixlen > 9:
        return
    for length in range(net.prefixlen + 1, net.max_prefixlen + 1):
        for one in net.subnets(new_prefix=length):
            yield "prefix", str(one)


def _notes(what: Value, below: Sequence[Observable]) -> Iterator[str]:
    if what.kind == "domain":
        yield "names-below-not-counted"
    if what.kind == "prefix" and not below and not what.value.endswith(("/32", "/128")):
        yield "networks-inside-not-looked-for"


def _special(what: Value) -> str:
    if what.kind != "ip":
        return ""
    one = ipaddress.ip_address(what.value)
    for name in ("loopback", "link_local", "multicast", "private", "reserved", "unspecified"):
        if getattr(one, f"is_{name}"):
            return name.replace("_", "-")
    return "" if one.is_global else "not-global"


def _ranges(what: Value) -> tuple[bytes, bytes] | None:
    return address.prefix_range(what.value) if what.kind in ("ip", "prefix") else None


def _own(span: tuple[bytes, bytes], own: Own) -> Iterator[str]:
    for name, prefixes in (("", own.prefixes), *own.telescopes):
        for prefix in prefixes:
            first, last = address.prefix_range(prefix)
            if first <= span[1] and span[0] <= last:
                yield f"{name}: {prefix}" if name else prefix


def _network(shot: Snapshot, what: Value, own: Own, *, often: bool) -> dict[str, Any]:
    span = _ranges(what)
    if span is None:
        return {}
    out: dict[str, Any] = {}
    # Few addresses are asked by SQL, some 20 ms; more of them load an index, once and for a second.
    place = networks.lookup(shot, [span[0]], load=often)[0] if has(shot, "networks") else None
    if place:
        out = {
            "network": place.network, "asn": place.asn, "as_name": place.as_name, "country": place.country,
            "asn_date": iso(place.asn_ts) if place.asn_ts else None,
            "country_date": iso(place.country_ts) if place.country_ts else None,
        }  # fmt: skip
    if not out.get("asn") and own.network.endswith(".mmdb"):
        out |= from_mmdb(own.network, what.value.partition("/")[0])
    if not out.get("country") and own.country.endswith(".mmdb"):
        out |= from_mmdb(own.country, what.value.partition("/")[0])
    return {k: v for k, v in out.items() if v}


@lru_cache(maxsize=4)
def _mmdb(path: str) -> Any:
    import maxminddb

    try:
        return maxminddb.open_database(path) if Path(path).is_file() else None
    except (maxminddb.InvalidDatabaseError, ValueError, OSError):
        return None


def from_mmdb(path: str, ip: str) -> dict[str, Any]:
    reader = _mmdb(path)
    try:
        record = reader.get(ip) if reader else None
    except ValueError:  # an IPv6 address in a table of IPv4
        record = None
    if not isinstance(record, dict):
        return {}
    number = record.get("autonomous_system_number") or record.get("asn")
    land = record.get("country")
    code = land.get("iso_code") if isinstance(land, dict) else land or record.get("country_code")
    name = record.get("autonomous_system_organization") or record.get("as_name") or record.get("name")
    out = {"asn": f"AS{str(number).removeprefix('AS')}" if number else None, "as_name": name, "country": code}
    return {k: v for k, v in out.items() if isinstance(v, str)}


def _rows(shot: Snapshot, table: str, observable: Observable) -> list[dict[str, Any]]:
    """Rows of a table of kinds and values about an observable, in JSON types."""
    from noroshi.lake.render import to_text

    rows = to_text(shot.rows(table, "value", observable[1], limit=20))
    return [{k: v for k, v in r.items() if v is not None and k != "offset"} for r in rows
            if r["kind"] == observable[0]]  # fmt: skip


def _listed(shot: Snapshot, observable: Observable, what: Value, *, exact: bool) -> list[dict[str, Any]]:
    """Warninglist entries that hold for the value: of what contains it only those that mean all inside."""
    out = []
    for row in _rows(shot, "warnings", observable):
        if exact or row["match"] in ("below", "prefix") or observable[0] == "prefix":
            out.append({"list": row["list"], "entry": row["value"], "match": row["match"],
                        "category": row["category"]})  # fmt: skip
    return out


def _told(links: Links, observable: Observable) -> dict[str, Any]:
    rows = links.of(*observable)
    return {
        "kind": observable[0], "value": observable[1], "count": sum(rows["count"].to_pylist()),
        "tables": sorted(set(rows["table"].to_pylist())),
    }  # fmt: skip


def _announced(shot: Snapshot, links: Links, what: Value) -> dict[str, Any]:
    if what.kind != "asn" or not has(shot, "networks"):
        return {}
    try:
        prefixes = networks.networks_of(shot, what.value)
    except UsageError:
        return {}
    from noroshi.model.observable import address_key

    seen: list[tuple[int, int, str]] = []
    for text in prefixes:
        first, _, last = text.partition(" - ")
        span = (address.pack(first), address.pack(last)) if last else address.prefix_range(first)
        addresses, rows = links.spread(*map(address_key, span))
        if addresses:
            seen.append((addresses, rows, text))
    seen.sort(reverse=True)
    told = [{"network": text, "addresses": n, "link_rows": rows} for n, rows, text in seen[:20]]
    return {
        "networks": len(prefixes), "first": prefixes[:20], "seen": told,
        "addresses_seen": sum(n for n, _, _ in seen),
    }  # fmt: skip
