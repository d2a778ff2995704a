"""`noroshi findings`: lists findings."""

from __future__ import annotations

import click

from noroshi.cli import out, show
from noroshi.cli.gate import tell, told
from noroshi.cli.state import State, since, verb
from noroshi.model.finding import KINDS


@verb("findings")
@click.option("--kind", type=click.Choice(KINDS), metavar="KIND", help=f"One of: {', '.join(KINDS)}.")
@click.option(
    "--since", "since_", metavar="TIME", help="Only what lasted until then or later: 2024-04-01, or 7d."
)
@click.option("--subject", metavar="VALUE", help="An address, prefix, port (tcp/23), ...")
@click.option("--for", "recipient", metavar="RECIPIENT", help="Only what this recipient may see.")
@click.option("--lang", type=click.Choice(["en", "ja"]), help="Language of the sentences. [as the locale]")
@click.option("--limit", type=click.IntRange(1), default=show.PER_KIND, show_default=True,
              help="Findings shown of each kind; --json gives all.")  # fmt: skip
def command(
    state: State, kind: str | None, since_: str | None, subject: str | None, recipient: str | None,
    lang: str | None, limit: int,
) -> int:  # fmt: skip
    """Lists the findings that hold, newest revision of each."""
    from noroshi.work.findings import find

    lake, view = state.lake(), None
    if recipient:
        view = told(state, lake, recipient)
    found = find(lake, kind=kind, since=since(since_), subject=subject, view=view)
    if view is not None:
        tell(lake, view, "findings", len(found), kind=kind or "")
    if state.json:
        out.emit([f.to_json() for f in found])
        return 0
    show.findings(
        [(f, "") for f in found], lang=show.language(lang), limit=limit, hint=state.typed("findings")
    )
    todo = (
        f" Next: {state.typed('why ID')} for the evidence."
        if found
        else f" Is anything new? {state.typed('analyse')}"
    )
    out.say(state, f"{out.count(len(found), 'finding')}.{todo}")
    return 0
