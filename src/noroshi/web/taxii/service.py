"""What each endpoint answers, for one recipient: collections, pages of objects, manifests, versions, posts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from noroshi.model.errors import UsageError
from noroshi.share.taxii import collections, filters, inbox, schema, store, times
from noroshi.share.taxii.filters import Filters
from noroshi.share.taxii.paging import Signer
from noroshi.web.taxii.answers import MEDIA, Answer, Refused, resource
from noroshi.work.gate import recipient
from noroshi.work.published import Freshness

if TYPE_CHECKING:
    import sqlite3

    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import State
    from noroshi.share.marking import Recipient
    from noroshi.share.taxii.collections import Collection
    from noroshi.share.taxii.store import Page

ROOT: Final = "shared"
"""The one API root."""


@dataclass(frozen=True)
class Asked:
    """One request of a known recipient."""

    to: Recipient
    path: list[str]
    query: list[tuple[str, str]]
    mount: str


class Service:
    """Answers from the logs of a lake. Safe to share between threads."""

    def __init__(self, lake: Lake, config: Config, state: State) -> None:
        self.lake, self.config, self.state = lake, config, state
        self.fresh = Freshness(lake, config, state)

    def recipient(self, secret: str) -> Recipient | None:
        """Whose key that is; None for nobody's."""
        token = self.state.tokens.verify(secret) if secret else None
        if token is None or token.owner_kind != "recipient":
            return None
        try:
            return recipient(token.owner, self.state)
        except UsageError:  # taken away meanwhile
            return None

    # Endpoints --------------------------------------------------------------------------------------------
    def get(self, asked: Asked) -> Answer:
        """The resource that stands at a path. Raises Refused."""
        match asked.path:
            case []:
                root = f"{asked.mount}/{ROOT}/"
                return resource({
                    "title": "Noroshi", "description": "What this site has found and may tell you.",
                    "default": root, "api_roots": [root],
                })  # fmt: skip
            case [root] if root == ROOT:
                return resource({"title": "Shared", "versions": [MEDIA], "max_content_length": inbox.BYTES})
            case [root, "collections"] if root == ROOT:
                return resource({"collections": [c.describe() for c in self._collections(asked.to)]})
            case [root, "status", status] if root == ROOT:
                return self._status(asked.to, status)
            case [root, "collections", named] if root == ROOT:
                return resource(self._collection(asked.to, named).describe())
            case [root, "collections", named, *rest] if root == ROOT:
                return self._read(asked, self._collection(asked.to, named), rest)
        raise _nothing()

    def may_post(self, asked: Asked) -> Collection:
        """The collection a POST goes to. Raises Refused."""
        match asked.path:
            case [root, "collections", named, "objects"] if root == ROOT:
                collection = self._collection(asked.to, named)
                if not collection.writes:
                    raise Refused(403, "You may not write to this collection.")
                return collection
        raise self._other(asked)

    def post(self, asked: Asked, collection: Collection, body: bytes) -> Answer:
        """Takes objects in; the status resource."""
        objects = inbox.envelope(body)
        now = times.micros(datetime.now(UTC))
        with schema.writing(collection.path(self.lake.path), durable=True) as con:
            status = inbox.receive(con, objects, now)
            self._tell(
                asked.to, "receive", status["success_count"], collection=collection.sort, post=status["id"]
            )
        return resource(status, 202)

    def delete(self, asked: Asked) -> Answer:
        """Deletes versions of an object they have written themselves; the newest unless they say others."""
        match asked.path:
            case [root, "collections", named, "objects", object_id] if root == ROOT:
                collection = self._collection(asked.to, named)
                if not collection.writes:
                    raise Refused(403, "You may delete only what you have written.")
                asked_for = filters.parse(asked.query).within(ids=(_id(object_id),), types=False)
                with schema.writing(collection.path(self.lake.path), durable=True) as con:
                    gone = inbox.delete(con, object_id, asked_for)
                    if not gone:
                        raise Refused(404, "There is no such object, or no such version of it.")
                    self._tell(asked.to, "delete", gone, collection=collection.sort, object=object_id)
                return Answer()
        raise self._other(asked)

    # Reading ----------------------------------------------------------------------------------------------
    def _read(self, asked: Asked, collection: Collection, rest: Sequence[str]) -> Answer:
        given = filters.parse(asked.query)
        place, single = _place(rest)
        if single is not None:
            given = given.within(ids=(single,), types=False, versions=place != "versions")
        signer = Signer.of(self.lake.keys)
        after = signer.read(asked.to.name, collection.id, place, given)
        if not self.fresh.holds(asked.to, collection):
            raise Refused(503, "This collection is being made anew for you.", retry_after="300")
        with schema.reading(collection.path(self.lake.path)) as con:
            if single is not None and (con is None or not store.holds(con, single)):
                raise Refused(404, "There is no such object.")
            if con is None:
                return Answer(store.envelope("objects", [], None))
            found = store.page(con, given, after)
            items, seqs = _items(con, place, found)
        more = found.more or len(seqs) < len(found.seqs)
        next_ = signer.sign(seqs[-1], asked.to.name, collection.id, place, given) if more else None
        if place == "objects" and items:
            self._tell(asked.to, "export", len(items), format="taxii", collection=collection.sort)
        body = store.envelope("versions" if place == "versions" else "objects", items, next_)
        return Answer(body, headers=_dates(seqs))

    def _status(self, to: Recipient, named: str) -> Answer:
        for collection in self._collections(to):
            if collection.writes:
                with schema.reading(collection.path(self.lake.path)) as con:
                    found = inbox.status(con, named) if con else None
                if found:
                    return Answer(found)
        raise _nothing()

    def _collections(self, to: Recipient) -> list[Collection]:
        return collections.of(to, self.lake.keys)

    def _collection(self, to: Recipient, named: str) -> Collection:
        found = collections.find(self._collections(to), named)
        if found is None:
            raise Refused(404, "There is no such collection.")
        return found

    def _tell(self, to: Recipient, action: str, count: int, **detail: str) -> None:
        self.state.audit.tell(f"recipient:{to.name}", action, recipient=to.name, count=count, **detail)

    def _other(self, asked: Asked) -> Refused:
        """Why a path takes no such method: there is none, or it is only read."""
        match asked.path:
            case [root, "collections", named, *rest] if root == ROOT:
                self._collection(asked.to, named)
                if rest:
                    _place(rest)
            case [] | ["shared"] | ["shared", "collections"]:
                pass
            case _:
                return _nothing()
        return Refused(405, "This is only read.", allow="GET, HEAD")


def _place(rest: Sequence[str]) -> tuple[str, str | None]:
    """(what is read, of which object alone). Raises Refused for what is nothing."""
    match rest:
        case ["objects" | "manifest" as place]:
            return place, None
        case ["objects", object_id]:
            return "objects", _id(object_id)
        case ["objects", object_id, "versions"]:
            return "versions", _id(object_id)
    raise _nothing()


def _id(text: str) -> str:
    if not text or len(text) > filters.LENGTH:
        raise Refused(404, "There is no such object.")
    return text


def _items(con: sqlite3.Connection, place: str, found: Page) -> tuple[list[bytes], tuple[int, ...]]:
    """(what is sent, the times it was added)."""
    if place == "objects":
        bodies = store.bodies(con, found.seqs)
        return bodies, found.seqs[: len(bodies)]
    rows = store.rows(con, found.seqs)
    if place == "manifest":
        return store.encoded(store.manifest(rows)), found.seqs
    return store.encoded(r.said for r in rows), found.seqs


def _dates(seqs: Sequence[int]) -> dict[str, str]:
    """The times of the first and last object of a page."""
    if not seqs:
        return {}
    return {"X-TAXII-Date-Added-First": times.text(seqs[0]), "X-TAXII-Date-Added-Last": times.text(seqs[-1])}


def _nothing() -> Refused:
    return Refused(404, "There is nothing here.")


__all__ = ["Asked", "Filters", "Service"]
