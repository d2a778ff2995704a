"""Findings handed to the targets of `[[deliver]]`: put on their way once, tried until they arrive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from noroshi.model.finding import Finding
from noroshi.share.deliver.target import DeliveryError, Sender, Target

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import Delivery, State

TRIES = 100
"""A target that never answers is given up after so many checks; `noroshi watch list` tells."""
AT_ONCE = 500
"""Findings in one message."""


@dataclass
class Sent:
    """What went out."""

    delivered: dict[str, int] = field(default_factory=dict)
    """Findings by target."""
    problems: list[str] = field(default_factory=list)
    """What happened at targets that took nothing."""


def enqueue(state: State, targets: Iterable[Target], findings: Iterable[Finding]) -> None:
    """Puts findings on their way to the targets that want them; twice is once."""
    wanted = [(t, f) for f in findings for t in targets if t.wants(f) and f.modified]
    for target, finding in wanted:
        if finding.modified:
            state.deliveries.enqueue(target.name, finding.id, finding.tlp.value, finding.modified)


def flush(lake: Lake, state: State, targets: Sequence[tuple[Target, Sender]]) -> Sent:
    """Sends all that waits. A finding withdrawn or changed meanwhile goes out as it stands now, or not at all."""
    out = Sent()
    findings: dict[tuple[str, str], Finding] | None = None
    for target, sender in targets:
        waiting = state.deliveries.waiting(target.name, TRIES)
        if not waiting:
            continue
        if findings is None:
            findings = {(f.id, f.tlp.value): f for f in lake.findings()}
        for at in range(0, len(waiting), AT_ONCE):
            problem = _send(state, target, sender, waiting[at : at + AT_ONCE], findings, out)
            if problem:
                out.problems.append(problem)
                break
    return out


def _send(
    state: State, target: Target, sender: Sender, waiting: Sequence[Delivery],
    findings: dict[tuple[str, str], Finding], out: Sent,
) -> str:  # fmt: skip
    """Sends a part; the problem there was, or nothing."""
    present = {(d.finding_id, d.tlp): findings.get((d.finding_id, d.tlp)) for d in waiting}
    chosen = [f for f in present.values() if f is not None and target.wants(f)]
    ids = [d.id for d in waiting]
    try:
        if chosen:
            sender.send(chosen)
    except DeliveryError as e:
        state.deliveries.failed(ids, str(e))
        return f"{target.name}: {e}"
    state.deliveries.delivered(ids)
    if chosen:
        out.delivered[target.name] = out.delivered.get(target.name, 0) + len(chosen)
    return ""
