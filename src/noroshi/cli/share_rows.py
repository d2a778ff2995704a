"""`noroshi share csv` and `noroshi share jsonl`: findings as rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from noroshi.cli import out
from noroshi.cli.share import command
from noroshi.cli.state import State, since, verb


def _options(f: Callable[..., Any]) -> Callable[..., Any]:
    f = click.option("--since", "since_", metavar="TIME",
                     help="Only findings that lasted until then or later: 2024-04-01, or 7d.")(f)  # fmt: skip
    f = click.option("--columns", type=click.Choice(["shadowserver"]), default=None,
                     help="Of Shadowserver's reports: PATH is a folder, with a file per day and type.")(f)  # fmt: skip
    f = click.option("--out", "path", required=True, metavar="PATH", help="The file to write; - for standard output.",
                     type=click.Path(path_type=Path, allow_dash=True))(f)  # fmt: skip
    return click.option("--for", "recipient", required=True, metavar="RECIPIENT",
                        help="public, community, own, or one of `noroshi recipient list`.")(f)  # fmt: skip


@verb("csv", parent=command)
@_options
def csv(state: State, recipient: str, path: Path, columns: str | None, since_: str | None) -> int:
    """Writes findings as CSV. Cells that a spreadsheet would take for a formula get a quote before them."""
    return _write(state, recipient, path, "csv", columns, since_)


@verb("jsonl", parent=command)
@_options
def jsonl(state: State, recipient: str, path: Path, columns: str | None, since_: str | None) -> int:
    """Writes findings as JSON lines, one document each."""
    return _write(state, recipient, path, "jsonl", columns, since_)


def _write(
    state: State, recipient: str, path: Path, format: str, columns: str | None, since_: str | None
) -> int:
    from noroshi.work.gate import actor
    from noroshi.work.share_rows import share_rows

    done = share_rows(
        state.lake(), config=state.config(), recipient=recipient, path=path, format=format, columns=columns or "",
        since=since(since_), who=actor(),
    )  # fmt: skip
    for reason, n in done.withheld.items():
        out.warn(f"{out.count(n, 'finding')} withheld: {reason}")
    if state.json and str(path) != "-":
        out.emit({"path": str(path), "recipient": recipient, "findings": done.findings, "rows": done.rows,
                  "files": list(done.files)})  # fmt: skip
    out.say(state, f"Wrote {out.count(done.findings, 'finding')} as {out.count(done.rows, 'row')} "
            f"for {recipient} to {path}.")  # fmt: skip
    return 0
