"""JSON logs, one object a line: decoded into typed structs block by block, with a reject for each bad line.

Lines of an array written one element a line (`[{...},` ... `{...}]`) are taken too. Python's own dialect (NaN,
lone surrogates, bytes that are no UTF-8) is read on a slower way, so that what a decoy logged is not lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec
import numpy as np

from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading
from noroshi.observe.lines import Block, blocks

T = TypeVar("T")

BLOCK: Final = 1 << 18
"""Bytes decoded at a time: what they decode to lies in memory at once, up to some twenty times as large; larger
buffers are given back to the system and faulted in again for each block, which costs as much as decoding."""
MENDED: Final = 1 << 20
"""Longest line the slower way is tried on: Python's objects take up to a hundred bytes per byte of text."""
_DEEP: Final = 64
"""Containers within each other that `first_object` follows."""
_TRIES: Final = 20
"""Lines `first_object` looks at before it gives up."""
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|["{}\[\],]', re.DOTALL)
_LONE: Final = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


@dataclass(frozen=True)
class Decoded(Generic[T]):
    """Objects of lines that follow each other; `offsets[i]` is where the line of `values[i]` begins."""

    offsets: list[int]
    values: list[T]


class Lines(Generic[T]):
    """Decodes lines into `type_`: a msgspec Struct, `dict`, or a union of structs with tags.

    mask: gives the part of a bad line that may be kept as a reject's sample (default: its beginning).
    Numbers written as strings are taken for numbers where the type wants one.

    decoded = Lines(Event)
    for part in decoded.read(reading): ...           # Decoded | Reject
    for item in decoded.each(reading): ...           # (offset, value) | Reject
    """

    def __init__(self, type_: type[T], mask: Callable[[bytes], bytes] | None = None) -> None:
        self._type = type_
        self._fast: msgspec.json.Decoder[T] = msgspec.json.Decoder(type_)
        self._lax: msgspec.json.Decoder[T] = msgspec.json.Decoder(type_, strict=False)
        self._mask = mask or (lambda line: line)

    def read(self, reading: Reading, size: int = BLOCK) -> Iterator[Decoded[T] | Reject]:
        """The objects of the source's lines in batches, and a reject for each line that is none.

        Reports progress. Order is kept among objects and among rejects of a block, not between the two.
        """
        for block in blocks(reading, size):
            if isinstance(block, Reject):
                yield Reject(block.position, block.reason, block.detail, self._mask(block.sample))
                continue
            fast = self._at_once(block)
            if fast is not None:
                yield fast
            else:
                yield from self._one_by_one(block)
            reading.advance(len(block.data))

    def each(self, reading: Reading) -> Iterator[tuple[int, T] | Reject]:
        """(offset, object) of each line, and rejects."""
        for part in self.read(reading):
            if isinstance(part, Reject):
                yield part
            else:
                yield from zip(part.offsets, part.values, strict=True)

    def _at_once(self, block: Block) -> Decoded[T] | None:
        """All lines in one call; None unless every line is an object of its own, as far as a look tells."""
        data = np.frombuffer(block.data, np.uint8)
        starts, ends = block.starts, block.ends
        filled = ends > starts
        starts, last = starts[filled], ends[filled] - 1
        closing = data[last]
        closing = np.where(closing == 13, data[np.maximum(last - 1, 0)], closing)  # \r\n
        if not (bool((data[starts] == 123).all()) and bool((closing == 125).all())):  # { and }
            return None
        try:
            values = self._fast.decode_lines(block.data)
        except (ValueError, RecursionError):
            return None
        if len(values) != len(starts):
            return None
        return Decoded((starts + block.offset).tolist(), values)

    def _one_by_one(self, block: Block) -> Iterator[Decoded[T] | Reject]:
        offsets: list[int] = []
        values: list[T] = []
        for offset, line in block.lines():
            text = unwrapped(line)
            if not text:
                continue
            found = self._one(offset, text)
            if isinstance(found, Reject):
                yield found
            else:
                offsets.append(offset)
                values.append(found)
        yield Decoded(offsets, values)

    def _one(self, offset: int, line: bytes) -> T | Reject:
        try:
            return self._fast.decode(line)
        except (ValueError, RecursionError):
            pass
        try:
            return self._lax.decode(line)
        except RecursionError:
            return Reject(offset, "json-depth", "nested too deeply", self._mask(line))
        except msgspec.ValidationError as e:
            return Reject(offset, "json-shape", str(e)[:200], self._mask(line))
        except ValueError as e:
            problem = str(e)
        try:
            return self._python(line)
        except RecursionError:
            return Reject(offset, "json-depth", "nested too deeply", self._mask(line))
        except msgspec.ValidationError as e:
            return Reject(offset, "json-shape", str(e)[:200], self._mask(line))
        except ValueError:
            pass
        return Reject(offset, "json", problem[:200], self._mask(line))

    def _python(self, line: bytes) -> T:
        """What Python would make of a line: lone surrogates and bytes that are no UTF-8 become U+FFFD."""
        text = _LONE.sub(lambda m: m[1] or rb"\ufffd", line).decode("utf-8", "replace")
        try:
            return self._lax.decode(text)
        except msgspec.ValidationError:
            raise
        except ValueError:
            if len(line) > MENDED:
                raise
        return msgspec.convert(json.loads(text, strict=False), self._type, strict=False)


def unwrapped(line: bytes) -> bytes:
    """A line without what an array around it leaves: `[` or `,` before, `,` or `]` after, blanks.

    Empty when nothing else stands there.
    """
    text = line.strip(b" \t\r\n\x0b\x0c")
    if text[:1] in (b"[", b","):
        text = text[1:].lstrip()
    if text.endswith(b"]") and text.startswith(b"{"):
        text = text[:-1].rstrip()
    if text == b"]":
        return b""
    return text[:-1].rstrip() if text.endswith(b",") else text


def first_object(head: bytes) -> dict[str, Any] | None:
    """The first JSON object in the beginning of a source, for sniffing; None when there is none.

    head: up to some KiB, which may end anywhere: what is complete of a cut object is given, containers closed
    where they were cut. A byte order mark, a `[` and commas before it are passed over, and so are lines before
    it that hold no object. Pretty-printed objects are found as well. Never raises.
    """
    rest = head.removeprefix(b"\xef\xbb\xbf")
    for _ in range(_TRIES):
        rest = rest.lstrip(b" \t\r\n[,")
        if not rest:
            return None
        found = _object(rest) if rest.startswith(b"{") else None
        if found is not None:
            return found
        _, _, rest = rest.partition(b"\n")
    return None


def _object(text: bytes) -> dict[str, Any] | None:
    """The object that `text` begins with, cut back to its last complete member if it does not end."""
    closing = bytearray()
    safe, tail = 0, b""
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in (b"{", b"["):
            if len(closing) >= _DEEP:
                break
            closing += b"}" if mark == b"{" else b"]"
            safe, tail = token.end(), bytes(closing[::-1])
        elif mark in (b"}", b"]"):
            if closing[-1:] != mark:
                return None
            closing.pop()
            safe, tail = token.end(), bytes(closing[::-1])
            if not closing:
                break
        elif mark == b",":
            safe, tail = token.start(), bytes(closing[::-1])
        elif mark == b'"':  # a string that is cut
            break
    try:
        found = json.loads((text[:safe] + tail).decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
    whole = not tail
    return found if isinstance(found, dict) and (found or whole) else None
