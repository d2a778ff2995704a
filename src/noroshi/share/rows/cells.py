"""Cells that spreadsheets and readers of CSV take as text, whatever an attacker wrote into them.

Source: OWASP, CSV Injection: a cell that begins with one of these is a formula; a quote before it makes it text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

CELL: Final = 32_000
"""Characters of a cell at most: spreadsheets cut at 32,767."""
_FORMULA: Final = re.compile("[\\s\x00-\x1f\ufeff\u200b]*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_BREAK: Final = re.compile("[\t\r\n]+")


def cell(value: Any) -> str:
    """A value as a cell: no formula, no control characters, in one line, bounded; nothing for None.

    Numbers are written as they are: `-5` is one. Texts that begin like a formula get a quote before them, also
    behind blanks, which some programs strip.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = str(value)[:CELL]
    is_formula = _FORMULA.match(text) is not None
    text = _BREAK.sub(" ", _CONTROL.sub("\ufffd", text))
    return f"'{text}" if is_formula else text


def table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """A CSV with these columns: UTF-8, every cell quoted, lines ending in LF."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(row.get(name)) for name in columns])
    return out.getvalue().encode()
