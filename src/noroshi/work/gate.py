"""Opens views: the recipient by name, the lake restricted to it, the mask of its profile; and tells the log."""

from __future__ import annotations

import getpass
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from noroshi.model.address import prefix_range
from noroshi.model.errors import UsageError
from noroshi.model.tlp import DEFAULT, Tlp, parse
from noroshi.share.anonymise.mask import Mask, Plain
from noroshi.share.gate import View
from noroshi.share.marking import RECIPIENTS, Recipient, reason, within

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.snapshot import Snapshot
    from noroshi.lake.state import State
    from noroshi.lake.state.recipients import RecipientRow

PLAIN = "plain"
"""Name of the profile that changes nothing; there is no file of it."""


def recipient(name: str, state: State | None = None) -> Recipient:
    """The recipient of that name, built in or added. Raises UsageError."""
    if name in RECIPIENTS:
        return RECIPIENTS[name]
    row = state.recipients.get(name) if state else None
    if row is None:
        known = [*RECIPIENTS, *([r.name for r in state.recipients.all()] if state else [])]
        shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
        raise UsageError(f"there is no recipient {name[:80]!r}", todo=f"Known: {shown}.")
    return of_row(row)


def of_row(row: RecipientRow) -> Recipient:
    """A recipient as kept, as the gate knows it."""
    return Recipient(
        row.name, parse(row.ceiling), row.title, row.kind, row.profile, row.kinds, row.ranges, row.mail, row.lang,
        row.tlp1, row.writes,
    )  # fmt: skip


def everybody(state: State) -> list[Recipient]:
    """All recipients: those that come with the package, then those added, by name."""
    return [*RECIPIENTS.values(), *(of_row(r) for r in state.recipients.all())]


def actor(kind: str = "cli") -> str:
    """Who is at this command line, for the audit log: `cli:USER`."""
    try:
        return f"{kind}:{getpass.getuser()}"
    except (KeyError, OSError):  # a user id without a name, as in containers
        return f"{kind}:unnamed"


def exported(state: State, who: str, view: View, format: str, count: int, **detail: Any) -> None:
    """Tells the audit log that `count` objects of `view` are given away as `format`, and under which profile.

    To be called when it is ready and before anybody has it: raises LakeError when it cannot be told, and then
    nothing must leave. detail: path, kinds, withheld by reason, ...; never a secret or a masked value's original.
    """
    state.audit.tell(
        who, "export", recipient=view.recipient.name, count=count, format=format, profile=view.mask.profile,
        ceiling=view.recipient.ceiling.value, **detail,
    )  # fmt: skip


def open_view(
    lake: Lake, config: Config, to: Recipient, *, now: datetime | None = None, shot: Snapshot | None = None,
    machine: bool = True,
) -> View:  # fmt: skip
    """What `to` may see now (or of `shot`), masked by its profile.

    machine: nobody looks at what goes out before it goes: RED never does. The view's recipient has the ceiling
    that holds, so that nothing behind it asks again.
    """
    ceiling = min(to.ceiling, Tlp.AMBER_STRICT, key=lambda t: t.rank) if machine else to.ceiling
    to, at = replace(to, ceiling=ceiling), now or datetime.now(UTC)
    seen = (shot or lake.snapshot()).restricted(tlp=ceiling)
    outside = ceiling.rank < DEFAULT.rank
    return View(
        to, seen, at, _mask(lake, config, to, at, seen), config.telescope_prefixes if outside else (),
        () if outside else config.own,
    )  # fmt: skip


def _mask(lake: Lake, config: Config, to: Recipient, now: datetime, shot: Snapshot) -> Mask:
    from noroshi.work.masks import mask

    return Plain() if to.profile == PLAIN else mask(lake, config, to, now, shot)


def withheld(
    view: View,
    shot: Snapshot,
    *,
    since: datetime | None = None,
    kinds: Sequence[str] = (),
    mine: bool = False,
) -> dict[str, int]:
    """How many findings of the whole snapshot the recipient is not given, by reason.

    For the person at the keyboard (standard error) and the audit log, never for an export.
    """
    from noroshi.lake.findings import standing

    to, seen = view.recipient, {f.id: f for f in standing(view.shot)}
    ranges, counts = list(map(prefix_range, to.ranges)), Counter[str]()
    for whole in standing(shot):
        f = seen.get(whole.id, whole)
        if (kinds and f.kind not in kinds) or (since and f.last_seen < since):
            continue
        why = reason(f, to, view.telescopes)
        if not why and to.kinds and f.kind not in to.kinds:
            why = f"{f.kind} is not among the kinds {to.name} wants"
        if not why and mine and not within(f, ranges):
            why = f"it is not about the ranges of {to.name}"
        if not why and view.mask.finding(f) is None:
            why = f"the profile {view.mask.profile} leaves it out"
        if why:
            counts[why] += 1
    return {why: counts[why] for why in sorted(counts)}
