"""What a view gives to block, how sure that is now, and until when.

Confidence halves with every half-life since a value was last seen, addresses faster than names; an entry ends when it
falls below the floor. A masked value is never blocked: it may be somebody else's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from noroshi.model import address
from noroshi.model.finding import Finding
from noroshi.share.beside import beside, dicts, unmasked
from noroshi.share.blocklist.never import SPECIAL, SPECIAL_NAMES, Never, Ranges, above
from noroshi.share.gate import View

ATTACKERS: Final = ("scanner", "infected-host", "known-attacker", "decoy-intrusion", "c2-candidate")
"""Kinds of findings whose subjects attack."""
VICTIMS: Final = ("dos-victim", "reflection-abuse", "exposed-service", "vulnerable-service", "weak-credential",
                  "inside-talker", "misconfiguration")  # fmt: skip
"""Kinds whose subjects something befell: an attack with forged sources looks like one of theirs."""
BENIGN: Final = ("investigation-scanner",)
VICTIM_FOR: Final = timedelta(days=90)
"""A host that was a victim within these days is not blocked."""
HALF_LIFE: Final = {"ip": timedelta(days=14), "prefix": timedelta(days=14), "domain": timedelta(days=60)}
"""Half of the addresses that attack have changed hands or been cleaned after about two weeks; names last longer."""
FLOOR: Final = 50
"""Confidence below which nothing is blocked, unless said otherwise."""
STATED: Final = 70
"""Confidence of a statement that gives none but is meant for detection."""
LONGEST: Final = timedelta(days=365)


@dataclass(frozen=True)
class Entry:
    """Something to block."""

    kind: str
    """ip, prefix or domain."""
    value: str
    until: datetime
    confidence: int
    """Now, 0-100."""
    why: tuple[str, ...]
    """Kinds of findings, or `stated`."""


@dataclass(frozen=True)
class Chosen:
    """The list, and what is not on it."""

    entries: tuple[Entry, ...]
    """By kind and value."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Values that are not on it, by why."""


@dataclass(frozen=True)
class Terms:
    """What an operator asks for."""

    floor: int = FLOOR
    longest: timedelta = LONGEST
    """After a value was last seen, it is on no list any more."""
    never: tuple[str, ...] = ()
    """Own ranges and those of the telescopes: of the configuration."""
    released: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(kind, value) with the reason, of what people have released."""


def choose(view: View, terms: Terms) -> Chosen:
    """What the recipient may block now."""
    never = _never(view, terms)
    best: dict[tuple[str, str], Entry] = {}
    out: dict[tuple[str, str], str] = {}
    for one in _candidates(view, terms):
        key = (one.kind, one.value)
        why = never.why(*key) or ("it has expired" if one.until <= view.now else "")
        if why:
            out.setdefault(key, why)
            continue
        held = best.get(key)
        if held is None:
            best[key] = one
        else:
            best[key] = replace(
                held, until=max(held.until, one.until), confidence=max(held.confidence, one.confidence),
                why=tuple(sorted({*held.why, *one.why})),
            )  # fmt: skip
    left = Counter(why for key, why in out.items() if key not in best)
    return Chosen(tuple(sorted(best.values(), key=lambda e: (e.kind, _place(e)))), dict(sorted(left.items())))


def _candidates(view: View, terms: Terms) -> Iterator[Entry]:
    for finding in view.counted(kinds=ATTACKERS):
        told = view.mask.finding(finding)
        if finding.subject.kind not in HALF_LIFE or told is None or told.subject != finding.subject:
            continue
        made = _entry(
            view,
            terms,
            finding.subject.kind,
            finding.subject.value,
            told.last_seen,
            told.confidence,
            finding.kind,
        )
        if made is not None:
            yield made
    for row in _stated(view):
        sure = row["confidence"] if row["confidence"] is not None else STATED
        seen = max(t for t in (row["last_seen"], row["ts"]) if t is not None)
        made = _entry(view, terms, row["kind"], row["value"], seen, sure, "stated")
        if made is not None:
            yield replace(made, until=min(made.until, row["valid_until"])) if row["valid_until"] else made


def _entry(
    view: View, terms: Terms, kind: str, value: str, seen: datetime, sure: int, why: str
) -> Entry | None:
    """An entry until it falls below the floor; None when it was never above."""
    if sure < max(terms.floor, 1):
        return None
    seen = min(seen, view.now)
    half = HALF_LIFE[kind]
    lasts = min(half * math.log2(sure / max(terms.floor, 1)), terms.longest)
    now = round(sure * 0.5 ** ((view.now - seen) / half))
    return Entry(kind, value, (seen + lasts).replace(microsecond=0), now, (why,))


_STATED: Final = ("kind", "value", "raw", "role", "type", "ts", "last_seen", "valid_until", "confidence", "to_ids",
                  "run_id", "offset")  # fmt: skip
_WANTED: Final = (
    "kind IN ('ip', 'prefix', 'domain') AND (to_ids OR role IN ('c2', 'download')) AND role <> 'victim'"
)


def _stated(view: View) -> Iterator[dict[str, Any]]:
    """Statements of others meant for detection, of which nothing was masked."""
    for was, row in beside(view, "indicators", _STATED, _WANTED):
        if was["value"] == row["value"] and row["ts"] is not None:
            yield row


def _never(view: View, terms: Terms) -> Never:
    plain = unmasked(view)
    ranges = [(p, "it is special (RFC 6890)") for p in SPECIAL]
    ranges += [(p, "it is our own") for p in terms.never]
    names = [(n, "it is special") for n in SPECIAL_NAMES]
    exact: dict[tuple[str, str], str] = {}
    parts: list[tuple[str, str]] = []
    for row in dicts(plain.rows("assets", ("kind", "value"))):
        own = "it is our own"
        (ranges if row["kind"] in ("ip", "prefix") else names).append((row["value"], own))
    for row in dicts(plain.rows("warnings", ("list", "kind", "value", "match"), "\"match\" <> 'regex'")):
        why = "it stands on a warninglist"
        if row["kind"] in ("ip", "prefix"):
            ranges.append((row["value"], why))
        elif row["match"] == "below":
            names.append((row["value"], why))
        elif row["match"] == "part" and len(row["value"]) > 3:
            parts.append((row["value"].lower(), why))
        else:
            exact[row["kind"], row["value"]] = why
    for key, why in _people(plain.counted(kinds=(*VICTIMS, *BENIGN), wanted=False), view.now):
        exact.setdefault(key, why)
    for (kind, value), _ in sorted(terms.released.items()):
        if kind == "domain":
            names.append((value, "it was released"))
        elif kind in ("ip", "prefix"):
            ranges.append((value, "it was released"))
    return Never(Ranges.of(ranges), dict(reversed(names)), above(names) | exact, tuple(sorted(set(parts))))


def _people(findings: Iterable[Finding], now: datetime) -> Iterator[tuple[tuple[str, str], str]]:
    for f in findings:
        key = (f.subject.kind, f.subject.value)
        if f.kind in BENIGN:
            yield key, "it scans for research"
        elif f.last_seen >= now - VICTIM_FOR:
            yield key, "it is a victim"


def _place(entry: Entry) -> tuple[bytes, str]:
    if entry.kind == "domain":
        return b"", ".".join(reversed(entry.value.split(".")))
    first, last = address.prefix_range(entry.value)
    # Of networks that begin with the same address the larger one first.
    return first + bytes(255 - b for b in last), ""
