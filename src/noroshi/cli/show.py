"""How findings look on a terminal: grouped by kind, the surest first, one line and one sentence each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from noroshi.cli import out

if TYPE_CHECKING:
    from noroshi.model.finding import Finding

PER_KIND = 10
"""Findings of a kind that are shown at once: a screen holds three or four kinds."""


def language(given: str | None) -> str:
    """`en` or `ja`: as asked, else as the locale says."""
    if given:
        return given
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "ja" if locale.startswith("ja") else "en"


def findings(
    changes: Sequence[tuple[Finding, str]],
    *,
    lang: str,
    limit: int = PER_KIND,
    hint: str = "noroshi findings",
) -> None:
    """Prints findings with what became of each (`new`, `changed`, `withdrawn`, or empty)."""
    kinds: dict[str, list[tuple[Finding, str]]] = {}
    for finding, change in changes:
        kinds.setdefault(finding.kind, []).append((finding, change))
    for kind, group in kinds.items():
        group.sort(key=lambda pair: (-pair[0].confidence, pair[0].first_seen, pair[0].subject.value))
        click.secho(f"{kind}  {out.number(len(group))}", bold=True)
        for finding, change in group[:limit]:
            _one(finding, change, lang)
        if len(group) > limit:
            click.echo(
                f"  and {out.number(len(group) - limit)} more: {hint} --kind {kind} --limit {len(group)}"
            )
        click.echo()


def _one(finding: Finding, change: str, lang: str) -> None:
    mark = {"new": "+", "changed": "~", "withdrawn": "-"}.get(change, " ")
    head = (
        f"{finding.subject.value:<18} {finding.first_seen:%Y-%m-%d}  {finding.confidence:>3} %  "
        f"{finding.tlp.label}  {finding.id[:8]}{'  ' + finding.scope if finding.scope else ''}"
    )
    click.echo(click.style(mark, fg="yellow" if change == "new" else None) + " " + out.visible(head))
    for row in wrap(out.visible(sentence(finding, lang)), out.width() - 4):
        click.echo("    " + row)


def sentence(finding: Finding, lang: str) -> str:
    """What the finding says, in `lang` if it has that."""
    return finding.summary.get(lang) or finding.summary.get("en", "")


def wrap(text: str, width: int) -> list[str]:
    """`text` in rows of at most `width` columns, where a CJK character takes two."""
    rows: list[str] = []
    row, used = "", 0
    for word in _words(text):
        for piece in _pieces(word, width):
            if used + cell_width(piece) > width and row.strip():
                rows.append(row.rstrip())
                row, used, piece = "", 0, piece.lstrip()
            row, used = row + piece, used + cell_width(piece)
    return [*rows, row.rstrip()] if row.strip() else rows


def cell_width(text: str) -> int:
    """Columns of a terminal that `text` takes."""
    from unicodedata import east_asian_width

    return len(text) if text.isascii() else sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def _pieces(word: str, width: int) -> list[str]:
    """A word cut where it is wider than a row: a digest, or a line of JSON."""
    return [word[i : i + width] for i in range(0, len(word), width)]


def _words(text: str) -> list[str]:
    import re

    # Latin words stay whole, with the space before them; Japanese may break after any character, but a row does
    # not begin with a closing sign nor end with an opening one.
    cjk, closing = r"\u3000-\u9fff\uff00-\uffef", "、。」）】％ー〜"
    return re.findall(rf"\s*[「（【]*[^\s{cjk}]+[{closing}]*|\s*[「（【]*[{cjk}][{closing}]*", text)
