"""Runs taken back out: mark, delete, close. If interrupted in between, others can finish it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from noroshi.lake import raw
from noroshi.lake.delta import DataFile, Store
from noroshi.lake.encoding import is_sorted
from noroshi.lake.runs import PENDING, RunInfo, RunLog, orphans
from noroshi.lake.swap import exchange

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake


def purge(stores: dict[str, Store], log: RunLog, runs: Sequence[RunInfo]) -> dict[str, list[DataFile]]:
    """Deletes the rows of runs already marked, then stores that it is done; files taken out by table."""
    taken: dict[str, list[DataFile]] = {}
    if not runs:
        return taken
    for name, store in stores.items():
        if name in ("runs", "findings"):
            continue
        taken[name] = _delete(store, runs)
    raw.remove(log.lake, [r.run_id for r in runs])
    log.append([replace(r, problem=None) for r in runs])
    return taken


def _delete(store: Store, runs: Sequence[RunInfo]) -> list[DataFile]:
    gone = pa.array(sorted(r.run_id for r in runs), pa.string())
    # Compaction takes closed runs only, so a run that never closed has no rows in a sorted file.
    closed_once = [r for r in runs if r.first_seen is not None or r.sha256]

    def pick(files: Sequence[DataFile]) -> list[DataFile]:
        def concerned(file: DataFile) -> bool:
            asked = closed_once if is_sorted(file.path) else runs
            return any(file.may_hold(r.run_id) and _on_day(file, r) for r in asked) and holds(
                store, file, gone
            )

        return [f for f in files if concerned(f)]

    def change(rows: pa.Table) -> pa.Table:
        return rows.filter(pc.invert(pc.is_in(rows["run_id"], gone)))

    return exchange(store.root.parent, store, pick, change)


def _on_day(file: DataFile, run: RunInfo) -> bool:
    return file.day is None or run.first_seen is None or bool(run.days_among([file.day]))


def holds(store: Store, file: DataFile, gone: pa.Array[pa.StringScalar]) -> bool:
    """True when a row of the file is of one of the runs; reads the one column."""
    if file.runs and file.runs[0] == file.runs[1]:
        return bool(pc.is_in(pa.scalar(file.runs[0]), gone).as_py())
    import pyarrow.parquet as pq

    from noroshi.lake.errors import telling

    with telling(store.root / file.path), pq.ParquetFile(store.root / file.path) as reader:
        return any(
            pc.any(pc.is_in(part.column(0), gone)).as_py()
            for part in reader.iter_batches(columns=["run_id"], batch_size=1 << 20)
        )


def sweep(lake: Lake) -> list[RunInfo]:
    """Takes out what processes that are gone left open or half taken out; the runs concerned."""
    left = orphans(lake.log.load())
    if left:
        marked = [
            replace(r, state="dropped" if r.state == "open" else r.state, problem=PENDING) for r in left
        ]
        lake.log.append(marked)
        lake.purge(marked)
        for run in left:
            _remove_unnamed(lake, run)
    return left


def _remove_unnamed(lake: Lake, run: RunInfo) -> None:
    """Deletes data files of a swept run that never reached a commit."""
    for store in lake.stores.values():
        live = {f.path for f in store.files()}
        for path in store.root.glob(f"**/f-{run.run_id}-*.parquet"):
            if path.relative_to(store.root).as_posix() not in live:
                path.unlink(missing_ok=True)
