"""Notices on their way to operators, and what became of what each told.

A notice is written down before it is handed over (an outbox), so that a crash in between is seen:

    planned -> handing-over -> sent | cancelled | refused
                    └─ the process ended meanwhile: unclear, never handed over again by itself

What cannot happen twice is forbidden by the database itself: a notice's id (made from what it tells), one notice a
day to an operator and channel, and one round of an item (`_CLAIMS`), so that two senders at once, or one that was
killed anywhere, never tell the same thing twice.

An item (operator, channel, kind, subject) goes

    found -> notified -> acknowledged -> re-checked -> fixed | persisting         (or returned: nobody got it)

and every step is kept with its time. What comes back after it was fixed begins a new episode.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.engine import Connection

from noroshi.lake.state.database import META, Database, maybe, naive, utc, was_there
from noroshi.model.errors import LakeError

FOUND, NOTIFIED, ACKNOWLEDGED, RECHECKED = "found", "notified", "acknowledged", "re-checked"
FIXED, PERSISTING, RETURNED = "fixed", "persisting", "returned"
STATES = (FOUND, NOTIFIED, ACKNOWLEDGED, RECHECKED, FIXED, PERSISTING, RETURNED)
"""States of an item, in the order a good case goes through them."""
PLANNED, HANDING, SENT, UNCLEAR = "planned", "handing-over", "sent", "unclear"
CANCELLED, REFUSED = "cancelled", "refused"

_NOTICES = Table(
    "notices", META,
    Column("id", String(40), primary_key=True), Column("operator", String(200), nullable=False),
    Column("channel", String(16), nullable=False), Column("day", Date, nullable=False),
    Column("state", String(16), nullable=False), Column("mails", Text, nullable=False),
    Column("message_id", String(200), nullable=False), Column("body", LargeBinary, nullable=False),
    Column("items", Integer, nullable=False), Column("made", DateTime, nullable=False), Column("handed", DateTime),
    Column("settled", DateTime), Column("owner", String(200)), Column("tries", Integer, nullable=False, default=0),
    Column("problem", Text), Column("returned", DateTime), Column("acknowledged", DateTime),
    Column("failed", Text, nullable=False, default="[]"),
    UniqueConstraint("operator", "channel", "day"),
)  # fmt: skip
_ITEMS = Table(
    "notice_items", META,
    Column("id", Integer, primary_key=True), Column("operator", String(200), nullable=False),
    Column("channel", String(16), nullable=False), Column("kind", String(32), nullable=False),
    Column("subject", String(300), nullable=False), Column("network", String(64), nullable=False),
    Column("state", String(16), nullable=False), Column("episode", Integer, nullable=False, default=1),
    Column("round", Integer, nullable=False, default=0), Column("first_seen", DateTime, nullable=False),
    Column("last_seen", DateTime, nullable=False), Column("found", DateTime, nullable=False),
    Column("first_notified", DateTime), Column("notified", DateTime), Column("changed", DateTime, nullable=False),
    Column("detail", Text, nullable=False, default="{}"),
    UniqueConstraint("operator", "channel", "kind", "subject"),
)  # fmt: skip
_CLAIMS = Table(
    "notice_claims", META,
    Column("item", Integer, nullable=False), Column("episode", Integer, nullable=False),
    Column("round", Integer, nullable=False), Column("notice", String(40), nullable=False, index=True),
    UniqueConstraint("item", "episode", "round"),
)  # fmt: skip
_STEPS = Table(
    "notice_steps", META,
    Column("id", Integer, primary_key=True), Column("item", Integer, nullable=False),
    Column("episode", Integer, nullable=False), Column("at", DateTime, nullable=False),
    Column("state", String(16), nullable=False), Column("notice", String(40), nullable=False, default=""),
    Column("actor", String(80), nullable=False, default=""), Column("note", Text, nullable=False, default=""),
    Index("notice_steps_item", "item", "episode"),
)  # fmt: skip


@dataclass(frozen=True)
class NoticeRow:
    """A notice as kept."""

    id: str
    operator: str
    channel: str
    day: date
    """UTC day it counts for: one a day."""
    state: str
    mails: tuple[str, ...]
    message_id: str
    items: int
    made: datetime
    handed: datetime | None = None
    settled: datetime | None = None
    owner: str = ""
    tries: int = 0
    problem: str = ""
    returned: datetime | None = None
    acknowledged: datetime | None = None


@dataclass(frozen=True)
class ItemRow:
    """What is known of one subject of one kind towards one operator by one channel."""

    id: int
    operator: str
    channel: str
    kind: str
    subject: str
    network: str
    state: str
    episode: int
    round: int
    """Notices that told it in this episode."""
    first_seen: datetime
    last_seen: datetime
    found: datetime
    first_notified: datetime | None
    notified: datetime | None
    """When it was last told."""
    changed: datetime
    detail: Mapping[str, Any]
    """What a later look needs to know it again: ports, scanners, versions, telescope."""


@dataclass(frozen=True)
class Seen:
    """An item as the lake shows it now."""

    operator: str
    kind: str
    subject: str
    network: str
    first_seen: datetime
    last_seen: datetime
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One change of an item's state."""

    item: int
    episode: int
    at: datetime
    state: str
    notice: str = ""
    actor: str = ""
    note: str = ""


class Notices:
    """The notices of a lake."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        """The time of every step."""

    def _now(self) -> datetime:
        return naive(self.clock())

    def items(self, channel: str = "", operator: str = "") -> list[ItemRow]:
        """The items, by number."""
        asked = select(_ITEMS).order_by(_ITEMS.c.id)
        if channel:
            asked = asked.where(_ITEMS.c.channel == channel)
        if operator:
            asked = asked.where(_ITEMS.c.operator == operator)
        with self._db.begin() as con:
            return [_item(r) for r in con.execute(asked).mappings()]

    def see(self, channel: str, seen: Iterable[Seen], actor: str) -> int:
        """Keeps what the lake shows: new ones as found, later sightings of known ones; how many are new.

        What was fixed and is seen later than that is found again, in a new episode.
        """
        given = list(seen)
        for attempt in range(5):
            try:
                with self._db.begin() as con:
                    return sum(_see(con, channel, one, actor, self._now()) for one in given)
            except LakeError as e:  # another sender saw the same new thing at the same moment
                if not was_there(e) or attempt == 4:
                    raise
        raise AssertionError

    def step(self, item: ItemRow, state: str, actor: str, note: str = "", notice: str = "", at: datetime | None = None,
             ) -> bool:  # fmt: skip
        """Moves an item on; False when it has changed meanwhile (then somebody else knows better)."""
        with self._db.begin() as con:
            mine = (
                (_ITEMS.c.id == item.id) & (_ITEMS.c.episode == item.episode) & (_ITEMS.c.state == item.state)
            )
            done = con.execute(update(_ITEMS).where(mine).values(state=state, changed=self._now()))
            if done.rowcount:
                when = naive(at) if at else self._now()
                _log(con, Step(item.id, item.episode, when, state, notice, actor, note))
            return bool(done.rowcount)

    def steps(self, channel: str = "") -> list[Step]:
        """Every change of every item, in order."""
        asked = select(_STEPS).order_by(_STEPS.c.id)
        if channel:
            asked = asked.where(_STEPS.c.item.in_(select(_ITEMS.c.id).where(_ITEMS.c.channel == channel)))
        with self._db.begin() as con:
            return [
                Step(r["item"], r["episode"], utc(r["at"]), r["state"], r["notice"], r["actor"], r["note"])
                for r in con.execute(asked).mappings()
            ]

    def plan(
        self, *, notice_id: str, operator: str, channel: str, day: date, mails: Sequence[str], message_id: str,
        body: bytes, told: Sequence[tuple[int, int, int]],
    ) -> bool:  # fmt: skip
        """Writes a notice down before anything is sent; False when it, or any of what it tells, was already.

        told: (item, episode, round) of each item. One transaction: all of it or nothing.
        """
        try:
            with self._db.begin() as con:
                # The insert comes first: it takes the write lock before anything is looked at.
                con.execute(
                    insert(_NOTICES).values(
                        id=notice_id, operator=operator, channel=channel, day=day, state=PLANNED,
                        mails=json.dumps(list(mails)), message_id=message_id, body=body, items=len(told),
                        made=self._now(), tries=0,
                    )
                )  # fmt: skip
                con.execute(
                    insert(_CLAIMS),
                    [{"item": i, "episode": e, "round": r, "notice": notice_id} for i, e, r in told],
                )
        except LakeError as e:
            if was_there(e):
                return False
            raise
        return True

    def begin(self, notice_id: str, day: date, owner: str, *, unclear: bool = False) -> bool:
        """Takes a notice to hand it over, for this sender alone; False when another has it, or it is done.

        unclear: take one whose handing over ended unclear; else one that is planned.
        """
        states = (UNCLEAR,) if unclear else (PLANNED,)
        mine = (_NOTICES.c.id == notice_id) & _NOTICES.c.state.in_(states)
        values = {"state": HANDING, "owner": owner, "handed": self._now(), "day": day, "problem": None,
                  "tries": _NOTICES.c.tries + 1}  # fmt: skip
        try:
            with self._db.begin() as con:
                return bool(con.execute(update(_NOTICES).where(mine).values(**values)).rowcount)
        except LakeError as e:
            if was_there(e):  # another notice went to the same operator today
                return False
            raise

    def settle(self, notice_id: str, owner: str, state: str, problem: str = "", actor: str = "") -> bool:
        """Keeps how handing over ended: sent, planned (try again), unclear, refused. False when it was taken away.

        sent: its items become notified. refused: they become returned, nobody got it.
        """
        mine = (_NOTICES.c.id == notice_id) & (_NOTICES.c.state == HANDING) & (_NOTICES.c.owner == owner)
        with self._db.begin() as con:
            values = {"state": state, "settled": self._now(), "problem": problem[:1000] or None}
            if not con.execute(update(_NOTICES).where(mine).values(**values)).rowcount:
                return False
            if state == SENT:
                _told(con, notice_id, NOTIFIED, Step(0, 0, self._now(), NOTIFIED, notice_id, actor))
            elif state == REFUSED:
                _told(con, notice_id, RETURNED, Step(0, 0, self._now(), RETURNED, notice_id, actor, problem))
                con.execute(update(_NOTICES).where(_NOTICES.c.id == notice_id).values(returned=self._now()))
        return True

    def cancel(self, notice_id: str, problem: str) -> bool:
        """Takes a planned notice back: it is never sent, and what it told may be told again."""
        mine = (_NOTICES.c.id == notice_id) & (_NOTICES.c.state == PLANNED)
        with self._db.begin() as con:
            if not con.execute(delete(_NOTICES).where(mine)).rowcount:
                return False
            con.execute(delete(_CLAIMS).where(_CLAIMS.c.notice == notice_id))
        return True

    def lost(self, notice_id: str, owner: str, *, harmless: bool = False) -> bool:
        """Keeps that whoever handed a notice over is gone: whether it arrived is not known.

        harmless: doing it again does what was done (a file is written anew), so it is planned again.
        """
        mine = (_NOTICES.c.id == notice_id) & (_NOTICES.c.state == HANDING) & (_NOTICES.c.owner == owner)
        why = "the sender ended while it handed it over; whether it arrived is not known"
        with self._db.begin() as con:
            return bool(
                con.execute(
                    update(_NOTICES).where(mine).values(state=PLANNED if harmless else UNCLEAR, problem=why)
                ).rowcount
            )

    def arrived(self, notice_id: str, actor: str) -> bool:
        """Keeps that an unclear notice did arrive (somebody looked it up at the mail server)."""
        mine = (_NOTICES.c.id == notice_id) & (_NOTICES.c.state == UNCLEAR)
        with self._db.begin() as con:
            values = {"state": SENT, "settled": self._now(), "problem": None}
            if not con.execute(update(_NOTICES).where(mine).values(**values)).rowcount:
                return False
            _told(con, notice_id, NOTIFIED, Step(0, 0, self._now(), NOTIFIED, notice_id, actor))
        return True

    def acknowledge(self, notice_id: str, actor: str, note: str = "") -> int:
        """Keeps that the operator took a notice; how many of its items that moved."""
        with self._db.begin() as con:
            con.execute(update(_NOTICES).where(_NOTICES.c.id == notice_id).values(acknowledged=self._now()))
            return _move(
                con,
                (NOTIFIED, RECHECKED, RETURNED),
                Step(0, 0, self._now(), ACKNOWLEDGED, notice_id, actor, note),
            )

    def returned(self, notice_id: str, actor: str, note: str = "") -> int:
        """Keeps that a notice came back; how many of its items that moved."""
        with self._db.begin() as con:
            con.execute(update(_NOTICES).where(_NOTICES.c.id == notice_id).values(returned=self._now()))
            return _move(
                con, (NOTIFIED, RECHECKED), Step(0, 0, self._now(), RETURNED, notice_id, actor, note)
            )

    def failed(self, notice_id: str, mails: Iterable[str]) -> set[str]:
        """Keeps that these addresses, in lower case, did not get a notice; all that did not so far."""
        with self._db.begin() as con:
            mine = _NOTICES.c.id == notice_id
            before = con.execute(select(_NOTICES.c.failed).where(mine)).scalar_one()
            all_ = sorted(set(json.loads(before)) | set(mails))
            con.execute(update(_NOTICES).where(mine).values(failed=json.dumps(all_)))
        return set(all_)

    def get(self, notice_id: str) -> NoticeRow | None:
        """The notice of that id."""
        with self._db.begin() as con:
            row = con.execute(select(_NOTICES).where(_NOTICES.c.id == notice_id)).mappings().first()
        return _notice(row) if row else None

    def like(self, start: str) -> list[NoticeRow]:
        """Notices whose id begins so, at most ten."""
        asked = select(_NOTICES).where(_NOTICES.c.id.startswith(start, autoescape=True)).limit(10)
        with self._db.begin() as con:
            return [_notice(r) for r in con.execute(asked).mappings()]

    def by_message(self, message_id: str) -> NoticeRow | None:
        """The notice that went out with that Message-ID."""
        with self._db.begin() as con:
            row = con.execute(select(_NOTICES).where(_NOTICES.c.message_id == message_id)).mappings().first()
        return _notice(row) if row else None

    def body(self, notice_id: str) -> bytes:
        """The message as planned, without its Date."""
        with self._db.begin() as con:
            return bytes(con.execute(select(_NOTICES.c.body).where(_NOTICES.c.id == notice_id)).scalar_one())

    def all(self, channel: str = "", states: Sequence[str] = ()) -> list[NoticeRow]:
        """The notices, in the order they were made."""
        asked = select(_NOTICES).order_by(_NOTICES.c.made, _NOTICES.c.operator, _NOTICES.c.id)
        if channel:
            asked = asked.where(_NOTICES.c.channel == channel)
        if states:
            asked = asked.where(_NOTICES.c.state.in_(states))
        with self._db.begin() as con:
            return [_notice(r) for r in con.execute(asked).mappings()]

    def claimed(self, notice_id: str) -> list[ItemRow]:
        """The items a notice tells."""
        asked = (
            select(_ITEMS).join(_CLAIMS, _CLAIMS.c.item == _ITEMS.c.id).where(_CLAIMS.c.notice == notice_id)
        )
        with self._db.begin() as con:
            return [_item(r) for r in con.execute(asked.order_by(_ITEMS.c.id)).mappings()]

    def open_claims(self) -> set[tuple[int, int, int]]:
        """(item, episode, round) that some notice tells, has told or may have told."""
        with self._db.begin() as con:
            return {(r.item, r.episode, r.round) for r in con.execute(select(_CLAIMS))}


def _see(con: Connection, channel: str, one: Seen, actor: str, at: datetime) -> bool:
    same = (
        (_ITEMS.c.operator == one.operator) & (_ITEMS.c.channel == channel) & (_ITEMS.c.kind == one.kind)
        & (_ITEMS.c.subject == one.subject)
    )  # fmt: skip
    detail = json.dumps(dict(one.detail), ensure_ascii=False, sort_keys=True)
    row = con.execute(select(_ITEMS).where(same)).mappings().first()
    first, last = naive(one.first_seen), naive(one.last_seen)
    if row is None:
        con.execute(
            insert(_ITEMS).values(
                operator=one.operator, channel=channel, kind=one.kind, subject=one.subject, network=one.network,
                state=FOUND, episode=1, round=0, first_seen=first, last_seen=last, found=at, changed=at, detail=detail,
            )
        )  # fmt: skip
        number = con.execute(select(_ITEMS.c.id).where(same)).scalar_one()
        _log(con, Step(number, 1, at, FOUND, "", actor))
        return True
    if last <= row["last_seen"]:
        return False
    values: dict[str, Any] = {"last_seen": last, "network": one.network, "detail": detail}
    if row["state"] == FIXED and last > row["changed"]:
        # Only what was seen after it was judged fixed is new: late data of before is not.
        values |= {"state": FOUND, "episode": row["episode"] + 1, "round": 0, "first_seen": first, "found": at,
                   "first_notified": None, "notified": None, "changed": at}  # fmt: skip
    con.execute(update(_ITEMS).where(_ITEMS.c.id == row["id"]).values(**values))
    if "state" in values:
        again = "seen again after it was fixed"
        _log(con, Step(row["id"], row["episode"] + 1, at, FOUND, "", actor, again))
    return "state" in values


def _told(con: Connection, notice_id: str, state: str, step: Step) -> None:
    """The items of a notice are notified at the time of `step`; or returned, when nobody got it."""
    claims = con.execute(select(_CLAIMS).where(_CLAIMS.c.notice == notice_id)).mappings().all()
    for c in claims:
        mine = (_ITEMS.c.id == c["item"]) & (_ITEMS.c.episode == c["episode"])
        values: dict[str, Any] = {"state": state, "round": c["round"], "changed": step.at}
        if state == NOTIFIED:
            values |= {"notified": step.at, "first_notified": func.coalesce(_ITEMS.c.first_notified, step.at)}
        if con.execute(update(_ITEMS).where(mine).values(**values)).rowcount:
            _log(con, replace(step, item=c["item"], episode=c["episode"]))


def _move(con: Connection, among: Sequence[str], step: Step) -> int:
    """Moves the items of a notice that are in one of `among` to the state of `step`; how many."""
    rows = con.execute(
        select(_ITEMS.c.id, _ITEMS.c.episode)
        .join(_CLAIMS, (_CLAIMS.c.item == _ITEMS.c.id) & (_CLAIMS.c.episode == _ITEMS.c.episode))
        .where((_CLAIMS.c.notice == step.notice) & _ITEMS.c.state.in_(among))
    ).all()
    for number, episode in rows:
        con.execute(update(_ITEMS).where(_ITEMS.c.id == number).values(state=step.state, changed=step.at))
        _log(con, replace(step, item=number, episode=episode))
    return len(rows)


def _log(con: Connection, step: Step) -> None:
    """Keeps a step; its time is as databases keep it."""
    con.execute(
        insert(_STEPS).values(
            item=step.item, episode=step.episode, at=step.at, state=step.state, notice=step.notice,
            actor=step.actor[:80], note=step.note[:2000],
        )
    )  # fmt: skip


def _notice(r: Any) -> NoticeRow:
    return NoticeRow(
        r["id"], r["operator"], r["channel"], r["day"], r["state"], tuple(json.loads(r["mails"])), r["message_id"],
        r["items"], utc(r["made"]), maybe(r["handed"]), maybe(r["settled"]), r["owner"] or "", r["tries"],
        r["problem"] or "", maybe(r["returned"]), maybe(r["acknowledged"]),
    )  # fmt: skip


def _item(r: Any) -> ItemRow:
    return ItemRow(
        r["id"], r["operator"], r["channel"], r["kind"], r["subject"], r["network"], r["state"], r["episode"],
        r["round"], utc(r["first_seen"]), utc(r["last_seen"]), utc(r["found"]), maybe(r["first_notified"]),
        maybe(r["notified"]), utc(r["changed"]), json.loads(r["detail"]),
    )  # fmt: skip
