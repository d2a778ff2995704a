"""What a request asks for: `added_after`, `limit`, `next` and `match[...]`, read within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from noroshi.model.errors import UsageError
from noroshi.share.taxii import times

PAGE: Final = 1_000
"""Objects of a page, unless fewer are asked for: what clients ask for without being told."""
LARGEST: Final = 2_000
"""The most objects of a page; more are asked for with `next`."""
IDS, TYPES, VERSIONS, SPECS = 100, 50, 20, 10
"""Values a filter may list: each costs a range of an index, and a page must stay within 50 ms."""
LENGTH: Final = 300
"""Characters of a value: a STIX id has at most 250 for its type and 38 more."""
FIRST, LAST, ALL = "first", "last", "all"
_DIGITS: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
_KNOWN: Final = (
    "added_after",
    "limit",
    "next",
    "match[id]",
    "match[type]",
    "match[version]",
    "match[spec_version]",
)


@dataclass(frozen=True)
class Filters:
    """A question to a collection. Empty tuples mean what the standard says of a filter that is not given."""

    after: int | None = None
    """Only what was added after these microseconds since 1970."""
    limit: int = PAGE
    next: str = ""
    ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    specs: tuple[str, ...] = ()
    """Spec versions; empty: of each object the newest."""
    words: frozenset[str] = frozenset((LAST,))
    """Of `first`, `last` and `all`."""
    moments: tuple[int, ...] = ()
    """Versions by their time, in microseconds since 1970."""

    def within(
        self, *, ids: tuple[str, ...] | None = None, types: bool = True, versions: bool = True
    ) -> Filters:
        """The same at an endpoint that knows fewer filters: those of one object, or of its versions."""
        out = self if ids is None else replace(self, ids=ids)
        out = out if types else replace(out, types=())
        return out if versions else replace(out, words=frozenset((ALL,)), moments=())

    def matches(self) -> list[object]:
        """What `next` is bound to: everything but where to begin and how many."""
        return [
            sorted(self.ids),
            sorted(self.types),
            sorted(self.specs),
            sorted(self.words),
            sorted(self.moments),
        ]


def parse(pairs: Iterable[tuple[str, str]]) -> Filters:
    """The filters among the pairs of a query string; parameters we do not know are not looked at.

    Raises UsageError for a parameter given twice, a value that is none, or more values than are looked for.
    """
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in _KNOWN:
            if name in given:
                raise UsageError(
                    f"{name} is given twice", todo="Give it once; match[...] takes a list with commas."
                )
            given[name] = value
    words, moments = _versions(given.get("match[version]", ""))
    return Filters(
        _after(given.get("added_after")), _limit(given.get("limit")), _next(given.get("next")),
        _list(given, "match[id]", IDS), _list(given, "match[type]", TYPES), _list(given, "match[spec_version]", SPECS),
        words, moments,
    )  # fmt: skip


def _list(given: dict[str, str], name: str, most: int) -> tuple[str, ...]:
    text = given.get(name, "")
    if len(text) > most * (LENGTH + 2):
        raise UsageError(
            f"{name} is longer than {most} values can be", todo=f"Ask for at most {most} at once."
        )
    values = dict.fromkeys(v.strip() for v in text.split(",") if v.strip())
    if len(values) > most:
        raise UsageError(f"{name} lists {len(values)} values", todo=f"Ask for at most {most} at once.")
    if any(len(v) > LENGTH for v in values):
        raise UsageError(
            f"{name} has a value of more than {LENGTH} characters", todo="No object has such a one."
        )
    return tuple(values)


def _versions(text: str) -> tuple[frozenset[str], tuple[int, ...]]:
    values = _list({"match[version]": text}, "match[version]", VERSIONS)
    if not values:
        return frozenset((LAST,)), ()
    words, moments = set(), []
    for value in values:
        if value in (FIRST, LAST, ALL):
            words.add(value)
        elif (at := times.parse(value)) is not None:
            moments.append(at[0])
        else:
            raise UsageError(
                "match[version] has a value that is no version", todo="Write first, last, all or a timestamp."
            )
    return frozenset(words), tuple(dict.fromkeys(moments))


def _after(text: str | None) -> int | None:
    if not text:
        return None
    at = times.parse(text.strip())
    if at is None:
        raise UsageError("added_after is no timestamp", todo="Write it in UTC: 2026-01-31T12:00:00.000000Z.")
    return at[0]


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE
    if not _DIGITS.fullmatch(text) or int(text) == 0:
        raise UsageError("limit is no number above zero", todo=f"Ask for 1 to {LARGEST} objects.")
    return min(int(text), LARGEST)


def _next(text: str | None) -> str:
    if text is None:
        return ""
    if not text or len(text) > 100:
        raise UsageError("next is none of ours", todo="Send it as it was given, or begin again without it.")
    return text
