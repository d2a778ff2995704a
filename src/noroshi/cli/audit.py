"""`noroshi audit`: who did what with whose data."""

from __future__ import annotations

import json
from typing import Any

import click

from noroshi.cli import out
from noroshi.cli.state import State, verb


@verb("audit")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Entries shown."
)
@click.option(
    "--action", default="", metavar="ACTION", help="Only these: export, downgrade, key-add, sign-in, ..."
)
@click.option(
    "--for", "recipient", default="", metavar="RECIPIENT", help="Only what concerns this recipient."
)
@click.option(
    "--before", type=click.IntRange(1), metavar="ID", help="Only entries older than this one, to page on."
)
def command(state: State, limit: int, action: str, recipient: str, before: int | None) -> int:
    """Shows the newest entries of the audit log: every export, downgrade, key and change of a recipient."""
    from noroshi.lake.state import State as Kept
    from noroshi.model.finding import iso

    found = Kept(state.lake().path).audit.newest(limit, before=before, action=action, recipient=recipient)
    if state.json:
        out.emit(
            [
                {"id": e.id, "at": iso(e.at), "actor": e.actor, "action": e.action, "recipient": e.recipient,
                 "count": e.count, "detail": dict(e.detail)}
                for e in found
            ]
        )  # fmt: skip
        return 0
    rows = [(e.id, iso(e.at)[:19], e.actor, e.action, e.recipient, e.count, _told(e.detail)) for e in found]
    out.table(("id", "at", "who", "what", "for", "how many", "more"), rows, right=("id", "how many"))
    out.say(state, f"{out.count(len(found), 'entry', 'entries')}, the newest first.")
    return 0


def _told(detail: Any) -> str:
    shown = {k: v for k, v in dict(detail).items() if v not in (None, "", [], {})}
    return ", ".join(
        f"{k}={v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)}" for k, v in shown.items()
    )
