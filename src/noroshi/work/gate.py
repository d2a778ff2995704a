"""Opens views: the recipient by name, the lake restricted to it, the mask of its profile."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from noroshi.model.tlp import DEFAULT, Tlp, parse
from noroshi.share.anonymise.mask import Mask, Plain
from noroshi.share.gate import View
from noroshi.share.marking import RECIPIENTS, Recipient
from noroshi.share.marking import recipient as built_in

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.snapshot import Snapshot
    from noroshi.lake.state import State


def recipient(name: str, state: State | None = None) -> Recipient:
    """The recipient of that name, built in or added. Raises UsageError."""
    row = state.recipients.get(name) if state and name not in RECIPIENTS else None
    if row is None:
        return built_in(name)
    return Recipient(
        row.name, parse(row.ceiling), row.title, row.kind, row.profile, row.kinds, row.ranges, row.mail, row.lang,
        row.tlp1, row.writes,
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
