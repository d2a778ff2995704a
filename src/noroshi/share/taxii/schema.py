"""The file a collection's log is kept in: its tables, and connections to it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from noroshi.model.errors import LakeError

VERSION: Final = 1
WAIT_S: Final = 60.0
"""How long a writer waits for another; a publication of a million objects takes about so long."""
TABLES: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kinds (
  kind INTEGER PRIMARY KEY, type TEXT NOT NULL, spec TEXT NOT NULL, state INTEGER NOT NULL,
  UNIQUE (type, spec, state)
);
CREATE TABLE IF NOT EXISTS log (
  seq INTEGER PRIMARY KEY, key INTEGER NOT NULL, id TEXT NOT NULL, kind INTEGER NOT NULL,
  version INTEGER NOT NULL, digits INTEGER NOT NULL, digest BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_key ON log (key, seq);
CREATE INDEX IF NOT EXISTS by_kind ON log (kind, seq);
CREATE INDEX IF NOT EXISTS by_version ON log (version, kind, seq);
CREATE TABLE IF NOT EXISTS bodies (seq INTEGER PRIMARY KEY, json BLOB NOT NULL);
"""
"""`log.seq` is the time an object was added, in microseconds: unique in its collection, ever rising, and so the order,
the cursor and `date_added` at once. `key` is a hash of the id. `kind` says type, spec version and `state` (what of
`first` and `last` the row is), so that every filter is a few ranges of `by_kind`. `digits` is -1 where an object says
no version of its own. Bodies lie apart, because what is compared is a tenth of what is sent."""


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection that sees one moment and changes nothing; None when there is no such log yet."""
    if not path.is_file():
        yield None
        return
    with _telling(path), contextlib.closing(_open(path, "ro")) as con:
        con.execute("PRAGMA mmap_size=1073741824")
        con.execute("BEGIN")
        (made,) = con.execute("PRAGMA user_version").fetchone()
        yield con if made == VERSION else None  # 0 where the first writer has not ended, or never did


@contextlib.contextmanager
def writing(path: Path, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection within one transaction: all of it is kept when the block ends, else nothing.

    durable: what is kept survives a loss of power too; without it, the last transactions may be gone as a whole,
    which the next publication mends.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _telling(path), contextlib.closing(_open(path, "rwc")) as con:
        con.execute("PRAGMA journal_mode=WAL")
        con.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        con.execute("PRAGMA cache_size=-65536")
        con.execute("BEGIN IMMEDIATE")
        try:
            _prepare(con, path)
            yield con
            con.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                con.execute("ROLLBACK")
            raise


def get(con: sqlite3.Connection, key: str) -> int | str | None:
    """What `meta` keeps under a name."""
    row = con.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return row[0] if row else None


def put(con: sqlite3.Connection, key: str, value: int | str) -> None:
    """Keeps something under a name."""
    con.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def _open(path: Path, mode: str) -> sqlite3.Connection:
    # Closed by the thread that reads on; never used by two at once.
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=WAIT_S,
        isolation_level=None,
        check_same_thread=False,
    )


def _prepare(con: sqlite3.Connection, path: Path) -> None:
    (found,) = con.execute("PRAGMA user_version").fetchone()
    if found not in (0, VERSION):
        raise LakeError(
            f"its version is {found}, this program knows {VERSION}", where=str(path),
            todo="Use a newer version of Noroshi, or delete the file: `noroshi taxii publish` makes it again.",
        )  # fmt: skip
    if not found:
        for statement in TABLES.split(";\n"):
            con.execute(statement)
        con.execute(f"PRAGMA user_version={VERSION}")


@contextlib.contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as e:
        raise LakeError(
            f"the log of a TAXII collection cannot be read or written: {e}", where=str(path),
            todo="Check the disk; a damaged log may be deleted, `noroshi taxii publish` makes it again.",
        ) from e  # fmt: skip
