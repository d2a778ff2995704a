"""Traffic Light Protocol 2.0: the five markings, their order, and the strictest of several.

Source: FIRST, Traffic Light Protocol version 2.0 (2022-08). No marking means AMBER+STRICT, never CLEAR.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from noroshi.model.errors import UsageError


class Tlp(StrEnum):
    """A marking; compares by strictness through `rank`."""

    CLEAR = "clear"
    GREEN = "green"
    AMBER = "amber"
    AMBER_STRICT = "amber+strict"
    RED = "red"

    @property
    def rank(self) -> int:
        """0 for CLEAR to 4 for RED."""
        return _ORDER.index(self)

    @property
    def label(self) -> str:
        """As people read it: `TLP:AMBER+STRICT`."""
        return f"TLP:{self.value.upper()}"


_ORDER = (Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT, Tlp.RED)
DEFAULT = Tlp.AMBER_STRICT


def parse(text: str) -> Tlp:
    """The marking named by `text` ("amber", "TLP:AMBER+STRICT", and TLP 1's "white").

    Raises UsageError for any other word.
    """
    word = text.strip().lower().removeprefix("tlp:").replace("_", "+").replace(" ", "")
    if word == "white":
        return Tlp.CLEAR
    try:
        return Tlp(word)
    except ValueError:
        names = ", ".join(t.value for t in _ORDER)
        raise UsageError(f"{text!r} is not a TLP marking", todo=f"Use one of: {names}.") from None


def strictest(markings: Iterable[Tlp]) -> Tlp:
    """The strictest of `markings`; AMBER+STRICT when there is none."""
    return max(markings, key=lambda t: t.rank, default=DEFAULT)
