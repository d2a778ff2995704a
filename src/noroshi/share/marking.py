"""Who may see what: recipients and the highest marking each is given.

Source: FIRST, TLP 2.0. The ladder: the public gets CLEAR, a community GREEN, a named partner AMBER, the own
organisation AMBER+STRICT; RED is for named persons and never leaves by a machine. The filter goes into the
query, before anything is counted: a count is information too.
"""

from __future__ import annotations

from dataclasses import dataclass

from noroshi.model.errors import UsageError
from noroshi.model.tlp import Tlp


@dataclass(frozen=True)
class Recipient:
    """Somebody who is given an export; `ceiling` is the strictest marking that may reach them."""

    name: str
    ceiling: Tlp
    doc: str

    def may_see(self, tlp: Tlp) -> bool:
        """True when something marked `tlp` may reach them."""
        return tlp.rank <= self.ceiling.rank


RECIPIENTS: dict[str, Recipient] = {
    r.name: r
    for r in (
        Recipient("public", Tlp.CLEAR, "anybody"),
        Recipient("community", Tlp.GREEN, "the sharing community, such as an ISAC"),
        Recipient("own", Tlp.AMBER_STRICT, "the own organisation"),
    )
}


def recipient(name: str) -> Recipient:
    """The recipient of that name. Raises UsageError."""
    try:
        return RECIPIENTS[name]
    except KeyError:
        raise UsageError(f"there is no recipient {name!r}", todo=f"Known: {', '.join(RECIPIENTS)}.") from None


def withheld(counts: dict[Tlp, int], to: Recipient) -> dict[str, int]:
    """How many findings `to` is not given, by reason; for the person at the keyboard, never for the export.

    counts: findings by marking, of all markings.
    """
    return {
        f"{tlp.label} is stricter than {to.ceiling.label}, the most that {to.name} ({to.doc}) is given": n
        for tlp, n in sorted(counts.items(), key=lambda pair: pair[0].rank)
        if n and not to.may_see(tlp)
    }
