"""The words of pages: `words/NAME.en.toml` and `words/NAME.ja.toml`, a pair a page; asked for as NAME.KEY."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

LANGS = ("en", "ja")
FOLDER = Path(__file__).parent / "words"


@dataclass(frozen=True)
class Words:
    """The words of one language; called with a key and what stands in its braces."""

    lang: str
    known: Mapping[str, str]

    def __call__(self, key: str, **values: Any) -> str:
        """The text of a key; KeyError when there is none. Values stand in it as they are: templates escape them."""
        text = self.known[key]
        return text.format_map(_Shown(values)) if values else text

    def n(self, key: str, n: int, **values: Any) -> str:
        """The text for a number of things: `KEY.one` for one, where the language has that, else `KEY`; {n} is written
        with its thousands separated."""
        one = f"{key}.one"
        return self(one if n == 1 and one in self.known else key, n=f"{n:,}", **values)

    def has(self, key: str) -> bool:
        """True when there is such a word."""
        return key in self.known

    def maybe(self, key: str, otherwise: str) -> str:
        """The text of a key, or another when there is none: for names that come from data."""
        return self.known.get(key, otherwise)


class _Shown(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        raise KeyError(f"a word needs {{{key}}}")


@cache
def words(lang: str) -> Words:
    """All words of a language."""
    known: dict[str, str] = {}
    for file in sorted(FOLDER.glob(f"*.{lang}.toml")):
        known |= load(file)
    return Words(lang, known)


def load(file: Path) -> dict[str, str]:
    """The words of one file, by full key."""
    page = file.name.split(".")[0]
    return dict(_flat(page, tomllib.loads(file.read_text(encoding="utf-8"))))


def _flat(prefix: str, table: dict[str, Any]) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    for key, value in table.items():
        name = f"{prefix}.{key}"
        out += _flat(name, value) if isinstance(value, dict) else [(name, str(value))]
    return out


def choose(asked: str, kept: str, accepted: str) -> str:
    """The language of an answer: as asked in the URL, else as kept in the cookie, else as the browser prefers."""
    for word in (asked, kept):
        if word in LANGS:
            return word
    best, found = 0.0, "en"
    for part in accepted[:200].split(","):
        tag, _, weight = part.partition(";")
        lang = tag.strip().lower().split("-")[0]
        try:
            q = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            q = 0.0
        if lang in LANGS and q > best:
            best, found = q, lang
    return found
