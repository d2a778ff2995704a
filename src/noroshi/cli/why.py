"""`noroshi why`: where a finding or a row came from."""

from __future__ import annotations

import click

from noroshi.cli import out, show
from noroshi.cli.state import State, verb


@verb("why")
@click.argument("id", metavar="ID")
@click.option("--lang", type=click.Choice(["en", "ja"]), help="Language of the sentence. [as the locale]")
def command(state: State, id: str, lang: str | None) -> int:
    """Tells where a finding or a row came from.

    ID is the id of a finding, the id of a run, or RUN:OFFSET for the row at that offset of its source. The
    first eight characters or more of an id will do.
    """
    from noroshi.work.findings import why

    answer = why(state.lake(), id)
    if state.json:
        out.emit(answer.to_json())
        return 0
    if answer.finding:
        f = answer.finding
        out.line(f"{f.kind}  {f.subject.value}  {f.confidence} %  {f.tlp.label}")
        out.line((f.summary.get(show.language(lang)) or f.summary.get("en", "")) + "\n")
        out.line(f"id        {f.id}")
        out.line(
            f"rule      {f.rule.name} version {f.rule.version}"
            + (f", telescope {f.scope}" if f.scope else "")
        )
        out.line(f"span      {f.first_seen:%Y-%m-%d %H:%M:%S} to {f.last_seen:%Y-%m-%d %H:%M:%S} UTC")
        out.line("evidence")
        for name, value in f.evidence.items():
            out.line(f"  {name:<24} {out.cell(value) if not isinstance(value, list | dict) else value}")
    for row in answer.rows:
        for name, value in row.items():
            if value not in (None, ""):
                out.line(f"  {name:<24} {value}")
    for run in answer.runs:
        out.line(f"run       {run['run_id']}  {run['path']}")
        out.line(
            f"          {run['format']} parser {run['parser_version']}, {run['tlp']}, sha256 {run['sha256']}"
        )
    if answer.sql:
        out.say(state, f'The rows behind it: noroshi sql "{answer.sql}"')
    return 0
