"""What verbs with `--for RECIPIENT` share: the view opened, the export told to the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noroshi.cli.state import State

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake
    from noroshi.lake.snapshot import Snapshot
    from noroshi.share.gate import View


def told(state: State, lake: Lake, name: str, *, machine: bool = True, shot: Snapshot | None = None) -> View:
    """What the recipient of that name may see. Raises UsageError when there is none."""
    from noroshi.lake.state import State as Kept
    from noroshi.work.gate import open_view, recipient

    return open_view(lake, state.config(), recipient(name, Kept(lake.path)), machine=machine, shot=shot)


def tell(lake: Lake, view: View, format: str, count: int, **detail: Any) -> None:
    """Tells the audit log what is about to be shown; raises LakeError when it cannot."""
    from noroshi.lake.state import State as Kept
    from noroshi.work.gate import actor, exported

    exported(Kept(lake.path), actor(), view, format, count, **detail)
