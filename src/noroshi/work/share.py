"""Sharing: what a recipient may see, mapped to one standard and written in one piece."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from noroshi.lake.state import State
from noroshi.share import stix
from noroshi.work.gate import exported, open_view, withheld
from noroshi.work.gate import recipient as named

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake


@dataclass(frozen=True)
class Shared:
    """What was written, and what was not."""

    findings: int
    objects: int
    size: int
    withheld: dict[str, int] = field(default_factory=dict)
    """Findings the recipient is not given, by reason: for the person at the keyboard, never exported."""


def share_stix(
    lake: Lake,
    *,
    config: Config,
    recipient: str,
    path: Path,
    since: datetime | None = None,
    producer: str = "",
    state: State | None = None,
    who: str = "job",
) -> Shared:
    """Writes what `recipient` may see as a STIX 2.1 bundle to `path` (`-`: standard output).

    The file appears whole or not at all, and only after the audit log has been told by whom (`who`).
    RED goes into a file that a person at the command line names, and nowhere else. Raises UsageError for an
    unknown recipient.
    """
    state = state or State(lake.path)
    by_hand = who.startswith("cli:") and str(path) != "-"
    shot = lake.snapshot()
    view = open_view(lake, config, named(recipient, state), shot=shot, machine=not by_hand)
    found = view.findings(since=since)
    objects = stix.objects(found, producer=producer, name_telescopes=not view.outside)
    body = stix.encode(objects)
    rest = withheld(view, shot, since=since)
    exported(state, who, view, "stix", len(found), path=str(path), objects=len(objects), withheld=rest)
    if str(path) == "-":
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
    else:
        write_whole(path, body)
    return Shared(len(found), len(objects), len(body), rest)


def write_whole(path: Path, body: bytes) -> None:
    """Writes a file so that a reader sees the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as temporary:
        try:
            temporary.write(body)
            temporary.flush()
            os.fsync(temporary.fileno())
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary.name, 0o666 & ~umask)
            os.replace(temporary.name, path)
        except BaseException:
            Path(temporary.name).unlink(missing_ok=True)
            raise
