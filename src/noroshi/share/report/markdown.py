"""The report as Markdown: the same sentences, numbers and tables, without pictures."""

from __future__ import annotations

import re

from noroshi.share.report.view import Section, Table, View

MAX_ROWS = 60
"""Rows of a table that is closed on the page: longer ones are left to the HTML and the JSON."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!$&])")


def render(view: View) -> str:
    """The document, CommonMark with GitHub tables."""
    lines = [f"# {view.title} {view.period}", "", f"**{view.tlp}**", ""]
    alert = f"**{escape(view.alert)}** " if view.alert else ""
    lines += [alert + escape(view.sentence), ""]
    lines += [f"- {name}: {escape(value)}" for name, value in view.facts]
    lines += ["", f"## {view.labels['key']}", ""]
    lines += [f"- {escape(f.label)}: **{escape(f.value)}** ({escape(f.detail)})" for f in view.figures]
    for section in view.sections:
        lines += _section(section, view)
    lines += ["", "---", "", f"{view.tlp}. {escape(view.footer)}", ""]
    return "\n".join(lines)


def _section(section: Section, view: View) -> list[str]:
    lines = ["", f"## {escape(section.title)}", ""]
    if section.lead:
        lines += [("" if view.lang == "ja" else " ").join(escape(s) for s in section.lead), ""]
    for table in section.tables:
        if table.rows and (table.open or len(table.rows) <= MAX_ROWS) and len(table.columns) <= 12:
            lines += _table(table)
    lines += [line for note in section.notes for line in (escape(note), "")]
    if section.command:
        fence = "`" * (max((len(r) for r in re.findall("`+", section.command)), default=2) + 1)
        fence = fence if len(fence) > 3 else "```"
        lines += [f"{view.labels['command']}:", "", fence, section.command, fence, ""]
    return lines


def _table(table: Table) -> list[str]:
    head = "| " + " | ".join(escape(c.head) for c in table.columns) + " |"
    rule = "|" + "|".join("---:" if c.kind == "num" else "---" for c in table.columns) + "|"
    rows = ["| " + " | ".join(escape(c.text) for c in row) + " |" for row in table.rows]
    more = ["", escape(table.more)] if table.more else []
    return [f"**{escape(table.caption)}**", "", head, rule, *rows, *more, ""]


def escape(text: str) -> str:
    """Text that no Markdown reader takes for markup."""
    return _SPECIAL.sub(r"\\\1", text.replace("\n", " "))
