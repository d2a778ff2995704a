"""Sharing: what a recipient may see, mapped to one standard and written in one piece."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from noroshi.lake.state import State
from noroshi.work.gate import exported, open_view, withheld
from noroshi.work.gate import recipient as named

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.share.stix.emit import Options


@dataclass(frozen=True)
class Shared:
    """What was written, and what was not."""

    findings: int
    objects: int
    size: int
    """Bytes, of all files together."""
    withheld: dict[str, int] = field(default_factory=dict)
    """Findings the recipient is not given, by reason: for the person at the keyboard, never exported."""
    files: tuple[Path, ...] = ()
    """Where they stand; none for standard output."""
    upgraded: int = 0
    """Imported objects that were STIX 2.0 and went out as 2.1."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Imported objects that went out not at all, by reason."""


def share_stix(
    lake: Lake,
    *,
    config: Config,
    recipient: str,
    path: Path,
    options: Options | None = None,
    split: int = 0,
    since: datetime | None = None,
    producer: str = "",
    state: State | None = None,
    who: str = "job",
) -> Shared:
    """Writes what `recipient` may see as a STIX 2.1 bundle to `path` (`-`: standard output).

    options: what goes out beside findings; `since` and `producer` stand for those of a plain one. split: objects in a
    file at most, which are then called NAME.0001.json, ... All files appear whole or not at all, and only after the
    audit log has been told by whom (`who`). RED goes into a file that a person at the command line names, and
    nowhere else. Raises UsageError for an unknown recipient.
    """
    from noroshi.share.stix.emit import Options, Tally, emit
    from noroshi.share.stix.write import staged

    state = state or State(lake.path)
    by_hand = who.startswith("cli:") and str(path) != "-"
    shot = lake.snapshot()
    view = open_view(lake, config, named(recipient, state), shot=shot, machine=not by_hand)
    asked, tally = options or Options(producer=producer, since=since), Tally()
    with staged(path, emit(view, asked, tally), split) as stage:
        rest = withheld(view, shot, since=asked.since, kinds=asked.kinds)
        exported(
            state, who, view, "stix", tally.findings, path=str(path), objects=tally.objects, withheld=rest,
            files=len(stage.parts), facts=asked.facts, imported=asked.imported,
        )  # fmt: skip
        files = tuple(stage.publish())
    return Shared(
        tally.findings, tally.objects, stage.size, rest, files, tally.upgraded, dict(sorted(tally.left_out.items()))
    )  # fmt: skip


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
