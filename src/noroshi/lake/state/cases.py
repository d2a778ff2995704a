"""Cases: findings and values people work on together, with comments, an assignee and a state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    Integer,
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

from noroshi.lake.state.database import META, Database, maybe, now, utc, was_there
from noroshi.model.case import STATES
from noroshi.model.errors import LakeError, UsageError

TITLE, TEXT = 300, 20_000
"""Characters of a title and of a comment."""

_CASES = Table(
    "cases", META,
    Column("id", Integer, primary_key=True), Column("title", Text, nullable=False),
    Column("state", String(16), nullable=False), Column("assignee", String(64), nullable=False, default=""),
    Column("tlp", String(16), nullable=False), Column("opened", DateTime, nullable=False),
    Column("opened_by", String(80), nullable=False), Column("changed", DateTime, nullable=False, index=True),
    Column("closed", DateTime),
)  # fmt: skip
_ITEMS = Table(
    "case_items", META,
    Column("id", Integer, primary_key=True), Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("kind", String(32), nullable=False), Column("value", String(400), nullable=False),
    Column("added", DateTime, nullable=False), Column("added_by", String(80), nullable=False),
    UniqueConstraint("case_id", "kind", "value"),
)  # fmt: skip
_COMMENTS = Table(
    "case_comments", META,
    Column("id", Integer, primary_key=True), Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("at", DateTime, nullable=False), Column("who", String(80), nullable=False),
    Column("text", Text, nullable=False),
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """What a case is about: a finding (kind `finding`, value its id) or an observable."""

    kind: str
    value: str
    added: datetime
    added_by: str


@dataclass(frozen=True)
class Comment:
    """Words of somebody; also what changed, which the program writes."""

    id: int
    at: datetime
    who: str
    text: str


@dataclass(frozen=True)
class Case:
    """A case without its items and comments."""

    id: int
    title: str
    state: str
    assignee: str
    tlp: str
    """The strictest marking of what was put into it."""
    opened: datetime
    opened_by: str
    changed: datetime
    closed: datetime | None = None
    items: int = 0


class Cases:
    """The cases of a lake."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def open(self, title: str, who: str, tlp: str) -> Case:
        """A new case."""
        at = now()
        values = {"title": _bounded(title, TITLE), "state": "open", "assignee": "", "tlp": tlp, "opened": at,
                  "opened_by": who, "changed": at}  # fmt: skip
        with self._db.begin() as con:
            (key,) = con.execute(insert(_CASES).values(**values)).inserted_primary_key or (0,)
        return self.get(int(key))

    def get(self, case_id: int) -> Case:
        """The case of that number; UsageError when there is none."""
        with self._db.begin() as con:
            row = con.execute(_asked().where(_CASES.c.id == case_id)).mappings().first()
        if row is None:
            raise UsageError(f"there is no case {case_id}", todo="`noroshi case list` shows them.")
        return _case(row)

    def all(
        self, *, state: str = "", assignee: str = "", before: int | None = None, limit: int = 100
    ) -> list[Case]:
        """Cases, the newest first; before: only with a smaller number, to page on. state `active`: all but closed."""
        asked = _asked().order_by(_CASES.c.id.desc()).limit(limit)
        if state == "active":
            asked = asked.where(_CASES.c.state != "closed")
        elif state:
            asked = asked.where(_CASES.c.state == state)
        if assignee:
            asked = asked.where(_CASES.c.assignee == assignee)
        if before is not None:
            asked = asked.where(_CASES.c.id < before)
        with self._db.begin() as con:
            return [_case(r) for r in con.execute(asked).mappings()]

    def holding(self, kind: str, value: str) -> list[Case]:
        """Cases that hold an item, newest first."""
        mine = select(_ITEMS.c.case_id).where((_ITEMS.c.kind == kind) & (_ITEMS.c.value == value))
        with self._db.begin() as con:
            rows = con.execute(_asked().where(_CASES.c.id.in_(mine)).order_by(_CASES.c.id.desc())).mappings()
            return [_case(r) for r in rows]

    def items(self, case_id: int) -> list[Item]:
        """What it is about, in the order it was added."""
        with self._db.begin() as con:
            rows = con.execute(
                select(_ITEMS).where(_ITEMS.c.case_id == case_id).order_by(_ITEMS.c.id)
            ).mappings()
            return [Item(r["kind"], r["value"], utc(r["added"]), r["added_by"]) for r in rows]

    def comments(self, case_id: int) -> list[Comment]:
        """What was said, oldest first."""
        with self._db.begin() as con:
            rows = con.execute(
                select(_COMMENTS).where(_COMMENTS.c.case_id == case_id).order_by(_COMMENTS.c.id)
            ).mappings()
            return [Comment(r["id"], utc(r["at"]), r["who"], r["text"]) for r in rows]

    def add(self, case_id: int, items: Sequence[tuple[str, str]], who: str, tlp: str) -> int:
        """Puts items in; how many were new. tlp: the strictest marking the case has then."""
        self.get(case_id)
        fresh = 0
        for kind, value in items:
            try:
                with self._db.begin() as con:
                    con.execute(
                        insert(_ITEMS).values(
                            case_id=case_id, kind=kind, value=_bounded(value, 400), added=now(), added_by=who
                        )
                    )
                fresh += 1
            except LakeError as e:
                if not was_there(e):
                    raise
        self._change(case_id, tlp=tlp)
        return fresh

    def take_out(self, case_id: int, kind: str, value: str) -> None:
        """Takes an item out."""
        mine = (_ITEMS.c.case_id == case_id) & (_ITEMS.c.kind == kind) & (_ITEMS.c.value == value)
        with self._db.begin() as con:
            con.execute(delete(_ITEMS).where(mine))
        self._change(case_id)

    def comment(self, case_id: int, who: str, text: str) -> None:
        """Keeps words of somebody."""
        self.get(case_id)
        with self._db.begin() as con:
            con.execute(
                insert(_COMMENTS).values(case_id=case_id, at=now(), who=who, text=_bounded(text, TEXT))
            )
        self._change(case_id)

    def change(
        self,
        case_id: int,
        who: str,
        *,
        state: str | None = None,
        assignee: str | None = None,
        title: str | None = None,
    ) -> Case:
        """Changes what is given, and keeps in the comments that it was."""
        was = self.get(case_id)
        if state is not None and state not in STATES:
            raise UsageError(f"{state[:40]!r} is no state of a case", todo=f"One of: {', '.join(STATES)}.")
        wanted = {"state": state, "assignee": assignee and _bounded(assignee, 64, least=0), "title": title}
        wanted["title"] = _bounded(title, TITLE) if title is not None else None
        given = {k: v for k, v in wanted.items() if v is not None and v != getattr(was, k)}
        if assignee == "" and was.assignee:
            given["assignee"] = ""
        if given:
            values: dict[str, Any] = dict(given)
            if state is not None:
                values["closed"] = now() if state == "closed" else None
            self._change(case_id, **values)
            said = "; ".join(f"{k}: {getattr(was, k) or '-'} → {v or '-'}" for k, v in given.items())
            with self._db.begin() as con:
                con.execute(insert(_COMMENTS).values(case_id=case_id, at=now(), who=who, text=said))
        return self.get(case_id)

    def _change(self, case_id: int, **values: Any) -> None:
        with self._db.begin() as con:
            con.execute(update(_CASES).where(_CASES.c.id == case_id).values(changed=now(), **values))


def _asked() -> Any:
    number = select(func.count()).where(_ITEMS.c.case_id == _CASES.c.id).scalar_subquery()
    return select(_CASES, number.label("items"))


def _bounded(text: str, most: int, least: int = 1) -> str:
    said = text.strip()
    if not least <= len(said) <= most:
        raise UsageError(f"a text of {len(said):,} characters", todo=f"Write {least} to {most:,}.")
    return said


def _case(row: Any) -> Case:
    return Case(
        row["id"], row["title"], row["state"], row["assignee"], row["tlp"], utc(row["opened"]), row["opened_by"],
        utc(row["changed"]), maybe(row["closed"]), row["items"],
    )  # fmt: skip
