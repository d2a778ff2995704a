"""`noroshi sql`: read-only SQL over all tables."""

from __future__ import annotations

import sys

import click

from noroshi.cli import out
from noroshi.cli.state import State, verb


@verb("sql")
@click.argument("text", metavar="SELECT")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True,
              help="Rows shown to a person; --json gives all.")  # fmt: skip
def command(state: State, text: str, limit: int) -> int:
    """Answers one SELECT in DuckDB's dialect over all tables (docs/tables.md); - reads it from stdin.

    Macros: ip('192.0.2.1'), ip_text(x), in_net(x, '192.0.2.0/24'). For example:

    noroshi sql "SELECT src_ip, sum(packet_count) n FROM flows GROUP BY 1 ORDER BY 2 DESC LIMIT 10"
    """
    from noroshi.work.sql import rows, select

    answer = select(state.lake(), sys.stdin.read() if text == "-" else text)
    if state.json:
        out.emit(rows(answer))
        return 0
    shown = rows(answer.slice(0, limit))
    names = list(shown[0]) if shown else []
    numeric = [
        n for n in names if any(isinstance(r[n], int | float) and not isinstance(r[n], bool) for r in shown)
    ]
    keep = [n for n in names if n.endswith("_ip")]
    if names:
        out.table(names, [[row[n] for n in names] for row in shown], right=numeric, keep=keep)
    rest = answer.num_rows - len(shown)
    more = f" ({out.number(len(shown))} shown; --limit or --json for the rest)" if rest else ""
    out.say(state, f"{out.count(answer.num_rows, 'row')}{more}.")
    return 0
