"""JSON objects however they are laid out: one a line, elements of an array, or pretty-printed over many lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from noroshi.model.reject import Reject
from noroshi.model.sensor import Reading
from noroshi.observe.jsonlines import unwrapped
from noroshi.observe.lines import blocks

RECORD: Final = 4 << 20
"""Bytes of an object over several lines at most."""
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BARE: Final = re.compile(rb'("(?:[^"\\]|\\.)*")|([{,]\s*)([A-Za-z_][A-Za-z0-9_]*)(\s*:)')
_DECODER: Final = msgspec.json.Decoder()


def records(reading: Reading) -> Iterator[tuple[int, dict[str, Any]] | Reject]:
    """(offset, object) of each object of the source, and rejects.

    Objects stand one a line (NDJSON), as elements of an array with commas before or behind, or spread over
    lines as pretty-printers do. Names without quotation marks (masscan before 1.0) are understood. A string
    never goes over a line in JSON, so brackets are counted line by line.
    Reasons: json, json-depth, json-shape, record-length, truncated, line-length.
    """
    held: list[bytes] = []
    start = depth = size = 0
    for block in blocks(reading):
        if isinstance(block, Reject):
            yield block
            continue
        for offset, line in block.lines():
            body = line.strip()
            if held and line.startswith(b"{") and len(body) > 1:
                # Pretty-printers indent what stands within: the object before this line was cut.
                yield Reject(start, "json", "an object that does not end", held[0])
                held = []
            if not held:
                body = unwrapped(body)
                if not body:
                    continue
                if _ends(body):
                    found = decode(offset, body)
                    if not isinstance(found, Reject) or not body.startswith(b"{"):
                        yield from _objects(offset, found)
                        continue
                    if _balance(body) <= 0:
                        yield found
                        continue
                start, depth, size = offset, 0, 0
            depth += _balance(body)
            size += len(body)
            held.append(body)
            if size > RECORD:
                yield Reject(start, "record-length", f"an object longer than {RECORD:,} bytes", held[0])
                held = []
            elif depth <= 0:
                yield from _objects(start, decode(start, b"\n".join(held).rstrip(b",")))
                held = []
        reading.advance(len(block.data))
    if held:
        yield Reject(start, "truncated", "the source ends within an object", held[0])


def _ends(body: bytes) -> bool:
    return body.endswith((b"}", b"]")) or not body.startswith((b"{", b"["))


def _balance(body: bytes) -> int:
    bare = _STRING.sub(b"", body) if b'"' in body else body
    return bare.count(b"{") + bare.count(b"[") - bare.count(b"}") - bare.count(b"]")


def _objects(offset: int, found: Any) -> Iterator[tuple[int, dict[str, Any]] | Reject]:
    if isinstance(found, Reject):
        yield found
    elif isinstance(found, dict):
        yield offset, found
    elif isinstance(found, list):
        for one in found:
            yield from _objects(offset, one if isinstance(one, dict) else _shape(offset))
    else:
        yield _shape(offset)


def _shape(offset: int) -> Reject:
    return Reject(offset, "json-shape", "is no object")


def decode(offset: int, body: bytes) -> Any:
    """What a text in JSON holds, or a reject."""
    try:
        return _DECODER.decode(body)
    except RecursionError:
        return Reject(offset, "json-depth", "nested too deeply", body)
    except ValueError as e:
        problem = str(e)
    if "trailing characters" in problem:  # an array on one line, of which the brackets are gone
        try:
            return _DECODER.decode(b"[" + body + b"]")
        except (ValueError, RecursionError):
            pass
    if len(body) <= RECORD and _BARE.search(body):
        try:
            return _DECODER.decode(_BARE.sub(_quoted, body))
        except (ValueError, RecursionError):
            pass
    return Reject(offset, "json", problem[:200], body)


def _quoted(found: re.Match[bytes]) -> bytes:
    if found[1] is not None:
        return found[1]
    return found[2] + b'"' + found[3] + b'"' + found[4]
