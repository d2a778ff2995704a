# ruff: noqa: S608 - SQL made of names from model.tables and of quoted literals
"""What is derived made again: links, sums and heads, from the facts that are stored.

Each step is one commit that takes out what a run has of a table and puts in what it should have; then the runs are
told their new numbers. Killed in between, it finds the same work, or less, when it begins again.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from noroshi.lake import heads
from noroshi.lake.delta import DataFile, Store, Written
from noroshi.lake.derived import TABLES_MADE, Stale, find, strays
from noroshi.lake.errors import Conflict, locked, telling
from noroshi.lake.files import DataWriter
from noroshi.lake.retain import held_by_run
from noroshi.lake.rollup import PORTED, Rollup
from noroshi.lake.runs import RunInfo
from noroshi.lake.shape import plain, shaped
from noroshi.lake.sql import connect, literal, quoted, scan, telling_sql
from noroshi.lake.swap import ATTEMPTS, exchange
from noroshi.model.errors import LakeError
from noroshi.model.tables import TABLES

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake
    from noroshi.lake.snapshot import Snapshot

_AT_ONCE: Final = 32
"""Runs whose sums are made in one reading: some 2 MB each."""
_LINKS_AT_ONCE: Final = 8
_LINKS_LIMIT: Final = 1 << 17
"""Links of a run summed up in memory: 72 bytes each."""
_STEP_ROWS: Final = 262_144


@dataclass(frozen=True)
class Rebuilt:
    """How much was made again."""

    links: int = 0
    hourly: int = 0
    daily: int = 0
    """Runs, by table."""
    heads: int = 0
    """Files."""
    strays: int = 0
    """Runs whose left-over rows were taken out."""


def rebuild(lake: Lake) -> Rebuilt:
    """Makes what `derived.find` finds missing or wrong. Raises LakeError; then some of it is done."""
    from noroshi.lake.retain import resume

    lake.sweep()
    resume(lake)
    with locked(lake.path / ".care.lock"):
        stale = find(lake)
        if not stale:
            return Rebuilt()
        shot = lake.snapshot()
        for group in _batched(sorted(stale.links), _LINKS_AT_ONCE):
            _links(lake, shot, {i: stale.links[i] for i in group})
        if stale.links:
            _tell(lake)
            shot = lake.snapshot()
        for group in _batched(sorted(stale.hourly), _AT_ONCE):
            _put(lake, "hourly", group, _hourly(shot, group))
        for group in _batched(sorted(stale.daily), _AT_ONCE):
            _put(lake, "daily", group, _daily(shot, group))
        _tell(lake)
        left = strays(lake)
        for table, gone in left.items():
            exchange(lake.path, lake.stores[table], *_without(lake.stores[table], sorted(gone)))
    return _done(lake, stale, left)


def _done(lake: Lake, stale: Stale, left: Mapping[str, frozenset[str]]) -> Rebuilt:
    made = 0
    if stale.heads or stale.links:
        with telling(lake.path):
            for file in stale.heads:
                heads._path(lake, file).unlink(missing_ok=True)
            made = heads.build(lake)
    gone = set().union(*left.values()) if left else set[str]()
    return Rebuilt(len(stale.links), len(stale.hourly), len(stale.daily), made, len(gone))


def _batched(run_ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (run_ids[at : at + size] for at in range(0, len(run_ids), size))


def _links(lake: Lake, shot: Snapshot, wanted: Mapping[str, frozenset[str]]) -> None:
    """Makes the links of some tables of some runs again, in one commit."""
    store = lake.stores["links"]
    tables = sorted(set().union(*wanted.values()))
    written: list[Written] = []
    try:
        for table in tables:
            runs = [i for i, t in wanted.items() if table in t]
            for run_id, rows in derived_of(shot, table, runs, lake):
                written.append(_file(lake, store, shaped(store.table, rows, run_id)))
    except BaseException:
        store.discard(written)
        raise
    pairs = [(i, t) for i, named in wanted.items() for t in named]
    exchange(lake.path, store, *_without(store, list(wanted), pairs), add=written)


def derived_of(
    shot: Snapshot, table: str, run_ids: Sequence[str], lake: Lake | None = None
) -> Iterator[tuple[str, pa.Table]]:
    """(run, links without run_id) of the stored rows of a table, a part at a time. Without a lake credentials are not
    looked up, which is enough to know whether there are any."""
    from noroshi.lake.derive import Deriver

    secret = lake.credential if lake else (lambda user, password: "?")
    derivers = {i: Deriver(secret, limit=_LINKS_LIMIT) for i in run_ids}
    spec = TABLES[table]
    for run_id, rows in _rows(shot, table, run_ids, spec.arrow().names):
        for part in derivers[run_id].add(spec, rows.drop_columns(["run_id"])):
            yield run_id, part
    for run_id, deriver in derivers.items():
        for part in deriver.rest():
            yield run_id, part


def _hourly(shot: Snapshot, run_ids: Sequence[str]) -> Iterator[tuple[str, pa.Table]]:
    made = {i: Rollup() for i in run_ids}
    for table in PORTED:
        time = TABLES[table].time or "ts"
        have = TABLES[table].arrow().names
        names = [c for c in (time, "dst_port", "protocol", "packet_count") if c in have]
        for run_id, rows in _rows(shot, table, run_ids, [*names, "run_id"]):
            made[run_id].facts(table, rows)
    yield from _rests(made, "hourly")


def _daily(shot: Snapshot, run_ids: Sequence[str]) -> Iterator[tuple[str, pa.Table]]:
    made = {i: Rollup() for i in run_ids}
    names = ["kind", "role", "table", "day", "key", "count", "run_id", "tlp"]
    for run_id, rows in _rows(shot, "links", run_ids, names):
        # Sums stand under the run's marking, as in `writer`.
        made[run_id].links(rows.filter(rows["tlp"].is_null()))
    yield from _rests(made, "daily")


def _rests(made: Mapping[str, Rollup], name: str) -> Iterator[tuple[str, pa.Table]]:
    for run_id, sums in made.items():
        yield from ((run_id, rows) for table, rows in sums.rest() if table == name)


def _rows(
    shot: Snapshot, table: str, run_ids: Sequence[str], columns: Sequence[str]
) -> Iterator[tuple[str, pa.Table]]:
    """Rows of each run with some columns, in the lake's types, a batch at a time and in no order."""
    spec, root = TABLES[table], shot._lake.stores[table].root
    files = [f for f in shot._live(table) if any(f.may_hold(i) for i in run_ids)]
    if not files:
        return
    schema = pa.schema([spec.arrow().field(c) for c in columns])
    listed = ", ".join(literal(i) for i in run_ids)
    text = f"""SELECT {", ".join(map(quoted, columns))} FROM ({scan(spec, [root / f.path for f in files])})
        WHERE run_id IN ({listed})"""
    if stays := shot._horizon.stays(spec):
        text += f" AND {stays}"
    con = connect(shot._lake.temporary)
    try:
        with telling_sql(), con.sql(text).to_arrow_reader(_STEP_ROWS) as reader:
            for batch in reader:
                rows = pa.Table.from_batches([batch]).cast(schema)
                ids: Any = rows["run_id"]
                for run_id in ids.unique().to_pylist():
                    yield run_id, rows.filter(pc.equal(ids, pa.scalar(run_id, pa.string())))
    finally:
        con.close()


def _put(lake: Lake, name: str, run_ids: Sequence[str], made: Iterator[tuple[str, pa.Table]]) -> None:
    """Replaces all these runs have in a table of sums, in one commit."""
    store = lake.stores[name]
    parts = [plain(shaped(store.table, rows, run_id)) for run_id, rows in made]
    written: list[Written] = []
    if parts:
        order: Any = [(c, "ascending") for c in store.table.sort]
        written = [_file(lake, store, pa.concat_tables(parts).sort_by(order))]
    exchange(lake.path, store, *_without(store, run_ids), add=written)


def _file(lake: Lake, store: Store, rows: pa.Table) -> Written:
    """One new data file of an unpartitioned table, its rows in order."""
    with telling(store.root):
        writer = DataWriter(
            lake.path, store.table, None, f"f-{uuid.uuid4().hex}-0", plain(rows), ordered=True
        )
        try:
            writer.write(plain(rows))
            return writer.close()
        except BaseException:
            writer.abort()
            raise


def _without(
    store: Store, run_ids: Sequence[str], pairs: Sequence[tuple[str, str]] | None = None
) -> tuple[Any, Any]:
    """(pick, change) for `exchange` that take out the rows of these runs; of these (run, table) when named."""
    from noroshi.lake.retire import holds

    gone = pa.array(sorted(run_ids), pa.string())
    tables: dict[str, list[str]] = {}
    for run_id, table in pairs or ():
        tables.setdefault(table, []).append(run_id)

    def pick(files: Sequence[DataFile]) -> list[DataFile]:
        return [f for f in files if any(f.may_hold(i) for i in run_ids) and holds(store, f, gone)]

    def change(rows: pa.Table) -> pa.Table:
        if pairs is None:
            return rows.filter(pc.invert(pc.is_in(rows["run_id"], gone)))
        for table, ids in tables.items():
            here: Any = pc.equal(rows["table"], pa.scalar(table, pa.string()))
            rows = rows.filter(pc.invert(pc.and_(here, pc.is_in(rows["run_id"], pa.array(ids, pa.string())))))
        return rows

    return pick, change


def _tell(lake: Lake) -> None:
    """Stores with each run how many rows of each derived table it has."""
    for _ in range(ATTEMPTS):
        mutex = lake.log.mutex()
        # In the order they were closed, which the new rows keep among themselves.
        runs = sorted(
            (r for r in lake.log.load().values() if r.state == "closed"), key=lambda r: (r.at, r.run_id)
        )
        held = {name: held_by_run(lake, name) for name in TABLES_MADE}
        fresh = [new for run in runs if (new := _told(run, held)) is not run]
        try:
            lake.log.append(fresh, mutex=mutex)
            return
        except Conflict:
            continue
    raise LakeError("other processes keep closing runs", where=str(lake.path), todo="Run it again.")


def _told(run: RunInfo, held: Mapping[str, Mapping[str, Mapping[str, int]]]) -> RunInfo:
    tables, marks = dict(run.counts.get("tables", {})), dict(run.counts.get("tlp", {}))
    for name, by_run in held.items():
        counts = by_run.get(run.run_id, {})
        rows = sum(counts.values())
        if rows != run.rows(name):
            tables[name] = rows
            if TABLES[name].marked:
                marks[name] = dict(counts)
    marks = {t: m for t, m in marks.items() if m.keys() - {""}}
    counts_now = run.counts | {"tables": tables} | ({"tlp": marks} if marks else {})
    return run if tables == run.counts.get("tables", {}) else replace(run, counts=counts_now)
