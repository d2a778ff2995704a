"""`noroshi why`: where a finding or a row came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from noroshi.cli import out, show
from noroshi.cli.state import State, verb

if TYPE_CHECKING:
    from noroshi.model.finding import Finding


@verb("why")
@click.argument("id", metavar="ID")
@click.option("--lang", type=click.Choice(["en", "ja"]), help="Language of the sentence. [as the locale]")
def command(state: State, id: str, lang: str | None) -> int:
    """Tells where a finding or a row came from.

    ID is the id of a finding, the id of a run, or the name of a row as `pivot` shows it (TABLE:DIGEST:OFFSET);
    RUN:OFFSET names the rows at that offset of its source. The first eight characters or more of an id will do.
    """
    from noroshi.work.why import why

    answer = why(state.lake(), id)
    if state.json:
        out.emit(answer.to_json())
        return 0
    if answer.finding:
        _finding(answer.finding, show.language(lang))
    for row in answer.rows:
        _values(row)
    for run in answer.runs:
        out.line(f"run       {run['run_id']}  {run['path']}")
        out.line(
            f"          {run['format']} parser {run['parser_version']}, {run['tlp']}, sha256 {run['sha256']}"
        )
    if answer.raw:
        out.line(f"raw       ({'the original' if answer.raw_from == 'source' else 'kept by keep_raw'})")
        for piece in show.wrap(out.visible(answer.raw), out.width() - 10):
            out.line(f"          {piece}")
    elif answer.raw_from:
        out.say(state, f"No raw text: {answer.raw_from}.")
    if answer.sql:
        out.say(state, f'The rows behind it: {state.typed("sql")} "{answer.sql}"')
    return 0


def _finding(f: Finding, lang: str) -> None:
    out.line(f"{f.kind}  {f.subject.value}  {f.confidence} %  {f.tlp.label}")
    for row in show.wrap(out.visible(show.sentence(f, lang)), out.width()):
        out.line(row)
    out.line(f"\nid        {f.id}")
    out.line(
        f"rule      {f.rule.name} version {f.rule.version}" + (f", telescope {f.scope}" if f.scope else "")
    )
    out.line(f"span      {f.first_seen:%Y-%m-%d %H:%M:%S} to {f.last_seen:%Y-%m-%d %H:%M:%S} UTC")
    out.line("evidence")
    _values(f.evidence)


def _values(values: dict[str, Any], indent: str = "  ") -> None:
    """Names and values, one line each; lists of objects one below the other."""
    for name, value in values.items():
        if value in (None, "", []):
            continue
        nested = value if isinstance(value, list) and isinstance(value[0], dict) else [value]
        if isinstance(nested[0], dict):
            for n, item in enumerate(nested, 1):
                out.line(f"{indent}{name}{f' {n}' if len(nested) > 1 else ''}")
                _values(item, indent + "  ")
            continue
        first, *rest = show.wrap(out.visible(out.cell(value, name)), out.width() - 26 - len(indent)) or [""]
        out.line(f"{indent}{name:<24} {first}")
        for row in rest:
            out.line(f"{indent}{'':<24} {row}")
