"""Zeek's logs as JSON, one object a line, told by `_path` or by their keys; kinds may be mixed.

The lines of a block are decoded into one typed struct, that of the log the block before held; when that fails the
lines are told apart one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.lines import Block, blocks
from noroshi.observe.netlog import zeeklogs
from noroshi.observe.netlog.columns import Rowset
from noroshi.observe.netlog.delimited import line_of
from noroshi.observe.rows import micros

_INT = msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)
_KEY = re.compile(rb'"([A-Za-z_][A-Za-z0-9_.]{0,63})"\s*:')
_UNREADABLE: Final = (msgspec.MsgspecError, RecursionError, ValueError)
"""What decoding may raise: no JSON or another shape, nested too deeply, no UTF-8."""


@cache
def _structs() -> dict[str, tuple[type[msgspec.Struct], tuple[str, ...]]]:
    """For each log the struct its lines are decoded into, and the names of its fields in their order.

    A field of `signs[0]` must be there, so that no line of another log passes; `_path` decides where it is given.
    """
    from typing import Annotated

    whole = Annotated[int, _INT]
    types: dict[str, Any] = {
        "float": float | str, "int": whole, "enum": str, "text": str, "bool": bool, "texts": list[str],
    }  # fmt: skip
    out = {}
    for name, log in zeeklogs.LOGS.items():
        needed = log.signs[0] | {"ts"}
        named = dict.fromkeys([*sorted(needed), *log.fields])
        made: list[Any] = []
        for i, field in enumerate(named):
            kind = types[log.fields[field]] if field in log.fields else msgspec.Raw
            if field != "ts" and log.fields.get(field) == "float":
                kind = float
            attribute = (
                msgspec.field(name=field) if field in needed else msgspec.field(default=None, name=field)
            )
            made.append((f"f{i}", kind if field in needed else kind | None, attribute))
        made.append(("path", str | None, msgspec.field(default=None, name="_path")))
        made.append(("helo", msgspec.Raw | None, msgspec.field(default=None, name="helo")))
        struct = msgspec.defstruct(name, made, gc=False)
        out[name] = (struct, tuple(named))
    return out


@cache
def _decoder(log: str, strict: bool = True) -> Any:
    return msgspec.json.Decoder(_structs()[log][0], strict=strict)


class _Named(msgspec.Struct):
    """The one key that tells what a line is."""

    path: str | None = msgspec.field(default=None, name="_path")


class ZeekJsonSensor:
    """Reads Zeek's JSON logs, also streams in which several kinds are mixed."""

    name = "zeek-json"
    version = 2
    doc = (
        "Zeek logs as JSON lines, mixed too: conn, dns, http, ssl, quic, ssh, x509, files, notice, weird; Zeek's other "
        "logs are recognised and told, not stored."
    )
    tables = ("connections", "dns", "http", "tls", "ssh", "certificates", "alerts", "network_files")
    grows = True

    def sniff(self, head: bytes) -> bool:
        """True when the first line is a JSON object with a time and the keys of one of Zeek's logs."""
        line = head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
        if not line.startswith(b"{"):
            return False
        keys = {k.decode() for k in _KEY.findall(line)}
        if not keys & {"ts", "_write_ts"} or keys & {"event_type", "eventid"}:
            return False
        return bool(_log_of(line, keys))

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of the tables; a reject for each line that does not fit, one for each log that is not stored."""
        others = zeeklogs.Counted(reading.counts)
        likely = ""
        for block in blocks(reading):
            if isinstance(block, Reject):
                yield block
                continue
            found: list[Batch] = []
            for item in _block(block, likely, others, reading):
                if isinstance(item, str):
                    likely = item
                elif isinstance(item, Reject):
                    yield item
                else:
                    found.append(item)
            yield from zeeklogs.joined(found)
        yield from others.told("Zeek's log")


def _log_of(line: bytes, keys: set[str] | None = None) -> str:
    """The log a line belongs to; empty when it is none of Zeek's."""
    if keys is None:
        keys = {k.decode() for k in _KEY.findall(line)}
    path = ""
    if "_path" in keys:
        try:
            path = msgspec.json.decode(line, type=_Named).path or ""
        except _UNREADABLE:
            path = ""
    return zeeklogs.which(path, keys)


def _block(
    block: Block, likely: str, others: zeeklogs.Counted, reading: Reading
) -> Iterator[Batch | Reject | str]:
    """Batches and rejects of a block, and the name of the log its lines were last."""
    starts = block.starts
    places = np.flatnonzero(block.ends > starts)
    if likely:
        objects = _all(block, likely)
        if objects is not None and len(objects) == len(places):
            yield from _made(likely, objects, places, block, reading)
            return
    held: dict[str, tuple[list[Any], list[int]]] = {}
    for i in places.tolist():
        line = line_of(block, i)
        if not line.strip():
            continue
        name, item = _one(line, likely, block.offsets_at(i))
        likely = name if name in zeeklogs.LOGS else likely
        if isinstance(item, Reject):
            yield item
        elif item is None:
            others.add(name, block.offsets_at(i), line)
        else:
            objects, rows = held.setdefault(name, ([], []))
            objects.append(item)
            rows.append(i)
    if likely:
        yield likely
    for name, (objects, rows) in held.items():
        yield from _made(name, objects, np.array(rows, np.int64), block, reading)


def _all(block: Block, log: str) -> list[Any] | None:
    """Every line of the block as the struct of one log; None when one of them is no such line."""
    try:
        objects: list[Any] = _decoder(log).decode_lines(block.data)
    except _UNREADABLE:
        return None
    # The first key seen may be followed by another log's: `_path` says so, and `helo` is SMTP's, not HTTP's.
    paths = {o.path for o in objects}
    if not paths <= {None, log} or (log == "http" and any(o.helo is not None for o in objects)):
        return None
    return objects


def _one(line: bytes, likely: str, offset: int) -> tuple[str, Any]:
    """(log, struct) of a line; the second is None for a log that is not stored, a Reject for what cannot be read."""
    if not line.lstrip().startswith(b"{"):
        return "", Reject(offset, "json", "no JSON object", line)
    if likely:
        try:
            found = _decoder(likely).decode(line)
            if found.path == likely or (found.path is None and found.helo is None):
                return likely, found
        except _UNREADABLE:
            pass
    log = _log_of(line)
    try:
        if log in zeeklogs.LOGS:
            return log, _lenient(log, line)
        msgspec.json.decode(line, type=_Named)
    except RecursionError:
        return log, Reject(offset, "json", "nested too deeply", line)
    except _UNREADABLE as e:
        reason = "value" if isinstance(e, msgspec.ValidationError) else "json"
        return log, Reject(offset, reason, str(e)[:300], line)
    if not log:
        return log, Reject(
            offset, "unknown-log", "a JSON object that is none of Zeek's logs, by its keys", line
        )
    return log, None


def _lenient(log: str, line: bytes) -> Any:
    """A line of the log `log`: numbers may stand as texts, and the fields that tell the log may be missing."""
    try:
        return _decoder(log, strict=False).decode(line)
    except msgspec.ValidationError as e:
        if "missing required field" not in str(e):
            raise
    struct, names = _structs()[log]
    loose = _loose(log).decode(line)
    return struct(*(getattr(loose, f"f{i}") for i in range(len(names))), path=loose.path)


@cache
def _loose(log: str) -> Any:
    """A decoder that needs no field."""
    struct, names = _structs()[log]
    given = {f.encode_name: f.type for f in msgspec.structs.fields(struct)}
    made: list[Any] = [
        (f"f{i}", given[n] | None, msgspec.field(default=None, name=n)) for i, n in enumerate(names)
    ]
    made.append(("path", str | None, msgspec.field(default=None, name="_path")))
    return msgspec.json.Decoder(msgspec.defstruct(f"{log}_loose", made), strict=False)


def _made(
    log: str, objects: Sequence[Any], places: Any, block: Block, reading: Reading
) -> Iterator[Batch | Reject]:
    fields = zeeklogs.LOGS[log].fields
    raw = {}
    for i, name in enumerate(_structs()[log][1]):
        if name in fields:
            column = _column(fields[name], list(map(_getter(i), objects)))
            if column is not None:
                raw[name] = column
    rows = Rowset(raw, block.offsets[places], lambda k: line_of(block, int(places[k])), reading)
    yield from zeeklogs.batch(log, rows)


@cache
def _getter(i: int) -> Callable[[Any], Any]:
    return attrgetter(f"f{i}")


def _column(kind: str, values: list[Any]) -> Any:
    """An Arrow array of Python values; None when all are missing."""
    import pyarrow as pa

    if kind == "float":
        return pa.array(_seconds(values), pa.float64())
    if kind == "int":
        return pa.array(values, pa.int64())
    if kind == "bool":
        return pa.array(values, pa.bool_())
    if kind == "texts":
        return pa.array(values, pa.list_(pa.string()))
    texts = pa.array(values, pa.string())
    if texts.null_count == len(values):
        return None
    return texts.dictionary_encode() if kind == "enum" else texts


def _seconds(values: list[Any]) -> Any:
    """Seconds since 1970 of numbers and ISO 8601 texts; nan for what is neither."""
    try:
        return np.array(values, np.float64)
    except (ValueError, TypeError):
        return np.array([_moment(v) for v in values], np.float64)


def _moment(value: Any) -> float:
    if isinstance(value, str):
        us = micros(value)
        return float("nan") if us is None else us / 1e6
    return float("nan") if value is None else float(value)
