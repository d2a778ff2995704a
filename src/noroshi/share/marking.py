"""Who may see what: recipients and the highest marking each is given.

Source: FIRST, TLP 2.0. The ladder: the public gets CLEAR, a community GREEN, a named partner AMBER, the own
organisation AMBER+STRICT; RED is for named persons and never leaves by a machine. The filter goes into the
query, before anything is counted: a count is information too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from noroshi.model import address
from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding
from noroshi.model.tlp import DEFAULT, Tlp


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
    if finding.subject.kind not in ("ip", "prefix"):
        return False
    first, last = address.prefix_range(finding.subject.value)
    return any(first <= high and low <= last for low, high in map(address.prefix_range, telescopes))


def withheld(findings: Iterable[Finding], to: Recipient, telescopes: Iterable[str] = ()) -> dict[str, int]:
    """How many findings `to` is not given, by reason; for the person at the keyboard, never exported."""
    prefixes = tuple(telescopes)
    counts = Counter(reason(f, to, prefixes) for f in findings)
    return {why: counts[why] for why in sorted(counts) if why}
