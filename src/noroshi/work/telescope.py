"""Where a telescope might be: proposals as TOML that can be pasted into noroshi.toml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from noroshi.analyse.darknet.guess import Proposal
from noroshi.analyse.darknet.guess import guess as propose
from noroshi.model.tlp import Tlp

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake


@dataclass(frozen=True)
class Guessed:
    """What might be a telescope, best first, and what was set aside, in words."""

    proposals: tuple[Proposal, ...]
    notes: tuple[str, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """The proposals as JSON types."""
        return [{"prefix": p.prefix, "evidence": dict(p.evidence)} for p in self.proposals]


def guess(lake: Lake, *, config: Config) -> Guessed:
    """Prefixes that look like telescopes and are not configured as one."""
    found = propose(lake.snapshot().restricted(tlp=Tlp.RED), config.telescope_prefixes)
    return Guessed(found.proposals, found.notes)


def toml(proposal: Proposal, name: str) -> str:
    """A `[[telescope]]` entry with the evidence as comments."""
    lines = [f"# {key} = {_text(value)}" for key, value in proposal.evidence.items()]
    return "\n".join([*lines, "[[telescope]]", f'name = "{name}"', f'prefixes = ["{proposal.prefix}"]', ""])


def _text(value: float | int | str) -> str:
    return (
        f"{value:,.3g}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )
