"""A lake's copy without what a recipient may not see: deleted from the stored tables, nothing judged again, ids kept.

The rules stand here a second time, as the decision says them and not as `lake.snapshot` does: a row's own marking
decides, and the run's where it has none; of a run stricter than the ceiling only that it has visible rows is known.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from noroshi.lake.handle import Lake
from noroshi.lake.swap import exchange
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp

OWN_SCRUBBED = {"sha256": None, "size": None, "first_seen": None, "last_seen": None, "problem": None,
                "seconds": None, "owner": ""}  # fmt: skip
"""What a run's row tells of all its rows together, hidden ones among them."""


def without_hidden(source: Path, target: Path, ceiling: Tlp) -> Lake:
    """The copy at `target`; its tables hold exactly what may be seen at `ceiling`."""
    shutil.copytree(
        source, target, ignore=shutil.ignore_patterns(".heads", ".raw", "raw", "judged.json", "state.db*")
    )
    lake = Lake.open(target)
    newest = _runs(target, lake)
    closed = {i: Tlp(r["tlp"]) for i, r in newest.items() if r["state"] == "closed"}
    held: dict[str, dict[str, int]] = {i: {} for i in closed}
    for name in TABLES:
        if name not in ("runs", "findings"):
            _delete(lake, name, lambda rows, name=name: _visible(name, rows, closed, ceiling, held))
    kept = {i: {t: n for t, n in told.items() if n} for i, told in held.items() if any(told.values())}
    _delete(lake, "runs", lambda rows: _run_rows(rows, kept, newest, ceiling))
    _delete(lake, "findings", lambda rows: _finding_rows(rows, set(kept), ceiling))
    return Lake.open(target)


def _runs(path: Path, lake: Lake) -> dict[str, dict[str, Any]]:
    newest: dict[str, dict[str, Any]] = {}
    for file in lake.stores["runs"].files():
        for row in pq.read_table(lake.stores["runs"].root / file.path, partitioning=None).to_pylist():
            if row["run_id"] not in newest or row["at"] >= newest[row["run_id"]]["at"]:
                newest[row["run_id"]] = row
    return newest


def _delete(lake: Lake, name: str, change: Any) -> None:
    exchange(lake.path, lake.stores[name], list, change)


def _visible(
    name: str, rows: pa.Table, closed: dict[str, Tlp], ceiling: Tlp, held: dict[str, dict[str, int]]
) -> pa.Table:
    """The rows that may be seen, counted by run into `held`."""
    ids = [str(r) for r in rows["run_id"].to_pylist()]
    own = rows["tlp"].to_pylist() if TABLES[name].marked else [None] * rows.num_rows
    kept = []
    for run, tlp in zip(ids, own, strict=True):
        marking = Tlp(tlp) if tlp else closed.get(run)
        sees = run in closed and marking is not None and marking.rank <= ceiling.rank
        kept.append(sees)
        if sees:
            held[run][name] = held[run].get(name, 0) + 1
    return rows.filter(pa.array(kept, pa.bool_()))


def _run_rows(
    rows: pa.Table, kept: dict[str, dict[str, int]], newest: dict[str, dict[str, Any]], ceiling: Tlp
) -> pa.Table:
    out = []
    for row in rows.to_pylist():
        run = row["run_id"]
        if run not in kept:
            continue
        row |= OWN_SCRUBBED
        if Tlp(row["tlp"]).rank > ceiling.rank:
            row |= {"path": "", "source": ""}
        if row["state"] == "closed":
            row["counts"] = json.dumps(_counts(row, kept[run], newest[run], ceiling), sort_keys=True)
        # The days a run may have rows of are asked while it is looked for: any wide span serves.
        out.append(row)
    return pa.Table.from_pylist(out, schema=rows.schema)


def _counts(
    row: dict[str, Any], held: dict[str, int], newest: dict[str, Any], ceiling: Tlp
) -> dict[str, Any]:
    """`tables` and `tlp` as they would be had the run never had its hidden rows."""
    stored = json.loads(newest["counts"] or "{}")
    marks = {}
    for table, told in stored.get("tlp", {}).items():
        sees = {m: n for m, n in told.items() if (Tlp(m) if m else Tlp(row["tlp"])).rank <= ceiling.rank}
        marks[table] = sees
    return {"tables": held, "tlp": {t: m for t, m in marks.items() if m}}


def _finding_rows(rows: pa.Table, runs: set[str], ceiling: Tlp) -> pa.Table:
    out = []
    for row in rows.to_pylist():
        if Tlp(row["tlp"]).rank <= ceiling.rank:
            row["runs"] = [r for r in row["runs"] if r in runs]
            out.append(row)
    return pa.Table.from_pylist(out, schema=rows.schema)
