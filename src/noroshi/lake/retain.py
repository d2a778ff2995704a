# ruff: noqa: S608 - SQL made of names from model.tables and of quoted literals
"""Retention: rows older than a day, their links and their sums taken out for good.

In this order, so that an interruption anywhere leaves nothing half visible and can be taken up by anyone:
the horizon is written (from here on nobody sees the rows), rows are deleted table by table, the runs are told how
many rows they have left, the horizon is taken away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from noroshi.lake import horizon, judged, raw
from noroshi.lake.delta import SWAP, DataFile, Store
from noroshi.lake.errors import Conflict, locked, telling
from noroshi.lake.horizon import Horizon
from noroshi.lake.runs import RunInfo
from noroshi.lake.shape import completed
from noroshi.lake.swap import ATTEMPTS, exchange
from noroshi.model.errors import LakeError, UsageError
from noroshi.model.tables import TABLES

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake

KEPT = ("runs", "rejects", "findings")
"""Tables without a time of their rows' own, or whose rows are what people decided by."""


@dataclass(frozen=True)
class Gone:
    """What retention took out, or would."""

    rows: dict[str, int] = field(default_factory=dict)
    """Rows by table, links and sums included."""
    runs: int = 0
    """Runs that lost rows."""


def retain(lake: Lake, cutoffs: Mapping[str, date], *, dry_run: bool = False) -> Gone:
    """Takes out rows of days before the day named for their table; what has been left over before, too.

    Raises UsageError for a table that cannot be cut.
    """
    for table in cutoffs:
        if table not in TABLES or table in KEPT:
            known = ", ".join(t for t in TABLES if t not in KEPT)
            raise UsageError(f"rows of {table} cannot be retained by age", todo=f"Tables: {known}.")
    with locked(lake.path / ".care.lock"):
        left = horizon.load(lake.path).tables
        wanted = {t: max(d for d in (cutoffs.get(t), left.get(t)) if d) for t in {*cutoffs, *left}}
        plan = _counted(lake, Horizon(wanted))
        if dry_run or not plan.rows:
            if left and not dry_run:
                _finish(lake, horizon.load(lake.path))
            return plan
        now = horizon.store(lake.path, wanted)
        # Days that are gone must not look like days without findings.
        judged.drop(lake.path, max(wanted.values()))
        _finish(lake, now)
    return plan


def resume(lake: Lake) -> None:
    """Goes on with what was interrupted, if anything was."""
    if horizon.load(lake.path).tables:
        with locked(lake.path / ".care.lock"):
            now = horizon.load(lake.path)
            if now.tables:
                _finish(lake, now)


def _counted(lake: Lake, asked: Horizon) -> Gone:
    """Visible rows that would go."""
    shot, rows, runs = lake.snapshot(), dict[str, int](), set[str]()
    for table in TABLES.values():
        stays = asked.stays(table)
        if stays and shot.files(table.name):
            found = shot.sql(
                f"SELECT run_id, count(*) AS n FROM {table.name} WHERE NOT ({stays}) GROUP BY run_id"
            )
            if count := sum(int(n or 0) for n in found["n"].to_pylist()):
                rows[table.name] = count
                runs.update(str(r) for r in found["run_id"].to_pylist())
    return Gone(rows, len(runs))


def _finish(lake: Lake, now: Horizon) -> None:
    """Deletes what lies behind the horizon, tells the runs, and takes the horizon away."""
    concerned = [t for t in TABLES.values() if now.conditions(t)]
    for table in concerned:
        store = lake.stores[table.name]
        if table.partitioned:
            _whole_days(lake, store, now)
        else:
            _rows(lake, store, now)
    _tell_runs(lake, [t.name for t in concerned], now)
    horizon.store(lake.path, {})


def _open(lake: Lake) -> list[str]:
    return [r.run_id for r in lake.log.load().values() if r.state == "open"]


def _whole_days(lake: Lake, store: Store, now: Horizon) -> None:
    """Takes out the files of whole days, unread; those a running writer has rows in are left to the next time."""
    first = now.tables[store.table.name]
    for _ in range(ATTEMPTS):
        mutex, still = store.mutex(SWAP), _open(lake)
        old = [f for f in store.files() if f.day is not None and f.day < first
               and not any(f.may_hold(r) for r in still)]  # fmt: skip
        if not old:
            return
        try:
            store.commit([], old, mutex=mutex)
            return
        except Conflict:
            continue
    raise LakeError(
        "other processes keep changing the same files", where=str(store.root), todo="Run it again."
    )


def _rows(lake: Lake, store: Store, now: Horizon) -> None:
    """Rewrites the files that hold such rows."""
    still = pa.array(_open(lake), pa.string())

    def going(rows: pa.Table) -> Any:
        return pc.and_(now.gone(store.table, rows), pc.invert(pc.is_in(rows["run_id"], still)))

    def pick(files: Sequence[DataFile]) -> list[DataFile]:
        return [f for f in files if _holds(store, f, now, going)]

    def change(rows: pa.Table) -> pa.Table:
        return rows.filter(pc.invert(going(rows)))

    exchange(lake.path, store, pick, change)


def _holds(store: Store, file: DataFile, now: Horizon, going: Any) -> bool:
    """True when a row of the file goes; reads the few columns that say so."""
    names = list(dict.fromkeys([*now.columns(store.table), "run_id"]))
    fields = pa.schema([store.table.arrow().field(n) for n in names])
    with telling(store.root / file.path), pq.ParquetFile(store.root / file.path) as reader:
        for batch in reader.iter_batches(columns=names, batch_size=1 << 20):
            if pc.any(going(completed(pa.Table.from_batches([batch]), fields))).as_py():
                return True
    return False


def _tell_runs(lake: Lake, tables: Sequence[str], now: Horizon) -> None:
    """Stores with each run how many rows it has left, and since when the others have gone."""
    for _ in range(ATTEMPTS):
        mutex = lake.log.mutex()
        runs = {i: r for i, r in lake.log.load().items() if r.state == "closed"}
        held = {name: held_by_run(lake, name) for name in tables}
        fresh = [new for run in runs.values() if (new := _told(run, held, now)) is not run]
        empty = [
            r.run_id for r in fresh if not any(n for t, n in r.counts["tables"].items() if t != "rejects")
        ]
        try:
            lake.log.append(fresh, mutex=mutex)
            raw.remove(lake.path, empty)
            return
        except Conflict:
            continue
    raise LakeError("other processes keep closing runs", where=str(lake.path), todo="Run it again.")


def held_by_run(lake: Lake, table: str) -> dict[str, Counter[str]]:
    """Rows a table has now: run -> marking ("" for none) -> number."""
    shot, out = lake.snapshot(), dict[str, Counter[str]]()
    tlp = "coalesce(tlp, '')" if TABLES[table].marked else "''"
    for row in shot.sql(f"SELECT run_id, {tlp} AS tlp, count(*) AS n FROM {table} GROUP BY ALL").to_pylist():
        out.setdefault(row["run_id"], Counter())[row["tlp"]] += row["n"]
    return out


def _told(run: RunInfo, held: Mapping[str, Mapping[str, Counter[str]]], now: Horizon) -> RunInfo:
    """The run with the numbers that hold; the same object when they do already."""
    tables, marks = dict(run.counts.get("tables", {})), dict(run.counts.get("tlp", {}))
    gone = dict(run.counts.get("retention", {}))
    changed = False
    for table, by_run in held.items():
        counts = by_run.get(run.run_id, Counter())
        rows, before = sum(counts.values()), int(tables.get(table, 0))
        if rows == before:
            continue
        changed = True
        tables[table] = rows
        if table in marks:
            marks[table] = dict(counts)
        note = {"rows": before - rows + int(gone.get(table, {}).get("rows", 0))}
        day = now.tables.get(table)
        gone[table] = note | ({"before": day.isoformat()} if day else {})
    if not changed:
        return run
    counts_now = run.counts | {"tables": tables, "retention": gone} | ({"tlp": marks} if marks else {})
    return replace(run, counts=counts_now)
