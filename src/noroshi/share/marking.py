"""Who may see what: recipients and the highest marking each is given.

Source: FIRST, TLP 2.0. The ladder: the public gets CLEAR, a community GREEN, a named partner AMBER, the own
organisation AMBER+STRICT; RED is for named persons and never leaves by a machine. The filter goes into the
query, before anything is counted: a count is information too.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from noroshi.model import address
from noroshi.model.errors import UsageError
from noroshi.model.finding import KINDS, Finding
from noroshi.model.tlp import DEFAULT, Tlp

MOST: Final[Mapping[str, Tlp]] = {
    "public": Tlp.CLEAR, "community": Tlp.GREEN, "sector": Tlp.GREEN, "organisation": Tlp.AMBER,
    "person": Tlp.RED,
}  # fmt: skip
"""The strictest marking a recipient of each kind may ever be given (FIRST, TLP 2.0, sections 3 and 4)."""
USUAL: Final[Mapping[str, Tlp]] = {**MOST, "person": Tlp.AMBER}
"""What they are given unless said otherwise: RED takes somebody to write it down."""
NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_MAIL: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}"
)
"""RFC 5321's Dot-string (roughly) and domain: what a mail program passes on without quoting."""
MOST_RANGES: Final = 10_000
"""Prefixes of one recipient: the largest providers announce about so many, summed up."""
MOST_TITLE: Final = 200
LANGS: Final = ("en", "ja")


@dataclass(frozen=True)
class Recipient:
    """Somebody who is given an export; `ceiling` is the strictest marking that may reach them."""

    name: str
    ceiling: Tlp
    doc: str
    kind: str = "organisation"
    """person, organisation, sector, community or public."""
    profile: str = ""
    """Name of the anonymising profile; its own name when empty."""
    kinds: tuple[str, ...] = ()
    """Kinds of finding they want; empty for all."""
    ranges: tuple[str, ...] = ()
    """Prefixes they answer for."""
    mail: str = ""
    lang: str = "en"
    tlp1: bool = False
    """They read TLP 1 only."""
    writes: bool = False
    """They may send objects in."""

    def may_see(self, tlp: Tlp) -> bool:
        """True when something marked `tlp` may reach them."""
        return tlp.rank <= self.ceiling.rank


def checked(to: Recipient) -> Recipient:
    """The recipient with names, prefixes and kinds in their canonical form; UsageError for what cannot be."""
    if not NAME.fullmatch(to.name):
        raise UsageError(
            f"{to.name[:80]!r} is no name of a recipient",
            todo="Use 1 to 64 lower-case letters, digits, dots, dashes and underscores, beginning and ending with "
            "a letter or digit.",
        )
    if to.name in RECIPIENTS:
        raise UsageError(f"{to.name} comes with the package and stays as it is", todo="Choose another name.")
    if to.kind not in MOST:
        raise UsageError(f"{to.kind[:80]!r} is no kind of recipient", todo=f"Kinds: {', '.join(MOST)}.")
    if to.ceiling.rank > MOST[to.kind].rank:
        todo = f"TLP 2.0 lets a recipient of the kind {to.kind} have {MOST[to.kind].label} at most."
        raise UsageError(f"{to.ceiling.label} is not for {to.name}", todo=todo)
    if to.profile and not NAME.fullmatch(to.profile):
        raise UsageError(
            f"{to.profile[:80]!r} is no name of a profile", todo="It is a file's name without .toml."
        )
    if unknown := [k for k in to.kinds if k not in KINDS]:
        raise UsageError(f"{unknown[0][:80]!r} is no kind of finding", todo=f"Known: {', '.join(KINDS)}.")
    if to.mail and (len(to.mail) > 254 or not _MAIL.fullmatch(to.mail)):
        raise UsageError(f"{to.mail[:80]!r} is no mail address", todo="Write it as name@example.org.")
    if to.lang not in LANGS:
        raise UsageError(f"{to.lang[:80]!r} is no language here", todo=f"Languages: {', '.join(LANGS)}.")
    doc = " ".join(to.doc.split())
    if len(doc) > MOST_TITLE or not doc.isprintable():
        raise UsageError(
            "the title is too long or not printable", todo=f"Use {MOST_TITLE} characters at most."
        )
    if to.writes and to.kind == "public":
        raise UsageError("the public may not send objects in", todo="Give writers a recipient of their own.")
    return replace(to, doc=doc, kinds=tuple(dict.fromkeys(to.kinds)), ranges=prefixes(to.ranges))


def prefixes(texts: Iterable[str]) -> tuple[str, ...]:
    """Prefixes in canonical form, those inside others left out; UsageError for what is none, or too many."""
    given = list(texts)
    if len(given) > MOST_RANGES:
        raise UsageError(f"{len(given)} ranges are too many", todo=f"Sum them up to {MOST_RANGES} at most.")
    nets: dict[int, list[ipaddress.IPv4Network | ipaddress.IPv6Network]] = {4: [], 6: []}
    for text in given:
        address.prefix_range(text[:80])  # refuses what is none
        net = ipaddress.ip_network(text.strip(), strict=False)
        if net.prefixlen == 0:
            raise UsageError(f"{text!r} is everybody's", todo="Name the prefixes they answer for.")
        nets[net.version].append(net)
    v4 = ipaddress.collapse_addresses(n for n in nets[4] if isinstance(n, ipaddress.IPv4Network))
    v6 = ipaddress.collapse_addresses(n for n in nets[6] if isinstance(n, ipaddress.IPv6Network))
    return (*map(str, v4), *map(str, v6))


RECIPIENTS: dict[str, Recipient] = {
    r.name: r
    for r in (
        Recipient("public", Tlp.CLEAR, "anybody", "public"),
        Recipient("community", Tlp.GREEN, "the sharing community, such as an ISAC", "community"),
        Recipient("own", Tlp.AMBER_STRICT, "the own organisation"),
    )
}


def recipient(name: str) -> Recipient:
    """The recipient of that name. Raises UsageError."""
    try:
        return RECIPIENTS[name]
    except KeyError:
        raise UsageError(f"there is no recipient {name!r}", todo=f"Known: {', '.join(RECIPIENTS)}.") from None


def reason(finding: Finding, to: Recipient, telescopes: Iterable[str] = ()) -> str:
    """Why `to` is not given a finding; empty when they are.

    telescopes: prefixes of the telescopes. Who learns a dark address can avoid or flood it, and which they
    are stands only in the configuration, which carries no marking: a finding about one is for the own
    organisation.
    """
    if not to.may_see(finding.tlp):
        most = f"the most that {to.name} ({to.doc}) is given"
        return f"{finding.tlp.label} is stricter than {to.ceiling.label}, {most}"
    if not to.may_see(DEFAULT) and _inside(finding, telescopes):
        return "the subject lies inside a telescope, whose addresses are told to the own organisation only"
    return ""


def _inside(finding: Finding, telescopes: Iterable[str]) -> bool:
    return within(finding, map(address.prefix_range, telescopes))


def within(finding: Finding, ranges: Iterable[tuple[bytes, bytes]]) -> bool:
    """True when the subject is an address or prefix that touches one of the ranges of stored addresses."""
    if finding.subject.kind not in ("ip", "prefix"):
        return False
    first, last = address.prefix_range(finding.subject.value)
    return any(first <= high and low <= last for low, high in ranges)


def withheld(findings: Iterable[Finding], to: Recipient, telescopes: Iterable[str] = ()) -> dict[str, int]:
    """How many findings `to` is not given, by reason; for the person at the keyboard, never exported."""
    prefixes = tuple(telescopes)
    counts = Counter(reason(f, to, prefixes) for f in findings)
    return {why: counts[why] for why in sorted(counts) if why}
