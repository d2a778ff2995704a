"""Cursors: where the next page begins, sealed, so that nobody can make one up, read one, or use another's."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from fastapi import Query

from noroshi.model.errors import UsageError
from noroshi.web.viewer import Visit

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

T = TypeVar("T")
MOST = 1000
USUAL = 100
_NOT_THE_QUESTION = ("cursor", "limit", "format", "lang", "theme")

Limit = Query(USUAL, ge=1, le=MOST, description=f"At most so many; {MOST} is the most.")
CursorParam = Query(
    "", max_length=2000, description="`next` of the page before; the question must be the same."
)


def make(visit: Visit, position: Sequence[Any]) -> str:
    """A cursor for the row after `position` (JSON types) of this question."""
    body = msgspec.json.encode(list(position))
    return base64.urlsafe_b64encode(_cipher(visit).encrypt(body, [question(visit)])).decode().rstrip("=")


def read(visit: Visit, cursor: str) -> list[Any] | None:
    """The position in a cursor; None for no cursor. Raises UsageError for one we did not make for this question."""
    if not cursor:
        return None
    wrong = UsageError("this cursor was not made for this question", where="cursor",
                       todo="Begin again without one.")  # fmt: skip
    from cryptography.exceptions import InvalidTag

    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        return list(msgspec.json.decode(_cipher(visit).decrypt(raw, [question(visit)])))
    except (ValueError, UnicodeError, InvalidTag):
        raise wrong from None


def cut(
    visit: Visit, rows: Sequence[T], key: Callable[[T], Sequence[Any]], cursor: str, limit: int
) -> tuple[Sequence[T], str]:
    """(one page of rows ordered ascending by `key`, the cursor of the next or nothing); key: JSON types."""
    import bisect

    after = read(visit, cursor)
    start = bisect.bisect_right(rows, after, key=lambda r: list(key(r))) if after is not None else 0
    page = rows[start : start + limit]
    more = start + limit < len(rows)
    return page, make(visit, key(page[-1])) if more and page else ""


def question(visit: Visit) -> bytes:
    """What is asked, without what only says how it is shown; cursors hold for one question."""
    words = visit.request.query_params.multi_items()
    asked = sorted((k, v) for k, v in words if k not in _NOT_THE_QUESTION)
    return msgspec.json.encode([visit.request.url.path, visit.viewer.recipient.name, asked])


def _cipher(visit: Visit) -> AESSIV:
    """Sealed, not only signed: where a page ends may be a row's place in a source. AES-SIV (RFC 5297) gives the same
    cursor for the same position, so that the same page has the same bytes."""
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(hashlib.sha512(b"cursor\0" + visit.tower.key).digest())
