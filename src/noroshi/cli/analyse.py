"""`noroshi analyse`: runs analysers over what is new; prints new and changed findings."""

from __future__ import annotations

from collections.abc import Sequence

import click

from noroshi.cli import out, show
from noroshi.cli.state import State, verb
from noroshi.registry import ANALYSERS


@verb("analyse")
@click.argument("names", nargs=-1, metavar="[NAME...]", type=click.Choice(list(ANALYSERS)))
@click.option("--again", is_flag=True, help="Judge every day again, not only what is new.")
@click.option("--lang", type=click.Choice(["en", "ja"]), help="Language of the sentences. [as the locale]")
@click.option("--limit", type=click.IntRange(1), default=show.PER_KIND, show_default=True,
              help="Findings shown of each kind; --json gives all.")  # fmt: skip
def command(state: State, names: tuple[str, ...], again: bool, lang: str | None, limit: int) -> int:
    """Runs analysers (all, or those named) over days with new data; prints what is new or changed.

    A day is judged again when data arrived late, a telescope was added or changed in noroshi.toml, or an
    analyser got better. A second run prints nothing.
    """
    from noroshi.work.analyse import analyse

    lake, config = state.lake(), state.config()
    with out.steps(state, "analysing days") as advance:
        outcome = analyse(lake, config=config, names=names, again=again, advance=advance)
    if state.json:
        out.emit([finding.to_json() | {"change": change} for finding, change in outcome.changes])
    else:
        show.findings(outcome.changes, lang=show.language(lang), limit=limit, hint=state.typed("findings"))
    for note in outcome.notes:
        out.say(state, "\n".join(show.wrap(note, out.width())))
    out.say(state, _closing(outcome.changes, outcome.days))
    return 0


def _closing(changes: Sequence[tuple[object, str]], days: int) -> str:
    if not changes:
        return (
            f"Nothing new in {out.count(days, 'day')} judged."
            if days
            else "Nothing new: every day is judged."
        )
    counts = [
        (word, sum(change == word for _, change in changes)) for word in ("new", "changed", "withdrawn")
    ]
    words = ", ".join(f"{out.number(n)} {word}" for word, n in counts if n)
    return f"{words} in {out.count(days, 'day')}. Next: noroshi report, or noroshi why ID for the evidence."
