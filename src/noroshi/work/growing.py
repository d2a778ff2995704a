"""Logs that grow: what an earlier run has read of a file, and where the next one goes on.

A log is known by its beginning: when the bytes that an earlier run digested still stand at the beginning of the
file, only what follows is read, as a run of its own. Neither name nor inode is asked, so a rotated log is known too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from noroshi.lake.runs import CONTINUES, REPLACES, START, chain

if TYPE_CHECKING:
    from noroshi.lake.runs import RunInfo

_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Resume:
    """Where to go on reading."""

    start: int = 0
    continues: str = ""
    """The run that read what stands before `start`."""
    replaces: tuple[str, ...] = ()
    """Runs whose rows this one reads again: a last line that was not finished then."""
    known: str = ""
    """The run that has read all of it; nothing is left to read."""

    def counts(self) -> dict[str, object]:
        """What the run's counts keep of it."""
        kept = {START: self.start, CONTINUES: self.continues, REPLACES: list(self.replaces)}
        return {name: value for name, value in kept.items() if value}


def resume(path: str, size: int, format: str, version: int, runs: Sequence[RunInfo]) -> Resume:
    """Where a run of `format` goes on in the file `path` of `size` bytes, given what was read before.

    runs: visible runs. Raises OSError when the file cannot be read.
    """
    by_id = {r.run_id: r for r in runs}
    same = [
        r for r in runs
        if r.format == format and r.parser_version == version and r.sha256 and r.size
        and r.size <= size and not r.problem and _whole(r, by_id)
    ]  # fmt: skip
    if not same:
        return Resume()
    found = _longest(path, same)
    if found is None or found.size is None:
        return Resume()
    if found.size == size:
        return Resume(known=found.run_id)
    if _ends_line(path, found.size):
        return Resume(found.size, found.run_id)
    # Its last line was cut short then: that run's part is read again and takes its place.
    return Resume(int(found.counts.get(START, 0)), str(found.counts.get(CONTINUES, "")), (found.run_id,))


def _whole(run: RunInfo, by_id: Mapping[str, RunInfo]) -> bool:
    """True when everything before the run's part is still there."""
    before = chain(run, by_id)
    first = before[-1] if before else run
    return not int(first.counts.get(START, 0))


def _longest(path: str, runs: Sequence[RunInfo]) -> RunInfo | None:
    """The run with the longest beginning of the file, by digest: one pass over the file up to the longest."""
    sizes: dict[int, list[RunInfo]] = {}
    for run in runs:
        sizes.setdefault(run.size or 0, []).append(run)
    found = None
    digest, at = hashlib.sha256(), 0
    with open(path, "rb") as file:
        for size in sorted(sizes):
            while at < size and (piece := file.read(min(_CHUNK, size - at))):
                digest.update(piece)
                at += len(piece)
            if at < size:
                break
            text = digest.hexdigest()
            found = next((r for r in sizes[size] if r.sha256 == text), found)
    return found


def _ends_line(path: str, size: int) -> bool:
    """True when byte `size` - 1 is a newline."""
    with open(path, "rb") as file:
        file.seek(size - 1)
        return file.read(1) == b"\n"
