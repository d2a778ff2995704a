"""`noroshi report`: the report with figures and tables."""

from __future__ import annotations

from pathlib import Path

import click

from noroshi.cli import out
from noroshi.cli.state import State, verb


@verb("report")
@click.option("--period", default="", metavar="PERIOD",
              help="day, week, month or year, up to the newest data; last-day, ... last-year, the one before; "
              "or 2026, 2026-10, 2026-W41, 2026-10-05, 2026-10-01..2026-10-05. [month]")  # fmt: skip
@click.option(
    "--lang",
    "langs",
    type=click.Choice(["en", "ja"]),
    multiple=True,
    help="Language; may be given twice. [en]",
)
@click.option("--for", "recipient", default="own", show_default=True, metavar="RECIPIENT",
              help="Only from what this recipient may see.")  # fmt: skip
@click.option("--out", "folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              default=Path("noroshi-report"), show_default=True, help="Where it is written.")  # fmt: skip
def command(state: State, period: str, langs: tuple[str, ...], recipient: str, folder: Path) -> int:
    """Writes the report as one self-contained HTML page, with Markdown and JSON beside it."""
    from noroshi.work.gate import actor
    from noroshi.work.report import report

    files = report(
        state.lake(),
        config=state.config(),
        period=period,
        langs=langs or ("en",),
        folder=folder,
        recipient=recipient,
        who=actor(),
    )
    if state.json:
        out.emit({"files": [str(f) for f in files], "period": period, "recipient": recipient})
        return 0
    for file in files:
        out.line(str(file))
    out.say(state, f"Wrote {out.count(len(files), 'file')}. Open the .html in a browser.")
    return 0
