"""TAXII 2.1: the objects of a collection that are new since the last time, page by page.

Source: OASIS, TAXII Version 2.1 (2021-06-10). `next` is followed with the filters it was given for; a server that says
`more` without `next` is asked again from the date it gave last; one that does not move on is left.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from noroshi.share.pull.http import Answer, Client, PullError

MEDIA: Final = "application/taxii+json;version=2.1"
_JSON: Final = frozenset({"application/taxii+json", "application/json", "application/stix+json",
                          "application/vnd.oasis.taxii+json", "application/vnd.oasis.stix+json"})  # fmt: skip
"""Types an envelope comes as; old and careless servers say the latter ones."""
LIMIT: Final = 1_000
"""Objects asked for at once; servers may give fewer."""
PAGES: Final = 10_000
"""Pages of one time: what is left is read the next time."""
COLLECTIONS: Final = 1_000
"""Collections and API roots of a server that are looked at."""
ANSWER: Final = 1 << 20
"""Bytes of an answer that holds no objects."""
_TOKEN: Final = 4096
_EMPTY: Final = 3
"""Empty pages one after another that still say `more`: a server that does not move on."""
_FUTURE: Final = timedelta(days=1)
"""A date_added further ahead is not believed: nothing new would ever come again."""
_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?(Z|[+-]\d\d:\d\d)")
_NAMESPACE: Final = uuid.UUID("4c7b7fd2-0e6a-5b7e-8a55-70756c6c6564")


@dataclass(frozen=True)
class Mark:
    """Up to where a collection has been read."""

    added_after: str = ""
    """The date everything up to which is stored."""
    next: str = ""
    """Token of the page to go on with, in a sweep that was not finished."""
    last: str = ""
    """The newest date of that sweep."""

    @classmethod
    def of(cls, kept: object) -> Mark:
        """The mark as kept in the state; of anything else, the beginning."""
        if not isinstance(kept, Mapping):
            return cls()
        texts = {k: v for k in ("added_after", "next", "last") if isinstance(v := kept.get(k), str)}
        return cls(
            _stamp(texts.get("added_after", "")),
            texts.get("next", "")[:_TOKEN],
            _stamp(texts.get("last", "")),
        )

    def kept(self) -> dict[str, str]:
        """As the state keeps it."""
        return {"added_after": self.added_after, "next": self.next, "last": self.last}


@dataclass(frozen=True)
class Collection:
    """A collection that may be read."""

    id: str
    title: str
    url: str


@dataclass(frozen=True)
class Page:
    """Objects of a collection, ready to be stored, and the mark to be kept afterwards."""

    bundle: bytes
    """A STIX bundle; empty when the page held nothing."""
    objects: int
    mark: Mark
    problem: str = ""
    """Why the sweep ends here although the server said there was more."""


class _Envelope(msgspec.Struct, gc=False):
    more: bool = False
    next: str | None = None
    objects: list[msgspec.Raw] = []


class _Listed(msgspec.Struct, gc=False):
    id: str = ""
    title: str = ""
    alias: str | None = None
    can_read: bool = True


class _Collections(msgspec.Struct, gc=False):
    collections: list[_Listed] = []


class _Discovery(msgspec.Struct, gc=False):
    api_roots: list[str] | None = None
    default: str | None = None


def collections(client: Client, wanted: tuple[str, ...] = ()) -> list[Collection]:
    """The readable collections behind the client's address: of a server, an API root, or the one it names.

    wanted: ids, titles or aliases; all when empty. Raises PullError, also for one that is not there.
    """
    base = str(client.base.copy_with(query=None, fragment=None)).rstrip("/")
    named = re.fullmatch(r"(.*/collections/([^/]{1,200}))(?:/objects)?", base)
    if named:
        return [Collection(named[2], "", named[1] + "/")]
    if base.endswith("/collections"):
        found = list(_listed(client, base[: -len("collections")]))
    else:
        found = []
        for root in _roots(client, base + "/"):
            found += _listed(client, root)
    unique = {c.url: c for c in found}
    if not wanted:
        return list(unique.values())
    chosen = {c.url: c for c in unique.values() if {c.id, c.title} & set(wanted)}
    missing = [w for w in wanted if not any(w in (c.id, c.title) for c in chosen.values())]
    if missing:
        raise PullError(
            f"has no collection {missing[0][:100]!r} that may be read", where=base,
            todo=f"It has: {', '.join(sorted(c.title[:60] or c.id for c in unique.values())[:20]) or 'none'}.",
        )  # fmt: skip
    return list(chosen.values())


def _roots(client: Client, url: str) -> list[str]:
    """The API roots of a discovery document; the address itself when it is an API root."""
    answer = client.get(url, MEDIA, most=ANSWER)
    found = _decoded(answer, _Discovery)
    if found.api_roots is None and found.default is None:
        return [url]
    roots = [
        client.joined(r).rstrip("/") + "/" for r in (found.api_roots or [found.default or url])[:COLLECTIONS]
    ]
    return list(dict.fromkeys(roots))


def _listed(client: Client, root: str) -> Iterator[Collection]:
    answer = client.get(f"{root}collections/", MEDIA, most=client.limits.answer)
    for one in _decoded(answer, _Collections).collections[:COLLECTIONS]:
        if one.can_read and re.fullmatch(r"[A-Za-z0-9._~-]{1,200}", one.id) and one.id.strip("."):
            yield Collection(one.id, (one.title or one.alias or "")[:200], f"{root}collections/{one.id}/")


def pages(
    client: Client, collection: Collection, mark: Mark, now: datetime, pages_at_most: int = PAGES
) -> Iterator[Page]:
    """What was added since `mark`, oldest first; every page with the mark to keep once it is stored.

    The last page's mark ends the sweep, unless a bound was met: then the next time goes on from there.
    Raises PullError; what was given before that holds.
    """
    sweep = _Sweep(client, collection, mark, now)
    for number in range(1, pages_at_most + 1):
        page, more = sweep.page()
        yield page
        if not more:
            return
        if number == pages_at_most:
            yield Page(b"", 0, page.mark, f"has more than {number:,} pages; the rest is read the next time")


class _Sweep:
    def __init__(self, client: Client, collection: Collection, mark: Mark, now: datetime) -> None:
        self.client, self.collection, self.mark = client, collection, mark
        self.latest = now + _FUTURE
        self.seen: set[bytes] = set()
        self.empty = 0
        self.resumed = bool(mark.next)

    def page(self) -> tuple[Page, bool]:
        """(the next page, True when there is another)."""
        answer = self._ask()
        found = _decoded(answer, _Envelope)
        objects = [o for o in map(bytes, found.objects) if o.startswith(b"{")]
        digest = hashlib.sha256(b",".join(objects)).digest()
        again = bool(objects) and digest in self.seen
        self.seen.add(digest)
        problem = "gives the same page again" if again and found.more else self._problem(found)
        if again:
            objects = []
        last = max(self.mark.last, self._last(answer, objects), key=moment)
        more = found.more and not problem
        token = (found.next or "") if more else ""
        if more and not token:
            # No token: on from the newest date. What shares that very date with the page's last is given again or
            # not at all, which is why servers should give tokens.
            if moment(last) <= moment(self.mark.added_after):
                problem, more = "says there is more, but neither gives `next` nor moves on in time", False
            self.mark = Mark(last)
        elif more:
            self.mark = replace(self.mark, next=token, last=last)
        elif problem:
            # What a server that does not move on has given may not be all: the next time begins where this one did.
            self.mark = Mark(self.mark.added_after)
        else:
            self.mark = Mark(max(self.mark.added_after, last, key=moment))
        return Page(self._bundle(objects), len(objects), self.mark, problem), more

    def _ask(self) -> Answer:
        try:
            return self._get(self.mark)
        except PullError as e:
            if not self.resumed or not 400 <= e.status < 500 or e.status in (401, 403, 408, 429):
                raise
            # The token of the last time no longer holds: the sweep begins again; what is known is not stored twice.
            self.mark = Mark(self.mark.added_after)
            return self._get(self.mark)
        finally:
            self.resumed = False

    def _get(self, mark: Mark) -> Answer:
        params = (("added_after", mark.added_after), ("limit", str(LIMIT)), ("next", mark.next))
        return self.client.get(f"{self.collection.url}objects/", MEDIA, params)

    def _problem(self, found: _Envelope) -> str:
        """Why a server that says `more` is not asked again."""
        if not found.more:
            return ""
        self.empty = 0 if found.objects else self.empty + 1
        if found.next and (len(found.next) > _TOKEN or not found.next.isprintable()):
            return "gives a `next` that is too long or not text"
        # The same token again is no sign: the reference server's stands for a cursor it moves itself.
        if self.empty >= _EMPTY:
            return f"says there is more, but {_EMPTY} pages in a row were empty"
        return ""

    def _last(self, answer: Answer, objects: list[bytes]) -> str:
        """The newest date_added of a page: what the header says, else the newest version that is not in the future.

        An object cannot be added before it was made, so that none is missed by the second; some come again.
        """
        given = _stamp(answer.headers.get("x-taxii-date-added-last", "").strip())
        if given and moment(given) <= self.latest:
            return given
        newest = ""
        for one in objects:
            try:
                version = msgspec.json.decode(one, type=_Version)
            except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
                continue
            stamp = _stamp(version.modified or "")
            if stamp and moment(newest) < moment(stamp) <= self.latest - _FUTURE:
                newest = stamp
        return newest

    def _bundle(self, objects: list[bytes]) -> bytes:
        """The objects as a bundle, whose id is made of them: the same page is known when it comes again."""
        if not objects:
            return b""
        body = b",".join(objects)
        name = f"{self.collection.url}\0{hashlib.sha256(body).hexdigest()}"
        return b'{"type":"bundle","id":"bundle--%b","objects":[%b]}' % (
            str(uuid.uuid5(_NAMESPACE, name)).encode(), body,
        )  # fmt: skip


class _Version(msgspec.Struct, gc=False):
    modified: str | None = None


def _decoded(answer: Answer, kind: type[Any]) -> Any:
    if answer.media not in _JSON:
        raise PullError(
            f"answers with {answer.media[:60] or 'no media type'}, not with {MEDIA}", where=answer.url[:300],
            todo="Check that the address is that of a TAXII 2.1 server.",
        )  # fmt: skip
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as e:
        raise PullError(f"answers with what is not TAXII 2.1 ({str(e)[:200]})", where=answer.url[:300]) from e


def _stamp(text: str) -> str:
    """The text when it is a timestamp of the standard, else nothing."""
    if not _STAMP.fullmatch(text):
        return ""
    try:
        moment(text)
    except ValueError:
        return ""
    return text


def moment(stamp: str) -> datetime:
    """The time of a timestamp; long ago for an empty one."""
    if not stamp:
        return datetime(1, 1, 1, tzinfo=UTC)
    found = re.sub(r"(\.\d{6})\d+", r"\1", stamp)
    return datetime.fromisoformat(found).astimezone(UTC)
