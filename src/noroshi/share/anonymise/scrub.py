"""Texts without what is hidden: indicators masked as they are alone, everything else that tells of them taken out.

First the extractor that reads indicators (`wire.indicators`) names what stands in the text, and each is masked as a
value. Then everything that still decodes to a hidden address, name or word is replaced by its class in brackets:
it was written so that it is not found, or in a form nobody would look for.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from noroshi.share.anonymise import encoded
from noroshi.wire.indicators import find_spans
from noroshi.wire.indicators_refang import refanged

if TYPE_CHECKING:
    from noroshi.share.anonymise.values import Values

DEEPEST: Final = 2
"""How often what was decoded is decoded again: base64 of an URL-encoded address."""
_SHORT: Final = 120
"""Characters of texts that are remembered with their answer."""
_SUSPECT: Final = tuple(
    re.compile(p)
    for p in (
        r"[@\\\[{<]|[%=][0-9A-Fa-f]{2}|&[#a-z]",  # escapes, mail, defanged signs
        r"[^\x00-\x7f、。「」『』（）・ー〜\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff]",
        r"::|--|__",
        r"[0-9]{5}|0[xX][0-9A-Fa-f]",
        # four numbers or pairs of digits with the same sign between
        r"[0-9][ ]?([.\-_,x:/ ])[ ]?(?:0[xX])?[0-9A-Fa-f]{1,4}[ ]?\1[ ]?(?:0[xX])?[0-9A-Fa-f]{1,4}[ ]?\1",
        r"[0-9A-Fa-f]{2}([ :\-,])(?:[0-9A-Fa-f]{2}\1){2}",
        r"[0-9A-Fa-f]{1,4}([:_\-])(?:[0-9A-Fa-f]{1,4}\1){3}",
        r"[A-Za-z0-9_\-]\.[A-Za-z]|\.[0-9A-Fa-f]\.|://",  # names, nibbles of ip6.arpa
        r"[0-9A-Za-z]。[0-9A-Za-z]|[(（][ ]?(?:\.|:|[dD][oO][tT]|[aA][tT])|\b[dD][oO][tT]\b",
        r"\bA[Ss][0-9]",
        # hexadecimal and base64: seven or more letters and digits that are no word
        r"(?<![A-Za-z0-9+/_\-])(?=[A-Za-z0-9+/_\-]{7})[A-Za-z0-9+/_\-](?:[a-z+/_\-]*[0-9A-Z]|(?<=[0-9]))|[A-Za-z0-9+/]{6}==",
    )
)
"""What every form of an address, name or indicator has one of. Most sentences have none and are left at that."""
_HARMLESS: Final = re.compile(
    r"(?<![A-Za-z0-9./:_+@%\\=\-])(?:(?:tcp|udp|icmp|sctp)/[0-9]{1,5}|[0-9]{1,5}/(?:TCP|UDP|ICMP)|(?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]"
    r"(?:[T ][0-2][0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?Z?)?|CVE-[0-9]{4}-[0-9]{4,7})"
    r"(?![A-Za-z0-9\-/:_+@%\\=]|[.][A-Za-z0-9])"
)
"""Ports, dates and CVEs between spaces: the commonest things in a sentence that look like more than they are."""
_LEAST_WORD: Final = 3
_LONG_RUN: Final = re.compile(r"[A-Za-z0-9+/_\-]{8,}+=*")
Span = tuple[int, int, str]


class Scrubber:
    """Scrubs texts under one profile. Safe to share between threads."""

    def __init__(self, values: Values, words: Mapping[str, str]) -> None:
        """words: names that stand in no text, with what stands for each."""
        self.values = values
        self._words = {w.lower(): said for w, said in words.items() if len(w.strip()) >= _LEAST_WORD}
        self._written = tuple(words)
        self._names = self._pattern(r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])")
        self._inside = self._pattern("", "")
        """The same without borders: what was decoded has other bytes around it."""
        self._cores = self._folded()
        self._short = lru_cache(maxsize=1 << 15)(self._looked)
        self._piece = lru_cache(maxsize=1 << 15)(self._hidden_in)
        self.idle = not self._names and not any(map(values.hides, _TEXT_FIELDS))
        """True when nothing that is found in text is hidden."""

    def text(self, text: str, *, dense: bool = False) -> str:
        """The text without what is hidden; itself when nothing is. dense: it holds bytes (payloads, samples), so
        that binary addresses are looked for anywhere in hexadecimal and base64."""
        if self.idle:
            return text
        return self._short(text, dense) if len(text) <= _SHORT else self._looked(text, dense)

    def _looked(self, text: str, dense: bool) -> str:
        return text if self.clean(text) else self._scrub(text, dense, 0)

    def clean(self, text: str, *, decoded: bool = False) -> bool:
        """True when the text has nothing that could be hidden; False tells nothing."""
        names = self._inside if decoded else self._names
        if names and names.search(text):
            return False
        if next(self._lowered(text), None):
            return False
        return not _suspect(text) or not _suspect(_HARMLESS.sub(" ", text))

    def _scrub(self, text: str, dense: bool, depth: int) -> str:
        out = self._once(text, dense, depth)
        if not text.isascii():
            plain = encoded.folded(out)
            if plain != out:
                again = self._once(plain, dense, depth)
                # Only what is hidden may change: full-width letters of a sentence stay as they are.
                return again if again != plain else out
        return out

    def _once(self, text: str, dense: bool, depth: int) -> str:
        spans = list(self._found(text, depth))
        done = _replaced(text, spans)
        kept = _places(spans)
        rest = [s for s in self._left(done, dense, depth) if not _meets(kept, s)]
        return _replaced(done, _disjoint(rest)) if rest else done

    def _found(self, text: str, depth: int) -> Iterator[Span]:
        """What the extractor finds and the profile hides, with what stands for it."""
        end = 0
        for one in sorted(find_spans(text), key=lambda f: (f.start, -f.end)):
            if one.start < end:
                continue
            end = one.end
            masked = self.of_kind(one.kind, one.value, depth=depth)
            if masked != one.value:
                yield one.start, one.end, f"[{self.name(one.kind, one.value)}]" if masked is None else masked

    def of_kind(
        self, kind: str, value: str, role: str = "", *, victim: bool = False, depth: int = 0
    ) -> str | None:
        """An observable masked; None when it is dropped."""
        values = self.values
        field = values.of_kind(kind, role)
        if kind == "ip":
            return values.ip(value, victim=victim)
        if kind == "prefix":
            return values.prefix(value, victim=victim)
        if kind == "url":
            return values.url(value, lambda rest: self._rest(rest, depth))
        if kind == "email":
            masked = values.email(value)
        elif kind == "domain":
            masked = values.domain(value)
        else:
            masked = value if field is None else values.word(field, value)
        # What nobody hides may hold an address of one's own (198-51-100-7.provider.example) or be no such value at all.
        return self._rest(value, depth) if masked == value else masked

    def name(self, kind: str, value: str) -> str:
        """The class that stands in brackets for a dropped value."""
        from noroshi.model import address

        if kind == "ip":
            return self.values.field_of(address.pack(value))
        if kind == "domain":
            return "own-domain" if self.values.is_own(value) else "other-domain"
        return self.values.of_kind(kind) or kind

    def _rest(self, text: str, depth: int) -> str:
        """A piece of a text without what decodes to something hidden; the extractor has seen it already."""
        if self.clean(text, decoded=depth > 0):
            return text
        spans = _disjoint(list(self._left(text, False, depth)))
        if not spans and not text.isascii():
            plain = encoded.folded(text)
            spans = _disjoint(list(self._left(plain, False, depth))) if plain != text else []
            return _replaced(plain, spans) if spans else text
        return _replaced(text, spans) if spans else text

    def _left(self, text: str, dense: bool, depth: int) -> Iterator[Span]:
        """Everything that still tells of something hidden."""
        plain = refanged(text)
        for start, end, said in self._candidates(plain.text, dense, depth):
            yield plain.origin(start), plain.origin(end), said

    def _candidates(self, text: str, dense: bool, depth: int) -> Iterator[Span]:
        names = self._inside if depth else self._names
        if names:
            for found in names.finditer(text):
                word = found[0].lower()
                yield *found.span(), self._words.get(word) or self._own_name(word)
        hidden = self._hidden
        for source in (encoded.quads, encoded.sixes, encoded.integers):
            for start, end, packed in source(text):
                if field := hidden(packed):
                    yield start, end, f"[{field}]"
        for start, end, low, high in encoded.networks(text):
            if field := self._net(low, high):
                yield start, end, f"[{field}]"
        yield from self._lowered(text)
        if depth >= DEEPEST:
            return
        for start, end, read in encoded.escapes(text):
            if self._piece(read, dense, depth + 1):
                yield start, end, "[hidden]"
        for decode in (encoded.hexes, encoded.base64s):
            for start, end, raws, exact in decode(text):
                if self._in_bytes(raws, exact or dense, decode is encoded.hexes, dense, depth):
                    yield start, end, "[hidden]"

    def _lowered(self, text: str) -> Iterator[Span]:
        """Runs of base64 whose case was lost, as in names of malware, and that held something hidden."""
        if self._cores:
            for found in _LONG_RUN.finditer(text):
                low = found[0].lower()
                if any(core in low for core in self._cores):
                    yield *found.span(), "[hidden]"

    def _folded(self) -> tuple[str, ...]:
        """What base64 has in the middle, in lower case, of each hidden name and of what addresses begin with."""
        texts = {w for word in self._written for w in (word, word.lower(), word.upper(), word.title())}
        if self.values.hides("own-domain"):
            texts |= {t for d in self.values.domains for t in (d, d.upper())}
        for spans, field in (
            (self.values.own_spans, "own-address"),
            (self.values.dark_spans, "telescope-address"),
        ):
            if self.values.hides(field):
                texts |= {encoded.common_text(low, high) for low, high in spans}
        return tuple({core for text in sorted(texts) for core in encoded.cores(text)})

    def _in_bytes(self, raws: list[bytes], windows: bool, both: bool, dense: bool, depth: int) -> bool:
        for at, raw in enumerate(raws):
            if not at and len(raw) in (4, 16) and self._hidden((b"\4" if len(raw) == 4 else b"\6") + raw):
                return True
            if windows and (dense or both) and self._window(raw, 2 if dense else 3):
                return True
            if any(self._piece(text, dense, depth + 1) for text in encoded.printed(raw)):
                return True
        return False

    def _window(self, raw: bytes, least: int) -> bool:
        """True when a hidden address stands in the bytes in binary form; found by the first bytes of the ranges.

        least: bytes all addresses of a range share. Those that share fewer are met by chance: of random bytes every
        65,536th pair begins one of a given /16.
        """
        for spans in (self.values.own_spans, self.values.dark_spans):
            for low, high in spans:
                size = len(low) - 1
                common = 0
                while common < size and low[common + 1] == high[common + 1]:
                    common += 1
                if common < least:
                    continue
                at = raw.find(low[1 : common + 1])
                while at >= 0:
                    piece = raw[at : at + size]
                    if len(piece) == size and low[1:] <= piece <= high[1:] and self._hidden(low[:1] + piece):
                        return True
                    at = raw.find(low[1 : common + 1], at + 1)
        return False

    def _hidden_in(self, text: str, dense: bool, depth: int) -> bool:
        """True when a decoded text holds something hidden."""
        return not self.clean(text, decoded=True) and self._scrub(text, dense, depth) != text

    def _hidden(self, packed: bytes) -> str:
        """The class of an address that is hidden by what it is, not by its role; else empty. Private and special
        ones are looked at by the extractor only: 10.0.0.1 in decimal is a number like others."""
        field = self.values.field_of(packed)
        return field if field in ("own-address", "telescope-address") and self.values.hides(field) else ""

    def _net(self, low: bytes, high: bytes) -> str:
        for field, ranges in (
            ("own-address", self.values.own_ranges),
            ("telescope-address", self.values.dark_ranges),
        ):
            if self.values.hides(field) and ranges.meets(low, high):
                return field
        return ""

    def _own_name(self, name: str) -> str:
        masked = self.values.domain(name)
        return masked if masked and masked != name else "[own-domain]"

    def _pattern(self, before: str, after: str) -> re.Pattern[str] | None:
        parts = [re.escape(w) for w in sorted(self._words, key=len, reverse=True)]
        if self.values.hides("own-domain"):
            parts += [rf"(?:[a-z0-9_\-]{{1,63}}\.){{0,10}}{re.escape(d)}" for d in self.values.domains]
        if not parts:
            return None
        return re.compile(f"{before}(?:{'|'.join(parts)}){after}", re.IGNORECASE)


_TEXT_FIELDS: Final = (
    "own-address", "telescope-address", "private-address", "special-address", "other-address", "own-domain",
    "other-domain", "url", "e-mail", "asn", "hash", "host-key", "credential",
)  # fmt: skip


def _suspect(text: str) -> bool:
    return any(p.search(text) for p in _SUSPECT)


def _replaced(text: str, spans: list[Span]) -> str:
    if not spans:
        return text
    out: list[str] = []
    at = 0
    for start, end, said in spans:
        out += (text[at:start], said)
        at = end
    return "".join((*out, text[at:]))


def _places(spans: list[Span]) -> list[tuple[int, int]]:
    """Where the replacements stand in the text afterwards: they are not looked at again."""
    out: list[tuple[int, int]] = []
    moved = 0
    for start, end, said in spans:
        out.append((start + moved, start + moved + len(said)))
        moved += len(said) - (end - start)
    return out


def _meets(places: list[tuple[int, int]], span: Span) -> bool:
    at = bisect_left(places, (span[1],)) - 1  # disjoint and in order: the last one that begins before it ends
    return at >= 0 and places[at][1] > span[0]


def _disjoint(spans: list[Span]) -> list[Span]:
    """In order and without overlaps: of those that meet, one from the first start to the last end."""
    out: list[Span] = []
    for start, end, said in sorted(spans, key=lambda s: (s[0], -s[1])):
        if out and start < out[-1][1]:
            first, last, before = out[-1]
            out[-1] = (first, max(last, end), before)
        else:
            out.append((start, end, said))
    return out
