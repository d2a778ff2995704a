"""What a report shows, in order and in a language: sections of sentences, pictures and tables.

HTML and Markdown both print these, so a number stands in both exactly as it stands here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")


def visible(text: str) -> str:
    """Text with control and direction characters made visible: they come from attackers and file names.

    A lone surrogate, which no encoding carries, is shown the same way.
    """
    shown = _CONTROL.sub(lambda m: f"\\x{ord(m[0]):02x}" if ord(m[0]) < 256 else f"\\u{ord(m[0]):04x}", text)
    return shown.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True)
class Cell:
    """One value of a table."""

    text: str
    bar: float | None = None
    """0..1: drawn as a thin bar under the number."""
    mark: str = ""
    """`own`, `new` or `rise`: needs attention."""
    raw: str = ""
    """What CSV carries when it differs from `text`, such as a number without separators."""


@dataclass(frozen=True)
class Column:
    """A column's head and how its cells are set: `text` (one line), `long`, `num`, `mono` or `wrap` (mono,
    breaking anywhere)."""

    head: str
    kind: str = "text"


@dataclass(frozen=True)
class Table:
    """A table; `open` says whether it is shown without asking."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    open: bool = True
    more: str = ""
    """A line below it: what was left out."""


@dataclass(frozen=True)
class Picture:
    """A figure in its wide and its narrow form, as SVG text."""

    name: str
    caption: str
    wide: str
    narrow: str


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    name: str
    title: str
    lead: tuple[str, ...] = ()
    """Sentences."""
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    command: str = ""
    half: bool = False
    """May stand beside its neighbour."""


@dataclass(frozen=True)
class Figure:
    """A key figure: one number that matters, and what it is made of."""

    name: str
    label: str
    value: str
    detail: str
    urgent: bool = False
    spark: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class View:
    """The whole report."""

    lang: str
    title: str
    period: str
    sentence: str
    alert: str
    """The part of the sentence that asks for action; empty when nothing burns."""
    tlp: str
    tlp_value: str
    facts: tuple[tuple[str, str], ...]
    figures: tuple[Figure, ...]
    sections: tuple[Section, ...]
    footer: str
    labels: dict[str, str] = field(default_factory=dict)
    """Words of the page itself: table, command, copy, csv."""
