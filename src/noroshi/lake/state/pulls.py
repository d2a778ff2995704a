"""What was pulled from others' servers: up to where, when it is tried again, and what went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Integer,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from noroshi.lake.state.database import META, Database, maybe, naive, now, was_there
from noroshi.model.errors import LakeError

_PULLS = Table(
    "pulls", META,
    Column("name", String(200), primary_key=True), Column("url", Text, nullable=False),
    Column("kind", String(16), nullable=False), Column("mark", Text, nullable=False, default="{}"),
    Column("tries", Integer, nullable=False, default=0), Column("next_try", DateTime), Column("last_try", DateTime),
    Column("last_ok", DateTime), Column("problem", Text, nullable=False, default=""),
    Column("objects", BigInteger, nullable=False, default=0),
)  # fmt: skip
_ITEMS = Table(
    "pull_items", META,
    Column("name", String(200), primary_key=True), Column("item", String(64), primary_key=True),
    Column("stamp", String(32), nullable=False),
)  # fmt: skip


@dataclass(frozen=True)
class PullState:
    """What is known of one server or feed."""

    name: str
    url: str
    kind: str
    """taxii or misp-feed."""
    mark: Mapping[str, Any] = field(default_factory=dict)
    """Up to where it has been read, in the words of its kind."""
    tries: int = 0
    """Failures since it last went well."""
    next_try: datetime | None = None
    """Not before this time, after failures."""
    last_try: datetime | None = None
    last_ok: datetime | None = None
    problem: str = ""
    objects: int = 0
    """Objects or events taken in since the first time."""


class Pulls:
    """The servers and feeds of a lake."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[PullState]:
        """All, by name."""
        with self._db.begin() as con:
            return [_state(r) for r in con.execute(select(_PULLS).order_by(_PULLS.c.name)).mappings()]

    def begin(self, name: str, url: str, kind: str) -> PullState:
        """What is known of it; of another URL or kind under the same name nothing is, and it begins anew."""
        same = _PULLS.c.name == name
        with self._db.begin() as con:
            row = con.execute(select(_PULLS).where(same)).mappings().first()
            if row is not None and (row["url"], row["kind"]) != (url, kind):
                con.execute(delete(_PULLS).where(same))
                con.execute(delete(_ITEMS).where(_ITEMS.c.name == name))
                row = None
            if row is not None:
                return _state(row)
        try:
            with self._db.begin() as con:
                con.execute(insert(_PULLS).values(name=name, url=url, kind=kind))
        except LakeError as e:
            if not was_there(e):
                raise
        return PullState(name, url, kind)

    def stored(self, name: str, mark: Mapping[str, Any], objects: int) -> None:
        """Keeps up to where everything has been stored; to be called after it has been."""
        values = {"mark": json.dumps(mark, sort_keys=True), "objects": _PULLS.c.objects + objects}
        with self._db.begin() as con:
            con.execute(update(_PULLS).where(_PULLS.c.name == name).values(**values))

    def ended(self, name: str, problem: str = "", next_try: datetime | None = None) -> None:
        """Keeps how a try ended; a problem counts one more failure, none forgets them."""
        at = now()
        values: dict[str, Any] = {"last_try": at, "problem": problem[:1000], "next_try": None}
        if problem:
            values |= {"tries": _PULLS.c.tries + 1, "next_try": naive(next_try) if next_try else None}
        else:
            values |= {"tries": 0, "last_ok": at}
        with self._db.begin() as con:
            con.execute(update(_PULLS).where(_PULLS.c.name == name).values(**values))

    def items(self, name: str) -> dict[str, str]:
        """Stamp by item: which version of each has been stored."""
        asked = select(_ITEMS.c.item, _ITEMS.c.stamp).where(_ITEMS.c.name == name)
        with self._db.begin() as con:
            return {r.item: r.stamp for r in con.execute(asked)}

    def took(self, name: str, items: Iterable[tuple[str, str]]) -> None:
        """Keeps the versions of items that have been stored."""
        given = dict(items)
        with self._db.begin() as con:
            for item, stamp in given.items():
                same = (_ITEMS.c.name == name) & (_ITEMS.c.item == item)
                if not con.execute(update(_ITEMS).where(same).values(stamp=stamp)).rowcount:
                    con.execute(insert(_ITEMS).values(name=name, item=item, stamp=stamp))

    def forget(self, name: str) -> bool:
        """Forgets all of it, so that it is read from the beginning; false when nothing was known."""
        with self._db.begin() as con:
            con.execute(delete(_ITEMS).where(_ITEMS.c.name == name))
            return con.execute(delete(_PULLS).where(_PULLS.c.name == name)).rowcount > 0


def _state(row: Any) -> PullState:
    try:
        mark = json.loads(row["mark"])
    except ValueError:  # from a hand: what is not understood is read again
        mark = {}
    return PullState(
        row["name"], row["url"], row["kind"], mark if isinstance(mark, dict) else {}, row["tries"],
        maybe(row["next_try"]), maybe(row["last_try"]), maybe(row["last_ok"]), row["problem"], row["objects"],
    )  # fmt: skip
