"""Findings handed to the targets of `[[deliver]]`: put on their way once, tried until they arrive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from noroshi.config import load
from noroshi.model.errors import NoroshiError
from noroshi.model.finding import Finding
from noroshi.share.deliver.target import DeliveryError, Sender, Target
from noroshi.share.marking import Recipient
from noroshi.work.gate import PLAIN, exported, open_view
from noroshi.work.gate import recipient as named

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import Delivery, State
    from noroshi.share.gate import View

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


def flush(
    lake: Lake, state: State, targets: Sequence[tuple[Target, Sender]], *, config: Config | None = None,
    who: str = "job",
) -> Sent:  # fmt: skip
    """Sends all that waits. A finding withdrawn or changed meanwhile goes out as it stands now, or not at all.

    Each target is given the view of its recipient. who: for the audit log, which is told before anything leaves.
    """
    out = Sent()
    for target, sender in targets:
        waiting = state.deliveries.waiting(target.name, TRIES)
        if not waiting:
            continue
        try:
            view, findings = _view(lake, state, target, config or load(None))
        except NoroshiError as e:
            out.problems.append(f"{target.name}: {e}")
            continue
        for at in range(0, len(waiting), AT_ONCE):
            problem = _send(state, target, sender, waiting[at : at + AT_ONCE], view, findings, who, out)
            if problem:
                out.problems.append(problem)
                break
    return out


def _view(
    lake: Lake, state: State, target: Target, config: Config
) -> tuple[View, dict[tuple[str, str], Finding]]:
    """What goes to a target, and its findings as they leave by the id and marking they are stored under."""
    if target.recipient:
        to = named(target.recipient, state)
        to = replace(to, ceiling=min(to.ceiling, target.ceiling, key=lambda t: t.rank))
    else:
        # No recipient is named: whoever reads there has what the marking allows, as it is stored.
        to = Recipient(f"deliver:{target.name}", target.ceiling, "a target of [[deliver]]", profile=PLAIN)
    view = open_view(lake, config, to)
    every = {(f.id, f.tlp.value): f for f in lake.findings(tlp=view.recipient.ceiling)}
    told = {key: m for key, f in every.items() if target.wants(f) and (m := view.told(f)) is not None}
    return view, told


def _send(
    state: State, target: Target, sender: Sender, waiting: Sequence[Delivery], view: View,
    findings: dict[tuple[str, str], Finding], who: str, out: Sent,
) -> str:  # fmt: skip
    """Sends a part; the problem there was, or nothing."""
    present = {(d.finding_id, d.tlp): findings.get((d.finding_id, d.tlp)) for d in waiting}
    chosen = [f for f in present.values() if f is not None]
    ids = [d.id for d in waiting]
    try:
        if chosen:
            exported(state, who, view, "deliver", len(chosen), target=target.name)
            sender.send(chosen)
    except DeliveryError as e:
        state.deliveries.failed(ids, str(e))
        state.audit.tell(
            who, "export-failed", recipient=view.recipient.name, target=target.name, problem=str(e)
        )
        return f"{target.name}: {e}"
    state.deliveries.delivered(ids)
    if chosen:
        out.delivered[target.name] = out.delivered.get(target.name, 0) + len(chosen)
    return ""
