"""STIX patterns: the values an observation is compared with, each with its object path and whether it is negated.

Reads the whole language of STIX 2.0 and 2.1 (section 9): observations joined by AND, OR and FOLLOWEDBY with their
qualifiers, comparisons joined by AND and OR, all operators, all literals. Loops and one explicit stack instead of
recursion, so that ten thousand parentheses cost nothing but an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from noroshi.model.errors import UsageError

LONGEST: Final = 256 << 10
"""Characters of a pattern that are read; the longest of the corpora has 20,000."""
NESTING: Final = 64
"""Parentheses within each other."""
VALUES: Final = 10_000
"""Comparisons of one pattern."""

_SIMPLE = re.compile(r"\s*\[\s*([a-z0-9-]+:[A-Za-z0-9_.]+(?:'[A-Za-z0-9-]+')?)\s*=\s*'([^'\\\]]*)'\s*\]\s*")
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*')
    |(?P<typed>[bht]'(?:[^'\\]|\\.)*')
    |(?P<path>[A-Za-z0-9-]+:[A-Za-z0-9_-]*(?:'(?:[^'\\]|\\.)*')?
        (?:\.(?:[A-Za-z0-9_-]+|'(?:[^'\\]|\\.)*')|\[(?:\d+|\*|-\d+)\])*)
    |(?P<number>[+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?(?![A-Za-z_]))
    |(?P<word>[A-Za-z_]+)
    |(?P<sign>==|!=|<>|<=|>=|[=<>\[\]()&,]))""",
    re.X | re.S,
)
_SPACE = re.compile(r"(?:\s+|/\*.*?\*/|//[^\n]*)*", re.S)
_COMPARES = {"=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<", ">": "<", ">=": "<", "IN": "IN",
             "LIKE": "LIKE", "MATCHES": "MATCHES", "ISSUBSET": "SUBNET", "ISSUPERSET": "SUBNET"}  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """One value a pattern compares with."""

    path: str
    """Object path with its type: `file:hashes.'SHA-256'`, quotes as they are usual: see `plain_path`."""
    operator: str
    """`=`, `IN`, `LIKE`, `MATCHES`, `SUBNET`, `<` (any order), `!=`."""
    value: str
    negated: bool


class PatternError(UsageError):
    """A text that is no STIX pattern."""


def _error(what: str, at: int) -> PatternError:
    return PatternError(f"{what} at character {at}", todo="See section 9 of STIX 2.1.")


def compared(pattern: str) -> list[Compared]:
    """Every value the pattern compares with, in order. Raises PatternError when it is none."""
    if len(pattern) > LONGEST:
        raise _error(f"a pattern of {len(pattern):,} characters", LONGEST)
    simple = _SIMPLE.fullmatch(pattern)
    if simple:
        return [Compared(simple[1], "=", simple[2], False)]
    return _Parser(pattern).whole()


@lru_cache(maxsize=4096)
def plain_path(path: str) -> str:
    """The path as a key for tables: in lower case, without quotes and list indexes."""
    return re.sub(r"\[[^\]]*\]|'", "", path).lower()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.kind, self.token = "", ""
        self.found: list[Compared] = []
        self.next()

    def next(self) -> None:
        """Goes to the next token; kind "" is the end."""
        space = _SPACE.match(self.text, self.at)
        at = space.end() if space else self.at
        if at == len(self.text):
            self.kind = self.token = ""
            self.at = at
            return
        match = _TOKEN.match(self.text, at)
        if not match or match.lastgroup is None:
            raise _error(f"{self.text[at : at + 10]!r} is no part of a pattern", at)
        self.kind, self.token, self.at = match.lastgroup, match[match.lastgroup], match.end()
        if self.kind == "word":
            self.token = self.token.upper()

    def take(self, *tokens: str) -> str:
        """The token at hand when it is one of these, and goes on; else empty."""
        token = self.token
        if self.kind in ("sign", "word") and token in tokens:
            self.next()
            return token
        return ""

    def need(self, *tokens: str) -> str:
        """As `take`, but it must be one of these."""
        found = self.take(*tokens)
        if not found:
            raise _error(f"{' or '.join(tokens)} is expected instead of {self.token[:20]!r}", self.at)
        return found

    def whole(self) -> list[Compared]:
        """Observations with AND, OR, FOLLOWEDBY and qualifiers between them; parentheses are counted."""
        depth = 0
        while True:
            while self.take("("):
                depth += 1
                if depth > NESTING:
                    raise _error(f"more than {NESTING} parentheses within each other", self.at)
            self.need("[")
            self.comparisons()
            self.need("]")
            self.qualifiers()
            while depth and self.take(")"):
                depth -= 1
                self.qualifiers()
            if not self.kind:
                break
            self.need("AND", "OR", "FOLLOWEDBY")
        if depth:
            raise _error("a parenthesis is not closed", self.at)
        return self.found

    def qualifiers(self) -> None:
        """WITHIN n SECONDS, REPEATS n TIMES, START t STOP t."""
        while found := self.take("WITHIN", "REPEATS", "START"):
            self.literal()
            if found == "START":
                self.need("STOP")
                self.literal()
            else:
                self.need("SECONDS" if found == "WITHIN" else "TIMES")

    def comparisons(self) -> None:
        """What stands between brackets. Within it NOT belongs to one comparison, never to a parenthesis."""
        depth = 0
        while True:
            while self.take("("):
                depth += 1
                if depth > NESTING:
                    raise _error(f"more than {NESTING} parentheses within each other", self.at)
            self.comparison()
            while depth and self.take(")"):
                depth -= 1
            if not self.take("AND", "OR"):
                break
        if depth:
            raise _error("a parenthesis is not closed", self.at)

    def comparison(self) -> None:
        """path [NOT] operator literal, or [NOT] EXISTS path."""
        ahead = bool(self.take("NOT"))
        exists = bool(self.take("EXISTS"))
        if self.kind != "path":
            raise _error(f"an object path is expected instead of {self.token[:20]!r}", self.at)
        path = self.token
        self.next()
        if exists:
            return
        negated = bool(self.take("NOT")) or ahead
        operator = _COMPARES[self.need(*_COMPARES)]
        values = self.set() if operator == "IN" else [self.literal()]
        if len(self.found) + len(values) > VALUES:
            raise _error(f"more than {VALUES:,} comparisons", self.at)
        negated = negated != (operator == "!=")
        self.found += [Compared(path, "=" if operator == "!=" else operator, v, negated) for v in values]

    def set(self) -> list[str]:
        """('a', 'b', ...)."""
        self.need("(")
        values = [self.literal()]
        while self.take(","):
            values.append(self.literal())
            if len(values) > VALUES:
                raise _error(f"more than {VALUES:,} values", self.at)
        self.need(")")
        return values

    def literal(self) -> str:
        """Text, number, true, false, or b'..', h'..', t'..'."""
        token, kind = self.token, self.kind
        if kind == "text":
            value = re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.S)
        elif kind == "typed":
            value = token[2:-1]
        elif kind == "number" or (kind == "word" and token in ("TRUE", "FALSE")):
            value = token.lower()
        else:
            raise _error(f"a value is expected instead of {token[:20]!r}", self.at)
        self.next()
        return value
