"""Defanged text made plain again, with the way back to where each character stood."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Final

# Same length in, same length out: full-width forms, hyphens and spaces of typography.
_PLAIN: Final = {
    **{0xFF01 + i: 0x21 + i for i in range(94)},
    **dict.fromkeys([*range(0x2010, 0x2016), 0x2212], ord("-")),
    0xA0: ord(" "), 0x3000: ord(" "), 0xFF61: ord("."),
}  # fmt: skip
# What people write behind ` dot `; any word there would join what are two words.
_SPOKEN: Final = "com|net|org|info|biz|edu|gov|mil|ru|cn|jp|co|io|xyz|top|onion"
_DEFANGED: Final = re.compile(
    rf"""
    (?P<dot>
        (?P<gap>(?<=[a-z0-9])[ ])?
        \\?(?:\[[ ]?(?:\.|dot|d0t)[ ]?\\?\]|\([ ]?(?:\.|dot)[ ]?\)|\{{[ ]?(?:\.|dot)[ ]?\}}|<(?:\.|dot)>)
        (?(gap)[ ](?=[a-z0-9]))
      | \[\.(?=[a-z0-9]) | (?<=[a-z0-9])\.\]
      | (?<=[a-z0-9])\\\.(?=[a-z0-9])
      | (?<=[a-z0-9])[ ]dot[ ](?=(?:{_SPOKEN})(?![a-z0-9]))
    )
  | (?P<colons> \[://\] | \[:\]// | \[:/\]/ | \[:\]\[/\]\[/\] | (?<=p)\]?:\[//\] | (?<=ps)\]?:\[//\] )
  | (?P<colon> \[:\] )
  | (?P<slash> \[/\] )
  | (?P<at> [ ]?(?:\[[ ]?(?:@|at)[ ]?\]|\([ ]?(?:@|at)[ ]?\)|\{{[ ]?(?:@|at)[ ]?\}})[ ]? )
  | (?P<http> (?<![a-z0-9]) (?:h(?:xx|xt|tx|\*\*|__|--|tt[x*])p | hxxx) (?P<s>s?) (?=[ ]?[\[:]) )
  | (?P<ftp> (?<![a-z0-9]) f(?:x|tx|xt|\*)p (?=[ ]?[\[:]) )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_FOR: Final = {"dot": ".", "colons": "://", "colon": ":", "slash": "/", "at": "@", "ftp": "ftp", "http": ""}


@dataclass(frozen=True)
class Refanged:
    """`text` reads as if it had never been defanged; positions in it lead back to the original."""

    text: str
    starts: list[int]
    """Where pieces begin in `text`."""
    origins: list[int]
    """Where they begin in the original, and one more: its length."""
    marks: list[int]
    """Positions in `text` that were defanged."""

    def origin(self, at: int) -> int:
        """Where a position of `text` stands in the original."""
        i = bisect_right(self.starts, at) - 1
        return min(self.origins[i] + at - self.starts[i], self.origins[i + 1])

    def was_defanged(self, start: int, end: int) -> bool:
        """True when something between the two positions was."""
        i = bisect_left(self.marks, start)
        return i < len(self.marks) and self.marks[i] < end


def refanged(text: str) -> Refanged:
    """`text` with hxxp, [.], (dot), [at], [://], \\. and the like as what they stand for; in linear time.

    Full-width letters and signs become ASCII. ` dot ` between words counts before a few endings only.
    """
    plain = text.translate(_PLAIN)
    pieces: list[str] = []
    starts, origins, marks = [], [], []
    length, done = 0, 0
    for found in _DEFANGED.finditer(plain):
        kind = next(k for k in _FOR if found[k] is not None)
        new = "http" + found["s"].lower() if kind == "http" else _FOR[kind]
        for piece, origin in ((plain[done : found.start()], done), (new, found.start())):
            if piece:
                starts.append(length)
                origins.append(origin)
                pieces.append(piece)
                length += len(piece)
        marks.append(length - len(new))
        done = found.end()
    starts.append(length)
    origins += [done, len(plain)]
    pieces.append(plain[done:])
    return Refanged("".join(pieces), starts, origins, marks)


def refang(text: str) -> str:
    """One value without its defanging: `hxxp://evil[.]example` is http://evil.example."""
    return refanged(text).text.strip()
