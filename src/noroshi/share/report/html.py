"""The report as one self-contained HTML page: no script is needed to read it and nothing is loaded."""

from __future__ import annotations

import base64
import csv as csv_module
import hashlib
import io
from pathlib import Path

from markupsafe import Markup

from noroshi.share.report import figures, tokens
from noroshi.share.report.view import Table, View

_HERE = Path(__file__).parent
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

SCRIPT = """document.querySelectorAll('.command').forEach(function(d){
if(!navigator.clipboard)return;
var b=document.createElement('button'),c=d.querySelector('code');b.textContent=%s;
b.onclick=function(){navigator.clipboard.writeText(c.textContent).then(function(){b.textContent=%s})};
d.appendChild(b)})"""
"""Adds a copy button to each command; the page reads the same without it."""


def render(view: View) -> str:
    """The page. Equal views give equal bytes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    script = SCRIPT % (_quoted(view.labels["copy"]), _quoted(view.labels["copied"]))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("template.html.j2").render(
        v=view,
        style=Markup(style()),  # noqa: S704 - ours
        script=Markup(script),  # noqa: S704 - ours
        script_hash=f"sha256-{digest}",
        csv=_csv_uri,
        spark=lambda values: Markup(figures.spark(values)),  # noqa: S704 - numbers only
        joiner="" if view.lang == "ja" else " ",
    )


def style() -> str:
    """The style sheet with the tokens of both themes and of paper."""
    up, down = tokens.heat(), tokens.heat()[::-1]
    light, dark = tokens.css(tokens.LIGHT, up), tokens.css(tokens.DARK, down)
    marks = "".join(f'.tlp[data-tlp="{name}"]{{color:{colour}}}' for name, colour in tokens.TLP.items())
    sheet = (_HERE / "style.css").read_text(encoding="utf-8").replace("/*TLP*/", marks)
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f"{sheet}"
        f"@media print{{:root{{{tokens.css(tokens.PRINT, up)}}}}}"
    )


def _quoted(text: str) -> str:
    """A JavaScript string that can stand in a script element."""
    import json

    return json.dumps(text).replace("<", "\\u003c")


def csv(table: Table) -> str:
    """The table as CSV (RFC 4180). What a spreadsheet would take for a formula gets a leading apostrophe."""
    out = io.StringIO()
    writer = csv_module.writer(out, lineterminator="\r\n")
    writer.writerow([c.head for c in table.columns])
    for row in table.rows:
        writer.writerow(
            [_safe(c.raw or c.text, column.kind) for c, column in zip(row, table.columns, strict=True)]
        )
    return out.getvalue()


def _safe(text: str, kind: str) -> str:
    return f"'{text}" if kind != "num" and text.startswith(_FORMULA) else text


def _csv_uri(table: Table) -> str:
    # the mark at the front makes spreadsheets read UTF-8
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(("\ufeff" + csv(table)).encode()).decode()
