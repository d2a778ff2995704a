"""Where findings are sent, as configured in `[[deliver]]`, and what may go there."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from noroshi.model.errors import NoroshiError
from noroshi.model.finding import Finding
from noroshi.model.tlp import Tlp

NEVER = Tlp.RED
"""RED is for named persons and never leaves by a machine (FIRST, TLP 2.0)."""


class DeliveryError(NoroshiError):
    """A target took nothing: what happened, where, what to do. It is tried again at the next check."""


@dataclass(frozen=True)
class Target:
    """One entry of `[[deliver]]`."""

    name: str
    kinds: tuple[str, ...]
    """Kinds of findings that go there."""
    ceiling: Tlp
    """The strictest marking that goes there."""
    min_confidence: int = 0
    recipient: str = ""
    """Who reads it: they are sent what they may see, masked by their profile. Empty: what is stored, as marked."""

    def wants(self, finding: Finding) -> bool:
        """True when the finding is to be sent there."""
        return (
            finding.kind in self.kinds
            and finding.tlp.rank <= self.ceiling.rank
            and finding.tlp is not NEVER
            and finding.confidence >= self.min_confidence
        )


def as_json(document: Any, indent: int | None = None) -> bytes:
    """JSON in UTF-8 of whatever a finding holds: half characters as escapes, what is no number as null."""
    text = json.dumps(_plain(document), ensure_ascii=False, sort_keys=True, indent=indent, allow_nan=False)
    return text.encode("utf-8", "backslashreplace")  # a lone surrogate becomes \\udc80, which is JSON


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Sender(Protocol):
    """One way of sending."""

    def send(self, findings: Sequence[Finding]) -> None:
        """Sends them all or raises DeliveryError, after which all of them are sent again."""
        ...
