"""Findings written as CSV or JSON lines for a recipient."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from noroshi.lake.state import State
from noroshi.model.errors import UsageError
from noroshi.share.rows import plain, shadowserver
from noroshi.work.gate import exported, open_view, withheld
from noroshi.work.gate import recipient as named
from noroshi.work.share import write_whole

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake


@dataclass(frozen=True)
class Rows:
    """What was written."""

    findings: int
    rows: int
    files: tuple[str, ...]
    withheld: dict[str, int] = field(default_factory=dict)


def share_rows(
    lake: Lake, *, config: Config, recipient: str, path: Path, format: str = "csv", columns: str = "",
    since: datetime | None = None, state: State | None = None, who: str = "job",
) -> Rows:  # fmt: skip
    """Writes what `recipient` may see to `path`: a file (`-`: standard output), each row a finding; or, in the columns
    of Shadowserver, a folder with a file for each day and type of report.

    format: csv or jsonl. Files of the folder that no longer hold anything are removed. Raises UsageError.
    """
    if columns not in ("", "shadowserver"):
        raise UsageError(f"there are no columns called {columns!r}", todo="Known: shadowserver.")
    state = state or State(lake.path)
    by_hand = who.startswith("cli:") and str(path) != "-"
    shot = lake.snapshot()
    view = open_view(lake, config, named(recipient, state), shot=shot, machine=not by_hand)
    found = view.findings(since=since)
    rest = withheld(view, shot, since=since)
    name = f"{format}-{columns}" if columns else format
    exported(state, who, view, name, len(found), path=str(path), withheld=rest)
    if columns:
        files = list(shadowserver.files(found, lines=format == "jsonl"))
        _into(path, files, format)
        return Rows(len(found), sum(f.rows for f in files), tuple(f.name for f in files), rest)
    body = plain.as_lines(found) if format == "jsonl" else plain.as_csv(found)
    if str(path) == "-":
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
    else:
        write_whole(path, body)
    return Rows(len(found), len(found), (path.name,), rest)


def _into(folder: Path, files: list[shadowserver.File], format: str) -> None:
    if str(folder) == "-" or folder.is_file():
        todo = "The type of a report stands in the name of its file, so that there is one for each."
        raise UsageError("is no folder", where=str(folder), todo=todo)
    folder.mkdir(parents=True, exist_ok=True)
    for one in files:
        write_whole(folder / one.name, one.body)
    names = {f.name for f in files}
    for path in folder.glob(f"*.{format}"):
        if shadowserver.FILE.fullmatch(path.name) and path.name not in names:
            path.unlink(missing_ok=True)
