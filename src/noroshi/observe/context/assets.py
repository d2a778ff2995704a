"""What we answer for, as a list: CSV with a telling header, TOML with `[[asset]]` tables, JSON.

value,name,owner,contact,criticality          ip, prefix, domain, asn, cpe, purl or email may head the column too
192.0.2.0/24,Campus,IT centre,noc@example.org,high

[[asset]]                                     {"assets": [{"value": "192.0.2.0/24", "owner": "IT centre"}]}
value = "cpe:2.3:a:vendor:product:*:*:*:*:*:*:*:*"
owner = "Products"
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from noroshi.model.errors import UsageError
from noroshi.model.observable import canonical
from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe import csvrows
from noroshi.observe.rows import Rows
from noroshi.observe.supply.documents import beginning, member, objects, records, stamp, text, upto

KINDS: Final = ("ip", "prefix", "asn", "domain", "cpe", "purl", "email")
LARGE: Final = 16 << 20
"""Bytes of a TOML list: its parser takes it whole."""
PREFIXES: Final = 64
"""Prefixes one range `first - last` may become: more is a typing error."""
_COLUMNS: Final = {
    "value": "", "asset": "", "ip": "ip", "ip_address": "ip", "address": "ip", "prefix": "prefix", "cidr": "prefix",
    "network": "prefix", "range": "prefix", "subnet": "prefix", "domain": "domain", "hostname": "domain",
    "fqdn": "domain", "host": "", "asn": "asn", "cpe": "cpe", "purl": "purl", "email": "email",
}  # fmt: skip
"""Kind of what a column holds, by its name; empty: what its values look like."""
_ABOUT: Final = {
    "name": ("name", "label", "description"),
    "owner": ("owner", "department", "customer", "organisation", "organization"),
    "contact": ("contact", "contact_email", "abuse_contact"),
    "criticality": ("criticality", "priority", "importance"),
}
_TELLING: Final = frozenset({"owner", "contact", "contact_email", "abuse_contact", "criticality"})
_TOML: Final = re.compile(rb"(?m)^[ \t]*\[\[[ \t]*assets?[ \t]*\]\]")


class AssetsCsvSensor:
    """A list with a header."""

    name = "assets-csv"
    version = 1
    doc = "Own ranges, hosts, names and products as CSV: value (or ip, prefix, domain, cpe, ...), owner, contact."
    tables = ("assets",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """A column of values and one that says whose they are."""
        names = {n.strip().lower() for n in csvrows.header(head) or []}
        return bool(names & _COLUMNS.keys()) and bool(names & _TELLING)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `assets`. Reasons beside those of CSV: value."""
        rows, ts = Rows(), stamp(reading) or 0
        for item in csvrows.rows(reading):
            if isinstance(item, Reject):
                yield item
                continue
            offset, cells = item
            yield from add(rows, ts, offset, {k.strip().lower(): v for k, v in cells.items()})
            yield from rows.ready()
        yield from rows.rest()


class AssetsJsonSensor:
    """A list in JSON."""

    name = "assets-json"
    version = 1
    doc = 'Own ranges, hosts, names and products as JSON: {"assets": [...]}, a list, or one object a line.'
    tables = ("assets",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """`assets`, or a value beside whose it is."""
        found = beginning(head)
        first = next(iter(objects(found.get("assets"))), found)
        return _is_asset(first)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `assets`. Reasons beside those of JSON: value."""
        rows, ts = Rows(), stamp(reading) or 0
        for item in records(reading):
            if isinstance(item, Reject):
                yield item
                continue
            offset, record = item
            for one in objects(record["assets"]) if isinstance(record.get("assets"), list) else [record]:
                yield from add(rows, ts, offset, one)
                yield from rows.ready()
        yield from rows.rest()


class AssetsTomlSensor:
    """A list in TOML."""

    name = "assets-toml"
    version = 1
    doc = "Own ranges, hosts, names and products as TOML: tables [[asset]] with value, owner, contact, criticality."
    tables = ("assets",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """A table `[[asset]]`."""
        return b"\0" not in head and _TOML.search(head) is not None

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of `assets`. Reasons: toml, document-size (more than 16 MiB), value."""
        data = upto(reading.stream, LARGE + 1)
        try:
            if len(data) > LARGE:
                raise ValueError(f"a list of more than {LARGE >> 20} MiB; write it as CSV")
            found = member(tomllib.loads(data.decode("utf-8-sig")))
        except (ValueError, RecursionError) as e:
            reading.problem = f"no TOML: {str(e)[:200]}"
            yield Reject(0, "document-size" if len(data) > LARGE else "toml", reading.problem, data[:64])
            return
        rows, ts = Rows(), stamp(reading) or 0
        tables = objects(found.get("asset")) + objects(found.get("assets"))
        places = [m.start() for m in _TOML.finditer(data)]
        for i, one in enumerate(tables):
            yield from add(rows, ts, places[i] if len(places) == len(tables) else 0, one)
            yield from rows.ready()
        yield from rows.rest()
        reading.advance(len(data))


def _is_asset(one: Mapping[str, Any]) -> bool:
    return bool(one.keys() & _COLUMNS.keys()) and bool(one.keys() & _TELLING)


def add(rows: Rows, ts: int, offset: int, cells: Mapping[str, Any]) -> Iterator[Reject]:
    """Adds a row per value of an entry; a reject for each value that is none, and for an entry without any."""
    about = {
        column: next((t for k in names if (t := text(cells.get(k), 500))), None)
        for column, names in _ABOUT.items()
    }
    given = text(cells.get("kind"), 20) or text(cells.get("type"), 20) or ""
    stated = [(kind, t) for name, kind in _COLUMNS.items() if (t := text(cells.get(name)))]
    if not stated:
        yield Reject(offset, "value", "an entry without a value")
    for kind, value in stated:
        found = list(values(given.lower() if given.lower() in KINDS else kind, value))
        if not found:
            what = f"not {_article(kind)}" if kind else f"none of {', '.join(KINDS)}"
            yield Reject(offset, "value", f"{value[:100]!r} is {what}", value.encode("utf-8", "replace"))
        for one, plain in found:
            rows.add("assets", offset=offset, ts=ts, kind=one, value=plain, **about)


def values(kind: str, value: str) -> Iterator[tuple[str, str]]:
    """(kind, canonical value) of what a cell holds; several for a range of addresses, none for what is no value.

    kind: what it should be; empty for whatever it looks like. Addresses and networks may stand for each other.
    """
    first, dash, last = value.partition("-")
    if dash and kind in ("", "ip", "prefix"):
        try:
            low, high = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
            nets = ipaddress.summarize_address_range(low, high)
            some = [str(net) for net, _ in zip(nets, range(PREFIXES + 1), strict=False)]
        except (ValueError, TypeError):
            some = []
        if 0 < len(some) <= PREFIXES:
            yield from (("prefix", net) for net in some)
            return
    tried = {"": KINDS, "ip": ("ip", "prefix"), "prefix": ("prefix",), "domain": ("domain", "ip")}.get(
        kind, (kind,)
    )
    for one in tried:
        if one == "prefix" and "/" not in value and kind != "prefix":
            continue
        if one == "asn" and kind == "" and not value.strip().upper().startswith("AS"):
            continue
        try:
            yield one, canonical(one, value)
            return
        except UsageError:
            continue


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aei' else 'a'} {kind}"
