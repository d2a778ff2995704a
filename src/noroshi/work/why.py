# ruff: noqa: S608 - SQL made of names of tables and of ids that were checked
"""Where a finding or a row came from: run, format, parser, digest, offset, and the raw text itself."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from noroshi import registry
from noroshi.lake import raw
from noroshi.lake.runs import START
from noroshi.model.address import prefix_range
from noroshi.model.errors import LakeError, SourceError, UsageError
from noroshi.model.finding import Finding, iso
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp
from noroshi.observe.source import STDIN, Opened
from noroshi.work.findings import fullest

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.lake.handle import Lake
    from noroshi.lake.runs import RunInfo
    from noroshi.lake.snapshot import Snapshot
    from noroshi.share.gate import View

SHORTEST: Final = 6
"""Characters of an id that must be given: six hex digits are one in 16 million."""
RAW: Final = 4096
"""Bytes of raw text shown; a line of a log is shorter as a rule."""
ROWS: Final = 50
"""Rows shown of one place in a source: a host of a survey may have thousands."""
UNTOLD: Final = "raw text is told only of what can be seen in full"
"""Whether or not there is more to be seen: the same words for both."""
_ROW = re.compile(r"(?P<table>[a-z]+):(?P<digest>[0-9a-f]{6,64}):(?P<offset>\d{1,18})")
_PLACE = re.compile(r"(?P<run>[0-9a-f]{6,32}):(?P<offset>\d{1,18})")


@dataclass
class Why:
    """Where something came from."""

    finding: Finding | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    sql: str = ""
    """A SELECT that shows the rows behind it."""
    raw: str = ""
    """The text the row was read from, at most RAW bytes; empty when it is not to be had."""
    raw_from: str = ""
    """`source` (the original, whose digest still matches), `kept`, or why there is none."""

    def to_json(self) -> dict[str, Any]:
        """The answer as JSON types."""
        finding = self.finding.to_json() if self.finding else None
        return {
            "finding": finding, "rows": self.rows, "runs": self.runs, "sql": self.sql,
            "raw": self.raw, "raw_from": self.raw_from,
        }  # fmt: skip


def why(lake: Lake, text: str, view: View | None = None) -> Why:
    """Where a finding (its id), a run (its id) or a row (`TABLE:DIGEST:OFFSET` or `RUN:OFFSET`) came from.

    view: only what this recipient may see, from which alone the answer is made; it must not be masked. Digest and raw
    text are for the own organisation, and of formats only whose rows carry no markings of their own: a line or a
    document may hold more than the rows that may be seen.
    Raises UsageError when there is none, or when the beginning of an id given is that of several.
    """
    shot = view.shot if view else lake.snapshot()
    text = text.strip().lower()
    if len(text) < SHORTEST:
        raise UsageError(
            f"{text!r} is too short for an id", todo=f"Give at least {SHORTEST} characters of it."
        )
    if found := _ROW.fullmatch(text):
        return _row(
            lake,
            shot,
            _digested(lake, shot, found["digest"], view),
            int(found["offset"]),
            found["table"],
            view,
        )
    if found := _PLACE.fullmatch(text):
        return _row(lake, shot, [run_of(lake, found["run"], shot)], int(found["offset"]), "", view)
    if ":" in text:
        raise UsageError(
            f"{text!r} names no row", todo="Write TABLE:DIGEST:OFFSET as `pivot` shows it, or RUN:OFFSET."
        )
    held = view.findings(wanted=False) if view else fullest(lake.findings(tlp=Tlp.RED))
    hits = [f for f in held if f.id.startswith(text)]
    if len(hits) > 1:
        raise UsageError(f"{len(hits)} findings have ids that begin with {text}", todo="Give more of the id.")
    if hits:
        infos = {r.run_id: r for r in shot.runs()}
        runs = [_told(lake, infos[i], view) for i in hits[0].runs if i in infos]
        return Why(hits[0], runs=runs, sql=select(hits[0]))
    run = run_of(lake, text, shot)
    table = max(run.counts.get("tables", {}), key=lambda t: run.rows(t), default="flows")
    return Why(
        runs=[_told(lake, run, view)], sql=f"SELECT * FROM {table} WHERE run_id = '{run.run_id}' LIMIT 20"
    )


def _told(lake: Lake, run: RunInfo, view: View | None) -> dict[str, Any]:
    """A run as JSON types, as whoever asks may know it."""
    whole = _whole(lake, run, view)
    if whole is not None:
        return as_json(whole)
    # A path tells of this site's machines.
    return as_json(run) | ({"path": "", "source": ""} if view and view.outside else {})


def _whole(lake: Lake, run: RunInfo, view: View | None) -> RunInfo | None:
    """All that is known of a run, when whoever asks may see everything that was read from its source."""
    if view is None or not _in_full(run, view):
        return run if view is None else None
    return next((r for r in lake.snapshot().runs() if r.run_id == run.run_id), None)


def _in_full(run: RunInfo, view: View) -> bool:
    """True when no row of a run can be hidden from a recipient, going by its marking and format alone."""
    if (
        view.outside
        or not view.plain
        or not view.recipient.may_see(run.tlp)
        or run.format not in registry.SENSORS
    ):
        return False
    return not any(TABLES[t].marked for t in registry.sensor(run.format).tables)


def _digested(lake: Lake, shot: Snapshot, digest: str, view: View | None) -> list[RunInfo]:
    known = {r.run_id: r for r in shot.runs()}
    # A restricted snapshot tells no digests; those of what is seen in full may be asked for.
    if view:
        known = {i: r for i, r in known.items() if _in_full(r, view)}
    runs = [
        known[r.run_id] for r in lake.snapshot().runs()
        if r.run_id in known and (r.sha256 or "").startswith(digest)
    ]  # fmt: skip
    if not runs or len({r.sha256 for r in runs}) != 1:
        what = "several sources have" if runs else "no source has"
        raise UsageError(
            f"{what} a digest that begins with {digest}", todo="Give the name as `pivot` shows it."
        )
    return runs


def _row(
    lake: Lake, shot: Snapshot, runs: Sequence[RunInfo], offset: int, table: str, view: View | None
) -> Why:
    from noroshi.work.sql import rows

    if table and (table not in TABLES or not _has_offset(table)):
        raise UsageError(
            f"there is no table {table} of rows read from sources", todo="`docs/tables.md` lists them."
        )
    ids = [r.run_id for r in runs]
    out = Why(runs=[_told(lake, r, view) for r in runs])
    for name in [table] if table else [t for t in TABLES if _has_offset(t) and any(r.rows(t) for r in runs)]:
        found = shot.sql(
            f'SELECT * FROM {name} WHERE list_contains($runs, run_id) AND "offset" = $offset LIMIT {ROWS}',
            {"runs": ids, "offset": offset},
        )
        out.rows += [{"table": name, **row} for row in rows(_seen(found, view))]
    if view and not out.rows:
        raise UsageError("there is no such row", todo="Pages and `pivot` show what rows are called.")
    for run in runs:
        whole = _whole(lake, run, view)
        out.raw, out.raw_from = original(lake, whole, offset) if whole else ("", UNTOLD)
        if out.raw:
            break
    return out


def _seen(rows: pa.Table, view: View | None) -> pa.Table:
    """Rows without what this recipient is not told: dark addresses and, outside, passwords."""
    if view is None or not view.outside:
        return rows
    import pyarrow as pa
    import pyarrow.compute as pc

    dark = [prefix_range(p) for p in view.telescopes]
    for i, name in enumerate(rows.column_names):
        if name == "password":
            rows = rows.set_column(i, name, pa.array([None] * rows.num_rows, pa.string()))
        elif pa.types.is_binary(rows.schema.types[i]) and dark:
            column = rows[name]
            hidden = [v is not None and any(a <= v <= b for a, b in dark) for v in column.to_pylist()]
            kept: Any = pc.if_else(pa.array(hidden, pa.bool_()), pa.scalar(None, column.type), column)
            rows = rows.set_column(i, name, kept)
    return rows


def _has_offset(table: str) -> bool:
    return any(c.name == "offset" for c in TABLES[table].columns)


def original(lake: Lake, run: RunInfo, offset: int) -> tuple[str, str]:
    """(the raw text at `offset` of a run's source, where it was found or why it was not)."""
    if any(run.rows(t) for t in ("flows",)):
        return "", "a capture holds no text: open it with a packet analyser"
    with contextlib.suppress(LakeError):
        kept = raw.read(lake.path, run.run_id, offset - int(run.counts.get(START, 0)), RAW)
        if kept:
            return _text(kept), "kept"
    if run.path == STDIN:
        return "", "it came through a pipe, and keep_raw was off"
    if not os.path.isfile(run.path):
        return "", "the source is no longer there, and keep_raw was off"
    try:
        found = _from_source(run, offset)
    except (SourceError, OSError) as e:
        return "", f"the source cannot be read: {e}"
    return (_text(found), "source") if found is not None else ("", "the source has changed since it was read")


def _from_source(run: RunInfo, offset: int) -> bytes | None:
    """The bytes at `offset` of the unpacked source; None when what was read then no longer stands there.

    Of a log that has grown, the part that was read is digested.
    """
    size = run.size or 0
    if os.path.getsize(run.path) < size or _digest(run.path, size) != run.sha256:
        return None
    with Opened(run.path) as opened:
        left = offset
        while left > 0 and (piece := opened.stream.read(min(left, 1 << 20))):
            left -= len(piece)
        return opened.stream.read(RAW)


def _digest(path: str, size: int) -> str:
    import hashlib

    digest, left = hashlib.sha256(), size
    with open(path, "rb") as file:
        while left > 0 and (piece := file.read(min(left, 1 << 20))):
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


def _text(data: bytes) -> str:
    """The first line, or what stands of it, as text; a document that is one long line, at most RAW bytes."""
    line = data.lstrip(b"\r\n\t ").partition(b"\n")[0]
    return line.decode("utf-8", "backslashreplace").rstrip("\r")


def select(finding: Finding) -> str:
    """A SELECT over the rows a finding speaks of; empty when its subject needs no SQL or more than one."""
    day = finding.first_seen.date().isoformat()
    kind, value = finding.subject.kind, finding.subject.value
    if any(c in value for c in "'\"\\ "):
        return ""
    if not finding.recurs_daily or finding.rule.name == "watch" or _joins(finding.rule.name):
        return f"SELECT * FROM links WHERE kind = '{kind}' AND value = '{value}' ORDER BY day LIMIT 20"
    where = {
        "ip": f"src_ip = ip('{value}')",
        "prefix": f"in_net(src_ip, '{value}')",
        "port": f"dst_port = {value.rpartition('/')[2]}",
    }.get(kind)
    return (
        f"SELECT * FROM flows WHERE day = '{day}' AND {where} ORDER BY first_seen LIMIT 20" if where else ""
    )


def _joins(rule: str) -> bool:
    """True for rules that join kinds of evidence: what they rest on stands in many tables, and in `links`."""
    return rule in registry.ANALYSERS and not registry.analyser(rule).tables


def run_of(lake: Lake, text: str, shot: Snapshot | None = None) -> RunInfo:
    """The one visible run whose id begins with `text`. Raises UsageError."""
    text = text.strip().lower()
    runs = [r for r in (shot or lake.snapshot()).runs() if r.run_id.startswith(text)]
    if len(runs) != 1 or len(text) < SHORTEST:
        what = f"{len(runs)} runs have" if runs else "no finding and no run has"
        todo = "Give more of the id."
        if not runs and not re.fullmatch(r"[0-9a-f-]+", text):
            todo = f"Everything about a value: noroshi pivot {text}"
        elif not runs:
            todo = 'Look for it with: noroshi sql "SELECT run_id, path FROM runs"'
        raise UsageError(f"{what} an id that begins with {text!r}", todo=todo)
    return runs[0]


def as_json(run: RunInfo) -> dict[str, Any]:
    """A run as JSON types."""
    return {
        "run_id": run.run_id, "path": run.path, "source": run.source, "format": run.format,
        "parser_version": run.parser_version, "sha256": run.sha256, "tlp": run.tlp.value,
        "first_seen": iso(run.first_seen) if run.first_seen else None,
        "last_seen": iso(run.last_seen) if run.last_seen else None,
    }  # fmt: skip
