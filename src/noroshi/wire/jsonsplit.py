"""A JSON document as a stream of bytes, split into the elements of named arrays in bounded memory.

Documents may follow each other (NDJSON). The places are written as they are read: `objects[]`, `Event.Object[]`,
`response[].Event.Attribute[]`, `[].Attribute[]`. What stands beside the arrays is kept, bounded, as the members
of the object that holds them, which is handed on when it ends. Elements before a cut or an error are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final

import msgspec
import numpy as np

from noroshi.model.reject import Reject
from noroshi.wire import jsonscan
from noroshi.wire.jsonscan import BAD, BETWEEN, CLOSED, COUNT, MODE, MORE, POS, SINGLE, START

BLOCK: Final = 4 << 20
"""Bytes read at a time."""
ELEMENT: Final = 4 << 20
"""Bytes of one element; a longer one is rejected and passed over."""
ENVELOPE: Final = 1 << 20
"""Bytes of all that stands beside the arrays of one object."""
KEY: Final = 1024
"""Bytes of a key; no place has a longer one."""
_BATCH: Final = 4096
_SPACE = re.compile(rb"[ \t\r\n]*")


@dataclass
class Scope:
    """An object on the way to the arrays: its members without them, as far as they have been read."""

    place: str
    """Where it stands: ``, `Event`, `response[].Event`, ..."""
    offset: int
    number: int
    """Counts the scopes of a source."""
    members: dict[str, bytes] = field(default_factory=dict)
    """Raw JSON by key. Named arrays are `[]`, objects that were entered `{}`."""
    size: int = 0

    def envelope(self) -> bytes:
        """The object with its named arrays emptied, as JSON."""
        return b"{%b}" % b",".join(msgspec.json.encode(k) + b":" + v for k, v in self.members.items())


@dataclass(frozen=True)
class Elements:
    """Elements of one array, in order."""

    path: int
    """Index into the given paths."""
    scope: Scope | None
    """The object that holds the array; None for an array that is the document."""
    offsets: list[int]
    """Where each begins in the source."""
    data: list[bytes]


@dataclass(frozen=True)
class Closed:
    """An object on the way to the arrays has ended, or the source has."""

    scope: Scope
    cut: bool = False


@dataclass
class _Node:
    place: str
    children: dict[str, _Node] = field(default_factory=dict)
    each: _Node | None = None
    target: int = -1


class _Broken(Exception):
    def __init__(self, position: int, reason: str, detail: str, sample: bytes) -> None:
        self.reject = Reject(position, reason, detail, sample)


def _tree(paths: Sequence[str]) -> _Node:
    root = _Node("")
    for number, path in enumerate(paths):
        node = root
        steps = re.findall(r"\[\]|[^.\[\]]+", path)
        for at, step in enumerate(steps):
            place = ".".join(steps[: at + 1]).replace(".[]", "[]")
            if step != "[]":
                node = node.children.setdefault(step, _Node(place))
            elif at + 1 == len(steps):
                node.target = number
            else:
                node.each = node.each or _Node(place)
                node = node.each
    return root


def split(
    stream: BinaryIO, paths: Sequence[str], *, element: int = ELEMENT, start: int = 0
) -> Iterator[Elements | Closed | Reject]:
    """The elements of the arrays at `paths`, the objects around them as they end, and what is no JSON.

    element: bytes of one element, beyond which it is rejected. start: offset of the stream's first byte.
    Memory: `element`, a few blocks, and the envelopes that are open. After an error in a document of one line
    the next line is read on; otherwise reading ends there, with the scopes closed as `cut`.
    """
    yield from _Splitter(stream, _tree(paths), element, start).documents()


class _Splitter:
    def __init__(self, stream: BinaryIO, root: _Node, element: int, start: int) -> None:
        self.stream, self.root, self.limit = stream, root, element
        self.data, self.base, self.pos = b"", start, 0
        self.view = np.frombuffer(b"", np.uint8)
        self.state = np.zeros(8, np.int64)
        self.stack = np.zeros(1, np.int64)
        self.out = [np.empty(_BATCH, np.int64) for _ in range(3)]
        self.open: list[Scope] = []
        self.scopes = 0
        self.began = start
        self.lines = False
        """A newline stands in the part of this document that is no longer held."""

    # Bytes ------------------------------------------------------------------------------------------------
    def more(self, keep: int) -> bool:
        """Drops what lies before `keep` and reads a block; False at the end of the source."""
        block = self.stream.read(BLOCK)
        if not block:
            return False
        self.lines = self.lines or self.data.find(b"\n", max(0, self.began - self.base), keep) >= 0
        self.data = self.data[keep:] + block if keep < len(self.data) else bytes(block)
        self.view = np.frombuffer(self.data, np.uint8)
        self.base += keep
        self.pos -= keep
        return True

    def peek(self) -> int:
        """The next byte that is no space, which stands at `pos` then; -1 at the end of the source."""
        while True:
            found = _SPACE.match(self.data, self.pos)
            self.pos = found.end() if found else self.pos
            if self.pos < len(self.data):
                return self.data[self.pos]
            if not self.more(self.pos):
                return -1

    def wrong(self, what: str) -> _Broken:
        """The error at `pos`."""
        at = self.base + self.pos
        if self.pos >= len(self.data):
            return _Broken(
                at, "cut-short", "the source ends within the document; what stands before is kept", b""
            )
        return _Broken(at, "syntax", what, self.data[self.pos : self.pos + 64])

    # Values -----------------------------------------------------------------------------------------------
    def begin(self, single: int) -> None:
        self.state[:] = 0
        self.state[POS], self.state[START], self.state[SINGLE] = self.pos, -1, single

    def run(self, limit: int) -> int:
        """Scans until something is found or the source ends; a value longer than `limit` is not held."""
        state = self.state
        while True:
            why = int(jsonscan.scan(self.view, len(self.data), state, self.stack, *self.out))
            self.pos = int(state[POS])
            if why != MORE or state[COUNT]:
                return why
            keep = int(state[START])
            if state[MODE] != BETWEEN and keep >= 0 and self.pos - keep > limit:
                self.long = self.base + keep
                self.sample = self.data[keep : keep + 64]
                keep = state[START] = -2
            keep = self.pos if keep < 0 else keep
            if not self.more(keep):
                raise self.wrong("")
            state[POS] -= keep
            if state[START] >= 0:
                state[START] -= keep

    def value(self, limit: int) -> bytes | None:
        """The value at `pos`; None when it is longer than `limit`."""
        self.begin(1)
        if self.run(limit) == BAD:
            raise self.wrong("a value is expected here")
        first, last = int(self.out[0][0]), int(self.out[1][0])
        return None if first < 0 or last - first > limit else self.data[first:last]

    def key(self) -> str:
        """The key at `pos` and its colon; empty when it is too long to be one we want."""
        if self.peek() != 34:
            raise self.wrong("a key is expected here")
        raw = self.value(KEY)
        try:
            text = msgspec.json.decode(raw, type=str) if raw is not None else ""
        except (msgspec.MsgspecError, UnicodeDecodeError):  # half a surrogate pair, a control character
            text = (raw or b"")[1:-1].decode("utf-8", "replace")
        if self.peek() != 58:
            raise self.wrong("a colon is expected here")
        self.pos += 1
        return text

    # Documents --------------------------------------------------------------------------------------------
    def documents(self) -> Iterator[Elements | Closed | Reject]:
        """All documents of the source."""
        if self.more(0) and self.base == 0 and self.data.startswith(b"\xef\xbb\xbf"):
            self.pos = 3
        while self.peek() >= 0:
            self.began, self.lines = self.base + self.pos, False
            try:
                yield from self.any(self.root, None)
            except _Broken as e:
                yield e.reject
                while self.open:
                    yield Closed(self.open.pop(), cut=True)
                if not self.next_line():
                    return

    def next_line(self) -> bool:
        """Goes to the next line when the document at hand was one line; False when there is none."""
        held = max(0, self.began - self.base)
        if self.lines or self.data.find(b"\n", held, self.pos) >= 0:
            return False
        while (end := self.data.find(b"\n", self.pos)) < 0:
            if not self.more(len(self.data)):
                return False
            self.pos = 0
        self.pos = end + 1
        return True

    def any(self, node: _Node, scope: Scope | None) -> Iterator[Elements | Closed | Reject]:
        """A value on the way: entered, taken apart, or passed over."""
        first = self.peek()
        if first == 123 and (node.children or node.place.endswith("[]") or not node.place):
            yield from self.object(node)
        elif first == 91 and node.target >= 0:
            yield from self.array(node, scope)
        elif first == 91 and node.each is not None:
            yield from self.list(node.each)
        else:
            at = self.base + self.pos
            sample = self.data[self.pos : self.pos + 64]
            self.value(ENVELOPE)
            yield Reject(at, "shape", f"{node.place or 'the document'} is not what it should be", sample)

    def object(self, node: _Node) -> Iterator[Elements | Closed | Reject]:
        """An object whose members are walked; handed on when it ends."""
        scope = Scope(node.place, self.base + self.pos, self.scopes)
        self.scopes += 1
        self.open.append(scope)
        self.pos += 1
        after = False
        while (c := self.peek()) != 125:
            if after:
                if c != 44:
                    raise self.wrong("a comma is expected here")
                self.pos += 1
            yield from self.member(node, scope, self.key())
            after = True
        self.pos += 1
        yield Closed(self.open.pop())

    def member(self, node: _Node, scope: Scope, key: str) -> Iterator[Elements | Closed | Reject]:
        """The value of a key: walked when it is on the way, else kept."""
        child, first = node.children.get(key), self.peek()
        if child is not None and first == 123 and child.children:
            self.keep(scope, key, b"{}")
            yield from self.any(child, scope)
            return
        if child is not None and first == 91 and (child.target >= 0 or child.each is not None):
            self.keep(scope, key, b"[]")
            yield from self.any(child, scope)
            return
        at = self.base + self.pos
        raw = self.value(ENVELOPE)
        if raw is None or not self.keep(scope, key, raw):
            yield Reject(
                at, "envelope-size", f"{key[:64]!r} and what stands beside it is over {ENVELOPE:,} bytes"
            )

    def keep(self, scope: Scope, key: str, raw: bytes) -> bool:
        """Puts a member into the envelope; False when that is full."""
        size = len(raw) + len(key) + 4
        if scope.size + size > ENVELOPE:
            return False
        scope.size += size
        scope.members[key] = raw
        return True

    def list(self, node: _Node) -> Iterator[Elements | Closed | Reject]:
        """An array each element of which is walked."""
        self.pos += 1
        after = False
        while (c := self.peek()) != 93:
            if after:
                if c != 44:
                    raise self.wrong("a comma is expected here")
                self.pos += 1
            yield from self.any(node, None)
            after = True
        self.pos += 1

    def array(self, node: _Node, scope: Scope | None) -> Iterator[Elements | Closed | Reject]:
        """An array whose elements are handed on, many at a time."""
        self.pos += 1
        self.begin(0)
        why = -1
        while why != CLOSED:
            try:
                why = self.run(self.limit)
            finally:
                count = int(self.state[COUNT])
            yield from self.found(node, scope, count)
            self.state[COUNT] = 0
            if why == BAD:
                raise self.wrong("an element of an array, a comma or a bracket is expected here")

    def found(self, node: _Node, scope: Scope | None, count: int) -> Iterator[Elements | Reject]:
        """What the last scan found."""
        if not count:
            return
        starts, ends, deep = (o[:count].tolist() for o in self.out)
        offsets: list[int] = []
        data: list[bytes] = []
        rejects: list[Reject] = []
        for s, e, d in zip(starts, ends, deep, strict=True):
            if s < 0:
                rejects.append(self.too_long(self.long, e + self.base - self.long, self.sample))
            elif e - s > self.limit:
                rejects.append(self.too_long(s + self.base, e - s, self.data[s : s + 64]))
            elif d > jsonscan.NESTING:
                rejects.append(Reject(s + self.base, "nesting", f"{d:,} levels deep", self.data[s : s + 64]))
            else:
                offsets.append(s + self.base)
                data.append(self.data[s:e])
        if data:
            yield Elements(node.target, scope, offsets, data)
        yield from rejects

    def too_long(self, offset: int, size: int, sample: bytes) -> Reject:
        """The reject of an element that is not taken."""
        return Reject(offset, "element-size", f"an element of {size:,} bytes, at most {self.limit:,}", sample)
