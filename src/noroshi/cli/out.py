"""How answers reach a person or a program: tables that fit 100 columns, JSON, words and progress.

Results go to standard output, words and progress to standard error; with --json the words are left out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from noroshi.cli.state import State

WIDTH = 100
# Control characters, and those that change the direction or vanish: a banner or file name must not be able to
# repaint the terminal or read as something else.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_NAMES = re.compile(
    r"(port|seq|ack|offset|position|key|id|ttl|protocol|flags|window|mss|len|version|year|month|day|hour|minute)$"
)
"""Columns whose numbers are names or settings rather than amounts."""


def visible(text: str, *, keep_newlines: bool = False) -> str:
    """`text` with control characters written out (`\\x1b`), so that it cannot act on the terminal."""

    def shown(match: re.Match[str]) -> str:
        char = match[0]
        if keep_newlines and char == "\n":
            return char
        code = ord(char)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

    return _UNSEEN.sub(shown, text)


def emit(document: Any) -> None:
    """Writes one JSON document and a newline to standard output."""
    import msgspec

    sys.stdout.flush()
    sys.stdout.buffer.write(msgspec.json.encode(document) + b"\n")
    sys.stdout.buffer.flush()


def say(state: State, text: str) -> None:
    """Words for a person, on standard error; nothing with --json."""
    if not state.json:
        click.echo(visible(text, keep_newlines=True), err=True)


def warn(text: str) -> None:
    """Words that matter to scripts as well: on standard error, with --json too."""
    click.echo(visible(text, keep_newlines=True), err=True)


def line(text: str = "") -> None:
    """A line of the answer itself, on standard output."""
    click.echo(visible(text, keep_newlines=True))


def width() -> int:
    """Columns to fill: those of the terminal, at most 100; 100 when there is none."""
    if not sys.stdout.isatty():
        return WIDTH
    import shutil

    return max(40, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))


def table(
    head: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Sequence[str] = (), keep: Sequence[str] = ()
) -> None:
    """Prints an aligned table: columns named in `right` hold numbers, those in `keep` are not cut short."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    sheet = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
    for name in head:
        sheet.add_column(
            Text(visible(name)),
            justify="right" if name in right else "left",
            no_wrap=name in keep or name in right,
            overflow="fold" if name in keep else "ellipsis",
        )
    for row in rows:
        sheet.add_row(*(Text(visible(cell(value))) for value in row))
    Console(width=width(), highlight=False, soft_wrap=False).print(sheet)


def cell(value: Any, name: str = "") -> str:
    """A value of the column `name` as a person reads it: thousands of amounts separated, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if _NAMES.search(name) else number(value)
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, list):
        return ", ".join(cell(v) for v in value)
    return str(value)


def number(value: float) -> str:
    """Thousands separated: 1,234,567."""
    return f"{value:,.0f}"


def count(n: int, one: str, many: str = "") -> str:
    """`1 finding`, `2 findings`."""
    return f"{number(n)} {one if n == 1 else many or one + 's'}"


def size(n: float) -> str:
    """Bytes for a person: 3.4 MB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n < 1000 or unit == "TB":
            return f"{n:.0f} {unit}" if unit == "B" or n >= 100 else f"{n:.1f} {unit}"
        n /= 1000
    raise AssertionError


@contextmanager
def progress(state: State, text: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar of bytes on standard error with rate and time left, on a terminal and without --json.

    Yields advance(n); n may come from any thread.
    """
    if _is_quiet(state):
        yield lambda n: None
        return
    from rich.progress import DownloadColumn, TransferSpeedColumn

    with _bar(DownloadColumn(), TransferSpeedColumn()) as bar:
        task = bar.add_task(visible(text), total=total)
        yield lambda n: bar.advance(task, n)


@contextmanager
def steps(state: State, text: str) -> Iterator[Callable[[int, int], None]]:
    """The same for steps: yields advance(done, of)."""
    if _is_quiet(state):
        yield lambda done, of: None
        return
    from rich.progress import MofNCompleteColumn

    with _bar(MofNCompleteColumn()) as bar:
        task = bar.add_task(visible(text), total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _is_quiet(state: State) -> bool:
    return state.json or not sys.stderr.isatty()


def _bar(*columns: Any) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    shown = [TextColumn("{task.description}"), BarColumn(30), *columns, TimeRemainingColumn()]
    return Progress(*shown, console=Console(stderr=True), transient=True)
