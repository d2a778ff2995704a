"""Crypto-PAn: addresses masked so that two which share a prefix of n bits share one of n bits afterwards.

Source: Xu, Fan, Ammar, Moon, "Prefix-Preserving IP Address Anonymization", ICNP 2002; bit-exact with the authors'
program for IPv4 and with its usual extension to 128 bits for IPv6. The first 16 bytes of the key are the AES key,
the last 16, encrypted, the pad. Bit n of the answer is bit n of the address, turned over when the first bit of
AES(first n bits of the address, then the pad) is one: an address costs 32 or 128 blocks. Sorted addresses share most of
theirs, so blocks are made once per distinct prefix and in one call of the cipher per level.

This is pseudonymisation, and every known pair of addresses tells something of others (docs/anonymising.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Words = npt.NDArray[np.uint64]
    Ints = npt.NDArray[np.uint32]

_CHUNK = 1 << 15
"""Addresses a step: their blocks take 512 KiB and stay in the second-level cache."""
_FEW = 512
"""Up to here all levels go to the cipher in one call; beyond, sorting and sharing prefixes pays."""
_TABLE_BITS = 16
"""Levels of IPv4 answered from a table of 2^16 entries, made at first use (65,535 blocks)."""


class CryptoPan:
    """Masks and unmasks addresses under one key of 32 bytes. Safe to share between threads."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        if len(key) != 32:
            raise ValueError("a key of Crypto-PAn has 32 bytes")
        # ECB of single blocks is what the method is made of: each block is used once, for one bit.
        self._cipher = Cipher(algorithms.AES(key[:16]), modes.ECB())  # noqa: S305
        self._pad = self._aes(key[16:])
        self._table: Ints | None = None

    def _aes(self, blocks: bytes | memoryview) -> bytes:
        return self._cipher.encryptor().update(blocks)

    def mask4(self, address: int) -> int:
        """One IPv4 address as a number, masked."""
        return self._one(address, 32)

    def mask6(self, address: int) -> int:
        """One IPv6 address as a number, masked."""
        return self._one(address, 128)

    def unmask4(self, masked: int) -> int:
        """The IPv4 address that `mask4` made this of: bit by bit from the top."""
        return self._back(masked, 32)

    def unmask6(self, masked: int) -> int:
        """The IPv6 address that `mask6` made this of."""
        return self._back(masked, 128)

    def _one(self, address: int, bits: int) -> int:
        wide, pad = address << (128 - bits), int.from_bytes(self._pad)
        blocks = bytearray()
        for n in range(bits):
            low = (1 << (128 - n)) - 1
            blocks += ((wide & ~low) | (pad & low)).to_bytes(16)
        flips = 0
        for first in self._aes(bytes(blocks))[::16]:
            flips = flips << 1 | first >> 7
        return address ^ flips

    def _back(self, masked: int, bits: int) -> int:
        pad, known = int.from_bytes(self._pad), 0
        coder = self._cipher.encryptor()
        for n in range(bits):
            low = (1 << (128 - n)) - 1
            block = ((known << (128 - bits)) & ~low) | (pad & low)
            flip = coder.update(block.to_bytes(16))[0] >> 7
            known |= ((masked >> (bits - 1 - n) & 1) ^ flip) << (bits - 1 - n)
        return known

    def mask4_many(self, addresses: Ints) -> Ints:
        """IPv4 addresses (n, as numbers) masked, in the same order."""
        import numpy as np

        given = np.ascontiguousarray(addresses, np.uint32)
        if len(given) <= _FEW:
            return np.fromiter((self._one(int(a), 32) for a in given), np.uint32, len(given))
        distinct, where = _distinct(given)
        flips = np.empty_like(distinct)
        for at in range(0, len(distinct), _CHUNK):
            part = distinct[at : at + _CHUNK]
            flips[at : at + _CHUNK] = self._flips4(part)
        masked: Ints = distinct ^ flips
        return masked if where is None else masked[where]

    def _flips4(self, sorted_: Ints) -> Ints:
        """The bits to turn over of sorted IPv4 addresses."""
        import numpy as np

        top = self._top()[sorted_ >> np.uint32(32 - _TABLE_BITS)]
        out = top << np.uint32(32 - _TABLE_BITS)
        pad = np.frombuffer(self._pad, ">u4")
        blocks = np.empty((len(sorted_), 4), ">u4")
        blocks[:] = pad
        for n in range(_TABLE_BITS, 32):
            low = np.uint32((1 << (32 - n)) - 1)
            prefix, where = _prefixes(sorted_ & ~low)
            used = blocks[: len(prefix)]
            used[:, 0] = prefix | (np.uint32(pad[0]) & low)
            bit = self._bits(used)
            out |= (bit if where is None else bit[where]).astype(np.uint32) << np.uint32(31 - n)
        result: Ints = out
        return result

    def _top(self) -> Ints:
        """For each value of the first bits of an IPv4 address, the same number of bits to turn over."""
        import numpy as np

        if self._table is None:
            pad = np.frombuffer(self._pad, ">u4")
            table = np.zeros(1 << _TABLE_BITS, np.uint32)
            for n in range(_TABLE_BITS):
                blocks = np.empty((1 << n, 4), ">u4")
                blocks[:] = pad
                low = np.uint32((1 << (32 - n)) - 1)
                blocks[:, 0] = (np.arange(1 << n, dtype=np.uint32) << np.uint32(31 - n) << np.uint32(1)) | (
                    np.uint32(pad[0]) & low
                )
                bit = self._bits(blocks).astype(np.uint32) << np.uint32(_TABLE_BITS - 1 - n)
                table |= np.repeat(bit, 1 << (_TABLE_BITS - n))
            self._table = table
            return table
        assert self._table is not None
        return self._table

    def mask6_many(self, addresses: Words) -> Words:
        """IPv6 addresses (n x 2: upper and lower 64 bits) masked, in the same order."""
        import numpy as np

        given = np.ascontiguousarray(addresses, np.uint64).reshape(-1, 2)
        if len(given) <= _FEW // 4:
            whole = (self._one(int(hi) << 64 | int(lo), 128) for hi, lo in given)
            return np.array([(v >> 64, v & _LOW) for v in whole], np.uint64).reshape(-1, 2)
        order = np.lexsort((given[:, 1], given[:, 0]))
        sorted_ = given[order]
        flips = np.concatenate(
            [self._flips6(sorted_[at : at + _CHUNK]) for at in range(0, len(sorted_), _CHUNK)]
        )
        out = np.empty_like(given)
        out[order] = sorted_ ^ flips
        return out

    def _flips6(self, sorted_: Words) -> Words:
        import numpy as np

        pad = np.frombuffer(self._pad, ">u8")
        blocks = np.empty((len(sorted_), 2), ">u8")
        out = np.zeros_like(sorted_)
        fresh = np.empty(len(sorted_), bool)
        for n in range(128):
            half, shift = divmod(n, 64)
            low = np.uint64((1 << (64 - shift)) - 1)
            part = sorted_[:, half] & ~low
            fresh[0] = True
            np.not_equal(part[1:], part[:-1], out=fresh[1:])
            if half:
                fresh[1:] |= sorted_[1:, 0] != sorted_[:-1, 0]
            starts = np.flatnonzero(fresh)
            used = blocks[: len(starts)]
            used[:, half] = part[starts] | (np.uint64(pad[half]) & low)
            used[:, 1 - half] = sorted_[starts, 0] if half else pad[1]
            bit = self._bits(used)
            if len(starts) < len(sorted_):
                bit = np.repeat(bit, np.diff(starts, append=len(sorted_)))
            out[:, half] |= bit.astype(np.uint64) << np.uint64(63 - shift)
        return out

    def _bits(self, blocks: Any) -> npt.NDArray[np.uint8]:
        """The first bit of each block, encrypted."""
        import numpy as np

        whole: Any = np.ascontiguousarray(blocks)
        raw = np.frombuffer(self._aes(memoryview(whole).cast("B")), np.uint8)
        return raw[::16] >> np.uint8(7)


_LOW = (1 << 64) - 1


def _distinct(values: Ints) -> tuple[Ints, npt.NDArray[np.intp] | None]:
    """Sorted distinct values and where each of the given ones is among them."""
    import numpy as np

    order = np.argsort(values)
    ranked = values[order]
    fresh = np.empty(len(ranked), bool)
    fresh[0] = True
    np.not_equal(ranked[1:], ranked[:-1], out=fresh[1:])
    where = np.empty(len(ranked), np.intp)
    where[order] = np.cumsum(fresh) - 1
    return ranked[fresh], where


def _prefixes(sorted_: Ints) -> tuple[Ints, npt.NDArray[np.intp] | None]:
    """The distinct values of sorted ones; None for where they are when sharing would not pay."""
    import numpy as np

    fresh = np.empty(len(sorted_), bool)
    fresh[0] = True
    np.not_equal(sorted_[1:], sorted_[:-1], out=fresh[1:])
    count = int(np.count_nonzero(fresh))
    if count * 4 > len(sorted_) * 3:
        return sorted_, None
    return sorted_[fresh], np.cumsum(fresh) - 1


def mask_texts(pan: CryptoPan, texts: Sequence[str]) -> list[str]:
    """Addresses in text, masked; for few of them. Raises ValueError for what is none."""
    import ipaddress

    out = []
    for text in texts:
        one = ipaddress.ip_address(text)
        number = pan.mask4(int(one)) if one.version == 4 else pan.mask6(int(one))
        out.append(str(type(one)(number)))
    return out
