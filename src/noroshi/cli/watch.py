"""`noroshi watch`: be told when a value appears."""

from __future__ import annotations

import click

from noroshi.cli import out, show
from noroshi.cli.state import State, group, verb
from noroshi.model.observable import CANONICAL
from noroshi.model.watch import KEYWORD, parse


@group("watch")
def command() -> None:
    """Watches values, networks and keywords, and tells when they appear."""


@verb("add", parent=command)
@click.argument("value")
@click.option("--kind", type=click.Choice([*CANONICAL, KEYWORD]), metavar="KIND",
              help=f"Kind of value, when it is not plain: {', '.join([*CANONICAL, KEYWORD])}.")  # fmt: skip
@click.option("--note", default="", metavar="TEXT", help="Why, for whoever reads the hit.")
def add(state: State, value: str, kind: str | None, note: str) -> int:
    """Watches VALUE: an address, network, domain, hash, CVE, CPE, purl, ... or a keyword."""
    from noroshi.lake.state import State as Kept

    asked = parse(value, kind or "")
    watch, fresh = Kept(state.lake(create=True).path).watches.add(*asked, note)
    if state.json:
        out.emit({"id": watch.id, "kind": watch.kind, "value": watch.value, "note": watch.note, "new": fresh})
    was = "Watching" if fresh else "Already watched:"
    out.say(state, f"{was} {watch.kind} {out.visible(watch.value)}. Next: {state.typed('watch check')}")
    return 0


@verb("list", parent=command)
def list_(state: State) -> int:
    """Lists what is watched."""
    from noroshi.lake.state import State as Kept
    from noroshi.model.finding import iso

    watches = Kept(state.lake().path).watches.all()
    if state.json:
        out.emit(
            [
                {
                    "id": w.id, "kind": w.kind, "value": w.value, "note": w.note,
                    "added": iso(w.added) if w.added else None,
                    "checked": iso(w.checked) if w.checked else None,
                }
                for w in watches
            ]
        )  # fmt: skip
        return 0
    rows = [(w.id, w.kind, w.value, w.note, iso(w.checked)[:19] if w.checked else "never") for w in watches]
    out.table(("id", "kind", "value", "note", "seen up to"), rows, right=("id",))
    out.say(state, f"{out.count(len(watches), 'watch', 'watches')}.")
    return 0


@verb("remove", parent=command)
@click.argument("watch_id", metavar="ID", type=int)
def remove(state: State, watch_id: int) -> int:
    """Stops watching."""
    from noroshi.lake.state import State as Kept

    watch = Kept(state.lake().path).watches.remove(watch_id)
    if state.json:
        out.emit({"id": watch.id, "kind": watch.kind, "value": watch.value, "removed": True})
    out.say(state, f"No longer watching {watch.kind} {out.visible(watch.value)}.")
    return 0


@verb("check", parent=command)
@click.option("--all", "again", is_flag=True, help="Look at everything stored, not only at what is new.")
@click.option("--no-deliver", is_flag=True, help="Send nothing; hits are stored all the same.")
@click.option("--lang", type=click.Choice(["en", "ja"]), help="Language of the sentences. [as the locale]")
def check(state: State, again: bool, no_deliver: bool, lang: str | None) -> int:
    """Looks for what is watched in what was stored since the last check; exit status 1 on a hit."""
    from noroshi.lake.state import State as Kept
    from noroshi.work.deliver import Sent, enqueue, flush
    from noroshi.work.gate import actor
    from noroshi.work.targets import targets
    from noroshi.work.watch import check as look

    lake, config = state.lake(), state.config()
    kept, ways = Kept(lake.path), targets(config)
    done = look(lake, kept, again=again)
    enqueue(kept, [t for t, _ in ways], [f for f, _ in done.hits])
    sent = Sent() if no_deliver else flush(lake, kept, ways, config=config, who=actor())
    if state.json:
        out.emit(
            {
                "watches": done.watches, "runs": done.runs,
                "hits": [{**f.to_json(), "change": what} for f, what in done.hits],
                "delivered": sent.delivered, "problems": sent.problems,
            }
        )  # fmt: skip
    else:
        show.findings(
            done.hits, lang=show.language(lang), limit=50, hint=state.typed("findings --kind watch-hit")
        )
    for problem in sent.problems:
        out.say(state, f"Not delivered: {out.visible(problem)}")
    told = "".join(f" {n} to {name}." for name, n in sent.delivered.items())
    out.say(
        state, f"{out.count(len(done.hits), 'hit')} of {out.count(done.watches, 'watch', 'watches')}.{told}"
    )
    return 1 if done.hits else 0
