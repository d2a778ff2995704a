"""What an adversary learns who knows some pairs of original and masked address: by simulation, with intervals.

The rule is exact, only the choice of known pairs is drawn: under a prefix-preserving mask the common prefix of two
masked addresses is that of their originals, so one known pair gives each other address the bits it shares with it and
one more (the next one is the other). A truncated address shows its bits to everybody, a token none.
Sources: Ribeiro, Chen, Miklau, Towsley, "Analyzing Privacy in Enterprise Packet Trace Anonymization", NDSS 2008;
Coull, Wright, Monrose, Collins, Reiter, "Playing Devil's Advocate: Inferring Sensitive Information from Anonymized
Network Traces", NDSS 2007.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Words = npt.NDArray[np.uint64]

DRAWS = 200
"""Draws of known pairs: enough that the ends of a 95 % interval are the 5th value from either end."""


@dataclass(frozen=True)
class Estimate:
    """Mean over the draws, and the middle 95 % of them."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Exposure:
    """What is learnt of the addresses outside of the known pairs."""

    pairs: int
    addresses: int
    """Addresses at risk: all but the known ones."""
    outright: Estimate
    """Addresses of which every bit follows from the pairs."""
    among_known: Estimate
    """Addresses of which only one candidate is left to somebody who also knows which addresses are there."""
    bits: Estimate
    """Bits known of an address, on average."""
    half: Estimate
    """Addresses of which the network (24 bits of IPv4, 48 of IPv6) is known."""


def exposure(
    addresses: Sequence[bytes],
    do: str,
    pairs: Sequence[int],
    *,
    v4: int = 24,
    v6: int = 48,
    draws: int = DRAWS,
) -> list[Exposure]:
    """What is learnt of stored addresses of one version under an action, for each number of known pairs.

    do: keep, truncate, prefix-preserving; anything else (token, drop) shows nothing. The draws have a fixed seed.
    """
    import numpy as np

    if not addresses:
        return []
    width = (len(addresses[0]) - 1) * 8
    values = _sorted(addresses)
    total = len(values)
    near = _nearest(values, width)
    rng = np.random.default_rng(20_261_120)
    cut = {"keep": width, "truncate": v4 if width == 32 else v6}.get(do)
    net = 24 if width == 32 else 48
    out = []
    for n in pairs:
        known = min(n, total - 1)
        found = []
        for _ in range(draws if do == "prefix-preserving" and known else 1):
            bits = np.full(total, cut or 0, np.int64)
            chosen = np.sort(rng.choice(total, known, replace=False)) if known else np.empty(0, np.int64)
            if do == "prefix-preserving" and known:
                bits = _learnt(values, chosen, width)
            rest = np.ones(total, bool)
            rest[chosen] = False
            one = bits[rest]
            found.append(
                (
                    int(np.count_nonzero(one == width)), int(np.count_nonzero(near[rest] < one)),
                    float(one.mean()), int(np.count_nonzero(one >= net)),
                )
            )  # fmt: skip
        table = np.array(found, float)
        out.append(Exposure(known, total - known, *(_estimate(table[:, i]) for i in range(4))))
    return out


def _estimate(values: npt.NDArray[np.float64]) -> Estimate:
    import numpy as np

    low, high = np.percentile(values, (2.5, 97.5))
    return Estimate(float(values.mean()), float(low), float(high))


def _sorted(addresses: Sequence[bytes]) -> Words:
    """Distinct addresses in order, as n x 2 words (upper, lower)."""
    import numpy as np

    raw = b"".join(a[1:].rjust(16, b"\0") for a in sorted(set(addresses)))
    return np.frombuffer(raw, ">u8").astype(np.uint64).reshape(-1, 2)


def _common(a: Words, b: Words, width: int) -> Ints:
    """Bits two addresses have in common, row by row."""
    import numpy as np

    upper, lower = a[:, 0] ^ b[:, 0], a[:, 1] ^ b[:, 1]
    length = np.where(upper > 0, _bit_length(upper) + 64, _bit_length(lower))
    return width - length


def _bit_length(values: Words) -> Ints:
    import numpy as np

    length = np.zeros(len(values), np.int64)
    rest = values.copy()
    for step in (32, 16, 8, 4, 2, 1):
        big = rest >= np.uint64(1 << step)
        length[big] += step
        rest[big] >>= np.uint64(step)
    return length + (rest > 0)


def _nearest(values: Words, width: int) -> Ints:
    """For each address, the bits it shares with the one most like it: with more bits known it is the only one."""
    import numpy as np

    out = np.full(len(values), -1, np.int64)
    if len(values) > 1:
        side = _common(values[1:], values[:-1], width)
        out[1:] = side
        out[:-1] = np.maximum(out[:-1], side)
    return out


def _learnt(values: Words, known: Ints, width: int) -> Ints:
    """Bits known of each address: one more than it shares with the known address most like it, which is next to it
    in order."""
    import numpy as np

    at = np.searchsorted(known, np.arange(len(values)))
    right, left = known[np.minimum(at, len(known) - 1)], known[np.maximum(at - 1, 0)]
    best = np.maximum(_common(values, values[right], width), _common(values, values[left], width))
    bits: Ints = np.minimum(best + 1, width)
    return bits
