"""A lake, opened: the face the other rooms use."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from noroshi.lake.delta import DataFile, Store
from noroshi.lake.errors import telling
from noroshi.lake.footers import Footers
from noroshi.lake.retire import purge, sweep
from noroshi.lake.runs import RunInfo, RunLog
from noroshi.model.errors import LakeError
from noroshi.model.finding import Finding
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.keys import Keys
    from noroshi.lake.care import Problem, TableStatus
    from noroshi.lake.rebuild import Rebuilt
    from noroshi.lake.retain import Gone
    from noroshi.lake.snapshot import Snapshot
    from noroshi.lake.writer import Writer

FORMAT = 2
"""Raised when an older program could not read the lake any more. 2: keys of links are in the order of addresses."""
_READABLE = (1, 2)
"""Formats this program brings up to date by itself: `lake.upgrade`."""


class Lake:
    """Tables, runs and findings in one folder. Safe to share between threads; writers are not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = RunLog(path)
        self.stores: dict[str, Store] = {
            name: self.log.store if name == "runs" else Store(path, table) for name, table in TABLES.items()
        }
        self.footers = Footers()

    @classmethod
    def open(cls, path: str | Path, *, create: bool = True) -> Lake:
        """The lake in the folder `path`, made when it is not there and `create` holds.

        Raises LakeError when there is none, or one made by a newer version.
        """
        root = Path(path).expanduser().absolute()
        mark = root / "lake.json"
        with telling(root):
            if mark.is_file():
                found = json.loads(mark.read_text()).get("format")
                if found not in _READABLE:
                    raise LakeError(f"its format is {found}, this program reads {FORMAT}", where=str(root),
                                    todo="Use a newer version of Noroshi.")  # fmt: skip
                if found != FORMAT:
                    # From here on older programs keep out; what is old inside is told by file names.
                    write_atomically(mark, json.dumps({"format": FORMAT}))
            elif not create:
                raise LakeError("there is no lake here", where=str(root),
                                todo="Name one with --lake; `noroshi ingest` makes one.")  # fmt: skip
            else:
                root.mkdir(parents=True, exist_ok=True)
                write_atomically(mark, json.dumps({"format": FORMAT}))
        return cls(root)

    @property
    def temporary(self) -> Path:
        """Where the engine spills what does not fit into memory."""
        return self.path / ".tmp"

    @cached_property
    def keys(self) -> Keys:
        """The site's keys, made at first use. Raises LakeError when they cannot be read."""
        from noroshi.keys import load

        return load(self.path)

    def credential(self, user: str, password: str) -> str:
        """What stands for a credential pair in `links`."""
        return self.keys.credential(user, password)

    def writer(self, threads: int = 2) -> Writer:
        """A context manager that stores runs; sweeps what dead writers left first."""
        from noroshi.lake.retain import resume
        from noroshi.lake.writer import Writer

        self.sweep()
        resume(self)
        return Writer(self, threads)

    def snapshot(self) -> Snapshot:
        """What is visible now; later commits do not change it."""
        from noroshi.lake.snapshot import take

        return take(self)

    def put_findings(
        self, findings: Sequence[Finding], judged: Iterable[tuple[str, str, date]] = ()
    ) -> list[tuple[Finding, str]]:
        """Stores what is new; (finding, "new" | "changed" | "withdrawn") for each revision stored.

        judged: (rule name, scope, UTC day) of everything that was looked at, at every marking: stored
        findings of these that are not among `findings` are withdrawn.
        """
        from noroshi.lake.findings import put

        return put(self, findings, judged)

    def lower_finding(self, finding: Finding, tlp: Tlp) -> Finding:
        """Stores what a finding says now at a less strict marking beside it; the revision stored.

        It stands as long as the finding does, whatever is judged later. Raises UsageError when it no longer holds.
        """
        from noroshi.lake.findings import lower

        return lower(self, finding, tlp)

    def lower_run(self, run_id: str, tlp: Tlp) -> RunInfo:
        """Gives a closed run a less strict marking; rows that carry their own keep theirs. The run as it is now.

        Raises UsageError when it is none, or marked no stricter.
        """
        from noroshi.lake.care import lower_run

        return lower_run(self, run_id, tlp)

    def findings(
        self, kind: str | None = None, since: datetime | None = None, subject: str | None = None,
        tlp: Tlp | None = None,
    ) -> list[Finding]:  # fmt: skip
        """Newest revisions per (id, tlp) that hold, ordered by last_seen.

        since: last seen then or later; subject: the subject's canonical text; tlp: not stricter than this.
        """
        from noroshi.lake.findings import select

        return select(self, kind, since, subject, tlp)

    def judged(self) -> dict[tuple[str, str, date], str]:
        """What was judged, by (rule name, scope, UTC day), and from what: the text given to mark_judged."""
        from noroshi.lake.judged import load

        return load(self.path)

    def mark_judged(self, entries: Mapping[tuple[str, str, date], str]) -> None:
        """Keeps from what was judged; call it after put_findings, so that a crash only repeats work."""
        from noroshi.lake.judged import mark

        mark(self.path, entries)

    def rewrite(self, table: str, where: str, change: Callable[[pa.Table], pa.Table]) -> int:
        """Replaces rows that meet the SQL condition `where` by `change(rows)`; how many differ afterwards.

        File by file, each atomically; `change` gets and returns whole rows, as many, in the same order.
        """
        from noroshi.lake.retag import rewrite

        return rewrite(self, table, where, change)

    def forget(self, run_id: str, now: bool = False) -> RunInfo:
        """Takes a run's rows back out; they vanish at once. `now` also deletes the bytes from the disk.

        A prefix of the id is enough when it is the only one. Raises LakeError when there is no such run.
        """
        from noroshi.lake.care import forget

        return forget(self, run_id, now)

    def needs_compaction(self) -> list[tuple[str, date | None]]:
        """Partitions (table, day) whose many files slow queries down."""
        from noroshi.lake.compact import needed

        return needed(self)

    def compact(self, table: str | None = None, *, only_needed: bool = False) -> dict[str, int]:
        """Writes each partition as sorted files; rows rewritten by table. With `only_needed`, no more than
        needs_compaction() names, and of these only what is worth it."""
        from noroshi.lake import heads
        from noroshi.lake.compact import compact

        rewritten = compact(self, table, only_needed=only_needed)
        if "links" in rewritten:
            with telling(self.path / heads.FOLDER):
                heads.build(self)
        return rewritten

    def retain(self, cutoffs: Mapping[str, date], *, dry_run: bool = False) -> Gone:
        """Takes out rows of days before the one named for their table, with their links and sums; runs stay.

        Whole days, UTC. dry_run: only tells what would go. Raises UsageError for tables without days.
        """
        from noroshi.lake.retain import retain

        return retain(self, cutoffs, dry_run=dry_run)

    def vacuum(self, hours: int = 24) -> int:
        """Deletes files no longer used for `hours` (queries must be shorter); how many."""
        from noroshi.lake.care import vacuum

        return vacuum(self, hours)

    def verify(self) -> list[Problem]:
        """What is wrong with the store, after sweeping what dead writers left; empty when all is well."""
        from noroshi.lake.care import verify

        return verify(self)

    def rebuild(self) -> Rebuilt:
        """Makes links, sums and heads again that are missing or do not add up; they hold nothing that facts do not."""
        from noroshi.lake.rebuild import rebuild

        return rebuild(self)

    def status(self) -> list[TableStatus]:
        """Rows, files and bytes of each table."""
        from noroshi.lake.care import status

        return status(self)

    def sweep(self) -> list[RunInfo]:
        """Takes out runs whose writer is gone."""
        return sweep(self)

    def purge(self, runs: Sequence[RunInfo]) -> dict[str, list[DataFile]]:
        """Deletes the rows of runs already marked as dropped or forgotten."""
        return purge(self.stores, self.log, runs)


def write_atomically(path: Path, text: str) -> None:
    """Replaces a small file: readers see the old or the new text, also after a crash."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
