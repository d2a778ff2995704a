# ruff: noqa: S608 - SQL made of names from model.tables and of quoted literals
"""DuckDB, shut in: one SELECT at a time over exactly the files of a snapshot.

Two locks, either of which would do for most: the engine may open no file but those named and no network, load
no extension and change no setting; and the text is parsed first, and refused if it is anything but one
SELECT over the lake's tables and a few functions that make rows out of nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from noroshi.lake import macros
from noroshi.lake.answers import Answers
from noroshi.lake.encoding import version_of
from noroshi.model.errors import LakeError, NoroshiError, UsageError
from noroshi.model.schema import Column, Table

MEMORY_SHARE = 0.25
"""Of the machine's memory a query may use before it spills to the lake's folder."""

SPILL_SHARE = 0.5
"""Of the free disk a query may fill with what does not fit into memory: writers need some too."""
_ANSWER_ROWS = 65_536
"""Rows of an answer fetched at a time."""

_KNOWN, _KNOWN_TEXT = 1_000, 4_000
"""Texts a connection knows to be fine, and the length of the longest: four megabytes at most."""
_ROW_MAKERS = {"unnest", "range", "generate_series", "repeat", "repeat_row"}
_SQL_TYPES = {
    "address": "BLOB", "string": "VARCHAR", "bool": "BOOLEAN", "int16": "SMALLINT", "int32": "INTEGER",
    "int64": "BIGINT", "float64": "DOUBLE", "ts": "TIMESTAMPTZ", "date": "DATE", "strings": "VARCHAR[]",
}  # fmt: skip


def connect(
    temporary: Path, *, memory: int | None = None, threads: int | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection to an empty database in memory that installs and loads nothing and scans no variables."""
    config: dict[str, str] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "python_enable_replacements": "false",
        "temp_directory": str(temporary),
        "memory_limit": f"{(memory or int(ram() * MEMORY_SHARE)) // 1_000_000}MB",
    }
    if free := _free(temporary):
        config["max_temp_directory_size"] = f"{int(free * SPILL_SHARE) // 1_000_000 + 1}MB"
    if threads:
        config["threads"] = str(threads)
    con = duckdb.connect(config=config)  # type: ignore[arg-type]
    # GLOBAL: a cursor is a connection of its own and would else take the machine's time zone.
    con.execute(
        "SET GLOBAL TimeZone='UTC'; SET GLOBAL parquet_metadata_cache=true; SET enable_progress_bar=false"
    )
    return con


def _free(temporary: Path) -> int:
    """Bytes free where queries spill; 0 when that cannot be told."""
    try:
        return shutil.disk_usage(temporary.parent).free
    except OSError:
        return 0


def ram() -> int:
    """Bytes of memory in this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def quoted(name: str) -> str:
    """A name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def scan(table: Table, files: Sequence[Path], *, day: bool = True) -> str:
    """SQL of all rows of these files with the table's columns and `day`; of none, with the right types.

    A column is null in files written before the table had it.
    """
    day = day and table.partitioned
    if not files:
        empty = [_null(c) for c in table.columns] + (["NULL::DATE AS day"] if day else [])
        return f"SELECT {', '.join(empty)} WHERE false"
    versions: dict[int, list[Path]] = {}
    for file in files:
        versions.setdefault(min(version_of(file.name), table.version), []).append(file)
    return " UNION ALL ".join(_scan(table, v, versions[v], day) for v in sorted(versions))


def _scan(table: Table, version: int, files: Sequence[Path], day: bool) -> str:
    listed = ", ".join(literal(str(f)) for f in files)
    names = [quoted(c.name) if c.since <= version else _null(c) for c in table.columns]
    how = "hive_partitioning=false"
    if day:
        how, names = "hive_partitioning=true, hive_types={'day': DATE}", [*names, "day"]
    return f"SELECT {', '.join(names)} FROM read_parquet([{listed}], {how}, union_by_name=false)"


def _null(column: Column) -> str:
    return f"NULL::{_SQL_TYPES[column.type]} AS {quoted(column.name)}"


class Locked:
    """A locked connection with views; several threads may ask at once.

    views: their texts; each is made when a question names it, because to make one its files are looked at. over: the
    views that a view reads.
    """

    def __init__(
        self, temporary: Path, views: dict[str, str], files: Sequence[Path], tables: dict[str, pa.Table],
        memory: int | None = None, answers: Answers | None = None, over: Mapping[str, Sequence[str]] | None = None,
    ) -> None:  # fmt: skip
        self._names = {*views, *tables}
        self._views, self._tables, self._over = views, tables, over or {}
        self._made: set[str] = set()
        share = int(ram() * MEMORY_SHARE)
        self._memory = min(memory or share, share)
        con = self._con = connect(temporary, memory=self._memory)
        self._lock = threading.Lock()
        self._answers = answers
        self._fine: dict[str, frozenset[str]] = answers.fine if answers else {}
        macros.install(con)
        for name, rows in tables.items():
            con.register("_rows", rows)
            con.execute(f"CREATE TABLE {quoted(name)} AS FROM _rows")
            con.unregister("_rows")
        allowed = ", ".join(literal(str(f)) for f in files)
        con.execute(f"SET allowed_paths=[{allowed}]; SET enable_external_access=false")
        con.execute("SET lock_configuration=true")

    def sql(self, text: str, params: dict[str, Any] | None = None, seconds: float | None = None) -> pa.Table:
        """The answer to one SELECT. UsageError when it is not one, or wrong; LakeError when it fails, takes longer
        than `seconds`, or is larger than the memory a query may use: the engine does not count its answer."""
        with self._lock:
            cursor = self._con.cursor()
        late = threading.Event()

        def stop() -> None:
            late.set()
            cursor.interrupt()

        timer = threading.Timer(seconds, stop) if seconds else None
        try:
            with telling_sql():
                self._make(self._check(cursor, text) or self._views)
                if timer:
                    timer.daemon = True
                    timer.start()
                return _utc(self._fetched(cursor.sql(text, params=params or None), late))
        except NoroshiError as e:
            if late.is_set():
                raise LakeError(
                    f"the query took longer than {seconds:g} seconds",
                    todo="Restrict it, for example to a day, or allow more with --timeout.",
                ) from e
            raise
        finally:
            if timer:
                timer.cancel()
            cursor.close()

    def kept(self, text: str, params: dict[str, Any] | None = None, seconds: float | None = None) -> pa.Table:
        """The same, from where answers are kept when it was asked before of what the tables it names are now. Not for
        texts that ask for the time or for chance."""
        if self._answers is None:
            return self.sql(text, params, seconds)
        with self._lock:
            cursor = self._con.cursor()
        try:
            with telling_sql():
                named = self._check(cursor, text)
        finally:
            cursor.close()
        if not named:  # it reads no table: there is nothing to gain
            return self.sql(text, params, seconds)
        read = tuple(self._read_from[n] for n in sorted(named))
        key = (text, repr(sorted((params or {}).items())), read)
        return self._answers.get(key, lambda: self.sql(text, params, seconds))

    def _make(self, names: Iterable[str]) -> None:
        """Makes these views and those they read, where they are not there yet."""
        for name in names:
            if name in self._views and name not in self._made:
                self._make(self._over.get(name, ()))
                with self._lock:
                    if name not in self._made:
                        self._con.execute(f"CREATE VIEW {quoted(name)} AS {self._views[name]}")
                        self._made.add(name)

    @cached_property
    def _read_from(self) -> dict[str, bytes]:
        """What each table is, as a digest: the text of its view and of those it reads, or its rows."""
        out = {n: hashlib.sha256(repr(t.to_pylist()).encode()).digest() for n, t in self._tables.items()}
        for name in self._views:
            texts = [self._views[n] for n in (name, *self._over.get(name, ()))]
            out[name] = hashlib.sha256(repr(texts).encode()).digest()
        return out

    def _fetched(self, answer: duckdb.DuckDBPyRelation, late: threading.Event) -> pa.Table:
        """The whole answer, unless it is too large to be held."""
        size, batches = 0, []
        with answer.to_arrow_reader(_ANSWER_ROWS) as reader:
            for batch in reader:
                size += batch.nbytes
                if size > self._memory:
                    raise LakeError(
                        f"the answer is larger than the {self._memory // 1_000_000} MB a query may use",
                        todo="Add LIMIT, sum it up, or allow more with --memory.",
                    )
                if late.is_set():
                    raise LakeError("the query was stopped", todo="Run it again.")
                batches.append(batch)
            return pa.Table.from_batches(batches, reader.schema)

    def _check(self, con: duckdb.DuckDBPyConnection, text: str) -> frozenset[str]:
        """The tables it names. Refuses all but one SELECT over what is here. The text alone decides: what was fine
        stays so, and to parse it again would cost as much as a small answer."""
        found = self._fine.get(text)
        if found is None:
            found = self._parsed(con, text)
            if len(self._fine) < _KNOWN and len(text) <= _KNOWN_TEXT:
                self._fine[text] = found
        return found

    def _parsed(self, con: duckdb.DuckDBPyConnection, text: str) -> frozenset[str]:
        statements = con.extract_statements(text)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise UsageError(
                "only one SELECT statement is allowed", todo="Queries read; nothing can be changed."
            )
        row = con.execute("SELECT json_serialize_sql(?::VARCHAR)", [text]).fetchall()
        tree = json.loads(row[0][0]) if row else {"error": True}
        if tree["error"]:
            raise UsageError(
                "only a plain SELECT statement is allowed", todo="Write PIVOT with FILTER or CASE."
            )
        with_names = {str(key).lower() for key in _named(tree)}
        named = set()
        for kind, name in _sources(tree):
            if kind == "TABLE_FUNCTION" and name.lower() not in _ROW_MAKERS:
                raise UsageError(f"the function {name} cannot be used here",
                                 todo=f"Tables: {', '.join(sorted(self._names))}.")  # fmt: skip
            if kind == "BASE_TABLE" and name.lower() not in self._names | with_names:
                raise UsageError(
                    f"there is no table {name}", todo=f"Tables: {', '.join(sorted(self._names))}."
                )
            if kind == "BASE_TABLE" and name.lower() in self._names:
                named.add(name.lower())
        return frozenset(named)


def _utc(rows: pa.Table) -> pa.Table:
    """The same rows with times marked UTC, whatever alias of it the engine prefers."""
    for i, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz not in (None, "UTC"):
            same = field.with_type(pa.timestamp(field.type.unit, "UTC"))
            rows = rows.set_column(i, same, rows.column(i).cast(same.type))
    return rows


def _sources(node: Any) -> Iterator[tuple[str, str]]:
    """(type, name) of every table and table function in a parsed statement."""
    if isinstance(node, dict):
        if node.get("type") == "TABLE_FUNCTION":
            yield "TABLE_FUNCTION", str((node.get("function") or {}).get("function_name"))
        elif node.get("type") == "BASE_TABLE":
            yield "BASE_TABLE", str(node.get("table_name"))
        for child in node.values():
            yield from _sources(child)
    elif isinstance(node, list):
        for child in node:
            yield from _sources(child)


def _named(node: Any) -> Iterator[str]:
    """Names that WITH gives, anywhere in the statement."""
    if isinstance(node, dict):
        for entry in (node.get("cte_map") or {}).get("map") or []:
            yield entry["key"]
        for child in node.values():
            yield from _named(child)
    elif isinstance(node, list):
        for child in node:
            yield from _named(child)


class telling_sql:
    """Turns the engine's errors into UsageError (the text is wrong) or LakeError (the store or memory)."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if not isinstance(error, duckdb.Error):
            return
        text = str(error).strip()
        if isinstance(error, duckdb.InterruptException):
            raise LakeError("the query was stopped", todo="Run it again.") from error
        if isinstance(error, duckdb.OutOfMemoryException):
            raise LakeError(
                f"the query needs too much memory: {text}",
                todo="Restrict it, for example to a day, or allow more with --memory.",
            ) from error
        if isinstance(error, (duckdb.IOException, duckdb.InternalException, duckdb.FatalException)):
            raise LakeError(
                text, todo="Run it again; if it fails again, run `noroshi lake verify`."
            ) from error
        raise UsageError(text, todo='`noroshi sql "DESCRIBE flows"` shows a table\'s columns.') from error
