"""Blocklists written for a recipient, and values released from all of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from noroshi.lake.state import State
from noroshi.model import observable
from noroshi.model.errors import UsageError
from noroshi.share.blocklist import formats
from noroshi.share.blocklist.select import FLOOR, LONGEST, Chosen, Terms, choose
from noroshi.share.gate import View
from noroshi.work.gate import exported, open_view
from noroshi.work.gate import recipient as named
from noroshi.work.share import write_whole

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake

FORMATS: Final = ("nftables", "rpz", "plain")
_READ: Final = 256 << 20
"""Bytes of a zone that are read back for its serial."""


@dataclass(frozen=True)
class Listed:
    """What was written."""

    chosen: Chosen
    body: bytes


def share_blocklist(
    lake: Lake, *, config: Config, recipient: str, path: Path, format: str, floor: int = FLOOR,
    expire: timedelta = LONGEST, zone: str = "", state: State | None = None, who: str = "job",
) -> Listed:  # fmt: skip
    """Writes what `recipient` may block, to `path` (`-`: standard output), whole or not at all.

    A list is read by machines: nothing RED is on it. Raises UsageError for an unknown recipient or format.
    """
    if format not in FORMATS:
        raise UsageError(f"there is no blocklist format {format!r}", todo=f"Known: {', '.join(FORMATS)}.")
    state = state or State(lake.path)
    view = open_view(lake, config, named(recipient, state))
    chosen = choose(view, terms(config, state, floor, expire))
    body = written(view, chosen, format, _before(path) if format == "rpz" else b"", zone)
    exported(state, who, view, f"blocklist-{format}", len(chosen.entries), path=str(path), floor=floor,
             left_out=dict(chosen.left_out))  # fmt: skip
    if str(path) == "-":
        import sys

        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
    elif not path.exists() or body != _before(path):
        write_whole(path, body)
    return Listed(chosen, body)


def terms(config: Config, state: State, floor: int = FLOOR, expire: timedelta = LONGEST) -> Terms:
    """What the configuration and the releases say of any list."""
    released = {(r.kind, r.value): r.reason for r in state.releases.all()}
    return Terms(floor, expire, (*config.own, *config.telescope_prefixes), released)


def written(view: View, chosen: Chosen, format: str, before: bytes = b"", zone: str = "") -> bytes:
    """The list in that format. before: the zone that stands there, of which the serial is taken on."""
    if format == "nftables":
        return formats.nftables(chosen, view.now)
    if format == "rpz":
        return formats.rpz(chosen, view.now, before, *([zone] if zone else []))
    return formats.plain(chosen)


def release(state: State, value: str, reason: str, who: str) -> tuple[str, str, bool]:
    """(kind, canonical value, True when it is new) of a value that no list may hold from now on.

    Raises UsageError when it is neither an address, a network nor a name, or no reason is given.
    """
    if not reason.strip():
        raise UsageError("no reason is given", todo="Say with --reason why it may not be blocked.")
    kind, canonical = target(value)
    state.audit.tell(who, "release", value=canonical, kind=kind, reason=reason)
    return kind, canonical, state.releases.add(kind, canonical, reason.strip(), who)


def take_back(state: State, value: str, who: str) -> tuple[str, str]:
    """(kind, canonical value) of a release that no longer holds. Raises UsageError when there is none."""
    kind, canonical = target(value)
    state.releases.remove(kind, canonical)
    state.audit.tell(who, "unrelease", value=canonical, kind=kind)
    return kind, canonical


def target(value: str) -> tuple[str, str]:
    """(kind, canonical value) of what lists hold. Raises UsageError for anything else."""
    for kind in ("ip", "prefix", "domain"):
        found = observable.resolve_one(kind, value.strip()[:512])
        if found is not None:
            return found
    raise UsageError(
        f"{value[:80]!r} is neither an address, a network nor a name", todo="Lists hold only these."
    )


def _before(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() and path.stat().st_size <= _READ else b""
    except OSError:
        return b""
