"""What verbs with `--for RECIPIENT` share: the view opened, the export told to the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noroshi.cli.state import State

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake
    from noroshi.lake.snapshot import Snapshot
    from noroshi.share.gate import View


def told(
    state: State,
    lake: Lake,
    name: str,
    *,
    machine: bool = True,
    shot: Snapshot | None = None,
    tlp: str | None = None,
) -> View:
    """What the recipient of that name may see, and of that no more than `tlp` says; without a name, all that is
    marked no stricter. UsageError when there is no such recipient."""
    from dataclasses import replace

    from noroshi.lake.state import State as Kept
    from noroshi.model.tlp import parse
    from noroshi.share.marking import RECIPIENTS
    from noroshi.work.gate import PLAIN, open_view, recipient

    if not name and tlp:
        to = replace(RECIPIENTS["own"], ceiling=parse(tlp), profile=PLAIN)
        return open_view(lake, state.config(), to, machine=False, shot=shot)
    to = recipient(name, Kept(lake.path))
    if tlp:
        to = replace(to, ceiling=min(to.ceiling, parse(tlp), key=lambda t: t.rank))
    return open_view(lake, state.config(), to, machine=machine, shot=shot)


def tell(lake: Lake, view: View, format: str, count: int, **detail: Any) -> None:
    """Tells the audit log what is about to be shown; raises LakeError when it cannot."""
    from noroshi.lake.state import State as Kept
    from noroshi.work.gate import actor, exported

    exported(Kept(lake.path), actor(), view, format, count, **detail)
