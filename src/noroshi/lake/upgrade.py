"""Lakes of older programs brought up to date: where a new version of a table means more than a new column.

What is old is told by the names of data files (`encoding.version_of`), so this can be interrupted and taken up again
by anyone, and a program of the old version that is still writing does no harm: its files are found the next time.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from noroshi.lake.delta import SWAP, DataFile, Store, Written
from noroshi.lake.encoding import version_of
from noroshi.lake.errors import Conflict, telling
from noroshi.lake.files import DataWriter
from noroshi.lake.shape import completed
from noroshi.lake.swap import ATTEMPTS
from noroshi.model.errors import LakeError
from noroshi.model.observable import key64

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake

_KEYS = 2
"""The version of `links` from which keys of addresses are in their order."""
_STEP_ROWS = 524_288
"""Rows of a file in memory at a time, and of each new file: they are sorted anew."""


def is_old(file: DataFile) -> bool:
    """True when a file of links has keys of another order than today's."""
    return version_of(file.path) < _KEYS


def upgrade(lake: Lake) -> int:
    """Gives links of older programs the keys they have today; how many files were old.

    Raises LakeError when the lake cannot be written to: a question to old keys would get a wrong answer.
    """
    store, done = lake.stores["links"], 0
    for _ in range(ATTEMPTS):
        mutex = store.mutex(SWAP)
        old = [f for f in store.files() if is_old(f)]
        if not old:
            return done
        written: list[Written] = []
        try:
            with telling(store.root):
                for file in old:
                    written += _rekeyed(lake, store, file)
            store.commit(written, old, mutex=mutex, data_change=False)
            done += len(old)
        except BaseException as e:
            store.discard(written)
            if not isinstance(e, Conflict):
                raise
    raise LakeError("programs of an older version keep writing to this lake", where=str(lake.path),
                    todo="Stop them, then run this again.")  # fmt: skip


def _rekeyed(lake: Lake, store: Store, file: DataFile) -> list[Written]:
    """The rows of one file with today's keys, as fresh files in order; it is compacted like any others."""
    out: list[Written] = []
    try:
        with pq.ParquetFile(store.root / file.path) as reader:
            for batch in reader.iter_batches(batch_size=_STEP_ROWS):
                rows = _with_keys(completed(pa.Table.from_batches([batch]), store.table.arrow()))
                name = f"f-{uuid.uuid4().hex}-{len(out)}"
                writer = DataWriter(lake.path, store.table, None, name, rows, ordered=True)
                try:
                    writer.write(rows)
                    out.append(writer.close())
                except BaseException:
                    writer.abort()
                    raise
        return out
    except BaseException:
        store.discard(out)
        raise


def _with_keys(rows: pa.Table) -> pa.Table:
    pairs: list[Any] = list(zip(rows["kind"].to_pylist(), rows["value"].to_pylist(), strict=True))
    known = {p: key64(p[0], p[1]) for p in set(pairs)}
    keys = np.array([known[p] for p in pairs], np.int64)
    at = rows.schema.get_field_index("key")
    rows = rows.set_column(at, rows.schema.field(at), pa.array(keys))
    return rows.sort_by([(name, "ascending") for name in ("key", "day")])
