"""What the joins share: own networks, warninglists, makers of statements, confidence, runs."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from noroshi.model import address
from noroshi.model.analyser import Query, Scope
from noroshi.model.errors import UsageError
from noroshi.model.observable import implied, key64

DECOYS = ("sessions", "logins", "commands", "transfers", "relays")
RUNS = 50
"""Runs a finding names; beyond that it names none, and is told as judged from all."""
SURE = 95
"""Confidence that no join of logs exceeds: addresses change hands, and clocks are wrong."""

Observable = tuple[str, str]


def names(tables: Iterable[str]) -> str:
    """Names of ours as an SQL list."""
    return ", ".join(f"'{t}'" for t in tables)


def utc(ts: datetime) -> datetime:
    """The same moment, named UTC."""
    return ts.astimezone(UTC)


def few(runs: Iterable[str]) -> tuple[str, ...]:
    """Runs in order when they are few, else none."""
    found = tuple(sorted(set(runs)))
    return found if len(found) <= RUNS else ()


def together(claims: Iterable[float]) -> int:
    """Confidence in percent of independent claims, each with its own share of being right: 1 - prod(1 - c)."""
    wrong = 1.0
    for claim in claims:
        wrong *= 1 - min(max(claim, 0.0), 1.0)
    return min(SURE, round(100 * (1 - wrong)))


@dataclass(frozen=True)
class Asset:
    """A network or address somebody answers for."""

    low: bytes
    high: bytes
    prefix: str
    name: str = ""
    owner: str = ""
    contact: str = ""


@dataclass(frozen=True)
class Own:
    """Own networks: those of the configuration and those of `assets`; the narrowest that holds an address counts."""

    assets: tuple[Asset, ...]

    def holder(self, packed: bytes) -> Asset | None:
        """The narrowest network that holds the address; an asset with an owner before one without."""
        found = [a for a in self.assets if a.low <= packed <= a.high]
        return min(found, key=_narrow, default=None)

    def of(self, text: str) -> Asset | None:
        """The same for an address in text."""
        return self.holder(address.pack(text))

    def spans(self) -> list[tuple[bytes, bytes]]:
        """Ranges of stored addresses, laid together where they meet, in order."""
        out: list[tuple[bytes, bytes]] = []
        for low, high in sorted((a.low, a.high) for a in self.assets):
            if out and low <= out[-1][1]:
                out[-1] = (out[-1][0], max(high, out[-1][1]))
            else:
                out.append((low, high))
        return out


def _narrow(a: Asset) -> tuple[int, bool, str]:
    return int.from_bytes(a.high[1:]) - int.from_bytes(a.low[1:]), not (a.owner or a.contact), a.prefix


def own_networks(query: Query, scope: Scope) -> Own:
    """Own networks of the configuration and of `assets` (kinds ip and prefix; the newest statement of each)."""
    out = [Asset(*address.prefix_range(p), p) for p in scope.own]
    rows = query.sql(
        "SELECT kind, value, name, owner, contact FROM assets WHERE kind IN ('ip', 'prefix')"
        " QUALIFY row_number() OVER (PARTITION BY kind, value ORDER BY ts DESC, owner, contact, name) = 1"
        " ORDER BY kind, value"
    )
    for r in rows.to_pylist():
        try:
            span = address.prefix_range(r["value"])
        except UsageError:
            continue
        out.append(Asset(*span, r["value"], r["name"] or "", r["owner"] or "", r["contact"] or ""))
    return Own(tuple(out))


def is_special(text: str) -> bool:
    """An address no host in the Internet has (RFC 6890): private, loopback, documentation, multicast, ..."""
    one = ipaddress.ip_address(text)
    return not one.is_global or one.is_multicast


KNOWN = "known"
"""Category of warninglists whose entries good and bad use: VPNs, clouds, hosting providers."""
KNOWN_WEIGHT = 0.5
"""What is left of what is said of a value on such a list: addresses there change hands within days, and serve many."""


@dataclass(frozen=True)
class Warned:
    """Warninglists, for values that were asked for when it was made."""

    exact: Mapping[Observable, str]
    below: Mapping[str, str]
    """Domains under which all names are listed."""
    lows: Sequence[tuple[bytes, bytes, str]] = field(default=())
    """Listed networks laid flat: (lowest, highest, list), in order, none overlapping."""
    weak: Warned | None = None
    """The lists that weaken (`known`); those above veto."""

    def weakens(self, kind: str, value: str) -> str:
        """The list of known things that holds a value; empty when none does."""
        return self.weak.hit(kind, value) if self.weak else ""

    def hit(self, kind: str, value: str) -> str:
        """The list of false positives that holds a value, or what contains it; empty when none does."""
        if found := self.exact.get((kind, value)):
            return found
        if kind == "ip":
            packed = address.pack(value)
            place = bisect_right(self.lows, packed, key=lambda s: s[0]) - 1
            if place >= 0 and self.lows[place][1] >= packed:
                return self.lows[place][2]
        elif kind == "domain":
            return next((self.below[d] for d in parents(value) if d in self.below), "")
        elif kind == "url" and value.count("/") == 3 and value.endswith("/"):
            # A page of a well-known host says something; the host's front page does not.
            hosts = [o for o in implied(kind, value) if o[0] in ("domain", "ip")]
            return next((found for o in hosts if (found := self.hit(*o))), "")
        return ""


def parents(name: str) -> Iterator[str]:
    """A domain and the domains above it, down to two labels."""
    labels = name.split(".")
    for i in range(max(1, len(labels) - 1)):
        yield ".".join(labels[i:])


def warned(query: Query, values: Collection[Observable]) -> Warned:
    """What warninglists say of these values, of the hosts in them and of the domains above them."""
    wanted: set[str] = set()
    for kind, value in values:
        for k, v in ((kind, value), *(implied(kind, value) if kind == "url" else ())):
            wanted |= set(parents(v)) if k == "domain" else {v}
    rows = query.sql(
        f'SELECT DISTINCT kind, value, "match", list, {_IS_KNOWN} AS known FROM warnings'  # noqa: S608
        " WHERE value IN (SELECT unnest($wanted::VARCHAR[])) ORDER BY list DESC",
        {"wanted": sorted(wanted)},
    ).to_pylist()
    flat = _flat(query) if any(k in ("ip", "url") for k, _ in values) else {}
    weak, strict = (
        Warned(
            {(r["kind"], r["value"]): r["list"] for r in rows if r["known"] is known},
            {r["value"]: r["list"] for r in rows if r["known"] is known and r["kind"] == "domain"
             and r["match"] == "below"},
            flat.get(known, ()),
        )
        for known in (True, False)
    )  # fmt: skip
    return replace(strict, weak=weak)


_IS_KNOWN = f"(coalesce(category, '') = '{KNOWN}')"


def _flat(query: Query) -> dict[bool, list[tuple[bytes, bytes, str]]]:
    """Listed networks laid flat, those of known things apart from false positives."""
    rows = query.sql(
        f"SELECT value, {_IS_KNOWN} AS known, min(list) AS list FROM warnings WHERE kind = 'prefix'"  # noqa: S608
        " GROUP BY ALL"
    ).to_pylist()
    return {
        known: _laid([(*address.prefix_range(r["value"]), r["list"]) for r in rows if r["known"] is known])
        for known in (True, False)
    }


def _laid(spans: list[tuple[bytes, bytes, str]]) -> list[tuple[bytes, bytes, str]]:
    out: list[tuple[bytes, bytes, str]] = []
    for low, high, name in sorted(spans):
        # Networks lie in one another or apart, so what begins inside the last ends inside it.
        if not out or low > out[-1][1]:
            out.append((low, high, name))
    return out


@dataclass(frozen=True)
class Said:
    """What one maker says about a value."""

    maker: str
    """Organisation or feed, else the document that names none."""
    documents: int
    roles: tuple[str, ...]
    confidence: int | None
    """The highest the maker gives, 0-100."""
    first: datetime
    last: datetime
    names: tuple[str, ...] = ()
    """Titles of documents, at most three."""
    to_ids: bool = False
    is_named: bool = True
    """The document says who made it."""


MAKER = "coalesce(nullif(origin, ''), document)"
"""SQL: who made a statement; a document that does not say counts as a maker of its own, which is told."""


def packed_keys(values: Iterable[Observable]) -> list[int]:
    """The keys of observables."""
    return [key64(*v) for v in values]


def days_between(a: tuple[datetime, datetime], b: tuple[datetime, datetime]) -> float:
    """Days between two spans of time; 0 where they touch."""
    gap = max((b[0] - a[1]).total_seconds(), (a[0] - b[1]).total_seconds(), 0.0)
    return gap / 86_400


def limit_rows(total: int, told: int) -> dict[str, int]:
    """Evidence that says how many there are when not all are told."""
    return {"found_in_all": total, "listed_in_all": told} if total > told else {}
