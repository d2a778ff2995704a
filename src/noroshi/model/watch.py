"""A watch: a value somebody wants to hear of when it appears in the lake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from noroshi.model.errors import UsageError
from noroshi.model.observable import CANONICAL, canonical, guesses

KEYWORD = "keyword"
MIN_KEYWORD = 3
"""A shorter keyword stands in nearly every text."""


@dataclass(frozen=True)
class Watch:
    """What is watched, by whom it was wanted, and up to which moment it was looked for."""

    id: int
    kind: str
    """A kind of observable, or `keyword`."""
    value: str
    """Canonical value; a keyword in lower case."""
    note: str = ""
    added: datetime | None = None
    checked: datetime | None = None
    """The newest run that was looked at; None before the first check."""


def parse(text: str, kind: str = "") -> tuple[str, str]:
    """(kind, canonical value) to watch for; what is no observable is a keyword. Raises UsageError.

    A bare AS number or hash is guessed as `pivot` guesses; say `kind` when several fit.
    """
    if kind and kind != KEYWORD:
        return kind, canonical(kind, text)
    # Names of malware and actors are any text: a word without a kind is a keyword.
    named = [g for g in guesses(text) if g[0] not in ("malware", "actor")] if not kind else []
    if named:
        return named[0]
    word = " ".join(text.lower().split())
    if len(word) < MIN_KEYWORD or len(word) > 200:
        raise UsageError(
            f"{text[:200]!r} is no value Noroshi knows and no keyword",
            todo=f"A keyword has {MIN_KEYWORD} to 200 characters; kinds: {', '.join(CANONICAL)}.",
        )
    return KEYWORD, word
