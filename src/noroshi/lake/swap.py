"""Files exchanged for changed ones in one commit: taking runs out, and re-tagging history."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from noroshi.lake.delta import SWAP, DataFile, Store, Written
from noroshi.lake.encoding import is_sorted
from noroshi.lake.errors import Conflict, disk
from noroshi.lake.files import DataWriter
from noroshi.lake.shape import completed
from noroshi.model.errors import LakeError

ATTEMPTS = 20
"""Times an exchange is planned again after a conflict; each conflict means that another one made progress."""

_STEP_ROWS = 262_144
"""Rows of a file changed at a time, which bounds memory."""

Change = Callable[[pa.Table], pa.Table]


def changed(lake: Path, store: Store, file: DataFile, change: Change) -> Written | None:
    """A new data file with `change` applied to all rows of `file`, in order; None when no row is left.

    Raises LakeError when the disk fails; nothing is left behind then.
    """
    table = store.table
    prefix, _, rest = file.path.rpartition("/")[2].removesuffix(".parquet").partition("-")
    name = f"{prefix}-{rest.partition('.')[0]}.{uuid.uuid4().hex[:12]}"
    source = store.root / file.path
    writer: DataWriter | None = None
    try:
        with pq.ParquetFile(source) as reader:
            for step in _steps(reader):
                rows = change(completed(reader.read_row_groups(step), table.arrow()))
                if not rows.num_rows:
                    continue
                if writer is None:
                    fresh = not is_sorted(file.path)
                    writer = DataWriter(lake, table, file.day, name, rows, fresh=fresh)
                writer.write(rows)
        return writer.close() if writer else None
    except BaseException as e:
        if writer:
            writer.abort()
        if isinstance(e, OSError) and not isinstance(e, LakeError):
            raise disk(e, source) from e
        raise


def _steps(reader: pq.ParquetFile) -> list[list[int]]:
    """Row groups in portions of about _STEP_ROWS rows."""
    steps: list[list[int]] = [[]]
    rows = 0
    for group in range(reader.num_row_groups):
        count = reader.metadata.row_group(group).num_rows
        if steps[-1] and rows + count > _STEP_ROWS:
            steps.append([])
            rows = 0
        steps[-1].append(group)
        rows += count
    return steps if steps[-1] else []


def exchange(
    lake: Path, store: Store, pick: Callable[[Sequence[DataFile]], list[DataFile]], change: Change,
    *, one_by_one: bool = False, add: Sequence[Written] = (),
) -> list[DataFile]:  # fmt: skip
    """Applies `change` to the files `pick` chooses of the live ones, in one commit; the files taken out.

    Plans again when another exchange came first. With `one_by_one`, a commit per file. `add` becomes live in the
    same commit, and is deleted when there is none.
    """
    try:
        return _exchange(lake, store, pick, change, one_by_one, add)
    except BaseException:
        store.discard(add)
        raise


def _exchange(
    lake: Path, store: Store, pick: Callable[[Sequence[DataFile]], list[DataFile]], change: Change,
    one_by_one: bool, add: Sequence[Written],
) -> list[DataFile]:  # fmt: skip
    done: list[DataFile] = []
    for _ in range(ATTEMPTS):
        mutex = store.mutex(SWAP)
        files = pick(store.files())
        if not files and not add:
            return done
        if one_by_one:
            files = files[:1]
        new = []
        try:
            for file in files:
                written = changed(lake, store, file, change)
                new += [written] if written else []
            store.commit([*add, *new], files, mutex=mutex)
        except BaseException as e:
            store.discard(new)
            if isinstance(e, Conflict):
                continue
            raise
        done += files
        if not one_by_one:
            return done
    raise LakeError(
        "other processes keep changing the same files", where=str(store.root), todo="Run the command again."
    )
