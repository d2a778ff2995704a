"""`noroshi case`: findings and values people work on together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from noroshi.cli import out
from noroshi.cli.state import State, group, verb
from noroshi.cli.triage import me
from noroshi.model.case import STATES

if TYPE_CHECKING:
    from noroshi.lake.state.cases import Case


@group("case")
def command() -> None:
    """Groups findings and values into cases, with comments, an assignee and a state."""


def _kept(state: State) -> Any:
    from noroshi.lake.state import State as Kept

    return Kept(state.lake(create=True).path)


def case_json(case: Case) -> dict[str, Any]:
    """A case as --json tells it."""
    from noroshi.model.finding import iso

    return {
        "id": case.id, "title": case.title, "state": case.state, "assignee": case.assignee, "tlp": case.tlp,
        "opened": iso(case.opened), "opened_by": case.opened_by, "changed": iso(case.changed),
        "closed": iso(case.closed) if case.closed else None, "items": case.items,
    }  # fmt: skip


@verb("open", parent=command)
@click.argument("title")
@click.argument("what", nargs=-1, metavar="[ID|VALUE]...")
def opened(state: State, title: str, what: tuple[str, ...]) -> int:
    """Opens a case about findings (by id) and values."""
    from noroshi.work.cases import open_case

    findings, values = _sorted(state, what)
    case = open_case(_kept(state), title, findings, values, who=me())
    return _told(state, case, "opened")


@verb("add", parent=command)
@click.argument("case_id", type=int, metavar="CASE")
@click.argument("what", nargs=-1, required=True, metavar="ID|VALUE...")
def add(state: State, case_id: int, what: tuple[str, ...]) -> int:
    """Puts findings (by id) and values into a case."""
    from noroshi.work.cases import fill

    kept = _kept(state)
    findings, values = _sorted(state, what)
    fill(kept, case_id, findings, values, who=me())
    return _told(state, kept.cases.get(case_id), "changed")


@verb("set", parent=command)
@click.argument("case_id", type=int, metavar="CASE")
@click.option("--state", "stage", type=click.Choice(STATES), help="How far it is.")
@click.option("--assign", metavar="NAME", help='Who works on it; "" for nobody.')
@click.option("--title", metavar="TEXT", help="A better title.")
def changed(state: State, case_id: int, stage: str | None, assign: str | None, title: str | None) -> int:
    """Changes state, assignee or title."""
    case = _kept(state).cases.change(case_id, me(), state=stage, assignee=assign, title=title)
    return _told(state, case, "changed")


@verb("comment", parent=command)
@click.argument("case_id", type=int, metavar="CASE")
@click.argument("text")
def comment(state: State, case_id: int, text: str) -> int:
    """Adds words to a case."""
    kept = _kept(state)
    kept.cases.comment(case_id, me(), text)
    return _told(state, kept.cases.get(case_id), "changed")


@verb("list", parent=command)
@click.option("--state", "stage", type=click.Choice([*STATES, "active"]), default=None, help="Only those.")
@click.option("--assignee", default="", metavar="NAME", help="Only those of somebody.")
def listed(state: State, stage: str | None, assignee: str) -> int:
    """Cases, the newest first."""
    found = _kept(state).cases.all(state=stage or "", assignee=assignee, limit=1000)
    if state.json:
        out.emit([case_json(c) for c in found])
        return 0
    out.table(
        ("case", "state", "TLP", "title", "assignee", "items", "changed"),
        [
            (c.id, c.state, c.tlp, out.visible(c.title), c.assignee, c.items, f"{c.changed:%Y-%m-%d %H:%M}")
            for c in found
        ],
        right=("case", "items"), keep=("case", "state"),
    )  # fmt: skip
    return 0


@verb("show", parent=command)
@click.argument("case_id", type=int, metavar="CASE")
def shown(state: State, case_id: int) -> int:
    """A case with what it is about and what was said."""
    from noroshi.model.finding import iso

    kept = _kept(state)
    case, items, comments = kept.cases.get(case_id), kept.cases.items(case_id), kept.cases.comments(case_id)
    if state.json:
        told = case_json(case)
        told["about"] = [
            {"kind": i.kind, "value": i.value, "added": iso(i.added), "by": i.added_by} for i in items
        ]
        told["comments"] = [{"at": iso(c.at), "who": c.who, "text": c.text} for c in comments]
        out.emit(told)
        return 0
    out.say(
        state,
        f"Case {case.id}: {out.visible(case.title)}  {case.state}  TLP:{case.tlp.upper()}  {case.assignee}",
    )
    out.table(("kind", "value", "added by"), [(i.kind, out.visible(i.value), i.added_by) for i in items])
    out.table(
        ("when", "who", "said"),
        [(f"{c.at:%Y-%m-%d %H:%M}", c.who, out.visible(c.text)) for c in comments],
    )
    return 0


def _sorted(state: State, what: tuple[str, ...]) -> tuple[list[Any], list[str]]:
    """(findings, values): what looks like the id of a finding is one."""
    import re

    from noroshi.work.triage import by_id

    ids = [w for w in what if re.fullmatch(r"[0-9a-f]{8}-[0-9a-f-]{4,27}", w)]
    return by_id(state.lake(create=True), ids), [w for w in what if w not in ids]


def _told(state: State, case: Case, done: str) -> int:
    if state.json:
        out.emit(case_json(case))
    else:
        out.say(state, f"Case {case.id} {done}. Next: {state.typed(f'case show {case.id}')}")
    return 0
