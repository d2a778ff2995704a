"""Observables: the values that tie evidence together, in one canonical form each, and their 64-bit key.

Ports, protocols and file types are context, never observables.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from noroshi.model import address
from noroshi.model.errors import UsageError

_FNV_OFFSET, _FNV_PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


def key64(kind: str, value: str) -> int:
    """The signed 64-bit key of an observable: FNV-1a over kind, NUL and value, then the murmur3 finaliser.

    The same on every machine and release, and cheap to compute in bulk (`wire.text`). It only narrows a
    search: whoever matches a key compares the value too. Source: FNV (draft-eastlake-fnv), murmur3 fmix64.
    """
    h = _FNV_OFFSET
    for byte in f"{kind}\0{value}".encode():
        h = ((h ^ byte) * _FNV_PRIME) & _MASK
    h ^= h >> 33
    h = (h * 0xFF51AFD7ED558CCD) & _MASK
    h ^= h >> 33
    h = (h * 0xC4CEB9FE1A85EC53) & _MASK
    h ^= h >> 33
    return h - (1 << 64) if h >> 63 else h


def _address(value: str) -> str:
    return address.text(address.pack(value))


def _prefix(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value.strip(), strict=False))
    except ValueError:
        raise UsageError(f"{value!r} is not a network prefix", todo=address.PREFIX) from None


def _asn(value: str) -> str:
    digits = value.strip().upper().removeprefix("AS")
    if not digits.isascii() or not digits.isdigit() or int(digits) >> 32:
        raise UsageError(f"{value!r} is not an AS number", todo="Write it as AS64500.")
    return f"AS{int(digits)}"


# One row per kind; an issue that brings a new kind adds its row and a test vector.
CANONICAL: dict[str, Callable[[str], str]] = {"ip": _address, "prefix": _prefix, "asn": _asn}


def canonical(kind: str, value: str) -> str:
    """The canonical text of an observable of `kind`; raises UsageError when it is not one."""
    if kind not in CANONICAL:
        raise UsageError(f"unknown kind of observable {kind!r}", todo=f"Known: {', '.join(CANONICAL)}.")
    return CANONICAL[kind](value)


def guess(value: str) -> tuple[str, str]:
    """(kind, canonical value) of a text whose kind was not said; raises UsageError when nothing fits."""
    for kind in CANONICAL:
        if kind == "asn" and not value.strip().upper().startswith("AS"):
            continue
        try:
            return kind, canonical(kind, value)
        except UsageError:
            continue
    raise UsageError(f"{value!r} is no value Noroshi knows", todo=f"Give its kind: {', '.join(CANONICAL)}.")
