"""What a JSON document is, from its first bytes, which may end anywhere."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_TOKEN = re.compile(rb'[ \t\r\n]*(?:("(?:[^"\\]|\\.)*")|([{}\[\],:])|([^"{}\[\],:\s]+))', re.S)
DEEPEST: Final = 8
"""Levels of brackets that are looked into."""


@lru_cache(maxsize=4)
def outline(head: bytes) -> dict[str, str]:
    """The places that stand in `head`, each with its first text ("" for what is no text), in order of appearance.

    A place is written as in `jsonsplit`: `Event.info`, `response[].Event.uuid`, `objects[].id`. Empty when it
    begins like no JSON. Sniffers of several formats ask for the same head, so the last few are remembered.
    """
    at = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    found: dict[str, str] = {}
    stack: list[str] = []
    key, place = "", ""
    wants_key = False
    while token := _TOKEN.match(head, at):
        at = token.end()
        text, sign, _ = token.groups()
        if not stack and sign not in (b"{", b"["):
            return found
        if sign in (b"{", b"["):
            if len(stack) >= DEEPEST:
                return found
            where = _join(place, key)
            found.setdefault(where, "")
            stack.append(place)
            place, key = (where, "") if sign == b"{" else (where, "[]")
            wants_key = sign == b"{"
            if sign == b"[":
                stack[-1] += "\0"  # an array: its place comes back without a key
        elif sign in (b"}", b"]"):
            array = stack[-1].endswith("\0")
            if array != (sign == b"]"):
                return found
            place = stack.pop().removesuffix("\0")
            key = "[]" if stack and stack[-1].endswith("\0") else ""
            wants_key = False
        elif sign == b",":
            wants_key = key != "[]"
        elif sign == b":":
            wants_key = False
        elif text and wants_key:
            key = text[1:-1].decode("utf-8", "replace")
        else:
            where = _join(place, key)
            found.setdefault(where, "")
            if text and not found[where]:
                found[where] = text[1:-1].decode("utf-8", "replace")
    return found


def _join(place: str, key: str) -> str:
    if key == "[]":
        return place + key
    return f"{place}.{key}" if place and key else place or key
