"""`noroshi notify`: tells those who answer for a network which of their hosts were seen infected, exposed, attacked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noroshi.cli import out
from noroshi.cli.state import State, group, verb

if TYPE_CHECKING:
    from noroshi.lake.state import State as Kept
    from noroshi.work.notify import Plan


@group("notify")
def command() -> None:
    """Tells those who answer for a network which of their hosts were seen infected, exposed or attacked.

    \b
    Whom:   noroshi notify operators load operators.csv
    What:   noroshi notify plan            (sends nothing, connects nowhere)
    Send:   noroshi notify send
    Then:   noroshi notify status, ack, return, replies, opt-out
    """


def _kept(state: State) -> Kept:
    from noroshi.lake.state import State as Kept

    return Kept(state.lake().path)


def _who() -> str:
    from noroshi.work.gate import actor

    return actor()


_CHANNEL = click.option("--channel", type=click.Choice(["mail", "folder"]), help="[as `to` in [notify]]")


@verb("plan", parent=command)
@_CHANNEL
@click.option("--show", metavar="ID", help="Print the whole message of a notice as it would be handed over.")
@click.option("--out", "folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
              help="Write every message and its table there, to look at; nothing is recorded.")  # fmt: skip
def plan(state: State, channel: str | None, show: str | None, folder: Path | None) -> int:
    """Shows exactly what `send` would send now. Connects nowhere, records nothing."""
    from datetime import UTC, datetime

    from noroshi.work.notify import plan as make
    from noroshi.work.notify import withheld
    from noroshi.work.notify_send import write

    lake, config, now = state.lake(), state.config(), datetime.now(UTC)
    made = make(lake, config, _kept(state), now=now, channel=channel or "")
    if show:
        return _show(made, show)
    if folder:
        for notice in made.notices:
            write(folder, notice.id, notice.dated(now))
    if state.json:
        from noroshi.work.notify_told import document

        out.emit(document(made))
    else:
        rows = [
            (n.id, n.operator.name, ", ".join(n.mails), len(n.items), n.tlp.label, n.subject)
            for n in made.notices
        ]
        out.table(
            ("notice", "operator", "to", "items", "marking", "subject"),
            rows,
            right=("items",),
            keep=("notice",),
        )
    for why, n in withheld(lake, config, now=now).items():
        out.warn(f"{out.count(n, 'finding')} withheld: {why}")
    for held in made.held:
        out.warn(f"{held.operator}: {out.count(held.items, 'item')} held: {held.why}")
    if made.unresolved:
        out.warn(f"{out.count(len(made.unresolved), 'item')} of nobody known: {_named(made)}")
    if made.opted_out:
        out.warn(f"{out.count(len(made.opted_out), 'item')} left out: opted out")
    if folder:
        out.say(
            state,
            f"Wrote {out.count(len(made.notices), 'message')} to {folder}; nothing was sent or recorded.",
        )
    out.say(state, f"{out.count(len(made.notices), 'notice')}, {out.count(made.told, 'item')} told before. "
            f"Next: {state.typed('notify plan --show ID')}, {state.typed('notify send')}")  # fmt: skip
    return 0


def _show(made: Plan, show: str) -> int:
    from noroshi.model.errors import UsageError

    start = show if show.startswith("n-") else f"n-{show}"
    found = [n for n in made.notices if n.id.startswith(start)]
    if len(found) != 1:
        raise UsageError(
            f"{show[:60]!r} is not one notice of this plan", todo="`noroshi notify plan` lists them."
        )
    sys.stdout.flush()
    sys.stdout.buffer.write(found[0].dated(made.now))
    sys.stdout.buffer.flush()
    return 0


def _named(made: Plan) -> str:
    shown = [f"{u.subject}{f' ({u.asn})' if u.asn else ''}" for u in made.unresolved[:5]]
    return ", ".join(shown) + (", ..." if len(made.unresolved) > 5 else "")


@verb("send", parent=command)
@_CHANNEL
@click.option("--out", "folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
              help="Write the messages there instead of sending them; they count as told by folder.")  # fmt: skip
@click.option(
    "--only", metavar="ID", multiple=True, help="Hand over this notice of the plan, no other. Repeatable."
)
@click.option("--retry-unclear", metavar="ID", multiple=True,
              help="Hand over again what may have arrived already: first look in the mail server's log. Repeatable.",
              )  # fmt: skip
def send(
    state: State,
    channel: str | None,
    folder: Path | None,
    only: tuple[str, ...],
    retry_unclear: tuple[str, ...],
) -> int:
    """Sends what `plan` shows, each notice once; exit status 1 when something did not arrive."""
    from noroshi.model.errors import UsageError
    from noroshi.work.notify_send import send as hand_over

    if folder and channel == "mail":
        raise UsageError("--out writes to a folder", todo="Leave out --channel mail.")
    done = hand_over(
        state.lake(), state.config(), _kept(state), _who(), channel=channel or "", folder=folder, only=only,
        retry_unclear=retry_unclear,
    )  # fmt: skip
    if state.json:
        out.emit(
            {
                "sent": done.sent, "items": done.items, "new_items": done.fresh, "rechecked": done.checked,
                "cancelled": done.cancelled, "unclear": done.unclear, "problems": done.problems,
                "held": [{"operator": h.operator, "items": h.items, "why": h.why}
                         for h in (done.plan.held if done.plan else [])],
            }
        )  # fmt: skip
    for problem in done.problems:
        out.warn(problem)
    for number in done.cancelled:
        out.warn(f"{number} was taken back: who it is for has opted out")
    for number in done.unclear:
        out.warn(f"{number}: it is unclear whether it arrived; look in the mail server's log, then "
                 f"`noroshi notify ack {number}` or `noroshi notify send --retry-unclear {number}`")  # fmt: skip
    for held in done.plan.held if done.plan else ():
        out.warn(f"{held.operator}: {out.count(held.items, 'item')} held: {held.why}")
    out.say(state, f"{out.count(len(done.sent), 'notice')} sent, {out.count(done.items, 'item')} told.")
    return 1 if done.problems or done.unclear else 0


@verb("status", parent=command)
@_CHANNEL
@click.option("--items", "listed", is_flag=True, help="List every item.")
@click.option("--notices", is_flag=True, help="List every notice.")
@click.option("--operator", default="", metavar="NAME", help="Only of this operator.")
def status(state: State, channel: str | None, listed: bool, notices: bool, operator: str) -> int:
    """Tells what became of what was told: a table of states and a curve of what was fixed, per channel."""
    from noroshi.work.notify_status import document
    from noroshi.work.notify_status import status as look

    found = look(_kept(state), channel=channel or "", operator=operator)
    if state.json:
        out.emit(document(found))
        return 0
    if listed:
        rows = [(i.kind, i.subject, i.operator, i.channel, i.state, i.round, _day(i.notified), _day(i.changed))
                for i in found.items]  # fmt: skip
        out.table(
            ("kind", "subject", "operator", "by", "state", "told", "last told", "since"),
            rows,
            right=("told",),
        )
    if notices:
        shown = [(n.id, n.operator, n.channel, n.state if not n.returned else "returned", n.items, _day(n.settled),
                  n.problem) for n in found.notices]  # fmt: skip
        out.table(("notice", "operator", "by", "state", "items", "sent", "problem"), shown, right=("items",),
                  keep=("notice",))  # fmt: skip
    if not (listed or notices):
        _tables(found)
    return 0


def _tables(found: Any) -> None:
    from noroshi.lake.state.notices import STATES
    from noroshi.share.notify.curve import DAYS, at

    rows = [
        (c.channel, *(c.counts.get(s, 0) for s in STATES), sum(c.counts.values())) for c in found.channels
    ]
    out.table(("channel", *STATES, "all"), rows, right=(*STATES, "all"))
    out.line("fixed by day after the first notice, share with 95 % interval (addresses that were told):")
    rows = []
    for c in found.channels:
        shares = []
        for day in DAYS:
            p = at(c.curve, day)
            shares.append("-" if p is None else f"{p.fixed:.0%} ({p.low:.0%}-{p.high:.0%})")
        rows.append((c.channel, c.cases, *shares))
    out.table(("channel", "n", *(f"{d} d" for d in DAYS)), rows, right=("n",))


def _day(ts: Any) -> str:
    return ts.isoformat()[:16].replace("T", " ") if ts else ""


@verb("check", parent=command)
@_CHANNEL
def check(state: State, channel: str | None) -> int:
    """Looks again at what was told: fixed, persisting, or not looked at since. `send` does it too."""
    from datetime import UTC, datetime

    from noroshi.work.notify_check import recheck
    from noroshi.work.notify_settings import settings

    config = state.config()
    way = channel or settings(config).to
    moved = recheck(state.lake(), config, _kept(state), way, _who(), now=datetime.now(UTC))
    if state.json:
        out.emit({"channel": way, "moved": moved})
    out.say(state, ", ".join(f"{n} {name}" for name, n in sorted(moved.items())) or "Nothing changed.")
    return 0


def _answered(state: State, number: str, note: str, what: str) -> int:
    from noroshi.work import notify_send

    kept = _kept(state)
    if what == "cancelled":
        row, moved = notify_send.cancel(kept, _who(), number, note), 0
    else:
        act = notify_send.acknowledge if what == "acknowledged" else notify_send.give_back
        row, moved = act(kept, _who(), number, note)
    if state.json:
        out.emit({"id": row.id, "operator": row.operator, what: True, "items": moved})
    out.say(state, f"{row.id} to {row.operator}: {what}, {out.count(moved, 'item')} moved.")
    return 0


_NOTE = click.option("--note", default="", metavar="TEXT", help="What they said.")


@verb("ack", parent=command)
@click.argument("number", metavar="ID")
@_NOTE
def ack(state: State, number: str, note: str) -> int:
    """Keeps that the operator took a notice (the id, or its first characters)."""
    return _answered(state, number, note, "acknowledged")


@verb("return", parent=command)
@click.argument("number", metavar="ID")
@_NOTE
def give_back(state: State, number: str, note: str) -> int:
    """Keeps that a notice came back: nobody got it."""
    return _answered(state, number, note, "returned")


@verb("cancel", parent=command)
@click.argument("number", metavar="ID")
@_NOTE
def cancel(state: State, number: str, note: str) -> int:
    """Takes back a notice that is planned and not sent."""
    return _answered(state, number, note, "cancelled")


@verb("replies", parent=command)
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path, exists=True))
@click.option("--ack", "acknowledge", is_flag=True,
              help="Count a reply from an address a notice went to as taking it; automatic replies never count.",
              )  # fmt: skip
def replies(state: State, path: Path, acknowledge: bool) -> int:
    """Reads what came back: an mbox, a maildir or a folder of .eml. Bounces (RFC 3464) become returned."""
    from noroshi.work.notify_replies import read

    done = read(_kept(state), _who(), path, acknowledge=acknowledge)
    if state.json:
        out.emit(
            {
                "messages": done.messages, "returned": done.returned, "acknowledged": done.acknowledged,
                "delayed": done.delayed, "answers": [{"notice": n, "from": f} for n, f in done.answers],
                "stop": [{"notice": n, "from": f} for n, f in done.stop], "unknown": done.unknown,
                "unreadable": done.unreadable,
            }
        )  # fmt: skip
    for number, sender in done.stop:
        out.warn(f"{sender} asks to stop ({number}): see who they are, then `noroshi notify opt-out add`")
    for number, sender in done.answers:
        out.say(state, f"{sender} answered {number}")
    out.say(state, f"{out.count(done.messages, 'message')}: {len(done.returned)} returned, {len(done.acknowledged)} "
            f"acknowledged, {len(done.delayed)} delayed, {done.unknown} about nothing of ours.")  # fmt: skip
    return 0


@group("opt-out")
def opt_out() -> None:
    """Who asked not to be written to."""


command.add_command(opt_out)


@verb("add", parent=opt_out)
@click.argument("value")
@click.option("--reason", required=True, metavar="TEXT", help="Why, in their words.")
@click.option("--proof", default="", metavar="TEXT", help="What shows that they may ask.")
@click.option("--proof-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
              help="The same from a file: the mail they sent, at most 64 KiB.")  # fmt: skip
def opt_out_add(state: State, value: str, reason: str, proof: str, proof_file: Path | None) -> int:
    """Writes no more about VALUE (a prefix, an address, an AS) or to VALUE (a mail address)."""
    from noroshi.work.notify_optout import add

    optout, fresh = add(_kept(state), _who(), value, reason, proof, proof_file)
    if state.json:
        out.emit({"id": optout.id, "kind": optout.kind, "value": optout.value, "new": fresh})
    out.say(
        state,
        f"{'Opted out' if fresh else 'Was opted out already'}: {optout.kind} {optout.value} (number {optout.id}).",
    )
    return 0


@verb("list", parent=opt_out)
@click.option("--all", "ended", is_flag=True, help="Ended ones too.")
def opt_out_list(state: State, ended: bool) -> int:
    """Lists who opted out, with reason and proof."""
    from noroshi.model.finding import iso

    found = _kept(state).optouts.all(ended=ended)
    if state.json:
        out.emit(
            [
                {"id": o.id, "kind": o.kind, "value": o.value, "reason": o.reason, "proof": o.proof, "by": o.actor,
                 "at": iso(o.at), "ended": iso(o.ended) if o.ended else None, "ended_why": o.ended_why or None}
                for o in found
            ]
        )  # fmt: skip
        return 0
    rows = [(o.id, o.kind, o.value, _day(o.at), _day(o.ended), o.reason) for o in found]
    out.table(("id", "kind", "value", "since", "ended", "reason"), rows, right=("id",))
    return 0


@verb("end", parent=opt_out)
@click.argument("number", metavar="ID", type=int)
@click.option("--reason", required=True, metavar="TEXT", help="Why it no longer holds.")
def opt_out_end(state: State, number: int, reason: str) -> int:
    """Ends an opt-out; it stays written down."""
    from noroshi.work.notify_optout import end

    optout = end(_kept(state), _who(), number, reason)
    if state.json:
        out.emit({"id": optout.id, "kind": optout.kind, "value": optout.value, "ended": True})
    out.say(state, f"Ended: {optout.kind} {optout.value}.")
    return 0


@group("operators")
def operators() -> None:
    """Who answers for which network."""


command.add_command(operators)


@verb("load", parent=operators)
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--rdap", is_flag=True, help="FILE holds RDAP documents (JSON, one or a list, or one a line).")
def operators_load(state: State, path: Path, rdap: bool) -> int:
    """Takes the table of FILE (CSV, or TOML), in the place of what was loaded from a file of that name."""
    from noroshi.work.notify_operators import load

    count, before = load(_kept(state), _who(), path, rdap=rdap)
    if state.json:
        out.emit({"source": path.name, "networks": count, "before": before})
    out.say(state, f"{out.count(count, 'network')} from {path.name}, in the place of {before}.")
    return 0


@verb("list", parent=operators)
def operators_list(state: State) -> int:
    """Lists networks and who answers for them."""
    rows = _kept(state).operators.all()
    if state.json:
        out.emit(
            [
                {"network": r.network, "name": r.name, "mails": list(r.mails), "lang": r.lang, "format": r.format,
                 "origin": r.origin, "source": r.source, "recipient": r.recipient or None,
                 "since": r.since.isoformat() if r.since else None, "until": r.until.isoformat() if r.until else None}
                for r in rows
            ]
        )  # fmt: skip
        return 0
    shown = [(r.network, r.name, ", ".join(r.mails), r.lang, r.format, r.origin, r.until or "") for r in rows]
    out.table(("network", "operator", "mail", "lang", "format", "origin", "until"), shown, keep=("network",))
    return 0


@verb("who", parent=operators)
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
def operators_who(state: State, addresses: tuple[str, ...]) -> int:
    """Tells who answers for an address or prefix; nobody is guessed. Exit status 1 when nobody is named."""
    from noroshi.work.notify_operators import who

    found = who(state.lake(), _kept(state), addresses)
    if state.json:
        out.emit(
            [
                {"address": a, "asn": asn or None, "network": r.network if r else None,
                 "operator": r.name if r else None,
                 "mails": list(r.mails) if r else [], "origin": r.origin if r else None}
                for a, asn, r in found
            ]
        )  # fmt: skip
    else:
        rows = [(a, asn, r.network if r else "", r.name if r else "nobody known", ", ".join(r.mails) if r else "")
                for a, asn, r in found]  # fmt: skip
        out.table(("address", "as", "network", "operator", "mail"), rows)
    return 0 if all(r for _, _, r in found) else 1


@verb("fetch", parent=operators)
@click.argument("addresses", metavar="ADDRESS...", nargs=-1)
@click.option("--unresolved", is_flag=True, help="Ask about everything `plan` names nobody for.")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="Questions at most."
)
def operators_fetch(state: State, addresses: tuple[str, ...], unresolved: bool, limit: int) -> int:
    """Asks the RDAP server of [notify] who answers for an address, and keeps the answer.

    This tells that server the addresses. It is the only part of `notify operators` that connects anywhere.
    """
    from noroshi.work.notify_operators import fetch

    done = fetch(
        state.lake(), state.config(), _kept(state), _who(), addresses, unresolved=unresolved, limit=limit
    )
    if state.json:
        out.emit({"asked": done.asked, "networks": done.networks, "problems": done.problems})
    for problem in done.problems:
        out.warn(problem)
    out.say(state, f"{out.count(done.asked, 'question')}, {out.count(done.networks, 'network')} learnt.")
    return 1 if done.problems else 0
