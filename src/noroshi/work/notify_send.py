"""Handing notices over, each once, whatever happens meanwhile.

    1 plan      the notice and the round of each item it tells are written down; the database refuses the like of it
    2 begin     this sender takes it: planned -> handing-over, for one sender only
    3 hand over to the mail server, or into a folder
    4 settle    sent; planned again when the server certainly took nothing; unclear when that is not known

A sender that ends between 2 and 4 leaves `handing-over` behind; the next one sees that the process is gone and makes it
`unclear`. Unclear is never handed over again but by `retry_unclear`, by a person who looked. (A folder is written
again: that does what was done.) What was planned and not begun is handed over by whoever comes next, as planned.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from noroshi.lake.owner import is_gone, me
from noroshi.lake.state.notices import HANDING, PLANNED, REFUSED, SENT, UNCLEAR, NoticeRow, Seen
from noroshi.model.errors import ConfigError, UsageError
from noroshi.share.deliver.target import DeliveryError
from noroshi.share.notify.compose import Notice, dated
from noroshi.share.notify.items import Item
from noroshi.work.notify import Plan, gather, looked, planned
from noroshi.work.notify_settings import settings

if TYPE_CHECKING:
    from noroshi.config import Config, NotifyEntry
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import State

LEASE = timedelta(hours=1)
"""A sender that took longer is taken for dead, on another host too: all its time limits are of seconds."""
TRIES = 20
"""A server that never takes a notice is given up after so many; `noroshi notify status` tells."""
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_COUNT = itertools.count()


@dataclass
class Sent:
    """What came of it."""

    sent: list[str] = field(default_factory=list)
    """Ids of notices that arrived at the server (or in the folder)."""
    problems: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    items: int = 0
    fresh: int = 0
    """Items seen for the first time."""
    checked: dict[str, int] = field(default_factory=dict)
    """Items by the state a new look gave them."""
    plan: Plan | None = None


HandOver = Callable[[NoticeRow, bytes], str]
"""Hands a dated message over; what is to be noted. Raises DeliveryError."""


def send(
    lake: Lake, config: Config, state: State, who: str, *, now: datetime | None = None, channel: str = "",
    folder: Path | None = None, only: Sequence[str] = (), retry_unclear: Sequence[str] = (),
    stopped: Callable[[], bool] = lambda: False,
) -> Sent:  # fmt: skip
    """Looks again at what was told, plans, and hands over what is due and what still waits.

    only: ids to hand over; others are neither planned nor sent. retry_unclear: ids of unclear notices to hand over
    again. stopped: asked before each: the rest still waits, as planned.
    Raises ConfigError, UsageError for an id that is not (or no longer) among what would be sent.
    """
    from noroshi.work.notify_check import recheck

    entry, at = settings(config), now or datetime.now(UTC)
    way = channel or ("folder" if folder else entry.to)
    hand = _folder(folder or _place(entry, config)) if way == "folder" else _mail(entry)
    out = Sent()
    recover(state, way)
    whole = lake.snapshot()
    found = gather(lake, config, state, now=at, shot=whole)
    if not only:
        seen = [_seen(i) for items in found.items.values() for i in items]
        out.fresh = state.notices.see(way, seen, who)
        out.checked = recheck(lake, config, state, way, who, now=at)
    rows = state.notices.items(way) if not only else looked(lake, config, state, found, way, at, whole)
    plan = out.plan = planned(found, entry, state, way, at, rows)
    wanted = _wanted(plan, state, only)
    if only:
        seen = [_seen(i) for n in wanted for i in n.items]
        out.fresh = state.notices.see(way, seen, who)
    for notice in wanted:
        _write_down(state, notice, at)
    ids = {n.id for n in wanted} if only else None
    for row in state.notices.all(way, (PLANNED,)):
        if stopped():
            break
        if (ids is None or row.id in ids or row.id in only) and row.tries < TRIES:
            _one(state, config, row, hand, who, at, out, unclear=False)
    for row in state.notices.all(way, (UNCLEAR,)):
        if row.id in retry_unclear and not stopped():
            _one(state, config, row, hand, who, at, out, unclear=True)
    out.unclear = [r.id for r in state.notices.all(way, (UNCLEAR,))]
    return out


def _seen(i: Item) -> Seen:
    detail = {**i.detail, "asn": i.asn}
    return Seen(i.operator, i.kind, i.subject, i.network, i.first_seen, i.last_seen, detail)


def recover(state: State, channel: str) -> int:
    """Notices whose sender is gone: how many are unclear now."""
    count = 0
    for row in state.notices.all(channel, (HANDING,)):
        owner = row.owner.partition("#")[0]
        late = row.handed is not None and state.notices.clock() - row.handed > LEASE
        if late or not owner or is_gone(owner):
            count += state.notices.lost(row.id, row.owner, harmless=row.channel == "folder")
    return count


def _wanted(plan: Plan, state: State, only: Sequence[str]) -> list[Notice]:
    if not only:
        return plan.notices
    by_id = {n.id: n for n in plan.notices}
    waiting = {r.id for r in state.notices.all(plan.channel, (PLANNED,))}
    for number in only:
        if number not in by_id and number not in waiting:
            was = state.notices.get(number)
            raise UsageError(
                f"{number} is {was.state if was else 'not among what would be sent now'}",
                todo="`noroshi notify plan` shows what would be sent; its ids change with what they tell.",
            )
    return [by_id[i] for i in dict.fromkeys(only) if i in by_id]


def _write_down(state: State, notice: Notice, now: datetime) -> bool:
    """Step 1. False when it, or something it tells, is written down already."""
    rows = {(i.kind, i.subject): i for i in state.notices.items(notice.channel, notice.operator.name)}
    told = []
    for item in notice.items:
        row = rows.get((item.kind, item.subject))
        if row is None or row.episode != item.episode:
            return False  # changed since it was planned: the next plan knows
        told.append((row.id, item.episode, item.round))
    return state.notices.plan(
        notice_id=notice.id, operator=notice.operator.name, channel=notice.channel, day=now.date(),
        mails=notice.mails, message_id=notice.message_id, body=notice.body, told=told,
    )  # fmt: skip


def _one(
    state: State,
    config: Config,
    row: NoticeRow,
    hand: HandOver,
    who: str,
    now: datetime,
    out: Sent,
    *,
    unclear: bool,
) -> None:
    """Steps 2 to 4 of one notice."""
    if why := _stopped(state, row):
        if state.notices.cancel(row.id, why):
            state.audit.tell(who, "notify-cancel", recipient=row.operator[:64], notice=row.id, why=why)
            out.cancelled.append(row.id)
        return
    owner = f"{me()}#{os.getpid()}.{next(_COUNT)}"
    if not state.notices.begin(row.id, now.date(), owner, unclear=unclear):
        return
    try:
        state.audit.tell(
            who, "notify", recipient=row.operator[:64], count=row.items, notice=row.id, channel=row.channel,
            operator=row.operator, mails=list(row.mails), again=unclear,
        )  # fmt: skip
    except BaseException:
        state.notices.settle(row.id, owner, PLANNED, "the audit log could not be written")
        raise
    try:
        noted = hand(row, dated(state.notices.body(row.id), now))
    except DeliveryError as e:
        ended = _ended(e)
        state.notices.settle(row.id, owner, ended, str(e), who)
        out.problems.append(f"{row.id} to {row.operator}: {e}")
        return
    except BaseException as e:
        state.notices.settle(row.id, owner, UNCLEAR, f"interrupted: {type(e).__name__}", who)
        raise
    state.notices.settle(row.id, owner, SENT, noted, who)
    out.sent.append(row.id)
    out.items += row.items
    if noted:
        out.problems.append(f"{row.id} to {row.operator}: {noted}")


def _ended(e: DeliveryError) -> str:
    from noroshi.share.deliver.mail import Refused

    if isinstance(e, Refused):
        return REFUSED if e.permanent else PLANNED
    return UNCLEAR


def _stopped(state: State, row: NoticeRow) -> str:
    """Why a notice that waited is not sent after all: who asked to stop meanwhile."""
    from noroshi.work.notify import Stops

    optouts = state.optouts.all()
    stopped = {o.value for o in optouts if o.kind == "mail"}
    if stopped.intersection(m.lower() for m in row.mails):
        return "a mail address it goes to has opted out"
    stops = Stops(optouts)
    for item in state.notices.claimed(row.id):
        asn = item.network if item.network.startswith("AS") else str(item.detail.get("asn", ""))
        if number := stops.of(item.subject, asn):
            return f"opt-out {number} covers {item.subject}"
    return ""


def _mail(entry: NotifyEntry) -> HandOver:
    from noroshi.share.deliver.mail import MailSender

    password = ""
    if entry.password_env:
        if entry.password_env not in os.environ:
            raise ConfigError(
                f"the environment has no {entry.password_env}", where="[notify]",
                todo="Set it for this user, for example in the unit's EnvironmentFile.",
            )  # fmt: skip
        password = os.environ[entry.password_env]
    if not entry.server:
        raise ConfigError("lacks server", where="[notify]", todo="Notices by mail need a mail server.")

    def hand(row: NoticeRow, message: bytes) -> str:
        port = entry.port or _PORTS[entry.tls]
        sender = MailSender(entry.server, port, entry.sender, row.mails, entry.tls, entry.user, password)
        refused = sender.hand_over(message)
        return "; ".join(f"refused for {to}: {said}" for to, said in sorted(refused.items()))

    return hand


def _place(entry: NotifyEntry, config: Config) -> Path:
    if not entry.folder:
        raise ConfigError("lacks folder", where="[notify]", todo="Name it there, or with --out.")
    base = config.path.parent if config.path else Path()
    return base / Path(entry.folder).expanduser()


def _folder(place: Path) -> HandOver:
    """Writes `ID.eml` and its attachments, each whole or not at all, readable by this user alone."""

    def hand(row: NoticeRow, message: bytes) -> str:
        try:
            write(place, row.id, message)
        except OSError as e:
            from noroshi.share.deliver.mail import Refused

            raise Refused(
                f"cannot be written: {e.strerror}", where=str(place), todo="Make room, or name another."
            ) from e
        return ""

    return hand


def write(place: Path, number: str, message: bytes) -> list[Path]:
    """The files of a notice in a folder of its own: the message, and what is attached to it."""
    import email
    import email.policy

    from noroshi.work.share import write_whole

    folder = place / number
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = []
    parsed = email.message_from_bytes(message, policy=email.policy.SMTP)
    for part in parsed.walk():
        name, data = part.get_filename(), part.get_payload(decode=True)
        if name and isinstance(data, bytes):
            path = folder / Path(name).name
            write_whole(path, data)
            written.append(path)
    # The message last: where it stands, everything stands.
    write_whole(folder / f"{number}.eml", message)
    for path in (*written, folder / f"{number}.eml"):
        path.chmod(0o600)
    return [folder / f"{number}.eml", *written]


def notice_of(state: State, text: str) -> NoticeRow:
    """The notice meant by an id or its beginning. Raises UsageError."""
    start = text if text.startswith("n-") else f"n-{text}"
    found = state.notices.like(start) if len(start) >= 8 else []
    if len(found) != 1:
        what = f"several notices begin with {text!r}" if found else f"there is no notice {text[:60]!r}"
        raise UsageError(
            what, todo="`noroshi notify status --notices` shows their ids; write eight characters or more."
        )
    return found[0]


def cancel(state: State, who: str, text: str, note: str) -> NoticeRow:
    """Takes back a notice that waits; what it told may be told again. Raises UsageError when it does not wait."""
    row = notice_of(state, text)
    state.audit.tell(who, "notify-cancel", recipient=row.operator[:64], notice=row.id, why=note[:1000])
    if not state.notices.cancel(row.id, note):
        raise UsageError(f"{row.id} is {row.state}", todo="Only what is planned can be taken back.")
    return row


def acknowledge(state: State, who: str, text: str, note: str) -> tuple[NoticeRow, int]:
    """Keeps that the operator took a notice; (it, how many of its items that moved)."""
    row = notice_of(state, text)
    state.audit.tell(who, "notify-ack", recipient=row.operator[:64], notice=row.id, note=note[:1000])
    if row.state == UNCLEAR:
        state.notices.arrived(row.id, who)  # who answers it has it
    return row, state.notices.acknowledge(row.id, who, note)


def give_back(state: State, who: str, text: str, note: str) -> tuple[NoticeRow, int]:
    """Keeps that a notice came back; (it, how many of its items that moved)."""
    row = notice_of(state, text)
    state.audit.tell(who, "notify-return", recipient=row.operator[:64], notice=row.id, note=note[:1000])
    if row.state == UNCLEAR:
        state.notices.arrived(row.id, who)
    return row, state.notices.returned(row.id, who, note)


__all__ = ["LEASE", "Sent", "acknowledge", "cancel", "give_back", "notice_of", "recover", "send", "write"]
