"""What known pairs give away, checked against the slow and obvious way."""

from __future__ import annotations

import random

import pytest

from noroshi.share.anonymise.cryptopan import CryptoPan
from noroshi.share.anonymise.risk import exposure


def packed(numbers: set[int]) -> list[bytes]:
    return [b"\4" + n.to_bytes(4) for n in sorted(numbers)]


@pytest.mark.parametrize("seed", range(5))
def test_bits_follow_from_real_masked_pairs(seed: int) -> None:
    """An adversary with the masked addresses and n pairs derives exactly the bits that are counted."""
    draw = random.Random(seed)
    numbers = sorted({draw.randrange(1 << 12) | draw.randrange(4) << 30 for _ in range(60)})
    pan = CryptoPan(bytes(range(32)))
    masked = {n: pan.mask4(n) for n in numbers}
    # All but one pair are known, so that every draw is the same but for the one left out.
    known = numbers[:-1]
    target = masked[numbers[-1]]
    common = max(32 - (target ^ masked[k]).bit_length() for k in known)
    bits = min(common + 1, 32)
    best = max(known, key=lambda k: 32 - (target ^ masked[k]).bit_length())
    guess = best ^ (1 << (31 - common)) if common < 32 else best
    assert guess >> (32 - bits) == numbers[-1] >> (32 - bits)
    [found] = exposure(packed(set(numbers)), "prefix-preserving", [len(numbers) - 1], draws=10)
    assert found.addresses == 1
    assert found.bits.low <= 32


@pytest.mark.parametrize(
    ("do", "bits", "outright"), [("token", 0, 0), ("drop", 0, 0), ("truncate", 24, 0), ("keep", 32, 90)]
)
def test_actions_that_pairs_do_not_change(do: str, bits: int, outright: int) -> None:
    [found] = exposure(packed(set(range(0, 25600, 256))), do, [10], draws=10)
    assert (found.addresses, found.bits.mean, found.outright.mean) == (90, bits, outright)
    assert found.among_known.mean == (90 if bits else 0), "each is alone in its /24"


def test_more_pairs_tell_more() -> None:
    addresses = packed({random.Random(3).randrange(1 << 32) for _ in range(1)} | set(range(500)))
    found = exposure(addresses, "prefix-preserving", [0, 1, 10, 100], draws=40)
    means = [f.bits.mean for f in found]
    assert means == sorted(means)
    assert means[0] == 0


def test_nobody_and_more_pairs_than_addresses() -> None:
    assert exposure([], "token", [1]) == []
    [found] = exposure(packed({1, 2}), "prefix-preserving", [1000], draws=10)
    assert (found.pairs, found.addresses) == (1, 1)
