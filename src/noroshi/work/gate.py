"""Opens views: the recipient by name, the lake restricted to it, the mask of its profile; and tells the log."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from noroshi.model.errors import UsageError
from noroshi.model.tlp import DEFAULT, Tlp, parse
from noroshi.share.anonymise.mask import Mask, Plain
from noroshi.share.gate import View
from noroshi.share.marking import RECIPIENTS, Recipient

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.snapshot import Snapshot
    from noroshi.lake.state import State
    from noroshi.lake.state.recipients import RecipientRow


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

    machine: nobody looks at what goes out before it goes: RED never does.
    """
    ceiling = min(to.ceiling, Tlp.AMBER_STRICT, key=lambda t: t.rank) if machine else to.ceiling
    seen = (shot or lake.snapshot()).restricted(tlp=ceiling)
    outside = ceiling.rank < DEFAULT.rank
    return View(
        to, seen, now or datetime.now(UTC), _mask(lake, config, to), config.telescope_prefixes if outside else (),
        () if outside else config.own,
    )  # fmt: skip


def _mask(lake: Lake, config: Config, to: Recipient) -> Mask:
    return Plain()
