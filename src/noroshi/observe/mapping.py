"""Mapping files: which column of somebody's CSV or JSON is which column of ours. Data only, nothing is evaluated."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from noroshi.model.errors import UsageError
from noroshi.model.schema import Column
from noroshi.model.tables import TABLES
from noroshi.observe.rows import micros, packed, seconds

LARGEST: Final = 1 << 20
"""Bytes of a mapping file: a hundred columns take a few KiB."""
TEXT: Final = 64 << 10
MANY: Final = 500
_OURS: Final = frozenset(("offset", "run_id"))
"""Columns that are made, never read."""
_MADE: Final[dict[str, frozenset[str]]] = {
    "indicators": frozenset(("ts", "kind", "role", "document", "tlp")),
    "files": frozenset(("ts", "document", "tlp")),
    "incidents": frozenset(("ts", "tlp")),
    "assets": frozenset(("ts", "kind")),
    "events": frozenset(("feed", "tlp")),
}
"""Columns that may not be null and are filled in when a mapping leaves them out."""
_WHERE: Final = "docs/mapping.md shows how to write one."


class MappingFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A mapping as it stands in its TOML file."""

    table: Literal["indicators", "files", "incidents", "assets", "events"]
    columns: dict[str, str | list[str]]
    """Our column = theirs, or several of theirs: the first that is filled, all of them for a list."""
    constants: dict[str, str | int | float | bool | list[str]] = {}
    """Our column = the same value in every row, where the file has none."""
    words: dict[str, dict[str, str]] = {}
    """Our column = what their words are in ours."""
    find: list[str] = []
    """Incidents: their columns in whose text indicators are looked for, beside title and description."""
    format: Literal["csv", "json"] = "csv"
    encoding: Literal["utf-8", "cp932", "latin-1"] = "utf-8"
    delimiter: str = ""
    comment: str = ""
    header: list[str] = []
    """Names of the columns of a file that has no header."""
    records: str = ""
    """JSON: where the list of records stands, as `data.items`."""
    time: str = "iso"
    """iso, unix, unix-ms, or a form as `%d/%m/%Y %H:%M`."""
    timezone: str = "UTC"
    """Of times that name none: UTC, +09:00 or a name as Asia/Tokyo."""
    separator: str = ","
    """Between several values in one cell."""


def load(path: Path) -> MappingFile:
    """The mapping in a TOML file; raises UsageError that says what is wrong in it, and where."""
    try:
        raw = path.read_bytes()
    except OSError as e:
        raise UsageError(f"cannot be read: {e.strerror}", where=str(path), todo=_WHERE) from None
    if len(raw) > LARGEST:
        raise UsageError(f"is no mapping: {len(raw):,} bytes", where=str(path), todo=_WHERE)
    try:
        found = msgspec.toml.decode(raw, type=MappingFile)
        check(found)
    except msgspec.ValidationError as e:
        raise UsageError(str(e), where=str(path), todo=_WHERE) from None
    except UsageError as e:
        raise UsageError(e.what, where=str(path), todo=e.todo or _WHERE) from None
    except (ValueError, RecursionError) as e:  # tomllib's own error is a ValueError
        raise UsageError(f"is no TOML: {e}", where=str(path), todo=_WHERE) from None
    return found


def check(mapping: MappingFile) -> None:
    """Raises UsageError when the mapping names what is not there, or leaves out what a row must have."""
    table = TABLES[mapping.table]
    known = [c.name for c in table.columns if c.name not in _OURS]
    for section in ("columns", "constants", "words"):
        for name in getattr(mapping, section):
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"Did you mean {near[0]}? " if near else ""
                raise UsageError(
                    f"[{section}] names {name!r}, which is no column of {mapping.table}",
                    todo=f"{hint}It has: {', '.join(known)}.",
                )
    given = {*mapping.columns, *mapping.constants}
    needed = {c.name for c in table.columns if not c.nullable} - _OURS - _MADE[mapping.table] - given
    if mapping.table == "files" and not given & set(_HASHES):
        raise UsageError("a row of files needs one of the hashes", todo=f"Map {', '.join(_HASHES)}.")
    if needed:
        names = ", ".join(sorted(needed))
        raise UsageError(
            f"a row of {mapping.table} needs {names}", todo="Name it in [columns] or [constants]."
        )
    if len(mapping.delimiter) > 1:
        raise UsageError("delimiter is one character", todo='For a tab write "\\t".')
    zone(mapping.timezone)
    if mapping.time not in ("iso", "unix", "unix-ms") and "%" not in mapping.time:
        raise UsageError(
            f"time is {mapping.time!r}", todo="Write iso, unix, unix-ms or a form as %d/%m/%Y %H:%M."
        )


_HASHES: Final = ("md5", "sha1", "sha256", "sha512", "ssdeep", "tlsh", "imphash")


def zone(text: str) -> tzinfo:
    """The time zone a text names; raises UsageError when it names none."""
    if text.upper() in ("UTC", "Z"):
        return UTC
    try:
        sign = {"+": 1, "-": -1}.get(text[:1])
        if sign:
            hours, _, minutes = text[1:].partition(":")
            return timezone(sign * timedelta(hours=int(hours), minutes=int(minutes or 0)))
        from zoneinfo import ZoneInfo

        return ZoneInfo(text)
    except (ValueError, LookupError, OSError):
        raise UsageError(f"{text[:60]!r} is no time zone", todo="Write UTC, +09:00 or Asia/Tokyo.") from None


class CellError(Exception):
    """A cell that is not what its column wants; the text says why."""


Cell = Callable[[Any], Any]


def cells(mapping: MappingFile) -> dict[str, Cell]:
    """For each mapped column what makes its value of a cell; None for an empty cell, CellError for a wrong one."""
    table, tz = TABLES[mapping.table], zone(mapping.timezone)
    return {name: _worded(mapping, table.column(name), tz) for name in mapping.columns}


def constants(mapping: MappingFile) -> dict[str, Any]:
    """Our columns that are the same in every row, as the table stores them; UsageError for a wrong one."""
    table, tz = TABLES[mapping.table], zone(mapping.timezone)
    out = {}
    for name, value in mapping.constants.items():
        try:
            out[name] = _converter(mapping, table.column(name), tz)(value)
        except CellError as e:
            raise UsageError(f"[constants] {name}: {e}", todo=_WHERE) from None
    return out


def _worded(mapping: MappingFile, column: Column, tz: tzinfo) -> Cell:
    plain, words = _converter(mapping, column, tz), mapping.words.get(column.name)
    if not words:
        return plain
    by_word = {k.strip().lower(): v for k, v in words.items()}

    def of(value: Any) -> Any:
        text = plain_text(value)
        return plain(by_word.get(text.lower(), text))

    return of


def plain_text(value: Any) -> str:
    """A cell as text; numbers as they are written, lists and objects empty."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value:.0f}"[:400]
    return ""


def _converter(mapping: MappingFile, column: Column, tz: tzinfo) -> Cell:
    kinds: Mapping[str, Cell] = {
        "string": lambda v: plain_text(v)[:TEXT] or None,
        "strings": lambda v: texts(v, mapping.separator) or None,
        "ts": lambda v: moment(plain_text(v), mapping.time, tz),
        "address": _address, "bool": _bool, "float64": _float,
        "int16": lambda v: _integer(v, 15), "int32": lambda v: _integer(v, 31), "int64": lambda v: _integer(v, 63),
    }  # fmt: skip
    return kinds[column.type]


def texts(value: Any, separator: str) -> list[str]:
    """The texts of a list, or of a cell that holds several."""
    if isinstance(value, list):
        parts = [plain_text(v) for v in value[:MANY]]
    else:
        text = plain_text(value)
        parts = text.split(separator, MANY)[:MANY] if separator else [text]
    return list(dict.fromkeys(p.strip()[:4_096] for p in parts if p.strip()))


def moment(text: str, form: str, tz: tzinfo) -> int | None:
    """µs since 1970 of a time in that form; None for an empty one."""
    if not text:
        return None
    us: int | None = None
    try:
        if form in ("unix", "unix-ms"):
            us = seconds(float(text) / (1000 if form == "unix-ms" else 1))
        else:
            iso = form == "iso"
            at = datetime.fromisoformat(text) if iso else datetime.strptime(text[:100], form)  # noqa: DTZ007
            at = at if at.tzinfo else at.replace(tzinfo=tz)
            us = micros(at.isoformat())
    except (ValueError, OverflowError):
        us = None
    if us is None:
        raise CellError(f"{text[:60]!r} is no time as `{form}` says")
    return us


def _address(value: Any) -> bytes | None:
    text = plain_text(value)
    found = packed(text) if text else None
    if text and found is None:
        raise CellError(f"{text[:60]!r} is no address")
    return found


def _bool(value: Any) -> bool | None:
    text = plain_text(value).lower()
    if not text:
        return None
    if text in ("true", "yes", "y", "1", "on"):
        return True
    if text in ("false", "no", "n", "0", "off"):
        return False
    raise CellError(f"{text[:60]!r} is neither true nor false")


def _float(value: Any) -> float | None:
    text = plain_text(value)
    try:
        return float(text) if text else None
    except ValueError:
        raise CellError(f"{text[:60]!r} is no number") from None


def _integer(value: Any, bits: int) -> int | None:
    text = plain_text(value)
    if not text:
        return None
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20) or int(digits) >> bits:
        raise CellError(f"{text[:60]!r} is no whole number that fits")
    return int(text)
