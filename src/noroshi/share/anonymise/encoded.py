"""Addresses and words in other clothes: the pieces of a text that can be decoded, and what they decode to.

The scrubber reads what comes out as it reads the text itself; a piece that holds something hidden is taken out whole.
All work is linear in the text: every pattern is bounded or possessive, and decoding goes two levels deep at most.
"""

from __future__ import annotations

import base64
import binascii
import html
import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

QUAD: Final = re.compile(
    r"(?<![0-9])(0x[0-9a-f]{1,2}|[0-9]{1,4})(\.|-|_|,|x|:|/| \. | )(0x[0-9a-f]{1,2}|[0-9]{1,4})\2"
    r"(0x[0-9a-f]{1,2}|[0-9]{1,4})\2(0x[0-9a-f]{1,2}|[0-9]{1,4})(?![0-9])",
    re.IGNORECASE,
)
"""Four numbers with one sign between them, decimal, octal or hexadecimal."""
REVERSED_NET: Final = re.compile(r"(?<![0-9.])((?:[0-9]{1,3}\.){2,3})in-addr\.arpa", re.IGNORECASE)
NIBBLES: Final = re.compile(r"(?<![0-9a-f.])((?:[0-9a-f]\.){8,32})(?:ip6\.|[a-z])", re.IGNORECASE)
SIX: Final = re.compile(
    r"(?<![0-9a-f:])(?=[0-9a-f:_\-]{0,39}[:\-_])[0-9a-f]{0,4}(?:[:\-_][0-9a-f]{0,4}){2,8}+"
    r"(?:[:.][0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|[0-9]{0,2}(?:\.[0-9]{1,3}){3})?",
    re.IGNORECASE,
)
INTEGER: Final = re.compile(
    r"(?:(?<![0-9a-z])(?:0x[0-9a-f]{6,32}|[0-9]{5,39})|(?<=[a-z])[0-9]{9,10})(?![0-9])", re.IGNORECASE
)
HEX: Final = re.compile(r"(?:(?:0x|\\x)?[0-9a-f]{2}(?:[ :\-,]|, ?)?){4,}+[0-9a-f]?", re.IGNORECASE)
BASE64: Final = re.compile(r"[A-Za-z0-9+/_\-]{6,}+={0,2}")
_PIECE: Final = re.compile(r"[^\s\"'<>]+")
_ESCAPE: Final = re.compile(
    r"%[0-9a-f]{2}|\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\[0-7]{3}|&#x?[0-9a-f]{1,6};|&[a-z]{2,8};|=[0-9A-F]{2}",
    re.IGNORECASE,
)
_CODES: Final = re.compile(
    r"%(?P<url>[0-9a-f]{2})|\\x(?P<c>[0-9a-f]{2})|\\u(?P<u>[0-9a-f]{4})|\\(?P<oct>[0-3][0-7]{2})",
    re.IGNORECASE,
)
_QUOTED: Final = re.compile(r"=(?P<qp>[0-9A-F]{2})")
_PRINTED: Final = re.compile(rb"[\x20-\x7e]{5,}")
_HIGH: Final = re.compile(rb"[\x80-\xff]{3,}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}[ :\-,]?", re.IGNORECASE)
_SEPARATORS: Final = re.compile(r"0x|\\x|[ :\-,]", re.IGNORECASE)
HASH_DIGITS: Final = frozenset((32, 40, 56, 64, 96, 128))
"""Lengths of hashes: four bytes of one that equal an own address are chance."""


def quads(text: str) -> Iterator[tuple[int, int, bytes]]:
    """(start, end, stored address) of every four numbers that can be an address, forwards, and backwards where a
    name follows (zones of reverse lookup, block lists, names providers give)."""
    at = 0
    while found := QUAD.search(text, at):
        at = found.end(1)  # 1.198.51.100.7 holds two
        octets = [_octet(found[i]) for i in (1, 3, 4, 5)]
        if any(o is None for o in octets):
            continue
        raw = bytes(o for o in octets if o is not None)
        yield *found.span(), b"\4" + raw
        if found[2] in "-_x" or re.match(r"[.\-_]?[A-Za-z]", text[found.end() : found.end() + 2]):
            yield *found.span(), b"\4" + raw[::-1]


def _octet(text: str) -> int | None:
    """A part of an address, as inet_aton reads it."""
    low = text.lower()
    if low.startswith("0x"):
        value = int(low[2:], 16)
    elif len(low) > 3 or (len(low) == 4 and low[0] == "0"):
        value = int(low, 8) if low[0] == "0" and set(low) <= set("01234567") else 256
    else:
        value = int(low)
    return value if value < 256 else None


def networks(text: str) -> Iterator[tuple[int, int, bytes, bytes]]:
    """(start, end, first, last address) of zones of reverse lookup."""
    for found in REVERSED_NET.finditer(text):
        parts = [int(p) for p in found[1].rstrip(".").split(".")][::-1]
        if all(p < 256 for p in parts):
            raw = bytes(parts)
            yield *found.span(), b"\4" + raw.ljust(4, b"\0"), b"\4" + raw.ljust(4, b"\xff")
    for found in NIBBLES.finditer(text):
        digits = found[1].replace(".", "")[::-1]
        low, high = bytes.fromhex(digits.ljust(32, "0")), bytes.fromhex(digits.ljust(32, "f"))
        yield *found.span(1), b"\6" + low, b"\6" + high


def sixes(text: str) -> Iterator[tuple[int, int, bytes]]:
    """(start, end, stored address) of IPv6 addresses however they are written."""
    for found in SIX.finditer(text):
        raw = found[0].strip("-_")
        for one in {raw, raw.replace("-", ":").replace("_", ":")}:
            packed = _six(one) or _six(one.rstrip(":")) or _six(one.lstrip(":"))
            if packed:
                yield *found.span(), packed


def _six(text: str) -> bytes | None:
    try:
        one = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    four = one.ipv4_mapped
    return b"\4" + four.packed if four else b"\6" + one.packed


def integers(text: str) -> Iterator[tuple[int, int, bytes]]:
    """(start, end, stored address) of numbers that can be an address."""
    for found in INTEGER.finditer(text):
        low = found[0].lower()
        numbers = {int(low, 16)} if low.startswith("0x") else {int(low)}
        if low[0] == "0" and not low.startswith("0x") and set(low) <= set("01234567"):
            numbers.add(int(low, 8))
        for number in numbers:
            if number < 1 << 32:
                yield *found.span(), b"\4" + number.to_bytes(4)
                yield *found.span(), b"\4" + number.to_bytes(4, "little")
            elif number < 1 << 128:
                yield *found.span(), b"\6" + number.to_bytes(16)
                if number >> 32 == 0xFFFF:
                    yield *found.span(), b"\4" + (number & 0xFFFFFFFF).to_bytes(4)


def hexes(text: str) -> Iterator[tuple[int, int, list[bytes], bool]]:
    """(start, end, bytes at both alignments, exact) of runs of hexadecimal digits, with or without signs between.
    exact: the run is no hash, and a binary address may stand anywhere in it."""
    for found in HEX.finditer(text):
        digits = _SEPARATORS.sub("", found[0])
        whole = [bytes.fromhex(digits[at : at + (len(digits) - at) // 2 * 2]) for at in (0, 1)]
        name = _UUID.fullmatch(found[0]) or (len(digits) in HASH_DIGITS and len(digits) == len(found[0]))
        yield *found.span(), whole, not name


def base64s(text: str) -> Iterator[tuple[int, int, list[bytes], bool]]:
    """(start, end, bytes at all alignments, exact) of runs of base64. exact: only the first is a binary value."""
    for found in BASE64.finditer(text):
        run = found[0].rstrip("=").replace("-", "+").replace("_", "/")
        # Six letters decode to four bytes: without the padding they are a word.
        out = [b""] if len(run) == 6 and not found[0].endswith("=") else []
        for at in range(len(out), 4):
            part = run[at:]
            part = part[: len(part) - (len(part) % 4 == 1)]
            try:
                out.append(base64.b64decode(part + "=" * (-len(part) % 4)))
            except (binascii.Error, ValueError):
                continue
        yield *found.span(), out, False


def cores(text: str) -> Iterator[str]:
    """What the base64 of any bytes with `text` in them has in the middle, at the three alignments, in lower case;
    nothing for texts so short that it would be met by chance."""
    raw = text.encode()
    for before, skip in ((0, 0), (1, 2), (2, 3)):
        whole = base64.b64encode(bytes(before) + raw).decode()
        core = whole[skip : (before + len(raw)) * 8 // 6].lower()
        if len(core) >= 8:
            yield core


def common_text(low: bytes, high: bytes) -> str:
    """What the addresses of a range begin with as text, by whole parts: `203.0.113.`."""
    mark, size = (".", 1) if low[0] == 4 else (":", 2)
    parts = []
    for at in range(1, len(low), size):
        one = low[at : at + size]
        if one != high[at : at + size]:
            break
        parts.append(str(one[0]) if size == 1 else f"{int.from_bytes(one):x}")
    return mark.join(parts) + mark if parts else ""


def escapes(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, what it reads as) of words with escapes of URLs, C, JSON, HTML or mail in them."""
    for found in _PIECE.finditer(text):
        plain = found[0]
        if not _ESCAPE.search(plain):
            continue
        for _ in range(3):
            again = html.unescape(_CODES.sub(_code, plain))
            if again == plain:
                break
            plain = again
            yield *found.span(), plain  # each round: what the next one makes of it may be nothing
        quoted = _QUOTED.sub(_code, found[0])
        if quoted != found[0]:
            yield *found.span(), quoted


def _code(found: re.Match[str]) -> str:
    kind = found.lastgroup or ""
    return chr(int(found[kind], 8 if kind == "oct" else 16))


def printed(raw: bytes) -> Iterator[str]:
    """The texts inside decoded bytes: runs of printable ASCII, also of UTF-16, and UTF-8 as a whole."""
    for one in (raw, raw.replace(b"\0", b"")) if b"\0" in raw else (raw,):
        for found in _PRINTED.finditer(one):
            yield found[0].decode("ascii")
    if _HIGH.search(raw):
        try:
            yield raw.decode()
        except UnicodeDecodeError:
            return


def folded(text: str) -> str:
    """`text` in its plainest form: compatibility forms and digits of all scripts as ASCII, nothing invisible."""
    out = []
    for char in unicodedata.normalize("NFKC", text.replace("。", ".")):
        if char.isascii():
            out.append(char)
        elif unicodedata.category(char) not in ("Cf", "Mn"):
            digit = unicodedata.decimal(char, None)
            out.append(char if digit is None else str(digit))
    return "".join(out)
