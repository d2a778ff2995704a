"""`noroshi sql`: read-only SQL over all tables."""

from __future__ import annotations

import sys

import click

from noroshi.cli import out, show
from noroshi.cli.show import cell_width
from noroshi.cli.state import State, verb


@verb("sql")
@click.argument("text", metavar="SELECT")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True,
              help="Rows shown to a person; --json gives all.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(0.1), default=600.0, show_default=True, metavar="SECONDS",
              help="The longest a query may take.")  # fmt: skip
@click.option("--memory", type=click.IntRange(64), metavar="MB",
              help="What a query may hold; the rest goes to disk. [a quarter of the machine's]")  # fmt: skip
def command(state: State, text: str, limit: int, timeout: float, memory: int | None) -> int:
    """Answers one SELECT in DuckDB's dialect over all tables (docs/tables.md); - reads it from stdin.

    Macros: ip('192.0.2.1'), ip_text(x), in_net(x, '192.0.2.0/24'). For example:

    noroshi sql "SELECT src_ip, sum(packet_count) n FROM flows GROUP BY 1 ORDER BY 2 DESC LIMIT 10"
    """
    from noroshi.work.sql import rows, select

    asked = sys.stdin.read() if text == "-" else text
    answer = select(state.lake(), asked, seconds=timeout, memory=memory * 1_000_000 if memory else None)
    if state.json:
        out.emit(rows(answer))
        return 0
    shown = rows(answer.slice(0, limit))
    names = list(shown[0]) if shown else []
    cells = [[out.cell(row[n], n) for n in names] for row in shown]
    widths = [max(len(n), *(cell_width(row[i]) for row in cells)) for i, n in enumerate(names)]
    if sum(widths) + 3 * len(names) > out.width() and len(names) > 3:
        _records(names, cells)
    elif names:
        numeric = [n for n in names if any(_is_number(r[n]) for r in shown)]
        out.table(names, cells, right=numeric, keep=[n for n in names if n.endswith("_ip")])
    rest = answer.num_rows - len(shown)
    more = f" ({out.number(len(shown))} shown; --limit or --json for the rest)" if rest else ""
    out.say(state, f"{out.count(answer.num_rows, 'row')}{more}.")
    return 0


def _records(names: list[str], cells: list[list[str]]) -> None:
    """What is too wide for a table: a line per value."""
    indent = max(map(len, names)) + 2
    for number, row in enumerate(cells, 1):
        out.line(f"row {out.number(number)}")
        for name, text in zip(names, row, strict=True):
            first, *rest = show.wrap(out.visible(text), out.width() - indent - 2) or [""]
            out.line(f"  {out.visible(name):<{indent}}{first}".rstrip())
            for more in rest:
                out.line(" " * (indent + 2) + more)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
