"""Reports in running text, Markdown or HTML: the indicators they name, defanged or not."""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.lines import Block, blocks
from noroshi.observe.rows import Rows
from noroshi.wire.indicators import Found, find_spans

BLOCK: Final = 1 << 20
"""Bytes looked through at a time."""
DISTINCT: Final = 500_000
"""Different indicators of one report that are kept apart; what follows is told again."""
_NAME: Final = 500
_BESIDE: Final = 120
"""Characters of the text on each side of an indicator that are kept beside it."""
_REACHABLE: Final = frozenset(("url", "domain", "ip", "email", "prefix"))
"""Kinds that people defang."""
_HTML: Final = re.compile(rb"(?i)<(?:!doctype html|html|head|body|div|p|table|span|article)[\s>]")
_TAG: Final = re.compile(
    r"(?i)<(?:(?P<hidden>!--|(?:script|style|svg|noscript)\b)|(?P<tag>/?[a-z][a-z0-9]{0,20})(?:\s[^<>]{0,10000})?/?>)"
    r"|&(?:[a-z]{2,8}|#[0-9]{2,6}|#x[0-9a-f]{2,5});"
)
_INLINE: Final = frozenset(
    (
        "b",
        "i",
        "em",
        "strong",
        "span",
        "code",
        "wbr",
        "font",
        "u",
        "s",
        "small",
        "mark",
        "a",
        "sub",
        "sup",
        "tt",
    )
)
"""Tags that stand inside of words: evil<b>[.]</b>example."""
_HEADING: Final = re.compile(
    r"(?im)^#{1,3}[ \t]+(\S.{0,300})$|<title[^>]{0,200}>\s*([^<]{1,300})|^(\S.{2,300})$"
)


@dataclass(frozen=True)
class Plain:
    """A text without its markup, and where its pieces stood."""

    text: str
    starts: list[int]
    origins: list[int]

    def origin(self, at: int) -> int:
        """Where a position stood in the text with markup."""
        i = bisect_right(self.starts, at) - 1
        return self.origins[i] + at - self.starts[i]


def without_tags(text: str) -> Plain:
    """HTML as text: tags, scripts and styles gone, entities resolved; tags that end a word leave a blank."""
    pieces: list[str] = []
    starts, origins = [0], [0]
    length = done = 0
    open_ended: set[str] = set()
    lower = text.lower() if text.isascii() else text
    while tag := _TAG.search(text, done):
        end, new = tag.end(), ""
        if tag["hidden"]:
            word = tag["hidden"].lower()
            close = "-->" if word == "!--" else f"</{word}"
            found = -1 if close in open_ended else lower.find(close, end)
            if found < 0:
                open_ended.add(close)  # it is not looked for again: that would cost the square of the text
            end, new = found + len(close) if found >= 0 else end, "\n"
        elif tag["tag"]:
            new = "" if tag["tag"].lstrip("/").lower() in _INLINE else "\n"
        else:
            new = html.unescape(tag[0])
        pieces += (text[done : tag.start()], new)
        length += tag.start() - done + len(new)
        done = end
        starts.append(length)
        origins.append(done)
    pieces.append(text[done:])
    return Plain("".join(pieces), starts, origins)


def decoded(data: bytes, encoding: str) -> str:
    """The text of bytes; what is not of the encoding stays as single lone surrogates or characters."""
    return data.decode(encoding, "surrogateescape")


def encoding_of(head: bytes) -> str:
    """UTF-8, or CP932 for Japanese that is not, or Latin-1, which anything is."""
    for name in ("utf-8", "cp932"):
        for cut in range(4):  # the head may end within a character
            try:
                head[: len(head) - cut].decode(name)
            except UnicodeDecodeError:
                continue
            return name
    return "latin-1"


class ReportSensor:
    """Indicators that a report names, one statement each."""

    name = "report"
    version = 1
    doc = "Report texts (plain, Markdown, HTML) with defanged indicators; any text with `--as report`."
    tables = ("indicators",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """True for a text that names an indicator in defanged form: its writer speaks of threats."""
        if b"\0" in head or head.lstrip()[:1] in (b"{", b"["):
            return False
        text = head.decode("utf-8", "replace")
        return any(f.defanged and f.kind in _REACHABLE for f in find_spans(text))

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """A row for each indicator, the first time it is named.

        Role `mentions`; where others are defanged, a URL, name or address that is not is a `reference`.
        """
        report = _Report(reading)
        for block in blocks(reading, BLOCK):
            if isinstance(block, Reject):
                yield block
                continue
            report.take(block)
            reading.advance(len(block.data))
            yield from report.rows.ready()
        if report.empty:
            yield Reject(0, "no-indicator", "a text that names no indicator", reading.head)
        yield from report.rows.rest()


class _Report:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._encoding = encoding_of(reading.head)
        self._html = bool(_HTML.search(reading.head))
        self._title = _title(decoded(reading.head, self._encoding), self._html)
        self._careful: bool | None = None
        """Reachable indicators are defanged in this report."""
        self._seen: set[tuple[str, str, str]] = set()
        self.rows = Rows()
        self.empty = True

    def take(self, block: Block) -> None:
        """Adds the indicators of a block."""
        text = decoded(block.data, self._encoding)
        plain = without_tags(text) if self._html else Plain(text, [0], [0])
        found = find_spans(plain.text)
        if self._careful is None:
            self._careful = any(f.defanged and f.kind in _REACHABLE for f in found)
        at = done = 0
        for one in sorted(found, key=lambda f: plain.origin(f.start)):
            origin = plain.origin(one.start)
            at += len(text[done:origin].encode(self._encoding, "surrogateescape"))
            done = origin
            self._add(one, plain.text, block.offset + at)

    def _add(self, one: Found, text: str, offset: int) -> None:
        careless = self._careful and not one.defanged and one.kind in _REACHABLE
        role = "reference" if careless else "mentions"
        key = (one.kind, one.value, role)
        self.empty = False
        if key in self._seen:
            return
        if len(self._seen) < DISTINCT:
            self._seen.add(key)
        self.rows.add(
            "indicators", ts=self._reading.source_date_us, kind=one.kind, value=one.value,
            raw=_storable(one.raw) if one.raw != one.value else None, role=role,
            document=self._reading.name[:_NAME], document_name=self._title,
            comment=_beside(text, one), offset=offset,
        )  # fmt: skip


def _beside(text: str, one: Found) -> str | None:
    """The words around an indicator on its line, defanged ones as they stand."""
    low = max(text.rfind("\n", max(0, one.start - _BESIDE), one.start) + 1, one.start - _BESIDE, 0)
    end = text.find("\n", one.end, one.end + _BESIDE)
    high = end if end >= 0 else one.end + _BESIDE
    return _storable(" ".join(text[low:high].split())[:1_000]) or None


def _title(head: str, is_html: bool) -> str | None:
    found = None
    for match in _HEADING.finditer(head):
        if match[1] or match[2]:
            found = match[1] or match[2]
            break
        found = found or (None if is_html else match[3])
    return _storable(" ".join(html.unescape(found).split())[:300]) if found else None


def _storable(text: str) -> str:
    """Text that Arrow can hold: lone surrogates are replaced."""
    return text.encode("utf-8", "replace").decode()
