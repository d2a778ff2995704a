"""Plain lists of indicators: one a line, with comments; hosts files and block lists too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe.intel.entries import LONGEST, NULLS, Entry, entry
from noroshi.observe.lines import lines
from noroshi.observe.rows import Rows

_COMMENTS: Final = ("#", ";", "//", "!", "--")
_BESIDE: Final = re.compile(r"\s+(?:#|;|//|--)\s*")
_NUMBERS: Final = re.compile(r"[0-9.,\s\t%-]{0,60}")
MOST: Final = 0.9
"""Share of the lines in a head that must be entries: a list has a stray line, a log or prose has many."""
_NAME: Final = 500


def parsed(line: str) -> tuple[list[Entry], str] | None:
    """The entries of a line and the words beside them; None when it is no line of a list.

    A line is one entry, alone or with a comment or numbers (a score) behind it; or, as in hosts files, an address
    that leads nowhere and names. Whatever else follows an entry makes it a line of a log.
    """
    pieces = _BESIDE.split(line, maxsplit=1)
    text, comment = pieces[0].strip(), pieces[1].strip() if len(pieces) > 1 else ""
    if len(text) > LONGEST:
        return None
    text = text.strip("\"',") if text[:1] in "\"'" or text[-1:] == "," else text
    first, _, rest = text.partition("\t") if "\t" in text else text.partition(" ")
    if not rest:
        found = entry(first)
        return ([found], comment) if found else None
    if first in NULLS:
        names = [n for n in (entry(w) for w in rest.split()[:50]) if n and n.kind == "domain"]
        return (names, comment) if names else None
    whole = entry(text) if any(mark in text for mark in ("[", "(")) else None  # evil [.] example
    if whole:
        return [whole], comment
    if _NUMBERS.fullmatch(rest):
        found = entry(first)
        return ([found], comment or rest.strip()) if found else None
    return None


def is_comment(line: str) -> bool:
    """True for a line that says something of the list and nothing in it."""
    return line.startswith(_COMMENTS) or (line.startswith("[") and line.endswith("]") and '"' not in line)


_LOCAL: Final = re.compile(
    r"(?:127\.|::1|fe80::|ff0|0\.0\.0\.0|255\.)\S*\s+(?:localhost|local|broadcasthost|ip6-|0\.0\.0\.0)\S*(?:\s.*)?"
)
"""Lines every hosts file begins with."""


class IocListSensor:
    """Indicators, one statement a line."""

    name = "ioc-list"
    version = 1
    doc = "Plain lists of indicators, one a line (addresses, prefixes, names, URLs, hashes, ...), and hosts files."
    tables = ("indicators",)
    grows = False

    def sniff(self, head: bytes) -> bool:
        """True when nearly all lines of the head are entries; comments do not count."""
        if b"\0" in head or head.lstrip()[:1] in (b"{", b"<"):
            return False
        text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
        whole = text.splitlines()
        if len(head) >= 4096 and len(whole) > 1:
            whole.pop()  # cut by the head's end
        good = bad = 0
        for raw in whole:
            line = raw.strip()
            if not line or is_comment(line) or _LOCAL.fullmatch(line):
                continue
            if parsed(line):
                good += 1
            else:
                bad += 1
        return good > 0 and good >= MOST * (good + bad)

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """A row for each entry, a reject for each line that is none. Role `mentions`: a list does not say."""
        rows, date, document = Rows(), reading.source_date_us, reading.name[:_NAME]
        for item in lines(reading):
            if isinstance(item, Reject):
                yield item
                continue
            offset, raw = item
            reading.advance(len(raw) + 1)
            text = raw.decode("utf-8", "backslashreplace")
            line = text.strip()
            if is_comment(line) or _LOCAL.fullmatch(line):
                continue
            found = parsed(line)
            if found is None:
                yield Reject(offset, "entry", "no indicator as a whole line", raw)
                continue
            written = line.partition(" ")[0]
            for i, one in enumerate(found[0]):
                rows.add(
                    "indicators", ts=date, kind=one.kind, value=one.value,
                    raw=written[:LONGEST] if len(found[0]) == 1 and written != one.value else None, role="mentions",
                    type="below" if one.below else None, document=document, comment=found[1][:_NAME] or None,
                    offset=offset + i,
                )  # fmt: skip
            yield from rows.ready()
        yield from rows.rest()
