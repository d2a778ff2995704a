"""`noroshi triage`: says whether findings are true; `noroshi triage rules` tells how rules fared."""

from __future__ import annotations

import getpass

import click

from noroshi.cli import out
from noroshi.cli.state import State, group, verb


def me() -> str:
    """Who sits at the keyboard, as the lake keeps it."""
    try:
        return f"cli:{getpass.getuser()}"[:80]
    except (KeyError, OSError):  # a user without a name
        return "cli"


@group("triage")
def command() -> None:
    """Says whether findings are true. What is said goes back into the lake as a source (table `verdicts`)."""


@verb("judge", parent=command)
@click.argument("verdict", type=click.Choice(["true", "false", "unsure"]))
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--comment", default="", metavar="TEXT", help="Why.")
def judge(state: State, verdict: str, ids: tuple[str, ...], comment: str) -> int:
    """Says of findings that they are true, false, or that one cannot tell. The newest word holds."""
    from noroshi.work import triage

    lake = state.lake()
    found = triage.by_id(lake, ids)
    run = triage.judge(lake, found, verdict, who=me(), comment=comment)
    if state.json:
        out.emit({"run_id": run, "verdict": verdict, "findings": [f.id for f in found]})
        return 0
    said = f"{out.count(len(found), 'finding')} judged {verdict}. To take it back: {state.typed(f'forget {run}')}"
    out.say(state, said)
    return 0


@verb("list", parent=command)
def listed(state: State) -> int:
    """The verdict on every finding that has one, newest first."""
    from noroshi.ask.verdicts import newest
    from noroshi.model.finding import iso

    held = sorted(newest(state.lake().snapshot()).values(), key=lambda v: (v.ts, v.finding_id), reverse=True)
    if state.json:
        out.emit([v.to_json() for v in held])
        return 0
    out.table(
        ("finding", "verdict", "who", "when", "comment"),
        [
            (v.finding_id, v.verdict, v.who, iso(v.ts)[:16].replace("T", " "), out.visible(v.comment))
            for v in held
        ],
        keep=("finding", "verdict"),
    )
    return 0


@verb("rules", parent=command)
def rules(state: State) -> int:
    """How each rule was judged: true, false, unsure, and the share of true with its 95 % interval."""
    from noroshi.ask.verdicts import records

    found = records(state.lake().snapshot())
    if state.json:
        out.emit(
            [
                {"rule": r.rule, "true": r.true, "false": r.false, "unsure": r.unsure,
                 "precision": list(r.precision) if r.precision else None}
                for r in found
            ]
        )  # fmt: skip
        return 0
    rows = []
    for r in found:
        p = r.precision
        rows.append((r.rule, r.true, r.false, r.unsure, f"{p[0]:.0%} ({p[1]:.0%}-{p[2]:.0%})" if p else ""))
    out.table(("rule", "true", "false", "unsure", "share of true"), rows, right=("true", "false", "unsure"))
    out.say(state, "Of the findings that were judged, which are no random sample.")
    return 0
